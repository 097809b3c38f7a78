"""Summaries equal a recount of all events, however these arrived, changed and were rolled up."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from exchange.made_up_events import DAY, HOUR, SECOND, Event, made_up
from exchange.publications import event
from sqlalchemy import create_engine, make_url

from crucible_ir import v1
from crucible_ir.exchange import tally
from crucible_ir.exchange.server.services.event_rows import event_rows
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.errors import ResultTooLargeError, SummariesBehindError
from crucible_ir.exchange.store.records import (
    EventQuery,
    EventRow,
    EventTally,
    Grouping,
    Scope,
    SummaryLimits,
    SummaryQuery,
)
from crucible_ir.exchange.store.summaries import roll_ups


def rows_of(events: Iterable[v1.FeedbackEvent]) -> list[EventRow]:
    messages = list(events)
    return event_rows(messages, [message.SerializeToString() for message in messages])


def expected(events: list[Event], query: SummaryQuery) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Recount all events, with the rules of the schema's comments and nothing of the store."""
    superseded = {each.supersedes for each in events if each.supersedes != each.id}
    groups: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    wanted, by = query.events, query.group_by
    for each in events:
        if (
            each.id in superseded
            or (wanted.start_time is not None and each.time < wanted.start_time)
            or (wanted.end_time is not None and each.time >= wanted.end_time)
            or (wanted.deployment_id is not None and each.deployment != wanted.deployment_id)
            or (wanted.model_version is not None and each.version != wanted.model_version)
            or (wanted.feedback_types and each.type not in wanted.feedback_types)
            or not wanted.scope.allows("FeedbackEvent", each.id)
        ):
            continue
        key = (
            None if query.bucket is None else each.time - each.time % query.bucket,
            each.type,
            each.deployment if Grouping.DEPLOYMENT in by else None,
            each.version if Grouping.MODEL_VERSION in by else None,
            each.name if Grouping.NAME in by else None,
        )
        groups[key].append(each)
    return {key: recounted(found) for key, found in groups.items()}


def recounted(events: list[Event]) -> dict[str, Any]:
    thumbs: Counter[bool] = Counter()
    labels: Counter[str] = Counter()
    numbers: list[float] = []
    long_labels = 0
    for each in events:
        value = each.value
        if each.type in (None, "thumbs"):
            if isinstance(value, str) and value.lower() in ("up", "thumbs_up"):
                thumbs[True] += 1
                continue
            if isinstance(value, str) and value.lower() in ("down", "thumbs_down"):
                thumbs[False] += 1
                continue
            if isinstance(value, bool | int | float) and value == value:
                thumbs[value > 0] += 1
                continue
        if isinstance(value, bool):
            labels["true" if value else "false"] += 1
        elif isinstance(value, int | float):
            if abs(value) < 2**53:
                numbers.append(float(value))
        elif isinstance(value, str) and each.type != "correction":
            if len(value) > 128:
                long_labels += 1
            else:
                labels[value] += 1
    latencies = sorted(each.latency for each in events if each.latency is not None)
    return {
        "count": len(events),
        "up": thumbs[True],
        "down": thumbs[False],
        "labels": dict(labels),
        "other": long_labels,
        "numbers": numbers,
        "latencies": latencies,
    }


def assert_equal(found: list[EventTally], events: list[Event], query: SummaryQuery) -> None:
    wanted = expected(events, query)
    assert {group[:5] for group in found} == set(wanted), query
    assert len(found) == len(wanted)
    for group in found:
        counts, recount = group.tally, wanted[group[:5]]
        assert counts.events == recount["count"], query
        assert (counts.up, counts.down) == (recount["up"], recount["down"])
        assert (counts.labels, counts.other_labels) == (recount["labels"], recount["other"])
        numbers = recount["numbers"]
        assert counts.numbers == len(numbers)
        if numbers:
            assert counts.mean == pytest.approx(statistics.fmean(numbers), rel=1e-12, abs=1e-12)
            deviation = statistics.pstdev(numbers)
            assert counts.deviation == pytest.approx(deviation, rel=1e-9, abs=1e-9)
            rounded = Counter(float(f"{number:.1e}") for number in numbers)
            assert {float(text): n for text, n in counts.number_counts.items()} == rounded
        latencies = recount["latencies"]
        assert counts.latency_sum == sum(latencies)
        approximate = [
            tally.bucket_latency(bucket)
            for bucket, n in sorted(counts.latencies.items())
            for _ in range(n)
        ]
        assert len(approximate) == len(latencies)
        for one, other in zip(approximate, latencies, strict=True):
            assert abs(one - other) <= (0 if other < 2048 else other / 1000)


