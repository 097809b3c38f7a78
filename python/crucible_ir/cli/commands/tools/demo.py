"""``crucible-ir demo``: show the console with example data."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click

from crucible_ir.cli.commands.exchange.connection import silence_grpc
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, Session

_EXAMPLES = (
    ("crucible-ir demo", "Show the console at http://127.0.0.1:8080/ until Ctrl-C."),
    ("crucible-ir demo --data example", "Keep the data in a folder, and continue it next time."),
    ("crucible-ir demo --sign-in", "Require tokens, and print one for each caller."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep the data in this folder; by default it is temporary.",
)
@click.option(
    "--http",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="ADDRESS",
    help="Serve the console on this HOST:PORT (port 0: any free port).",
)
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="ADDRESS",
    help="Serve gRPC on this HOST:PORT.",
)
@click.option("--sign-in", is_flag=True, help="Require tokens, and print one for each caller.")
@click.pass_obj
def command(session: Session, data: Path | None, http: str, listen: str, sign_in: bool) -> int:
    """Show the console with example data.

    The data is the work of an imagined team over six weeks. It fills a new exchange, which takes
    some seconds. One of the training runs continues, and feedback keeps coming in, until Ctrl-C.
    """
    from crucible_ir.extras import optional_module

    silence_grpc()
    for module in ("grpc", "google.rpc.status_pb2", "sqlalchemy"):
        optional_module(module, "exchange")
    for module in ("jinja2", "starlette", "uvicorn"):
        optional_module(module, "web")
    from crucible_ir.exchange.server.descriptors import raise_descriptor_limit
    from crucible_ir.exchange.server.listening import parse_address
    from crucible_ir.exchange.server.observability.logs import log_to
    from crucible_ir.web.demo.filling import prepare
    from crucible_ir.web.demo.running import run
    from crucible_ir.web.demo.story import CALLERS, story

    log_to(log_format="text", level="warning")
    raise_descriptor_limit()
    addresses = parse_address(listen), parse_address(http)
    out = session.out()

    def announce(url: str, address: str) -> None:
        if sign_in:
            out.print("sign in with one of these tokens:")
            for name, token in tokens.items():
                out.print(f"  {name} ({CALLERS[name]})\t{token}")
        out.print(f"gRPC at {address}")
        out.print(f"console with example data at {url}/")

    with ExitStack() as stack:
        if data is None:
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="crucible-ir-demo-"))
            folder = Path(name)
        else:
            folder = data
            folder.mkdir(parents=True, exist_ok=True)
        tokens = asyncio.run(prepare(folder, lambda: story(datetime.now(UTC))))
        required = tokens if sign_in else {}
        asyncio.run(run(folder, *addresses, required, announce))
    return GOOD
