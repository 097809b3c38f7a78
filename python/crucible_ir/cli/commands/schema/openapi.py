"""``crucible-ir openapi``: write the OpenAPI document of an exchange's HTTP API."""

from __future__ import annotations

import json

import click

from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import write_output
from crucible_ir.cli.options import force_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD

_EXAMPLES = (
    ("crucible-ir openapi > openapi.json", "To a file, for generators of clients and of docs."),
    (
        "crucible-ir openapi --url https://ir.example.com --output openapi.json",
        "With the address of a server.",
    ),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.option(
    "--url",
    default="/",
    show_default=True,
    metavar="URL",
    help="The address of the server, or the path that the paths begin with.",
)
@click.option("--output", "-o", metavar="OUT", help="Write to this file.")
@force_option()
def command(url: str, output: str | None, force: bool) -> int:
    """Write the OpenAPI document of an exchange's HTTP API.

    It is in OpenAPI 3.1, with JSON Schemas of all messages.
    """
    from crucible_ir.extras import optional_module

    for module in ("grpc", "google.rpc.status_pb2", "sqlalchemy"):
        optional_module(module, "exchange")
    from crucible_ir.web.api.openapi import openapi

    text = json.dumps(openapi(url=url), indent=2, ensure_ascii=False)
    write_output(output or STANDARD, f"{text}\n".encode(), force=force)
    return GOOD
