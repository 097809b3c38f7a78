"""Settings of SQLite that make the databases of a test fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event

_settings: list[str] = []


# Never removed: the threads of a store iterate over the listeners at any time, so the list of
# listeners must not change.
@event.listens_for(Engine, "begin")
def _set(connection: Connection) -> None:
    for setting in tuple(_settings):
        connection.exec_driver_sql(f"PRAGMA {setting}")


@contextmanager
def pragma(setting: str) -> Iterator[None]:
    """Set a pragma at the beginning of each transaction."""
    _settings.append(setting)
    try:
        yield
    finally:
        _settings.remove(setting)
