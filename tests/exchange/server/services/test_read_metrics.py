"""ReadMetrics: pages of a run, and points to draw."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import broken_rules, details, publish_request, serving
from exchange.server.services.test_append_metrics import failure, run_of, snapshot
from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.statements import metrics

Snapshots = list[ir_v1.MetricsSnapshot]


async def read_all(exchange: Any, page_size: int = 7, **fields: Any) -> list[v1.MetricsPoint]:
    """Return the points of all pages."""
    points: list[v1.MetricsPoint] = []
    request = v1.ReadMetricsRequest(id="r1", page_size=page_size, **fields)
    while True:
        page = await exchange.ReadMetrics(request)
        points += page.points
        if not page.next_page_token:
            return points
        assert len(page.points) == page_size
        request.page_token = page.next_page_token


async def stored(exchange: Any, history: Snapshots, published: int = 0) -> None:
    """Publish a run with the first snapshots, and append the others in uneven parts."""
    run = run_of()
    run.metrics_history.extend(history[:published])
    await exchange.Publish(publish_request(run))
    start = published
    for size in (1, 2, 40, 3, len(history)):
        part = history[start : start + size]
        if part:
            await exchange.AppendMetrics(v1.AppendMetricsRequest(id="r1", snapshots=part))
        start += size


def lines_of(points: list[v1.MetricsPoint]) -> dict[str, list[tuple[int, float]]]:
    """Return the points of each metric, with their positions."""
    lines: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for point in points:
        for key, value in point.snapshot.values.items():
            lines[key].append((point.position, value))
    return lines


@pytest.mark.parametrize("published", [0, 5, 90])
async def test_pages_have_each_snapshot_once(address: str, published: int) -> None:
    history = [snapshot(step, loss=step, acc=-step) for step in range(90)]
    history[4].other_values.update({"note": "warm", "why": 1})
    for each in history[::3]:
        each.values["rare"] = 1
    async with serving(await open_store(address)) as loopback:
        await stored(loopback.exchange, history, published)
        every = await read_all(loopback.exchange)
        some = await read_all(loopback.exchange, first=50)
        rare = await read_all(loopback.exchange, keys=["rare", "note"], first=2)
        beyond = await loopback.exchange.ReadMetrics(v1.ReadMetricsRequest(id="r1", first=90))
    assert [(point.position, point.snapshot) for point in every] == list(enumerate(history))
    assert [point.position for point in some] == list(range(50, 90))
    assert [point.position for point in rare] == sorted({4, *range(3, 90, 3)})
    noted = next(point.snapshot for point in rare if point.position == 4)
    assert dict(noted.other_values) == {"note": "warm"} and not noted.values
    assert {tuple(p.snapshot.values) for p in rare if p.position != 4} == {("rare",)}
    assert (beyond.count, list(beyond.points), beyond.next_page_token) == (90, [], "")


async def test_points_to_draw_keep_what_a_plot_must_show(address: str) -> None:
    chance = random.Random(7)
    count = 3000
    history = [snapshot(step, loss=chance.gauss(0, 1)) for step in range(count)]
    for each in history[::500]:
        each.values["val"] = chance.random()
    history[1234].values["loss"] = 99.0
    history[1235].values["loss"] = -math.inf
    history[77].values["loss"] = math.nan
    history[2000].values["loss"] = math.inf
    history[9].other_values.update({"note": "x"})
    most = 62
    async with serving(await open_store(address)) as loopback:
        await stored(loopback.exchange, history, 10)
        points = await read_all(loopback.exchange, 50, max_points=most)
        loss = await read_all(loopback.exchange, 1000, max_points=most, keys=["loss"])
        part = await read_all(loopback.exchange, 1000, max_points=5, first=2990, keys=["loss"])
    lines = lines_of(points)
    assert repr(lines["loss"]) == repr(lines_of(loss)["loss"])
    assert [point.position for point in points] == sorted({p.position for p in points})
    # Every value is one of the run, and there are no more than allowed.
    for key, line in lines.items():
        assert len(line) <= most
        for position, value in line:
            assert repr(history[position].values[key]) == repr(value)
    assert lines["val"] == [(step, history[step].values["val"]) for step in range(0, count, 500)]
    chosen = {position for position, _ in lines["loss"]}
    assert {0, count - 1, 77, 1234, 1235, 2000} <= chosen
    # By hand: twenty buckets of 150 snapshots each, with their extremes.
    for start in range(0, count, 150):
        bucket = range(start, start + 150)
        values = {step: history[step].values["loss"] for step in bucket}
        numbers = {step: value for step, value in values.items() if not math.isnan(value)}
        assert {min(numbers, key=numbers.__getitem__), max(numbers, key=numbers.__getitem__)} <= (
            chosen
        )
    assert not any(point.snapshot.HasField("other_values") for point in points)
    assert {part[0].position, part[-1].position} == {2990, 2999}


async def test_points_are_ordered_by_step_time_and_position(address: str) -> None:
    """A run that was resumed from a checkpoint repeats some steps."""
    at = [Timestamp(seconds=seconds) for seconds in (100, 200)]
    history = [
        ir_v1.MetricsSnapshot(step=1, time=at[0], values={"loss": 0}),
        ir_v1.MetricsSnapshot(step=2, time=at[0], values={"loss": 1}),
        # Neither step nor time: it stays where it is.
        ir_v1.MetricsSnapshot(values={"loss": 2}),
        ir_v1.MetricsSnapshot(step=3, time=at[0], values={"loss": 3}),
        ir_v1.MetricsSnapshot(step=2, time=at[1], values={"loss": 4}),
        ir_v1.MetricsSnapshot(step=2, time=at[1], values={"loss": 5}),
        ir_v1.MetricsSnapshot(step=4, time=at[1], values={"loss": 6}),
        ir_v1.MetricsSnapshot(step=0, values={"loss": 7}),
    ]
    async with serving(await open_store(address)) as loopback:
        await stored(loopback.exchange, history)
        points = await read_all(loopback.exchange, 3, max_points=100)
        coarse = await read_all(loopback.exchange, 3, max_points=5)
    order = [7, 0, 1, 2, 4, 5, 3, 6]
    assert [point.position for point in points] == order
    # One bucket: the first and the last in this order, the smallest and the largest value.
    assert [point.position for point in coarse] == [7, 0, 6]


async def test_later_pages_are_of_the_same_points(address: str) -> None:
    history = [snapshot(step, loss=math.sin(step)) for step in range(400)]
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        await stored(exchange, history)
        expected = await read_all(exchange, 1000, max_points=100)
        request = v1.ReadMetricsRequest(id="r1", max_points=100, page_size=30)
        page = await exchange.ReadMetrics(request)
        points = list(page.points)
        while page.next_page_token:
            more = v1.AppendMetricsRequest(id="r1", snapshots=[snapshot(999, loss=5)])
            await exchange.AppendMetrics(more)
            request.page_token = page.next_page_token
            page = await exchange.ReadMetrics(request)
            points += page.points
    assert points == expected


async def test_too_many_points_and_bad_requests_are_rejected(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MAX_POINTS", 30)
    history = [snapshot(step, a=1, b=2) for step in range(20)]
    async with serving(await open_store(address)) as loopback:
        exchange = loopback.exchange
        await stored(exchange, history)
        wide = await failure(exchange.ReadMetrics(v1.ReadMetricsRequest(id="r1", max_points=10000)))
        one = await exchange.ReadMetrics(
            v1.ReadMetricsRequest(id="r1", max_points=10000, keys=["a"])
        )
        bad = await failure(
            exchange.ReadMetrics(
                v1.ReadMetricsRequest(id="r1", max_points=4, first=-1, keys=[""], page_size=0)
            )
        )
        forged = await failure(exchange.ReadMetrics(v1.ReadMetricsRequest(id="r1", page_token="x")))
        missing = await failure(exchange.ReadMetrics(v1.ReadMetricsRequest(id="r2")))
        old = await failure(exchange.ReadMetrics(v1.ReadMetricsRequest(id="r1", revision=2)))
    assert wide.code() is grpc.StatusCode.OUT_OF_RANGE
    assert details(wide)["ErrorInfo"].reason == "TOO_MUCH"
    assert "choose fewer keys or max_points" in (wide.details() or "")
    assert len(one.points) == 20
    assert {path for path, _ in broken_rules(bad)} == {
        "max_points",
        "first",
        "keys[0]",
        "page_size",
    }
    assert forged.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert {missing.code(), old.code()} == {grpc.StatusCode.NOT_FOUND}
