"""AppendMetrics: readers, lists, lineages and watchers see one run that grows."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import broken_rules, collected, details, publish_request, serving
from google.protobuf.timestamp_pb2 import Timestamp

import crucible_ir as ir
from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.records import Scope
from crucible_ir.exchange.store.statements import chunks, runs
from crucible_ir.exchange.store.statements.tables import run_chunks

RUNNING = ir_v1.TrainingStatus.TRAINING_STATUS_RUNNING
COMPLETED = ir_v1.TrainingStatus.TRAINING_STATUS_COMPLETED
FAILED = ir_v1.TrainingStatus.TRAINING_STATUS_FAILED
PAUSED = ir_v1.TrainingStatus.TRAINING_STATUS_PAUSED


def run_of(id_: str = "r1", snapshots: int = 0, **fields: Any) -> ir_v1.TrainingRun:
    config = ir.new_training_config(
        id="c1", model_ref=ir.new_model_ref(id="gpt2"), dataset_ref=ir.new_dataset_ref(name="mmlu")
    )
    history = [snapshot(step) for step in range(snapshots)]
    return ir_v1.TrainingRun(id=id_, config=config, metrics_history=history, **fields)


def snapshot(step: int, **values: float) -> ir_v1.MetricsSnapshot:
    return ir_v1.MetricsSnapshot(step=step, values=values or {"loss": 1 / (1 + step)})


def append(*steps: int, id_: str = "r1", **fields: Any) -> v1.AppendMetricsRequest:
    return v1.AppendMetricsRequest(id=id_, snapshots=map(snapshot, steps), **fields)


def get(id_: str = "r1", **fields: Any) -> v1.GetRequest:
    return v1.GetRequest(type="TrainingRun", id=id_, **fields)


async def failure(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_appended_run_is_read_as_one_document(address: str) -> None:
    published = run_of(snapshots=2, checkpoint_uris=["s3://c/0"], tags=["nightly"])
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        first = await exchange.Publish(publish_request(published))
        appended = await exchange.AppendMetrics(
            append(2, 3, status=RUNNING, checkpoint_uris=["s3://c/1"], best_metrics={"loss": 0.25})
        )
        await exchange.AppendMetrics(append(4))
        got = await exchange.Get(get())
        listed = await exchange.List(v1.ListRequest(type="TrainingRun", include_documents=True))
        revisions = await exchange.ListRevisions(
            v1.ListRevisionsRequest(type="TrainingRun", id="r1", include_documents=True)
        )
    expected = run_of(
        snapshots=5,
        status=RUNNING,
        checkpoint_uris=["s3://c/0", "s3://c/1"],
        tags=["nightly"],
        current_step=4,
        best_metrics={"loss": 0.25},
    )
    assert got.document.training_run == expected
    assert got.document.ir_version == "0.2.0"
    assert got.record.digest == ir.digest(expected)
    # An append is a change and makes no revision.
    assert (appended.count, appended.unchanged) == (4, False)
    assert (appended.record.revision, appended.record.sequence) == (1, 2)
    assert (got.record.revision, got.record.sequence, got.record.snapshot_count) == (1, 3, 5)
    assert len({first.record.etag, appended.record.etag, got.record.etag}) == 3
    assert [(entry.record, entry.document) for entry in listed.entries] == [
        (got.record, got.document)
    ]
    assert list(revisions.entries) == list(listed.entries)


async def test_every_kind_of_value_survives(address: str) -> None:
    odd = [
        ir_v1.MetricsSnapshot(values={"loss": math.nan, "up": math.inf, "down": -math.inf}),
        ir_v1.MetricsSnapshot(step=1, epoch=0.5, time=Timestamp(seconds=5, nanos=7)),
        ir_v1.MetricsSnapshot(),
    ]
    odd[1].other_values.update({"note": "warm", "none": None, "nested": {"a": [1, "b"]}})
    async with serving(await open_store(address)) as loopback:
        await loopback.exchange.Publish(publish_request(run_of()))
        await loopback.exchange.AppendMetrics(v1.AppendMetricsRequest(id="r1", snapshots=odd))
        got = await loopback.exchange.Get(get())
    history = got.document.training_run.metrics_history
    assert [each.SerializeToString(deterministic=True) for each in history] == [
        each.SerializeToString(deterministic=True) for each in odd
    ]
    # Nothing says how far the run is, and so it is not guessed.
    assert not got.document.training_run.HasField("current_step")


async def test_rules_are_those_of_the_document(address: str) -> None:
    bad = ir_v1.MetricsSnapshot(step=-1)
    async with serving(await open_store(address)) as loopback:
        await loopback.exchange.Publish(publish_request(run_of()))
        request = v1.AppendMetricsRequest(id="r1", snapshots=[bad], status=77, current_epoch=-1)  # type: ignore[arg-type]
        error = await failure(loopback.exchange.AppendMetrics(request))
        missing = await failure(loopback.exchange.AppendMetrics(append(1, id_="other")))
        position = (await loopback.exchange.Get(get())).record.sequence
    assert broken_rules(error) == {
        ("snapshots[0].step", "int32.gte"),
        ("status", "enum.defined_only"),
        ("current_epoch", "int32.gte"),
    }
    assert missing.code() is grpc.StatusCode.NOT_FOUND
    assert "publish the run before appending to it" in (missing.details() or "")
    assert position == 1


async def test_expected_count_makes_a_repetition_safe(address: str) -> None:
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        await exchange.Publish(publish_request(run_of(snapshots=1)))
        first = await exchange.AppendMetrics(append(1, 2, expected_count=1, status=RUNNING))
        await exchange.AppendMetrics(append(3, expected_count=3))
        again = await exchange.AppendMetrics(append(1, 2, expected_count=1, status=RUNNING))
        other = await failure(exchange.AppendMetrics(append(1, 9, expected_count=1)))
        partly = await failure(exchange.AppendMetrics(append(3, 4, expected_count=3)))
        ahead = await failure(exchange.AppendMetrics(append(9, expected_count=9)))
        empty = await failure(exchange.AppendMetrics(append(expected_count=1, status=FAILED)))
        got = await exchange.Get(get())
    assert (first.count, first.unchanged) == (3, False)
    assert (again.count, again.unchanged) == (4, True)
    assert again.record.sequence == 3
    assert [each.step for each in got.document.training_run.metrics_history] == [0, 1, 2, 3]
    for error in (other, partly, ahead, empty):
        assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
        info = details(error)["ErrorInfo"]
        assert (info.reason, dict(info.metadata)) == ("SNAPSHOT_COUNT", {"count": "4"})


async def test_request_id_makes_a_repetition_safe(address: str) -> None:
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        await exchange.Publish(publish_request(run_of()))
        first = await exchange.AppendMetrics(append(1, request_id="q"))
        await exchange.AppendMetrics(append(2))
        again = await exchange.AppendMetrics(append(1, request_id="q"))
        other = await failure(exchange.AppendMetrics(append(2, request_id="q")))
        got = await exchange.Get(get())
    assert again == first
    assert details(other)["ErrorInfo"].reason == "REQUEST_ID"
    assert [each.step for each in got.document.training_run.metrics_history] == [1, 2]


async def test_validate_only_stores_nothing(address: str) -> None:
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        await exchange.Publish(publish_request(run_of(snapshots=1)))
        tried = await exchange.AppendMetrics(append(1, expected_count=1, validate_only=True))
        error = await failure(
            exchange.AppendMetrics(append(1, expected_count=7, validate_only=True))
        )
        got = await exchange.Get(get())
    assert (tried.count, tried.record.sequence, tried.record.etag) == (2, 0, "")
    assert details(error)["ErrorInfo"].reason == "SNAPSHOT_COUNT"
    assert (got.record.sequence, len(got.document.training_run.metrics_history)) == (1, 1)


async def test_nothing_new_is_no_change(address: str) -> None:
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        await exchange.Publish(publish_request(run_of(snapshots=3, status=RUNNING)))
        same = await exchange.AppendMetrics(append(status=RUNNING))
    assert (same.count, same.unchanged, same.record.sequence) == (3, True, 1)


async def test_etags_change_with_each_append(address: str) -> None:
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        old = (await exchange.Publish(publish_request(run_of()))).record.etag
        new = (await exchange.AppendMetrics(append(0, etag=old))).record.etag
        stale = [
            await failure(exchange.AppendMetrics(append(1, etag=old))),
            await failure(exchange.Publish(publish_request(run_of(snapshots=9), etag=old))),
            await failure(exchange.Delete(v1.DeleteRequest(type="TrainingRun", id="r1", etag=old))),
            # A publication would replace what others appended, so it must say what it has seen.
            await failure(exchange.Publish(publish_request(run_of(snapshots=9)))),
        ]
        unchanged = await exchange.Publish(publish_request(run_of(snapshots=1, current_step=0)))
        replaced = await exchange.Publish(publish_request(run_of(snapshots=9), etag=new))
        again = await exchange.Publish(publish_request(run_of(snapshots=2)))
        earlier = await exchange.Get(get(revision=1))
        latest = await exchange.Get(get())
    for error in stale:
        info = details(error)["ErrorInfo"]
        assert (info.reason, dict(info.metadata)) == ("ETAG_MISMATCH", {"latest": new})
    assert "has 1 snapshot that a publication replaces" in (stale[3].details() or "")
    assert unchanged.unchanged
    assert (replaced.record.revision, again.record.revision) == (2, 3)
    assert not replaced.record.HasField("snapshot_count")
    assert earlier.document.training_run == run_of(snapshots=1, current_step=0)
    assert latest.document.training_run == run_of(snapshots=2)


async def test_state_and_times_follow_the_appends(address: str) -> None:
    def at(seconds: int, nanos: int = 0) -> Timestamp:
        return Timestamp(seconds=seconds, nanos=nanos)

    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        await exchange.Publish(publish_request(run_of()))
        await exchange.AppendMetrics(append(0, status=RUNNING, started_at=at(5, 9)))
        await exchange.AppendMetrics(
            append(status=FAILED, completed_at=at(8, 3), error_message="out of memory")
        )
        failed = await exchange.Get(get())
        await exchange.AppendMetrics(append(status=PAUSED))
        stopped = await exchange.Get(get())
        paused = stopped.document.training_run
        await exchange.AppendMetrics(append(1, status=RUNNING, started_at=at(6)))
        running = (await exchange.Get(get())).document.training_run
        done = await exchange.AppendMetrics(
            append(status=COMPLETED, completed_at=at(9), final_model_version="v1")
        )
        completed = await exchange.Get(get())
        lists = [
            await exchange.List(
                v1.ListRequest(
                    type="TrainingRun", filters=[v1.Filter(field="status", equals=status)]
                )
            )
            for status in ("completed", "running", "failed")
        ]
        lineage = await exchange.TraceLineage(v1.TraceLineageRequest(type="TrainingRun", id="r1"))
    failed_run = failed.document.training_run
    assert (failed_run.completed_at, failed_run.error_message) == (at(8, 3), "out of memory")
    assert not paused.HasField("completed_at") and paused.error_message == "out of memory"
    assert not running.HasField("completed_at") and not running.HasField("error_message")
    assert running.started_at == at(6)
    assert completed.document.training_run.completed_at == at(9)
    # The record of a run that has ended has the digest.
    assert done.record == completed.record == lists[0].entries[0].record
    assert done.record.digest == ir.digest(completed.document.training_run)
    assert [len(found.entries) for found in lists] == [1, 0, 0]
    # Older readers do not know the state paused.
    releases = [each.record.requires for each in (failed, stopped, completed)]
    assert releases == ["0.2.0", "0.3.0", "0.2.0"]
    edges = {(edge.field, edge.target.type, edge.target.id) for edge in lineage.edges}
    assert ("final_model_version", "ModelVersion", "v1") in edges
    assert ("config", "TrainingConfig", "c1") in edges


async def test_watchers_see_one_run(address: str) -> None:
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        live: Any = exchange.Watch(v1.WatchRequest(include_documents=True))
        await live.read()
        await exchange.Publish(publish_request(run_of()))
        seen: list[Any] = []
        for step in range(3):
            await exchange.AppendMetrics(append(step))
            while not seen or len(seen[-1].document.training_run.metrics_history) <= step:
                message = await asyncio.wait_for(live.read(), 10)
                seen.append(message.change)
        live.cancel()
        await exchange.Publish(publish_request(run_of("r2")))
        late = await collected(
            exchange.Watch(v1.WatchRequest(after_sequence=0, include_documents=True)), 2
        )
        got = await exchange.Get(get())
    sequences = [change.record.sequence for change in seen]
    assert sequences == sorted(set(sequences)) and sequences[-1] == 4
    for change in seen[1:]:
        run = change.document.training_run
        assert len(run.metrics_history) == change.record.snapshot_count
        assert change.record.digest == ir.digest(run)
    # Who comes later gets the run once.
    assert [message.change.record.sequence for message in late] == [4, 5]
    assert late[0].change.document == got.document


async def test_appends_that_wait_for_a_watcher_are_sent_as_one(address: str) -> None:
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        await exchange.Publish(publish_request(run_of()))
        watch: Any = exchange.Watch(v1.WatchRequest(after_sequence=0))
        await watch.read()
        await asyncio.gather(*(exchange.AppendMetrics(append(step)) for step in range(50)))
        counts: list[int] = []
        while not counts or counts[-1] < 50:
            change = (await asyncio.wait_for(watch.read(), 10)).change
            assert not change.HasField("document")
            counts.append(change.record.snapshot_count)
        watch.cancel()
    assert counts == sorted(set(counts))


async def test_many_small_appends_are_merged(address: str) -> None:
    store = await open_store(address)
    async with serving(store) as loopback:
        exchange = loopback.exchange
        await exchange.Publish(publish_request(run_of(snapshots=3)))
        steps = iter(range(3, 700))
        while batch := list(itertools.islice(steps, 1 + len(str(steps)) % 7)):
            await exchange.AppendMetrics(append(*batch))
        got = await exchange.Get(get())
        page = await exchange.ReadMetrics(v1.ReadMetricsRequest(id="r1", first=350, page_size=3))
        rows = await store._database.read(
            lambda connection: connection.execute(
                run_chunks.select().order_by(run_chunks.c.first)
            ).all()
        )
    assert [each.step for each in got.document.training_run.metrics_history] == list(range(700))
    assert [point.snapshot.step for point in page.points] == [350, 351, 352]
    assert len(rows) < 3 * chunks.MERGED
    assert sum(len(row.data) for row in rows) < got.document.ByteSize() * 1.1


async def test_compaction_and_deletion_take_the_chunks_along(address: str) -> None:
    store = await open_store(address)
    async with serving(store) as loopback:
        exchange = loopback.exchange
        for id_ in ("r1", "r2"):
            await exchange.Publish(publish_request(run_of(id_)))
            await exchange.AppendMetrics(append(0, 1, id_=id_))
        etag = (await exchange.Get(get())).record.etag
        await exchange.Publish(publish_request(run_of(snapshots=1), etag=etag))
        await exchange.AppendMetrics(append(5))
        await exchange.Delete(v1.DeleteRequest(type="TrainingRun", id="r2"))
        gone = await failure(exchange.AppendMetrics(append(2, id_="r2")))
        kept = await exchange.Get(get("r2", revision=1))
        await exchange.Compact(v1.CompactRequest(after_sequence=7))
        lost = [
            await failure(exchange.Get(get("r2", revision=1))),
            await failure(exchange.Get(get(revision=1))),
        ]
        got = await exchange.Get(get())
        rows = await store._database.read(
            lambda connection: connection.execute(run_chunks.select()).all()
        )
    assert "publish the run before appending to it" in (gone.details() or "")
    assert len(kept.document.training_run.metrics_history) == 2
    assert {error.code() for error in lost} == {grpc.StatusCode.NOT_FOUND}
    assert [each.step for each in got.document.training_run.metrics_history] == [0, 5]
    assert {(bytes(row.id), row.revision) for row in rows} == {(b"r1", 2)}


async def test_two_servers_append_to_one_run(address: str) -> None:
    async with (
        serving(await open_store(address)) as one,
        serving(await open_store(address)) as two,
    ):
        await one.exchange.Publish(publish_request(run_of()))
        for step in range(6):
            server = (one, two)[step % 2]
            await server.exchange.AppendMetrics(append(step, expected_count=step))
        repeated = await one.exchange.AppendMetrics(append(5, expected_count=5))
        read = [(await server.exchange.Get(get())).document for server in (one, two)]
    assert repeated.unchanged
    assert read[0] == read[1]
    assert [each.step for each in read[0].training_run.metrics_history] == list(range(6))


async def test_a_run_outside_the_scope_is_closed(address: str) -> None:
    caller = Caller("ann", Scope(types=frozenset({"TrainingRun"}), id_prefixes=("a-",)))
    async with serving(await open_store(address), caller=caller) as loopback:
        exchange = loopback.exchange
        await exchange.Publish(publish_request(run_of("a-1")))
        appended = await exchange.AppendMetrics(append(0, id_="a-1"))
        errors = [
            await failure(exchange.AppendMetrics(append(0))),
            await failure(exchange.ReadMetrics(v1.ReadMetricsRequest(id="r1"))),
        ]
    assert appended.record.publisher == "ann"
    assert {error.code() for error in errors} == {grpc.StatusCode.PERMISSION_DENIED}


async def test_a_run_has_a_limit(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MAX_SNAPSHOTS", 3)
    monkeypatch.setattr(runs, "MAX_CHECKPOINTS", 1)
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        await exchange.Publish(publish_request(run_of()))
        await exchange.AppendMetrics(append(0, 1, 2))
        errors = [
            await failure(exchange.AppendMetrics(append(3))),
            await failure(exchange.AppendMetrics(append(checkpoint_uris=["a", "b"]))),
        ]
    for error in errors:
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        [violation] = details(error)["QuotaFailure"].violations
        assert violation.subject == "run"


@pytest.fixture
def small_messages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(chunks, "MAX_DOCUMENT_BYTES", 2000)
    yield


@pytest.mark.usefixtures("small_messages")
async def test_a_run_beyond_a_message_is_read_page_by_page(address: str) -> None:
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        await exchange.Publish(publish_request(run_of(), id="r1"))
        await exchange.AppendMetrics(append(*range(200), status=COMPLETED))
        error = await failure(exchange.Get(get()))
        listed = await exchange.List(v1.ListRequest(type="TrainingRun", include_documents=True))
        [change] = await collected(
            exchange.Watch(v1.WatchRequest(after_sequence=1, include_documents=True)), 1
        )
        unchanged = await exchange.AppendMetrics(append(0, 1, expected_count=0))
        lineage = await exchange.TraceLineage(
            v1.TraceLineageRequest(type="TrainingRun", id="r1", revision=1)
        )
        replaced = await failure(exchange.Publish(publish_request(run_of(snapshots=1))))
        page = await exchange.ReadMetrics(v1.ReadMetricsRequest(id="r1", page_size=150))
        rest = await exchange.ReadMetrics(
            v1.ReadMetricsRequest(id="r1", page_size=150, page_token=page.next_page_token)
        )
    assert error.code() is grpc.StatusCode.OUT_OF_RANGE
    assert "has 200 snapshots, too many for one message: read them with ReadMetrics" in (
        error.details() or ""
    )
    [entry] = listed.entries
    assert not entry.HasField("document") and not change.change.HasField("document")
    assert change.change.record.snapshot_count == entry.record.snapshot_count == 200
    assert unchanged.unchanged
    assert details(replaced)["ErrorInfo"].reason == "ETAG_MISMATCH"
    assert "TrainingConfig" in {node.reference.type for node in lineage.nodes}
    points = [*page.points, *rest.points]
    assert [point.position for point in points] == list(range(200))
    assert (page.count, rest.next_page_token) == (200, "")
    assert page.run == run_of(status=COMPLETED, current_step=199)
