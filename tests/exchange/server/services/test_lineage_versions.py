"""Lineage through references that name a version, on documents as people write them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from exchange.loopback import Loopback, items, publish_request, serving
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.records import Scope

State = v1.LineageNodeState
STORED = State.LINEAGE_NODE_STATE_STORED
MISSING = State.LINEAGE_NODE_STATE_MISSING
AMBIGUOUS = State.LINEAGE_NODE_STATE_AMBIGUOUS
FEEDBACK = State.LINEAGE_NODE_STATE_FEEDBACK
EMBEDDED = State.LINEAGE_NODE_STATE_EMBEDDED

DOWNSTREAM = v1.LineageDirection.LINEAGE_DIRECTION_DOWNSTREAM


def version(id_: str, number: str = "1.0.0", model: str = "gpt2", **fields: Any) -> Message:
    return ir.new("ModelVersion", id=id_, model_id=model, version=number, **fields)


def deployment(id_: str, model_version_id: str, **fields: Any) -> Message:
    return ir.new("DeploymentConfig", id=id_, model_version_id=model_version_id, **fields)


def run(id_: str) -> Message:
    config = ir.new("TrainingConfig", id="c", model_ref={"id": "g"}, dataset_ref={"name": "data"})
    return ir.new("TrainingRun", id=id_, config=config)


async def fill(
    server: Loopback, documents: Iterable[Message], *events: ir_v1.FeedbackEvent
) -> None:
    for content in documents:
        await server.exchange.Publish(publish_request(content))
    if events:
        batch = v1.IngestRequest(batch_id=1, events=events)
        answers = [answer async for answer in server.feedback.Ingest(items([batch]))]
        assert [answer.accepted for answer in answers] == [len(events)]


async def trace(server: Loopback, name: str, **options: Any) -> v1.TraceLineageResponse:
    type_, _, id_ = name.partition("/")
    request = v1.TraceLineageRequest(type=type_, id=id_, **options)
    return await server.exchange.TraceLineage(request)


def named(reference: v1.DocumentKey) -> str:
    return f"{reference.type}/{reference.id}"


def states(traced: v1.TraceLineageResponse) -> dict[str, int]:
    return {named(node.reference): node.state for node in traced.nodes}


def edges(traced: v1.TraceLineageResponse) -> set[tuple[str, str, str]]:
    return {(named(e.source), e.field, named(e.target)) for e in traced.edges}


def candidates(traced: v1.TraceLineageResponse, name: str) -> list[str]:
    [node] = [node for node in traced.nodes if named(node.reference) == name]
    return [named(reference) for reference in node.candidates]


async def test_an_event_with_a_version_and_a_deployment_leads_to_the_dataset(address: str) -> None:
    event = ir_v1.FeedbackEvent(id="e", deployment_id="d", model_version="1.0.0")
    async with serving(await open_store(address)) as server:
        documents = [
            run("r"),
            version("gpt2_1", "1.0.0", training_run_id="r"),
            version("gpt2_2", "2.0.0"),
            version("other_1", "1.0.0", "other"),
            # The deployment has moved on to the next version since the event.
            deployment("d", "gpt2_2"),
        ]
        await fill(server, documents, event)
        up = await trace(server, "FeedbackEvent/e")
        down = await trace(server, "DatasetRef/data", direction=DOWNSTREAM)
        other = await trace(server, "ModelVersion/other_1", direction=DOWNSTREAM)
    assert states(up) == {
        "FeedbackEvent/e": FEEDBACK,
        "DeploymentConfig/d": STORED,
        "ModelVersion/gpt2_1": STORED,
        "ModelVersion/gpt2_2": STORED,
        "ModelRef/gpt2": MISSING,
        "TrainingRun/r": STORED,
        "TrainingConfig/c": EMBEDDED,
        "ModelRef/g": EMBEDDED,
        "DatasetRef/data": EMBEDDED,
    }
    assert ("FeedbackEvent/e", "model_version", "ModelVersion/gpt2_1") in edges(up)
    assert ("FeedbackEvent/e", "model_version", "ModelVersion/gpt2_1") in edges(down)
    assert set(states(other)) == {"ModelVersion/other_1"}


async def test_a_parent_named_by_its_version_leads_to_the_dataset(address: str) -> None:
    async with serving(await open_store(address)) as server:
        documents = [
            run("r"),
            version("v9", "0.9.0", training_run_id="r"),
            version("other_v9", "0.9.0", "other"),
            version("v10", "1.0.0", parent_version="0.9.0"),
        ]
        await fill(server, documents)
        up = await trace(server, "ModelVersion/v10")
        down = await trace(server, "DatasetRef/data", direction=DOWNSTREAM)
        other = await trace(server, "ModelVersion/other_v9", direction=DOWNSTREAM)
    edge = ("ModelVersion/v10", "parent_version", "ModelVersion/v9")
    assert edge in edges(up)
    assert states(up)["DatasetRef/data"] == EMBEDDED
    assert edge in edges(down)
    assert set(states(other)) == {"ModelVersion/other_v9"}


async def test_a_run_with_its_configuration_leads_to_the_dataset(address: str) -> None:
    async with serving(await open_store(address)) as server:
        await fill(server, [run("r")])
        up = await trace(server, "TrainingRun/r")
    assert edges(up) == {
        ("TrainingRun/r", "config", "TrainingConfig/c"),
        ("TrainingConfig/c", "model_ref", "ModelRef/g"),
        ("TrainingConfig/c", "dataset_ref", "DatasetRef/data"),
    }


async def test_a_version_that_several_documents_have_is_ambiguous(address: str) -> None:
    events = [
        ir_v1.FeedbackEvent(id="e", deployment_id="d", model_version="1.0.0"),
        ir_v1.FeedbackEvent(id="f", deployment_id="d", model_version="2.0.0"),
    ]
    async with serving(await open_store(address)) as server:
        documents = [
            version("a", "1.0.0"),
            version("b", "1.0.0"),
            deployment("d", "a"),
            version("next", "1.1.0", parent_version="1.0.0"),
        ]
        await fill(server, documents, *events)
        event = await trace(server, "FeedbackEvent/e")
        child = await trace(server, "ModelVersion/next")
        unknown = await trace(server, "FeedbackEvent/f")
        below = await trace(server, "ModelVersion/b", direction=DOWNSTREAM)
        named_so = await trace(server, "ModelVersion/1.0.0", direction=DOWNSTREAM)
    for traced in (event, child):
        assert states(traced)["ModelVersion/1.0.0"] == AMBIGUOUS
        assert candidates(traced, "ModelVersion/1.0.0") == ["ModelVersion/a", "ModelVersion/b"]
    # Candidates are not followed, in either direction.
    assert "ModelVersion/b" not in states(event)
    assert set(states(child)) == {"ModelVersion/next", "ModelVersion/1.0.0", "ModelRef/gpt2"}
    assert set(states(below)) == {"ModelVersion/b"}
    assert states(unknown)["ModelVersion/2.0.0"] == MISSING
    assert candidates(unknown, "ModelVersion/2.0.0") == []
    assert states(named_so) == {
        "ModelVersion/1.0.0": AMBIGUOUS,
        "ModelVersion/next": STORED,
        "FeedbackEvent/e": FEEDBACK,
    }


async def test_the_same_document_is_no_parent_of_its_own_by_version(address: str) -> None:
    async with serving(await open_store(address)) as server:
        await fill(server, [version("a", "1.0.0", parent_version="1.0.0")])
        alone = await trace(server, "ModelVersion/a")
        await fill(server, [version("b", "1.0.0")])
        two = await trace(server, "ModelVersion/a")
    assert states(alone)["ModelVersion/1.0.0"] == MISSING
    assert ("ModelVersion/a", "parent_version", "ModelVersion/b") in edges(two)


async def test_an_id_comes_before_a_version(address: str) -> None:
    async with serving(await open_store(address)) as server:
        documents = [
            version("1.0.0", "3.0.0"),
            version("a", "1.0.0"),
            version("b", "2.0.0", parent_version="1.0.0"),
        ]
        await fill(server, documents)
        up = await trace(server, "ModelVersion/b")
        down = await trace(server, "ModelVersion/a", direction=DOWNSTREAM)
        await server.exchange.Delete(v1.DeleteRequest(type="ModelVersion", id="1.0.0"))
        deleted = await trace(server, "ModelVersion/b")
    assert ("ModelVersion/b", "parent_version", "ModelVersion/1.0.0") in edges(up)
    assert set(states(down)) == {"ModelVersion/a"}
    assert states(deleted)["ModelVersion/1.0.0"] == State.LINEAGE_NODE_STATE_DELETED


async def test_a_version_without_a_deployment_has_candidates_and_is_not_followed(
    address: str,
) -> None:
    event = ir_v1.FeedbackEvent(id="e", model_version="1.0.0")
    async with serving(await open_store(address)) as server:
        await fill(server, [version("a"), version("b", model="bert"), version("c", "2.0.0")], event)
        up = await trace(server, "FeedbackEvent/e")
        down = await trace(server, "ModelVersion/a", direction=DOWNSTREAM)
    assert states(up) == {"FeedbackEvent/e": FEEDBACK, "ModelVersion/1.0.0": MISSING}
    assert candidates(up, "ModelVersion/1.0.0") == ["ModelVersion/a", "ModelVersion/b"]
    assert [named(reference) for reference in up.missing] == ["ModelVersion/1.0.0"]
    assert set(states(down)) == {"ModelVersion/a"}


async def test_a_backend_names_a_version_of_its_deployment_in_a_copy_too(address: str) -> None:
    backend = ir.new("BackendRef", id="b", deployment_id="d", model_version="1.0.0")
    experiment = ir.new("Experiment", id="x", backend=backend, pipeline=[{"name": "s"}])
    async with serving(await open_store(address)) as server:
        await fill(server, [version("a"), deployment("d", "a"), experiment])
        up = await trace(server, "Experiment/x")
        down = await trace(server, "ModelVersion/a", direction=DOWNSTREAM)
    edge = ("BackendRef/b", "model_version", "ModelVersion/a")
    assert edge in edges(up)
    assert edge in edges(down)
    assert states(down)["Experiment/x"] == STORED


async def test_references_in_messages_lists_maps_and_oneofs_are_followed(address: str) -> None:
    documents = [
        version("v", sources=[{"model_version_id": "teacher"}, {"model_version_id": "student"}]),
        deployment("d", "v", traffic=[{"model_version_id": "v"}, {"model_version_id": "canary"}]),
        ir.new("ModelRef", id="m", aliases={"champion": "v", "challenger": "canary"}),
        ir.new("EvaluationResult", id="by_id", task="t", model_version_id="v"),
        ir.new("EvaluationResult", id="by_ref", task="t", model_ref={"id": "api"}),
        ir.new("Completion", request_id="q", response_id="a1"),
    ]
    async with serving(await open_store(address)) as server:
        await fill(
            server,
            documents,
            ir_v1.FeedbackEvent(id="e", response_id="a1", request_id="q"),
            ir_v1.FeedbackEvent(id="f", supersedes="e"),
        )
        down = edges(await trace(server, "ModelVersion/v", direction=DOWNSTREAM))
        canary = edges(await trace(server, "ModelVersion/canary", direction=DOWNSTREAM))
        teacher = edges(await trace(server, "ModelVersion/teacher", direction=DOWNSTREAM))
        api = edges(await trace(server, "ModelRef/api", direction=DOWNSTREAM))
        prompt = edges(await trace(server, "Prompt/q", direction=DOWNSTREAM))
        event = edges(await trace(server, "FeedbackEvent/f"))
    assert down == {
        ("DeploymentConfig/d", "model_version_id", "ModelVersion/v"),
        ("DeploymentConfig/d", "traffic[].model_version_id", "ModelVersion/v"),
        ("ModelRef/m", "aliases[]", "ModelVersion/v"),
        ("EvaluationResult/by_id", "model_version_id", "ModelVersion/v"),
    }
    assert canary == {
        ("DeploymentConfig/d", "traffic[].model_version_id", "ModelVersion/canary"),
        ("ModelRef/m", "aliases[]", "ModelVersion/canary"),
    }
    assert ("ModelVersion/v", "sources[].model_version_id", "ModelVersion/teacher") in teacher
    assert api == {("EvaluationResult/by_ref", "model_ref", "ModelRef/api")}
    assert prompt == {
        ("Completion/a1", "request_id", "Prompt/q"),
        ("FeedbackEvent/e", "request_id", "Prompt/q"),
        ("FeedbackEvent/e", "response_id", "Completion/a1"),
        ("FeedbackEvent/f", "supersedes", "FeedbackEvent/e"),
    }
    assert event == prompt


async def test_a_completion_is_stored_under_its_response_or_else_its_request(
    tmp_path: Path,
) -> None:
    completions: list[dict[str, Any]] = [
        {"request_id": "q"},
        {"request_id": "q", "response_id": "one"},
        {"request_id": "q", "response_id": "two"},
    ]
    async with serving(await open_store(tmp_path / "x.db")) as server:
        await fill(server, (ir.new("Completion", **fields) for fields in completions))
        listed = await server.exchange.List(v1.ListRequest(type="Completion"))
    assert {entry.record.id for entry in listed.entries} == {"q", "one", "two"}


async def test_versions_outside_the_scope_are_not_found(tmp_path: Path) -> None:
    database = tmp_path / "x.db"
    event = ir_v1.FeedbackEvent(id="ours/e", deployment_id="theirs/d", model_version="1.0.0")
    other = ir_v1.FeedbackEvent(id="ours/f", model_version="1.0.0")
    async with serving(await open_store(database)) as server:
        documents = [
            version("theirs/v"),
            deployment("theirs/d", "theirs/v"),
            version("ours/next", "2.0.0", parent_version="1.0.0"),
        ]
        await fill(server, documents, event, other)
    caller = Caller("ann", Scope(id_prefixes=("ours/",)))
    async with serving(await open_store(database), caller=caller) as server:
        traces = [
            await trace(server, name)
            for name in ("FeedbackEvent/ours/e", "FeedbackEvent/ours/f", "ModelVersion/ours/next")
        ]
    for traced in traces:
        assert "ModelVersion/theirs/v" not in str(traced)
        assert "theirs/v" not in str(traced)
        assert states(traced)["ModelVersion/1.0.0"] == MISSING


async def test_summaries_leave_superseded_events_out(address: str) -> None:
    events = [
        ir_v1.FeedbackEvent(id="up", latency_ms=1),
        ir_v1.FeedbackEvent(id="down", supersedes="up", latency_ms=2),
        ir_v1.FeedbackEvent(id="self", supersedes="self", latency_ms=3),
        ir_v1.FeedbackEvent(id="to_nothing", supersedes="unknown", latency_ms=4),
        ir_v1.FeedbackEvent(id="a", supersedes="b", latency_ms=5),
        ir_v1.FeedbackEvent(id="b", supersedes="a", latency_ms=6),
    ]
    async with serving(await open_store(address)) as server:
        await fill(server, [], *events)
        [summary] = (await server.feedback.Summarize(v1.SummarizeRequest())).summaries
        exported = [e async for r in server.feedback.Export(v1.ExportRequest()) for e in r.events]
        cycle = await trace(server, "FeedbackEvent/a")
    # In a circle, each event is superseded.
    assert (summary.count, summary.latency.min_ms, summary.latency.max_ms) == (3, 2, 4)
    assert exported == events
    assert set(states(cycle)) == {"FeedbackEvent/a", "FeedbackEvent/b"}


async def test_the_first_ten_candidates_are_listed(tmp_path: Path) -> None:
    ids = [f"v{number:02}" for number in range(12)]
    async with serving(await open_store(tmp_path / "x.db")) as server:
        documents = [version(id_, parent_version="1.0.0") for id_ in ids]
        await fill(server, documents)
        traced = await trace(server, "ModelVersion/v00")
    assert states(traced)["ModelVersion/1.0.0"] == AMBIGUOUS
    expected = [f"ModelVersion/{id_}" for id_ in ids[1:11]]
    assert candidates(traced, "ModelVersion/1.0.0") == expected
