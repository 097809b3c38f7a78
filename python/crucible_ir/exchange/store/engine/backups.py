"""Backups of SQLite databases: copies of a database in use, and restoring them.

A copy is made with SQLite's own backup interface, inside a read transaction: it contains the
commits up to its start, while servers run. Every file is written beside its final place, with
access for its owner only, is synchronized with the disk, and is then moved there.
"""

from __future__ import annotations

import fcntl
import glob
import os
import pwd
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from crucible_ir.exchange.store.audit_records import SERVER, AuditAction, AuditEntry
from crucible_ir.exchange.store.engine.mark import (
    SUFFIX,
    Marked,
    contents_of,
    find_loss,
    read_mark,
    write_mark,
)
from crucible_ir.exchange.store.engine.migrations import CURRENT_VERSION
from crucible_ir.exchange.store.engine.sqlite import SqliteDriver
from crucible_ir.exchange.store.engine.upgrading import check_version
from crucible_ir.exchange.store.errors import StoreDamagedError, StoreError
from crucible_ir.exchange.store.records import Epoch, GapReason, epoch_name
from crucible_ir.exchange.store.statements import audit
from crucible_ir.exchange.store.statements.epochs import begin_epoch

#: The number of pages that are copied at a time; in between, the progress is shown.
_PAGES_AT_A_TIME: Final = 2048

#: How many problems of a damaged file a message lists.
_MOST_PROBLEMS: Final = 3

#: The endings of the files that SQLite keeps beside a database.
_LOG_SUFFIXES: Final = ("-wal", "-shm", "-journal")

#: Gets the number of pages that are done, and of all pages.
Progress = Callable[[int, int], None]


class BackupError(StoreError):
    """A backup cannot be made, or a file cannot be restored."""


class StoreInUseError(BackupError):
    """Servers have the store open."""


class BackupReport(NamedTuple):
    """What a backup contains.

    Attributes:
        bytes: The size of the file.
        sequence: The sequence number of the latest change in it.
        epoch: The epoch of the store; empty if it is of an older release that has none.
    """

    bytes: int
    sequence: int
    epoch: str


def back_up(database: Path, target: Path, progress: Progress) -> BackupReport:
    """Copy a database, which servers may have open, and check the copy.

    Args:
        database: The path of the database.
        target: The path of the copy, which is replaced if it exists.
        progress: Gets the progress.

    Raises:
        BackupError: The copy cannot be made, is damaged, or would replace a store.
        StoreDamagedError: The database has lost changes.
        StoreInUseError: A program has the target open.
    """
    if not database.is_file():
        raise BackupError(f"there is no store {database}")
    _check_target(database, target)
    loss = find_loss(database)
    if loss is not None:
        raise StoreDamagedError(loss.message)
    with _reading(database, "mode=ro") as source, _new_file(target) as copy:
        # The first read begins the snapshot that is copied.
        contents = _contents(source, database)
        _copy(source, copy, progress)
        with closing(sqlite3.connect(copy)) as copied:
            _check(copied, target, "PRAGMA quick_check")
            if _contents(copied, target) != contents:
                raise BackupError(f"the copy {target} differs from the store")
    _record(database, target)
    marked, sequence = contents
    epoch = "" if marked is None else epoch_name(marked.epoch)
    return BackupReport(target.stat().st_size, sequence, epoch)


def _check_target(database: Path, target: Path) -> None:
    """Check that a backup replaces neither a store nor a file that belongs to one."""
    own = (database, *(_beside(database, suffix) for suffix in (*_LOG_SUFFIXES, SUFFIX)))
    is_own = target.resolve() in {path.resolve() for path in own}
    # Backups have no mark, but every store that a server has opened.
    if is_own or _beside(target, SUFFIX).exists():
        raise BackupError(
            f"{target} belongs to a store: give the backup another name"
            f" (crucible-ir restore replaces a store)"
        )
    check_unused(target)


def _record(database: Path, target: Path) -> None:
    """Record a backup in the audit log of the store, unless that is of an older release."""
    with _reading(database, "mode=ro") as source:
        if _version(source, database) < CURRENT_VERSION:
            return
    entry = AuditEntry(
        AuditAction.BACKED_UP,
        SERVER,
        time.time_ns() // 1000,
        counts={"bytes": target.stat().st_size},
        details={"user": _user()},
    )
    driver = SqliteDriver(database)
    try:
        with driver.begin_exclusive() as connection:
            audit.write(connection, entry)
    finally:
        driver.close()
        driver.dispose()


