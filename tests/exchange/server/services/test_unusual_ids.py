"""Unusual ids pass through every method unchanged."""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import collected, items, publish_request, serving
from exchange.unusual_ids import UNUSUAL_IDS

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.records import Scope


async def test_documents_with_unusual_ids_work_in_every_method(
    address: str,
) -> None:
    async with serving(await open_store(address)) as server:
        exchange = server.exchange
        # Each deploys a version with the same unusual id.
        batch = [
            v1.BatchPublishRequest(
                index=index,
                publish=publish_request(
                    ir_v1.DeploymentConfig(id=id_, model_version_id=id_), request_id=id_[:31]
                ),
            )
            for index, id_ in enumerate(UNUSUAL_IDS)
        ]
        results = [answer async for answer in exchange.BatchPublish(items(batch))]
        assert [answer.published.record.id for answer in results] == UNUSUAL_IDS
        for id_ in UNUSUAL_IDS:
            key: dict[str, Any] = {"type": "DeploymentConfig", "id": id_}
            revisions = await exchange.ListRevisions(v1.ListRevisionsRequest(**key))
            assert [entry.record.id for entry in revisions.entries] == [id_]
            lineage = await exchange.TraceLineage(v1.TraceLineageRequest(**key))
            found = [(node.reference.type, node.reference.id) for node in lineage.nodes]
            assert found == [("DeploymentConfig", id_), ("ModelVersion", id_)]
            assert [missing.id for missing in lineage.missing] == [id_]
            filters = [v1.Filter(field="model_version_id", equals=id_)]
            listed = await exchange.List(v1.ListRequest(type="DeploymentConfig", filters=filters))
            assert [entry.record.id for entry in listed.entries] == [id_]
            expected = [other for other in UNUSUAL_IDS if other.startswith(id_)]
            watch = exchange.Watch(v1.WatchRequest(after_sequence=0, id_prefix=id_))
            changes = await collected(watch, len(expected))
            assert [answer.change.record.id for answer in changes] == expected
        for id_ in UNUSUAL_IDS:
            request = v1.DeleteRequest(type="DeploymentConfig", id=id_, request_id=id_[:31] + "d")
            assert (await exchange.Delete(request)).record.id == id_
        left = await exchange.List(v1.ListRequest(type="DeploymentConfig"))
        assert list(left.entries) == []


async def test_pages_continue_after_unusual_ids(address: str) -> None:
    async with serving(await open_store(address)) as server:
        for id_ in UNUSUAL_IDS:
            await server.exchange.Publish(publish_request(ir_v1.ModelRef(id=id_)))
        found, token = [], ""
        while True:
            page = await server.exchange.List(
                v1.ListRequest(
                    type="ModelRef",
                    order=v1.ListOrder.LIST_ORDER_ID,
                    page_size=1,
                    page_token=token,
                )
            )
            found += [entry.record.id for entry in page.entries]
            token = page.next_page_token
            if not token:
                break
        assert found == sorted(UNUSUAL_IDS, key=str.encode)


async def test_events_with_unusual_ids_are_ingested_exported_and_summarized(address: str) -> None:
    async with serving(await open_store(address)) as server:
        events = [
            ir_v1.FeedbackEvent(
                id=id_, deployment_id=id_, model_version=id_, custom_feedback_type=id_
            )
            for id_ in UNUSUAL_IDS
        ]
        request = v1.IngestRequest(events=events)
        [answer] = [each async for each in server.feedback.Ingest(items([request, request]))][:1]
        assert (answer.accepted, list(answer.rejected)) == (len(UNUSUAL_IDS), [])
        for id_, event in zip(UNUSUAL_IDS, events, strict=True):
            for condition in ("deployment_id", "model_version", "feedback_types"):
                value: Any = [id_] if condition == "feedback_types" else id_
                export = server.feedback.Export(v1.ExportRequest(**{condition: value}))
                found = [each async for answer in export for each in answer.events]
                assert found == [event]
            summary = await server.feedback.Summarize(v1.SummarizeRequest(feedback_types=[id_]))
            assert [(each.feedback_type, each.count) for each in summary.summaries] == [(id_, 1)]
            trace = v1.TraceLineageRequest(type="FeedbackEvent", id=id_)
            nodes = (await server.exchange.TraceLineage(trace)).nodes
            assert [(node.reference.type, node.reference.id) for node in nodes] == [
                ("FeedbackEvent", id_),
                ("DeploymentConfig", id_),
                ("ModelVersion", id_),
            ]


