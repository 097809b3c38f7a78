"""Changes of the exchange as server-sent events, after which open pages are drawn anew."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import StreamingResponse

from crucible_ir.exchange.client.errors import ExchangeError
from crucible_ir.exchange.client.results import Gap
from crucible_ir.schema.types import document_members

if TYPE_CHECKING:
    from crucible_ir.exchange import AsyncWatch, Change
    from crucible_ir.web.console.page import Visit

#: The seconds after which a line is sent, so that a proxy keeps the connection.
_KEEP_ALIVE: Final = 15.0
#: The most streams of one console, each of which is a watch of the exchange.
_MAX_STREAMS: Final = 500
#: The most streams of one signed-in reader.
_MAX_READER_STREAMS: Final = 50
_RETRY_MS: Final = 5000


class LiveStreams:
    """The open streams of a console."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End all streams."""
        self._closing.set()

    def response(self, visit: Visit) -> StreamingResponse:
        """Answer with the changes that the query selects, from now on."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(self._events(visit), 200, headers, "text/event-stream")

    async def _events(self, visit: Visit) -> AsyncIterator[str]:
        yield f"retry: {_RETRY_MS}\n\n"
        reader = "" if visit.session is None else visit.session.id
        is_full = self._open.total() >= _MAX_STREAMS
        if is_full or (reader and self._open[reader] >= _MAX_READER_STREAMS):
            yield _event("failed", {"reason": "too many open pages"})
            return
        self._open[reader] += 1
        types = [name for name in visit.query("types").split(",") if name in document_members()]
        watch = visit.client.watch(
            types=types, id_prefix=visit.query("prefix"), heartbeat_ms=15_000, max_outage=10
        )
        try:
            async with watch:
                yield _event("begun", {"sequence": watch.sequence})
                async for text in self._changes(watch):
                    yield text
        except ExchangeError as error:
            yield _event("failed", {"reason": str(error)})
        finally:
            self._open[reader] -= 1
            # Counts of zero go, so that ended sessions leave nothing.
            self._open += Counter()

    async def _changes(self, watch: AsyncWatch) -> AsyncIterator[str]:
        closing = asyncio.ensure_future(self._closing.wait())
        waiting: asyncio.Future[Change | Gap] | None = None
        try:
            while True:
                # A watch that is cancelled while it waits would lose its place.
                if waiting is None:
                    waiting = asyncio.ensure_future(anext(watch))
                both: set[asyncio.Future[Any]] = {waiting, closing}
                done, _ = await asyncio.wait(
                    both, timeout=_KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED
                )
                if closing in done:
                    return
                if waiting in done:
                    event, waiting = waiting.result(), None
                    if not isinstance(event, Gap):
                        record = event.record
                        key = {"type": record.type, "id": record.id}
                        yield _event("change", {"sequence": record.sequence, **key})
                else:
                    yield ": still here\n\n"
        finally:
            closing.cancel()
            if waiting is not None:
                waiting.cancel()
                with suppress(asyncio.CancelledError, ExchangeError, StopAsyncIteration):
                    await waiting


def _event(name: str, data: dict[str, object]) -> str:
    # JSON in ASCII has no newline, which would end the event.
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