def _user() -> str:
    """Return the user of the operating system who runs this program."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def restore(backup: Path, database: Path, progress: Progress) -> Epoch:
    """Replace a database that no server has open with a backup, and begin a new epoch in it.

    Args:
        backup: The path of the backup, or of any copy of a database that no program writes.
        database: The path of the database, which need not exist.
        progress: Gets the progress.

    Returns:
        The new epoch.

    Raises:
        BackupError: The backup cannot be used.
        StoreInUseError: A server has the database open.
        StoreVersionError: The backup is of a newer release.
    """
    if not backup.is_file():
        raise BackupError(f"there is no backup {backup}")
    check_unused(database)
    known = read_mark(database)
    with _new_file(database) as copy:
        # A file without a log is read as it is: its folder may be read-only.
        has_log = _beside(backup, "-wal").exists()
        with _reading(backup, "mode=ro" if has_log else "mode=ro&immutable=1") as source:
            check_version(_version(source, backup), CURRENT_VERSION)
            _copy(source, copy, progress)
        with closing(sqlite3.connect(copy)) as copied:
            _check(copied, backup, "PRAGMA integrity_check")
        epoch = _restored(copy, 0 if known is None else known.sequence)
        check_unused(database)
        # The log of the old database must not be replayed into the new one.
        for suffix in _LOG_SUFFIXES:
            _beside(database, suffix).unlink(missing_ok=True)
        restored = read_mark(copy)
    if restored is not None:
        write_mark(database, restored)
    return epoch


def begin_restored_epoch(database: Path) -> Epoch:
    """Begin a new epoch in a database that was restored by other means, and that nobody has open.

    Raises:
        BackupError: There is no such database.
        StoreInUseError: A server has it open.
        StoreFailure: It cannot be opened.
    """
    if not database.is_file():
        raise BackupError(f"there is no store {database}")
    check_unused(database)
    known = read_mark(database)
    return _restored(database, 0 if known is None else known.sequence)


def check_unused(database: Path) -> None:
    """Check that no program has a database open.

    Raises:
        StoreInUseError: A program has it open.
    """
    if not database.is_file():
        return
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
        try:
            # Every connection to a database with a write-ahead log holds a shared lock.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise StoreInUseError(
                    f"a program has the store {database} open; stop its servers first"
                ) from error
        except sqlite3.DatabaseError:
            # It is damaged, so nothing works with it.
            return


def _restored(database: Path, known: int) -> Epoch:
    """Upgrade a database if necessary, and begin a new epoch in it."""
    driver = SqliteDriver(database, accept_loss=True)
    try:
        with driver.begin_exclusive() as connection:
            now = time.time_ns() // 1000
            return begin_epoch(connection, GapReason.RESTORED, now, known=known)
    finally:
        driver.close()
        driver.dispose()


@contextmanager
def _reading(database: Path, options: str) -> Iterator[sqlite3.Connection]:
    """Open a database with options of SQLite for reading, and begin a transaction."""
    uri = f"{database.resolve().as_uri()}?{options}"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:
        raise BackupError(f"cannot read {database}: {error}") from error


@contextmanager
def _new_file(target: Path) -> Iterator[Path]:
    """Yield the path of an empty file, which is moved to its place if there was no error.

    What killed programs left of the same file is removed: it may have everything of a store.
    """
    prefix = f".{target.name}.partial-"
    try:
        for left in target.parent.glob(f"{glob.escape(prefix)}????????"):
            _remove_unlocked(left)
        number, name = tempfile.mkstemp(prefix=prefix, dir=target.parent)
        fcntl.flock(number, fcntl.LOCK_EX)
    except OSError as error:
        raise BackupError(f"cannot write {target}: {error.strerror}") from error
    path = Path(name)
    try:
        yield path
        _synchronize(path)
        path.replace(target)
        _synchronize(target.parent)
    except OSError as error:
        raise BackupError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        _remove(path)
        os.close(number)


def _remove_unlocked(path: Path) -> None:
    """Remove a file that no program is writing."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(path)
    except BlockingIOError:
        # Another program is writing it.
        return
    finally:
        os.close(number)


def _remove(path: Path) -> None:
    for suffix in ("", *_LOG_SUFFIXES, SUFFIX):
        _beside(path, suffix).unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, copy: Path, progress: Progress) -> None:
    def show(status: int, remaining: int, total: int) -> None:
        progress(total - remaining, total)

    with closing(sqlite3.connect(copy)) as target:
        target.execute("PRAGMA synchronous = OFF")
        source.backup(target, pages=_PAGES_AT_A_TIME, progress=show)
        # The copy is then one file, without a log beside it.
        target.execute("PRAGMA journal_mode = DELETE")


def _contents(connection: sqlite3.Connection, database: Path) -> tuple[Marked | None, int]:
    """Return what a database contains, and its sequence number."""
    _version(connection, database)
    found = connection.execute("SELECT value FROM counters WHERE name = 'sequence'").fetchone()
    return contents_of(connection), found[0]


def _version(connection: sqlite3.Connection, database: Path) -> int:
    with suppress(sqlite3.OperationalError):
        found = connection.execute("SELECT version FROM schema_version").fetchone()
        return int(found[0])
    raise BackupError(f"{database} is not a store of the exchange")


def _check(connection: sqlite3.Connection, database: Path, pragma: str) -> None:
    try:
        problems = [str(row[0]) for row in connection.execute(pragma).fetchall()]
    except sqlite3.DatabaseError as error:
        problems = [str(error)]
    if problems != ["ok"]:
        listed = "; ".join(problems[:_MOST_PROBLEMS])
        raise BackupError(f"{database} is damaged: {listed}")


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)


def _synchronize(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
