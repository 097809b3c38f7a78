"""Pages of lists of many documents cost the same for every query, and lists are complete."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from exchange import postgresql
from exchange.paging import all_pages
from exchange.publications import publication
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text

from crucible_ir import v1
from crucible_ir.exchange.content import indexed_fields
from crucible_ir.exchange.server.services.search.compiling import predicate_of
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.records import (
    Comparison,
    Condition,
    DeleteCommand,
    ListQuery,
    NumberOrder,
    Page,
    Scope,
)
from crucible_ir.exchange.store.statements.lists import pages
from crucible_ir.exchange.store.statements.tables import revisions

#: Enough documents for the plan to show a scan of the table.
MANY = 20_000

#: The most work of a page, as `work` measures it. A walk over all documents is several times that.
MOST_WORK = {"sqlite": 250_000, "postgresql": 8_000}

NUMBERS = ("metrics.accuracy", "metrics.loss", "metrics.same")

#: The most work of a page of a search, which has fewer sources.
MOST_SEARCHED = {"sqlite": 100_000, "postgresql": 8_000}

FIELDS = sorted(indexed_fields(v1.ModelVersion.DESCRIPTOR))


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def full(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A store of many documents with the same values, except for one field."""
    if request.param == "sqlite":
        address = str(tmp_path_factory.mktemp("lists") / "exchange.db")
    else:
        running: postgresql.Cluster = request.getfixturevalue("cluster")
        address = running.create_database()

    async def begin() -> None:
        store = await open_store(address)
        fields = [(field, "many") for field in FIELDS if field != "id"]
        numbers = [(name, 0.0) for name in NUMBERS]
        await store.publish(publication("m", fields=fields, numbers=numbers))
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
    accuracy, loss = (few.replace("few", name) for name in NUMBERS[:2])
    spread = f"(n * 7919 % {MANY}) * 1.0 / {MANY}"
    columns = ", ".join(revisions.c.keys())
    for statement in (
        f"INSERT INTO revisions ({columns}) {numbers} SELECT n, type, {id_}, revision, etag, "
        "digest, create_time, update_time, publisher, deleted, requires, content_hash, document, "
        "snapshot_count, appends "
        "FROM revisions, n",
        f"INSERT INTO documents {numbers} SELECT type, {id_}, revision, n, deleted, requires "
        "FROM documents, n",
        f"INSERT INTO field_values {numbers} SELECT type, field, value, {id_}, n "
        "FROM field_values, n",
        f"INSERT INTO field_values {numbers} SELECT type, field, {few}, {id_}, n "
        "FROM field_values, n WHERE created_sequence = 1 AND n - n / 1000 * 1000 = 0",
        # A document with a high accuracy has a low loss.
        f"INSERT INTO number_values {numbers} SELECT type, field, CASE field WHEN {accuracy} "
        f"THEN {spread} WHEN {loss} THEN 1 - {spread} ELSE 0 END, {id_}, n FROM number_values, n",
        f"UPDATE counters SET value = {MANY} WHERE name = 'sequence'",
    ):
        connection.execute(text(statement))


