"""JSON text to JSON values, strictly, and the positions of the values."""

from __future__ import annotations

import codecs
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NoReturn

import orjson

from crucible_ir.errors import DecodeError, Position
from crucible_ir.paths import Part, format_path
from crucible_ir.serialization.conversion_error import ConversionError, parse_number, too_deep
from crucible_ir.serialization.json.syntax_errors import syntax_error
from crucible_ir.serialization.limits import MAX_DEPTH
from crucible_ir.serialization.positions import PositionTree

_TOKEN = re.compile(r'[\[\]{},:]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s\[\]{},:"]+')
_NOT_FINITE = re.compile("NaN|-?Infinity")
_LONG_INTEGER = re.compile(r"-?[0-9]{4301,}")
_BYTE_ORDER_MARK = "\ufeff"
_WHITE_SPACE = b" \n\r\t"
#: The byte order marks of other encodings; that of UTF-16 begins one of UTF-32.
_OTHER_ENCODINGS = {
    "UTF-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
    "UTF-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
}


class _DuplicateKeyError(ValueError):
    """An object repeats a key; a scan of the tokens finds which and where."""


def decode_utf8(data: str | bytes | bytearray | memoryview) -> str:
    """Return the text of a document, less a byte order mark.

    Raises:
        DecodeError: The bytes are not UTF-8; the error has the position of the first bad one.
    """
    if not isinstance(data, (str, bytes, bytearray, memoryview)):
        raise DecodeError(f"expected text or its bytes, got {type(data).__name__}")
    if not isinstance(data, str):
        raw = bytes(data)
        _reject_utf16(raw)
        try:
            data = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            good = raw[: error.start].decode("utf-8")
            raise DecodeError(
                f"byte 0x{raw[error.start]:02x} is not UTF-8", position=_position(good, len(good))
            ) from None
    return data.removeprefix(_BYTE_ORDER_MARK)


def _reject_utf16(raw: bytes) -> None:
    """Reject UTF-16 and UTF-32, by the byte order mark or the zero byte of the first character."""
    for name, marks in _OTHER_ENCODINGS.items():
        if raw.startswith(marks):
            raise DecodeError(f"{name} byte order mark: save as UTF-8", position=Position(1, 1))
    if len(raw) > 1 and (raw[0] == 0) != (raw[1] == 0):
        raise DecodeError("this looks like UTF-16: save as UTF-8", position=Position(1, 1))


def parse(data: str | bytes | bytearray | memoryview) -> object:
    """Parse a JSON text (RFC 8259) into JSON values, and reject duplicate keys.

    orjson reads it first. It loses duplicate keys and the digits of long numbers, so its values
    count only if it writes the same text from them, white space aside.

    Raises:
        DecodeError: The text is not JSON, repeats a key, or is nested too deeply.
    """
    try:
        return _parse_exactly(data)
    except (TypeError, ValueError):
        # The error would keep the values in memory: the strict parser runs after this block.
        pass
    return _parse_strictly(decode_utf8(data))


def _parse_exactly(data: str | bytes | bytearray | memoryview) -> object:
    """Parse a JSON text that is written as orjson writes it, or raise any ValueError."""
    raw = data.encode() if isinstance(data, str) else bytes(data)
    value = orjson.loads(raw)
    written = orjson.dumps(value)
    if raw != written and (
        raw.translate(None, _WHITE_SPACE) != written.translate(None, _WHITE_SPACE)
    ):
        raise ValueError("not written as orjson writes it")
    return value


def _parse_strictly(text: str) -> object:
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_reject_constant,
            parse_float=parse_number,
        )
    except json.JSONDecodeError as error:
        raise syntax_error(text, error) from None
    except _DuplicateKeyError:
        _, duplicate = _scan(text)
        raise (duplicate or DecodeError("an object repeats a key")) from None
    except RecursionError:
        raise DecodeError(too_deep().reason, position=_first_too_deep(text)) from None
    except ConversionError as error:
        raise DecodeError(error.reason, position=_first(_NOT_FINITE, text)) from None
    except ValueError:
        # Python refuses to make an integer of more than 4300 digits.
        place = _first(_LONG_INTEGER, text)
        raise DecodeError("a number has too many digits", position=place) from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _DuplicateKeyError
    return made


def _reject_constant(name: str) -> NoReturn:
    raise ConversionError(f'not JSON: {name} without quotes; write "{name}"')


class JsonPositions:
    """The positions of the values of a JSON text, worked out when somebody reads them.

    The first is found by a scan of the tokens along its path; the second makes a tree of all.
    """

    _tree: PositionTree | None = None
    _scanned = False

    def __init__(self, data: str | bytes | bytearray | memoryview) -> None:
        self._data = data

    def find(self, path: Sequence[Sequence[Part]], *, key: bool = False) -> Position:
        """Return a position as `Positions.find` does."""
        if not self._scanned:
            self._scanned = True
            return _find_along(decode_utf8(self._data), path, key=key)
        if self._tree is None:
            self._tree = locate(decode_utf8(self._data))
        return self._tree.find(path, key=key)