@pytest.mark.parametrize("prefix", ["%", "_", "'", "a/../", "\x00", "caf\u00e9", "team-a/"])
async def test_every_method_compares_scopes_byte_for_byte(address: str, prefix: str) -> None:
    inside = [prefix, f"{prefix}x"]
    outside = [prefix[:-1] or "other", f"x{prefix}", prefix.upper() + "\u0301", "other"]
    outside = [id_ for id_ in dict.fromkeys(outside) if not id_.startswith(prefix)]
    everything = [*inside, *outside]
    async with serving(await open_store(address)) as server:
        for id_ in everything:
            await server.exchange.Publish(publish_request(ir_v1.ModelRef(id=id_)))
        events = [ir_v1.FeedbackEvent(id=id_) for id_ in everything]
        await server.feedback.Ingest(items([v1.IngestRequest(events=events)])).read()
    caller = Caller("ann", Scope(id_prefixes=(prefix,)))
    async with serving(await open_store(address), caller=caller) as server:
        exchange = server.exchange
        listed = await exchange.List(v1.ListRequest(type="ModelRef"))
        assert {entry.record.id for entry in listed.entries} == set(inside)
        watch = exchange.Watch(v1.WatchRequest(after_sequence=0, heartbeat_interval_ms=100))
        changes = await collected(watch, len(inside) + 1)
        assert [answer.change.record.id for answer in changes[:-1]] == inside
        assert changes[-1].heartbeat.sequence == len(everything)
        export = server.feedback.Export(v1.ExportRequest())
        exported = [event.id async for answer in export for event in answer.events]
        assert exported == inside
        [summary] = (await server.feedback.Summarize(v1.SummarizeRequest())).summaries
        assert summary.count == len(inside)
        ingest = server.feedback.Ingest(items([v1.IngestRequest(events=events)]))
        answer: Any = await ingest.read()
        assert [item.index for item in answer.rejected] == [
            everything.index(id_) for id_ in outside
        ]
        assert {item.error.code for item in answer.rejected} == {7}
        for id_ in everything:
            key: dict[str, Any] = {"type": "ModelRef", "id": id_}
            calls: list[tuple[Any, Any]] = [
                (exchange.Get, v1.GetRequest(**key)),
                (exchange.ListRevisions, v1.ListRevisionsRequest(**key)),
                (exchange.TraceLineage, v1.TraceLineageRequest(**key)),
                (exchange.Publish, publish_request(ir_v1.ModelRef(id=id_, name="n"))),
                (exchange.Delete, v1.DeleteRequest(**key)),
            ]
            # A call begins when it is created, and not when it is awaited.
            rejected = [await is_rejected(method(request)) for method, request in calls]
            assert rejected == [id_ in outside] * 5, id_
        batch = [
            v1.BatchPublishRequest(index=index, publish=publish_request(ir_v1.ModelRef(id=id_)))
            for index, id_ in enumerate(everything)
        ]
        results = [answer async for answer in exchange.BatchPublish(items(batch))]
        assert [answer.HasField("error") for answer in results] == [
            id_ in outside for id_ in everything
        ]


async def is_rejected(call: Any) -> bool:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        assert error.code() == grpc.StatusCode.PERMISSION_DENIED
        return True
    return False
