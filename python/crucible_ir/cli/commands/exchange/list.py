"""``crucible-ir list``: list the documents of an exchange."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from crucible_ir.cli.commands.exchange.connection import (
    Server,
    json_text,
    record_json,
    server_options,
)
from crucible_ir.cli.options import TYPE_NAME, format_option, release_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, Session

if TYPE_CHECKING:
    from crucible_ir.exchange import Record, Stored

_EXAMPLES = (
    ("crucible-ir list", "Every document."),
    (
        "crucible-ir list ModelVersion --filter stage=production",
        "The documents of one type with this value of a field.",
    ),
    (
        "crucible-ir list ModelVersion --where 'metrics.accuracy > 0.9 AND stage = production'"
        " --order-by 'metrics.accuracy desc'",
        "The documents that satisfy a condition, the best first.",
    ),
    ("crucible-ir list ModelVersion --revisions-of llama_mmlu_3", "The revisions of one document."),
    ("crucible-ir list Prompt --for 0.2.0", "The documents that an older release reads."),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("type_name", required=False, type=TYPE_NAME, metavar="[TYPE]")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Only documents with this value of a field; FIELD=VALUE* matches a prefix; repeatable.",
)
@click.option(
    "--where",
    metavar="CONDITION",
    help="Only documents that satisfy a condition in a subset of AIP-160: comparisons of fields and"
    " of numbers such as metrics.accuracy, with AND, OR, NOT and parentheses.",
)
@click.option(
    "--order",
    type=click.Choice(["newest", "id"]),
    help="Order by creation time, newest first, which is the default, or by id.",
)
@click.option(
    "--order-by",
    metavar="NUMBER [desc]",
    help="Order by a number, such as metrics.accuracy; documents without it are not listed.",
)
@click.option("--deleted", is_flag=True, help="Include deleted documents.")
@click.option("--revisions-of", "revised", metavar="ID", help="List the revisions of one document.")
@release_option("Only documents that this release, such as 0.2.0, reads in binary.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="List at most N documents.")
@format_option("A table (tab-separated in a pipe), or a line of JSON for each record.")
@server_options
@click.pass_obj
def command(
    session: Session,
    type_name: str | None,
    filters: tuple[str, ...],
    where: str | None,
    order: str | None,
    order_by: str | None,
    deleted: bool,
    revised: str | None,
    release: str | None,
    limit: int | None,
    output_format: str,
    server: Server,
) -> int:
    """List the documents of an exchange.

    Fields have their names in the schema, enum values their short names. On a terminal, the table
    fits its width, and long ids are shortened in the middle. In a pipe or a file, each document is
    a line of tab-separated values, in full and without headings: type, id, revision, time of the
    update, etag and publisher. The exit status is 1 if the document of --revisions-of does not
    exist.
    """
    from crucible_ir.exchange import InvalidDocumentError, NotFoundError
    from crucible_ir.schema.types import document_members

    narrowing = (filters, revised, where, order_by)
    if type_name is None and any(each not in ((), None) for each in narrowing):
        raise click.UsageError("--filter, --where, --order-by and --revisions-of require TYPE")
    if order is not None and order_by is not None:
        raise click.UsageError("give --order or --order-by, not both")
    equal, prefixes = _conditions(filters)
    with server.connect() as client:

        def entries() -> Iterator[Stored]:
            if type_name is not None and revised is not None:
                for entry in client.list_revisions(type_name, revised):
                    if release is None or entry.record.is_readable_by(release):
                        yield entry
                return
            for name in [type_name] if type_name else document_members():
                yield from client.list_documents(
                    name,
                    where=equal,
                    where_prefix=prefixes,
                    filter=where,
                    order=order,
                    order_by=order_by,
                    page_size=500,
                    include_deleted=deleted,
                    readable_by=release,
                )

        try:
            records = (entry.record for entry in islice(entries(), limit))
            if output_format == "json":
                for record in records:
                    print(json_text(record_json(record), indent=None))
            else:
                _print_table(session, list(records))
        except NotFoundError as error:
            session.print_error(str(error))
            return INVALID
        except InvalidDocumentError as error:
            raise click.UsageError(str(error)) from None
    return GOOD


def _conditions(filters: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    where: dict[str, str] = {}
    where_prefix: dict[str, str] = {}
    for text in filters:
        field, equals, value = text.partition("=")
        if not field or not equals:
            raise click.UsageError(f'--filter takes FIELD=VALUE, got "{text}"')
        if field in where or field in where_prefix:
            raise click.UsageError(f"--filter: {field} is given twice")
        if value.endswith("*"):
            where_prefix[field] = value[:-1]
        else:
            where[field] = value
    return where, where_prefix


def _print_table(session: Session, records: list[Record]) -> None:
    from crucible_ir.cli.views.table import Column, Row, print_table

    columns = [
        Column("type"),
        Column("id", least=24),
        Column("revision", is_number=True),
        Column("updated", is_optional=True),
        Column("etag", least=9, is_optional=True),
        Column("publisher", least=9, is_optional=True),
    ]
    rows = [
        Row(
            [
                record.type,
                record.id,
                str(record.revision),
                f"{record.update_time:%Y-%m-%d %H:%M:%S}Z",
                record.etag,
                record.publisher or "",
            ],
            "aside" if record.deleted else "",
        )
        for record in records
    ]
    if session.out().stream.isatty() and not any(record.publisher for record in records):
        columns.pop()
        rows = [Row(row.values[:-1], row.style) for row in rows]
    print_table(session.out(), columns, rows)
    session.err().print(f"{len(records)} document{'' if len(records) == 1 else 's'}", style="aside")