def locate(text: str) -> PositionTree:
    """Return the positions of all values of a text that `parse` accepts."""
    root, _ = _scan(text)
    return root


def _find_along(text: str, path: Sequence[Sequence[Part]], *, key: bool) -> Position:
    """Return a position as `Positions.find` does, from the tokens up to it alone."""
    tokens = _TOKEN.finditer(text)
    found = next(tokens)
    for number, spellings in enumerate(path):
        child = _child(tokens, found.group(), spellings)
        if child is None:
            break
        key_token, found = child
        if key and number == len(path) - 1 and key_token is not None:
            found = key_token
    return _position(text, found.start())


def _child(
    tokens: Iterator[re.Match[str]], bracket: str, spellings: Sequence[Part]
) -> tuple[re.Match[str] | None, re.Match[str]] | None:
    """Return the tokens of the key and the value of a member, or ``None`` if there is none.

    Args:
        tokens: The tokens after the bracket that begins the object or list.
        bracket: That bracket; any other token has no members.
        spellings: The keys or the index to look for.
    """
    if bracket not in ("{", "["):
        return None
    for index, token in enumerate(_members(tokens)):
        if bracket == "[":
            if index in spellings:
                return None, token
            _skip(tokens, token)
        else:
            # The colon.
            next(tokens)
            value = next(tokens)
            if json.loads(token.group()) in spellings:
                return token, value
            _skip(tokens, value)
    return None


def _members(tokens: Iterator[re.Match[str]]) -> Iterator[re.Match[str]]:
    """Yield the first token of each member of an object or list."""
    for token in tokens:
        if token.group() in ("]", "}"):
            return
        if token.group() != ",":
            yield token


def _skip(tokens: Iterator[re.Match[str]], first: re.Match[str]) -> None:
    """Go past the rest of a value whose first token has been read."""
    depth = 1 if first.group() in ("[", "{") else 0
    while depth:
        symbol = next(tokens).group()
        if symbol in ("[", "{"):
            depth += 1
        elif symbol in ("]", "}"):
            depth -= 1


def _position(text: str, offset: int) -> Position:
    before = text.rfind("\n", 0, offset)
    return Position(text.count("\n", 0, offset) + 1, offset - before)


def _first(pattern: re.Pattern[str], text: str) -> Position | None:
    """Return the position of the first token that a pattern matches as a whole."""
    for token in _TOKEN.finditer(text):
        if pattern.fullmatch(token.group()):
            return _position(text, token.start())
    return None


def _first_too_deep(text: str) -> Position | None:
    """Return the position of the first bracket that is deeper than any message."""
    depth = 0
    for token in _TOKEN.finditer(text):
        symbol = token.group()
        if symbol in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return _position(text, token.start())
        elif symbol in "]}":
            depth -= 1
    return None


def _scan(text: str) -> tuple[PositionTree, DecodeError | None]:
    """Walk the tokens of a JSON text; return its positions and an error for a repeated key."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def at(offset: int) -> Position:
        line = bisect_right(starts, offset)
        return Position(line, offset - starts[line - 1] + 1)

    root = PositionTree(Position(1, 1))
    stack: list[tuple[PositionTree, bool]] = []
    path: list[Part] = []
    key: Part | None = None
    expecting_key = False
    for token in _TOKEN.finditer(text):
        symbol = token.group()
        if symbol == ",":
            expecting_key = bool(stack) and stack[-1][1]
            continue
        if symbol == ":":
            expecting_key = False
            continue
        if symbol in "]}":
            stack.pop()
            if path:
                path.pop()
            expecting_key = False
            continue
        here = at(token.start())
        if expecting_key and symbol.startswith('"'):
            key = json.loads(symbol)
            if key in stack[-1][0].keys:
                first = stack[-1][0].keys[key]
                reason = f'duplicate key "{key}", first given at {first}'
                # What comes after may not even be JSON.
                return root, DecodeError(reason, path=format_path(path), position=here)
            stack[-1][0].keys[key] = here
            continue
        node = PositionTree(here) if symbol in "[{" else None
        part: Part = 0
        if stack:
            parent, is_object = stack[-1]
            part = len(parent.children) if not is_object or key is None else key
            parent.children[part] = here if node is None else node
        else:
            root = PositionTree(here) if node is None else node
        if node is not None:
            if stack:
                path.append(part)
            stack.append((node, symbol == "{"))
            expecting_key = symbol == "{"
    return root, None