def queries(chance: random.Random) -> list[SummaryQuery]:
    """Return queries of every kind: whole hours and days, parts of them, other buckets, scopes."""
    day = SummaryQuery(EventQuery(), DAY)
    groups = frozenset(chance.sample(list(Grouping), chance.randrange(4)))
    start = chance.randrange(-5, 80) * HOUR
    end = start + chance.randrange(1, 60) * HOUR
    uneven = EventQuery(start_time=start + 17, end_time=end + 12_345_678)
    return [
        SummaryQuery(EventQuery()),
        day,
        replace(day, bucket=7 * DAY, group_by=groups),
        SummaryQuery(EventQuery(), 5 * HOUR, groups),
        SummaryQuery(EventQuery(start_time=start, end_time=end), HOUR, frozenset(Grouping)),
        SummaryQuery(uneven),
        SummaryQuery(uneven, DAY, groups),
        SummaryQuery(EventQuery(start_time=start + 5, end_time=start + 6 * SECOND)),
        SummaryQuery(EventQuery(start_time=start), 90 * SECOND),
        SummaryQuery(EventQuery(deployment_id="d1", end_time=end), None, groups),
        SummaryQuery(EventQuery(model_version="v1", feedback_types=("star", "thumbs", "none"))),
        SummaryQuery(EventQuery(deployment_id="none")),
        SummaryQuery(EventQuery(scope=Scope(id_prefixes=("e1", "e33"))), DAY, groups),
        SummaryQuery(EventQuery(scope=Scope(types=frozenset({"ModelRef"})))),
    ]


@pytest.mark.parametrize("seed", range(2))
async def test_summaries_equal_a_recount_of_all_events(
    address: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roll_ups, "EVENTS_AT_A_TIME", 13)
    chance = random.Random(seed)
    stores = [await open_store(address), await open_store(address)]
    events: dict[int, Event] = {}
    number = 0
    for _ in range(40):
        store = chance.choice(stores)
        match chance.randrange(8):
            case 0 | 1 | 2:
                batch = [made_up(chance, number + n) for n in range(chance.randrange(1, 30))]
                number += len(batch)
                after = await store.last_event()
                await store.ingest(rows_of(map(Event.message, batch)))
                stored = await store.export(EventQuery(), after=after, through=2**40, limit=99)
                first = {each.id: each for each in reversed(batch)}
                for row in stored.events:
                    events[row.position] = first[v1.FeedbackEvent.FromString(row.event).id]
            case 3 | 4:
                await asyncio.gather(*(chance.choice(stores).roll_up() for _ in range(3)))
            case 5:
                chosen = chance.sample(sorted(events), min(len(events), chance.randrange(9)))
                assert await store.delete_events([*chosen, 10**6]) == len(chosen)
                for position in chosen:
                    del events[position]
            case 6:
                stores.remove(store)
                await store.close()
                stores.append(await open_store(address))
            case 7:
                known = list(events.values())
                for query in chance.sample(queries(chance), 3):
                    assert_equal(await store.summarize(query), known, query)
    for query in queries(chance):
        assert_equal(await stores[0].summarize(query), list(events.values()), query)
    while await stores[0].roll_up():
        pass
    for query in queries(chance):
        assert_equal(await stores[1].summarize(query), list(events.values()), query)
    assert await stores[0].delete_events(sorted(events)) == len(events)
    assert await stores[0].summarize(SummaryQuery(EventQuery(), DAY)) == []
    for store in stores:
        await store.close()


ROLLING = """
import asyncio, sys
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.summaries import roll_ups

roll_ups.EVENTS_AT_A_TIME = 20

async def work():
    store = await open_store(sys.argv[1])
    print("open", flush=True)
    while await store.roll_up() is not None:
        pass
    print("done", flush=True)

asyncio.run(work())
"""


async def test_roll_ups_survive_two_processes_that_are_killed(address: str) -> None:
    chance = random.Random(address.count("/"))
    events = [replace(made_up(chance, n), id=f"e{n}") for n in range(1000)]
    store = await open_store(address)
    await store.ingest(rows_of(map(Event.message, events)))
    command = [sys.executable, "-c", ROLLING, address]
    for _ in range(2):
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
        time.sleep(chance.uniform(0.02, 0.3))
        for process in processes:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        query = SummaryQuery(EventQuery(), DAY, frozenset(Grouping))
        assert_equal(await store.summarize(query), events, query)
    while await store.roll_up() is not None:
        pass
    assert_equal(await store.summarize(query), events, query)
    await store.close()


async def test_only_one_of_two_stores_applies_a_roll_up(address: str) -> None:
    first, second = await open_store(address), await open_store(address)
    await first.ingest([event(str(number)) for number in range(100)])
    applied = [await asyncio.gather(first.roll_up(), second.roll_up()) for _ in range(3)]
    assert [done for pair in applied for done in pair].count(True) == 1
    [group] = await second.summarize(SummaryQuery(EventQuery(), DAY))
    assert group.tally.events == 100
    await first.close()
    await second.close()


