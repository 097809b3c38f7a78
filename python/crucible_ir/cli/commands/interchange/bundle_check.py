"""``crucible-ir bundle check``: check bundles, and their documents against each other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import click

from crucible_ir.cli.checking.issues import CheckOutcome, FileReport, Issue, Level
from crucible_ir.cli.checking.reports import BUNDLE_CHECK, REPORT_FORMATS, write_report
from crucible_ir.cli.files.bundles import UnreadableBundleError, add_bundle_limits, open_bundle
from crucible_ir.cli.files.inputs import STANDARD, ReadOptions, input_files
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import with_progress
from crucible_ir.cli.session import Session, with_options
from crucible_ir.interchange.bundle import BundleError, check_bundle
from crucible_ir.paths import general_path

if TYPE_CHECKING:
    from crucible_ir.interchange.bundle import BundleFinding
    from crucible_ir.interchange.bundle.limits import BundleLimits

#: The most problems of one kind that text lists; the others are counted.
_LISTED: Final = 10

_EXAMPLES = (
    ("crucible-ir bundle check llama.crucible.zip", "The file, each document, the references."),
    (
        "crucible-ir bundle check --ignore bundle.dangling llama.crucible.zip",
        "A bundle that is not meant to have everything that it refers to.",
    ),
    ("crucible-ir bundle check --format sarif '*.crucible.zip'", "A report for code scanning."),
)


@click.command(cls=Command, name="check", examples=_EXAMPLES)
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...")
@click.option(
    "--ignore",
    multiple=True,
    metavar="ID",
    help="Do not report this problem: an id such as bundle.dangling; repeatable.",
)
@click.option(
    "--format",
    "report_format",
    type=click.Choice(REPORT_FORMATS),
    default="text",
    show_default=True,
    help="Format of the report.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print only bundles with problems, no summary.")
@add_bundle_limits()
@click.pass_obj
def command(
    session: Session,
    bundles: tuple[str, ...],
    ignore: tuple[str, ...],
    report_format: str,
    quiet: bool,
    limits: BundleLimits,
) -> int:
    """Check bundles, and their documents against each other.

    The report lists damage of the file, documents that the manifest does not have or that are
    missing, other digests than the manifest says, invalid documents, references to documents that
    the bundle does not have, several documents for one version, several versions of a model in
    production, aliases of a model to a version of another one, and cycles. `crucible-ir explain
    bundle.cycle` describes a problem by its id. Of many similar problems, text lists the first; the
    other formats list all. The exit status is 1 if a bundle has a problem, and
    2 if it cannot be read.
    """
    names = list(dict.fromkeys(_names(bundles)))
    most = _LISTED if report_format == "text" else None
    reports = (_check(name, limits, frozenset(ignore), most) for name in names)
    shown = with_progress(reports, len(names))
    return write_report(report_format, shown, BUNDLE_CHECK, session, quiet=quiet)


def _names(arguments: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of the bundles; only patterns stand for other names."""
    for argument in arguments:
        if argument == STANDARD or os.path.isdir(argument):
            yield argument
        else:
            yield from (source.name for source in input_files([argument], ReadOptions()))


def _check(
    name: str, limits: BundleLimits, ignored: frozenset[str], most: int | None
) -> FileReport:
    """Check a bundle.

    Args:
        name: The name of the file.
        limits: The limits on the bundle.
        ignored: The ids of the problems that are not reported.
        most: The most similar problems to list; ``None`` for all.
    """
    total = None
    try:
        with open_bundle(name, limits) as bundle:
            findings: Iterable[BundleFinding] = check_bundle(bundle)
            total = len(bundle.entries)
    except BundleError as error:
        findings = error.findings
    except UnreadableBundleError as error:
        return FileReport(name, CheckOutcome.UNREADABLE, reason=str(error))
    findings = [each for each in findings if each.rule not in ignored]
    return FileReport(
        name,
        CheckOutcome.INVALID if findings else CheckOutcome.GOOD,
        issues=tuple(_issues(findings, most)),
        records=total,
        bad_records=len({each.document for each in findings if each.document}),
        rule_counts=Counter(each.rule for each in findings),
    )


def _issues(findings: Iterable[BundleFinding], most: int | None) -> Iterator[Issue]:
    similar: Counter[tuple[str, str, str]] = Counter()
    for each in findings:
        kind = each.rule, each.document.partition("/")[0], general_path(each.path)
        similar[kind] += 1
        if most is None or similar[kind] <= most:
            message = with_options(each.message)
            yield Issue(each.rule, Level.ERROR, each.path, message, entry=each.document)
