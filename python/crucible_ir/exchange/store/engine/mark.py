"""The mark of a SQLite database: a small file that says what the database must contain at least.

SQLite opens a database without complaint if its write-ahead log is missing, cut off or damaged, and
the last commits are then gone. The mark is written after each commit and before the commit is
acknowledged. It is not synchronized with the disk, so after a power failure it may be old, but it
never says more than what was committed. Servers that share a database share its mark.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import zlib
from pathlib import Path
from typing import Final, NamedTuple

# Operators filter by this name, so it does not follow the module.
_log: Final = logging.getLogger("crucible_ir.exchange.server.store")

#: The suffix of the file, after the name of the database.
SUFFIX: Final = ".mark"

_FORMAT: Final = b"crucible-ir mark 1 %016x %020d %020d "
_SIZE: Final = len(_FORMAT % (0, 0, 0)) + len(b"01234567\n")


class Marked(NamedTuple):
    """What a database contains.

    Attributes:
        epoch: The id of the epoch.
        commits: The number of commits.
        sequence: The sequence number of the latest change.
    """

    epoch: int
    commits: int
    sequence: int


class Mark:
    """The mark of an open database.

    Args:
        database: The path of the database.

    Raises:
        OSError: The file cannot be opened or created.
    """

    def __init__(self, database: Path) -> None:
        self._file = os.open(mark_path(database), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._has_failed = False

    def read(self) -> Marked | None:
        """Return what the mark says; ``None`` if it is new, or cannot be read."""
        return _parse(os.pread(self._file, _SIZE, 0))

    def raise_to(self, marked: Marked) -> None:
        """Write what a database contains, unless the mark of another process says more.

        Within an epoch, a mark only rises. If it cannot be written, it remains too low.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                current = self.read()
                if current is not None and current.epoch == marked.epoch:
                    commits = max(current.commits, marked.commits)
                    marked = Marked(marked.epoch, commits, max(current.sequence, marked.sequence))
                os.pwrite(self._file, _text(marked), 0)
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        except OSError as error:
            if not self._has_failed:
                _log.warning("cannot write the mark of the database: %s", error.strerror or error)
            self._has_failed = True

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def mark_path(database: Path) -> Path:
    """Return the path of the mark of a database."""
    return database.with_name(database.name + SUFFIX)


def read_mark(database: Path) -> Marked | None:
    """Return what the mark of a database says; ``None`` if there is none, or it cannot be read."""
    try:
        return _parse(mark_path(database).read_bytes()[:_SIZE])
    except FileNotFoundError:
        return None


def write_mark(database: Path, marked: Marked) -> None:
    """Replace the mark of a database that is not open."""
    mark_path(database).unlink(missing_ok=True)
    mark = Mark(database)
    try:
        mark.raise_to(marked)
    finally:
        mark.close()


def contents_of(connection: sqlite3.Connection) -> Marked | None:
    """Return what a database contains; ``None`` if it has no epoch."""
    try:
        found = dict(connection.execute("SELECT name, value FROM counters").fetchall())
    except sqlite3.OperationalError:
        return None
    if "epoch" not in found:
        return None
    return Marked(found["epoch"], found["commits"], found["sequence"])


class Loss(NamedTuple):
    """A loss of acknowledged changes.

    Attributes:
        marked: What the database contained.
        message: A description.
    """

    marked: Marked
    message: str


def find_loss(database: Path) -> Loss | None:
    """Compare a database with its mark; return the loss if it contains less.

    The database is not changed, and not even its log is moved into it: the operator may still find
    the right files. A database that cannot be read at all is left to the one who opens it.

    Args:
        database: The path of the database, which may be missing.
    """
    marked = read_mark(database)
    if marked is None:
        return None
    found: Marked | None = None
    epochs: list[int] = []
    if database.exists() and database.stat().st_size:
        try:
            found, epochs = _contents_read_only(database)
        except sqlite3.Error:
            return None
    if found is not None and epochs and epochs[-1] == found.epoch:
        if marked.epoch == found.epoch:
            if marked.commits <= found.commits and marked.sequence <= found.sequence:
                return None
        elif marked.epoch in epochs:
            # The process that began the latest epoch ended before it wrote the mark.
            return None
    return Loss(marked, _message(database, marked, found))


def _contents_read_only(database: Path) -> tuple[Marked | None, list[int]]:
    """Return what a database contains, and the ids of its epochs in order."""
    connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
    try:
        found = contents_of(connection)
        if found is None:
            return None, []
        rows = connection.execute("SELECT id FROM epochs ORDER BY number").fetchall()
        return found, [id_ for [id_] in rows]
    finally:
        connection.close()


def _message(database: Path, marked: Marked, found: Marked | None) -> str:
    if found is None or found.epoch != marked.epoch:
        reason = "the database is missing, or another one"
    else:
        reason = (
            f"it had {marked.commits:,} commits and the sequence number {marked.sequence}, and now"
            f" has {found.commits:,} and {found.sequence}"
        )
    return (
        f"the store {database} has lost acknowledged changes: {reason}. Its log"
        f" {database.name}-wal may be missing or damaged, or the files may be from different times."
        " Bring back the right files or restore a backup; or run `crucible-ir serve --accept-loss`"
        " once to go on with what is left"
    )


def _text(marked: Marked) -> bytes:
    content = _FORMAT % marked
    return content + b"%08x\n" % zlib.crc32(content)


def _parse(text: bytes) -> Marked | None:
    content, checksum = text[:-9], text[-9:]
    if len(text) != _SIZE or checksum != b"%08x\n" % zlib.crc32(content):
        return None
    epoch, commits, sequence = content.split()[3:]
    return Marked(int(epoch, 16), int(commits), int(sequence))
