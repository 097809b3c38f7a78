"""The file of tokens: what it keeps, who may read it, and what becomes of a broken one."""

from __future__ import annotations

import json
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crucible_ir.exchange.server.security.tokens import Role, TokenFile, TokensError, split_token
from crucible_ir.exchange.store.records import Scope


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


def test_a_token_is_found_by_its_id_and_known_by_its_secret(file: TokenFile) -> None:
    token, text = file.create("trainer", Role.PUBLISHER)
    parts = split_token(text)
    assert parts is not None
    assert parts[0] == token.id
    kept = file.read()[token.id]
    assert kept == token
    assert kept.matches(parts[1])
    assert not kept.matches("0" * 64)


def test_the_file_holds_neither_the_token_nor_its_secret(file: TokenFile) -> None:
    _, text = file.create("trainer", Role.READER)
    content = file.path.read_text()
    assert text not in content
    assert text.rpartition("_")[2] not in content


def test_two_tokens_of_one_name_differ_in_salt_and_hash(file: TokenFile) -> None:
    first, _ = file.create("trainer", Role.READER)
    second, _ = file.create("trainer", Role.READER)
    assert first.salt != second.salt
    assert first.hash != second.hash
    assert file.read().keys() == {first.id, second.id}


def test_everything_that_narrows_a_token_is_kept(file: TokenFile) -> None:
    scope = Scope(frozenset({"ModelRef", "TrainingRun"}), ("team-a/", "shared/"))
    ending = datetime(2100, 1, 1, tzinfo=UTC)
    token, _ = file.create("trainer", Role.PUBLISHER, scope=scope, expires=ending)
    kept = file.read()[token.id]
    assert (kept.scope, kept.role, kept.expires) == (scope, Role.PUBLISHER, ending)


def test_a_token_has_expired_from_the_moment_that_it_names(file: TokenFile) -> None:
    ending = datetime(2100, 1, 1, tzinfo=UTC)
    token, _ = file.create("trainer", Role.READER, expires=ending)
    assert not token.has_expired(ending - timedelta(microseconds=1))
    assert token.has_expired(ending)


def test_only_the_owner_may_read_the_file(file: TokenFile) -> None:
    file.create("trainer", Role.READER)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o700 | 0o001])
def test_a_file_that_others_have_any_right_to_is_refused(file: TokenFile, mode: int) -> None:
    file.create("trainer", Role.READER)
    file.path.chmod(mode)
    with pytest.raises(TokensError, match="chmod 600"):
        file.read()


def test_changes_at_the_same_time_are_all_kept(file: TokenFile) -> None:
    threads = [
        threading.Thread(target=file.create, args=(f"holder {number}", Role.READER))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {token.name for token in file.read().values()} == {f"holder {n}" for n in range(8)}
    assert os.listdir(file.path.parent) == ["tokens.json"]


def test_a_revoked_token_is_gone_and_the_others_stay(file: TokenFile) -> None:
    first, _ = file.create("one", Role.READER)
    second, _ = file.create("two", Role.READER)
    assert file.revoke(first.id) == first
    assert file.read() == {second.id: second}


def test_revoking_what_is_no_token_names_the_near_miss(file: TokenFile) -> None:
    token, _ = file.create("one", Role.READER)
    wrong = f"{token.id[:-1]}{'0' if token.id[-1] != '0' else '1'}"
    with pytest.raises(TokensError, match=f'did you mean "{token.id}"'):
        file.revoke(wrong)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 513, "\ud800"])
def test_a_name_that_would_break_a_log_is_refused(file: TokenFile, name: str) -> None:
    with pytest.raises(TokensError, match="name"):
        file.create(name, Role.READER)
    assert not file.path.exists()


def test_a_scope_of_a_type_that_does_not_exist_is_refused(file: TokenFile) -> None:
    with pytest.raises(TokensError, match='did you mean "ModelRef"'):
        file.create("one", Role.READER, scope=Scope(frozenset({"ModelReff"})))


def test_an_empty_id_prefix_is_refused_since_it_would_narrow_nothing(file: TokenFile) -> None:
    with pytest.raises(TokensError, match="prefix"):
        file.create("one", Role.READER, scope=Scope(None, ("a/", "")))


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("role", "root", "unknown role 'root'"),
        ("id_prefixes", "team-a/", "id_prefixes: expected a list of strings"),
        ("types", {"ModelRef": 1}, "types: expected a list of strings"),
        ("type", ["ModelRef"], "unknown key 'type'; did you mean \"types\""),
        ("expires", "2100-01-01T00:00:00", "says no time zone"),
        ("hash", "zz", "non-hexadecimal"),
    ],
)
def test_a_token_that_says_something_else_is_refused_and_not_taken_for_a_wider_one(
    file: TokenFile, key: str, value: object, reason: str
) -> None:
    file.create("one", Role.READER)
    content = json.loads(file.path.read_text())
    content["tokens"][0][key] = value
    file.path.write_text(json.dumps(content))
    with pytest.raises(TokensError) as refused:
        file.read()
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"version": 2}', b"\xff", b'{"tokens": []}']
)
def test_what_is_no_file_of_tokens_is_refused_by_name(file: TokenFile, content: bytes) -> None:
    file.path.write_bytes(content)
    file.path.chmod(0o600)
    with pytest.raises(TokensError, match="it is no file of tokens"):
        file.read()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cir_",
        f"cir_{'a' * 16}_{'b' * 63}",
        f"cir_{'a' * 16}_{'b' * 65}",
        f"cir_{'A' * 16}_{'b' * 64}",
        f"cir_{'a' * 16}_{'b' * 64}\n",
        "cir_" + "a" * 16 + "_" + "\u0661" * 64,
    ],
)
def test_what_does_not_look_like_a_token_is_none(text: str) -> None:
    assert split_token(text) is None
