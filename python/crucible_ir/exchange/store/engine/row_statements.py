"""Statements that process many rows of parameters at a time.

The driver of PostgreSQL sends a row after another nearly as slowly as a statement after another: it
and the server wait for each other. So one statement takes all rows, as an array for each column.
SQLite is a part of this process, where a row after another is as fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: The most rows that one statement takes, so that its arrays stay small.
ROWS_IN_A_STATEMENT: Final = 10_000


class RowStatement:
    """A statement that is executed with many rows of parameters.

    Args:
        sql: The statement, which reads the rows from ``{rows}``, a table with the name "rows". It
            must not change a row of the database with more than one of them.
        columns: The type in PostgreSQL of each column of the rows, by name.
    """

    def __init__(self, sql: str, **columns: str) -> None:
        self._sql = sql
        self._columns = columns
        row = ", ".join(f":{name} AS {name}" for name in columns)
        self._with_one_row = text(sql.replace("{rows}", f"(SELECT {row}) AS rows"))

    def execute(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute the statement with rows in their order, if there are any."""
        for first in range(0, len(rows), ROWS_IN_A_STATEMENT):
            some = rows[first : first + ROWS_IN_A_STATEMENT]
            if connection.dialect.name == "postgresql":
                self._execute_with_arrays(connection, some)
            else:
                connection.execute(self._with_one_row, some)

    def _execute_with_arrays(
        self, connection: Connection, rows: Sequence[Mapping[str, Any]]
    ) -> None:
        values = {name: [row[name] for row in rows] for name in self._columns}
        arrays = (array(name, type_, values[name]) for name, type_ in self._columns.items())
        table = f"unnest({', '.join(arrays)}) AS rows ({', '.join(self._columns)})"
        connection.exec_driver_sql(self._sql.replace("{rows}", table), values)


def array(name: str, type_: str, values: Sequence[Any]) -> str:
    """Return an array of PostgreSQL whose values are a parameter of the driver.

    Args:
        name: The name of the parameter.
        type_: The type of an element in PostgreSQL.
        values: The values.

    >>> array("id", "bytea", [b"a", None])
    '%(id)b::bytea[]'
    """
    # In text, the driver escapes each value. In binary, an array without a value has no type.
    is_empty = all(value is None for value in values)
    return f"%({name}){'s' if is_empty else 'b'}::{type_}[]"
