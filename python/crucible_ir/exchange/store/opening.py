"""Opens a store by its address."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from crucible_ir.errors import shorten
from crucible_ir.exchange.store.engine.database import Database, Driver
from crucible_ir.exchange.store.errors import (
    StoreDamagedError,
    StoreError,
    StoreFailure,
    StoreUnavailableError,
)
from crucible_ir.exchange.store.records import Epoch, GapReason
from crucible_ir.exchange.store.sql_store import Clock, Store, system_clock
from crucible_ir.exchange.store.statements.epochs import begin_epoch

#: SQLite keeps its log beside the file.
_NO_PERMISSION: Final = "no permission to create files in the folder {}"


class StoreAddressError(StoreError, ValueError):
    """The address of a store is invalid or cannot be used."""


async def open_store(
    address: str | os.PathLike[str], *, clock: Clock = system_clock, accept_loss: bool = False
) -> Store:
    """Open a store; create it if it does not exist, and migrate it if it is older.

    Args:
        address: The path of a SQLite file, or a URL: ``sqlite:///path`` or
            ``postgresql://user@host/database``.
        clock: Returns the current time.
        accept_loss: Whether to go on with a SQLite database that has lost acknowledged changes.

    Raises:
        StoreAddressError: The address is invalid, or its driver is not installed.
        StoreFailure: The database cannot be opened, or was created by a newer release.
    """
    driver = await asyncio.to_thread(_driver, os.fspath(address), accept_loss)
    return Store(Database(driver), clock)


def begin_restored_epoch(address: str) -> Epoch:
    """Begin a new epoch in a database of PostgreSQL that was restored, and that no server has open.

    Raises:
        StoreAddressError: The address is invalid, or its driver is not installed.
        StoreFailure: The database cannot be opened, or servers have it open.
    """
    driver = _driver(address)
    try:
        servers = driver.listeners()
        if servers:
            raise StoreUnavailableError(
                f"{servers} servers have the store open; stop them, and restore it again"
            )
        with driver.begin_exclusive() as connection:
            return begin_epoch(connection, GapReason.RESTORED, system_clock())
    finally:
        driver.close()
        driver.dispose()


def file_of(address: str) -> Path | None:
    """Return the path of a store in SQLite; ``None`` for a store in PostgreSQL.

    Raises:
        StoreAddressError: The address is invalid.
    """
    if "://" not in address:
        return Path(address)
    url = _url(address)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _url(address: str) -> URL:
    try:
        return make_url(address)
    except (ArgumentError, ValueError):
        raise StoreAddressError(
            f"invalid store address {_redacted(address)}: it is not a URL"
        ) from None


def _driver(address: str, accept_loss: bool = False) -> Driver:
    try:
        return _open(address, accept_loss)
    except StoreDamagedError:
        raise
    except StoreFailure as error:
        reason = _file_problem(address) or " ".join(str(error).split())
        message = f"cannot open the store {_without_password(address)}: {reason}"
        raise type(error)(message) from error


def _open(address: str, accept_loss: bool) -> Driver:
    if "://" not in address:
        return _sqlite(address, accept_loss)
    url = _url(address)
    kind = url.get_backend_name()
    if kind == "sqlite":
        return _sqlite(url.database or "", accept_loss)
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


def _sqlite(path: str, accept_loss: bool) -> Driver:
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
    if file.exists() and not file.is_file():
        raise StoreAddressError(f"cannot open the store {file}: it is not a regular file")
    return SqliteDriver(file, accept_loss=accept_loss)


def _file_problem(address: str) -> str | None:
    """Return why a file cannot be opened; ``None`` if that is not the problem.

    SQLite says only that it is unable to open it.
    """
    file = Path(address.removeprefix("sqlite:///"))
    if "://" in str(address) and not address.startswith("sqlite:///"):
        return None
    try:
        with file.open("r+b"):
            pass
    except FileNotFoundError:
        target = file.resolve()
        if not target.parent.is_dir():
            return f"the folder {target.parent} does not exist"
        return None if os.access(target.parent, os.W_OK) else _NO_PERMISSION.format(target.parent)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None if os.access(file.parent, os.W_OK) else _NO_PERMISSION.format(file.parent)


def _without_password(address: str) -> str:
    """Return the address of a store whose URL is valid."""
    return make_url(address).render_as_string() if "://" in address else address


def _redacted(address: str) -> str:
    """Return an address without the parts that may contain a password."""
    return shorten(address.partition("://")[0] + "://…")
