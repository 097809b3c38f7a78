"""``crucible-ir fetch``: get a document from an exchange."""

from __future__ import annotations

import click

from crucible_ir.cli.commands.exchange.connection import Server, server_options
from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import (
    check_overwriting,
    check_terminal,
    output_format,
    write_output,
)
from crucible_ir.cli.options import FORMAT_NAME, TYPE_NAME, force_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, Session
from crucible_ir.serialization.formats import FORMATS

_EXAMPLES = (
    ("crucible-ir fetch ModelVersion llama_mmlu_3", "The latest revision, as YAML."),
    ("crucible-ir fetch ModelVersion llama_mmlu_3 --revision 1 -o v1.json", "An earlier one."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("type_name", type=TYPE_NAME, metavar="TYPE")
@click.argument("id_", metavar="ID")
@click.option(
    "--revision",
    type=click.IntRange(min=1),
    metavar="N",
    help="The revision; by default the latest.",
)
@click.option(
    "--output",
    "-o",
    default=STANDARD,
    metavar="OUT",
    help="Write to this file; `-` is standard output.",
)
@click.option(
    "--to",
    "to_format",
    type=FORMAT_NAME,
    metavar="FORMAT",
    help="Format of the output; by default inferred from OUT, or yaml.",
)
@click.option(
    "--document",
    is_flag=True,
    help="Write the Document, which includes the producer, and not only its content.",
)
@force_option()
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
    force: bool,
    server: Server,
) -> int:
    """Get a document from an exchange.

    The exit status is 1 if the document does not exist or the revision is a deletion.
    """
    from crucible_ir.exchange import NotFoundError

    format_ = output_format(output, to_format, FORMATS, default=FORMATS["yaml"])
    check_terminal(output, format_)
    check_overwriting([output], force=force)
    try:
        with server.connect() as client:
            stored = client.get(type_name, id_, revision=revision)
    except NotFoundError as error:
        session.print_error(str(error))
        return INVALID
    message = stored.document if document else stored.content
    if message is None:
        session.print_error(f"{type_name} {id_}: revision {stored.record.revision} is a deletion")
        return INVALID
    write_output(output, format_.write(message, 2), force=force)
    return GOOD
