"""Options: safe defaults, addresses, and extras that are not installed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
from exchange.servers import GET, LOOPBACK, channel_to, failure, run, serving, stub_on

from crucible_ir.exchange.server.listening import (
    DEFAULT_ADDRESS,
    AddressError,
    TlsFiles,
    parse_address,
)
from crucible_ir.exchange.server.options import ServerOptions, ServingError
from crucible_ir.exchange.server.security.tokens import TokenFile
from crucible_ir.extras import MissingExtraError

TLS = TlsFiles("cert.pem", "key.pem")
MUTUAL = TlsFiles("cert.pem", "key.pem", "ca.pem")
TOKENS = TokenFile("tokens.json")


@pytest.mark.parametrize(
    ("text", "is_local"),
    [
        (DEFAULT_ADDRESS, True),
        ("127.0.0.1:0", True),
        ("127.8.9.10:1", True),
        ("[::1]:7551", True),
        ("localhost:7551", True),
        ("unix:/run/exchange.sock", True),
        ("0.0.0.0:7551", False),
        ("[::]:7551", False),
        ("192.168.1.5:7551", False),
        ("exchange.example:7551", False),
        ("127.0.0.1.example:7551", False),
        ("localhost.example:7551", False),
    ],
)
def test_address_is_local_if_no_other_machine_can_reach_it(text: str, is_local: bool) -> None:
    address = parse_address(text)
    assert address.is_local is is_local
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "7551", ":7551", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:7551",
             "[::1]", "unix:", "http://127.0.0.1:1", "127.0.0.1:1/x", "127.0.0.1:\u0661"]
)  # fmt: skip
def test_invalid_address_is_rejected_with_an_example(text: str) -> None:
    with pytest.raises(AddressError, match=DEFAULT_ADDRESS):
        parse_address(text)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (
            {},
            "TLS (--tls-cert and --tls-key)"
            " and authentication (--tokens, --jwt-keys or --client-ca)",
        ),
        ({"tokens": TOKENS}, "TLS (--tls-cert and --tls-key)"),
        ({"tls": TLS}, "authentication (--tokens, --jwt-keys or --client-ca)"),
        ({"tls": TLS, "tokens": TOKENS}, ""),
        ({"tls": MUTUAL}, ""),
        ({"insecure": True}, ""),
    ],
)
def test_public_address_requires_tls_and_authentication_or_insecure(
    given: dict[str, Any], missing: str
) -> None:
    options = ServerOptions(address=parse_address("0.0.0.0:0"), **given)
    if not missing:
        options.check()
        return
    with pytest.raises(ServingError) as caught:
        options.check()
    assert str(caught.value) == (
        f"0.0.0.0:0 is reachable from other machines: add {missing}, or disable this check with"
        " --insecure"
    )
    ServerOptions(address=LOOPBACK, **given).check()


def test_two_servers_cannot_share_a_port(tmp_path: Path) -> None:
    async def work() -> None:
        async with serving(tmp_path) as first:
            with pytest.raises(ServingError, match="another program listens there"):
                async with serving(tmp_path, ServerOptions(address=first.address)):
                    pass

    run(work())


def test_server_listens_on_a_unix_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The path of a socket can have about a hundred characters, and the path of a test has more.
    monkeypatch.chdir(tmp_path)

    async def work() -> Any:
        options = ServerOptions(address=parse_address("unix:exchange.sock"))
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            return await failure(stub_on(channel).Get(GET))

    assert run(work()).code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("module", "extra", "wanted"),
    [
        ("prometheus_client", "metrics", {"metrics_port": 0}),
        ("opentelemetry.trace", "tracing", {"tracing": True}),
        ("grpc_health.v1.health_pb2", "health", {"health": True}),
        ("grpc_reflection.v1alpha.reflection", "reflection", {"reflection": True}),
    ],
)
def test_missing_package_is_named_with_its_extra(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    extra: str,
    wanted: dict[str, Any],
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    async def work() -> None:
        with pytest.raises(MissingExtraError) as missing:
            async with serving(tmp_path, ServerOptions(address=LOOPBACK, **wanted)):
                pass
        assert f"pip install 'crucible-ir[{extra}]'" in str(missing.value)
        async with serving(tmp_path, ServerOptions(address=LOOPBACK)):
            pass

    run(work())


def test_incompatible_generated_code_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "grpc_health").mkdir()
    (tmp_path / "grpc_health" / "__init__.py").write_text(
        "from google.protobuf import runtime_version\n"
        "runtime_version.ValidateProtobufRuntimeVersion("
        "runtime_version.Domain.PUBLIC, 99, 0, 0, '', 'health.proto')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "grpc_health"]:
        monkeypatch.delitem(sys.modules, name)

    async def work() -> None:
        with pytest.raises(MissingExtraError) as missing:
            async with serving(tmp_path, ServerOptions(address=LOOPBACK, health=True)):
                pass
        assert "pip install --upgrade 'crucible-ir[health]'" in str(missing.value)

    run(work())
