"""The work of a trace does not depend on the number of references to a document."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from exchange import postgresql
from exchange.publications import publication
from exchange.store.test_list_plans import plans_of, work_of
from exchange.store.test_migrations import engine_of
from sqlalchemy import Connection, Engine, insert, text

from crucible_ir.exchange.content import VERSION_OF_MODEL, version_of_model
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.records import DocumentKey, LineageGraph, LineageQuery
from crucible_ir.exchange.store.statements import lineage
from crucible_ir.exchange.store.statements.tables import document_references

#: The references to each document, and the most that a trace may read here.
MANY = 4000
READ = 100

#: The most work of a trace, as `work_of` measures it.
MOST_WORK = {"sqlite": 15_000, "postgresql": 1_000}

RUN = ("TrainingRun", "r%d")
COPY = ("TrainingConfig", "copied")

#: Documents with their holders, fields and targets, and whether these are copies.
REFERENCES = (
    (("TrainingConfig", "c%d"), ("TrainingConfig", "c%d"), "dataset_ref", "DatasetRef/hub", False),
    (RUN, RUN, "config", "TrainingConfig/copied", True),
    (RUN, COPY, "model_ref", "ModelRef/base", False),
    (("ModelVersion", "v%d"), ("ModelVersion", "v%d"), "parent_version", "ModelVersion/1.0", False),
    (("ModelVersion", "v%d"), ("ModelVersion", "v%d"), "model_id", "ModelRef/family", False),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def linked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A store with documents that many others refer to."""
    if request.param == "sqlite":
        address = str(tmp_path_factory.mktemp("lineage") / "exchange.db")
    else:
        running: postgresql.Cluster = request.getfixturevalue("cluster")
        address = running.create_database()

    async def begin() -> None:
        store = await open_store(address)
        fields = [
            ("model_id", "family"),
            ("version", "1.0"),
            (VERSION_OF_MODEL, version_of_model("family", "1.0")),
        ]
        await store.publish(publication("first", type_="ModelVersion", fields=fields))
        await store.publish(publication("base", type_="ModelRef"))
        await store.close()

    asyncio.run(begin())
    engine = engine_of(address)
    with engine.begin() as connection:
        for reference in REFERENCES:
            refer(connection, *reference)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    yield engine
    engine.dispose()


def refer(
    connection: Connection,
    document: tuple[str, str],
    holder: tuple[str, str],
    field: str,
    target: str,
    embedded: bool,
) -> None:
    """Insert the reference of many documents."""
    target_type, _, target_id = target.partition("/")
    by_version = target_id == "1.0"

    def numbered(id_: str, number: int) -> bytes:
        return (id_ % number if "%" in id_ else id_).encode()

    rows = [
        {
            "document_type": document[0],
            "document_id": numbered(document[1], number),
            "holder_type": holder[0],
            "holder_id": numbered(holder[1], number),
            "field": field,
            "target_type": target_type,
            "target_id": target_id.encode(),
            "embedded": embedded,
            "resolution": "BY_VERSION_OF_MODEL" if by_version else None,
            # Some are of the version that is traced.
            "context": (b"family" if number % 2 else b"m%d" % number) if by_version else None,
        }
        for number in range(MANY)
    ]
    connection.execute(insert(document_references), rows)


@pytest.mark.parametrize(
    ("start", "upstream"),
    [
        ("DatasetRef/hub", False),
        ("ModelRef/base", False),
        ("ModelVersion/first", False),
        ("TrainingConfig/copied", False),
        ("TrainingConfig/copied", True),
        ("ModelVersion/1.0", False),
    ],
)
def test_work_of_a_trace_is_limited(
    linked: Engine, start: str, upstream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage, "MAX_REFERENCES", READ)
    type_, _, id_ = start.partition("/")
    query = LineageQuery(
        DocumentKey(type_, id_), upstream=upstream, downstream=not upstream, max_nodes=5
    )
    found: list[LineageGraph] = []
    with linked.connect() as connection:
        spent = work_of(connection, lambda: found.append(lineage.trace(connection, query)))
        assert found[0].truncated
        assert len(found[0].nodes) > 1
        assert spent <= MOST_WORK[connection.dialect.name]


def test_a_trace_reads_a_limited_number_of_references(
    linked: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage, "MAX_ALL_REFERENCES", READ)
    query = LineageQuery(
        DocumentKey("DatasetRef", "hub"), upstream=False, downstream=True, max_nodes=10_000
    )
    with linked.connect() as connection:
        graph = lineage.trace(connection, query)
    assert (len(graph.nodes), len(graph.edges), graph.truncated) == (1 + READ, READ, True)


def test_references_to_a_document_are_read_in_the_order_of_an_index(linked: Engine) -> None:
    hub = DocumentKey("DatasetRef", "hub")
    query = LineageQuery(hub, upstream=False, downstream=True, max_nodes=2, max_depth=1)
    with linked.connect() as connection:
        for plan in plans_of(connection, lambda: lineage.trace(connection, query)):
            assert "TEMP B-TREE" not in plan, plan
            assert "Sort" not in plan, plan
