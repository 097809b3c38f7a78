"""``crucible-ir show``: draw a document as a tree."""

from __future__ import annotations

from itertools import islice

import click

from crucible_ir.cli.files.inputs import ReadOptions, input_files
from crucible_ir.cli.files.stream_reader import print_file_error, read_messages
from crucible_ir.cli.options import add_read_options
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import DecodeError

_EXAMPLES = (
    ("crucible-ir show examples/experiment.yaml", "The fields that are set, and the defaults."),
    ("crucible-ir show --no-defaults examples/*.json", "Only the fields that are set."),
    ("crucible-ir show --records 3 events.jsonl", "The first three records of a stream."),
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

    Fields are in the order of the schema. Unset fields are dimmed and show their default. Enum
    values and open vocabularies have their short names. A field that breaks a rule shows the rule,
    and the exit status is then 1. Only the first records of a stream are drawn.
    """
    from crucible_ir.cli.views.tree import draw
    from crucible_ir.validation.check import violations

    status = GOOD
    console = session.out().rich()
    for source in input_files(documents, read_options):
        try:
            # A bad record ends the drawing: `crucible-ir validate` lists them all.
            for name, message in islice(read_messages(source, read_options), records):
                broken = violations(message)
                console.print(
                    draw(
                        message,
                        title=name,
                        violations=broken,
                        with_defaults=not no_defaults,
                        full=full,
                    )
                )
                status = max(status, INVALID if broken else GOOD)
        except (CannotRunError, DecodeError) as error:
            status = max(status, print_file_error(session, source.name, error))
    return status
