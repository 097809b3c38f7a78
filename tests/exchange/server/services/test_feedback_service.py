"""The feedback service over a real channel: ingest, export and summarize."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import NARROW, Loopback, broken_rules, details, items, serving, stubs

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.server.services import rolling_up
from crucible_ir.exchange.store import Store, open_store
from crucible_ir.exchange.store.errors import SummariesBehindError
from crucible_ir.exchange.store.records import (
    EventQuery,
    EventRow,
    SummaryLimits,
    SummaryQuery,
)


def feedback(id_: str, **fields: Any) -> ir_v1.FeedbackEvent:
    return ir_v1.FeedbackEvent(id=id_, **fields)


def batch(batch_id: int, *events: ir_v1.FeedbackEvent) -> v1.IngestRequest:
    return v1.IngestRequest(batch_id=batch_id, events=events)


async def ingest(server: Loopback, *requests: v1.IngestRequest) -> list[v1.IngestResponse]:
    return [response async for response in server.feedback.Ingest(items(requests))]


async def exported(server: Loopback, **fields: Any) -> list[ir_v1.FeedbackEvent]:
    stream = server.feedback.Export(v1.ExportRequest(**fields))
    return [event async for response in stream for event in response.events]


async def test_events_are_exported_unchanged_and_in_order(address: str) -> None:
    newer = ir_v1.FeedbackEvent.FromString(feedback("n").SerializeToString() + b"\xf8\x07\x01")
    events = [
        feedback("a", feedback_type="FEEDBACK_TYPE_RATING", latency_ms=0),
        feedback("b", custom_feedback_type="star", metadata={"x": [1, None]}),
        newer,
    ]
    async with serving(await open_store(address)) as server:
        [ack] = await ingest(server, batch(5, *events))
        assert (ack.batch_id, ack.accepted) == (5, 3)
        assert await exported(server, batch_size=2) == events
        [_, _, kept] = await exported(server)
        assert kept.SerializeToString() == newer.SerializeToString()


async def test_export_says_who_handed_in_each_event(address: str) -> None:
    for number, name in enumerate(["ann", None, "bob"]):
        async with serving(await open_store(address), caller=Caller(name)) as server:
            await ingest(server, batch(1, feedback(str(number)), feedback("0")))
    async with serving(await open_store(address)) as server:
        stream = server.feedback.Export(v1.ExportRequest(batch_size=2))
        answers = [
            ([event.id for event in answer.events], list(answer.publishers))
            async for answer in stream
        ]
    assert answers == [(["0", "1"], ["ann", ""]), (["2"], ["bob"])]


async def test_batch_result_lists_accepted_duplicate_and_rejected_events(address: str) -> None:
    async with serving(await open_store(address)) as server:
        first, second = await ingest(
            server,
            batch(1, feedback("a"), feedback(""), feedback("b"), feedback("a")),
            batch(2, feedback("c", latency_ms=-1), feedback("b"), feedback("d")),
        )
        assert (first.accepted, list(first.duplicates)) == (2, [3])
        assert (second.accepted, list(second.duplicates)) == (1, [1])
        [empty] = first.rejected
        [negative] = second.rejected
        assert (empty.index, negative.index) == (1, 0)
        assert empty.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        [violation] = negative.error.violations
        assert (violation.path, violation.rule_id) == ("latency_ms", "int32.gte")
        assert [event.id for event in await exported(server)] == ["a", "b", "d"]


async def test_sending_a_batch_again_changes_nothing(address: str) -> None:
    batches = [batch(n, *(feedback(f"{n}-{i}") for i in range(20))) for n in range(10)]
    async with serving(await open_store(address)) as server:
        assert [ack.accepted for ack in await ingest(server, *batches)] == [20] * 10
        again = await ingest(server, *batches)
        assert [ack.accepted for ack in again] == [0] * 10
        assert [list(ack.duplicates) for ack in again] == [list(range(20))] * 10
        assert len(await exported(server)) == 200


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (v1.IngestRequest(batch_id=-1, events=[feedback("a")]), ("batch_id", "int64.gte")),
        (v1.IngestRequest(batch_id=1), ("events", "repeated.min_items")),
    ],
)
async def test_invalid_batch_ends_the_stream(
    tmp_path: Path, request_: v1.IngestRequest, rule: tuple[str, str]
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ingest(server, batch(0, feedback("kept")), request_)
        assert broken_rules(caught.value) == {rule}
        assert [event.id for event in await exported(server)] == ["kept"]


async def test_batches_are_acknowledged_while_the_stream_is_open(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        call = opened(server)
        for n in range(3):
            await call.write(batch(n, feedback(f"e{n}")))
            ack: Any = await call.read()
            assert (ack.batch_id, ack.accepted) == (n, 1)
        await call.done_writing()


def opened(server: Loopback) -> Any:
    """Open a stream of batches that are written one by one, which the stubs do not support."""
    ingest_: Any = server.feedback.Ingest
    return ingest_()


class _Held:
    """A store whose events become durable only when a test allows it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.begun = 0
        self.released = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def ingest(self, events: Sequence[EventRow], *, configs_version: int) -> list[int]:
        self.begun += 1
        await self.released.wait()
        return []