@contextmanager
def recorded(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """Record the statements that run on a connection, with their values."""
    statements: list[tuple[str, Any]] = []

    def record(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        statements.append((statement, values))

    event.listen(connection, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(connection, "before_cursor_execute", record)


def plans(connection: Connection, query: ListQuery) -> list[str]:
    """Return a database's plans of the statements of a page."""
    return plans_of(connection, lambda: pages.list_documents(connection, query))


def plans_of(connection: Connection, read: Callable[[], object]) -> list[str]:
    """Return a database's plans of the statements of what reads from a store."""
    with recorded(connection) as statements:
        read()
    statements = [each for each in statements if each[0].startswith(("SELECT", "WITH"))]
    if connection.dialect.name == "sqlite":
        return [
            "\n".join(
                row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
            )
            for sql, values in statements
        ]
    return [
        "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {sql}", values))
        for sql, values in statements
    ]


def work(connection: Connection, query: ListQuery) -> int:
    """Return the work of a page: SQLite's steps, or the blocks that PostgreSQL reads."""
    return work_of(connection, lambda: pages.list_documents(connection, query))


def work_of(connection: Connection, read: Callable[[], object]) -> int:
    """Return the work of what reads from a store, as `work` does."""
    if connection.dialect.name == "sqlite":
        steps = itertools.count()
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(lambda: next(steps) < 0, 100)
        read()
        driver.set_progress_handler(None, 0)
        return next(steps) * 100
    with recorded(connection) as statements:
        read()
    blocks = 0
    for sql, values in statements:
        if not sql.startswith(("SELECT", "WITH")):
            continue
        said = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", values)
        [plan] = said.scalar_one()
        blocks += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    return blocks


def queries() -> list[ListQuery]:
    """Return queries by fields of several kinds, by every comparison and by two conditions."""
    conditions = [
        Condition(field, comparison, value)
        for field in ("id", "stage", "tags")
        for comparison in (Comparison.EQUALS, Comparison.PREFIX)
        for value in ("many", "few", "m000")
    ]
    pairs = [
        (Condition("stage", *first), Condition("model_id", *second))
        for first, second in itertools.product(
            itertools.product((Comparison.EQUALS, Comparison.PREFIX), ("many", "few")), repeat=2
        )
    ]
    alone = [(), *((condition,) for condition in conditions)]
    return [
        ListQuery("ModelVersion", each, newest_first=newest_first, readable_by=release)
        for each in (*alone, *pairs)
        for newest_first in (False, True)
        for release in (None, "0.2.0")
    ]


FILTERS = (
    "metrics.accuracy > 0.9 AND stage = many",
    "metrics.accuracy > 0.9 AND stage = few",
    "metrics.accuracy > 0.5 AND metrics.loss > 0.6",
    "metrics.accuracy > 0.9 OR stage = few",
    "(metrics.accuracy > 0.99 OR metrics.loss > 0.99) AND created_by = few",
    "metrics.accuracy = 2 OR metrics.loss = 2 OR stage = production",
    "NOT metrics.accuracy > 0.1",
    "NOT (metrics.accuracy >= 0 OR stage = production) AND stage = many",
    "metrics.accuracy:* AND NOT stage = many",
    "metrics.same = 0 AND NOT stage = many",
    'id = "m0*" AND NOT stage = many',
    'id > "m" AND id < "n" AND NOT stage = many',
)


def searches() -> list[ListQuery]:
    """Return queries with conditions on numbers, in every order."""
    orders: list[dict[str, Any]] = [
        {"newest_first": True},
        {"newest_first": False},
        {"by_number": NumberOrder("metrics.accuracy")},
        {"by_number": NumberOrder("metrics.accuracy", descending=True)},
        {"by_number": NumberOrder("metrics.same")},
    ]
    return [
        ListQuery("ModelVersion", (predicate_of(text_, "ModelVersion"),), **order)
        for text_ in FILTERS
        for order in orders
    ]


#: A table that is read from its beginning to its end.
_WALKED = re.compile(
    r"Seq Scan|SCAN (documents|field_values|revisions)\b(?!.* USING (COVERING )?INDEX)"
)


def test_no_list_scans_a_whole_table(full: Engine) -> None:
    with full.connect() as connection:
        for query in queries():
            for said in plans(connection, query):
                assert not _WALKED.search(said), (query, said)


def test_work_of_a_page_is_limited(full: Engine) -> None:
    with full.connect() as connection:
        for query in queries():
            assert work(connection, query) <= MOST_WORK[connection.dialect.name], query


def test_work_of_a_page_of_a_search_is_limited(full: Engine) -> None:
    with full.connect() as connection:
        for query in searches():
            spent, page = measured(connection, query)
            assert spent <= MOST_SEARCHED[connection.dialect.name], query
            if page.next is not None:
                later = replace(query, after=page.next)
                spent, _ = measured(connection, later)
                assert spent <= MOST_SEARCHED[connection.dialect.name], later


def measured(connection: Connection, query: ListQuery) -> tuple[int, Page]:
    """Return the work of a page, and the page."""
    found: list[Page] = []
    spent = work_of(connection, lambda: found.append(pages.list_documents(connection, query)))
    return spent, found[0]


def test_matches_of_one_value_need_no_sorting(full: Engine) -> None:
    with full.connect() as connection:
        for field, newest_first in itertools.product(FIELDS, (False, True)):
            if field == "id":
                # There is at most one.
                continue
            condition = Condition(field, Comparison.EQUALS, "many")
            query = ListQuery("ModelVersion", (condition,), newest_first)
            for said in plans(connection, query):
                assert "TEMP B-TREE" not in said, said
                assert "Sort" not in said, said


@pytest.mark.parametrize(("few", "examined", "segments"), [(0, 4, 2), (3, 30, 1), (1000, 3000, 64)])
async def test_pages_of_every_source_list_the_same_documents(
    address: str, few: int, examined: int, segments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FEW", few), ("EXAMINED", examined), ("MAX_SEGMENTS", segments)):
        monkeypatch.setattr(pages, name, value)
    chosen = random.Random(few)
    store = await open_store(address)
    values: dict[str, dict[str, str]] = {}
    deleted, releases = set(), {}
    for number in range(40):
        id_ = f"{chosen.choice('abc')}{number}"
        values[id_] = {
            field: chosen.choice(("x", "xy", "y")) for field in ("stage", "owner", "team")
        }
        releases[id_] = chosen.choice(("0.2.0", "0.3.0", None))
        new = publication(id_, fields=list(values[id_].items()), requires=releases[id_])
        await store.publish(new)
        values[id_]["id"] = id_
        if chosen.random() < 0.2:
            await store.delete(DeleteCommand("ModelVersion", id_))
            deleted.add(id_)
            values[id_] = {"id": id_}
    created = list(values)
    for _ in range(120):
        conditions = tuple(
            Condition(
                chosen.choice(("stage", "owner", "team", "id")),
                chosen.choice((Comparison.EQUALS, Comparison.PREFIX)),
                chosen.choice(("x", "xy", "y", "a", "b1", "")),
            )
            for _ in range(chosen.randrange(4))
        )
        prefixes = chosen.choice((None, ("a",), ("b", "c1", "c"), ("a1", "b2", "c3", "b"), ()))
        query = ListQuery(
            "ModelVersion",
            conditions,
            newest_first=chosen.random() < 0.5,
            limit=3,
            include_deleted=chosen.random() < 0.3,
            readable_by=chosen.choice((None, None, "0.2.0")),
            scope=Scope(id_prefixes=prefixes),
        )

        def wanted(
            id_: str,
            query: ListQuery = query,
            conditions: tuple[Condition, ...] = conditions,
        ) -> bool:
            if id_ in deleted and not query.include_deleted:
                return False
            readable = id_ in deleted or releases[id_] == query.readable_by
            return (
                (query.readable_by is None or readable)
                and query.scope.allows("ModelVersion", id_)
                and all(meets(values[id_], each) for each in conditions)
            )

        found = [entry.record.id for entry in await all_pages(store, query)]
        expected = [id_ for id_ in created if wanted(id_)]
        assert found == (expected[::-1] if query.newest_first else sorted(expected)), query
    await store.close()


def meets(values: dict[str, str], condition: Condition) -> bool:
    value = values.get(condition.field)
    if value is None:
        return False
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
