"""HTTP connections: time limits that uvicorn does not have, and what requests know of theirs."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar, Final, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: How long the headers of a request may take, from the connection or their first byte, in seconds.
HEADER_SECONDS: Final = 20.0


class LimitedConnection(H11Protocol):
    """A connection whose client sends headers and receives responses within time limits.

    The state of each request has `abort`, which closes the connection at once.
    """

    #: How long a client may take to receive the rest of a response, in seconds.
    write_seconds: ClassVar[float] = 60.0

    _header_timer: asyncio.TimerHandle | None = None
    _stalled_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "abort": transport.abort}
        self._limit_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._unlimit_headers()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Receive a part of a request."""
        super().data_received(data)
        # While a request is read or answered, its application limits the time.
        if self._is_idle and self.conn.their_state is h11.IDLE:
            self._limit_headers()
        else:
            self._unlimit_headers()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; one that still receives a response gets more time."""
        if self.transport.get_write_buffer_size():
            now = time.monotonic()
            self._stalled_since = self._stalled_since or now
            if now - self._stalled_since < self.write_seconds:
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )
            else:
                self.transport.abort()
            return
        super().timeout_keep_alive_handler()

    @property
    def _is_idle(self) -> bool:
        cycle = cast("Any", self.cycle)
        return cycle is None or cycle.response_complete

    def _limit_headers(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def _unlimit_headers(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
