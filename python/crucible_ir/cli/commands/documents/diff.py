"""``crucible-ir diff``: compare two documents, or merge two changed copies of a third."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from crucible_ir.cli.files.batch_reader import InputDocument, read_batch
from crucible_ir.cli.files.inputs import STANDARD, ReadOptions
from crucible_ir.cli.files.lossy_fields import lossy_fields
from crucible_ir.cli.files.outputs import (
    check_overwriting,
    check_terminal,
    output_format,
    write_output,
)
from crucible_ir.cli.options import FORMAT_NAME, add_read_options, force_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import EncodeError
from crucible_ir.serialization.formats import FORMATS

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.formats import Format

_EXAMPLES = (
    (
        "crucible-ir diff examples/experiment.yaml experiment.binpb",
        "YAML with binary, which has the same type; prints nothing if they are equal.",
    ),
    (
        "crucible-ir diff --tolerance 1e-6 --format json run.json runs/may/run.json",
        "Metrics are equal within one part in a million.",
    ),
    (
        "crucible-ir diff --three-way run.json runs/may/run.json run.json --output merged.json",
        "Merge the changes that two sides made to the first document.",
    ),
)


def _report_options(command: Any) -> Any:
    """Add the options for the report."""
    full = click.option("--full", is_flag=True, help="Show long values in full.")
    report_format = click.option(
        "--format",
        "report_format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Format of the report.",
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
    "--defaults-equal", is_flag=True, help="An unset field equals a field with the default value."
)
@click.option("--three-way", is_flag=True, help="Merge: give BASE OURS THEIRS instead of A B.")
@click.option("--output", "-o", metavar="OUT", help="Write the merged document to this file.")
@click.option(
    "--to", "to_format", type=FORMAT_NAME, metavar="FORMAT", help="Format of the merged document."
)
@click.option(
    "--allow-unknown-fields",
    is_flag=True,
    help="Leave out the fields of a newer schema instead of failing.",
)
@force_option()
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
    force: bool,
    full: bool,
    report_format: str,
    read_options: ReadOptions,
) -> int:
    """Compare two documents, or merge two changed copies of a third.

    The documents may have different formats, and need not be valid. The exit status is 0 if they
    are equal, 1 if they differ, and 2 if they cannot be compared.

    With --three-way, the changes that OURS and THEIRS made to BASE are merged. The format of the
    result is that of --to, of the file extension of OUT, or else of OURS. If both sides changed a
    value differently, nothing is written: the conflicts are reported, and the exit status is 1.
    """
    _check_usage(
        documents,
        three_way=three_way,
        comparing=tolerance is not None or defaults_equal,
        merging=output is not None or to_format is not None or force,
    )
    check_overwriting([] if output is None else [output], force=force)
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
        format_ = _merge_format(target, to_format, read[1].format_)
        _write(session, merged, target, format_, force=force)
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
        raise click.UsageError("--tolerance and --defaults-equal exclude --three-way")
    if merging and not three_way:
        raise click.UsageError("--output, --to and --force require --three-way")


def _compare(
    session: Session, documents: list[InputDocument], *, full: bool, as_json: bool, **options: Any
) -> int:
    from crucible_ir.cli.views.document_changes import change_lines, changes_json
    from crucible_ir.diffing import diff

    a, b = (document.message for document in documents)
    names = [document.name for document in documents]
    changes = diff(a, b, **options)
    if as_json:
        print(changes_json(changes, names))
    elif changes:
        session.out().print_lines(change_lines(changes, names, full=full))
    return INVALID if changes else GOOD


def _merged(
    session: Session,
    documents: list[InputDocument],
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
        session.out().print_lines(conflict_lines(merged.conflicts, full=full))
    return None


def _merge_format(target: str, to_format: str | None, ours: Format) -> Format:
    try:
        return output_format(target, to_format, FORMATS, default=ours)
    except CannotRunError:
        return ours


def _write(
    session: Session, message: Message, target: str, format_: Format, *, force: bool
) -> None:
    """Write a merged message, with a warning for each broken rule and each lost field."""
    from crucible_ir.validation.check import violations

    check_terminal(target, format_)
    content = format_.write(message, 2)
    for warning in [*map(str, violations(message)), *lossy_fields(message, content, format_)]:
        session.print_error(f"{target}: warning: {warning}")
    write_output(target, content, force=force)
