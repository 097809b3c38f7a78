"""Batches of events are split as protobuf serializes them."""

from __future__ import annotations

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from message_strategies import messages

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.client.batches import EventBatch
from crucible_ir.exchange.server.services.event_rows import VALUES, event_rows, rows_of_values
from crucible_ir.exchange.server.services.ingest_batches import ReceivedBatch, event_contents

EVENTS = st.lists(
    st.builds(
        ir_v1.FeedbackEvent,
        id=st.text(st.characters(codec="utf-8"), max_size=400),
        deployment_id=st.text(max_size=3),
        latency_ms=st.integers(0, 2**31 - 1),
    ),
    max_size=5,
)


@given(st.integers(-(2**63), 2**63 - 1), EVENTS)
def test_bytes_of_each_event_are_found_in_a_batch(
    batch_id: int, events: list[ir_v1.FeedbackEvent]
) -> None:
    data = v1.IngestRequest(batch_id=batch_id, events=events).SerializeToString()
    assert event_contents(data) == [event.SerializeToString() for event in events]
    batch = ReceivedBatch.parse(data)
    assert batch.request.batch_id == batch_id
    assert batch.events == events
    assert batch.contents == [event.SerializeToString() for event in events]


@given(st.integers(0, 2**63 - 1), EVENTS)
def test_assembled_batch_equals_the_serialized_one(
    batch_id: int, events: list[ir_v1.FeedbackEvent]
) -> None:
    batch = EventBatch(batch_id, [event.SerializeToString() for event in events])
    written = v1.IngestRequest(batch_id=batch_id, events=events)
    assert batch.encode() == written.SerializeToString()
    assert [batch.event(index) for index in range(len(events))] == events


def test_events_of_any_size_are_found() -> None:
    for size in (0, 100, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152):
        event = ir_v1.FeedbackEvent(id="x" * size)
        data = v1.IngestRequest(batch_id=1, events=[event, event]).SerializeToString()
        assert event_contents(data) == [event.SerializeToString()] * 2


#: The event with the id "a" in a batch, as field 2.
EVENT = bytes.fromhex("12030a0161")


@pytest.mark.parametrize(
    "data",
    [
        # An unknown field: a varint, bytes, and 4 and 8 bytes.
        bytes.fromhex("1805") + EVENT,
        EVENT + bytes.fromhex("1a03aabbcc"),
        bytes.fromhex("1d00000000") + EVENT,
        bytes.fromhex("190000000000000000") + EVENT,
        # A group, and an event whose tag has two bytes where one is enough.
        bytes.fromhex("1b08011c") + EVENT,
        bytes.fromhex("9200030a0161"),
    ],
)
def test_unusual_encodings_of_a_batch_are_parsed(data: bytes) -> None:
    batch = ReceivedBatch.parse(data)
    assert [event.id for event in batch.events] == ["a"]
    assert batch.contents == [EVENT[2:]]


def test_unknown_fields_of_an_event_are_kept() -> None:
    event = ir_v1.FeedbackEvent(id="a").SerializeToString() + bytes.fromhex("f8ff0705")
    data = bytes([0x12, len(event)]) + event
    assert ReceivedBatch.parse(data).contents == [event]


@pytest.mark.parametrize("extra", ["f8ff0705", "eb030800ec03"])
def test_events_with_unknown_fields_are_marked(extra: str) -> None:
    plain = v1.IngestRequest(batch_id=1, events=[ir_v1.FeedbackEvent(id="a")]).SerializeToString()
    assert not ReceivedBatch.parse(plain).has_unknown_fields
    event = ir_v1.FeedbackEvent(id="a").SerializeToString() + bytes.fromhex(extra)
    batch = ReceivedBatch.parse(bytes([0x12, len(event)]) + event)
    assert batch.has_unknown_fields
    assert batch.events[0].SerializeToString() == event


def value_of(event: ir_v1.FeedbackEvent, name: str) -> object:
    """Return the value of a field as the native engine does."""
    value = getattr(event, name)
    if event.DESCRIPTOR.fields_by_name[name].has_presence and not event.HasField(name):
        return None
    if isinstance(value, Timestamp):
        return value.ToNanoseconds() // 1000
    return value.encode() if isinstance(value, str) else value


@given(st.lists(messages(ir_v1.FeedbackEvent), max_size=4))
def test_rows_of_values_equal_the_rows_of_events(events: list[ir_v1.FeedbackEvent]) -> None:
    contents = [event.SerializeToString() for event in events]
    values = [[value_of(event, name) for event in events] for name in VALUES]
    assert rows_of_values(values, contents, b"ann") == event_rows(events, contents, b"ann")
