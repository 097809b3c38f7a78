"""Stores of every older version are migrated with their contents."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path
from typing import cast

import pytest
from exchange.publications import event, publication
from google.protobuf.message import Message
from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    create_mock_engine,
    inspect,
    make_url,
    text,
)

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.exchange.store import StoreAddressError, open_store
from crucible_ir.exchange.store.engine import upgrading
from crucible_ir.exchange.store.engine.migrations import (
    CURRENT_VERSION,
    MIGRATIONS,
    migrate,
)
from crucible_ir.exchange.store.engine.upgrading import version_of
from crucible_ir.exchange.store.errors import StoreFailure, StoreVersionError
from crucible_ir.exchange.store.records import (
    Comparison,
    Condition,
    DocumentKey,
    EventQuery,
    LineageQuery,
    ListQuery,
    NumberCondition,
    NumberOrder,
    SummaryQuery,
)
from crucible_ir.exchange.store.statements.tables import METADATA
from crucible_ir.schema.references import identity_of, reference_fields
from crucible_ir.schema.types import descriptor_of, document_members

#: A digest of the references of the schema, and the migration that derives them.
INSERT_DOCUMENT = "INSERT INTO documents (type, id, revision, created_sequence, deleted) VALUES"
DERIVED = ("4a6cc439718b0b7a", 4)


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


async def test_only_the_owner_can_read_a_new_store(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = await open_store(tmp_path / "exchange.db")
        await store.publish(publication("m"))
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
        await store.close()
    finally:
        os.umask(old)
    files = ("exchange.db", "exchange.db-wal", "exchange.db-shm", "exchange.db.mark")
    assert modes == dict.fromkeys(files, 0o600)


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
    execute(text(f"{INSERT_DOCUMENT} ('ModelVersion', :id, 1, 1, false)"), key)
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


@pytest.mark.parametrize("version", range(2, DERIVED[1]))
async def test_lineage_of_an_older_store_is_derived_again(address: str, version: int) -> None:
    documents = [
        ir.new("ModelVersion", id="v", model_id="m", version="1.0.0"),
        ir.new("ModelVersion", id="w", model_id="m", version="1.1.0", parent_version="1.0.0"),
        ir.new("DeploymentConfig", id="d", model_version_id="w"),
        ir.new("ModelRef", id="m", aliases={"champion": "w"}),
    ]
    events = [
        v1.FeedbackEvent(id="e", deployment_id="d", model_version="1.0.0"),
        v1.FeedbackEvent(id="f", supersedes="e"),
    ]
    engine = engine_of(address)
    with engine.begin() as connection:
        migrate(connection, through=version)
        for sequence, content in enumerate(documents, 1):
            insert_document(connection, sequence, content)
        for event_ in events:
            values: dict[str, bytes | None] = {
                "id": event_.id.encode(),
                "event": event_.SerializeToString(),
            }
            for name in ("deployment_id", "model_version"):
                values[name] = getattr(event_, name).encode() or None
            connection.execute(text(INSERT_EVENT), values)
    engine.dispose()
    store = await open_store(address)
    start = DocumentKey("ModelVersion", "v")
    traced = await store.trace(LineageQuery(start, upstream=False, downstream=True))
    summary = await store.summarize(SummaryQuery(EventQuery()))
    await store.close()
    assert {(*edge.source, edge.field, *edge.target) for edge in traced.edges} == {
        ("ModelVersion", "v", "model_id", "ModelRef", "m"),
        ("ModelVersion", "w", "model_id", "ModelRef", "m"),
        ("ModelVersion", "w", "parent_version", "ModelVersion", "v"),
        ("DeploymentConfig", "d", "model_version_id", "ModelVersion", "w"),
        ("ModelRef", "m", "aliases[]", "ModelVersion", "w"),
        ("FeedbackEvent", "e", "deployment_id", "DeploymentConfig", "d"),
        ("FeedbackEvent", "e", "model_version", "ModelVersion", "v"),
        ("FeedbackEvent", "f", "supersedes", "FeedbackEvent", "e"),
    }
    assert sum(group.tally.events for group in summary) == 1


@pytest.mark.parametrize("version", range(2, 5))
async def test_release_of_each_older_revision_is_derived(address: str, version: int) -> None:
    # The migration to version 5 derives them.
    said = v1.Message(role=v1.MessageRole.MESSAGE_ROLE_USER, text="a")
    developer = v1.Message(role=v1.MessageRole.MESSAGE_ROLE_DEVELOPER, text="a")
    documents = [
        ir.new("ModelVersion", id="tagged", model_id="m", version="1.0.0", tags=["a"]),
        v1.Prompt(request_id="said", messages=[said]),
        v1.Prompt(request_id="developer", messages=[developer]),
        v1.EvaluationResult(id="new"),
    ]
    expected = {"tagged": "0.2.0", "said": "0.2.0", "developer": "0.3.0", "new": "0.3.0"}
    engine = engine_of(address)
    with engine.begin() as connection:
        migrate(connection, through=version)
        for sequence, content in enumerate(documents, 1):
            insert_document(connection, sequence, content)
        unreadable = {"type": "Prompt", "id": b"bad", "sequence": len(documents) + 1}
        insert_revision(connection, {**unreadable, "document": b"doc"})
        connection.execute(
            text(
                "INSERT INTO requests (publisher, request_id, fingerprint, time, type, id,"
                " revision, sequence, etag, create_time, update_time, deleted, created, unchanged)"
                " VALUES (:key, :key, :key, 5, 'Prompt', :id, 1, 3, 'e', 5, 5, false, true, false)"
            ),
            {"key": b"r", "id": b"developer"},
        )
    engine.dispose()
    store = await open_store(address)
    records = [entry.record for entry in (await store.changes(0)).entries]
    listed = await store.list_documents(ListQuery("Prompt", readable_by="0.2.0"))
    await store.close()
    assert {record.id: record.requires for record in records} == {**expected, "bad": None}
    assert [entry.record.id for entry in listed.entries] == ["said"]
    engine = engine_of(address)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT requires FROM requests")).scalar_one() == 3000
    engine.dispose()


@pytest.mark.parametrize("version", [3, 13])
async def test_numbers_of_an_older_store_are_derived(
    address: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The migration to version 14 derives them.
    monkeypatch.setattr(upgrading, "_ROWS_AT_A_TIME", 2)
    numbers = {"a": 0.5, "b": 0.95, "c": None, "d": -1.0, "e": math.nan}
    engine = engine_of(address)
    with engine.begin() as connection:
        migrate(connection, through=version)
        for sequence, (id_, number) in enumerate(numbers.items(), 1):
            content = ir.new("ModelVersion", id=id_, model_id="m", version="1.0.0")
            content.created_at.FromMicroseconds(sequence)
            if number is not None:
                content.metrics["accuracy"] = number
            insert_document(connection, sequence, content)
        unreadable = {"type": "ModelVersion", "id": b"f", "sequence": len(numbers) + 1}
        insert_revision(connection, {**unreadable, "document": b"doc"})
    engine.dispose()
    store = await open_store(address)

    async def listed(query: ListQuery) -> list[str]:
        return [entry.record.id for entry in (await store.list_documents(query)).entries]

    high = NumberCondition("metrics.accuracy", Comparison.GREATER, 0)
    early = NumberCondition("created_at", Comparison.LESS, 3)
    accuracy = NumberOrder("metrics.accuracy", descending=True)
    assert await listed(ListQuery("ModelVersion", (high,))) == ["b", "a"]
    assert await listed(ListQuery("ModelVersion", (early,), newest_first=False)) == ["a", "b"]
    assert await listed(ListQuery("ModelVersion", by_number=accuracy)) == ["b", "a", "d"]
    await store.close()


@pytest.mark.parametrize("version", [2, 6])
async def test_events_of_an_older_store_keep_their_names_and_positions(
    address: str, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "_ROWS_AT_A_TIME", 2)
    engine = engine_of(address)
    with engine.begin() as connection:
        migrate(connection, through=version)
        for number in range(7):
            id_ = f"e{number}" if number != 1 else "e" * 200
            content = v1.FeedbackEvent(id=id_, user_id="u").SerializeToString()
            values = {"id": id_.encode(), "event": content}
            names = {"deployment_id": b"d%d" % (number % 3), "model_version": None}
            connection.execute(text(INSERT_EVENT), {**values, **names})
        connection.execute(text("UPDATE feedback_events SET feedback_type = deployment_id"))
        connection.execute(text("DELETE FROM feedback_events WHERE id = :id"), {"id": b"e3"})
    engine.dispose()
    store = await open_store(address)
    assert await store.ingest([event("e4"), event("e7", deployment="d1", type_="d1")]) == [0]
    query = EventQuery(deployment_id="d1", feedback_types=("d1",))
    found = (await store.export(query, after=0, through=99, limit=9)).events
    await store.close()
    assert [each.position for each in found[:2]] == [2, 5]
    assert found[2].position > 7
    assert {each.publisher for each in found} == {None}
    engine = engine_of(address)
    with engine.connect() as connection:
        sizes = connection.execute(text("SELECT length(event) FROM feedback_events"))
        # The user's id, and beside it the longest id only.
        assert sorted(sizes.scalars()) == [0, *[3] * 5, 3 + 203]
    engine.dispose()
    read = [v1.FeedbackEvent.FromString(each.event) for each in found]
    assert [(each.id, each.user_id) for each in read] == [
        ("e" * 200, "u"),
        ("e4", "u"),
        ("e7", ""),
    ]


@pytest.mark.parametrize("deleted", [b"a", b"b"])
async def test_a_position_is_never_used_again(address: str, deleted: bytes) -> None:
    store = await open_store(address)
    await store.ingest([event("a"), event("b")])
    last = await store.last_event()
    await store.close()
    engine = engine_of(address)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM feedback_events WHERE id = :id"), {"id": deleted})
    engine.dispose()
    store = await open_store(address)
    await store.ingest([event("c")])
    assert await store.last_event() == last + 1
    await store.close()


INSERT_EVENT = (
    "INSERT INTO feedback_events (id, deployment_id, model_version, time, event)"
    " VALUES (:id, :deployment_id, :model_version, 0, :event)"
)


def insert_document(connection: Connection, sequence: int, content: Message) -> None:
    """Insert a document as version 1 stores it, without references and indexed values."""
    document = v1.Document()
    type_ = descriptor_of(content).name
    getattr(document, document_members()[type_]).CopyFrom(content)
    values = {"type": type_, "id": (identity_of(content) or "").encode(), "sequence": sequence}
    insert_revision(connection, {**values, "document": document.SerializeToString()})


def insert_revision(connection: Connection, values: dict[str, object]) -> None:
    """Insert a document's type, id, sequence number and bytes as version 1 stores it."""
    connection.execute(text(f"{INSERT_DOCUMENT} (:type, :id, 1, :sequence, false)"), values)
    connection.execute(
        text(
            "INSERT INTO revisions (sequence, type, id, revision, etag, create_time, update_time, "
            "deleted, content_hash, document) VALUES "
            "(:sequence, :type, :id, 1, 'e', 5, 5, false, :hash, :document)"
        ),
        {**values, "hash": b"h"},
    )


def test_a_new_reference_comes_with_a_migration_that_derives_the_references_again() -> None:
    references = sorted(
        (name, path, field.reference, [way.name for way in field.resolutions])
        for name in document_members()
        for path, field in reference_fields(descriptor_of(ir.MESSAGE_TYPES[name])).items()
    )
    digest = hashlib.sha256(repr(references).encode()).hexdigest()[:16]
    assert digest == DERIVED[0]
    assert DERIVED[1] in MIGRATIONS


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
