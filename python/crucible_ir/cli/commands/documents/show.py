"""``crucible-ir show``: draw a document as a tree."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import click

from crucible_ir.cli.files.inputs import (
    ReadOptions,
    any_format_for,
    input_files,
    read_document,
)
from crucible_ir.cli.files.stream_reader import error_lines, open_records
from crucible_ir.cli.options import add_read_options
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import DecodeError
from crucible_ir.serialization.streams.formats import StreamFormat
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message
    from rich.console import Console

    from crucible_ir.cli.files.inputs import InputFile

_EXAMPLES = (
    ("crucible-ir show examples/experiment.yaml", "What is set, and what would be by default."),
    ("crucible-ir show --no-defaults examples/*.json", "What is set and nothing else."),
    ("crucible-ir show --records 3 events.jsonl", "The first three records of a stream."),
    ("crucible-ir show --type Experiment --from binary - < experiment.binpb", "From a pipe."),
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
    help="Draw this many records of a stream, from its beginning.",
)
@click.option("--full", is_flag=True, help="Draw long values, lists and maps to their end.")
@add_read_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    read_options: ReadOptions,
    no_defaults: bool,
    records: int,
    full: bool,
) -> int:
    """Draw a document as a tree.

    Fields stand in the order of the schema, those that are not set dimmed and with their default.
    Enum values and open vocabularies have their plain names. Where the document breaks a rule, the
    field says so; the exit status is then 1. Of a stream, the first records are drawn.
    """
    status = GOOD
    console = session.out()
    for source in input_files(documents, read_options):
        try:
            drawing = partial(_draw, console=console, with_defaults=not no_defaults, full=full)
            status = max(status, _show(source, read_options, drawing, records))
        except CannotRunError as error:
            session.print_error(f"{source.name}: {error}")
            status = COULD_NOT_RUN
        except StreamError as error:
            for reason in error_lines(source.name, error):
                session.print_error(reason)
            status = max(status, INVALID)
        except DecodeError as error:
            session.print_document_error(source.name, error)
            status = max(status, INVALID)
    return status


def _show(
    source: InputFile, read_options: ReadOptions, draw_one: Callable[..., int], most: int
) -> int:
    format_ = any_format_for(source, read_options)
    if isinstance(format_, StreamFormat):
        return _show_records(source, format_, read_options, draw_one, most)
    return draw_one(read_document(source, format_, read_options, validate=False), source.name)


def _show_records(
    source: InputFile,
    format_: StreamFormat,
    read_options: ReadOptions,
    draw_one: Callable[..., int],
    most: int,
) -> int:
    status = GOOD
    with open_records(source, format_, read_options) as records:
        # One bad record ends the drawing: `crucible-ir validate` lists them.
        messages = records.messages(validate=False, on_bad=None)
        for number, message in enumerate(islice(messages, most)):
            records.progress.clear()
            status = max(status, draw_one(message, f"{source.name}:record {number}"))
    return status


def _draw(
    message: Message, title: str, *, console: Console, with_defaults: bool, full: bool
) -> int:
    from crucible_ir.cli.views.tree import draw
    from crucible_ir.validation.check import violations

    broken = violations(message)
    tree = draw(message, title=title, broken=broken, with_defaults=with_defaults, full=full)
    console.print(tree)
    return INVALID if broken else GOOD
