"""Authentication: every method without credentials, with invalid ones, and with too low a role."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.servers import (
    GET,
    LOOPBACK,
    bearer,
    channel_to,
    details_of,
    failure,
    model,
    reason_of,
    run,
    serving,
    stub_on,
)
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.rpc.errors import RpcError
from crucible_ir.exchange.server.security.authentication import (
    METHOD_ROLES,
    TokenChecker,
    may_call,
)
from crucible_ir.exchange.server.security.tokens import Role, Token, TokenFile
from crucible_ir.exchange.server.services.registration import method_names
from crucible_ir.exchange.server.standard_services import OPEN_METHODS
from crucible_ir.exchange.store.records import Scope

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    file = TokenFile(tmp_path / "tokens.json")
    file.create("another caller", Role.ADMIN)
    return file


def guarded(tokens: TokenFile, **others: Any) -> ServerOptions:
    return ServerOptions(address=LOOPBACK, tokens=tokens, **others)


def request_of(method: str) -> bytes:
    """Return a valid request of a method that takes a single one."""
    service, name = method.lstrip("/").split("/")
    found = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
    if found.input_type.name == "GetRequest":
        return GET.SerializeToString()
    return b""


async def end_of(channel: Any, method: str, metadata: Any = ()) -> Any:
    """Call a method as a stream, send nothing, and return the error with which it ends."""
    open_stream = channel.stream_stream(method)
    return await failure(open_stream(metadata=metadata, timeout=10).read())


def test_exactly_the_methods_of_the_schema_have_roles() -> None:
    assert METHOD_ROLES.keys() - {REFLECTION} == set(method_names())
    assert not OPEN_METHODS & METHOD_ROLES.keys()


def test_readers_cannot_call_methods_that_change_something() -> None:
    changing = {
        *("Publish", "BatchPublish", "AppendMetrics", "Delete", "Compact", "Ingest"),
        *("SetFeedbackConfig", "EraseFeedback", "Purge"),
    }
    # They show what others did.
    watching = {"ListAuditEntries"}
    for method, role in METHOD_ROLES.items():
        name = method.rpartition("/")[2]
        assert (role > Role.READER) == (name in changing | watching), method


def test_the_role_ingest_may_call_ingest_and_nothing_else() -> None:
    allowed = [method for method in METHOD_ROLES if may_call(Role.INGEST, method)]
    assert allowed == ["/crucible_ir.exchange.v1.FeedbackService/Ingest"]
    assert not may_call(Role.READER, allowed[0])
    assert may_call(Role.PUBLISHER, allowed[0])


@pytest.mark.parametrize("metadata", [(), bearer("x"), (("authorization", "Basic eDp5"),)])
def test_every_method_without_a_token_is_rejected_before_its_request(
    tmp_path: Path, tokens: TokenFile, metadata: Any
) -> None:
    async def work() -> None:
        async with (
            serving(tmp_path, guarded(tokens, reflection=True)) as server,
            channel_to(server) as channel,
        ):
            for method in METHOD_ROLES:
                error = await end_of(channel, method, metadata)
                assert error.code() == grpc.StatusCode.UNAUTHENTICATED, method
                assert reason_of(error) in ("TOKEN_MISSING", "TOKEN_INVALID"), method

    run(work())


def test_every_method_with_an_invalid_token_is_rejected(tmp_path: Path, tokens: TokenFile) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    _, expired = tokens.create("expired", Role.ADMIN, expires=past)
    revoked_token, revoked = tokens.create("revoked", Role.ADMIN)
    tokens.revoke(revoked_token.id)
    _, good = tokens.create("good", Role.ADMIN)
    wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
    other = TokenFile(tmp_path / "other.json")
    _, strange = other.create("good", Role.ADMIN)
    expected = {
        expired: "TOKEN_EXPIRED",
        revoked: "TOKEN_INVALID",
        wrong: "TOKEN_INVALID",
        good[:-1]: "TOKEN_INVALID",
        strange: "TOKEN_INVALID",
    }

    async def work() -> None:
        async with (
            serving(tmp_path, guarded(tokens, reflection=True)) as server,
            channel_to(server) as channel,
        ):
            # Accepting one token does not make another one valid.
            await failure(stub_on(channel).Get(GET, metadata=bearer(good)))
            for method in METHOD_ROLES:
                for text, reason in expected.items():
                    error = await end_of(channel, method, bearer(text))
                    assert error.code() == grpc.StatusCode.UNAUTHENTICATED, (method, reason)
                    assert reason_of(error) == reason, method

    run(work())


def test_token_allows_exactly_the_methods_of_its_role(tmp_path: Path, tokens: TokenFile) -> None:
    texts = {role: tokens.create(f"the {role}", role)[1] for role in Role}

    async def work() -> None:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            for method in method_names():
                for role, text in texts.items():
                    open_stream = channel.stream_stream(method)
                    call = open_stream(metadata=bearer(text), timeout=10)
                    try:
                        # A rejected call may have ended before anything is written.
                        await call.write(request_of(method))
                        await call.done_writing()
                        # On a busy machine, a rejection takes longer than this.
                        within = 0.5 if may_call(role, method) else 10
                        await asyncio.wait_for(call.read(), within)
                        code = None
                    except TimeoutError:
                        # A watch of future changes may send nothing; the call was accepted.
                        code = None
                    except grpc.aio.AioRpcError as error:
                        code = error.code()
                    call.cancel()
                    rejected = code == grpc.StatusCode.PERMISSION_DENIED
                    assert rejected != may_call(role, method), (method, role, code)
                    assert code != grpc.StatusCode.UNAUTHENTICATED

    run(work())


def test_insufficient_role_is_named_with_the_required_one(
    tmp_path: Path, tokens: TokenFile
) -> None:
    _, text = tokens.create("dashboard", Role.READER)

    async def work() -> Any:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            request = v1.PublishRequest(document=model("m"))
            return await failure(stub_on(channel).Publish(request, metadata=bearer(text)))

    error = run(work())
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    (info,) = details_of(error)
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain) == ("ROLE_REQUIRED", "crucible-ir")
    assert dict(info.metadata) == {
        "method": "/crucible_ir.exchange.v1.ExchangeService/Publish",
        "needed": "publisher",
        "role": "reader",
    }


def test_record_names_the_publisher(tmp_path: Path, tokens: TokenFile) -> None:
    _, text = tokens.create("trainer", Role.PUBLISHER)

    async def work() -> Any:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            request = v1.PublishRequest(document=model("m"))
            return await stub_on(channel).Publish(request, metadata=bearer(text))

    assert run(work()).record.publisher == "trainer"


@pytest.mark.parametrize(
    ("prefix", "id_", "allowed"),
    [
        ("team-a/", "team-a/m", True),
        ("team-a/", "team-a/", True),
        ("team-a/", "team-a", False),
        ("team-a/", "team-", False),
        ("team-a/", "team-A/m", False),
        ("team-a/", "x/team-a/m", False),
        ("team-a/", "team-b/../team-a/m", False),
        ("team-a/", "team-a\u0000/m", False),
        ("100%", "100%25", True),
        ("100%", "100", False),
        ("caf\u00e9", "cafe\u0301", False),
    ],
)
def test_scope_prefix_is_exact(
    tmp_path: Path, tokens: TokenFile, prefix: str, id_: str, allowed: bool
) -> None:
    _, text = tokens.create("team", Role.PUBLISHER, scope=Scope(None, (prefix,)))

    async def work() -> Any:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            call = stub_on(channel).Publish(
                v1.PublishRequest(document=model(id_)), metadata=bearer(text)
            )
            if allowed:
                return await call
            return (await failure(call)).code()

    result = run(work())
    if allowed:
        assert result.record.id == id_
    else:
        assert result == grpc.StatusCode.PERMISSION_DENIED


def test_scope_of_types_excludes_other_types(tmp_path: Path, tokens: TokenFile) -> None:
    _, text = tokens.create("team", Role.READER, scope=Scope(frozenset({"TrainingRun"}), None))

    async def work() -> Any:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            return await failure(stub_on(channel).Get(GET, metadata=bearer(text)))

    assert run(work()).code() == grpc.StatusCode.PERMISSION_DENIED


def checked(file: TokenFile, text: str, now: datetime | None = None) -> str:
    """Return the name of a token's owner, or the reason of the rejection."""
    checker = TokenChecker(file) if now is None else TokenChecker(file, now=lambda: now)
    return run(identified(checker, text))


