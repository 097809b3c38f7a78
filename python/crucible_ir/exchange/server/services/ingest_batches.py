"""Batches of feedback events, with the bytes of each event as they were received.

The store keeps the bytes that the sender wrote: serializing an event again would cost more than all
other work of the server for it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.unknown_fields import reject_own_unreadable


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
        # To discard unknown fields of all events takes less time than to look for one's own.
        request.DiscardUnknownFields()
        if request.ByteSize() == len(data):
            return cls(request, request.events[:], contents, has_unknown_fields=False)
        request = v1.IngestRequest.FromString(data)
        reject_own_unreadable(request)
        return cls(request, request.events[:], contents, has_unknown_fields=True)


def event_contents(data: bytes) -> list[bytes]:
    r"""Return the bytes of each event in an ``IngestRequest``.

    Raises:
        google.protobuf.message.DecodeError: The data is not one.

    >>> event_contents(bytes.fromhex("0805" "1203 0a0161" "1203 0a0162"))
    [b'\n\x01a', b'\n\x01b']
    """
    contents: list[bytes] = _request_of_bytes().FromString(data).events[:]
    return contents


@cache
def _request_of_bytes() -> Any:
    """Return a class of ``IngestRequest`` whose events are bytes."""
    message = descriptor_pb2.DescriptorProto()
    descriptor_of(v1.IngestRequest).CopyToProto(message)
    for field in message.field:
        # The schema's own options are unknown here.
        field.ClearField("options")
        if field.name == "events":
            field.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
            field.ClearField("type_name")
    file = descriptor_pb2.FileDescriptorProto(
        name="ingest_request_of_bytes.proto", syntax="proto3", message_type=[message]
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(message.name))
