r"""The patterns that are masked in texts: e-mail and IP addresses, and those of the operator.

Each search takes time in proportion to the length of the text, whatever the text is: quantifiers
are possessive or bounded, and the operator's patterns run in RE2, which never backtracks.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from crucible_ir.errors import shorten
from crucible_ir.exchange.server.options import ServingError
from crucible_ir.extras import optional_module

#: The replacements of what is found.
EMAIL_MASK: Final = "[email]"
IP_MASK: Final = "[ip]"
OPERATOR_MASK: Final = "[redacted]"

#: The most patterns of an operator, and the most characters of one.
MAX_PATTERNS: Final = 64
MAX_PATTERN_CHARACTERS: Final = 1000

#: The most memory that RE2 may take for one pattern, in bytes.
_RE2_BYTES: Final = 8 * 1024 * 1024

# The local part is as long as its characters go: the lookbehind lets a search begin only there.
_LOCAL = r"[\w.!#$%&'*+/=?^`{|}~-]"
_EMAIL: Final = re.compile(
    rf"(?<!{_LOCAL}){_LOCAL}++@(?:[\w-]++(?:\.[\w-]++)++|\[[^\]\s]{{1,64}}\])"
)

# A search for a digit is fast, so the lookbehinds follow the first one.
_FIRST_DIGIT = r"[0-9](?<![0-9][0-9])(?<![0-9]\.[0-9])"
_AT_MOST_255 = r"(?<!25[6-9])(?<!2[6-9][0-9])(?<![3-9][0-9][0-9])"
_IPV4: Final = re.compile(
    rf"{_FIRST_DIGIT}[0-9]{{0,2}}+{_AT_MOST_255}"
    rf"(?:\.[0-9]{{1,3}}+{_AT_MOST_255}){{3}}(?![0-9]|\.[0-9])"
)

# It begins after something else than a letter, a digit or a colon; or after a label and a colon.
_IPV6: Final = re.compile(
    r"(?:(?<![0-9A-Za-z:])|(?<=[0-9A-Za-z]:)(?!:))"
    r"[0-9A-Fa-f:]{2,40}+(?:(?:\.[0-9]{1,3}){3})?(?![0-9A-Za-z])"
)

_MOST_COLONS: Final = 8
_DIGIT: Final = re.compile(r"[0-9]").search

# What the bytes of every address contain. The bytes of a number may be an @ too, but rarely more.
_HAS_DOMAIN: Final = re.compile(rb"@(?:[0-9A-Za-z_\x80-\xff-]++\.|\[)").search
_HAS_DOTS: Final = re.compile(rb"\.[0-9]{1,3}\.[0-9]").search
_HAS_COLONS: Final = re.compile(rb":[0-9A-Fa-f]{0,4}:").search

#: The most characters to search in without running other threads.
_PIECE: Final = 16 * 1024
_SPACE: Final = re.compile(r"\s").search

Mask = Callable[[str], str]


def may_match(content: bytes) -> bool:
    """Return whether a serialized message may contain an e-mail or IP address.

    This takes much less time than a search in each of its texts.

    >>> may_match(b"12.5 ms at 10:30"), may_match(b"x@example.com"), may_match(b"from ::1")
    (False, True, True)
    """
    return (
        (b"@" in content and _HAS_DOMAIN(content) is not None)
        or (b"." in content and _HAS_DOTS(content) is not None)
        or (b":" in content and _HAS_COLONS(content) is not None)
    )


def mask_addresses(text: str) -> str:
    """Mask the e-mail and IP addresses in a text.

    >>> mask_addresses("ann@example.com from 192.0.2.7 and [2001:db8::7]:443 at 10:30:00, v1.2.3")
    '[email] from [ip] and [[ip]]:443 at 10:30:00, v1.2.3'
    """
    return _masked(text) if len(text) <= _PIECE else "".join(map(_masked, _pieces(text)))


def _masked(text: str) -> str:
    if "@" in text:
        text = _EMAIL.sub(EMAIL_MASK, text)
    if ":" in text:
        text = _IPV6.sub(_mask_ipv6, text)
    if "." in text:
        text = _IPV4.sub(IP_MASK, text)
    return text


def _pieces(text: str) -> Iterator[str]:
    """Split a long text after white space, so that other threads run between the pieces.

    No address contains white space. A word that is longer than a piece is not split.
    """
    start = 0
    while start < len(text):
        space = _SPACE(text, start + _PIECE // 2, start + _PIECE) or _SPACE(text, start + _PIECE)
        end = len(text) if space is None else space.end()
        yield text[start:end]
        start = end


def _mask_ipv6(found: re.Match[str]) -> str:
    """Return the mask of an IPv6 address, or what was found if it is none."""
    text = found[0]
    address = text
    # A colon after the address belongs to the sentence.
    if address.endswith(":") and not address.endswith("::"):
        address = address[:-1]
    # `a::b` and `::` occur in programs.
    if address.count(":") > _MOST_COLONS or _DIGIT(address) is None:
        return text
    try:
        socket.inet_pton(socket.AF_INET6, address)
    except OSError:
        return text
    return IP_MASK + text[len(address) :]


def operator_masks(patterns: Iterable[str]) -> list[Mask]:
    """Compile the patterns of an operator.

    Raises:
        ServingError: A pattern is invalid, or would match everywhere.
        MissingExtraError: RE2 is not installed.
    """
    given = list(patterns)
    if not given:
        return []
    if len(given) > MAX_PATTERNS:
        raise ServingError(f"{len(given)} patterns to redact: the limit is {MAX_PATTERNS}")
    re2 = optional_module("re2", "redaction")
    return [partial(_compiled(re2, pattern).sub, OPERATOR_MASK) for pattern in given]


def _compiled(re2: Any, pattern: str) -> Any:
    shown = shorten(pattern)
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise ServingError(
            f"the pattern to redact {shown} has {len(pattern)} characters: the limit is"
            f" {MAX_PATTERN_CHARACTERS}"
        )
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _RE2_BYTES
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        [reason] = error.args
        if isinstance(reason, bytes):
            reason = reason.decode(errors="replace")
        raise ServingError(f"invalid pattern to redact {shown}: {reason}") from None
    if compiled.search("") is not None:
        raise ServingError(f"the pattern to redact {shown} matches the empty text")
    return compiled
