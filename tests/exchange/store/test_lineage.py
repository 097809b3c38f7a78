"""Lineage traces in a store, on graphs written by hand."""

from __future__ import annotations

import pytest
from exchange.publications import event, publication, reference

from crucible_ir.exchange.store import Store, open_store
from crucible_ir.exchange.store.errors import DocumentNotFoundError
from crucible_ir.exchange.store.records import (
    DeleteCommand,
    DocumentKey,
    LineageGraph,
    LineageQuery,
    NodeState,
    Scope,
)


def named(name: str) -> DocumentKey:
    type_, _, id_ = name.partition("/")
    return DocumentKey(type_, id_)


async def publish(store: Store, name: str, *references: tuple[str, str]) -> None:
    """Publish a document that refers to others by their ids."""
    type_, _, id_ = name.partition("/")
    held = [reference(name, field, target) for field, target in references]
    await store.publish(publication(id_, repr(references), type_=type_, references=held))


def nodes(lineage: LineageGraph) -> dict[str, tuple[NodeState, int]]:
    return {"/".join(node.key): (node.state, node.depth) for node in lineage.nodes}


def edges(lineage: LineageGraph) -> set[tuple[str, str, str]]:
    return {("/".join(e.source), e.field, "/".join(e.target)) for e in lineage.edges}


async def chain(store: Store) -> None:
    """Store two events, their deployment and model version, and a run with a copy of its config."""
    await store.ingest([event("e1", deployment="d"), event("e2", deployment="d", version="m2")])
    await publish(store, "DeploymentConfig/d", ("model_version_id", "ModelVersion/m2"))
    await publish(
        store,
        "ModelVersion/m2",
        ("training_run_id", "TrainingRun/r"),
        ("parent_version", "ModelVersion/m1"),
    )
    await store.publish(
        publication(
            "r",
            type_="TrainingRun",
            references=[
                reference("TrainingRun/r", "config", "TrainingConfig/c", embedded=True),
                reference("TrainingConfig/c", "dataset_ref", "DatasetRef/data", embedded=True),
            ],
        )
    )


async def test_event_is_traced_to_its_dataset(address: str) -> None:
    store = await open_store(address)
    await chain(store)
    lineage = await store.trace(LineageQuery(named("FeedbackEvent/e1")))
    await store.close()
    assert nodes(lineage) == {
        "FeedbackEvent/e1": (NodeState.FEEDBACK, 0),
        "DeploymentConfig/d": (NodeState.STORED, 1),
        "ModelVersion/m2": (NodeState.STORED, 2),
        "TrainingRun/r": (NodeState.STORED, 3),
        "ModelVersion/m1": (NodeState.MISSING, 3),
        "TrainingConfig/c": (NodeState.EMBEDDED, 4),
        "DatasetRef/data": (NodeState.EMBEDDED, 5),
    }
    assert edges(lineage) == {
        ("FeedbackEvent/e1", "deployment_id", "DeploymentConfig/d"),
        ("DeploymentConfig/d", "model_version_id", "ModelVersion/m2"),
        ("ModelVersion/m2", "training_run_id", "TrainingRun/r"),
        ("ModelVersion/m2", "parent_version", "ModelVersion/m1"),
        ("TrainingRun/r", "config", "TrainingConfig/c"),
        ("TrainingConfig/c", "dataset_ref", "DatasetRef/data"),
    }
    assert not lineage.truncated


async def test_dataset_is_traced_to_its_events(address: str) -> None:
    store = await open_store(address)
    await chain(store)
    query = LineageQuery(named("DatasetRef/data"), upstream=False, downstream=True)
    lineage = await store.trace(query)
    await store.close()
    assert nodes(lineage) == {
        "DatasetRef/data": (NodeState.EMBEDDED, 0),
        "TrainingConfig/c": (NodeState.EMBEDDED, 1),
        "TrainingRun/r": (NodeState.STORED, 2),
        "ModelVersion/m2": (NodeState.STORED, 3),
        "DeploymentConfig/d": (NodeState.STORED, 4),
        "FeedbackEvent/e2": (NodeState.FEEDBACK, 4),
        "FeedbackEvent/e1": (NodeState.FEEDBACK, 5),
    }


async def test_both_directions_exclude_siblings(address: str) -> None:
    store = await open_store(address)
    await publish(store, "TrainingRun/r")
    await publish(store, "ModelVersion/m1", ("training_run_id", "TrainingRun/r"))
    await publish(store, "ModelVersion/m2", ("training_run_id", "TrainingRun/r"))
    await publish(store, "DeploymentConfig/d", ("model_version_id", "ModelVersion/m1"))
    lineage = await store.trace(LineageQuery(named("ModelVersion/m1"), downstream=True))
    await store.close()
    assert set(nodes(lineage)) == {"ModelVersion/m1", "TrainingRun/r", "DeploymentConfig/d"}


