"""Batches of feedback events on their way to a server, each event in binary already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.schema.types import descriptor_of, field_of
from crucible_ir.serialization.varints import varint

if TYPE_CHECKING:
    from crucible_ir.v1 import FeedbackEvent

#: The method that takes them.
INGEST: Final = "/crucible_ir.exchange.v1.FeedbackService/Ingest"

_LENGTH: Final = 2
_EVENT: Final = varint(field_of(descriptor_of(v1.IngestRequest), "events").number << 3 | _LENGTH)


@dataclass(slots=True)
class EventBatch:
    """An ``IngestRequest`` of which each event is encoded once, when it is taken.

    Attributes:
        batch_id: The client's number for the batch.
        events: The events in binary.
    """

    batch_id: int = 0
    events: list[bytes] = field(default_factory=list)

    def event(self, index: int) -> FeedbackEvent:
        """Return an event as a message."""
        return ir_v1.FeedbackEvent.FromString(self.events[index])

    def chosen(self, indices: Sequence[int]) -> EventBatch:
        """Return a batch of some of the events."""
        return EventBatch(events=[self.events[index] for index in indices])

    def encode(self) -> bytes:
        """Return the ``IngestRequest`` in binary.

        >>> batch = EventBatch(7, [ir_v1.FeedbackEvent(id="a").SerializeToString()])
        >>> v1.IngestRequest.FromString(batch.encode()).events[0].id
        'a'
        """
        start = v1.IngestRequest(batch_id=self.batch_id).SerializeToString()
        sizes = map(_prefix, map(len, self.events))
        return start + b"".join(chain.from_iterable(zip(sizes, self.events, strict=True)))


@lru_cache(maxsize=4096)
def _prefix(size: int) -> bytes:
    """Return what stands before an event of so many bytes in a request."""
    return _EVENT + varint(size)
