"""Runs migrations in short transactions: an upgrade that is interrupted continues where it stopped.

A migration is a sequence of steps: statements, functions of a connection, and backfills, which
process the rows of a table page by page. Each transaction records how far the upgrade has come.
Several servers may therefore upgrade one store at once: each continues from what is recorded. An
older release rejects the store from the first transaction on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import inspect, select, text

from crucible_ir.exchange.store.errors import StoreVersionError
from crucible_ir.exchange.store.statements.tables import schema_version

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: A step of a migration.
Step = Callable[["Connection"], None]

#: Begins a transaction that locks out other writers.
Transaction = Callable[[], AbstractContextManager["Connection"]]

#: How long a transaction of an upgrade continues with further steps or pages, in seconds.
TRANSACTION_SECONDS: Final = 1.0

#: How often the progress is logged, in seconds.
REPORT_SECONDS: Final = 5.0

#: The number of rows that a backfill processes at a time.
_ROWS_AT_A_TIME: Final = 500

#: More rows than a table has.
_ALL_ROWS: Final = 2**62

#: The types of columns, by the placeholder in a statement and the kind of the database. A new
#: position is one that is never used again.
_TYPE_NAMES: Final = {
    "sqlite": {
        "{bytes}": "BLOB",
        "{position}": "INTEGER NOT NULL",
        "{new position}": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
    },
    "postgresql": {
        "{bytes}": "BYTEA",
        "{position}": "BIGINT GENERATED ALWAYS AS IDENTITY",
        "{new position}": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    },
}

#: A table that exists during an upgrade, with one row: the next step of the migration to the
#: version of the store, and the last key that a backfill has processed.
_PROGRESS_TABLE: Final = "upgrade_progress"
_CREATE_PROGRESS: Final = "CREATE TABLE upgrade_progress (step INTEGER, position BIGINT)"
_INSERT_PROGRESS: Final = "INSERT INTO upgrade_progress VALUES (:step, :position)"

#: PostgreSQL would start processes for each page of a backfill, which takes longer than to read it.
_NO_PARALLEL_READS: Final = "SET LOCAL max_parallel_workers_per_gather = 0"

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.store")


class Statement:
    """A step that is one statement, with placeholders for the types of columns.

    Args:
        sql: The statement.
    """

    def __init__(self, sql: str) -> None:
        self._sql = sql

    def __call__(self, connection: Connection) -> None:
        """Run the statement."""
        sql = self._sql
        for placeholder, name in _TYPE_NAMES[connection.dialect.name].items():
            sql = sql.replace(placeholder, name)
        connection.execute(text(sql))

    def __str__(self) -> str:
        return " ".join(self._sql.split("(")[0].split()[:4])


class Backfill:
    """A step that processes the rows of a table page by page, and can continue after any page.

    Args:
        name: What it writes, for the log.
        rows: A statement that selects rows, in the order of an integer key in the first column: the
            rows with a key greater than ``:after``, and at most ``:limit`` of them.
        work: Processes a page of rows.
    """

    def __init__(
        self, name: str, rows: str, work: Callable[[Connection, Sequence[Any]], None]
    ) -> None:
        self._name = name
        self._rows = rows
        self._work = work

    def __call__(self, connection: Connection) -> None:
        """Process all rows."""
        position: int | None = 0
        while position is not None:
            position, _ = self.next_page(connection, position)

    def __str__(self) -> str:
        return self._name

    def next_page(self, connection: Connection, after: int) -> tuple[int | None, int]:
        """Process the rows of one page.

        Args:
            connection: The connection.
            after: The key after which the page begins.

        Returns:
            The last key of the page, or ``None`` if there are no more rows; and the number of rows.
        """
        page = {"after": after, "limit": _ROWS_AT_A_TIME}
        rows = connection.execute(text(self._rows), page).all()
        if not rows:
            return None, 0
        self._work(connection, rows)
        return int(rows[-1][0]), len(rows)

    def remaining(self, connection: Connection, after: int) -> int:
        """Return the number of rows after a key."""
        count = text(f"SELECT count(*) FROM ({self._rows}) AS remaining")
        return int(connection.execute(count, {"after": after, "limit": _ALL_ROWS}).scalar_one())


class Migration:
    """The steps from one version of a store's tables to the next.

    Args:
        parts: The steps, or migrations whose steps are taken over.
    """

    def __init__(self, *parts: Step | Migration) -> None:
        self.steps: tuple[Step, ...] = tuple(
            step
            for part in parts
            for step in (part.steps if isinstance(part, Migration) else (part,))
        )

    def __call__(self, connection: Connection) -> None:
        """Run all steps in the transaction of a connection."""
        for step in self.steps:
            step(connection)


def script(statements: str) -> Migration:
    """Return a migration of statements, which are separated by semicolons."""
    return Migration(*(Statement(each.strip()) for each in statements.split(";") if each.strip()))


class _State(NamedTuple):
    """The version in progress, its next step, and the last key that was processed in that."""

    version: int
    step: int
    position: int


class Upgrade:
    """An upgrade of a store to the latest version.

    Args:
        transaction: Begins a transaction that locks out other writers.
        migrations: The migrations, by the version that they produce from the previous one.
    """

    def __init__(self, transaction: Transaction, migrations: Mapping[int, Migration]) -> None:
        self._transaction = transaction
        self._migrations = migrations
        self._last = max(migrations)
        self._begun = time.monotonic()
        self._report_at = self._begun + REPORT_SECONDS
        self._has_reported = False
        # The backfill in progress, its rows at the start, those done since, and when it started.
        self._backfill: Backfill | None = None
        self._total = self._done = 0
        self._backfill_begun = self._begun

    def run(self) -> None:
        """Run the migrations that are not complete.

        Raises:
            StoreVersionError: The tables are newer than this release.
        """
        is_done = False
        while not is_done:
            with self._transaction() as connection:
                is_done = self._advance(connection)
        if self._has_reported:
            seconds = time.monotonic() - self._begun
            _log.info("upgraded the store to version %d in %.0f s", self._last, seconds)

    def _advance(self, connection: Connection) -> bool:
        """Run steps in one transaction, until its time is over; return whether all are done."""
        check_version(version_of(connection), self._last)
        if connection.dialect.name == "postgresql":
            connection.execute(text(_NO_PARALLEL_READS))
        state = _next_step(connection)
        started = now = time.monotonic()
        while state.version <= self._last:
            if state.step == len(self._migrations[state.version].steps):
                state = _State(state.version + 1, 0, 0)
                continue
            if now - started > TRANSACTION_SECONDS:
                _record(connection, state)
                return False
            state = self._run(connection, state)
            now = time.monotonic()
            self._report(state, now)
        set_version(connection, self._last)
        connection.execute(text(f"DROP TABLE IF EXISTS {_PROGRESS_TABLE}"))
        return True

    def _run(self, connection: Connection, state: _State) -> _State:
        step = self._migrations[state.version].steps[state.step]
        if not isinstance(step, Backfill):
            step(connection)
            return state._replace(step=state.step + 1)
        if self._backfill is not step:
            self._backfill = step
            self._total, self._done = step.remaining(connection, state.position), 0
            self._backfill_begun = time.monotonic()
        position, rows = step.next_page(connection, state.position)
        self._done += rows
        if position is None:
            return _State(state.version, state.step + 1, 0)
        return state._replace(position=position)

    def _report(self, state: _State, now: float) -> None:
        """Log the progress now and then."""
        steps = self._migrations[state.version].steps
        if now < self._report_at or state.step == len(steps):
            return
        self._report_at = now + REPORT_SECONDS
        self._has_reported = True
        step = steps[state.step]
        progress = ""
        if step is self._backfill and self._done and self._total:
            left = (now - self._backfill_begun) * (self._total - self._done) / self._done
            progress = f" {self._done / self._total:.0%}, about {left:.0f} s left"
        _log.info(
            "upgrading the store to version %d of %d, step %d of %d: %s%s",
            *(state.version, self._last, state.step + 1, len(steps), step, progress),
        )


def check_version(version: int, supported: int) -> None:
    """Check that a version of the tables is not newer than the one that this release supports.

    Raises:
        StoreVersionError: It is newer.
    """
    if version > supported:
        raise StoreVersionError(
            f"the database has schema version {version}, and this release of crucible-ir supports"
            f" versions up to {supported}; upgrade crucible-ir"
        )


def version_of(connection: Connection) -> int:
    """Return the version of a database's tables, complete or in progress; 0 if it has none."""
    if not inspect(connection).has_table("schema_version"):
        return 0
    return int(connection.execute(select(schema_version.c.version)).scalar_one())


