"""Opens a store by its address."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from crucible_ir.errors import shorten
from crucible_ir.exchange.store.engine.database import Database, Driver
from crucible_ir.exchange.store.errors import StoreError
from crucible_ir.exchange.store.sql_store import Clock, Store, system_clock


class StoreAddressError(StoreError, ValueError):
    """The address of a store is invalid or cannot be used."""


async def open_store(address: str | os.PathLike[str], *, clock: Clock = system_clock) -> Store:
    """Open a store; create it if it does not exist, and migrate it if it is older.

    Args:
        address: The path of a SQLite file, or a URL: ``sqlite:///path`` or
            ``postgresql://user@host/database``.
        clock: Returns the current time.

    Raises:
        StoreAddressError: The address is invalid, or its driver is not installed.
        StoreFailure: The database cannot be opened, or was created by a newer release.
    """
    driver = await asyncio.to_thread(_driver, os.fspath(address))
    return Store(Database(driver), clock)


def _driver(address: str) -> Driver:
    if "://" not in address:
        return _sqlite(address)
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise StoreAddressError(
            f"invalid store address {_redacted(address)}: it is not a URL"
        ) from None
    kind = url.get_backend_name()
    if kind == "sqlite":
        return _sqlite(url.database or "")
    if kind in ("postgresql", "postgres"):
        try:
            from crucible_ir.exchange.store.engine.postgresql import PostgresqlDriver
        except ImportError as error:
            raise StoreAddressError(
                "a store in PostgreSQL needs psycopg: pip install 'crucible-ir[postgresql]'"
            ) from error
        return PostgresqlDriver(url)
    raise StoreAddressError(
        f"unknown kind of store {shorten(kind)}: expected postgresql://, sqlite:/// or the path of"
        " a file"
    )


def _sqlite(path: str) -> Driver:
    from crucible_ir.exchange.store.engine.sqlite import SqliteDriver

    if not path or path == ":memory:":
        raise StoreAddressError("a store in SQLite needs the path of a file")
    file = Path(path)
    if not file.parent.is_dir():
        raise StoreAddressError(
            f"cannot create the store {file}: the folder {file.parent} does not exist"
        )
    if file.is_dir():
        raise StoreAddressError(f"cannot open the store {file}: it is a folder")
    return SqliteDriver(file)


def _redacted(address: str) -> str:
    """Return an address without the parts that may contain a password."""
    return shorten(address.partition("://")[0] + "://…")
