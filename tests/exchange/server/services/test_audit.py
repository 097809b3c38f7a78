"""The audit service lists who changed or exported what."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from exchange.loopback import Loopback, items, publish_request, serving

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.audit_records import AuditAction, Authentication
from crucible_ir.exchange.store.records import EVERYTHING, Scope

ANN = Caller("ann", EVERYTHING, Authentication.TOKEN)


async def entries(
    served: Loopback, request: v1.ListAuditEntriesRequest | None = None
) -> list[v1.AuditEntry]:
    """Return the first page of the log."""
    answer = await served.audit.ListAuditEntries(request or v1.ListAuditEntriesRequest())
    return list(answer.entries)


async def ingest(served: Loopback, count: int) -> None:
    events = [
        ir_v1.FeedbackEvent(
            id=f"e{number}", deployment_id="prod", feedback_type="FEEDBACK_TYPE_THUMBS"
        )
        for number in range(count)
    ]
    async for _ in served.feedback.Ingest(items([v1.IngestRequest(batch_id=1, events=events)])):
        pass


def test_every_action_and_way_of_authentication_is_in_the_schema() -> None:
    for enum, prefix, names in (
        (v1.AuditAction, "AUDIT_ACTION_", AuditAction),
        (v1.AuditAuthentication, "AUDIT_AUTHENTICATION_", Authentication),
    ):
        expected = {"UNSPECIFIED", *(each.name for each in names)}
        assert {name.removeprefix(prefix) for name in enum.keys()} == expected  # noqa: SIM118
    assert all(each.value == each.name.lower() for each in AuditAction)


async def test_a_promotion_is_another_stage_than_that_of_the_previous_revision(
    tmp_path: Path,
) -> None:
    store = await open_store(tmp_path / "exchange.db")
    async with serving(store, caller=ANN) as served:
        for stage, description in (
            ({"stage": ir_v1.ModelStage.MODEL_STAGE_STAGING}, "one"),
            ({"stage": ir_v1.ModelStage.MODEL_STAGE_STAGING}, "two"),
            ({"stage": ir_v1.ModelStage.MODEL_STAGE_PRODUCTION}, "two"),
            ({"custom_stage": "canary"}, "two"),
            ({}, "two"),
        ):
            version = ir_v1.ModelVersion(
                id="m1", model_id="m", version="1.0.0", description=description
            )
            for field, value in stage.items():
                setattr(version, field, value)
            await served.exchange.Publish(publish_request(version))
        found = await entries(served)
    actions = [v1.AuditAction.Name(entry.action) for entry in found]
    assert actions == ["AUDIT_ACTION_PROMOTED"] * 3 + ["AUDIT_ACTION_PUBLISHED"] * 2
    assert [dict(entry.details) for entry in found[:3]] == [
        {"stage.from": "canary", "stage.to": ""},
        {"stage.from": "production", "stage.to": "canary"},
        {"stage.from": "staging", "stage.to": "production"},
    ]
    assert [(e.caller, e.type, e.id, e.revision) for e in found] == [
        ("ann", "ModelVersion", "m1", revision) for revision in (5, 4, 3, 2, 1)
    ]
    assert {e.authentication for e in found} == {v1.AuditAuthentication.AUDIT_AUTHENTICATION_TOKEN}


async def test_the_state_of_a_deployment_is_a_promotion_too(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    async with serving(store) as served:
        for state in ("DEPLOYING", "ACTIVE"):
            status = ir_v1.DeploymentStatus(
                id="s", deployment_id="d", state=f"DEPLOYMENT_STATE_{state}"
            )
            await served.exchange.Publish(publish_request(status))
        [promoted, published] = await entries(served)
    assert (promoted.action, published.action) == (
        v1.AuditAction.AUDIT_ACTION_PROMOTED,
        v1.AuditAction.AUDIT_ACTION_PUBLISHED,
    )
    assert dict(promoted.details) == {"state.from": "deploying", "state.to": "active"}
    assert not promoted.HasField("caller")
    assert promoted.authentication == v1.AuditAuthentication.AUDIT_AUTHENTICATION_NONE


async def test_each_item_of_a_batch_that_is_stored_has_an_entry(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    async with serving(store, caller=ANN) as served:
        contents = [
            ir_v1.ModelRef(id=f"m{number}", provider="MODEL_PROVIDER_HUGGINGFACE")
            for number in (0, 0, 1)
        ]
        requests = [
            v1.BatchPublishRequest(index=index, publish=publish_request(content))
            for index, content in enumerate(contents)
        ]
        requests.append(
            v1.BatchPublishRequest(
                index=3, publish=publish_request(ir_v1.ModelRef(id="m2"), etag="wrong")
            )
        )
        async for _ in served.exchange.BatchPublish(items(requests)):
            pass
        found = await entries(served)
    assert [entry.id for entry in found] == ["m1", "m0"]


async def test_an_export_has_an_entry_with_its_filter_and_number_of_events(
    tmp_path: Path,
) -> None:
    store = await open_store(tmp_path / "exchange.db")
    async with serving(store, caller=ANN) as served:
        await ingest(served, 5)
        request = v1.ExportRequest(
            deployment_id="prod", feedback_types=["thumbs"], start_time={"seconds": 0}, batch_size=2
        )
        answers = [answer async for answer in served.feedback.Export(request)]
        request.cursor = answers[0].cursor
        async for _ in served.feedback.Export(request):
            pass
        resumed, exported = await entries(served)
    filter_ = {
        "deployment_id": "prod",
        "feedback_types": '["thumbs"]',
        "start_time": "1970-01-01T00:00:00Z",
        "outcome": "complete",
    }
    assert (exported.action, exported.caller) == (v1.AuditAction.AUDIT_ACTION_EXPORTED, "ann")
    assert (dict(exported.counts), dict(exported.details)) == ({"events": 5}, filter_)
    assert dict(resumed.counts) == {"events": 3}
    assert dict(resumed.details) == {**filter_, "resumed": "true"}


async def test_an_export_that_is_abandoned_or_fails_has_an_entry(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    settings = Settings(slow_consumer_seconds=0.3)
    async with serving(store, settings, ANN) as served:
        await ingest(served, 1000)
        call = served.feedback.Export(v1.ExportRequest(batch_size=1))
        await anext(aiter(call))
        [unfinished] = await entries(served)
        assert unfinished.details["outcome"] == "unfinished"
        call.cancel()
        while (await entries(served))[0].details["outcome"] == "unfinished":
            await asyncio.sleep(0.01)
        [entry] = await entries(served)
    assert entry.details["outcome"] == "abandoned"
    assert 1 <= entry.counts["events"] <= 1000


async def test_only_a_caller_who_may_see_everything_lists_the_log(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    scoped = Caller("ann", Scope(id_prefixes=("m",)))
    async with serving(store, caller=scoped) as served:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await entries(served)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_entries_are_listed_page_by_page_and_by_conditions(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    async with serving(store, caller=ANN) as served:
        for number in range(5):
            model = ir_v1.ModelRef(id=f"m{number}", provider="MODEL_PROVIDER_HUGGINGFACE")
            await served.exchange.Publish(publish_request(model))
        await served.exchange.Delete(v1.DeleteRequest(type="ModelRef", id="m1"))
        request = v1.ListAuditEntriesRequest(page_size=2)
        ids = []
        while True:
            page = await served.audit.ListAuditEntries(request)
            ids += [entry.id for entry in page.entries]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert ids == ["m1", "m4", "m3", "m2", "m1", "m0"]
        [deleted] = await entries(
            served,
            v1.ListAuditEntriesRequest(actions=[v1.AuditAction.AUDIT_ACTION_DELETED], caller="ann"),
        )
        assert (deleted.type, deleted.id, deleted.revision) == ("ModelRef", "m1", 2)
        of_one = v1.ListAuditEntriesRequest(type="ModelRef", id="m1")
        assert len(await entries(served, of_one)) == 2
        since = v1.ListAuditEntriesRequest(start_time={"seconds": deleted.time.seconds + 10})
        assert await entries(served, since) == []
        for wrong in (
            v1.ListAuditEntriesRequest(type="Unknown"),
            v1.ListAuditEntriesRequest(page_size=1, page_token=page.next_page_token or "x"),
            v1.ListAuditEntriesRequest(page_size=0),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await entries(served, wrong)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_old_entries_are_removed_in_the_background(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    settings = Settings(audit_seconds=0.5)
    async with serving(store, settings) as served:
        await served.exchange.Publish(
            publish_request(ir_v1.ModelRef(id="m", provider="MODEL_PROVIDER_HUGGINGFACE"))
        )
        assert len(await entries(served)) == 1
        async with asyncio.timeout(20):
            while await entries(served):
                await asyncio.sleep(0.05)
        # The history is kept.
        answer = await served.exchange.ListRevisions(
            v1.ListRevisionsRequest(type="ModelRef", id="m")
        )
        assert len(answer.entries) == 1
