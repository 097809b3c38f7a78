"""``crucible-ir tokens``: make, list and revoke the tokens that a server asks for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crucible_ir.cli.options import TYPE_NAME, parse_duration
from crucible_ir.cli.program import Command, CommandGroup
from crucible_ir.cli.session import GOOD, Session
from crucible_ir.errors import printable

if TYPE_CHECKING:
    from crucible_ir.exchange.server.security.tokens import Token

    MomentParameter = click.ParamType[datetime]
else:
    # Older releases of click have no type parameter here.
    MomentParameter = click.ParamType

_EXAMPLES = (
    (
        "crucible-ir tokens create trainer --role publisher --type TrainingRun",
        "For a service that publishes training runs and nothing else.",
    ),
    (
        "crucible-ir tokens create dashboard --expires 90d --file tokens.json",
        "A reader of everything, for ninety days.",
    ),
)


class _Ending(MomentParameter):
    """A span of time from now, such as ``90d``, or a moment in RFC 3339."""

    name = "when"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        now = datetime.now(UTC).replace(microsecond=0)
        moment = _after(now, value)
        if moment is None or moment.tzinfo is None:
            self.fail(
                f"{value!r} is neither a span such as 90d or 12h nor a moment such as"
                f" {now.isoformat()}",
                param,
                ctx,
            )
        if moment <= now:
            self.fail(f"{value!r} is past", param, ctx)
        return moment


def _after(now: datetime, text: str) -> datetime | None:
    """Return the end of a span from now, or the moment that a text names; ``None`` for neither."""
    try:
        span = parse_duration(text)
        return datetime.fromisoformat(text) if span is None else now + span
    except (ValueError, OverflowError):
        return None


_FILE_OPTION = click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="tokens.json",
    show_default=True,
    metavar="FILE",
    help="The file of tokens.",
)


@click.command(cls=CommandGroup, examples=_EXAMPLES)
def command() -> None:
    """Make, list and revoke the tokens that a server asks for.

    The file of tokens is that of `crucible-ir serve --tokens FILE`. It holds hashes from which no
    token can be told, and only its owner may read it. A running server sees every change at once.
    """


@command.command(cls=Command, name="create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["reader", "publisher", "admin"]),
    default="reader",
    show_default=True,
    help="What it allows: to read; to publish and ingest, too; to delete and compact, too.",
)
@click.option(
    "--type",
    "types",
    type=TYPE_NAME,
    multiple=True,
    metavar="TYPE",
    help="Allow it for documents of this type only; may be given again for more.",
)
@click.option(
    "--id-prefix",
    "prefixes",
    multiple=True,
    metavar="PREFIX",
    help="Allow it for ids that begin like this only; may be given again for more.",
)
@click.option(
    "--expires", type=_Ending(), metavar="WHEN", help="A span such as 90d, or a moment in RFC 3339."
)
@_FILE_OPTION
def create(
    name: str,
    role: str,
    types: tuple[str, ...],
    prefixes: tuple[str, ...],
    expires: datetime | None,
    path: Path,
) -> int:
    """Make a token for NAME and print it, once and for all: it is kept nowhere."""
    from crucible_ir.exchange.server.security.tokens import Role, TokenFile
    from crucible_ir.exchange.store.records import Scope

    scope = Scope(frozenset(types) if types else None, prefixes or None)
    _, text = TokenFile(path).create(name, Role[role.upper()], scope=scope, expires=expires)
    print(text)
    return GOOD


@command.command(cls=Command, name="list")
@_FILE_OPTION
@click.pass_obj
def list_(session: Session, path: Path) -> int:
    """List the tokens of a file, without their secrets."""
    from rich.table import Table

    from crucible_ir.exchange.server.security.tokens import TokenFile

    table = Table("id", "name", "role", "types", "id prefixes", "created", "expires", box=None)
    now = datetime.now(UTC)
    for token in TokenFile(path).read().values():
        table.add_row(
            *map(printable, _row(token)), style="aside" if token.has_expired(now) else None
        )
    session.out().print(table)
    return GOOD


@command.command(cls=Command, name="revoke")
@click.argument("id_", metavar="ID")
@_FILE_OPTION
def revoke(id_: str, path: Path) -> int:
    """Revoke the token with an ID, as `crucible-ir tokens list` shows it."""
    from crucible_ir.exchange.server.security.tokens import TokenFile

    token = TokenFile(path).revoke(id_)
    print(f"revoked the token {token.id} of {printable(token.name)}")
    return GOOD


def _row(token: Token) -> tuple[str, ...]:
    types, prefixes = token.scope.types, token.scope.id_prefixes
    return (
        token.id,
        token.name,
        str(token.role),
        "all" if types is None else ", ".join(sorted(types)),
        "all" if prefixes is None else ", ".join(prefixes),
        token.created.isoformat(),
        "never" if token.expires is None else token.expires.isoformat(),
    )
