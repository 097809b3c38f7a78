"""Both clients append to runs and read them, with a real server."""

from __future__ import annotations

import math
import threading
import uuid

import pytest
from exchange.client.served import Served, Wire

from crucible_ir import v1
from crucible_ir.errors import FieldError
from crucible_ir.exchange import (
    AsyncExchangeClient,
    EtagMismatchError,
    ExchangeClient,
    InvalidDocumentError,
    NotFoundError,
    SnapshotCountError,
)


def run_of() -> v1.TrainingRun:
    config = v1.TrainingConfig(
        id="c1", model_ref=v1.ModelRef(id="gpt2"), dataset_ref=v1.DatasetRef(name="mmlu")
    )
    return v1.TrainingRun(id=f"r-{uuid.uuid4()}", config=config)


def snapshots(*steps: int) -> list[v1.MetricsSnapshot]:
    return [v1.MetricsSnapshot(step=step, values={"loss": step, "lr": math.nan}) for step in steps]


def test_a_run_grows_and_is_read(client: ExchangeClient) -> None:
    run = run_of()
    published = client.publish(run)
    changes = v1.TrainingRun(best_metrics={"loss": 0.5}, current_epoch=2, error_message="slow")
    changes.started_at.FromSeconds(5)
    appended = client.append_metrics(
        run.id,
        snapshots(0, 1),
        status="paused",
        checkpoint_uris=["s3://c/1"],
        changes=changes,
        etag=published.record.etag,
    )
    client.append_metrics(run.id, snapshots(*range(2, 30)), expected_count=2)
    again = client.append_metrics(run.id, snapshots(*range(2, 30)), expected_count=2)
    stored = client.get(v1.TrainingRun, run.id)
    whole = client.read_metrics(run.id)
    some = client.read_metrics(run.id, keys=["loss"], first=5, limit=7, revision=1)
    coarse = client.read_metrics(run.id, keys=["loss"], max_points=5)
    beyond = client.read_metrics(run.id, first=2**40)

    assert (appended.count, appended.unchanged, appended.record.revision) == (2, False, 1)
    assert (again.count, again.unchanged) == (30, True)
    content = stored.content
    assert isinstance(content, v1.TrainingRun)
    assert content.status == v1.TrainingStatus.TRAINING_STATUS_PAUSED
    assert (content.current_epoch, content.current_step) == (2, 29)
    assert list(content.checkpoint_uris) == ["s3://c/1"]
    assert (content.started_at, content.error_message) == (changes.started_at, "slow")
    assert (stored.record.snapshot_count, whole.count, beyond.count) == (30, 30, 30)
    assert [point.snapshot for point in whole.points] == list(content.metrics_history)
    del content.metrics_history[:]
    assert (whole.run, whole.record.etag) == (content, stored.record.etag)
    assert [point.position for point in some.points] == list(range(5, 12))
    assert [dict(point.snapshot.values) for point in coarse.points] == [{"loss": 0}, {"loss": 29}]
    assert beyond.points == []


def test_errors_say_what_to_do(client: ExchangeClient) -> None:
    run = run_of()
    with pytest.raises(NotFoundError, match="publish the run before appending to it"):
        client.append_metrics(run.id, snapshots(1))
    client.publish(run)
    client.append_metrics(run.id, snapshots(1))
    with pytest.raises(SnapshotCountError, match="has 1 snapshot, not 0") as caught:
        client.append_metrics(run.id, snapshots(2), expected_count=0)
    assert caught.value.count == 1
    with pytest.raises(EtagMismatchError, match="a publication replaces: give its etag"):
        client.publish(run)
    with pytest.raises(InvalidDocumentError, match=r"snapshots\[0\]\.step"):
        client.append_metrics(run.id, snapshots(-1))
    with pytest.raises(FieldError, match=r"changes\.tags: cannot be appended: publish the run"):
        client.append_metrics(run.id, changes=v1.TrainingRun(tags=["x"]))
    with pytest.raises(FieldError, match='got "complete"; did you mean "completed"'):
        client.append_metrics(run.id, status="complete")
    tried = client.append_metrics(run.id, snapshots(3), validate_only=True)
    assert (tried.count, tried.record.sequence) == (2, 0)
    assert client.read_metrics(run.id).count == 1


def test_an_append_whose_answer_is_lost_is_repeated_safely(wire: Wire) -> None:
    run = run_of()
    with ExchangeClient(wire.address) as client:
        client.publish(run)
        for expected in (None, 2):
            wire.swallow_answers = True
            restore = _later(wire)
            appended = client.append_metrics(run.id, snapshots(1, 2), expected_count=expected)
            restore.join()
            assert appended.count == (expected or 0) + 2


def _later(wire: Wire) -> threading.Timer:
    def restore() -> None:
        wire.swallow_answers = False
        wire.cut()

    timer = threading.Timer(0.5, restore)
    timer.start()
    return timer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "limit: expected at least 1, or None for all, got 0"),
        ({"first": 2**63}, f"first: expected 0 to {2**63 - 1}, got {2**63}"),
        ({"first": -1}, "first: expected 0 to"),
    ],
)
async def test_bounds_of_metrics_are_checked(
    shared: Served, arguments: dict[str, int], message: str
) -> None:
    with ExchangeClient(shared.address) as client, pytest.raises(FieldError, match=message):
        client.read_metrics("r", first=arguments.get("first", 0), limit=arguments.get("limit"))
    async with AsyncExchangeClient(shared.address) as other:
        with pytest.raises(FieldError, match=message):
            await other.read_metrics(
                "r", first=arguments.get("first", 0), limit=arguments.get("limit")
            )


async def test_the_asyncio_client_does_the_same(shared: Served) -> None:
    run = run_of()
    async with AsyncExchangeClient(shared.address) as client:
        await client.publish(run)
        await client.append_metrics(run.id, snapshots(*range(12)), status="completed")
        metrics = await client.read_metrics(run.id, limit=10)
    assert [point.snapshot.step for point in metrics.points] == list(range(10))
    assert metrics.run.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED
    assert metrics.record.digest is not None
