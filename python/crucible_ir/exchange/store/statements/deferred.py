"""Changes that wait until others of the same transaction need the same statement.

One statement with many rows costs a fraction of as many statements: with PostgreSQL, each of these
is a round trip. So the publications of a transaction only read, each for itself, and their changes
are made together at the end, or before anything else is executed that may read them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, Float, Insert, Integer, LargeBinary, String, event

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, Engine, Executable
    from sqlalchemy.types import TypeEngine

#: The key of a connection's info for the changes of its transaction.
_WAITING: Final = "crucible_ir.waiting"

#: The execution option of statements that read and change nothing that waits.
_IS_INDEPENDENT: Final = "crucible_ir_is_independent"

#: PostgreSQL's types for those of columns.
_ELEMENT_TYPES: Final = {
    String: "text",
    LargeBinary: "bytea",
    Boolean: "boolean",
    Integer: "bigint",
    Float: "double precision",
}


class _Waiting:
    """The changes of a transaction.

    Attributes:
        rows: The parameters of each statement, in the order in which statements must be executed.
        keys: The subjects of the changes.
    """

    def __init__(self) -> None:
        self.rows: dict[Executable, list[Mapping[str, Any]]] = {}
        self.keys: set[Hashable] = set()


def install(engine: Engine) -> None:
    """Make the changes of an engine's connections before other statements are executed."""
    event.listen(engine, "before_execute", _before_execute)


@contextmanager
def together(connection: Connection) -> Iterator[None]:
    """Let the changes of a transaction wait, and make them at the end."""
    # A connection that was lost during the work has no `info` any more.
    info = connection.info
    waiting = info[_WAITING] = _Waiting()
    try:
        yield
        _make(connection, waiting)
    finally:
        info.pop(_WAITING, None)


def change(
    connection: Connection,
    statement: Executable,
    rows: Sequence[Mapping[str, Any]],
    key: Hashable,
) -> None:
    """Execute a statement with rows of parameters, now or later.

    Statements are executed in the order of their first use in a transaction; rows of one subject
    must not depend on that order being another one.

    Args:
        connection: The connection.
        statement: A statement that is the same object at each use.
        rows: The parameters.
        key: The subject of the change: `find` of the same subject sees it.
    """
    waiting: _Waiting | None = connection.info.get(_WAITING)
    if waiting is None:
        _execute(connection, statement, rows)
        return
    waiting.rows.setdefault(statement, []).extend(rows)
    waiting.keys.add(key)


def find(
    connection: Connection, statement: Executable, parameters: Mapping[str, Any], key: Hashable
) -> CursorResult[Any]:
    """Execute a statement that reads one subject only, and no change of another one."""
    waiting: _Waiting | None = connection.info.get(_WAITING)
    if waiting is not None and key in waiting.keys:
        _make(connection, waiting)
    return independently(connection, statement, parameters)


def independently(
    connection: Connection, statement: Executable, parameters: Mapping[str, Any]
) -> CursorResult[Any]:
    """Execute a statement that reads and changes nothing that may wait."""
    return connection.execute(statement, parameters, execution_options={_IS_INDEPENDENT: True})


def _make(connection: Connection, waiting: _Waiting) -> None:
    rows = waiting.rows
    # An empty list keeps the place of a statement in the order.
    waiting.rows = {statement: [] for statement in rows}
    waiting.keys.clear()
    for statement, parameters in rows.items():
        _execute(connection, statement, parameters)


def _execute(
    connection: Connection, statement: Executable, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Execute a statement with rows of parameters, all with the same names."""
    if not rows:
        return
    if connection.dialect.name == "postgresql" and isinstance(statement, Insert):
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        connection.exec_driver_sql(_insert_arrays(statement.table, columns), columns)
        return
    connection.execute(statement, rows, execution_options={_IS_INDEPENDENT: True})


def _insert_arrays(table: Any, columns: Mapping[str, Sequence[Any]]) -> str:
    """Return the statement that inserts columns of values, which PostgreSQL reads as arrays.

    A driver sends a row after another nearly as slowly as a statement after another.
    """
    arrays = (
        # An array without a value has no type in binary.
        f"%({name}){'s' if all(value is None for value in values) else 'b'}"
        f"::{_element_type(table.c[name].type)}[]"
        for name, values in columns.items()
    )
    return (
        f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT * FROM unnest({', '.join(arrays)})"
    )


def _element_type(type_: TypeEngine[Any]) -> str:
    for known, name in _ELEMENT_TYPES.items():
        if isinstance(type_, known):
            return name
    raise TypeError(f"no arrays of {type_!r}")


def _before_execute(
    connection: Connection, statement: object, many: object, one: object, options: Mapping[str, Any]
) -> None:
    waiting: _Waiting | None = connection.info.get(_WAITING)
    if waiting is not None and waiting.keys and _IS_INDEPENDENT not in options:
        _make(connection, waiting)
