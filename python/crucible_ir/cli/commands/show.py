"""``crucible-ir show``: draw a document as a tree."""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import click

from crucible_ir.cli.inputs import (
    Reading,
    any_form_for,
    read_document,
    sources,
)
from crucible_ir.cli.options import reading_options
from crucible_ir.cli.program import Command
from crucible_ir.cli.records import open_records, reasons_of
from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import DecodeError
from crucible_ir.serialization.streams.formats import StreamFormat
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message
    from rich.console import Console

    from crucible_ir.cli.inputs import Source

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
@reading_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    reading: Reading,
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
    for source in sources(documents, reading):
        try:
            drawing = partial(_draw, console=console, with_defaults=not no_defaults, full=full)
            status = max(status, _show(source, reading, drawing, records))
        except CannotRunError as error:
            session.fail(f"{source.name}: {error}")
            status = COULD_NOT_RUN
        except StreamError as error:
            for reason in reasons_of(source.name, error):
                session.fail(reason)
            status = max(status, INVALID)
        except DecodeError as error:
            session.refuse(source.name, error)
            status = max(status, INVALID)
    return status


def _show(source: Source, reading: Reading, draw_one: Callable[..., int], most: int) -> int:
    form = any_form_for(source, reading)
    if isinstance(form, StreamFormat):
        return _show_records(source, form, reading, draw_one, most)
    return draw_one(read_document(source, form, reading, validate=False), source.name)


def _show_records(
    source: Source, form: StreamFormat, reading: Reading, draw_one: Callable[..., int], most: int
) -> int:
    status = GOOD
    with open_records(source, form, reading) as records:
        # One bad record ends the drawing: `crucible-ir validate` lists them.
        messages = records.messages(validate=False, on_bad=None)
        for number, message in enumerate(islice(messages, most)):
            records.progress.clear()
            status = max(status, draw_one(message, f"{source.name}:record {number}"))
    return status


def _draw(
    message: Message, title: str, *, console: Console, with_defaults: bool, full: bool
) -> int:
    from crucible_ir.cli.tree import draw
    from crucible_ir.validation.check import violations

    broken = violations(message)
    tree = draw(message, title=title, broken=broken, with_defaults=with_defaults, full=full)
    console.print(tree)
    return INVALID if broken else GOOD
