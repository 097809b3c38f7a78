"""Lookups of single rows in PostgreSQL: prepared statements, and one for lookups at the same time.

A transaction through a pool takes several round trips. Here, a lookup is one statement that commits
by itself, and lookups that wait together share it: the keys of all of them are its parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from crucible_ir.exchange.store.statements.rows import Lookup

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Select

#: The types of the arrays that pass the keys of several lookups.
_ARRAYS: Final[Mapping[type, str]] = {str: "text[]", bytes: "bytea[]", int: "bigint[]"}

_DIALECT: Final[Dialect] = PGDialect_psycopg()  # type: ignore[no-untyped-call]


class PostgresqlLookups:
    """A connection that prepares each lookup once.

    Args:
        connect: Creates a connection that commits each statement by itself.
        failure: Translates an error of the driver.
    """

    def __init__(
        self,
        connect: Callable[[], psycopg.Connection[Any]],
        failure: Callable[[psycopg.Error], Exception],
    ) -> None:
        self._new_connection = connect
        self._failure = failure
        try:
            self._connection = connect()
        except psycopg.Error as error:
            raise failure(error) from error

    def find_all(self, lookups: Sequence[Lookup]) -> list[Any]:
        """Return for each lookup the row, if there is one, or an error."""
        found: list[Any] = [None] * len(lookups)
        for indices in group_by_statement(lookups):
            rows: Sequence[Any]
            try:
                rows = self._find([lookups[index] for index in indices])
            except psycopg.Error as error:
                rows = [self._failure(error)] * len(indices)
            for index, row in zip(indices, rows, strict=True):
                found[index] = row
        return found

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def _find(self, lookups: Sequence[Lookup]) -> Sequence[Any]:
        """Return the rows of lookups that have the same statement."""
        if not self._connection.closed:
            try:
                return self._run(lookups)
            except psycopg.OperationalError:
                if not self._connection.closed:
                    raise
            # It was lost, perhaps long ago. A lookup changes nothing, so it can be repeated.
        self._connection = self._new_connection()
        return self._run(lookups)

    def _run(self, lookups: Sequence[Lookup]) -> Sequence[Any]:
        with self._connection.cursor(binary=True) as cursor:
            cursor.execute(*statement_of(lookups))
            return rows_of(lookups, cursor)


def group_by_statement(lookups: Sequence[Lookup]) -> list[list[int]]:
    """Return the positions of lookups, in groups that have the same statement."""
    groups: dict[Any, list[int]] = {}
    for index, lookup in enumerate(lookups):
        groups.setdefault(lookup.statement, []).append(index)
    return list(groups.values())


def statement_of(lookups: Sequence[Lookup]) -> tuple[bytes, Mapping[str, Any]]:
    """Return the statement and its parameters for lookups that have the same statement."""
    statement, parameters = lookups[0]
    compiled = _Compiled.of(statement, tuple((name, type(parameters[name])) for name in parameters))
    if len(lookups) == 1 or not parameters:
        return compiled.one, {**compiled.constants, **parameters}
    keys = {name: [each.parameters[name] for each in lookups] for name in parameters}
    return compiled.several, {**compiled.constants, **keys}


def rows_of(lookups: Sequence[Lookup], cursor: psycopg.Cursor[Any]) -> list[Any]:
    """Return for each lookup the row, if there is one, from the result of `statement_of`."""
    if len(lookups) == 1 or not lookups[0].parameters:
        return [cursor.fetchone()] * len(lookups)
    found: list[Any] = [None] * len(lookups)
    for number, *row in cursor:
        found[number - 1] = row
    return found


class _Compiled(NamedTuple):
    """A statement in SQL.

    Attributes:
        one: The statement for one lookup.
        several: The statement for several, with the number of a lookup before its row; the
            parameters are lists.
        constants: The values of the parameters that are the same for every lookup.
    """

    one: bytes
    several: bytes
    constants: Mapping[str, Any]

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, statement: Select[Any], parameters: tuple[tuple[str, type], ...]) -> _Compiled:
        """Compile a statement.

        Args:
            statement: The statement.
            parameters: The names and types of the parameters of one lookup.
        """
        compiled = statement.compile(dialect=_DIALECT)
        names = [name for name, _ in parameters]
        constants = {name: compiled.params[name] for name in compiled.params.keys() - set(names)}
        one = inner = str(compiled)
        for name in names:
            inner = inner.replace(f"%({name})s", f"keys.{name}")
        arrays = (f"%({name})s::{_ARRAYS[type_]}" for name, type_ in parameters)
        # With an offset each key is looked up by itself, in an index: a plan for all of them may be
        # a scan of the table, made when that was small.
        several = (
            f"SELECT keys.number, found.* FROM unnest({', '.join(arrays)}) WITH ORDINALITY"
            f" AS keys({', '.join([*names, 'number'])}), LATERAL ({inner} OFFSET 0) AS found"
        )
        return cls(one.encode(), several.encode(), constants)
