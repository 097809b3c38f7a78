"""``crucible-ir conformance``: certify an implementation of the IR in any language."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import check_overwriting, write_output
from crucible_ir.cli.options import FiniteRange, force_option
from crucible_ir.cli.program import Command, CommandGroup
from crucible_ir.cli.progress import with_progress
from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID, Session
from crucible_ir.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crucible_ir.conformance.reports import Line
    from crucible_ir.conformance.runner import DescribeError

_EXECUTOR = "python -m crucible_ir.conformance.executor"

_EXAMPLES = (
    ("crucible-ir conformance list", "The topics, with the number of cases of each."),
    (f"crucible-ir conformance run -- {_EXECUTOR}", "Certify this package."),
)

_RUN_EXAMPLES = (
    (f"crucible-ir conformance run -- {_EXECUTOR}", "Certify this package."),
    (
        "crucible-ir conformance run --suite 'time*' --verbose -- ./executor",
        "Some topics, with all cases and full values.",
    ),
    (
        "crucible-ir conformance run --expected-failures known.txt --format junit"
        " --output report.xml -- ./executor",
        "In continuous integration; cases that are known to fail must still fail.",
    ),
    (
        f"crucible-ir conformance run --save-binaries python.binpbs -- {_EXECUTOR}",
        "Save the output of one implementation …",
    ),
    (
        "crucible-ir conformance run --payloads python.binpbs -- ./executor",
        "… and test another implementation with it.",
    ),
)

_CROSS_EXAMPLES = (
    (f"crucible-ir conformance cross '{_EXECUTOR}' './executor'", "Two implementations."),
    (
        f"crucible-ir conformance cross --suite wire '{_EXECUTOR}'",
        "One implementation, which reads its own output.",
    ),
)


def _complete_topics(context: Any, parameter: Any, incomplete: str) -> list[CompletionItem]:
    from crucible_ir.conformance.suites import TEXT_EXTENSION, suite_folder

    found = sorted(path.stem for path in suite_folder().glob(f"*{TEXT_EXTENSION}"))
    return [CompletionItem(topic) for topic in found if topic.startswith(incomplete)]


def _selecting_options(decorated: Any) -> Any:
    """Give a command the options that select cases."""
    suite = click.option(
        "--suite",
        "topics",
        multiple=True,
        metavar="PATTERN",
        shell_complete=_complete_topics,
        help="Only the topics that match; repeatable.",
    )
    case = click.option(
        "--case",
        "cases",
        multiple=True,
        metavar="PATTERN",
        help="Only the cases whose name, with or without the topic, matches; repeatable.",
    )
    vectors = click.option(
        "--vectors",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="A folder or a file of cases, instead of the published ones.",
    )
    return suite(case(vectors(decorated)))


_timeout_option = click.option(
    "--timeout",
    type=FiniteRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="The longest time for a response; the first response gets at least a minute.",
)


class _RunCommand(Command):
    """A command that takes no options after its first argument."""

    allow_interspersed_args = False


@click.command(cls=CommandGroup, examples=_EXAMPLES)
def command() -> None:
    """Certify an implementation of the IR in any language.

    For each payload, the published cases specify whether it can be read, the rules it breaks, its
    ProtoJSON and its digest. An executor, a small program in the language of the implementation,
    receives each payload on standard input and writes its results to standard output.
    docs/conformance.md describes how to write one.
    """


@command.command(cls=Command, name="list")
@_selecting_options
@click.option("--verbose", is_flag=True, help="List each case with its reason.")
@click.pass_obj
def list_(
    session: Session,
    topics: tuple[str, ...],
    cases: tuple[str, ...],
    vectors: Path | None,
    verbose: bool,
) -> int:
    """List the topics of the published cases, or the cases with --verbose."""
    from collections import Counter

    from crucible_ir.conformance.suites import select_cases, suite_folder

    selected = select_cases(vectors or suite_folder(), topics, cases)
    console = session.out()
    if verbose:
        for named in selected:
            reason = f"  {named.case.reason}" if named.case.reason else ""
            console.print(printable(f"{named.name}{reason}"))
        return GOOD
    counts = Counter(named.topic for named in selected)
    for topic, count in counts.items():
        console.print(f"{count:6,}  {printable(topic)}")
    console.print(f"{len(selected):6,}  cases in {len(counts)} topics", style="name")
    return GOOD


@command.command(cls=_RunCommand, name="run", examples=_RUN_EXAMPLES)
@click.argument("executor", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@_selecting_options
@click.option(
    "--expected-failures",
    "expected_failures",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The known failures, with a line for each: `topic/case aspect  # reason`.",
)
@_timeout_option
@click.option(
    "--format",
    "report_format",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="Format of the report.",
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Write the report to this file; standard output still gets the text.",
)
@click.option(
    "--save-binaries",
    "save_binaries",
    metavar="FILE",
    help="Save the binary output of the executor, for --payloads.",
)
@click.option(
    "--payloads",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use the binary output of another executor instead of the payloads of the cases.",
)
@force_option()
@click.option("--verbose", is_flag=True, help="Print all cases, and full values.")
@click.pass_obj
def run(
    session: Session,
    executor: tuple[str, ...],
    topics: tuple[str, ...],
    cases: tuple[str, ...],
    vectors: Path | None,
    expected_failures: Path | None,
    timeout: float,
    report_format: str,
    output: str | None,
    save_binaries: str | None,
    payloads: Path | None,
    force: bool,
    verbose: bool,
) -> int:
    """Run an executor on all cases and compare its results.

    COMMAND and its arguments follow `--`. If the executor crashes, hangs or writes invalid output,
    the current case fails and the executor is restarted. Unsupported features are reported and do
    not count as passed. The exit status is 1 if a case fails or an expected failure passes, and 2
    if the executor cannot be run.
    """
    from crucible_ir.conformance.expected_failures import read_expected_failures
    from crucible_ir.conformance.reports import REPORTS, case_lines, summary_lines
    from crucible_ir.conformance.runner import DescribeError, Runner
    from crucible_ir.conformance.suites import SavedBinaries, select_cases, suite_folder

    if vectors is not None and payloads is not None:
        raise click.UsageError("--payloads and --vectors exclude each other")
    check_overwriting([name for name in (output, save_binaries) if name is not None], force=force)
    selected = select_cases(payloads or vectors or suite_folder(), topics, cases)
    saved = SavedBinaries()
    runner = Runner(
        executor,
        timeout=timeout,
        expected_failures=read_expected_failures(expected_failures) if expected_failures else (),
        is_partial=bool(topics or cases),
        is_substitute=payloads is not None,
        on_answer=saved.add if save_binaries else None,
    )
    for_people = report_format == "text" or output is not None
    try:
        for result in with_progress(runner.results(selected), len(selected)):
            if for_people:
                _print(session, case_lines(result, verbose=verbose))
    except DescribeError as error:
        return _cannot_ask(session, error)
    if for_people:
        _print(session, summary_lines(runner.run))
    if report_format != "text" or output is not None:
        report = f"{REPORTS[report_format](runner.run, verbose)}\n"
        write_output(output or STANDARD, report.encode(), force=force)
    if save_binaries is not None:
        write_output(save_binaries, saved.content(), force=force)
    return GOOD if runner.run.passed else INVALID


@command.command(cls=Command, name="cross", examples=_CROSS_EXAMPLES)
@click.argument("executors", nargs=-1, required=True, metavar="EXECUTOR...")
@_selecting_options
@_timeout_option
@click.pass_obj
def cross(
    session: Session,
    executors: tuple[str, ...],
    topics: tuple[str, ...],
    cases: tuple[str, ...],
    vectors: Path | None,
    timeout: float,
) -> int:
    """Run each executor on the binary output of the others and compare the results.

    EXECUTOR is a command with its arguments, quoted as one word. Each runs on all cases, and then
    on the bytes that each of them wrote. All must return the same message, ProtoJSON, broken rules
    and digest. Wrong results for the payload of a case are reported by `run` only. The exit status
    is 1 if two results differ.
    """
    from crucible_ir.conformance.cross_testing import CrossTest
    from crucible_ir.conformance.reports import cross_test_lines
    from crucible_ir.conformance.runner import DescribeError
    from crucible_ir.conformance.suites import select_cases, suite_folder

    selected = select_cases(vectors or suite_folder(), topics, cases)
    test = CrossTest([_words(text) for text in executors], timeout=timeout)
    try:
        for _ in with_progress(test.results(selected), test.max_requests(selected)):
            pass
    except DescribeError as error:
        return _cannot_ask(session, error)
    _print(session, cross_test_lines(test))
    return GOOD if test.passed else INVALID


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise click.UsageError(f"invalid command {text!r}: {str(error).lower()}") from None
    if not words:
        raise click.UsageError("an executor is a command, and cannot be empty")
    return words


def _cannot_ask(session: Session, error: DescribeError) -> int:
    for line in str(error).splitlines():
        session.print_error(line)
    return COULD_NOT_RUN


def _print(session: Session, lines: Iterable[Line]) -> None:
    console = session.out()
    for text, style in lines:
        for line in text.split("\n"):
            console.print(printable(line), style=style)
