"""Stubs whose calls fail when sending fails; betterproto2's own would wait for an answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from betterproto2.grpclib.grpclib_client import MessageSource, ServiceStub
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

#: What ends both directions of a stream: the receiving side knows better why.
_ENDED = (GRPCError, ProtocolError, StreamTerminatedError)


class _Sending:
    """The messages that a call sends, and what went wrong with that."""

    def __init__(self, messages: MessageSource) -> None:
        self.messages = messages
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class SendingStub(ServiceStub):
    """A stub whose bidirectional calls raise what their messages or their codec raise."""

    async def _stream_stream(
        self, route: str, request_iterator: MessageSource, *types: Any, **options: Any
    ) -> AsyncIterator[Any]:
        sending = _Sending(request_iterator)
        responses = super()._stream_stream(route, sending, *types, **options)  # type: ignore[arg-type]  # handed on to `_send_messages`
        try:
            while True:
                response = asyncio.ensure_future(anext(responses))
                try:
                    await asyncio.wait(
                        (response, sending.failure), return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    if not response.done():
                        response.cancel()
                        await asyncio.gather(response, return_exceptions=True)
                if response.cancelled():
                    sending.failure.result()
                try:
                    answer = response.result()
                except StopAsyncIteration:
                    if sending.failure.done():
                        sending.failure.result()
                    return
                yield answer
        finally:
            sending.failure.cancel()
            await responses.aclose()  # type: ignore[attr-defined]  # typed as an iterator

    async def _send_messages(self, stream: Any, messages: Any) -> None:  # type: ignore[override]  # of no instance there
        try:
            await super()._send_messages(stream, messages.messages)
        except _ENDED:
            raise
        except Exception as error:
            if not messages.failure.done():
                messages.failure.set_exception(error)
