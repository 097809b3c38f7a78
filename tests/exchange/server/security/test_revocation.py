"""Revocation: a stream ends with UNAUTHENTICATED soon after its token is no longer valid."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import NARROW
from exchange.servers import (
    GET,
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
from grpc_reflection.v1alpha.reflection_pb2 import (
    ServerReflectionRequest,
    ServerReflectionResponse,
)

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.exchange.v1.feedback_service_pb2_grpc import FeedbackServiceStub

#: The most seconds from a change to the end of a stream.
MOST_SECONDS = 2.0

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    file = TokenFile(tmp_path / "tokens.json")
    file.create("another caller", Role.ADMIN)
    return file


def guarded(tokens: TokenFile, **others: Any) -> ServerOptions:
    return ServerOptions(address=LOOPBACK, tokens=tokens, **others)


def rewrite(tokens: TokenFile, id_: str, **fields: Any) -> None:
    """Change a token in the file, as an operator with an editor does."""
    content = json.loads(tokens.path.read_text())
    for token in content["tokens"]:
        if token["id"] == id_:
            token.update(fields)
    new = tokens.path.with_suffix(".new")
    new.touch(0o600)
    new.write_text(json.dumps(content))
    os.replace(new, tokens.path)


def expire(tokens: TokenFile, id_: str) -> None:
    rewrite(tokens, id_, expires=datetime.now(UTC).isoformat())


def feedback_on(channel: Any) -> Any:
    """Return the stub of the feedback service on a channel."""
    return FeedbackServiceStub(channel)


def batch(number: int) -> v1.IngestRequest:
    return v1.IngestRequest(
        batch_id=number, events=[ir_v1.FeedbackEvent(id=f"e{number}", comment="x")]
    )


class Opened:
    """A stream of one kind: what the client sends, and what it gets for it."""

    def __init__(self, call: Any, request: Any = None) -> None:
        self.call = call
        self._request = request

    async def exchange_messages(self, number: int) -> None:
        if self._request is not None:
            await self.call.write(self._request(number))
        await self.call.read()


def watch(channel: Any, metadata: Any) -> Opened:
    return Opened(stub_on(channel).Watch(v1.WatchRequest(), metadata=metadata))


def ingest(channel: Any, metadata: Any) -> Opened:
    return Opened(feedback_on(channel).Ingest(metadata=metadata), batch)


def batch_publish(channel: Any, metadata: Any) -> Opened:
    def request(number: int) -> v1.BatchPublishRequest:
        publish = v1.PublishRequest(document=model(f"m{number}"))
        return v1.BatchPublishRequest(index=number, publish=publish)

    return Opened(stub_on(channel).BatchPublish(metadata=metadata), request)


def reflection(channel: Any, metadata: Any) -> Opened:
    open_stream = channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )
    return Opened(
        open_stream(metadata=metadata), lambda _: ServerReflectionRequest(list_services="")
    )


OPEN: list[Callable[[Any, Any], Opened]] = [watch, ingest, batch_publish, reflection]

CHANGES: dict[str, tuple[str, Callable[[TokenFile, str], object]]] = {
    "revoked": ("TOKEN_INVALID", TokenFile.revoke),
    "expired": ("TOKEN_EXPIRED", expire),
    "other secret": ("TOKEN_INVALID", lambda file, id_: rewrite(file, id_, hash="00" * 64)),
    "narrower types": ("TOKEN_CHANGED", lambda file, id_: rewrite(file, id_, types=["Prompt"])),
    "narrower ids": ("TOKEN_CHANGED", lambda file, id_: rewrite(file, id_, id_prefixes=["a/"])),
    "lower role": ("TOKEN_CHANGED", lambda file, id_: rewrite(file, id_, role="reader")),
}


@pytest.mark.parametrize("open_stream", OPEN)
@pytest.mark.parametrize(("reason", "change"), CHANGES.values(), ids=CHANGES)
def test_idle_stream_ends_soon_after_its_token_changed(
    tmp_path: Path,
    tokens: TokenFile,
    open_stream: Callable[[Any, Any], Opened],
    reason: str,
    change: Callable[[TokenFile, str], object],
) -> None:
    token, text = tokens.create("caller", Role.ADMIN)
    _, other = tokens.create("other", Role.ADMIN)

    async def work() -> float:
        options = guarded(tokens, reflection=True)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            stream, unaffected = (open_stream(channel, bearer(each)) for each in (text, other))
            for each in (stream, unaffected):
                await each.exchange_messages(1)
            change(tokens, token.id)
            changed = time.monotonic()
            error = await failure(stream.call.read())
            seconds = time.monotonic() - changed
            assert error.code() is UNAUTHENTICATED
            assert reason_of(error) == reason
            # The streams of other callers go on.
            if open_stream is watch:
                request = v1.PublishRequest(document=model("m"))
                await stub_on(channel).Publish(request, metadata=bearer(other))
            await unaffected.exchange_messages(2)
            unaffected.call.cancel()
            return seconds

    assert run(work()) < MOST_SECONDS


@pytest.mark.parametrize("open_stream", [ingest, batch_publish])
def test_nothing_is_stored_or_acknowledged_after_a_revocation(
    tmp_path: Path, tokens: TokenFile, open_stream: Callable[[Any, Any], Opened]
) -> None:
    token, text = tokens.create("caller", Role.PUBLISHER)
    _, reader = tokens.create("reader", Role.READER)

    async def work() -> tuple[int, bool]:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            stream = open_stream(channel, bearer(text))
            await stream.exchange_messages(1)
            tokens.revoke(token.id)
            # The server has not looked at the file since, unless each message makes it do so.
            error = await failure(stream.exchange_messages(2))
            assert error.code() is UNAUTHENTICATED
            summarize = feedback_on(channel).Summarize(
                v1.SummarizeRequest(), metadata=bearer(reader)
            )
            events = sum(each.count for each in (await summarize).summaries)
            get = v1.GetRequest(type="ModelRef", id="m2")
            missing = await failure(stub_on(channel).Get(get, metadata=bearer(reader)))
            return events, missing.code() is grpc.StatusCode.NOT_FOUND

    assert run(work()) == (int(open_stream is ingest), True)


def test_watch_is_not_told_of_a_change_after_a_revocation(
    tmp_path: Path, tokens: TokenFile
) -> None:
    token, text = tokens.create("caller", Role.READER)
    _, publisher = tokens.create("publisher", Role.PUBLISHER)

    async def work() -> None:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            stream = watch(channel, bearer(text))
            await stream.exchange_messages(1)
            tokens.revoke(token.id)
            request = v1.PublishRequest(document=model("secret"))
            await stub_on(channel).Publish(request, metadata=bearer(publisher))
            error = await failure(stream.call.read())
            assert error.code() is UNAUTHENTICATED

    run(work())


def test_export_to_a_client_that_does_not_read_ends_too(tmp_path: Path, tokens: TokenFile) -> None:
    token, text = tokens.create("caller", Role.ADMIN)
    count, size = 400, 50_000

    async def work() -> tuple[int, float]:
        async with (
            serving(tmp_path, guarded(tokens)) as server,
            channel_to(server, **dict(NARROW)) as channel,
        ):
            stub = feedback_on(channel)
            stored = stub.Ingest(metadata=bearer(text))
            for start in range(0, count, 50):
                events = [
                    ir_v1.FeedbackEvent(id=f"e{number}", comment="x" * size)
                    for number in range(start, start + 50)
                ]
                await stored.write(v1.IngestRequest(events=events))
                await stored.read()
            stored.cancel()
            export = stub.Export(v1.ExportRequest(batch_size=10), metadata=bearer(text))
            received = len((await export.read()).events)
            await asyncio.sleep(0.5)
            tokens.revoke(token.id)
            await asyncio.sleep(MOST_SECONDS)
            began = time.monotonic()
            try:
                while True:
                    received += len((await export.read()).events)
            except grpc.aio.AioRpcError as error:
                assert error.code() is UNAUTHENTICATED
                assert reason_of(error) == "TOKEN_INVALID"
            return received, time.monotonic() - began

    received, seconds = run(work())
    assert received < count
    assert seconds < MOST_SECONDS


def test_streams_end_while_the_token_file_is_unreadable(tmp_path: Path, tokens: TokenFile) -> None:
    _, text = tokens.create("caller", Role.ADMIN)

    async def work() -> Any:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            stream = watch(channel, bearer(text))
            await stream.exchange_messages(1)
            tokens.path.unlink()
            return await failure(stream.call.read())

    error = run(work())
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert reason_of(error) == "TOKENS_UNREADABLE"


def test_stream_goes_on_when_its_token_expires_later(tmp_path: Path, tokens: TokenFile) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    token, text = tokens.create("caller", Role.ADMIN, expires=soon)

    async def work() -> None:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            stream = ingest(channel, bearer(text))
            await stream.exchange_messages(1)
            rewrite(tokens, token.id, expires=(soon + timedelta(hours=1)).isoformat())
            await asyncio.sleep(MOST_SECONDS)
            await stream.exchange_messages(2)
            stream.call.cancel()

    run(work())


def test_stream_that_its_client_cancels_is_no_longer_checked(
    tmp_path: Path, tokens: TokenFile
) -> None:
    token, text = tokens.create("caller", Role.ADMIN)
    _, other = tokens.create("other", Role.ADMIN)

    async def work() -> grpc.StatusCode:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            stream = watch(channel, bearer(text))
            await stream.exchange_messages(1)
            stream.call.cancel()
            tokens.revoke(token.id)
            await asyncio.sleep(MOST_SECONDS)
            return (await failure(stub_on(channel).Get(GET, metadata=bearer(other)))).code()

    assert run(work()) is grpc.StatusCode.NOT_FOUND