async def identified(checker: TokenChecker, text: str) -> str:
    try:
        return str((await checker.identify(text)).caller.name)
    except RpcError as error:
        (info,) = error.details
        assert isinstance(info, error_details_pb2.ErrorInfo)
        return str(info.reason)


def test_token_is_rejected_after_its_expiry(tokens: TokenFile) -> None:
    expiry = datetime(2100, 1, 1, tzinfo=UTC)
    _, text = tokens.create("trainer", Role.READER, expires=expiry)
    assert checked(tokens, text, expiry - timedelta(seconds=1)) == "trainer"
    assert checked(tokens, text, expiry) == "TOKEN_EXPIRED"


def test_cached_token_expires(tokens: TokenFile) -> None:
    expiry = datetime(2100, 1, 1, tzinfo=UTC)
    _, text = tokens.create("trainer", Role.READER, expires=expiry)
    clock = iter([expiry - timedelta(seconds=1), expiry])
    checker = TokenChecker(tokens, now=lambda: next(clock))
    assert run(identified(checker, text)) == "trainer"
    assert run(identified(checker, text)) == "TOKEN_EXPIRED"


def test_almost_correct_secret_is_rejected_despite_the_cache(
    tokens: TokenFile,
) -> None:
    _, text = tokens.create("trainer", Role.READER)
    checker = TokenChecker(tokens)
    assert run(identified(checker, text)) == "trainer"
    for place in (len(text) - 1, len(text) - 64, 5):
        digit = "0" if text[place] != "0" else "1"
        wrong = text[:place] + digit + text[place + 1 :]
        assert run(identified(checker, wrong)) == "TOKEN_INVALID"


