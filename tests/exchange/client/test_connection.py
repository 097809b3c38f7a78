"""A client sends its token only over safe connections, and requires its extra."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from exchange.client.served import Served

import crucible_ir as ir
import crucible_ir.exchange
from crucible_ir import v1
from crucible_ir.cli.commands.exchange.list import command as list_command
from crucible_ir.exchange import (
    ExchangeClient,
    ExchangeError,
    InsecureChannelError,
    PermissionDeniedError,
    Tls,
    UnauthenticatedError,
)
from crucible_ir.exchange.client.addresses import DEFAULT_TARGET, is_loopback
from crucible_ir.exchange.client.connection import Connection
from crucible_ir.exchange.server.listening import DEFAULT_ADDRESS, parse_address


@pytest.mark.parametrize("scheme", ["http://", "HTTPS://"])
def test_an_address_of_the_web_is_an_error(scheme: str) -> None:
    for connect in (ExchangeClient, lambda target: ir.track("run_007", to=target)):
        with pytest.raises(ExchangeError, match=f'expected HOST:PORT, remove "{scheme}"'):
            connect(f"{scheme}127.0.0.1:7551")


@pytest.mark.parametrize(
    "target",
    [
        "10.0.0.7:7551",
        "exchange.example.com:443",
        "localhost.example.com:7551",
        "127.0.0.1.example.com:7551",
        "[::1].example.com:7551",
        "dns://10.0.0.1/localhost:7551",
        "ipv4:127.0.0.1:1,10.0.0.7:1",
        "127.0.0.1@10.0.0.7:7551",
        "0.0.0.0:7551",
        "",
    ],
)
def test_a_token_is_not_sent_to_another_machine_in_plain_text(target: str) -> None:
    with pytest.raises(InsecureChannelError, match="plain text"):
        ExchangeClient(target, token="secret")


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:7551",
        "127.8.9.1:1",
        "[::1]:7551",
        "localhost",
        "localhost:1",
        "unix:/run/x",
        "dns:///localhost:1",
    ],
)
def test_a_token_may_be_sent_to_this_machine(target: str) -> None:
    assert is_loopback(target)
    Connection(target, token="secret")


def test_a_token_may_be_sent_anywhere_over_tls() -> None:
    ExchangeClient("exchange.example.com:443", token="secret", tls=Tls()).close()


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ünicode"])
def test_an_invalid_token_is_rejected(token: str) -> None:
    with pytest.raises(ExchangeError, match="token"):
        ExchangeClient(token=token)


def test_secrets_are_not_in_the_repr() -> None:
    connection = Connection("exchange:1", token="secret", tls=Tls(certificate=b"c", key=b"key"))
    assert "secret" not in repr(connection)
    assert "b'key'" not in repr(connection)


def test_a_certificate_requires_its_key() -> None:
    with pytest.raises(ExchangeError, match="private key together"):
        Tls(certificate=b"c")


def test_client_server_and_command_line_have_the_same_default_address() -> None:
    [option] = (parameter for parameter in list_command.params if "--server" in parameter.opts)
    assert DEFAULT_TARGET == DEFAULT_ADDRESS == option.default
    port = parse_address(DEFAULT_ADDRESS).port
    # Systems give programs a port from 32768 on (Linux) or from 49152 on (IANA).
    assert port is not None
    assert 1024 < port < 32768


def make_token(folder: Path) -> str:
    """Create a token with the role reader; standard output has the token alone."""
    command = [sys.executable, "-m", "crucible_ir", "tokens", "create", "dashboard"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def test_a_client_cannot_be_used_after_a_fork(shared: Served) -> None:
    script = (
        "import os\n"
        "from crucible_ir.exchange import ExchangeClient, ClosedError\n"
        f"client = ExchangeClient({shared.address!r})\n"
        "if os.fork():\n    os.wait()\n    os._exit(0)\n"
        "try:\n    client.get('ModelRef', 'm')\n"
        "except ClosedError as error:\n    print(error, flush=True)\n"
        "os._exit(0)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout == "the client was made before a fork: make one in each process\n"


def test_grpc_is_imported_with_the_first_client() -> None:
    script = (
        "import sys, crucible_ir, crucible_ir.exchange\n"
        "print('grpc' in sys.modules)\n"
        "crucible_ir.exchange.ExchangeClient\n"
        "print('grpc' in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False", "True"]


@pytest.mark.parametrize("missing", ["grpc", "google.rpc"])
def test_a_missing_package_is_reported_with_the_extra(missing: str) -> None:
    script = (
        "import sys\n"
        f"sys.modules[{missing!r}] = None\n"
        "from crucible_ir.errors import Error\n"
        "import crucible_ir.exchange\n"
        "try:\n    crucible_ir.exchange.ExchangeClient\n"
        "except Error as error:\n    print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.endswith("pip install crucible-ir[exchange]\n")


def test_type_checkers_see_the_names_that_are_imported_lazily() -> None:
    tree = ast.parse(Path(crucible_ir.exchange.__file__).read_text(encoding="utf-8"))
    [guarded] = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    seen = {alias.name for node in guarded.body for alias in getattr(node, "names", [])}
    assert seen | {"MissingExtraError"} == set(dir(crucible_ir.exchange))


def test_every_public_name_can_be_imported() -> None:
    names = [name for name in dir(crucible_ir.exchange) if name != "v1"]
    assert {"ExchangeClient", "AsyncExchangeClient", "ExchangeError"} <= set(names)
    for name in names:
        assert getattr(crucible_ir.exchange, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        getattr(crucible_ir.exchange, "Nothing")  # noqa: B009  # mypy knows the names that exist


def test_a_server_with_tokens_authenticates_and_authorizes_callers(tmp_path: Path) -> None:
    token = make_token(tmp_path)
    served = Served(tmp_path, "--tokens", "tokens.json")
    try:
        with (
            ExchangeClient(served.address) as anonymous,
            pytest.raises(UnauthenticatedError),
        ):
            anonymous.get("ModelRef", "m")
        with ExchangeClient(served.address, token=token) as reader:
            assert list(reader.list_documents(v1.ModelRef)) == []
            with pytest.raises(PermissionDeniedError):
                reader.publish(v1.ModelRef(id="m"))
    finally:
        served.stop()
