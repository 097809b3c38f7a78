"""``POST /v1/feedback``: feedback events from web backends, which need no protobuf for them.

A request is a call of ``FeedbackService.Ingest``, with the same authentication, limits, redaction
and storage.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import grpc
import orjson

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.rpc.errors import RpcError, quota
from crucible_ir.exchange.server.rpc.in_process import Calls, is_rejected, no_requests
from crucible_ir.exchange.server.security.limits import (
    CallLimits,
    too_large_request,
    unreadable_request,
)
from crucible_ir.web.api.bodies import (
    DisconnectedError,
    TooLargeError,
    decompress,
    read_body,
    unreadable,
)
from crucible_ir.web.api.calls import Call, CallResponse, late
from crucible_ir.web.api.codecs import JSON
from crucible_ir.web.api.feedback_events import Feedback, TooManyEventsError, read_feedback
from crucible_ir.web.api.feedback_report import rejection_errors
from crucible_ir.web.api.media_types import FEEDBACK_FORMATS, FeedbackFormat
from crucible_ir.web.api.openapi import INGEST
from crucible_ir.web.api.requests import Headers
from crucible_ir.web.api.responses import Sender

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

#: The name of the protocol in logs and metrics.
PROTOCOL: Final = "http"

#: How many requests are parsed at a time. Tokens are checked on threads of the same pool.
_PARSED_AT_A_TIME: Final = 2

_OK: Final = 200
_TOO_LARGE: Final = 413
_UNSUPPORTED: Final = 415
_NOTHING_STORED: Final = 422


class FeedbackEndpoint:
    """Stores feedback, as an ASGI application.

    Args:
        calls: The handlers of the exchange.
        limits: The limits of the server.
        write_seconds: How long a client may take to receive the response.
    """

    def __init__(self, calls: Calls, limits: CallLimits, write_seconds: float) -> None:
        self._calls = calls
        self._limits = limits
        self._write_seconds = write_seconds
        self._parsing = asyncio.Semaphore(_PARSED_AT_A_TIME)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        # The client does not wait for an answer any more.
        with suppress(DisconnectedError):
            await self._answer(scope, receive, Sender(scope, send, self._write_seconds))

    async def _answer(self, scope: Scope, receive: Receive, sender: Sender) -> None:
        headers = Headers(scope)
        if scope["method"] != "POST":
            await sender.whole(405, [(b"allow", b"POST")], b"")
            return
        format_ = FEEDBACK_FORMATS.get(headers.media_type)
        if format_ is None:
            types = ", ".join(FEEDBACK_FORMATS)
            error = RpcError(
                grpc.StatusCode.INVALID_ARGUMENT, f"Content-Type must be one of {types}"
            )
            await sender.error(error, [(b"accept-post", types.encode())], _UNSUPPORTED)
            return
        handler = await self._calls.admit(INGEST, headers.metadata, protocol=PROTOCOL)
        assert handler is not None, "the service is registered"
        call = Call(
            scope=scope,
            headers=headers,
            receive=receive,
            sender=sender,
            codec=JSON,
            handler=handler,
            request=v1.IngestRequest,
            response=v1.IngestResponse,
            limits=self._limits,
        )
        await _FeedbackResponse(call, format_, self._parsing).answer()


class _FeedbackResponse(CallResponse):
    """The response to a request with feedback."""

    def __init__(self, call: Call, format_: FeedbackFormat, parsing: asyncio.Semaphore) -> None:
        super().__init__(call)
        self._format = format_
        self._parsing = parsing
        self._feedback = Feedback()
        self._error_status: int | None = None

    async def answer(self) -> None:
        """Answer the request when its events are durable.

        Raises:
            DisconnectedError: The client closed the connection.
        """
        call = self._call
        async with aclosing(self._requests()) as requests:
            await self._run(no_requests() if is_rejected(call.handler) else requests, None)
        headers = self._headers()
        if self._context.error is not None:
            await call.sender.error(self._context.error, headers, self._error_status)
            return
        report = self._feedback.report
        status = _OK if report.accepted or report.duplicates else _NOTHING_STORED
        headers.append((b"content-type", b"application/json"))
        await call.sender.whole(status, headers, orjson.dumps(report.json()))

    async def _requests(self) -> AsyncGenerator[Any]:
        """Yield the events in deserialized requests; the last one may end the call."""
        deserialize: Any = self._call.handler.request_deserializer
        most = self._call.limits.message_bytes
        try:
            self._feedback = await self._read(most)
        except TooLargeError as error:
            self._error_status = _TOO_LARGE
            yield too_large_request(error.size, most)
        except TooManyEventsError as error:
            self._error_status = _TOO_LARGE
            yield unreadable_request(0, quota("request", str(error)))
        except RpcError as error:
            if error.code is grpc.StatusCode.UNIMPLEMENTED:
                self._error_status = _UNSUPPORTED
            yield unreadable_request(0, error)
        except TimeoutError:
            yield unreadable_request(0, late())
        except DisconnectedError:
            self._disconnect()
            await asyncio.Event().wait()
        for batch in self._feedback.batches():
            yield deserialize(batch.SerializeToString())

    async def _read(self, most: int) -> Feedback:
        call = self._call
        async with asyncio.timeout(call.limits.seconds):
            body = await read_body(call.receive, most)
        self._body_read.set()
        data = decompress(body, call.headers.get("content-encoding"), most)
        # Many lines take long, and hostile ones longer.
        async with self._parsing:
            feedback = await asyncio.to_thread(read_feedback, data, self._format)
        if not feedback.events and not feedback.report.rejected:
            raise unreadable("the request has no events")
        return feedback

    async def _begin(self) -> None:
        """Do nothing: the headers depend on whether the call succeeds."""

    async def _send(self, response: Any) -> None:
        """Add the result of a batch to the report."""
        report = self._feedback.report
        report.accepted += response.accepted
        report.duplicates += len(response.duplicates)
        for item in response.rejected:
            line = self._feedback.lines[response.batch_id + item.index]
            report.reject(partial(rejection_errors, item.error, line))
