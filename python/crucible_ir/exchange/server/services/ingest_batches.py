"""Batches of feedback events, with the bytes of each event as they were received.

The store keeps the bytes that the sender wrote: serializing an event again would cost more than all
other work of the server for it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.unknown_fields import reject_own_unreadable

_VARINT, _LENGTH = 0, 2


def _tag(field: str, wire_type: int) -> int:
    return descriptor_of(v1.IngestRequest).fields_by_name[field].number << 3 | wire_type


_BATCH_ID: Final = _tag("batch_id", _VARINT)
_EVENT: Final = _tag("events", _LENGTH)


class ReceivedBatch(NamedTuple):
    """A batch of events, and the bytes of each event.

    Attributes:
        request: The request.
        events: Its events.
        contents: The bytes of each event.
        has_unknown_fields: Whether an event may have unknown fields, itself or in a message inside.
    """

    request: v1.IngestRequest
    events: list[ir_v1.FeedbackEvent]
    contents: list[bytes]
    has_unknown_fields: bool

    @classmethod
    def parse(cls, data: bytes) -> ReceivedBatch:
        """Parse an ``IngestRequest``.

        Raises:
            google.protobuf.message.DecodeError: The data is not one.
            DecodeError: It has an unknown field that other implementations cannot read.
        """
        request = v1.IngestRequest.FromString(data)
        contents = event_contents(data)
        if contents is not None and len(contents) == len(request.events):
            # To discard unknown fields of all events takes less time than to look for one's own.
            request.DiscardUnknownFields()
            if request.ByteSize() == len(data):
                return cls(request, request.events[:], contents, has_unknown_fields=False)
            request = v1.IngestRequest.FromString(data)
        reject_own_unreadable(request)
        events = request.events[:]
        if contents is None or len(contents) != len(events):
            contents = [event.SerializeToString() for event in events]
        return cls(request, events, contents, has_unknown_fields=True)


def event_contents(data: bytes) -> list[bytes] | None:
    r"""Return the bytes of each event in an ``IngestRequest`` that protobuf can parse.

    Returns:
        The bytes; ``None`` for a request with unknown fields.

    >>> event_contents(bytes.fromhex("0805" "1203 0a0161" "1203 0a0162"))
    [b'\n\x01a', b'\n\x01b']
    """
    found = []
    at, end = 0, len(data)
    while at < end:
        tag = data[at]
        if tag == _EVENT:
            size = data[at + 1]
            at += 2
            shift = 7
            if size > 0x7F:
                size &= 0x7F
                while data[at] > 0x7F:
                    size |= (data[at] & 0x7F) << shift
                    shift += 7
                    at += 1
                size |= data[at] << shift
                at += 1
            found.append(data[at : at + size])
            at += size
        elif tag == _BATCH_ID:
            at += 1
            while data[at] > 0x7F:
                at += 1
            at += 1
        else:
            return None
    return found
