"""How far a watch has come, so that it goes on where it broke off."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange import v1
from crucible_ir.exchange.client.requests import name_of
from crucible_ir.exchange.client.results import Change, Gap, Heartbeat, event_of

if TYPE_CHECKING:
    from crucible_ir.exchange.client.requests import TypeName

#: The seconds of silence beyond a heartbeat's interval after which a connection counts as dead.
_SLACK: Final = 5.0

#: The interval that a server keeps unless it is asked for another, in milliseconds.
_SERVER_INTERVAL_MS: Final = 15_000


class WatchPosition:
    """What a watch asks for, and the sequence number up to which it was told.

    Args:
        after: The sequence number after which changes are asked for; ``None`` for those from now.
        types: The types to be told of; none for all.
        id_prefix: What the ids begin with.
        include_documents: Whether to be sent the documents, too.
        heartbeat_ms: The longest silence, in milliseconds; ``None`` for the server's.
    """

    def __init__(
        self,
        after: int | None,
        types: Iterable[TypeName],
        id_prefix: str,
        include_documents: bool,
        heartbeat_ms: int | None,
    ) -> None:
        self.sequence = after
        self._request = v1.WatchRequest(
            types=[name_of(type_) for type_ in types],
            id_prefix=id_prefix,
            include_documents=include_documents,
            heartbeat_interval_ms=heartbeat_ms,
        )

    @property
    def silence(self) -> float:
        """The seconds of silence after which the connection counts as dead."""
        asked = self._request.heartbeat_interval_ms or _SERVER_INTERVAL_MS
        return 2 * asked / 1000 + _SLACK

    @property
    def is_known(self) -> bool:
        """Whether it is known where to resume."""
        return self.sequence is not None

    def request(self) -> v1.WatchRequest:
        """Return the request that goes on from here."""
        request = v1.WatchRequest()
        request.CopyFrom(self._request)
        if self.sequence is not None:
            request.after_sequence = self.sequence
        return request

    def advance(self, answer: v1.WatchResponse) -> Change | Gap | None:
        """Take a message and return what it tells; ``None`` for what was told before."""
        event = event_of(answer)
        reached = _reached(event)
        if event is None or reached is None:
            return None
        known = -1 if self.sequence is None else self.sequence
        self.sequence = max(known, reached)
        if reached <= known or isinstance(event, Heartbeat):
            return None
        return event


def _reached(event: Change | Gap | Heartbeat | None) -> int | None:
    if isinstance(event, Change):
        return event.record.sequence
    if isinstance(event, Gap):
        return event.through_sequence
    return None if event is None else event.sequence
