"""``crucible-ir tokens``: it shows a token once, and lists tokens without secrets."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cli.command_line import on_a_terminal, run

from crucible_ir.exchange.server.security.tokens import Role, TokenFile, split_token
from crucible_ir.exchange.store.records import Scope


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_token_is_printed_alone_for_scripts(folder: Path) -> None:
    result = run("tokens", "create", "trainer", "--role", "publisher")
    assert (result.status, result.err) == (0, "")
    parts = split_token(result.out.removesuffix("\n"))
    assert parts is not None
    (token,) = TokenFile("tokens.json").read().values()
    assert (token.id, token.name, token.role) == (parts[0], "trainer", Role.PUBLISHER)
    assert token.matches(parts[1])
    assert stat.S_IMODE((folder / "tokens.json").stat().st_mode) == 0o600


def test_token_defaults_to_a_reader_of_everything_without_expiry() -> None:
    run("tokens", "create", "one")
    arguments = "--type ModelRef --type Prompt --id-prefix a/ --id-prefix b/ --expires 90d"
    run("tokens", "create", "two", *arguments.split())
    one, two = TokenFile("tokens.json").read().values()
    assert (one.role, one.scope, one.expires) == (Role.READER, Scope(), None)
    assert two.scope == Scope(frozenset({"ModelRef", "Prompt"}), ("a/", "b/"))
    assert two.expires is not None
    left = two.expires - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < left <= timedelta(days=90)


@pytest.mark.parametrize(
    ("given", "seconds"), [("45s", 45), ("30m", 1800), ("12h", 43200), ("2w", 1209600)]
)
def test_duration_counts_from_now(given: str, seconds: int) -> None:
    assert run("tokens", "create", "one", "--expires", given).status == 0
    (token,) = TokenFile("tokens.json").read().values()
    assert token.expires is not None
    assert token.expires - token.created in (
        timedelta(seconds=seconds),
        timedelta(seconds=seconds - 1),
    )


@pytest.mark.parametrize("given", ["2100-01-01T00:00:00Z", "2100-01-01 00:00:00z"])
def test_timestamp_is_rfc_3339(given: str) -> None:
    assert run("tokens", "create", "one", "--expires", given).status == 0
    (token,) = TokenFile("tokens.json").read().values()
    assert token.expires == datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["one", "--expires", "soon"], "invalid time"),
        (["one", "--expires", "0d"], "invalid time"),
        (["one", "--expires", "2100-01-01T00:00:00"], "invalid time"),
        (["one", "--expires", "2001-01-01T00:00:00Z"], "is in the past"),
        (["one", "--expires", "999999w"], "invalid time"),
        (["one", "--type", "ModelReff"], 'did you mean "ModelRef"'),
        (["one", "--role", "root"], "root"),
        (["one", "--id-prefix", ""], "prefix"),
        (["a\nb"], "name"),
    ],
)
def test_invalid_token_is_not_created(folder: Path, arguments: list[str], reason: str) -> None:
    result = run("tokens", "create", *arguments)
    assert result.status == 2
    assert reason in result.err
    assert "Traceback" not in result.err
    assert not (folder / "tokens.json").exists()


def test_list_shows_everything_except_secrets() -> None:
    text = run("tokens", "create", "trainer", "--type", "Prompt", "--id-prefix", "a/").out.strip()
    id_, secret = split_token(text) or ("", "")
    run("tokens", "create", "\u001b[31mred".replace("\u001b", ""), "--expires", "1d")
    result = run("tokens", "list")
    assert result.status == 0
    assert secret not in result.out
    line = next(line for line in result.lines if id_ in line)
    *values, _, expires = line.split("\t")
    assert values == [id_, "trainer", "reader", "Prompt", "a/"]
    assert expires == "never"
    shown = on_a_terminal("tokens", "list", COLUMNS="60", NO_COLOR="1").splitlines()
    assert len(shown) == 3
    assert all(len(line) <= 60 for line in shown)


def test_revoking_a_token_twice_is_an_error() -> None:
    text = run("tokens", "create", "trainer").out.strip()
    id_, _ = split_token(text) or ("", "")
    result = run("tokens", "revoke", id_)
    assert (result.status, result.out) == (0, f"revoked the token {id_} of trainer\n")
    assert TokenFile("tokens.json").read() == {}
    again = run("tokens", "revoke", id_)
    assert (again.status, again.err) == (2, f"crucible-ir: no token with the id '{id_}'\n")


def test_missing_or_public_token_file_is_named(folder: Path) -> None:
    assert "tokens.json" in run("tokens", "list").err
    run("tokens", "create", "one")
    (folder / "tokens.json").chmod(0o644)
    for arguments in (["list"], ["create", "two"], ["revoke", "x"]):
        result = run("tokens", *arguments)
        assert result.status == 2
        assert "chmod 600" in result.err
