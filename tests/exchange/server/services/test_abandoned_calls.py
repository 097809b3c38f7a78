"""The query of a call ends with the call, however that ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.endless import Work
from exchange.servers import (
    LOOPBACK,
    bearer,
    channel_to,
    failure,
    model,
    reason_of,
    run,
    serving,
    stub_on,
)

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.security.limits import CallLimits
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.store import Store
from crucible_ir.exchange.store.engine.database import HEAVY_PER_CALLER, HEAVY_READERS
from crucible_ir.exchange.store.statements import changes, documents, feedback, lineage
from crucible_ir.exchange.store.statements.lists import pages
from crucible_ir.exchange.store.summaries import summarizing
from crucible_ir.exchange.v1.feedback_service_pb2_grpc import FeedbackServiceStub

#: How long a query may go on after its call, in seconds; a tenth of that where nothing else runs.
WITHIN = 1.0

#: The methods that read much, with the functions that do it, here replaced by endless ones.
METHODS: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "Summarize": (summarizing, "summarize", lambda channel: _feedback(channel).Summarize),
    "Export": (feedback, "export", lambda channel: _feedback(channel).Export),
    "List": (pages, "list_documents", lambda channel: stub_on(channel).List),
    "ListRevisions": (documents, "list_revisions", lambda channel: stub_on(channel).ListRevisions),
    "TraceLineage": (lineage, "trace", lambda channel: stub_on(channel).TraceLineage),
    "Compact": (changes, "last_change_before", lambda channel: stub_on(channel).Compact),
    "Publish": (documents, "preview", lambda channel: stub_on(channel).Publish),
}

REQUESTS = {
    "Summarize": v1.SummarizeRequest(),
    "Export": v1.ExportRequest(),
    "List": v1.ListRequest(type="ModelRef", filters=[v1.Filter(field="id", prefix="m")]),
    "ListRevisions": v1.ListRevisionsRequest(type="ModelRef", id="m"),
    "TraceLineage": v1.TraceLineageRequest(type="ModelRef", id="m"),
    "Compact": v1.CompactRequest(within={"seconds": 1}),
    "Publish": v1.PublishRequest(document=model("m"), validate_only=True),
}


def _feedback(channel: Any) -> Any:
    return FeedbackServiceStub(channel)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Replace every query of the methods with an endless one."""
    work = Work()
    for module, name, _ in METHODS.values():
        monkeypatch.setattr(
            module, name, lambda connection, *_, **__: work.one_statement(connection)
        )
    # An export of no events would read nothing.
    monkeypatch.setattr(Store, "last_event", last_event)
    return work


async def last_event(store: Store) -> int:
    return 1


def begin(channel: Any, method: str, **options: Any) -> Awaitable[Any]:
    """Begin a call; for a stream of responses, wait for the first one."""
    call = METHODS[method][2](channel)(REQUESTS[method], **options)
    return call.read() if method == "Export" else call  # type: ignore[no-any-return]


async def ends_in_time(work: Work, begun: float) -> None:
    """Check that the one query in progress ends in time."""
    await work.have_ended(1)
    assert work.ended[0] - begun < WITHIN


@pytest.mark.parametrize("method", METHODS)
def test_query_ends_with_the_deadline_of_the_client(
    method: str, tmp_path: Path, work: Work
) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as server, channel_to(server) as channel:
            await channel.channel_ready()
            begun = time.monotonic()
            error = await failure(begin(channel, method, timeout=0.1))
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await ends_in_time(work, begun + 0.1)

    run(scenario())


@pytest.mark.parametrize("method", ["Summarize", "Export"])
def test_query_ends_when_the_client_cancels_or_disconnects(
    method: str, tmp_path: Path, work: Work
) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as server:
            async with channel_to(server) as channel:
                calling = asyncio.ensure_future(begin(channel, method))
                await work.have_begun(1)
                begun = time.monotonic()
                calling.cancel()
                await ends_in_time(work, begun)
                disconnected = asyncio.ensure_future(failure(begin(channel, method)))
                await work.have_begun(2)
                begun = time.monotonic()
            await work.have_ended(2)
            assert work.ended[1] - begun < WITHIN
            await asyncio.gather(calling, disconnected, return_exceptions=True)

    run(scenario())


def test_query_ends_with_the_limit_of_the_server(tmp_path: Path, work: Work) -> None:
    async def scenario() -> None:
        limits = CallLimits(seconds=0.2)
        options = ServerOptions(address=LOOPBACK, limits=limits)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            await channel.channel_ready()
            begun = time.monotonic()
            error = await failure(begin(channel, "Summarize"))
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await ends_in_time(work, begun + 0.2)

    run(scenario())


def test_query_of_a_stream_ends_when_its_token_is_revoked(tmp_path: Path, work: Work) -> None:
    async def scenario() -> None:
        tokens = TokenFile(tmp_path / "tokens.json")
        tokens.create("another", Role.READER)
        token, secret = tokens.create("caller", Role.READER)
        options = ServerOptions(address=LOOPBACK, tokens=tokens)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            call = asyncio.ensure_future(failure(begin(channel, "Export", metadata=bearer(secret))))
            await work.have_begun(1)
            tokens.revoke(token.id)
            error = await call
            ended = time.monotonic()
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
            await ends_in_time(work, ended)

    run(scenario())


def test_query_of_a_stream_ends_at_once_when_the_server_drains(tmp_path: Path, work: Work) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as server, channel_to(server) as channel:
            call = asyncio.ensure_future(failure(begin(channel, "Export")))
            await work.have_begun(1)
            begun = time.monotonic()
            stopping = asyncio.create_task(server.stop(10))
            error = await call
            assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
            await ends_in_time(work, begun)
            await stopping

    run(scenario())


def test_query_of_a_call_ends_when_the_server_stops_waiting(tmp_path: Path, work: Work) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as server, channel_to(server) as channel:
            call = asyncio.ensure_future(failure(begin(channel, "Summarize")))
            await work.have_begun(1)
            await server.stop(0.2)
            ended = time.monotonic()
            await call
            await work.have_ended(1)
            assert work.ended[0] - ended < WITHIN

    run(scenario())


def test_heavy_calls_of_one_caller_wait_in_order_and_leave_room_for_others(
    tmp_path: Path, work: Work
) -> None:
    async def scenario() -> None:
        tokens = TokenFile(tmp_path / "tokens.json")
        greedy, modest = (bearer(tokens.create(name, Role.READER)[1]) for name in ("g", "m"))
        options = ServerOptions(address=LOOPBACK, tokens=tokens)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            calls = [
                asyncio.ensure_future(failure(begin(channel, "Summarize", metadata=greedy)))
                for _ in range(HEAVY_READERS + 2)
            ]
            await work.have_begun(HEAVY_PER_CALLER)
            # Their deadlines keep running while they wait.
            late = await failure(begin(channel, "Export", metadata=greedy, timeout=0.2))
            assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert work.begun == HEAVY_PER_CALLER
            calls.append(asyncio.ensure_future(failure(begin(channel, "Export", metadata=modest))))
            await work.have_begun(HEAVY_PER_CALLER + 1)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    run(scenario())
