"""Lists of many documents use indexes for every query, and are complete."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator

import pytest
from exchange.paging import all_pages
from exchange.publications import publication
from sqlalchemy import Connection, Engine, create_engine, make_url, text

from crucible_ir import v1
from crucible_ir.exchange.content import indexed_fields
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.records import Comparison, Condition, DeleteCommand, ListQuery
from crucible_ir.exchange.store.statements import lists
from crucible_ir.exchange.store.statements.tables import revisions

#: Enough documents for the plan to show a scan of the table.
MANY = 30_000

FIELDS = sorted(indexed_fields(v1.ModelVersion.DESCRIPTOR))


@pytest.fixture
def full(address: str) -> Iterator[Engine]:
    """A store of many documents with the same values, except for one field."""

    async def begin() -> None:
        store = await open_store(address)
        fields = [(field, "many") for field in FIELDS if field != "id"]
        await store.publish(publication("m", fields=fields))
        await store.close()

    asyncio.run(begin())
    if "://" not in address:
        engine = create_engine(f"sqlite:///{address}")
    else:
        engine = create_engine(make_url(address).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        multiply(connection)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    yield engine
    engine.dispose()


def multiply(connection: Connection) -> None:
    """Copy the only document of a store."""
    numbers = f"WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < {MANY})"
    is_sqlite = connection.dialect.name == "sqlite"
    id_ = (
        "CAST(printf('m%08d', n) AS BLOB)"
        if is_sqlite
        else "convert_to('m' || lpad(n::text, 8, '0'), 'UTF8')"
    )
    few = "CAST('few' AS BLOB)" if is_sqlite else "convert_to('few', 'UTF8')"
    columns = ", ".join(revisions.c.keys())
    for statement in (
        f"INSERT INTO revisions ({columns}) {numbers} SELECT n, type, {id_}, revision, etag, "
        "digest, create_time, update_time, publisher, deleted, requires, content_hash, document, "
        "snapshot_count, appends "
        "FROM revisions, n",
        f"INSERT INTO documents {numbers} SELECT type, {id_}, revision, n, deleted "
        "FROM documents, n",
        f"INSERT INTO field_values {numbers} SELECT type, field, value, {id_}, n "
        "FROM field_values, n",
        f"INSERT INTO field_values {numbers} SELECT type, field, {few}, {id_}, n "
        "FROM field_values, n WHERE created_sequence = 1 AND n - n / 1000 * 1000 = 0",
        f"UPDATE counters SET value = {MANY} WHERE name = 'sequence'",
    ):
        connection.execute(text(statement))


def plan(connection: Connection, query: ListQuery) -> str:
    """Return a database's plan for a page."""
    statement = lists.list_statement(connection, query).limit(query.limit + 1)
    compiled = statement.compile(dialect=connection.dialect)
    if connection.dialect.name == "sqlite":
        values = tuple(compiled.params[name] for name in compiled.positiontup or ())
        said = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)
        return "\n".join(row[3] for row in said)
    said = connection.exec_driver_sql(f"EXPLAIN {compiled}", dict(compiled.params))
    return "\n".join(row[0] for row in said)


def queries() -> list[ListQuery]:
    """Return queries by every indexed field and comparison, and by two conditions at once."""
    conditions = [
        Condition(field, comparison, value)
        for field in FIELDS
        for comparison in Comparison
        for value in ("many", "few", "none", "m000")
    ]
    pairs = [
        (Condition("stage", *first), Condition("model_id", *second))
        for first, second in itertools.product(
            itertools.product(Comparison, ("many", "few")), repeat=2
        )
    ]
    alone = [(), *((condition,) for condition in conditions)]
    return [
        ListQuery("ModelVersion", each, newest_first=newest_first, readable_by=release)
        for each in (*alone, *pairs)
        for newest_first in (False, True)
        for release in (None, "0.2.0")
    ]


def test_no_list_scans_a_whole_table(full: Engine) -> None:
    with full.connect() as connection:
        for query in queries():
            said = plan(connection, query)
            walked = [line for line in said.splitlines() if "SCAN" in line or "Seq Scan" in line]
            assert not walked, (query, said)


def test_matches_of_one_value_need_no_sorting(full: Engine) -> None:
    with full.connect() as connection:
        for field, newest_first in itertools.product(FIELDS, (False, True)):
            if field == "id":
                # There is at most one.
                continue
            condition = Condition(field, Comparison.EQUALS, "many")
            said = plan(connection, ListQuery("ModelVersion", (condition,), newest_first))
            assert "TEMP B-TREE" not in said, said
            assert "Sort" not in said, said


@pytest.mark.parametrize("few", [0, 3, 1000])
async def test_every_query_plan_finds_the_same_documents(
    address: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "FEW", few)
    chosen = random.Random(few)
    store = await open_store(address)
    values: dict[str, dict[str, str]] = {}
    for number in range(40):
        id_ = f"{chosen.choice('abc')}{number}"
        values[id_] = {
            field: chosen.choice(("x", "xy", "y")) for field in ("stage", "owner", "team")
        }
        await store.publish(publication(id_, fields=list(values[id_].items())))
        values[id_]["id"] = id_
    created = list(values)
    for _ in range(60):
        conditions = tuple(
            Condition(
                chosen.choice(("stage", "owner", "team", "id")),
                chosen.choice(list(Comparison)),
                chosen.choice(("x", "xy", "y", "a", "b1", "")),
            )
            for _ in range(chosen.randrange(4))
        )
        newest_first = chosen.random() < 0.5
        query = ListQuery("ModelVersion", conditions, newest_first=newest_first, limit=3)
        found = [entry.record.id for entry in await all_pages(store, query)]
        wanted = [id_ for id_ in created if all(meets(values[id_], each) for each in conditions)]
        assert found == (wanted[::-1] if newest_first else sorted(wanted)), conditions
    await store.close()


def meets(values: dict[str, str], condition: Condition) -> bool:
    value = values[condition.field]
    if condition.comparison is Comparison.EQUALS:
        return value == condition.value
    return value.startswith(condition.value)


async def test_recreated_document_is_listed_as_the_newest(
    address: str,
) -> None:
    store = await open_store(address)
    for id_ in ("a", "b"):
        await store.publish(publication(id_, fields=[("stage", "x")]))
    await store.publish(publication("a", "changed", fields=[("stage", "x")]))
    query = ListQuery("ModelVersion", (Condition("stage", Comparison.EQUALS, "x"),))
    before = [entry.record.id for entry in await all_pages(store, query)]
    await store.delete(DeleteCommand("ModelVersion", "a"))
    await store.publish(publication("a", fields=[("stage", "x")]))
    after = [entry.record.id for entry in await all_pages(store, query)]
    await store.close()
    assert (before, after) == (["b", "a"], ["a", "b"])