def test_hash_is_computed_once_for_a_token_and_for_each_wrong_one(
    tokens: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = tokens.create("trainer", Role.READER)
    wrong = text[:-1] + ("0" if text[-1] != "0" else "1")
    checker = TokenChecker(tokens)
    matches = Token.matches
    hashed = []

    def count(token: Token, secret: str) -> bool:
        hashed.append(secret)
        return matches(token, secret)

    monkeypatch.setattr(Token, "matches", count)
    for presented in (text, text, wrong, wrong, text):
        run(identified(checker, presented))
    assert hashed == [text[-64:], wrong[-64:], wrong[-64:]]


def test_changes_of_the_token_file_take_effect_at_once(tmp_path: Path, tokens: TokenFile) -> None:
    first, text = tokens.create("first", Role.READER)

    async def work() -> list[grpc.StatusCode]:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            get = stub_on(channel).Get
            codes = [(await failure(get(GET, metadata=bearer(text)))).code()]
            tokens.revoke(first.id)
            _, second = tokens.create("second", Role.READER)
            codes.append((await failure(get(GET, metadata=bearer(text)))).code())
            codes.append((await failure(get(GET, metadata=bearer(second)))).code())
            return codes

    # The document does not exist, which only authenticated callers learn.
    assert run(work()) == [
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.NOT_FOUND,
    ]


@pytest.mark.parametrize("harm", ["gone", "broken", "readable"])
def test_all_calls_are_rejected_while_the_token_file_is_unreadable(
    tokens: TokenFile, harm: str
) -> None:
    _, text = tokens.create("trainer", Role.READER)
    checker = TokenChecker(tokens)
    assert run(identified(checker, text)) == "trainer"
    content = tokens.path.read_bytes()
    if harm == "gone":
        tokens.path.unlink()
    else:
        tokens.path.write_bytes(content + (b"}" if harm == "broken" else b"\n"))
        tokens.path.chmod(0o644 if harm == "readable" else 0o600)
    assert run(identified(checker, text)) == "TOKENS_UNREADABLE"
    tokens.path.write_bytes(content)
    tokens.path.chmod(0o600)
    os.utime(tokens.path)
    assert run(identified(checker, text)) == "trainer"


@pytest.mark.parametrize(
    "metadata",
    [
        (("authorization", ""),),
        (("authorization", "Bearer"),),
        (("authorization", "bearer  "),),
        (("authorization", "Bearer a"), ("authorization", "Bearer b")),
        (("authorization", "Bearer " + "x" * 4000),),
        (("authorization-bin", b"Bearer \xff\x00"),),
        (("authorization", "Bearer ' OR 1=1 --"),),
        (("authorization", "Bearer ../../etc/passwd"),),
    ],
)
def test_malformed_credentials_are_rejected_like_missing_ones(
    tmp_path: Path, tokens: TokenFile, metadata: Any
) -> None:
    async def work() -> Any:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            return await failure(stub_on(channel).Get(GET, metadata=metadata))

    assert run(work()).code() == grpc.StatusCode.UNAUTHENTICATED


def test_bearer_scheme_is_case_insensitive(tmp_path: Path, tokens: TokenFile) -> None:
    _, text = tokens.create("trainer", Role.READER)

    async def work() -> Any:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            metadata = (("authorization", f"bEARER  {text}"),)
            return await failure(stub_on(channel).Get(GET, metadata=metadata))

    assert run(work()).code() == grpc.StatusCode.NOT_FOUND


def test_method_without_a_role_is_rejected_even_for_an_admin(
    tmp_path: Path, tokens: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = tokens.create("root", Role.ADMIN)
    monkeypatch.delitem(METHOD_ROLES, "/crucible_ir.exchange.v1.ExchangeService/Get")

    async def work() -> Any:
        async with serving(tmp_path, guarded(tokens)) as server, channel_to(server) as channel:
            return await failure(stub_on(channel).Get(GET, metadata=bearer(text)))

    error = run(work())
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(error) == "METHOD_WITHOUT_ROLE"


def test_health_check_needs_no_token(tmp_path: Path, tokens: TokenFile) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async def work() -> Any:
        async with (
            serving(tmp_path, guarded(tokens, health=True)) as server,
            channel_to(server) as channel,
        ):
            stub: Any = health_pb2_grpc.HealthStub(channel)
            return await stub.Check(health_pb2.HealthCheckRequest())

    assert run(work()).status == health_pb2.HealthCheckResponse.SERVING
