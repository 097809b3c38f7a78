"""A web backend that takes feedback from browsers and hands it on to an exchange.

The variable CRUCIBLE_IR_SERVER has the address of the exchange, and CRUCIBLE_IR_TOKEN the token, if
it requires one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.exchange import AsyncExchangeClient, ExchangeError

log = logging.getLogger("uvicorn.error")

#: The most bytes of an event.
MAX_BYTES = 64 * 1024

#: A body, for the page of the API.
EXAMPLE = {
    "id": "0197a1c8-7d1e-7cc0-b8f3-2f0a3d2f6a10",
    "deployment_id": "chat",
    "model_version": "llama_3",
    "feedback_type": "thumbs",
    "feedback_value": "down",
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Keep one client for all requests."""
    target = os.environ.get("CRUCIBLE_IR_SERVER", "127.0.0.1:7551")
    token = os.environ.get("CRUCIBLE_IR_TOKEN")
    # The browser repeats a request that fails, so the backend does not wait for long.
    async with AsyncExchangeClient(
        target, token=token, timeout=5, wait_for_server=False
    ) as exchange:
        yield {"exchange": exchange}


app = FastAPI(title="Feedback", lifespan=lifespan)


async def read_event(request: Request) -> v1.FeedbackEvent:
    """Read the event in the body of a request; the schema says what is valid."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"an event has at most {MAX_BYTES} bytes")
    try:
        event = ir.from_crucible_json(body, v1.FeedbackEvent)
    except ir.ValidationError as error:
        raise HTTPException(
            422,
            [
                {"path": each.path, "rule": each.rule_id, "message": each.message}
                for each in error.violations
            ],
        ) from error
    except ir.DecodeError as error:
        raise HTTPException(422, [{"path": error.path, "message": str(error)}]) from error
    if not event.HasField("timestamp"):
        event.timestamp.FromDatetime(datetime.now(UTC))
    return event


@app.post(
    "/feedback",
    openapi_extra={
        "requestBody": {"content": {"application/json": {"example": EXAMPLE}}, "required": True}
    },
)
async def take_feedback(
    event: Annotated[v1.FeedbackEvent, Depends(read_event)], request: Request
) -> dict[str, Any]:
    """Store an event. It is on disk when the answer arrives, and a repetition changes nothing."""
    exchange: AsyncExchangeClient = request.state.exchange
    try:
        report = await exchange.ingest([event])
    except ExchangeError as error:
        # The browser may send the same event again: its id makes that safe. The reason is for the
        # log, not for the browser.
        log.warning("cannot store an event: %s", error)
        raise HTTPException(503, "not stored: try again", headers={"Retry-After": "5"}) from error
    for refused in report.refused:
        raise HTTPException(503 if refused.retryable else 422, str(refused.error))
    return {"id": event.id, "is_new": report.accepted == 1}
