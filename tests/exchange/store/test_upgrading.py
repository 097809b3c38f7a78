"""An upgrade of a store continues after an interruption, and beside another one."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from exchange.store.test_migrations import INSERT_EVENT, engine_of, insert_document
from sqlalchemy import Connection, Engine, event, make_url, text

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.exchange.store.engine import upgrading
from crucible_ir.exchange.store.engine.database import Driver
from crucible_ir.exchange.store.engine.migrations import CURRENT_VERSION, migrate
from crucible_ir.exchange.store.engine.postgresql import PostgresqlDriver
from crucible_ir.exchange.store.engine.sqlite import SqliteDriver
from crucible_ir.exchange.store.engine.upgrading import is_complete
from crucible_ir.exchange.store.errors import StoreVersionError

#: The version of the stores of 0.2.0.
RELEASED = 3

#: The tables whose contents an upgrade derives, with their keys.
DERIVED = (
    "documents",
    "document_references",
    "field_values",
    "number_values",
    "revisions",
    "feedback_events",
)


def open_driver(address: str) -> Driver:
    return PostgresqlDriver(make_url(address)) if "://" in address else SqliteDriver(Path(address))


def close(driver: Driver) -> None:
    driver.close()
    driver.dispose()


def make_old_store(address: str, count: int = 9) -> None:
    """Make a store of 0.2.0 with documents and events."""
    engine = engine_of(address)
    with engine.begin() as connection:
        migrate(connection, through=RELEASED)
        for number in range(1, count + 1):
            content = ir.new("ModelVersion", id=f"v{number}", model_id="m", version="1.0.0")
            content.metrics["accuracy"] = number / 8
            insert_document(connection, number, content)
            feedback = v1.FeedbackEvent(id=f"e{number}", request_id=f"r{number}")
            values = {"id": feedback.id.encode(), "event": feedback.SerializeToString()}
            empty = {"deployment_id": None, "model_version": None}
            connection.execute(text(INSERT_EVENT), {**values, **empty})
        latest = f"UPDATE counters SET value = {count} WHERE name = 'sequence'"
        connection.execute(text(latest))
    engine.dispose()


def contents(connection: Connection) -> dict[str, list[Any]]:
    found = {}
    for table in DERIVED:
        rows = connection.execute(text(f"SELECT * FROM {table}")).mappings()
        # A number says only in which order rows were inserted. SQLite has no flags.
        flags = ("deleted", "embedded")
        found[table] = sorted(
            repr({**row, "number": 0, **{flag: bool(row.get(flag)) for flag in flags}})
            for row in rows
        )
    return found


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every step and every page of two rows a transaction of its own."""
    monkeypatch.setattr(upgrading, "TRANSACTION_SECONDS", 0)
    monkeypatch.setattr(upgrading, "_ROWS_AT_A_TIME", 2)


class StoppedError(Exception):
    """Stands for the end of the process."""


def stopped_after(
    steps: int, monkeypatch: pytest.MonkeyPatch, function: str = "set_version"
) -> Callable[[], None]:
    """Make an upgrade stop before the end of a transaction, after a number of them."""
    original = getattr(upgrading, function)
    left = [steps]

    def stop_or_continue(*arguments: Any) -> None:
        if not left[0]:
            raise StoppedError
        left[0] -= 1
        original(*arguments)

    monkeypatch.setattr(upgrading, function, stop_or_continue)
    return lambda: monkeypatch.setattr(upgrading, function, original)


@pytest.mark.usefixtures("small_pages")
def test_an_upgrade_continues_after_it_was_stopped_in_any_transaction(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = str(tmp_path / "reference.db")
    make_old_store(reference)
    expected = open_driver(reference)
    make_old_store(address)
    stops = 0
    while True:
        # Opening PostgreSQL takes longer.
        resume = stopped_after(1 if "://" not in address else 5, monkeypatch)
        try:
            driver = open_driver(address)
        except StoppedError:
            stops += 1
            continue
        finally:
            resume()
        break
    with driver.reader.connect() as connection, expected.reader.connect() as correct:
        assert is_complete(connection, CURRENT_VERSION)
        found, wanted = contents(connection), contents(correct)
    assert found == wanted
    assert stops > (15 if "://" not in address else 2)
    close(driver)
    close(expected)


def test_a_backfill_takes_a_statement_for_each_table_and_page(
    address: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    page = 20
    monkeypatch.setattr(upgrading, "_ROWS_AT_A_TIME", page)
    monkeypatch.setattr(upgrading, "TRANSACTION_SECONDS", 600)
    counts = {}
    for count in (2, page, 3 * page):
        if "://" in address:
            address = request.getfixturevalue("cluster").create_database()
        else:
            address = str(tmp_path / f"{count}.db")
        make_old_store(address, count)
        with counted_statements() as statements:
            driver = open_driver(address)
        close(driver)
        counts[count] = len(statements)
    assert counts[2] == counts[page]
    # Each of six backfills reads its rows. They write references and values of documents,
    # references of events, releases of revisions, events, releases of documents, and numbers.
    assert counts[3 * page] - counts[page] == 2 * (6 + 7)


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Yield the statements that are sent to a database until the end."""
    sent: list[str] = []

    def count(
        _connection: object, cursor: object, sql: str, parameters: Any, _context: object, many: bool
    ) -> None:
        # The driver of PostgreSQL sends a statement for each row of parameters.
        is_remote = isinstance(cursor, psycopg.Cursor)
        sent.extend([sql] * (len(parameters) if many and is_remote else 1))

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", count)


@pytest.mark.usefixtures("small_pages")
def test_two_servers_upgrade_a_store_at_once(address: str) -> None:
    make_old_store(address, 60)
    drivers: list[Driver] = []
    threads = [threading.Thread(target=lambda: drivers.append(open_driver(address))) for _ in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drivers) == 2
    with drivers[0].reader.connect() as connection:
        assert is_complete(connection, CURRENT_VERSION)
        found = contents(connection)
    assert len(found["document_references"]) == 60
    assert sum("r7" in each for each in found["feedback_events"]) == 1
    for driver in drivers:
        close(driver)


@pytest.mark.usefixtures("small_pages")
def test_an_older_release_rejects_a_store_whose_upgrade_has_begun(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_old_store(address)
    resume = stopped_after(1, monkeypatch)
    with pytest.raises(StoppedError):
        open_driver(address)
    resume()
    engine = engine_of(address)
    with engine.connect() as connection:
        version = upgrading.version_of(connection)
        assert version == RELEASED + 1
        assert not is_complete(connection, version)
    with pytest.raises(StoreVersionError, match=f"versions up to {RELEASED}"):
        upgrading.check_version(version, RELEASED)
    engine.dispose()


@pytest.mark.usefixtures("small_pages")
def test_the_log_says_how_far_an_upgrade_is(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make_old_store(address)
    monkeypatch.setattr(upgrading, "REPORT_SECONDS", 0)
    monkeypatch.setattr(logging.getLogger("crucible_ir.exchange.server"), "propagate", True)
    with caplog.at_level(logging.INFO, "crucible_ir.exchange.server.store"):
        close(open_driver(address))
    lines = [record.getMessage() for record in caplog.records]
    assert any(
        line.startswith("upgrading the store to version 4 of ")
        and re.search(r"references of documents 44%, about \d+ s left$", line)
        for line in lines
    ), lines
    assert lines[-1].startswith(f"upgraded the store to version {CURRENT_VERSION} in ")
