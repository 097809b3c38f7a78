"""The rows of feedback events: their bytes, and the values that they are found by."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import repeat
from typing import Any, Final

from crucible_ir import v1
from crucible_ir.exchange.store.records import EventRow, Microseconds
from crucible_ir.schema import vocabulary

_TYPE_NAMES: Final = {
    number: name.encode() for number, name in vocabulary.names(v1.FeedbackType.DESCRIPTOR).items()
}

#: The fields of events whose values the native engine reads for rows.
VALUES: Final = (
    "id",
    "deployment_id",
    "feedback_type",
    "custom_feedback_type",
    "model_version",
    "timestamp",
    "latency_ms",
    "request_id",
    "response_id",
    "supersedes",
)

#: Creates a row from its values, without the cost of the Python function of its class.
_new_row: Final = partial(tuple.__new__, EventRow)


def event_rows(
    events: Sequence[v1.FeedbackEvent], contents: Sequence[bytes], publisher: bytes | None = None
) -> list[EventRow]:
    """Return the rows of valid events.

    They are made column by column, which takes less time than one by one.

    Args:
        events: The events.
        contents: Their serialized bytes.
        publisher: The name of the caller that hands them in.

    >>> event = v1.FeedbackEvent(id="e", feedback_type="FEEDBACK_TYPE_THUMBS")
    >>> [row] = event_rows([event], [event.SerializeToString()], b"ann")
    >>> row.id, row.feedback_type, row.time, row.publisher
    (b'e', b'thumbs', None, b'ann')
    """
    columns = (
        [event.id.encode() for event in events],
        [event.deployment_id.encode() or None for event in events],
        [_type_name(event.feedback_type, event.custom_feedback_type.encode()) for event in events],
        [event.model_version.encode() or None for event in events],
        list(map(_time, events)),
        [
            latency if (latency := event.latency_ms) or "latency_ms" in event else None
            for event in events
        ],
        contents,
        [event.request_id.encode() or None for event in events],
        [event.response_id.encode() or None for event in events],
        [event.supersedes.encode() or None for event in events],
    )
    return _rows(columns, publisher)


def rows_of_values(
    values: Sequence[Sequence[Any]], contents: Sequence[bytes], publisher: bytes | None = None
) -> list[EventRow]:
    """Return the rows of valid events, as `event_rows` does.

    Args:
        values: The values of the fields in `VALUES`, each with one value for each event; ``None``
            for an unset field. Texts are in UTF-8, and times in microseconds since 1970.
        contents: The serialized bytes of the events.
        publisher: The name of the caller that hands them in.

    >>> values = [[b"e"], [None], [1], [None], [None], [5], [None], [None], [None], [None]]
    >>> rows_of_values(values, [b""]) == [
    ...     EventRow(b"e", None, b"thumbs", None, 5, None, b"", None, None, None, None, 0)
    ... ]
    True
    """
    ids, deployments, types, custom_types, versions, times, latencies, *references = values
    columns = (
        ids,
        [deployment or None for deployment in deployments],
        list(map(_type_name, types, custom_types)),
        [version or None for version in versions],
        times,
        latencies,
        contents,
        *([reference or None for reference in each] for each in references),
    )
    return _rows(columns, publisher)


def _rows(columns: Sequence[Sequence[Any]], publisher: bytes | None) -> list[EventRow]:
    """Return rows, given the columns before the publisher."""
    return list(map(_new_row, zip(*columns, repeat(publisher), repeat(0))))


def redacted_row(row: EventRow, event: v1.FeedbackEvent) -> EventRow:
    """Return the row of a redacted event.

    Args:
        row: The row before.
        event: The redacted event.
    """
    # Redaction masks no ids and references, so the other values are the same.
    id_, deployment, _, version, time, latency, _, *references, publisher, _ = row
    content = event.SerializeToString()
    type_ = _type_name(event.feedback_type, event.custom_feedback_type.encode())
    return _new_row(
        (id_, deployment, type_, version, time, latency, content, *references, publisher, 1)
    )


def _type_name(number: int | None, custom: bytes | None) -> bytes | None:
    """Return the short or custom name of an event's type, if it has one."""
    if number:
        return _TYPE_NAMES.get(number) or str(number).encode()
    return custom or None


def _time(event: v1.FeedbackEvent) -> Microseconds | None:
    """Return an event's time, if it has one."""
    if "timestamp" not in event:
        return None
    timestamp = event.timestamp
    return timestamp.seconds * 1_000_000 + timestamp.nanos // 1000
