"""Settings of SQLite for the time of a test, by which its databases fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event


@contextmanager
def pragma(setting: str) -> Iterator[None]:
    """Set a pragma at the beginning of each transaction."""

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA {setting}")

    event.listen(Engine, "begin", begin)
    try:
        yield
    finally:
        event.remove(Engine, "begin", begin)
