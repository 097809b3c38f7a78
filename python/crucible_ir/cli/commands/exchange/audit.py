"""``crucible-ir audit``: list who changed or exported what in an exchange."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from crucible_ir.cli.commands.exchange.connection import Server, json_text, server_options
from crucible_ir.cli.options import TYPE_NAME, format_option, timestamp
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, Session

if TYPE_CHECKING:
    from crucible_ir.exchange import AuditEntry

_EXAMPLES = (
    ("crucible-ir audit", "Everything that the exchange recorded, newest first."),
    ("crucible-ir audit --action deleted --since 2026-01-01", "The deletions since a date."),
    ("crucible-ir audit --type ModelVersion --id llama_mmlu_3", "The entries of one document."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.option(
    "--action",
    "actions",
    multiple=True,
    metavar="ACTION",
    help="Only this action, such as published, promoted, deleted or exported; repeatable.",
)
@click.option("--caller", metavar="NAME", help="Only actions of this caller.")
@click.option(
    "--type", "type_name", type=TYPE_NAME, metavar="TYPE", help="Only documents of this type."
)
@click.option("--id", "id_", metavar="ID", help="Only the document, or whatever else, of this id.")
@click.option("--since", callback=timestamp, metavar="TIME", help="Only at or after this time.")
@click.option("--until", callback=timestamp, metavar="TIME", help="Only before this time.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="List at most N entries.")
@format_option("A table (tab-separated in a pipe), or a line of JSON for each entry.")
@server_options
@click.pass_obj
def command(
    session: Session,
    actions: tuple[str, ...],
    caller: str | None,
    type_name: str | None,
    id_: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    output_format: str,
    server: Server,
) -> int:
    """List who changed or exported what in an exchange, and when.

    The newest entries come first. In a pipe or a file, each entry is a line of tab-separated
    values: time, action, caller, authentication, type, id, revision, and counts and details. This
    requires the role admin.
    """
    from crucible_ir.errors import FieldError

    with server.connect() as client:
        try:
            found = client.list_audit_entries(
                start_time=since,
                end_time=until,
                caller=caller,
                actions=actions,
                type=type_name,
                id=id_,
                page_size=500 if limit is None else min(limit, 500),
            )
        except FieldError as error:
            raise click.UsageError(str(error)) from None
        entries = islice(found, limit)
        if output_format == "json":
            for entry in entries:
                print(json_text(_json(entry), indent=None))
        else:
            _print_table(session, list(entries))
    return GOOD


def _json(entry: AuditEntry) -> dict[str, object]:
    return {
        "number": entry.number,
        "time": entry.time.isoformat(),
        "action": entry.action,
        "caller": entry.caller,
        "authentication": entry.authentication,
        "type": entry.type,
        "id": entry.id,
        "revision": entry.revision,
        "counts": dict(sorted(entry.counts.items())),
        "details": dict(sorted(entry.details.items())),
        "request_id": entry.request_id,
    }


def _print_table(session: Session, entries: list[AuditEntry]) -> None:
    from crucible_ir.cli.views.table import Column, Row, print_table

    columns = (
        Column("time"),
        Column("action"),
        Column("caller", least=9),
        Column("authentication", is_optional=True),
        Column("type"),
        Column("id", least=16),
        Column("revision", is_number=True),
        Column("details", least=16, is_optional=True),
    )
    rows = [
        Row(
            [
                f"{entry.time:%Y-%m-%d %H:%M:%S}Z",
                entry.action,
                entry.caller or "",
                entry.authentication,
                entry.type or "",
                entry.id or "",
                "" if entry.revision is None else str(entry.revision),
                _details(entry),
            ]
        )
        for entry in entries
    ]
    print_table(session.out(), columns, rows)
    what = "entry" if len(entries) == 1 else "entries"
    session.err().print(f"{len(entries)} {what}", style="aside")


def _details(entry: AuditEntry) -> str:
    """Return the counts and the details as text, in the order of their names."""
    pairs = sorted({**entry.counts, **entry.details}.items())
    return " ".join(f"{name}={value}" for name, value in pairs)
