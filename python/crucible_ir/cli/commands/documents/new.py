"""``crucible-ir new``: write a commented document to start from."""

from __future__ import annotations

import os

import click

from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import write_output
from crucible_ir.cli.options import TYPE_NAME
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, CannotRunError

_EXAMPLES = (
    ("crucible-ir new Experiment", "To standard output."),
    ("crucible-ir new TrainingConfig --output training.yaml", "To a file that is not there yet."),
    ("crucible-ir new Document", "A document that says of which type it is."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("type_name", type=TYPE_NAME, metavar="TYPE")
@click.option("--output", "-o", metavar="OUT", default=STANDARD, help="Write here.")
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
def command(type_name: str, output: str, force: bool) -> int:
    """Write a commented document to start from.

    TYPE is a message type; `crucible-ir schema` lists them. The document is YAML and valid as it
    stands: what is required has a placeholder, and everything else is there in comments, with its
    default and its vocabulary.
    """
    from crucible_ir.cli.views.template import template
    from crucible_ir.schema.types import message_type

    if output != STANDARD and os.path.lexists(output) and not force:
        raise CannotRunError(f"{output} exists; --force replaces it")
    write_output(output, template(message_type(type_name)).encode())
    return GOOD
