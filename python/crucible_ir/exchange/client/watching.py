"""The position of a watch, from which it resumes after a broken connection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange import v1
from crucible_ir.exchange.client.requests import name_of
from crucible_ir.exchange.client.results import Change, Gap

if TYPE_CHECKING:
    from crucible_ir.exchange.client.requests import TypeName

#: The seconds that a connection may be idle after the second missed heartbeat.
_MARGIN: Final = 5.0

#: The default heartbeat interval of servers, in milliseconds.
_SERVER_INTERVAL_MS: Final = 15_000


class WatchPosition:
    """The request of a watch, and the sequence number up to which it was answered.

    Args:
        after: The sequence number after which to begin; ``None`` to begin with new changes.
        types: The document types; empty for all.
        id_prefix: The prefix of the documents' ids.
        include_documents: Whether to send the documents.
        heartbeat_ms: The heartbeat interval in milliseconds; ``None`` for the server's default.
        epoch: The epoch that the sequence number belongs to; empty if it is unknown.
    """

    def __init__(
        self,
        after: int | None,
        types: Iterable[TypeName],
        id_prefix: str,
        include_documents: bool,
        heartbeat_ms: int | None,
        epoch: str = "",
    ) -> None:
        self.sequence = after
        self.epoch = epoch
        self._request = v1.WatchRequest(
            types=[name_of(type_) for type_ in types],
            id_prefix=id_prefix,
            include_documents=include_documents,
            heartbeat_interval_ms=heartbeat_ms,
        )

    @property
    def idle_timeout(self) -> float:
        """After how many seconds without a message the connection counts as dead."""
        interval = self._request.heartbeat_interval_ms or _SERVER_INTERVAL_MS
        return 2 * interval / 1000 + _MARGIN

    @property
    def is_known(self) -> bool:
        """Whether the position is known; a watch of new changes learns it from the server."""
        return self.sequence is not None

    def request(self) -> v1.WatchRequest:
        """Return the request to resume from the position."""
        request = v1.WatchRequest()
        request.CopyFrom(self._request)
        request.epoch = self.epoch
        if self.sequence is not None:
            request.after_sequence = self.sequence
        return request

    def advance(self, answer: v1.WatchResponse) -> Change | Gap | None:
        """Advance to a message; return its event, or ``None`` if it has none that is new."""
        event: Change | Gap | None = None
        match answer.WhichOneof("event"):
            case "change":
                event = Change.of(answer.change)
                reached = event.record.sequence
            case "gap":
                event = Gap.of(answer.gap)
                reached = event.through_sequence
                if event.reason == "unknown_epoch":
                    # The numbers of the two epochs cannot be compared.
                    self.sequence = None
                self.epoch = answer.gap.epoch
            case "heartbeat":
                reached = answer.heartbeat.sequence
                self.epoch = answer.heartbeat.epoch
            case _:  # an event of a newer server
                return None
        known = -1 if self.sequence is None else self.sequence
        self.sequence = max(known, reached)
        return event if reached > known else None
