"""Stubs whose calls fail when sending fails; those of betterproto2 would wait for a response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from betterproto2.grpclib.grpclib_client import MessageSource, ServiceStub
from grpclib.exceptions import GRPCError, ProtocolError, StreamTerminatedError

#: Errors that end both directions of a stream; the receiving side raises the more precise error.
_STREAM_ERRORS = (GRPCError, ProtocolError, StreamTerminatedError)


class _Sending:
    """The messages that a call sends, and a future that fails if sending fails."""

    def __init__(self, messages: MessageSource) -> None:
        self.messages = messages
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class SendingStub(ServiceStub):
    """A stub whose bidirectional calls raise the errors of their messages and of the codec."""

    async def _stream_stream(
        self, route: str, request_iterator: MessageSource, *types: Any, **options: Any
    ) -> AsyncIterator[Any]:
        sending = _Sending(request_iterator)
        responses = super()._stream_stream(route, sending, *types, **options)  # type: ignore[arg-type]  # passed to `_send_messages`
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
                    received = response.result()
                except StopAsyncIteration:
                    if sending.failure.done():
                        sending.failure.result()
                    return
                yield received
        finally:
            sending.failure.cancel()
            await responses.aclose()  # type: ignore[attr-defined]  # typed as an iterator

    async def _send_messages(self, stream: Any, messages: Any) -> None:  # type: ignore[override]  # a static method there
        try:
            await super()._send_messages(stream, messages.messages)
        except _STREAM_ERRORS:
            raise
        except Exception as error:
            if not messages.failure.done():
                messages.failure.set_exception(error)
