"""Settings of SQLite for the time of a test, by which its databases fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event

_settings: list[str] = []


# Stays for good: the threads of a store go through the listeners at any time, and a list that is
# gone through must not change.
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
