"""Summaries of files equal those of a server that has the same events."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exchange.client.served import Served
from exchange.made_up_events import made_up

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.bulk.event_summaries import EventSummaries
from crucible_ir.bulk.event_tables import open_event_table
from crucible_ir.exchange import EventFilter, ExchangeClient

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

#: How many events are in one file.
PART = 300


def events() -> list[v1.FeedbackEvent]:
    """Return events of every kind, and more different labels than are counted one by one."""
    chance = random.Random(17)
    found = [made_up(chance, number).message() for number in range(1500)]
    for event in found:
        if chance.random() < 0.1:
            event.custom_feedback_type = chance.choice(["thumbs", "correction", ""])
        if chance.random() < 0.03:
            event.feedback_type = chance.choice([0, 77])  # type: ignore[assignment]
        if chance.random() < 0.05:
            event.timestamp.nanos = 999_999_999
        if chance.random() < 0.05:
            event.feedback_value.number_value = chance.choice([float("inf"), float("-inf")])
        if chance.random() < 0.05:
            event.deployment_id = event.name = event.supersedes = ""
        if chance.random() < 0.05:
            event.supersedes = event.id
    for number in range(500):
        label = f'{"é" * (number % 90)}\0\n"{number % 260}'
        event = v1.FeedbackEvent(id=f"label{number}", custom_feedback_type="tag")
        event.feedback_value.string_value = label
        event.timestamp.seconds = number * 60
        event.latency_ms = number % 2 * 5000
        found.append(event)
    for number, event in enumerate(found):
        # JSON, and so a column of a file, has neither NaN nor infinity.
        if number // PART % 3 and not math.isfinite(event.feedback_value.number_value):
            event.feedback_value.bool_value = True
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExchangeClient]:
    served = Served(tmp_path_factory.mktemp("exchange"))
    with ExchangeClient(served.address) as client:
        report = client.ingest(events())
        assert (report.refused_count, report.accepted > 1500) == (0, True)
        yield client
    served.kill()


@pytest.fixture(scope="module")
def summaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventSummaries]:
    """The same events: in Parquet files, Arrow files and messages, whose order matters."""
    folder = tmp_path_factory.mktemp("a[1]=*'")
    found = events()
    parts = [found[start : start + PART] for start in range(0, len(found), PART)]
    with open_event_table() as table:
        for number, part in enumerate(parts):
            path = folder / f"part{number}"
            if number % 3 == 0:
                table.add_events(part)
                continue
            rows = ir.to_arrow(part, v1.FeedbackEvent)
            if number % 3 == 1:
                pq.write_table(rows, path)
                table.add_parquet(str(path))
            else:
                with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, rows.schema) as to:
                    to.write_table(rows)
                table.add_arrow(str(path))
        yield EventSummaries(table)


def filters() -> Iterator[EventFilter]:
    yield EventFilter()
    yield EventFilter(start_time=EPOCH - 3 * HOUR, end_time=EPOCH + timedelta(hours=75, seconds=7))
    yield EventFilter(start_time=EPOCH + timedelta(microseconds=1))
    yield EventFilter(deployment_id="d1", model_version="v1")
    yield EventFilter(deployment_id="")
    yield EventFilter(feedback_types=["thumbs", "star", "77", ""])
    yield EventFilter(feedback_types=["none"], end_time=EPOCH)


BUCKETS = (None, timedelta(days=1), 5 * HOUR, HOUR, timedelta(seconds=90), timedelta(days=7))
GROUPS: tuple[Sequence[str], ...] = ((), ("deployment", "model_version", "name"), ("name",))


def test_summaries_of_files_equal_those_of_a_server(
    server: ExchangeClient, summaries: EventSummaries
) -> None:
    compared: set[tuple[timedelta | None, str | None]] = set()
    for number, (wanted, bucket) in enumerate(product(filters(), BUCKETS)):
        by = GROUPS[number % 3]
        expected = server.summarize(wanted, bucket=bucket, group_by=by)
        found = list(summaries.summarize(wanted.summarize(bucket, by)))
        assert found == expected, (wanted, bucket, by)
        compared.update((bucket, group.name) for group in found if group.latency)
    assert {bucket for bucket, _ in compared} == set(BUCKETS)
    assert {name for _, name in compared} == {None, "helpful"}
