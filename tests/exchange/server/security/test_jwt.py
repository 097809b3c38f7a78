"""JSON Web Tokens of an issuer on this machine, which signs them with another library."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from exchange.issuers import (
    AUDIENCE,
    EC_KEY,
    ISSUER,
    KEY,
    OTHER_KEY,
    Issuer,
    by_hand,
    claims,
    encoded,
    public,
    serving_keys,
    signed,
)
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
from crucible_ir.exchange.server.rpc.errors import RpcError
from crucible_ir.exchange.server.security import jwt_keys
from crucible_ir.exchange.server.security.jwt_tokens import JwtChecker, JwtOptions
from crucible_ir.exchange.server.security.tokens import Role, TokenFile


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving_keys() as issuer:
        yield issuer


def accepting(issuer: Issuer, **others: Any) -> ServerOptions:
    options = JwtOptions(ISSUER, AUDIENCE, issuer.url, leeway_seconds=0)
    return ServerOptions(address=LOOPBACK, jwt=options, **others)


def publish(text: str, id_: str = "m") -> Callable[[Any], Any]:
    def call(channel: Any) -> Any:
        request = v1.PublishRequest(document=model(id_))
        return stub_on(channel).Publish(request, metadata=bearer(text))

    return call


@pytest.mark.parametrize(
    "sign",
    [
        lambda: signed(),
        lambda: signed(EC_KEY, "ES256", "e1"),
        lambda: signed(aud=["another", AUDIENCE]),
        lambda: signed(nbf=None),
        lambda: signed(iat=int(time.time())),
        lambda: signed(role="admin", id_prefixes=["m"], types=["ModelRef"]),
    ],
    ids=["RS256", "ES256", "audiences", "no nbf", "iat", "scope"],
)
def test_tokens_of_the_issuer_are_accepted(
    tmp_path: Path, issuer: Issuer, sign: Callable[[], str]
) -> None:
    async def work() -> Any:
        async with serving(tmp_path, accepting(issuer)) as server, channel_to(server) as channel:
            await publish(sign())(channel)
            return await publish(sign())(channel)

    assert run(work()).record.publisher == "trainer"


def hs256_with_the_public_key() -> str:
    """Sign with the public key as if it was a secret."""
    import hashlib
    import hmac

    pem = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = encoded(json.dumps({"alg": "HS256", "kid": "k1"}).encode())
    content = f"{header}.{encoded(json.dumps(claims()).encode())}"
    return f"{content}.{encoded(hmac.digest(pem, content.encode(), hashlib.sha256))}"


def with_header(**header: Any) -> str:
    return by_hand(json.dumps({"alg": "RS256", "kid": "k1", **header}), json.dumps(claims()))


ATTACKS: dict[str, Callable[[], str]] = {
    "none": lambda: jwt.encode(claims(), "", "none", headers={"kid": "k1"}),
    "none with a signature": lambda: with_header(alg="none"),
    "HS256": hs256_with_the_public_key,
    "another algorithm of the key": lambda: signed(algorithm="RS512"),
    "another key": lambda: signed(OTHER_KEY),
    "unknown kid": lambda: signed(kid="k9"),
    "no kid": lambda: by_hand('{"alg":"RS256"}', json.dumps(claims())),
    "kid of another type": lambda: with_header(kid=["k1"]),
    "kid of the other key": lambda: with_header(kid="e1"),
    "jwk": lambda: by_hand(
        json.dumps({"alg": "RS256", "jwk": public(OTHER_KEY, "k1", "RS256")}),
        json.dumps(claims()),
        OTHER_KEY,
    ),
    "jku": lambda: with_header(jku="http://127.0.0.1/jwks"),
    "x5u": lambda: with_header(x5u="http://127.0.0.1/cert"),
    "x5c": lambda: with_header(x5c=["AAAA"]),
    "crit": lambda: with_header(crit=["exp"]),
    "b64": lambda: with_header(b64=False, crit=["b64"]),
    "issuer": lambda: signed(iss="https://other.test"),
    "no issuer": lambda: signed(iss=None),
    "audience": lambda: signed(aud="another"),
    "no audience": lambda: signed(aud=None),
    "no exp": lambda: signed(exp=None),
    "exp as text": lambda: by_hand(
        '{"alg":"RS256","kid":"k1"}', json.dumps(claims(exp="9999999999"))
    ),
    "exp as NaN": lambda: by_hand(
        '{"alg":"RS256","kid":"k1"}', json.dumps(claims(exp=float("nan")))
    ),
    "audiences without this one": lambda: signed(aud=["another", f"{AUDIENCE}2"]),
    "no audiences": lambda: signed(aud=[]),
    "audience as an object": lambda: signed(aud={AUDIENCE: AUDIENCE}),
    "not yet": lambda: signed(nbf=int(time.time()) + 30),
    "nbf as text": lambda: by_hand('{"alg":"RS256","kid":"k1"}', json.dumps(claims(nbf="0"))),
    "nbf as null": lambda: by_hand(
        '{"alg":"RS256","kid":"k1"}', json.dumps({**claims(), "nbf": None})
    ),
    "issued in the future": lambda: signed(nbf=None, iat=int(time.time()) + 30),
    "iat as text": lambda: by_hand('{"alg":"RS256","kid":"k1"}', json.dumps(claims(iat="0"))),
    "no name": lambda: signed(sub=None),
    "name with a newline": lambda: signed(sub="a\nb"),
    "no role": lambda: signed(role=None),
    "unknown role": lambda: signed(role="root"),
    "roles": lambda: signed(role=["admin"]),
    "prefixes as text": lambda: signed(id_prefixes="m"),
    "empty prefix": lambda: signed(id_prefixes=[""]),
    "duplicate claims": lambda: by_hand(
        '{"alg":"RS256","kid":"k1"}', json.dumps(claims())[:-1] + ', "role": "admin"}'
    ),
    "duplicate headers": lambda: by_hand(
        '{"alg":"none","alg":"RS256","kid":"k1"}', json.dumps(claims())
    ),
    "oversized": lambda: signed(padding="x" * 8192),
    "changed": lambda: signed()[:-8] + "AAAAAAAA",
    "two parts": lambda: signed().rpartition(".")[0],
    "four parts": lambda: signed() + ".AAAA",
    "not a token": lambda: "x",
    "not an object": lambda: by_hand('"alg"', "[]"),
    "deep": lambda: by_hand("[" * 3000, "{}"),
}


def test_everything_else_is_rejected_without_a_look_at_the_request(
    tmp_path: Path, issuer: Issuer
) -> None:
    async def work() -> dict[str, str]:
        found = {}
        async with serving(tmp_path, accepting(issuer)) as server, channel_to(server) as channel:
            for name, attack in ATTACKS.items():
                text = attack()
                error = await failure(publish(text)(channel))
                assert error.code() is grpc.StatusCode.UNAUTHENTICATED, name
                # Nothing of the token is in the message.
                message = error.details() or ""
                assert not any(part in message for part in text.split(".") if len(part) > 8), name
                found[name] = reason_of(error)
            expired = await failure(publish(signed(exp=int(time.time()) - 1))(channel))
            found["expired"] = reason_of(expired)
            # The server still accepts a good one.
            await publish(signed())(channel)
        return found

    found = run(work())
    assert found.pop("expired") == "TOKEN_EXPIRED"
    assert set(found.values()) == {"TOKEN_INVALID"}


def test_scope_and_role_apply_beside_the_token_file(tmp_path: Path, issuer: Issuer) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")
    _, operator = tokens.create("operator", Role.ADMIN)

    async def work() -> list[Any]:
        options = accepting(issuer, tokens=tokens)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            await publish(operator)(channel)
            await publish(signed(id_prefixes=["a/"]), "a/m")(channel)
            return [
                (await failure(publish(text, id_)(channel))).code()
                for text, id_ in (
                    (signed(id_prefixes=["a/"]), "b/m"),
                    (signed(id_prefixes=[]), "a/m"),
                    (signed(types=["Prompt"]), "a/m"),
                    (signed(role="reader"), "a/m"),
                    (signed(role="ingest"), "a/m"),
                )
            ]

    assert run(work()) == [grpc.StatusCode.PERMISSION_DENIED] * 5


def test_a_stream_ends_when_its_token_expires(tmp_path: Path, issuer: Issuer) -> None:
    async def work() -> Any:
        async with serving(tmp_path, accepting(issuer)) as server, channel_to(server) as channel:
            text = signed(exp=int(time.time()) + 2)
            watch = stub_on(channel).Watch(v1.WatchRequest(), metadata=bearer(text))
            await watch.read()
            return await failure(asyncio.wait_for(watch.read(), 10))

    assert reason_of(run(work())) == "TOKEN_EXPIRED"


def test_new_keys_are_fetched_and_removed_ones_end_streams(
    tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwt_keys, "RETRY_SECONDS", 0.5)

    async def work() -> Any:
        async with serving(tmp_path, accepting(issuer)) as server, channel_to(server) as channel:
            watch = stub_on(channel).Watch(v1.WatchRequest(), metadata=bearer(signed()))
            await watch.read()
            issuer.keys = [public(OTHER_KEY, "k2", "RS256")]
            await asyncio.sleep(0.6)
            await publish(signed(OTHER_KEY, kid="k2"))(channel)
            requests = issuer.requests
            for _ in range(20):
                await failure(publish(signed(kid="k7"))(channel))
            # Tokens with unknown keys cause few requests.
            assert issuer.requests - requests <= 2
            return await failure(asyncio.wait_for(watch.read(), 10))

    error = run(work())
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")


def test_the_leeway_applies_to_every_time(issuer: Issuer) -> None:
    now = 1_000_000.0
    options = JwtOptions(ISSUER, AUDIENCE, issuer.url, leeway_seconds=30)
    checker = JwtChecker(options, now=lambda: now)

    async def is_accepted(**times: float) -> bool:
        given: dict[str, Any] = {"nbf": None, "exp": now + 60, **times}
        try:
            await checker.identify(signed(**given))
        except RpcError:
            return False
        return True

    async def work() -> list[bool]:
        return [
            await is_accepted(**{name: now + difference})
            for name, difference in (
                ("exp", -29),
                ("nbf", 29),
                ("iat", 29),
                ("iat", -1e6),
                ("exp", -31),
                ("nbf", 31),
                ("iat", 31),
            )
        ]

    assert run(work()) == [True] * 4 + [False] * 3
