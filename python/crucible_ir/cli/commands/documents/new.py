"""``crucible-ir new``: write a template of a document."""

from __future__ import annotations

import click

from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import write_output
from crucible_ir.cli.options import TYPE_NAME, force_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD

_EXAMPLES = (
    ("crucible-ir new Experiment", "To standard output."),
    ("crucible-ir new TrainingConfig --output training.yaml", "To a new file."),
    ("crucible-ir new Document", "A document that contains its type."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("type_name", type=TYPE_NAME, metavar="TYPE")
@click.option("--output", "-o", metavar="OUT", default=STANDARD, help="Write to this file.")
@force_option()
def command(type_name: str, output: str, force: bool) -> int:
    """Write a commented document to start from.

    TYPE is a message type; `crucible-ir schema` lists them. The document is valid YAML: required
    fields have placeholders, and all other fields are in comments, with their defaults and
    vocabularies.
    """
    from crucible_ir.cli.views.template import template
    from crucible_ir.schema.types import message_type

    write_output(output, template(message_type(type_name)).encode(), force=force)
    return GOOD