def is_complete(connection: Connection, version: int) -> bool:
    """Return whether the tables have a version, and no upgrade to it is in progress."""
    is_current = version_of(connection) == version
    return is_current and not inspect(connection).has_table(_PROGRESS_TABLE)


def set_version(connection: Connection, version: int) -> None:
    """Set the version of a database's tables."""
    if version_of(connection) == 0:
        connection.execute(text("CREATE TABLE schema_version (version INTEGER NOT NULL)"))
        connection.execute(schema_version.insert().values(version=version))
    else:
        connection.execute(schema_version.update().values(version=version))


def _next_step(connection: Connection) -> _State:
    version = version_of(connection)
    if not inspect(connection).has_table(_PROGRESS_TABLE):
        return _State(version + 1, 0, 0)
    step, position = connection.execute(text(f"SELECT * FROM {_PROGRESS_TABLE}")).one()
    return _State(version, step, position)


def _record(connection: Connection, state: _State) -> None:
    """Record the next step, and the version that it belongs to."""
    set_version(connection, state.version)
    if inspect(connection).has_table(_PROGRESS_TABLE):
        connection.execute(text(f"DELETE FROM {_PROGRESS_TABLE}"))
    else:
        connection.execute(text(_CREATE_PROGRESS))
    progress = {"step": state.step, "position": state.position}
    connection.execute(text(_INSERT_PROGRESS), progress)