@pytest.mark.parametrize("deleted", [1, 2])
async def test_a_prepared_roll_up_does_not_count_what_is_deleted_meanwhile(
    address: str, deleted: int
) -> None:
    store = await open_store(address)
    await store.ingest([event("a")])
    await store.roll_up()
    await store.ingest([event("b")])
    engine = create_engine(
        f"sqlite:///{address}"
        if "://" not in address
        else make_url(address).set(drivername="postgresql+psycopg")
    )
    with engine.connect() as connection:
        prepared = roll_ups.prepare(connection)
    assert prepared is not None
    assert await store.delete_events([deleted]) == 1
    with engine.begin() as connection:
        assert not roll_ups.apply(connection, prepared)
    engine.dispose()
    await store.roll_up()
    [group] = await store.summarize(SummaryQuery(EventQuery(), DAY))
    assert group.tally.events == 1
    await store.close()


async def test_limits_are_reported(address: str) -> None:
    store = await open_store(address)
    await store.ingest(
        [event(f"{n:02}", time=n * 400 * SECOND, deployment=f"d{n}") for n in range(20)]
    )
    limits = SummaryLimits(summaries=3, events=9, tail=30)

    async def refused(query: SummaryQuery, limits: SummaryLimits = limits) -> str:
        with pytest.raises(ResultTooLargeError) as caught:
            await store.summarize(query, limits)
        return str(caught.value)

    async def count(events: EventQuery, bucket: int | None = None) -> int:
        found = await store.summarize(SummaryQuery(events, bucket), limits)
        return sum(group.tally.events for group in found)

    assert await count(EventQuery()) == 20
    assert await count(EventQuery(start_time=0, end_time=HOUR + 5)) == 10
    assert await count(EventQuery(start_time=400, end_time=3599 * SECOND)) == 8
    assert "more than 3 summaries" in await refused(
        SummaryQuery(EventQuery(), None, frozenset({Grouping.DEPLOYMENT}))
    )
    assert "more than 9 events" in await refused(SummaryQuery(EventQuery(), SECOND))
    assert "more than 9 events" in await refused(
        SummaryQuery(EventQuery(start_time=1, end_time=HOUR * 2 - 1), DAY - 1)
    )
    assert await count(EventQuery(scope=Scope(id_prefixes=("0",)), end_time=HOUR)) == 9
    both = EventQuery(scope=Scope(id_prefixes=("0", "1")), start_time=0, end_time=HOUR)
    assert await count(both) == 9
    assert "prefixes" in await refused(SummaryQuery(replace(both, end_time=None)))
    with pytest.raises(SummariesBehindError):
        await store.summarize(SummaryQuery(EventQuery()), replace(limits, tail=19))
    assert await store.roll_up()
    found = await store.summarize(SummaryQuery(EventQuery()), replace(limits, tail=0))
    assert [group.tally.events for group in found] == [20]
    await store.close()


async def test_labels_beyond_the_limit_are_counted_together(address: str) -> None:
    store = await open_store(address)
    labels = [f"label {number}" for number in range(tally.MAX_COUNTS + 50)] * 2
    messages = [
        v1.FeedbackEvent(id=str(number), custom_feedback_type="tag", feedback_value=value(label))
        for number, label in enumerate(labels)
    ]
    for start in (0, len(labels) // 3):
        part = messages[start : len(labels) // 3 if start == 0 else None]
        rows = [row._replace(time=0) for row in rows_of(part)]
        await store.ingest(rows)
        await store.roll_up()
    [group] = await store.summarize(SummaryQuery(EventQuery()))
    assert len(group.tally.labels) == tally.MAX_COUNTS
    assert sum(group.tally.labels.values()) + group.tally.other_labels == len(labels)
    assert set(group.tally.labels) >= {f"label {number}" for number in range(100)}
    await store.delete_events(range(1, len(labels)))
    [group] = await store.summarize(SummaryQuery(EventQuery()))
    assert sum(group.tally.labels.values()) + group.tally.other_labels == 1
    await store.close()


def value(text: str) -> Any:
    return v1.FeedbackEvent(feedback_value={"string_value": text}).feedback_value


def test_latencies_are_exact_below_2048_and_within_a_thousandth_above() -> None:
    chance = random.Random(1)
    some = [chance.randrange(2 ** chance.randrange(12, 32)) for _ in range(20_000)]
    for latency in [*range(5000), *some, 2**31 - 1]:
        found = tally.bucket_latency(tally.latency_bucket(latency))
        assert abs(found - latency) * 2000 <= (0 if latency < 2048 else latency)
    ordered = sorted(some)
    assert [*map(tally.latency_bucket, ordered)] == sorted(map(tally.latency_bucket, some))


def test_a_tally_is_the_same_after_it_was_stored() -> None:
    counts = tally.Tally()
    for latency, n in ((5, 1), (2**31 - 1, 300), (70_000, 70_000), (6, 2**33)):
        counts.latencies[tally.latency_bucket(latency)] = n
        counts.latency_sum += latency * n
        assert tally.Tally.decode(counts.encode()) == counts
    counts.labels = {"ü\0": 3}
    counts.square_sum = 2**200
    assert tally.Tally.decode(counts.encode()) == counts
