"""Prefixes of ids by which the documents in a scope are found in the order of creation."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from crucible_ir.exchange.store.statements import deferred
from crucible_ir.exchange.store.statements.rows import begins_with
from crucible_ir.exchange.store.statements.tables import (
    counters,
    documents,
    field_values,
    id_prefixes,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: The field of `field_values` whose values are prefixes; no field of a schema is called so.
FIELD: Final = "id*"

#: The most prefixes: each publication compares its id with all of them.
MAX_PREFIXES: Final = 256

#: The keys of a connection's info for the known prefixes with their version, and for the version
#: that the transaction sees.
_KNOWN = "crucible_ir.id_prefixes"
_VERSION = "crucible_ir.id_prefixes.version"

#: The version of the prefixes, for a statement that reads something else anyway.
_versions = counters.alias("versions")
VERSION = select(_versions.c.value).where(_versions.c.name == "prefixes").scalar_subquery()


class Progress(NamedTuple):
    """The last document of which a prefix is stored."""

    type: str
    id: bytes


def add(connection: Connection, prefix: bytes) -> bool | None:
    """Add a prefix, so that later publications store it.

    Returns:
        Whether it is stored for all documents; ``None`` if there are too many prefixes.
    """
    found = connection.execute(
        select(id_prefixes.c.complete).where(id_prefixes.c.prefix == prefix)
    ).scalar_one_or_none()
    if found is not None:
        return bool(found)
    count = connection.execute(select(func.count()).select_from(id_prefixes)).scalar_one()
    if count >= MAX_PREFIXES:
        return None
    connection.execute(insert(id_prefixes).values(prefix=prefix, complete=False))
    # A random version differs from that of an addition that was rolled back.
    version = secrets.randbits(62)
    connection.execute(update(counters).where(counters.c.name == "prefixes").values(value=version))
    set_version(connection, version)
    return False


def extend(
    connection: Connection, prefix: bytes, after: Progress | None, most: int
) -> Progress | None:
    """Store a prefix for some more documents.

    Args:
        connection: The connection.
        prefix: The prefix, which was added.
        after: The document that the previous step reached; ``None`` for the first step.
        most: The most documents.

    Returns:
        The document that this step reached; ``None`` if the prefix is complete.
    """
    columns = documents.c
    type_, id_ = after or (_type_after(connection, ""), b"")
    while type_ is not None:
        rows = connection.execute(
            select(columns.id, columns.created_sequence, columns.deleted)
            .where(columns.type == type_, begins_with(columns.id, prefix), columns.id > id_)
            .order_by(columns.id)
            .limit(most)
        ).all()
        if rows:
            _insert(connection, prefix, type_, [row[:2] for row in rows if not row.deleted])
            return Progress(type_, bytes(rows[-1].id))
        type_, id_ = _type_after(connection, type_), b""
    connection.execute(
        update(id_prefixes).where(id_prefixes.c.prefix == prefix).values(complete=True)
    )
    return None


def set_version(connection: Connection, version: int) -> None:
    """Set the version of the prefixes that a transaction sees."""
    connection.info[_VERSION] = version


def prefixes_of(connection: Connection, id_: bytes) -> list[bytes]:
    """Return the prefixes of an id that are to be stored, as of the last `set_version`."""
    version = connection.info[_VERSION]
    known_version, known = connection.info.get(_KNOWN, (None, ()))
    if version != known_version:
        found = deferred.independently(connection, select(id_prefixes.c.prefix))
        known = tuple(map(bytes, found.scalars()))
        connection.info[_KNOWN] = (version, known)
    return [prefix for prefix in known if id_.startswith(prefix)]


def _type_after(connection: Connection, type_: str) -> str | None:
    following = select(func.min(documents.c.type)).where(documents.c.type > type_)
    found: str | None = connection.execute(following).scalar_one_or_none()
    return found


def _insert(
    connection: Connection, prefix: bytes, type_: str, found: Sequence[tuple[bytes, int]]
) -> None:
    rows = [
        {"type": type_, "field": FIELD, "value": prefix, "id": id_, "created_sequence": created}
        for id_, created in found
    ]
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        statement: Any = postgresql.insert(field_values).on_conflict_do_nothing()
    else:
        statement = sqlite.insert(field_values).on_conflict_do_nothing()
    connection.execute(statement, rows)
