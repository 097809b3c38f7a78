"""``crucible-ir show``: draw a document as a tree."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from crucible_ir.cli.files.inputs import ReadOptions, input_files
from crucible_ir.cli.files.stream_reader import print_file_error, read_messages
from crucible_ir.cli.options import add_read_options, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import DecodeError, EncodeError, ValidationError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.errors import Violation

    #: Shows a message of a file, given its name in reports and its violations.
    Show: TypeAlias = Callable[[str, str, Message, list[Violation]], None]

_EXAMPLES = (
    ("crucible-ir show examples/experiment.yaml", "The fields that are set, and the defaults."),
    ("crucible-ir show --no-defaults examples/*.json", "Only the fields that are set."),
    ("crucible-ir show --records 3 events.jsonl", "The first three records of a stream."),
    ("crucible-ir show --format json examples/experiment.yaml", "For programs."),
    ("crucible-ir show --type Experiment --from binary - < experiment.binpb", "Standard input."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, required=True, metavar="FILE...")
@click.option("--no-defaults", is_flag=True, help="Leave out fields that are not set.")
@click.option(
    "--records",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Draw the first N records of a stream.",
)
@click.option("--full", is_flag=True, help="Draw long values, lists and maps in full.")
@format_option("A tree, or one JSON object with the ProtoJSON and the violations of each document.")
@add_read_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    read_options: ReadOptions,
    no_defaults: bool,
    records: int,
    full: bool,
    output_format: str,
) -> int:
    """Draw a document as a tree.

    Fields are in the order of the schema. Unset fields are dimmed and show their default. Enum
    values and open vocabularies have their short names. A field that breaks a rule shows the rule,
    and the exit status is then 1. A history of metrics is a table with a sparkline for each metric.
    Only the first records of a stream are drawn.
    """
    from crucible_ir.validation.check import violations

    status = GOOD
    with ExitStack() as stack:
        show = (
            _show_json(stack)
            if output_format == "json"
            else _show_tree(session, with_defaults=not no_defaults, full=full)
        )
        for source in input_files(documents, read_options):
            try:
                # A bad record ends the drawing: `crucible-ir validate` lists them all.
                for name, message in islice(read_messages(source, read_options), records):
                    broken = violations(message)
                    show(source.name, name, message, broken)
                    status = max(status, INVALID if broken else GOOD)
            except (CannotRunError, DecodeError, EncodeError) as error:
                status = max(status, print_file_error(session, source.name, error))
    return status


def _show_tree(session: Session, **options: Any) -> Show:
    from crucible_ir.showing.tree import draw

    console = session.out().rich()

    def show(source: str, name: str, message: Message, broken: list[Violation]) -> None:
        console.print(draw(message, title=name, violations=broken, **options))

    return show


def _show_json(stack: ExitStack) -> Show:
    from crucible_ir.cli.checking.issues import issues_from_validation_error
    from crucible_ir.cli.checking.json_report import issue_json
    from crucible_ir.cli.views.json_documents import JsonDocuments, record_number
    from crucible_ir.serialization.json.protojson import to_dict

    printed = stack.enter_context(JsonDocuments("show"))

    def show(source: str, name: str, message: Message, broken: list[Violation]) -> None:
        error = ValidationError(message.DESCRIPTOR.full_name, broken)
        printed.add(
            {
                "file": source,
                "record": record_number(source, name),
                "type": message.DESCRIPTOR.name,
                "content": to_dict(message),
                "violations": list(map(issue_json, issues_from_validation_error(error, []))),
            }
        )

    return show
