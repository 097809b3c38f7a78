"""The statements that the works of a transaction share, in pipelines of PostgreSQL.

A pipeline sends statements without waiting for the result of each, so all of them take one round
trip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import psycopg
from sqlalchemy import Boolean, Float, Insert, Integer, LargeBinary, String
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from crucible_ir.exchange.store.engine.postgresql_lookups import (
    group_by_statement,
    rows_of,
    statement_of,
)
from crucible_ir.exchange.store.engine.row_statements import array

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

    from crucible_ir.exchange.store.statements.deferred import Change
    from crucible_ir.exchange.store.statements.rows import Lookup

_DIALECT: Final[Dialect] = PGDialect_psycopg()  # type: ignore[no-untyped-call]

#: PostgreSQL's types for those of columns.
_ELEMENT_TYPES: Final = {
    String: "text",
    LargeBinary: "bytea",
    Boolean: "boolean",
    Integer: "bigint",
    Float: "double precision",
}


def find_all(connection: psycopg.Connection[Any], lookups: Sequence[Lookup]) -> list[Any]:
    """Return for each lookup the row, if there is one."""
    groups = group_by_statement(lookups)
    found: list[Any] = [None] * len(lookups)
    cursors = [connection.cursor(binary=True) for _ in groups]
    with connection.pipeline():
        for cursor, indices in zip(cursors, groups, strict=True):
            cursor.execute(*statement_of([lookups[index] for index in indices]))
    for cursor, indices in zip(cursors, groups, strict=True):
        rows = rows_of([lookups[index] for index in indices], cursor)
        for index, row in zip(indices, rows, strict=True):
            found[index] = row
    return found


def change_all(connection: psycopg.Connection[Any], changes: Sequence[Change]) -> None:
    """Execute statements in order, each with all its rows."""
    with connection.pipeline(), connection.cursor() as cursor:
        for statement, rows in changes:
            if isinstance(statement, Insert):
                columns = {name: [row[name] for row in rows] for name in rows[0]}
                cursor.execute(_insert_arrays(statement.table, columns), columns)
            else:
                sql, constants = _compiled(statement, tuple(rows[0]))
                cursor.executemany(sql, [{**constants, **row} for row in rows])


@lru_cache(maxsize=64)
def _compiled(statement: Any, names: tuple[str, ...]) -> tuple[bytes, Mapping[str, Any]]:
    """Return a statement in SQL, and the values of the parameters with other names."""
    compiled = statement.compile(dialect=_DIALECT)
    constants = {name: value for name, value in compiled.params.items() if name not in names}
    return str(compiled).encode(), constants


def _insert_arrays(table: Any, columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return the statement that inserts columns of values, which PostgreSQL reads as arrays.

    A driver sends a row after another nearly as slowly as a statement after another.
    """
    arrays = (
        array(name, _element_type(table.c[name].type), values) for name, values in columns.items()
    )
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT * FROM unnest({', '.join(arrays)})"
    ).encode()


def _element_type(type_: TypeEngine[Any]) -> str:
    for known, name in _ELEMENT_TYPES.items():
        if isinstance(type_, known):
            return name
    raise TypeError(f"no arrays of {type_!r}")
