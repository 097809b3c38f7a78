"""JSON text: strict parsing into plain values, writing, and the places of its values."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from typing import NoReturn

import orjson

from crucible_ir.errors import DecodeError, Position
from crucible_ir.paths import Part, format_path
from crucible_ir.serialization.byte_text import byte_text_json
from crucible_ir.serialization.conversion_error import ConversionError, too_deep
from crucible_ir.serialization.limits import MAX_DEPTH
from crucible_ir.serialization.positions import LocatedNode

_TOKEN = re.compile(r'[\[\]{},:]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s\[\]{},:"]+')
_NOT_FINITE = re.compile("NaN|-?Infinity")
_LONG_INTEGER = re.compile(r"-?[0-9]{4301,}")
_BYTE_ORDER_MARK = "\ufeff"
_WHITE_SPACE = b" \n\r\t"


class _DuplicateKeyError(ValueError):
    """An object repeats a key; the scan of the tokens tells which and where."""


def decode_utf8(data: str | bytes | bytearray | memoryview) -> str:
    """Return the text of a document, less a byte order mark.

    Raises:
        DecodeError: The bytes are not UTF-8; the error holds the place of the first bad one.
    """
    if not isinstance(data, (str, bytes, bytearray, memoryview)):
        raise DecodeError(f"expected text or its bytes, got {type(data).__name__}")
    if not isinstance(data, str):
        raw = bytes(data)
        try:
            data = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            good = raw[: error.start].decode("utf-8")
            raise DecodeError(
                f"byte 0x{raw[error.start]:02x} is not UTF-8", position=_position(good, len(good))
            ) from None
    return data.removeprefix(_BYTE_ORDER_MARK)


def parse(text: str) -> object:
    """Parse a JSON text (RFC 8259) into plain values, refusing duplicate keys.

    Raises:
        DecodeError: The text is not JSON, repeats a key, or is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise DecodeError(
            f"not JSON: {error.msg[0].lower()}{error.msg[1:]}",
            position=Position(error.lineno, error.colno),
        ) from None
    except _DuplicateKeyError:
        _, duplicate = _scan(text)
        raise (duplicate or DecodeError("an object repeats a key")) from None
    except RecursionError:
        raise too_deep().decode_error(_first_too_deep(text)) from None
    except ConversionError as error:
        raise error.decode_error(_first(_NOT_FINITE, text)) from None
    except ValueError:
        # Python refuses to make an integer of more than 4300 digits.
        place = _first(_LONG_INTEGER, text)
        raise DecodeError("a number has too many digits", position=place) from None


def parse_ordinary(data: str | bytes) -> object:
    """Parse a JSON text that is written as orjson writes it, white space aside, to byte text.

    It is the quick way of `parse`: writing what was read gives the same text only if nothing was
    lost on the way, such as the first of two equal keys or the digits of a long number. What the
    strings that it returns stand for is told in `byte_text`.

    Raises:
        ValueError: The text is written in another way, or it is not JSON; `parse` knows which.
    """
    raw = data.encode() if isinstance(data, str) else data
    if not data.isascii():
        raw = byte_text_json(raw)
    value = orjson.loads(raw)
    written = orjson.dumps(value)
    if raw != written and (
        raw.translate(None, _WHITE_SPACE) != written.translate(None, _WHITE_SPACE)
    ):
        raise ValueError("not written as orjson writes it")
    return value


def write(value: object, *, indent: int | None = None) -> str:
    """Write plain values as JSON text, in the order given and without escaping non-ASCII text."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators
    )


def may_be_deep(text: str) -> bool:
    """Tell whether the message that a JSON text was written from may be nested too deeply to read.

    An object or a list stands for three levels of messages at most.
    """
    return text.count("{") + text.count("[") > MAX_DEPTH // 3


def locate(text: str) -> LocatedNode:
    """Return the places of the values of a text that `parse` accepts."""
    root, _ = _scan(text)
    return root


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _DuplicateKeyError
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise ConversionError(
        f'not JSON: {name} stands bare; a number that is not finite is written "{name}"'
    )


def _position(text: str, offset: int) -> Position:
    before = text.rfind("\n", 0, offset)
    return Position(text.count("\n", 0, offset) + 1, offset - before)


def _first(pattern: re.Pattern[str], text: str) -> Position | None:
    """Return where the first token stands that a pattern matches as a whole."""
    for token in _TOKEN.finditer(text):
        if pattern.fullmatch(token.group()):
            return _position(text, token.start())
    return None


def _first_too_deep(text: str) -> Position | None:
    """Return where the brackets first are deeper than any message."""
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


def _scan(text: str) -> tuple[LocatedNode, DecodeError | None]:
    """Walk the tokens of a JSON text; return its located root and an error for a repeated key."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def at(offset: int) -> Position:
        line = bisect_right(starts, offset)
        return Position(line, offset - starts[line - 1] + 1)

    root = LocatedNode(Position(1, 1))
    stack: list[tuple[LocatedNode, bool]] = []
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
        node = LocatedNode(here) if symbol in "[{" else None
        part: Part = 0
        if stack:
            parent, is_object = stack[-1]
            part = len(parent.children) if not is_object or key is None else key
            parent.children[part] = here if node is None else node
        else:
            root = LocatedNode(here) if node is None else node
        if node is not None:
            if stack:
                path.append(part)
            stack.append((node, symbol == "{"))
            expecting_key = symbol == "{"
    return root, None
