"""Clients ingest feedback in batches and export it, with a real server."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from exchange.client.served import Served

from crucible_ir import v1
from crucible_ir.errors import FieldError
from crucible_ir.exchange import (
    AsyncExchangeClient,
    EventFilter,
    ExchangeClient,
    ExportedEvent,
    InvalidDocumentError,
)
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.exchange.client.batches import EventOutbox
from crucible_ir.exchange.client.results import RefusedEvent


def events(
    count: int, deployment: str | None = None, **fields: object
) -> Iterator[v1.FeedbackEvent]:
    name = deployment or str(uuid.uuid4())
    for number in range(count):
        event = v1.FeedbackEvent(id=f"{name}/{number}", deployment_id=name)
        for field, value in fields.items():
            setattr(event, field, value)
        yield event


def test_events_are_exported_in_the_order_of_ingestion(client: ExchangeClient) -> None:
    name = str(uuid.uuid4())
    sent = list(events(1700, name))
    report = client.ingest(sent)
    assert (report.accepted, report.duplicates, report.refused_count) == (1700, 0, 0)
    assert report.batches == 4
    assert list(client.export(EventFilter(deployment_id=name), batch_size=300)) == sent


def test_publishers_are_exported_beside_the_events(client: ExchangeClient) -> None:
    name = str(uuid.uuid4())
    sent = list(events(5, name))
    client.ingest(sent)
    exported = client.export_with_publishers(EventFilter(deployment_id=name), batch_size=2)
    assert list(exported) == [ExportedEvent(event, None) for event in sent]
    answer = exchange_v1.ExportResponse(events=sent[:2], publishers=["ann", ""])
    assert [each.publisher for each in ExportedEvent.all_of(answer)] == ["ann", None]


def test_duplicate_events_are_counted_and_stored_once(client: ExchangeClient) -> None:
    name = str(uuid.uuid4())
    client.ingest(events(10, name))
    report = client.ingest(events(15, name))
    assert (report.accepted, report.duplicates, report.total) == (5, 10, 15)
    assert len(list(client.export(EventFilter(deployment_id=name)))) == 15


def test_rejected_events_are_reported_with_their_index(client: ExchangeClient) -> None:
    name = str(uuid.uuid4())
    sent = list(events(1200, name))
    sent[3].latency_ms = -1
    sent[1100].id = ""
    rejected: list[RefusedEvent] = []
    report = client.ingest(sent, on_refused=rejected.append)
    assert (report.accepted, report.refused_count) == (1198, 2)
    assert report.refused == rejected
    assert [(item.index, item.id) for item in rejected] == [(3, f"{name}/3"), (1100, "")]
    errors = [item.error for item in rejected]
    assert all(isinstance(error, InvalidDocumentError) for error in errors)
    rules = [[each.rule_id for each in error.violations] for error in errors]  # type: ignore[attr-defined]  # asserted above
    assert rules == [["int32.gte"], ["required"]]
    assert not any(item.retryable for item in rejected)


def test_an_exception_of_the_callback_is_raised(client: ExchangeClient) -> None:
    def complain(refused: RefusedEvent) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        client.ingest(events(1, latency_ms=-1), on_refused=complain)


def test_an_event_waits_for_others_only_for_the_given_time(
    client: ExchangeClient,
) -> None:
    with client.ingestion(max_seconds=0.05) as ingestion:
        ingestion.add(next(events(1)))
        while not ingestion.report.accepted:
            time.sleep(0.01)
        assert ingestion.report.batches == 1


def test_flush_waits_until_every_event_so_far_is_acknowledged(client: ExchangeClient) -> None:
    with client.ingestion(max_seconds=3600) as ingestion:
        for event in events(7):
            ingestion.add(event)
        ingestion.flush()
        assert ingestion.report.accepted == 7
        ingestion.add(next(events(1)))
    assert ingestion.report.accepted == 8


def test_batches_are_limited_by_count_and_by_bytes() -> None:
    [event] = events(1, "d")
    size = event.ByteSize()
    by_count = EventOutbox(max_events=3, max_bytes=10**6, max_seconds=3600)
    by_bytes = EventOutbox(max_events=100, max_bytes=2 * size, max_seconds=3600)
    for outbox in (by_count, by_bytes):
        for _ in range(7):
            outbox.add(event)
        outbox.closed = True
    assert sizes(by_count) == [3, 3, 1]
    assert sizes(by_bytes) == [2, 2, 2, 1]


def test_an_event_that_is_larger_than_a_batch_is_sent_alone() -> None:
    small, large = v1.FeedbackEvent(id="a"), v1.FeedbackEvent(id="b" * 500)
    outbox = EventOutbox(max_events=100, max_bytes=100, max_seconds=3600)
    for event in (small, large, small):
        outbox.add(event)
    outbox.closed = True
    assert sizes(outbox) == [1, 1, 1]


def sizes(outbox: EventOutbox) -> list[int]:
    return [len(batch.events) for batch in iter(outbox.take, None)]


def test_unacknowledged_batches_are_sent_again_in_order() -> None:
    outbox = EventOutbox(max_events=1, most_outstanding=3)
    for event in events(3, "d"):
        assert outbox.has_room
        outbox.add(event)
    assert not outbox.has_room
    taken = [batch.batch_id for batch in iter(outbox.take, None)]
    outbox.receive(exchange_v1.IngestResponse(batch_id=0, accepted=1))
    outbox.requeue()
    assert outbox.has_room
    assert taken == [0, 1, 2]
    assert [batch.batch_id for batch in iter(outbox.take, None)] == [1, 2]
    assert outbox.resent == 2


def test_an_export_continues_from_a_cursor_with_what_was_ingested_since(
    client: ExchangeClient,
) -> None:
    name = str(uuid.uuid4())
    sent = list(events(9, name))
    wanted = EventFilter(deployment_id=name)
    client.ingest(sent[:5])
    first = list(client.export_batches(wanted, batch_size=2))
    assert [len(batch.events) for batch in first] == [2, 2, 1]
    assert list(client.export_batches(wanted, cursor=first[-1].cursor)) == []
    client.ingest(sent[5:])
    for number, batch in enumerate(first, 1):
        found = client.export_batches(wanted, cursor=batch.cursor)
        rest = [event for later in found for event in later.events]
        assert rest == sent[min(2 * number, 5) :]
    with pytest.raises(InvalidDocumentError, match="belongs to another query"):
        list(client.export_batches(cursor=first[0].cursor))


def test_a_summary_counts_by_type_and_time_bucket(client: ExchangeClient) -> None:
    name = str(uuid.uuid4())
    sent = list(events(4, name, feedback_type=v1.FeedbackType.FEEDBACK_TYPE_RATING))
    start = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    for number, event in enumerate(sent):
        event.latency_ms = 10 * (number + 1)
        event.timestamp.FromDatetime(start + timedelta(minutes=30 * number))
    client.ingest(sent)
    summaries = client.summarize(EventFilter(deployment_id=name), bucket=timedelta(hours=1))
    assert [(each.feedback_type, each.start_time, each.count) for each in summaries] == [
        ("rating", start, 2),
        ("rating", start + timedelta(hours=1), 2),
    ]
    latency = summaries[0].latency
    assert latency is not None
    assert (latency.count, latency.mean_ms, latency.min_ms, latency.max_ms) == (2, 15.0, 10, 20)
    later = EventFilter(deployment_id=name, start_time=start + timedelta(minutes=45))
    assert [event.id for event in client.export(later)] == [f"{name}/2", f"{name}/3"]


def test_a_summary_has_values_and_groups(client: ExchangeClient) -> None:
    name = str(uuid.uuid4())
    sent = []
    for number in range(12):
        event = v1.FeedbackEvent(id=f"{name}/{number}", deployment_id=f"{name}-{number % 2}")
        event.model_version = name
        event.name = ("tone", "truth")[number % 3 == 0]
        event.feedback_type = v1.FeedbackType.FEEDBACK_TYPE_RATING
        event.feedback_value.number_value = number % 4
        sent.append(event)
    client.ingest(sent)
    wanted = EventFilter(model_version=name)
    [rating] = client.summarize(wanted)
    assert rating.numbers is not None
    assert rating.numbers.histogram == {0.0: 3, 1.0: 3, 2.0: 3, 3.0: 3}
    assert (rating.count, rating.numbers.mean) == (12, 1.5)
    assert rating.numbers.standard_deviation == pytest.approx(1.25**0.5)
    assert (rating.deployment_id, rating.model_version, rating.name) == (None, None, None)
    groups = client.summarize(wanted, group_by=["name", "deployment"])
    assert [(each.deployment_id, each.name, each.count) for each in groups] == [
        (f"{name}-0", "tone", 4),
        (f"{name}-0", "truth", 2),
        (f"{name}-1", "tone", 4),
        (f"{name}-1", "truth", 2),
    ]
    [by_version] = client.summarize(wanted, group_by=["model_version"])
    assert by_version.model_version == name
    with pytest.raises(FieldError, match="model_version"):
        client.summarize(wanted, group_by=["version"])


def test_a_time_without_a_time_zone_is_rejected() -> None:
    with pytest.raises(FieldError, match="start_time: the time needs a time zone"):
        EventFilter(start_time=datetime(2026, 1, 1))


def test_full_batches_are_sent_at_once(
    client: ExchangeClient,
) -> None:
    name = str(uuid.uuid4())
    with client.ingestion(max_events=7, max_seconds=3600) as ingestion:
        ingestion.add_all(list(events(250, name)))
        deadline = time.monotonic() + 20
        while ingestion.report.accepted < 245 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert ingestion.report.accepted == 245
    assert ingestion.report.accepted == 250
    found = client.export(EventFilter(deployment_id=name))
    assert sorted(event.id for event in found) == sorted(event.id for event in events(250, name))


def test_an_object_that_is_no_event_is_rejected_by_the_client(client: ExchangeClient) -> None:
    wrong: Any = v1.ModelRef(id="m")
    with pytest.raises(TypeError, match="expected a FeedbackEvent, got ModelRef"):
        client.ingest([wrong])


def export_slowly(address: str) -> list[str]:
    with ExchangeClient(address) as client:
        found = client.export(batch_size=5)
        ids = [next(found).id]
        time.sleep(1)
        return ids + [event.id for event in found]


def export_slowly_with_asyncio(address: str) -> list[str]:
    async def ids() -> list[str]:
        async with AsyncExchangeClient(address) as client:
            found = aiter(client.export(batch_size=5))
            first = await anext(found)
            await asyncio.sleep(1)
            return [first.id, *[event.id async for event in found]]

    return asyncio.run(ids())


@pytest.mark.parametrize("export", [export_slowly, export_slowly_with_asyncio])
def test_an_export_resumes_after_it_was_cut_off_for_reading_slowly(
    tmp_path: Path, export: Callable[[str], list[str]]
) -> None:
    served = Served(tmp_path, "--slow-consumer", "0.2")
    try:
        with ExchangeClient(served.address) as client:
            # More than the transport buffers.
            sent = [v1.FeedbackEvent(id=str(number)) for number in range(150)]
            for event in sent:
                event.metadata.update({"text": "x" * 200_000})
            client.ingest(sent)
        assert export(served.address) == [event.id for event in sent]
    finally:
        served.stop()
    log = (tmp_path / "server.log").read_text()
    # A busy machine may cause more than one.
    assert any("Export" in line and "RESOURCE_EXHAUSTED" in line for line in log.splitlines()), log
