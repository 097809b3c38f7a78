"""``crucible-ir fetch``: get a document from an exchange."""

from __future__ import annotations

import sys

import click

from crucible_ir.cli.commands.exchange.connection import Server, server_options
from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import write_output
from crucible_ir.cli.options import FORMAT_NAME, TYPE_NAME
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session
from crucible_ir.serialization.formats import FORMATS, Format, UnknownFormatError, format_of

_EXAMPLES = (
    ("crucible-ir fetch ModelVersion llama_mmlu_3", "The latest revision, as YAML."),
    ("crucible-ir fetch ModelVersion llama_mmlu_3 --revision 1 -o v1.json", "An earlier one."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("type_name", type=TYPE_NAME, metavar="TYPE")
@click.argument("id_", metavar="ID")
@click.option("--revision", type=click.IntRange(min=1), metavar="N", help="By default the latest.")
@click.option(
    "--output", "-o", default=STANDARD, metavar="OUT", help="Write here; `-` is standard output."
)
@click.option(
    "--to",
    "to_format",
    type=FORMAT_NAME,
    metavar="FORM",
    help="Form of the output; by default told from the ending of OUT, else yaml.",
)
@click.option(
    "--document",
    is_flag=True,
    help="Write the whole Document, which tells its producer, and not its content alone.",
)
@server_options
@click.pass_obj
def command(
    session: Session,
    type_name: str,
    id_: str,
    revision: int | None,
    output: str,
    to_format: str | None,
    document: bool,
    server: Server,
) -> int:
    """Get a document from an exchange.

    The exit status is 1 if there is no such document, or the revision is its deletion.
    """
    from crucible_ir.exchange import NotFoundError

    format_ = _format(output, to_format)
    if output == STANDARD and not format_.is_text and sys.stdout.isatty():
        raise click.UsageError("binary would garble the terminal: give -o, or redirect it")
    try:
        with server.connect() as client:
            stored = client.get(type_name, id_, revision=revision)
    except NotFoundError as error:
        session.print_error(str(error))
        return INVALID
    message = stored.document if document else stored.content
    if message is None:
        session.print_error(f"{type_name} {id_}: revision {stored.record.revision} is its deletion")
        return INVALID
    write_output(output, format_.write(message, 2))
    return GOOD


def _format(output: str, to_format: str | None) -> Format:
    if to_format is not None:
        if to_format not in FORMATS:
            raise click.UsageError(f"{to_format} is a form of streams; this is one document")
        return FORMATS[to_format]
    if output == STANDARD:
        return FORMATS["yaml"]
    try:
        return format_of(output)
    except UnknownFormatError as error:
        raise CannotRunError(f"{output}: {error}; give --to {'|'.join(FORMATS)}") from None
