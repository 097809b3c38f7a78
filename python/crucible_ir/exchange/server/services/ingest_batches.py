"""Batches of feedback events, with the bytes of each event as they were received.

The store keeps the bytes that the sender wrote: serializing an event again would cost more than all
other work of the server for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Self

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from crucible_ir import native
from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.services.event_rows import VALUES
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.unknown_fields import reject_own_unreadable


class ReceivedBatch:
    """A batch of events, and the bytes of each event.

    Attributes:
        request: The request; without the events if `values` is set.
        contents: The bytes of each event.
        values: The values of each field in `VALUES`, event by event, if the native engine is
            certain that all events are valid; else ``None``.
        has_unknown_fields: Whether an event may have unknown fields, itself or in a message inside.
    """

    __slots__ = ("_events", "contents", "has_unknown_fields", "request", "values")

    def __init__(
        self,
        request: v1.IngestRequest,
        contents: list[bytes],
        *,
        values: list[list[Any]] | None = None,
        has_unknown_fields: bool = False,
    ) -> None:
        self.request = request
        self.contents = contents
        self.values = values
        self.has_unknown_fields = has_unknown_fields
        self._events: list[ir_v1.FeedbackEvent] | None = None

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Parse an ``IngestRequest``.

        Raises:
            google.protobuf.message.DecodeError: The data is not one.
            DecodeError: It has an unknown field that other implementations cannot read.
        """
        split = _splitter()(data)
        if split is not None:
            return cls(v1.IngestRequest.FromString(split.rest), split.items, values=split.values)
        request = v1.IngestRequest.FromString(data)
        contents = event_contents(data)
        # To discard unknown fields of all events takes less time than to look for one's own.
        request.DiscardUnknownFields()
        if request.ByteSize() == len(data):
            return cls(request, contents)
        request = v1.IngestRequest.FromString(data)
        reject_own_unreadable(request)
        return cls(request, contents, has_unknown_fields=True)

    @property
    def events(self) -> list[ir_v1.FeedbackEvent]:
        """The events."""
        if self._events is None:
            if self.values is None:
                self._events = self.request.events[:]
            else:
                self._events = list(map(ir_v1.FeedbackEvent.FromString, self.contents))
        return self._events


@cache
def _splitter() -> Callable[[bytes], native.Split | None]:
    return native.splitter(v1.IngestRequest, "events", VALUES)


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
