"""Reads and changes that the works of a transaction share.

One statement with many rows costs a fraction of as many statements: with PostgreSQL, each of these
is a round trip. So what the works of a transaction look up is read together before the first of
them, and their changes are made together after the last, or before anything else is executed that
may read them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, Engine, Executable

    from crucible_ir.exchange.store.statements.rows import Lookup

#: The key of a connection's info for what the works of its transaction share.
_SHARED: Final = "crucible_ir.shared"

#: The execution option of statements that read nothing that waits, and change nothing.
_IS_INDEPENDENT: Final = "crucible_ir_is_independent"

#: A statement with rows of parameters, all with the same names.
Change = tuple["Executable", Sequence[Mapping[str, Any]]]


class Executor(Protocol):
    """Executes statements with the driver: processing by SQLAlchemy takes longer than all else."""

    def find_all(self, connection: Connection, lookups: Sequence[Lookup]) -> Sequence[Any]:
        """Return for each lookup the row, if there is one; its values are those of the driver."""

    def change_all(self, connection: Connection, changes: Sequence[Change]) -> None:
        """Execute the statements in order, each with all rows."""


class Pending(Protocol):
    """The state of a subject that several works change before it is written once."""

    def write(self, connection: Connection) -> None:
        """Write the state, with `change` or directly."""


class _Shared:
    """What the works of a transaction share.

    Attributes:
        executor: Executes the statements.
        found: The rows that were read before, by their lookups; ``None`` for no row.
        rows: The parameters of each statement, in the order in which statements must be executed.
        pending: The subjects that are written with all their changes.
        changed: The subjects of all changes, waiting or made.
        is_waiting: Whether any change waits.
    """

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.found: dict[Hashable, Any] = {}
        self.rows: dict[Executable, list[Mapping[str, Any]]] = {}
        self.pending: dict[Hashable, Pending] = {}
        self.changed: set[Hashable] = set()
        self.is_waiting = False


def install(engine: Engine) -> None:
    """Make the changes of an engine's connections before other statements are executed."""
    event.listen(engine, "before_execute", _before_execute)


@contextmanager
def together(
    connection: Connection, executor: Executor, lookups: Iterable[Lookup]
) -> Iterator[None]:
    """Let the works of a transaction share reads, and let their changes wait until the end.

    Args:
        connection: The connection.
        executor: Executes the statements that are shared.
        lookups: What the works look up.
    """
    # A connection that was lost has no `info` any more.
    info = connection.info
    shared = info[_SHARED] = _Shared(executor)
    try:
        wanted = {each.key: each for each in lookups}
        rows = executor.find_all(connection, list(wanted.values()))
        shared.found = dict(zip(wanted, rows, strict=True))
        yield
        _make(connection, shared)
    finally:
        info.pop(_SHARED, None)


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
        rows: The parameters, with the same names at each use.
        key: The subject of the change: `find` of the same subject sees it.
    """
    shared: _Shared | None = connection.info.get(_SHARED)
    if shared is None:
        if rows:
            connection.execute(statement, rows)
        return
    shared.rows.setdefault(statement, []).extend(rows)
    shared.changed.add(key)
    shared.is_waiting = True


def write_later(connection: Connection, key: Hashable, state: Pending) -> None:
    """Write the state of a subject when changes are made; later works may change it until then."""
    shared: _Shared | None = connection.info.get(_SHARED)
    if shared is None:
        state.write(connection)
        return
    shared.pending[key] = state
    shared.changed.add(key)
    shared.is_waiting = True


def pending(connection: Connection, key: Hashable) -> Pending | None:
    """Return the state of a subject that is not written yet, if there is one."""
    shared: _Shared | None = connection.info.get(_SHARED)
    return None if shared is None else shared.pending.get(key)


def find(connection: Connection, lookup: Lookup, key: Hashable) -> Any:
    """Return the row of a lookup that reads one subject only, if there is one.

    Its values are those of the driver, by position.
    """
    shared: _Shared | None = connection.info.get(_SHARED)
    if shared is None:
        return connection.execute(lookup.statement, lookup.parameters).one_or_none()
    if key in shared.changed:
        _make(connection, shared)
    elif lookup.key in shared.found:
        return shared.found[lookup.key]
    [row] = shared.executor.find_all(connection, [lookup])
    return row


def independently(connection: Connection, statement: Executable) -> CursorResult[Any]:
    """Execute a statement that reads nothing that may wait, and changes nothing."""
    return connection.execute(statement, execution_options={_IS_INDEPENDENT: True})


def _make(connection: Connection, shared: _Shared) -> None:
    states, shared.pending = shared.pending, {}
    for state in states.values():
        state.write(connection)
    rows = shared.rows
    # An empty list keeps the place of a statement in the order.
    shared.rows = {statement: [] for statement in rows}
    shared.is_waiting = False
    shared.executor.change_all(connection, [change for change in rows.items() if change[1]])


def _before_execute(
    connection: Connection, statement: object, many: object, one: object, options: Mapping[str, Any]
) -> None:
    shared: _Shared | None = connection.info.get(_SHARED)
    if shared is None or _IS_INDEPENDENT in options:
        return
    # The statement may change what was read.
    shared.found.clear()
    if shared.is_waiting:
        _make(connection, shared)
