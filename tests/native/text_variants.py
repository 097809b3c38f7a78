"""Rewrites JSON as other libraries, people or hostile senders may write it."""

from __future__ import annotations

import json
from random import Random
from typing import Any

#: Pieces that a mutation inserts: what means something in JSON, or in its strings and numbers.
_PIECES = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"0", b"-", b".", b"e5", b"E+400", b"1"),
    *(b"null", b"true", b"NaN", b"Infinity", b" ", b"\t", b"\r\n", b"\x00", b"\x1f", b"\x7f"),
    *(b"\\u0000", b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b"\\u00e9", b"\\/", b"\\x", b"\\u12"),
    *(b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\xef\xbb\xbf"),
    *(
        b"9007199254740993",
        b"1e400",
        b"-0",
        b"0.1e1",
        b"18446744073709551616",
        b"1.0",
        b"\xe2\x80\xa8",
    ),
]


class _Pairs(list[tuple[str, Any]]):
    """The members of an object, in their order."""


def respelled(text: str, random: Random) -> bytes:
    """Rewrite JSON at random: another order of keys, escapes, white space, spellings of numbers.

    Most results mean the same. Seldom a member is null, occurs twice or has another type.
    """
    value = json.loads(text, object_pairs_hook=_Pairs)
    style = _Style(
        shuffles=random.random() < 0.5,
        escapes=random.choice((0.0, 0.02, 0.5)),
        spaces=random.choice((0.0, 0.0, 0.3)),
        numbers=random.choice((0.0, 0.3)),
        odd=random.choice((0.0, 0.0, 0.02)),
    )
    return style.write(value, random).encode("utf-8", "surrogatepass")


class _Style:
    """How to write JSON: the probabilities of what differs from the usual way."""

    def __init__(
        self, *, shuffles: bool, escapes: float, spaces: float, numbers: float, odd: float
    ) -> None:
        self.shuffles = shuffles
        self.escapes = escapes
        self.spaces = spaces
        self.numbers = numbers
        self.odd = odd

    def write(self, value: Any, random: Random) -> str:
        """Write a value as text."""
        return self._space(random) + self._write(value, random) + self._space(random)

    def _space(self, random: Random) -> str:
        return random.choice(" \t\n\r") if random.random() < self.spaces else ""

    def _write(self, value: Any, random: Random) -> str:
        if random.random() < self.odd:
            return random.choice(["null", "0", '""', "[]", "{}", "true", "-1", "1e400", '"NaN"'])
        if isinstance(value, _Pairs):
            members = list(value)
            if self.shuffles:
                random.shuffle(members)
            if members and random.random() < self.odd:
                members.append(random.choice(members))
            inner = ",".join(
                f"{self._space(random)}{self._string(key, random)}{self._space(random)}:"
                + self.write(item, random)
                for key, item in members
            )
            return f"{{{inner or self._space(random)}}}"
        if isinstance(value, list):
            return f"[{','.join(self.write(item, random) for item in value)}]"
        if isinstance(value, str):
            return self._string(value, random)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return self._number(value, random)
        return json.dumps(value)

    def _string(self, text: str, random: Random) -> str:
        written = []
        for character in text:
            if random.random() < self.escapes:
                units = character.encode("utf-16-be", "surrogatepass")
                codes = [units[at : at + 2].hex() for at in range(0, len(units), 2)]
                if random.random() < 0.5:
                    codes = [code.upper() for code in codes]
                written.append("".join(f"\\u{code}" for code in codes))
            elif character == "/" and random.random() < 0.2:
                written.append("\\/")
            else:
                written.append(json.dumps(character, ensure_ascii=False)[1:-1])
        return f'"{"".join(written)}"'

    def _number(self, number: float, random: Random) -> str:
        plain = json.dumps(number)
        if random.random() >= self.numbers:
            return plain
        others = [f'"{plain}"', repr(float(number)), f"{float(number):e}", f"{plain}e0"]
        if isinstance(number, int):
            others += [f"{number}.0", f"{number}0e-1", f'"{number}.0"']
        return random.choice(others)


def damaged(text: bytes, random: Random) -> bytes:
    """Change, insert, remove or repeat some bytes of JSON."""
    data = bytearray(text)
    for _ in range(random.choice((1, 1, 2, 3))):
        start = random.randrange(len(data) + 1)
        end = min(len(data), start + random.choice((1, 1, 2, 8)))
        match random.randrange(5):
            case 0:
                data[start:end] = random.randbytes(end - start)
            case 1 | 2:
                data[start:start] = random.choice(_PIECES)
            case 3:
                del data[start:end]
            case 4:
                data[start:start] = data[start:end]
    return bytes(data)
