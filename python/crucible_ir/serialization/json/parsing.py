"""The strict JSON parser, and the positions of the values in a text."""

from __future__ import annotations

import codecs
import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import NoReturn

import orjson

from crucible_ir.errors import DecodeError, Position
from crucible_ir.paths import Part, format_path
from crucible_ir.serialization.conversion_error import ConversionError, parse_number, too_deep
from crucible_ir.serialization.json.syntax_errors import syntax_error
from crucible_ir.serialization.limits import MAX_DEPTH
from crucible_ir.serialization.positions import PositionTree, position_at

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
    """An object has a duplicate key; a scan of the tokens finds its position."""


def decode_utf8(data: str | bytes | bytearray | memoryview) -> str:
    """Return the text of a document without its byte order mark.

    Raises:
        DecodeError: The bytes are not UTF-8; the error has the position of the first invalid byte.
    """
    if not isinstance(data, (str, bytes, bytearray, memoryview)):
        reason = f"expected text or its bytes, got {type(data).__name__}"
        if isinstance(data, PathLike):
            reason += "; read the file first, with Path.read_bytes()"
        elif hasattr(data, "read"):
            reason += "; call its read() first"
        raise DecodeError(reason)
    if not isinstance(data, str):
        raw = bytes(data)
        _reject_utf16(raw)
        try:
            data = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            valid = raw[: error.start].decode("utf-8")
            raise DecodeError(
                f"byte 0x{raw[error.start]:02x} is not UTF-8",
                position=position_at(valid, len(valid)),
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

    orjson reads the text first. Because it drops duplicate keys and digits of long numbers, its
    values are used only if orjson writes them as the same text, apart from white space.

    Raises:
        DecodeError: The text is not JSON, has a duplicate key, or is nested too deeply.
    """
    try:
        return _parse_with_orjson(data)
    except (TypeError, ValueError):
        # The error refers to the parsed values. They are freed before the strict parser runs.
        pass
    return _parse_strictly(decode_utf8(data))


def _parse_with_orjson(data: str | bytes | bytearray | memoryview) -> object:
    """Parse a JSON text with orjson.

    Raises:
        ValueError: orjson does not write the values as the same text.
    """
    raw = data.encode() if isinstance(data, str) else bytes(data)
    value = orjson.loads(raw)
    written = orjson.dumps(value)
    if raw != written and (
        raw.translate(None, _WHITE_SPACE) != written.translate(None, _WHITE_SPACE)
    ):
        raise ValueError("orjson writes the values as another text")
    return value


def _parse_strictly(text: str) -> object:
    try:
        return json.loads(
            text,
            object_pairs_hook=_make_object,
            parse_constant=_reject_constant,
            parse_float=parse_number,
        )
    except json.JSONDecodeError as error:
        raise syntax_error(text, error) from None
    except _DuplicateKeyError:
        _, duplicate = _scan(text)
        raise (duplicate or DecodeError("duplicate key in an object")) from None
    except RecursionError:
        raise DecodeError(too_deep().reason, position=_first_too_deep(text)) from None
    except ConversionError as error:
        raise DecodeError(error.reason, position=_first(_NOT_FINITE, text)) from None
    except ValueError:
        # Python does not convert more than 4300 digits to an integer.
        position = _first(_LONG_INTEGER, text)
        raise DecodeError("a number has too many digits", position=position) from None


def _make_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _DuplicateKeyError
    return result


def _reject_constant(name: str) -> NoReturn:
    raise ConversionError(f'not JSON: {name} without quotes; write "{name}"')


class JsonPositions:
    """The positions of the values of a JSON text, found when they are read.

    The first position is found by a scan of the tokens up to its value. The second one builds a
    tree of all positions.
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
    """Return a position as `Positions.find` does, reading only the tokens up to it."""
    tokens = _TOKEN.finditer(text)
    found = next(tokens)
    for number, names in enumerate(path):
        child = _child(tokens, found.group(), names)
        if child is None:
            break
        key_token, found = child
        if key and number == len(path) - 1 and key_token is not None:
            found = key_token
    return position_at(text, found.start())


def _child(
    tokens: Iterator[re.Match[str]], bracket: str, names: Sequence[Part]
) -> tuple[re.Match[str] | None, re.Match[str]] | None:
    """Return the tokens of the key and the value of a member, or ``None`` if there is none.

    Args:
        tokens: The tokens after the first token of the object or list.
        bracket: The first token; if it is not a bracket, the value has no members.
        names: The possible keys, or the index, of the member.
    """
    if bracket not in ("{", "["):
        return None
    for index, token in enumerate(_members(tokens)):
        if bracket == "[":
            if index in names:
                return None, token
            _skip(tokens, token)
        else:
            next(tokens)  # The colon.
            value = next(tokens)
            if json.loads(token.group()) in names:
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
    """Consume the rest of a value whose first token has been read."""
    depth = 1 if first.group() in ("[", "{") else 0
    while depth:
        symbol = next(tokens).group()
        if symbol in ("[", "{"):
            depth += 1
        elif symbol in ("]", "}"):
            depth -= 1


def _first(pattern: re.Pattern[str], text: str) -> Position | None:
    """Return the position of the first token that matches a pattern."""
    for token in _TOKEN.finditer(text):
        if pattern.fullmatch(token.group()):
            return position_at(text, token.start())
    return None


def _first_too_deep(text: str) -> Position | None:
    """Return the position of the first bracket that is nested too deeply."""
    depth = 0
    for token in _TOKEN.finditer(text):
        symbol = token.group()
        if symbol in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return position_at(text, token.start())
        elif symbol in "]}":
            depth -= 1
    return None


def _scan(text: str) -> tuple[PositionTree, DecodeError | None]:
    """Return the positions of the values of a JSON text, and the error for a duplicate key."""
    starts = [0, *(match.end() for match in re.finditer("\r\n?|\n", text))]

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
                # The rest of the text may not be JSON.
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
