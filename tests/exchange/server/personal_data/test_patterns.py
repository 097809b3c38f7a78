"""The patterns of redaction: what is masked, what is not, and in linear time."""

from __future__ import annotations

import ipaddress
import logging
import string
import sys
import time
from pathlib import Path

import pytest
from exchange import postgresql
from exchange.loopback import serving
from hypothesis import given
from hypothesis import strategies as st

from crucible_ir.exchange.server.options import ServingError, Settings
from crucible_ir.exchange.server.personal_data.patterns import (
    mask_addresses,
    may_match,
    operator_masks,
)
from crucible_ir.exchange.store import open_store
from crucible_ir.extras import MissingExtraError

MASKED = [
    ("ann.lee+x@example.co.uk", "[email]"),
    ("Mail <Ann_Lee@EXAMPLE.org>, please.", "Mail <[email]>, please."),
    ("müller@exämple.de und 用户@例子.公司", "[email] und [email]"),
    ("o'hara@x.ie; a&b@x.ie", "[email]; [email]"),
    ("root@[192.0.2.1] is a literal", "[email] is a literal"),
    ("x@y.z.", "[email]."),
    ("192.0.2.7", "[ip]"),
    ("from 10.0.0.1:8080, 10.0.0.2/24 and 10.0.0.3.", "from [ip]:8080, [ip]/24 and [ip]."),
    ("010.001.000.255", "[ip]"),
    ("ip=192.0.2.7;x", "ip=[ip];x"),
    ("192.0.2.7-192.0.2.9", "[ip]-[ip]"),
    ("2001:db8::7", "[ip]"),
    ("2001:0DB8:0000:0000:0000:0000:0000:0001", "[ip]"),
    ("http://[2001:db8::7]:443/a", "http://[[ip]]:443/a"),
    ("::1, ::ffff:192.0.2.7 and fe80::1%eth0", "[ip], [ip] and [ip]%eth0"),
    ("source:2001:db8::7: refused", "source:[ip]: refused"),
    ("1::, then", "[ip], then"),
]

KEPT = [
    "@ann is no address, and neither are ann@ and ann@localhost",
    "3.5 @ 2.5.",
    "version 1.2.3 of 2025.03.01",
    "1.2.3.4.5 is an object identifier",
    "256.1.1.1 and 1.1.1.256",
    "at 10:30:00 and 10:30",
    "00:1a:2b:3c:4d:5e",
    "std::f16 and a::b, f :: Int -> Int",
    "1:2:3:4:5:6:7:8:9",
    "",
]


@pytest.mark.parametrize(("text", "masked"), MASKED)
def test_addresses_are_masked(text: str, masked: str) -> None:
    assert mask_addresses(text) == masked
    assert may_match(text.encode())
    assert mask_addresses(masked) == masked


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_address_is_kept(text: str) -> None:
    assert mask_addresses(text) == text


@given(st.ip_addresses(), st.sampled_from(["{}", "<{}>", "from {}, at", "a {}\n", "({})"]))
def test_every_address_is_masked(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, around: str
) -> None:
    text = str(address)
    if not any(character.isdigit() for character in text):
        return
    assert mask_addresses(around.format(text)) == around.format("[ip]")
    assert may_match(text.encode())


LOCAL = st.text(string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-", min_size=1)


@given(LOCAL, st.lists(st.text(string.ascii_letters, min_size=1), min_size=2, max_size=4))
def test_every_mail_address_of_atoms_is_masked(local: str, labels: list[str]) -> None:
    address = f"{local}@{'.'.join(labels)}"
    assert mask_addresses(f"to {address} only") == "to [email] only"
    assert may_match(address.encode())


def test_texts_that_are_made_to_be_slow_are_searched_in_linear_time() -> None:
    def seconds(piece: str, characters: int) -> float:
        text = piece * (characters // len(piece))
        begun = time.process_time()
        mask_addresses(text)
        return time.process_time() - begun

    for piece in ("a", "a.", "@", "a@", "b@a-", "1.", "1.2.3.", "1:", "a:", ":", "z1:2:", "[@["):
        # A quadratic search of so many characters would take hours.
        assert seconds(piece, 500_000) < 5, piece


def test_long_texts_are_masked_as_short_ones_are() -> None:
    words = " ".join(["word"] * 5_000)
    text = f"ann@example.com {words} 192.0.2.7 {'x' * 40_000}@example.com {words} ::1"
    masked = f"[email] {words} [ip] [email] {words} [ip]"
    assert mask_addresses(text) == masked


def test_the_operators_patterns_are_masked() -> None:
    [account, word] = operator_masks([r"\bACC-\d{6}\b", "(?i)secret"])
    assert account("ACC-123456, ACC-1234567") == "[redacted], ACC-1234567"
    assert word("a SECRET, é secret") == "a [redacted], é [redacted]"


def test_a_pattern_that_backtracks_elsewhere_takes_linear_time() -> None:
    [mask] = operator_masks([r"(a+)+$"])
    begun = time.process_time()
    assert mask("a" * 200_000 + "b") == "a" * 200_000 + "b"
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("patterns", "reason"),
    [
        (["("], "invalid pattern to redact"),
        ([r"(a)\1"], "invalid pattern to redact"),
        (["(?=a)"], "invalid pattern to redact"),
        (["a{1000}{1000}"], "invalid pattern to redact"),
        (["x*"], "matches the empty text"),
        ([""], "matches the empty text"),
        (["a" * 1001], "has 1001 characters: the limit is 1000"),
        (["a"] * 65, "65 patterns to redact: the limit is 64"),
    ],
)
def test_unusable_patterns_are_rejected(patterns: list[str], reason: str) -> None:
    with pytest.raises(ServingError, match=reason):
        operator_masks(patterns)


def test_patterns_need_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    assert operator_masks([]) == []
    with pytest.raises(MissingExtraError, match=r"crucible-ir\[redaction\]"):
        operator_masks(["a"])


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_server_warns_when_the_last_one_masked_other_patterns(
    tmp_path: Path,
    cluster: postgresql.Cluster,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    address = cluster.create_database() if kind == "postgresql" else tmp_path / "x.db"
    starts = [((), 0), (("a", "b"), 0), (("b", "a"), 0), (("a",), 1), (("a",), 0), ((), 1), ((), 0)]
    for patterns, warnings in starts:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            settings = Settings(redact_patterns=patterns)
            async with serving(await open_store(address), settings):
                pass
        assert caplog.text.count("other --redact-pattern") == warnings, patterns
