"""The options of `crucible-ir serve` for JSON Web Tokens."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from cli.command_line import run
from exchange.client.served import Served
from exchange.issuers import AUDIENCE, EC_KEY, ISSUER, KEY, public, signed
from exchange.servers import model

from crucible_ir.exchange import ExchangeClient, PermissionDeniedError, UnauthenticatedError

REQUIRED = ("--jwt-keys", "keys.json", "--jwt-issuer", "me", "--jwt-audience", "you")


def test_a_server_accepts_the_tokens_that_its_options_describe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [public(KEY, "k1", "RS256"), public(EC_KEY, "e1", "ES256")]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": keys}))
    (tmp_path / "exchange.toml").write_text(
        f'jwt-issuer = "{ISSUER}"\njwt-algorithm = ["ES256", "PS256"]\njwt-leeway = 100\n'
        'jwt-types-claim = "kinds"\njwt-prefixes-claim = "ids"\n'
    )
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_JWT_NAME_CLAIM", "client_id")
    monkeypatch.setenv("CRUCIBLE_IR_SERVE_JWT_ROLE_CLAIM", "https://exchange.test/role")
    options = ("--config", "exchange.toml", "--jwt-keys", "keys.json", "--jwt-audience", AUDIENCE)
    served = Served(tmp_path, *options)
    given: dict[str, Any] = {
        "sub": None,
        "role": None,
        "client_id": "trainer-7",
        "https://exchange.test/role": "publisher",
        "kinds": ["ModelRef"],
        "ids": ["m/"],
        "exp": int(time.time()) - 50,
        "nbf": None,
    }

    def publisher_of(token: str, id_: str) -> str | None:
        with ExchangeClient(served.address, token=token) as client:
            return client.publish(model(id_)).record.publisher

    def token(**changed: Any) -> str:
        return signed(EC_KEY, "ES256", "e1", **{**given, **changed})

    try:
        assert publisher_of(token(), "m/1") == "trainer-7"
        for rejected in (
            token(aud="another"),
            token(exp=int(time.time()) - 150),
            token(client_id=None, sub="trainer"),
            signed(**given),
            "cir_0123456789abcdef_" + "0" * 64,
        ):
            with pytest.raises(UnauthenticatedError):
                publisher_of(rejected, "m/2")
        for denied in (token(kinds=["Prompt"]), token(ids=["n/"]), token(kinds=[])):
            with pytest.raises(PermissionDeniedError):
                publisher_of(denied, "m/2")
    finally:
        served.stop()
    log = (tmp_path / "server.log").read_text()
    assert "trainer-7" in log
    assert "eyJ" not in log


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        (
            ["--jwt-keys", "keys.json"],
            [
                "the options of JSON Web Tokens require --jwt-issuer",
                "the options of JSON Web Tokens require --jwt-audience",
            ],
        ),
        (
            ["--jwt-name-claim", "name", "--jwt-issuer", "", "--jwt-audience", "you"],
            [
                "the options of JSON Web Tokens require --jwt-keys",
                "the options of JSON Web Tokens require --jwt-issuer",
            ],
        ),
        (
            ["--jwt-leeway", "0"],
            [
                f"the options of JSON Web Tokens require {option}"
                for option in ("--jwt-keys", "--jwt-issuer", "--jwt-audience")
            ],
        ),
        (
            [
                *REQUIRED,
                *("--jwt-algorithm", "HS256", "--jwt-algorithm", "none"),
                *("--jwt-name-claim", "role", "--jwt-types-claim", ""),
            ],
            [
                "--jwt-algorithm: expected one of RS256, RS384, RS512, PS256, PS384, PS512,"
                f" ES256, ES384, ES512, EdDSA, got {name}"
                for name in ("HS256", "none")
            ]
            + [
                "--jwt-name-claim and --jwt-role-claim are both the claim role",
                "--jwt-types-claim: expected the name of a claim",
            ],
        ),
        (REQUIRED, ["keys.json: the keys cannot be read: No such file or directory"]),
        (
            ["--jwt-keys", "http://issuer.test/keys", *REQUIRED[2:]],
            ["http://issuer.test/keys: keys from other machines require https"],
        ),
    ],
    ids=["only keys", "no keys", "only another", "values", "no file", "no TLS"],
)
def test_options_that_do_not_fit_are_reported_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], errors: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("serve", "--listen", "127.0.0.1:0", *arguments)
    assert (result.status, result.out) == (2, "")
    assert result.err.splitlines() == [f"crucible-ir: {error}" for error in errors]


# With NaN, a token would never expire.
@pytest.mark.parametrize("seconds", ["601", "-1", "nan", "inf"])
def test_a_leeway_out_of_range_is_an_error(seconds: str) -> None:
    result = run("serve", *REQUIRED, "--jwt-leeway", seconds)
    assert result.status == 2
    assert "--jwt-leeway" in result.err.splitlines()[-1]
