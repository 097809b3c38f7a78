"""``crucible-ir tokens``: create, list and revoke the tokens that a server requires."""

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

    TimestampParameter = click.ParamType[datetime]
else:
    # Older releases of click have no type parameter here.
    TimestampParameter = click.ParamType

_EXAMPLES = (
    (
        "crucible-ir tokens create gateway --role ingest --id-prefix eu-",
        "For a service that only hands in feedback, with event ids that begin with eu-.",
    ),
    (
        "crucible-ir tokens create trainer --role publisher --type TrainingRun",
        "For a service that only publishes training runs.",
    ),
    (
        "crucible-ir tokens create dashboard --expires 90d --file tokens.json",
        "Read access to everything, for ninety days.",
    ),
)


class _Expiry(TimestampParameter):
    """A duration from now, such as ``90d``, or a timestamp in RFC 3339."""

    name = "when"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        now = datetime.now(UTC).replace(microsecond=0)
        expiry = _expiry(now, value)
        if expiry is None or expiry.tzinfo is None:
            self.fail(
                f'invalid time "{value}": expected a duration such as 90d or a timestamp such as'
                f" {now.isoformat()}",
                param,
                ctx,
            )
        if expiry <= now:
            self.fail(f'"{value}" is in the past', param, ctx)
        return expiry


def _expiry(now: datetime, text: str) -> datetime | None:
    """Parse a duration from now or a timestamp; return ``None`` if the text is neither."""
    try:
        duration = parse_duration(text)
        return datetime.fromisoformat(text.upper()) if duration is None else now + duration
    except (ValueError, OverflowError):
        return None


_FILE_OPTION = click.option(
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="tokens.json",
    show_default=True,
    metavar="FILE",
    help="The file with the tokens.",
)


@click.command(cls=CommandGroup, examples=_EXAMPLES)
def command() -> None:
    """Create, list and revoke the tokens that a server requires.

    The server reads the file with `crucible-ir serve --tokens FILE`. The file contains hashes of
    the tokens, and only its owner can read it. A running server applies changes immediately.
    """


@command.command(cls=Command, name="create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(["ingest", "reader", "publisher", "admin"]),
    default="reader",
    show_default=True,
    help="reader may read; publisher may also publish and ingest; admin may do everything. ingest"
    " may only ingest, and not read.",
)
@click.option(
    "--type",
    "types",
    type=TYPE_NAME,
    multiple=True,
    metavar="TYPE",
    help="Restrict it to documents of this type; repeatable.",
)
@click.option(
    "--id-prefix",
    "prefixes",
    multiple=True,
    metavar="PREFIX",
    help="Restrict it to ids with this prefix; repeatable.",
)
@click.option(
    "--expires",
    type=_Expiry(),
    metavar="WHEN",
    help="A duration such as 90d, or a timestamp in RFC 3339.",
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
    """Create a token for NAME and print it; it cannot be printed again."""
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
    from crucible_ir.cli.views.table import Column, Row, print_table
    from crucible_ir.exchange.server.security.tokens import TokenFile

    columns = (
        Column("id"),
        Column("name", least=12),
        Column("role"),
        Column("types", least=12, is_optional=True),
        Column("id prefixes", least=12, is_optional=True),
        Column("created", is_optional=True),
        Column("expires"),
    )
    now = datetime.now(UTC)
    rows = [
        Row(_row(token), "aside" if token.has_expired(now) else "")
        for token in TokenFile(path).read().values()
    ]
    print_table(session.out(), columns, rows)
    return GOOD


@command.command(cls=Command, name="revoke")
@click.argument("id_", metavar="ID")
@_FILE_OPTION
def revoke(id_: str, path: Path) -> int:
    """Revoke the token with this ID; `crucible-ir tokens list` lists the ids."""
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
