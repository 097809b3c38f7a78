"""Stores of every older version are migrated with their contents."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import cast

import pytest
from exchange.publications import event, publication
from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    create_mock_engine,
    inspect,
    make_url,
    text,
)

from crucible_ir.exchange.store import StoreAddressError, open_store
from crucible_ir.exchange.store.engine.migrations import (
    CURRENT_VERSION,
    MIGRATIONS,
    migrate,
    version_of,
)
from crucible_ir.exchange.store.errors import StoreFailure, StoreVersionError
from crucible_ir.exchange.store.records import Comparison, Condition, ListQuery
from crucible_ir.exchange.store.statements.tables import METADATA


def engine_of(address: str) -> Engine:
    if "://" not in address:
        return create_engine(f"sqlite:///{address}")
    return create_engine(make_url(address).set(drivername="postgresql+psycopg"))


def shape(engine: Engine) -> dict[str, object]:
    """Describe the tables of a database."""
    inspector = inspect(engine)
    return {
        name: (
            {c["name"]: (str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)},
            inspector.get_pk_constraint(name)["constrained_columns"],
            {
                index["name"]: (index["column_names"], bool(index["unique"]))
                for index in inspector.get_indexes(name)
            },
        )
        for name in inspector.get_table_names()
    }


async def test_a_new_store_has_the_latest_version(address: str) -> None:
    await (await open_store(address)).close()
    engine = engine_of(address)
    with engine.connect() as connection:
        assert version_of(connection) == CURRENT_VERSION
    engine.dispose()


async def test_migrations_produce_the_declared_tables(
    address: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    await (await open_store(address)).close()
    migrated = engine_of(address)
    if "://" in address:
        other = request.getfixturevalue("cluster").create_database()
    else:
        other = str(tmp_path / "declared.db")
    declared = engine_of(other)
    METADATA.create_all(declared)
    assert shape(migrated) == shape(declared)
    migrated.dispose()
    declared.dispose()


@pytest.mark.parametrize("version", range(1, CURRENT_VERSION))
async def test_older_store_is_migrated_and_keeps_its_documents(address: str, version: int) -> None:
    engine = engine_of(address)
    with engine.begin() as connection:
        migrate(connection, through=version)
        assert version_of(connection) == version
        insert_old_document(connection.execute)
    engine.dispose()
    store = await open_store(address)
    entry = await store.get("ModelVersion", "old")
    assert (entry.document, entry.record.etag, entry.record.publisher) == (b"doc", "e", "ann")
    assert (await store.publish(publication("new"))).record.sequence == 2
    assert await store.ingest([event("a")]) == []
    await store.publish(publication("new", "two", fields=[("stage", "staging")]))
    condition = Condition("stage", Comparison.EQUALS, "staging")
    page = await store.list_documents(ListQuery("ModelVersion", (condition,)))
    assert [entry.record.id for entry in page.entries] == ["new", "old"]
    await store.close()


def insert_old_document(execute: object) -> None:
    """Insert a document as version 1 stores it."""
    assert callable(execute)
    key = {"id": b"old"}
    execute(text("UPDATE counters SET value = 1 WHERE name = 'sequence'"))
    execute(text("INSERT INTO documents VALUES ('ModelVersion', :id, 1, 1, false)"), key)
    execute(
        text(
            "INSERT INTO revisions (sequence, type, id, revision, etag, create_time, update_time, "
            "publisher, deleted, content_hash, document) VALUES "
            "(1, 'ModelVersion', :id, 1, 'e', 5, 5, :publisher, false, :hash, :document)"
        ),
        {**key, "publisher": b"ann", "hash": b"h", "document": b"doc"},
    )
    execute(
        text(
            "INSERT INTO field_values (type, field, value, id) VALUES "
            "('ModelVersion', 'stage', :value, :id)"
        ),
        {**key, "value": b"staging"},
    )


#: The digests of the statements of each released step: databases exist that they created.
RELEASED = {
    ("sqlite", 1): "b67298da64f3ed3b",
    ("sqlite", 2): "67562f623d4eb72c",
    ("postgresql", 1): "6540f1acf3bd1772",
    ("postgresql", 2): "9a5dc47980c2913a",
}


@pytest.mark.parametrize(("dialect", "version"), RELEASED)
def test_released_migrations_do_not_change(dialect: str, version: int) -> None:
    said = hashlib.sha256()
    engine = create_mock_engine(
        f"{dialect}://", lambda statement, *_, **__: said.update(f"{statement};".encode())
    )
    MIGRATIONS[version](cast("Connection", engine))
    assert said.hexdigest()[:16] == RELEASED[dialect, version]


async def test_newer_version_is_rejected_and_unchanged(address: str) -> None:
    await (await open_store(address)).close()
    engine = engine_of(address)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE schema_version SET version = {CURRENT_VERSION + 1}"))
    with pytest.raises(StoreVersionError, match=str(CURRENT_VERSION + 1)):
        await open_store(address)
    with engine.connect() as connection:
        assert version_of(connection) == CURRENT_VERSION + 1
    engine.dispose()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql://host/db", "expected postgresql://"),
        ("://", "not a URL"),
        ("sqlite://", "needs the path"),
        (":memory:", "needs the path"),
        ("/no/such/folder/x.db", "does not exist"),
        ("/tmp", "is a folder"),
    ],
)
async def test_unusable_address_is_rejected_with_a_reason(address: str, words: str) -> None:
    with pytest.raises(StoreAddressError, match=words):
        await open_store(address)


async def test_file_that_is_not_a_database_is_rejected_and_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a database, whatever its length may be" * 100)
    with pytest.raises(StoreFailure, match="not a SQLite database"):
        await open_store(file)
    assert file.read_text().startswith("not a database")


async def test_error_for_an_address_hides_the_password() -> None:
    with pytest.raises(StoreAddressError) as caught:
        await open_store("postgresql://ann:secret@host:port/db")
    assert "secret" not in str(caught.value)