async def test_trace_of_a_cycle_ends(address: str) -> None:
    store = await open_store(address)
    await publish(store, "BackendRef/a", ("fallback", "BackendRef/b"))
    await publish(store, "BackendRef/b", ("fallback", "BackendRef/a"))
    await publish(store, "BackendRef/c", ("fallback", "BackendRef/c"))
    lineage = await store.trace(LineageQuery(named("BackendRef/a"), downstream=True))
    itself = await store.trace(LineageQuery(named("BackendRef/c")))
    await store.close()
    assert set(nodes(lineage)) == {"BackendRef/a", "BackendRef/b"}
    assert len(edges(lineage)) == 2
    assert edges(itself) == {("BackendRef/c", "fallback", "BackendRef/c")}


async def test_trace_is_truncated_at_its_depth(address: str) -> None:
    store = await open_store(address)
    for n in range(5):
        await publish(store, f"BackendRef/{n}", ("fallback", f"BackendRef/{n + 1}"))
    await publish(store, "BackendRef/5")
    short = await store.trace(LineageQuery(named("BackendRef/0"), max_depth=4))
    exact = await store.trace(LineageQuery(named("BackendRef/0"), max_depth=5))
    await store.close()
    assert (max(depth for _, depth in nodes(short).values()), short.truncated) == (4, True)
    assert (len(exact.nodes), exact.truncated) == (6, False)


async def test_trace_is_truncated_at_its_number_of_nodes(address: str) -> None:
    store = await open_store(address)
    await publish(store, "ModelVersion/m")
    await store.ingest([event(f"e{n}", version="m") for n in range(10)])
    query = LineageQuery(named("ModelVersion/m"), upstream=False, downstream=True, max_nodes=4)
    lineage = await store.trace(query)
    await store.close()
    assert (len(lineage.nodes), len(lineage.edges), lineage.truncated) == (4, 3, True)


async def test_trace_uses_latest_revisions_and_marks_deleted_documents(address: str) -> None:
    store = await open_store(address)
    await publish(store, "TrainingRun/old")
    await publish(store, "TrainingRun/new")
    await publish(store, "ModelVersion/m", ("training_run_id", "TrainingRun/old"))
    await publish(store, "ModelVersion/m", ("training_run_id", "TrainingRun/new"))
    await store.delete(DeleteCommand("TrainingRun", "new"))
    lineage = await store.trace(LineageQuery(named("ModelVersion/m")))
    await store.close()
    assert nodes(lineage) == {
        "ModelVersion/m": (NodeState.STORED, 0),
        "TrainingRun/new": (NodeState.DELETED, 1),
    }


async def test_stored_document_overrides_its_copies(address: str) -> None:
    store = await open_store(address)
    copy = [
        reference("Experiment/x", "training_config", "TrainingConfig/c", embedded=True),
        reference("TrainingConfig/c", "model_ref", "ModelRef/stale", embedded=True),
    ]
    await store.publish(publication("x", type_="Experiment", references=copy))
    await publish(store, "TrainingConfig/c", ("model_ref", "ModelRef/current"))
    above = await store.trace(LineageQuery(named("TrainingConfig/c")))
    query = LineageQuery(named("ModelRef/stale"), upstream=False, downstream=True)
    below = await store.trace(query)
    await store.close()
    assert set(nodes(above)) == {"TrainingConfig/c", "ModelRef/current"}
    assert set(nodes(below)) == {"ModelRef/stale"}


async def test_trace_from_an_unknown_document_is_not_found(address: str) -> None:
    store = await open_store(address)
    await publish(store, "ModelVersion/m", ("training_run_id", "TrainingRun/r"))
    mentioned = await store.trace(LineageQuery(named("TrainingRun/r")))
    assert nodes(mentioned) == {"TrainingRun/r": (NodeState.MISSING, 0)}
    with pytest.raises(DocumentNotFoundError):
        await store.trace(LineageQuery(named("TrainingRun/x"), downstream=True))
    await store.close()


async def test_documents_outside_the_scope_are_missing_in_a_trace(
    address: str,
) -> None:
    store = await open_store(address)
    await chain(store)
    scope = Scope(types=frozenset({"FeedbackEvent", "DeploymentConfig", "TrainingRun"}))
    lineage = await store.trace(LineageQuery(named("FeedbackEvent/e1"), scope=scope))
    await store.close()
    assert nodes(lineage) == {
        "FeedbackEvent/e1": (NodeState.FEEDBACK, 0),
        "DeploymentConfig/d": (NodeState.STORED, 1),
        "ModelVersion/m2": (NodeState.MISSING, 2),
    }
