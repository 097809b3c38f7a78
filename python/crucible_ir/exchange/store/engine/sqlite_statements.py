"""Statements that the driver of SQLite executes directly, each of them compiled once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy.dialects import sqlite

from crucible_ir.exchange.store.statements.rows import Lookup

if TYPE_CHECKING:
    from sqlalchemy import Dialect, Executable

_DIALECT: Final[Dialect] = sqlite.dialect()


class SqliteStatements:
    """A connection of the driver, with the statements that it has executed.

    Args:
        connection: The connection.
        failure: Translates an error of the driver.
    """

    def __init__(
        self, connection: sqlite3.Connection, failure: Callable[[sqlite3.Error], Exception]
    ) -> None:
        self._connection = connection
        self._failure = failure
        self._compiled: dict[Executable, _Compiled] = {}

    def find_all(self, lookups: Sequence[Lookup]) -> list[Any]:
        """Return for each lookup the row, if there is one, or an error."""
        found: list[Any] = []
        for lookup in lookups:
            try:
                found.append(self.find(lookup))
            except Exception as error:
                found.append(error)
        return found

    def find(self, lookup: Lookup) -> Any:
        """Return the row of a lookup, if there is one.

        Raises:
            StoreFailure: The database failed.
        """
        compiled = self._compile(lookup.statement, ())
        try:
            return self._connection.execute(
                compiled.sql, compiled.values(lookup.parameters)
            ).fetchone()
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def change(self, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute a statement with rows of parameters, all with the same names.

        Raises:
            StoreFailure: The database failed.
        """
        compiled = self._compile(statement, rows[0])
        try:
            self._connection.executemany(compiled.sql, map(compiled.values, rows))
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()

    def _compile(self, statement: Any, columns: Mapping[str, Any] | tuple[()]) -> _Compiled:
        """Return a statement in SQL.

        Args:
            statement: The statement.
            columns: The columns of an insertion.
        """
        compiled = self._compiled.get(statement)
        if compiled is None:
            made = statement.compile(
                dialect=_DIALECT, column_keys=list(columns) if statement.is_insert else None
            )
            names = tuple(made.positiontup or ())
            compiled = self._compiled[statement] = _Compiled(str(made), names, made.params)
        return compiled


class _Compiled(NamedTuple):
    """A statement in SQL.

    Attributes:
        sql: The text.
        names: The names of the parameters, by position.
        constants: The values of the parameters that are the same at each use.
    """

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]

    def values(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Return the values of the parameters by position."""
        constants = self.constants
        return [parameters[name] if name in parameters else constants[name] for name in self.names]