async def test_no_more_batches_are_read_than_allowed_in_flight(tmp_path: Path) -> None:
    held: Any = _Held(await open_store(tmp_path / "exchange.db"))
    sent = 0

    async def requests() -> AsyncIterator[v1.IngestRequest]:
        nonlocal sent
        for n in range(200):
            yield batch(n, feedback("e", metadata={"text": "x" * 100_000}))
            sent += 1

    async with serving(held, Settings(batches_in_flight=3)) as server:
        acknowledgements = asyncio.create_task(_collect(server.feedback.Ingest(requests())))
        while held.begun < 3:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        assert held.begun == 3
        assert sent < 200
        held.released.set()
        assert [ack.batch_id for ack in await acknowledgements] == list(range(200))


async def _collect(stream: Any) -> list[Any]:
    return [message async for message in stream]


async def test_draining_server_answers_read_batches_and_then_ends_the_stream(
    tmp_path: Path,
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        call = opened(server)
        await call.write(batch(1, feedback("a")))
        ack: Any = await call.read()
        assert ack.accepted == 1
        server.services.drain()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert details(caught.value)["ErrorInfo"].reason == "DRAINING"


async def test_export_resumes_after_any_message(address: str) -> None:
    async with serving(await open_store(address)) as server:
        await ingest(server, batch(1, *(feedback(f"e{n}") for n in range(10))))
        stream = server.feedback.Export(v1.ExportRequest(batch_size=3))
        cursors = [response.cursor async for response in stream]
        for taken, cursor in zip((3, 6, 9, 10), cursors, strict=True):
            rest = await exported(server, cursor=cursor, batch_size=4)
            assert [event.id for event in rest] == [f"e{n}" for n in range(taken, 10)]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await exported(server, cursor=cursors[0], deployment_id="d")
        assert broken_rules(caught.value) == {("cursor", "cursor.same_query")}


async def test_export_applies_its_conditions(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        early = feedback("early", deployment_id="d", feedback_type="FEEDBACK_TYPE_FLAG")
        early.timestamp.FromJsonString("2026-01-01T00:00:00Z")
        late = feedback("late", model_version="v", custom_feedback_type="star")
        late.timestamp.FromJsonString("2026-01-02T00:00:00Z")
        await ingest(server, batch(1, early, late))
        cases: list[tuple[dict[str, Any], list[str]]] = [
            ({"deployment_id": "d"}, ["early"]),
            ({"model_version": "v"}, ["late"]),
            ({"feedback_types": ["flag", "thumbs"]}, ["early"]),
            ({"feedback_types": ["star"]}, ["late"]),
            ({"start_time": late.timestamp}, ["late"]),
            ({"end_time": late.timestamp}, ["early"]),
        ]
        for fields, expected in cases:
            assert [event.id for event in await exported(server, **fields)] == expected


async def test_summary_counts_by_type_and_bucket_with_nearest_rank_percentiles(
    address: str,
) -> None:
    events = []
    for latency in range(1, 101):
        event = feedback(f"e{latency}", feedback_type=1, latency_ms=latency)
        event.timestamp.FromJsonString("2026-01-01T00:30:00Z")
        events.append(event)
    other = feedback("other", custom_feedback_type="star")
    other.timestamp.FromJsonString("2026-01-01T01:00:00Z")
    async with serving(await open_store(address)) as server:
        await ingest(server, batch(1, *events, other))
        request = v1.SummarizeRequest()
        request.bucket.FromSeconds(3600)
        thumbs, star = (await server.feedback.Summarize(request)).summaries
        [everything] = [
            s
            for s in (await server.feedback.Summarize(v1.SummarizeRequest())).summaries
            if s.feedback_type == "thumbs"
        ]
    assert (thumbs.feedback_type, thumbs.count) == ("thumbs", 100)
    assert thumbs.start_time.ToJsonString() == "2026-01-01T00:00:00Z"
    latency_ = thumbs.latency
    assert (latency_.count, latency_.mean_ms) == (100, 50.5)
    assert (latency_.min_ms, latency_.p50_ms, latency_.p90_ms) == (1, 50, 90)
    assert (latency_.p95_ms, latency_.p99_ms, latency_.max_ms) == (95, 99, 100)
    assert (star.feedback_type, star.count, star.HasField("latency")) == ("star", 1, False)
    assert star.start_time.ToJsonString() == "2026-01-01T01:00:00Z"
    assert not everything.HasField("start_time")
    assert everything.latency == latency_


async def test_summaries_are_the_same_once_they_are_rolled_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling_up, "PAUSE_SECONDS", 0.05)
    events = [
        feedback(f"e{n}", feedback_type=1, feedback_value={"string_value": "up"}, latency_ms=n)
        for n in range(50)
    ]
    store = await open_store(tmp_path / "x.db")
    async with serving(store) as server:
        await ingest(server, batch(1, *events))
        before = await server.feedback.Summarize(v1.SummarizeRequest())
        limits = SummaryLimits(tail=0)
        async with asyncio.timeout(20):
            while True:
                with suppress(SummariesBehindError):
                    await store.summarize(SummaryQuery(EventQuery()), limits)
                    break
                await asyncio.sleep(0.05)
        assert await server.feedback.Summarize(v1.SummarizeRequest()) == before
    assert (before.summaries[0].thumbs.up, before.summaries[0].thumbs.share_up) == (50, 1)


async def test_a_summary_of_too_many_events_one_by_one_is_out_of_range(address: str) -> None:
    settings = Settings(summary_limits=SummaryLimits(events=10))
    async with serving(await open_store(address), settings) as server:
        await ingest(server, batch(1, *(feedback(str(n)) for n in range(11))))
        request = v1.SummarizeRequest()
        request.bucket.FromSeconds(60)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.feedback.Summarize(request)
        assert caught.value.code() == grpc.StatusCode.OUT_OF_RANGE
        assert details(caught.value)["ErrorInfo"].reason == "TOO_MUCH"


async def test_only_the_most_frequent_labels_are_listed(address: str) -> None:
    labels = [f"{n:03}" for n in range(120) for _ in range(1 + (n < 5))]
    events = [
        feedback(str(n), custom_feedback_type="tag", feedback_value={"string_value": label})
        for n, label in enumerate(labels)
    ]
    async with serving(await open_store(address)) as server:
        await ingest(server, batch(1, *events))
        [summary] = (await server.feedback.Summarize(v1.SummarizeRequest())).summaries
    assert [(each.label, each.count) for each in summary.labels[:6]] == [
        *((f"{n:03}", 2) for n in range(5)),
        ("005", 1),
    ]
    assert (len(summary.labels), summary.other_labels) == (100, 20)


async def test_export_to_a_slow_client_ends_and_its_cursor_resumes_it(
    tmp_path: Path,
) -> None:
    settings = Settings(slow_consumer_seconds=0.3)
    events = [feedback(str(number), metadata={"text": "x" * 200_000}) for number in range(20)]
    async with serving(await open_store(tmp_path / "x.db"), settings) as server:
        for number, event in enumerate(events):
            await ingest(server, batch(number, event))
        target = f"127.0.0.1:{server.port}"
        async with grpc.aio.insecure_channel(target, options=NARROW) as channel:
            slow = stubs(channel)[1].Export(v1.ExportRequest(batch_size=1))
            stream = aiter(slow)
            answers = [await anext(stream)]
            await asyncio.sleep(1)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async for answer in stream:
                    answers.append(answer)
            assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
            assert details(caught.value)["QuotaFailure"].violations[0].subject == "export"
    got = [event for answer in answers for event in answer.events]
    assert len(got) < 20
    async with serving(await open_store(tmp_path / "x.db")) as server:
        assert got + await exported(server, cursor=answers[-1].cursor) == events
