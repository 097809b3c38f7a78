"""``crucible-ir diff``: say what differs between two documents, or merge the work of two sides."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from crucible_ir.cli.files.batch_reader import Document, read_batch
from crucible_ir.cli.files.inputs import STANDARD, ReadOptions
from crucible_ir.cli.options import FORMAT_NAME, add_read_options
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import EncodeError, Error
from crucible_ir.serialization.formats import UnknownFormatError, format_named, format_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.formats import Format

_EXAMPLES = (
    (
        "crucible-ir diff examples/experiment.yaml experiment.binpb",
        "YAML against binary, which is taken to be of the same type; silent if they are equal.",
    ),
    (
        "crucible-ir diff --tolerance 1e-6 --format json run.json runs/may/run.json",
        "Metrics may be a millionth apart.",
    ),
    (
        "crucible-ir diff --three-way run.json runs/may/run.json run.json --output merged.json",
        "Merge what two sides made of the first document.",
    ),
)


def _report_options(command: Any) -> Any:
    """Add the options that say how the report looks."""
    full = click.option("--full", is_flag=True, help="Show long values to their end.")
    report_format = click.option(
        "--format",
        "report_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Format of the report: for people, or for a machine.",
    )
    return full(report_format(command))


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="A B")
@click.option(
    "--tolerance",
    type=float,
    metavar="T",
    help="Numbers x and y are equal if |x - y| <= T * max(1, |x|, |y|).",
)
@click.option(
    "--defaults-equal", is_flag=True, help="An unset field equals one that holds its default."
)
@click.option("--three-way", is_flag=True, help="Merge: give BASE OURS THEIRS in place of A B.")
@click.option("--output", "-o", metavar="OUT", help="Write the merge here, not to standard output.")
@click.option("--to", "to_format", type=FORMAT_NAME, metavar="FORM", help="Form of the merge.")
@click.option(
    "--allow-unknown-fields",
    is_flag=True,
    help="Leave out fields that only a newer schema knows, rather than refuse them.",
)
@_report_options
@add_read_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    tolerance: float | None,
    defaults_equal: bool,
    three_way: bool,
    output: str | None,
    to_format: str | None,
    allow_unknown_fields: bool,
    full: bool,
    report_format: str,
    read_options: ReadOptions,
) -> int:
    """Say what differs between two documents, or merge the work of two sides.

    The documents may be in different forms, and need not be valid. The exit status is 0 if they are
    equal, 1 if they differ, and 2 if they cannot be compared.

    With --three-way, what OURS and THEIRS changed in BASE is merged, and written in the form that
    --to or OUT tells, or else in that of OURS. If both changed one thing in different ways, nothing
    is written: these conflicts are reported, and the exit status is 1.
    """
    _check_usage(
        documents,
        three_way=three_way,
        comparing=tolerance is not None or defaults_equal,
        merging=output is not None or to_format is not None,
    )
    read = read_batch(documents, read_options)
    as_json = report_format == "json"
    try:
        if not three_way:
            return _compare(
                session,
                read,
                full=full,
                as_json=as_json,
                tolerance=tolerance or 0.0,
                defaults_equal=defaults_equal,
                allow_unknown_fields=allow_unknown_fields,
            )
        merged = _merged(
            session, read, full=full, as_json=as_json, allow_unknown_fields=allow_unknown_fields
        )
        if merged is None:
            return INVALID
        target = STANDARD if output is None else output
        _write(session, merged, target, _target_format(target, to_format, read[1].format_))
    except EncodeError as error:
        raise CannotRunError(str(error)) from None
    return GOOD


def _check_usage(
    documents: tuple[str, ...], *, three_way: bool, comparing: bool, merging: bool
) -> None:
    names = ("BASE", "OURS", "THEIRS") if three_way else ("A", "B")
    if len(documents) != len(names):
        raise click.UsageError(f"give {' '.join(names)}; got {len(documents)} documents")
    if documents.count(STANDARD) > 1:
        raise click.UsageError("only one document can come from standard input")
    if three_way and comparing:
        raise click.UsageError("--tolerance and --defaults-equal do not go with --three-way")
    if merging and not three_way:
        raise click.UsageError("--output and --to go with --three-way")


def _compare(
    session: Session, documents: list[Document], *, full: bool, as_json: bool, **options: Any
) -> int:
    from crucible_ir.cli.views.document_changes import change_lines, changes_json
    from crucible_ir.diffing import diff

    a, b = (document.message for document in documents)
    names = [document.name for document in documents]
    changes = diff(a, b, **options)
    if as_json:
        print(changes_json(changes, names))
    elif changes:
        console = session.out()
        for line in change_lines(changes, names, full=full):
            console.print(line, soft_wrap=True)
    return INVALID if changes else GOOD


def _merged(
    session: Session,
    documents: list[Document],
    *,
    full: bool,
    as_json: bool,
    allow_unknown_fields: bool,
) -> Message | None:
    """Return the merged message, or report the conflicts and return ``None``."""
    from crucible_ir.cli.views.document_changes import conflict_lines, conflicts_json
    from crucible_ir.diffing import merge

    base, ours, theirs = (document.message for document in documents)
    merged = merge(base, ours, theirs, allow_unknown_fields=allow_unknown_fields)
    if not merged.conflicts:
        return merged.message
    if as_json:
        print(conflicts_json(merged.conflicts, [document.name for document in documents]))
    else:
        console = session.out()
        for line in conflict_lines(merged.conflicts, full=full):
            console.print(line, soft_wrap=True)
    return None


def _target_format(target: str, to_format: str | None, otherwise: Format) -> Format:
    if to_format is not None:
        return format_named(to_format)
    try:
        return otherwise if target == STANDARD else format_of(target)
    except UnknownFormatError:
        return otherwise


def _write(session: Session, message: Message, target: str, format_: Format) -> None:
    """Write a merged message, with a warning for each rule that it breaks and each loss."""
    from crucible_ir.cli.files.lossy_fields import lossy_fields
    from crucible_ir.cli.files.outputs import write_output
    from crucible_ir.validation.check import violations

    if target == STANDARD and not format_.is_text and sys.stdout.isatty():
        raise click.UsageError("binary would garble the terminal: give --output, or redirect it")
    content = format_.write(message, 2)
    try:
        warnings = lossy_fields(message, content, format_)
    except Error as error:
        warnings = [f"{format_.name} cannot be read back: {error}"]
    for warning in [*map(str, violations(message)), *warnings]:
        session.print_error(f"{target}: warning: {warning}")
    write_output(target, content)
