"""The token file: its contents, its permissions, and errors in it."""

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


def test_token_is_found_by_its_id_and_matches_its_secret(file: TokenFile) -> None:
    token, text = file.create("trainer", Role.PUBLISHER)
    parts = split_token(text)
    assert parts is not None
    assert parts[0] == token.id
    kept = file.read()[token.id]
    assert kept == token
    assert kept.matches(parts[1])
    assert not kept.matches("0" * 64)


def test_file_contains_neither_the_token_nor_its_secret(file: TokenFile) -> None:
    _, text = file.create("trainer", Role.READER)
    content = file.path.read_text()
    assert text not in content
    assert text.rpartition("_")[2] not in content


def test_tokens_with_one_name_differ_in_salt_and_hash(file: TokenFile) -> None:
    first, _ = file.create("trainer", Role.READER)
    second, _ = file.create("trainer", Role.READER)
    assert first.salt != second.salt
    assert first.hash != second.hash
    assert file.read().keys() == {first.id, second.id}


def test_restrictions_of_a_token_are_stored(file: TokenFile) -> None:
    scope = Scope(frozenset({"ModelRef", "TrainingRun"}), ("team-a/", "shared/"))
    expiry = datetime(2100, 1, 1, tzinfo=UTC)
    token, _ = file.create("trainer", Role.PUBLISHER, scope=scope, expires=expiry)
    kept = file.read()[token.id]
    assert (kept.scope, kept.role, kept.expires) == (scope, Role.PUBLISHER, expiry)


def test_token_expires_at_its_time(file: TokenFile) -> None:
    expiry = datetime(2100, 1, 1, tzinfo=UTC)
    token, _ = file.create("trainer", Role.READER, expires=expiry)
    assert not token.has_expired(expiry - timedelta(microseconds=1))
    assert token.has_expired(expiry)


def test_only_the_owner_may_read_the_file(file: TokenFile) -> None:
    file.create("trainer", Role.READER)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o700 | 0o001])
def test_file_with_access_for_others_is_rejected(file: TokenFile, mode: int) -> None:
    file.create("trainer", Role.READER)
    file.path.chmod(mode)
    with pytest.raises(TokensError, match="chmod 600"):
        file.read()


def test_concurrent_changes_are_all_stored(file: TokenFile) -> None:
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


def test_revoking_removes_only_that_token(file: TokenFile) -> None:
    first, _ = file.create("one", Role.READER)
    second, _ = file.create("two", Role.READER)
    assert file.revoke(first.id) == first
    assert file.read() == {second.id: second}


def test_revoking_an_unknown_token_suggests_a_similar_id(file: TokenFile) -> None:
    token, _ = file.create("one", Role.READER)
    wrong = f"{token.id[:-1]}{'0' if token.id[-1] != '0' else '1'}"
    with pytest.raises(TokensError, match=f'did you mean "{token.id}"'):
        file.revoke(wrong)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 513, "\ud800"])
def test_name_with_control_characters_is_rejected(file: TokenFile, name: str) -> None:
    with pytest.raises(TokensError, match="name"):
        file.create(name, Role.READER)
    assert not file.path.exists()


def test_scope_with_an_unknown_type_is_rejected(file: TokenFile) -> None:
    with pytest.raises(TokensError, match='did you mean "ModelRef"'):
        file.create("one", Role.READER, scope=Scope(frozenset({"ModelReff"})))


def test_empty_id_prefix_is_rejected(file: TokenFile) -> None:
    with pytest.raises(TokensError, match="prefix"):
        file.create("one", Role.READER, scope=Scope(None, ("a/", "")))


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("role", "root", "unknown role 'root'"),
        ("id_prefixes", "team-a/", "id_prefixes: expected a list of strings"),
        ("types", {"ModelRef": 1}, "types: expected a list of strings"),
        ("type", ["ModelRef"], "unknown key 'type'; did you mean \"types\""),
        ("expires", "2100-01-01T00:00:00", "has no time zone"),
        ("hash", "zz", "non-hexadecimal"),
    ],
)
def test_invalid_token_entry_is_rejected(
    file: TokenFile, key: str, value: object, reason: str
) -> None:
    file.create("one", Role.READER)
    content = json.loads(file.path.read_text())
    content["tokens"][0][key] = value
    file.path.write_text(json.dumps(content))
    with pytest.raises(TokensError) as caught:
        file.read()
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"version": 2}', b"\xff", b'{"tokens": []}']
)
def test_invalid_token_file_is_rejected_by_name(file: TokenFile, content: bytes) -> None:
    file.path.write_bytes(content)
    file.path.chmod(0o600)
    with pytest.raises(TokensError, match="invalid token file"):
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
def test_text_without_the_token_syntax_is_not_a_token(text: str) -> None:
    assert split_token(text) is None
