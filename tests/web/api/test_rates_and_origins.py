"""The rate of requests for each caller or address, and the web pages that may call the API."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from cli.command_line import run
from google.protobuf.any_pb2 import Any as AnyMessage
from web.http_servers import LOOPBACK, http_exchange

from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.rpc.errors import RpcError, quota, status_of, unavailable
from crucible_ir.exchange.server.security.tokens import Role, TokenFile
from crucible_ir.web.api.errors import retry_seconds
from crucible_ir.web.api.rates import Rates
from crucible_ir.web.frontend import FrontendOptions

LIST = "/crucible_ir.exchange.v1.ExchangeService/List"
PAGE = "https://app.example.com"
BURST = 4


class Site:
    """An exchange with tokens of two readers, a low rate, and an origin."""

    def __init__(self, http: httpx.Client, tokens: list[str]) -> None:
        self.http = http
        self.tokens = tokens

    def call(self, token: str, origin: str = PAGE) -> httpx.Response:
        """List documents."""
        headers = {"authorization": f"Bearer {token}", "origin": origin}
        return self.http.post(LIST, json={"type": "ModelRef"}, headers=headers)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("store")
    file = TokenFile(folder / "tokens.json")
    tokens = [file.create(name, Role.READER)[1] for name in ("ann", "bob")]
    # So slow that no request becomes free during the tests.
    http = FrontendOptions(LOOPBACK, "/x", origins=(PAGE,), requests_per_second=1e-4, burst=BURST)
    options = ServerOptions(address=LOOPBACK, tokens=file)
    with (
        http_exchange(folder, options, http=http) as running,
        httpx.Client(base_url=running.url, timeout=20) as client,
    ):
        yield Site(client, tokens)


def test_each_caller_has_a_rate_and_unknown_tokens_share_that_of_their_address(site: Site) -> None:
    ann, bob = site.tokens
    # The first call with a token counts for the address, since the token is not known yet.
    assert [site.call(ann).status_code for _ in range(BURST + 2)] == [200] * (BURST + 1) + [429]
    assert site.call(bob).status_code == 200
    # Two of the address are left.
    guesses = [site.call(f"{ann[:-4]}{number:04}").status_code for number in range(3)]
    assert guesses == [401, 401, 429]
    assert site.http.get("/openapi.json").status_code == 429
    # A caller that is known is not concerned.
    assert site.call(bob).status_code == 200

    rejected = site.call(ann)
    assert rejected.json()["code"] == "resource_exhausted"
    assert int(rejected.headers["retry-after"]) > 3600
    # A page can read that.
    assert rejected.headers["access-control-allow-origin"] == PAGE
    assert "Retry-After" in rejected.headers["access-control-expose-headers"]


def test_only_pages_of_the_origin_may_call(site: Site) -> None:
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,connect-protocol-version",
    }
    for path in (LIST, "/v1/feedback"):
        answer = site.http.options(path, headers={"origin": PAGE, **asked})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "access-control-allow-credentials" not in answer.headers
        other = site.http.options(path, headers={"origin": f"{PAGE}.evil.example", **asked})
        assert other.status_code == 400
        assert "access-control-allow-origin" not in other.headers
    assert "access-control-allow-origin" not in site.call(site.tokens[1], "null").headers


def test_the_document_begins_its_paths_with_the_prefix(site: Site) -> None:
    authorization = {"authorization": f"Bearer {site.tokens[1]}"}
    answer = site.http.get("/openapi.json", headers=authorization)
    assert answer.request.url.path == "/x/openapi.json"
    assert answer.json()["servers"] == [{"url": "/x"}]


def test_a_rate_is_free_again_after_a_while() -> None:
    now = 100.0
    rates = Rates(2.0, 1, clock=lambda: now)
    assert [rates.take(None, "a"), rates.take(None, "b")] == [0.0, 0.0]
    assert rates.take(None, "a") == pytest.approx(0.5)
    now += 0.25
    assert rates.take(None, "a") == pytest.approx(0.25)
    now += 0.3
    assert rates.take(None, "a") == 0.0


def test_tokens_of_one_caller_share_a_rate_until_they_are_not_valid() -> None:
    rates = Rates(1.0, 1, clock=lambda: 0.0)
    rates.learn(b"one", "ann")
    rates.learn(b"two", "ann")
    assert [rates.take(b"one", "x") > 0, rates.take(b"two", "x") > 0] == [False, True]
    rates.learn(b"two", None)
    assert rates.take(b"two", "x") == 0.0
    assert rates.take(b"two", "x") > 0


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (unavailable("STORE_UNAVAILABLE", "the store is unavailable"), 1),
        (quota("caller:ann", "rate limit exceeded"), 1),
        (quota("message", "message too large"), None),
        (quota("store", "the store is full"), None),
    ],
)
def test_errors_say_when_to_retry_if_that_helps(error: RpcError, seconds: int | None) -> None:
    status = status_of(error)
    assert retry_seconds(status) == seconds
    status.details.insert(0, AnyMessage(type_url="type.googleapis.com/unknown", value=b"\xff"))
    assert retry_seconds(status) == seconds


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--http", "127.0.0.1:0", "--http-cors-origin", "app.example.com"], "got app.example.com"),
        (["--http", "127.0.0.1:0", "--http-burst", "5"], "requires --http-max-rate"),
        (["--http-cors-origin", PAGE], "--http-cors-origin requires --http"),
        (["--http-max-rate", "5"], "--http-max-rate requires --http"),
    ],
)
def test_options_that_cannot_work_are_errors(options: list[str], problem: str) -> None:
    result = run("serve", *options)
    assert result.status == 2
    assert problem in result.err
