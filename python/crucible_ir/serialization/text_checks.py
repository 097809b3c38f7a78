r"""Corrections of google's parser of protobuf's text format, which reads some text wrongly.

The parser keeps the last of two map entries with one key, rounds integers in opaque JSON, reads
``1e400`` as infinity, and takes numbers as Python writes them, such as ``1_000``. It keeps neither
the text of a number nor positions, so that the tokens of the text are read again here,
one at a time. It also reads the escape ``\?`` as two characters.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from google.protobuf import descriptor_pool, text_encoding

from crucible_ir.errors import DecodeError, shorten_name
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema.fields import (
    INTEGER_RANGES,
    OPAQUE_MESSAGES,
    Field,
    Kind,
    describe_field,
    fields_of,
)
from crucible_ir.serialization.conversion_error import MAX_ERRORS
from crucible_ir.serialization.json.opaque import MAX_EXACT_INTEGER, beyond_exact_integers
from crucible_ir.serialization.json.scalars import single_bits
from crucible_ir.serialization.positions import position_at

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

# A group that may backtrack would take memory for each of its characters.
_TOKEN = re.compile(
    r"""
    \#[^\n]*                                                # a comment
    | (?P<string> "(?:[^"\\]++|\\.)*+" | '(?:[^'\\]++|\\.)*+' )
    | [][{}<>:,;]
    | [^][{}<>:,;\s"'#]+                                    # a name or a number
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\.", re.DOTALL)
_SEPARATORS = frozenset(":,;")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*|0[0-7]+|0[xX][0-9a-fA-F]+)")
_FLOAT = re.compile(
    r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?[fF]?", re.ASCII
)
_DECIMAL = re.compile(r"-?[0-9]+")
_NOT_OCTAL = re.compile(r"-?(?:0|[1-9].*|0[xX].*)")
_NOT_FINITE = re.compile(r"-?(?:inf|infinity|nan)f?", re.IGNORECASE)

_Path: TypeAlias = tuple[Part, ...]


class _Token(NamedTuple):
    """A token, its offset, and for a string, which has no text here, the end of its literals."""

    text: str
    offset: int
    end: int = 0


@dataclass(slots=True)
class _Open:
    """A message whose end has not been read.

    Attributes:
        type: Its type; ``None`` if it is not known.
        offset: The offset of its bracket.
        path: Its path.
        map: The map that it is an entry of, if it is one.
        key: For an entry, the key and its offset.
        name: The name of the field whose value comes next; empty before a name.
        field: That field, if it is known.
        value_type: The type of its value, if that is a known message type.
        in_list: Whether the value is in a list in brackets.
        counts: The number of messages so far in each list.
        keys: The offset of each key so far in each map.
    """

    type: Descriptor | None
    offset: int
    path: _Path
    map: Field | None = None
    key: tuple[object, int] | None = None
    name: str = ""
    field: Field | None = None
    value_type: Descriptor | None = None
    in_list: bool = False
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    keys: dict[str, dict[object, int]] = dataclasses.field(default_factory=dict)

    def begin_field(self, name: str) -> None:
        """Set the field whose value comes next."""
        self.name = name
        self.field = None if self.type is None else fields_of(self.type).get(name)
        self.value_type = None if self.field is None else self.field.descriptor.message_type

    def begin_bracketed_field(self, name: str) -> None:
        """Set the next field from a name in brackets: an extension, or the type inside an Any."""
        self.name = f"[{name}]"
        self.field = self.value_type = None
        pool: Any = descriptor_pool.Default()
        try:
            if "/" in name:
                self.value_type = pool.FindMessageTypeByName(name.rpartition("/")[2])
            else:
                self.field = describe_field(pool.FindExtensionByName(name))
                self.value_type = self.field.descriptor.message_type
        except KeyError:
            # Without a type, nothing inside can be checked.
            pass

    def value_path(self) -> _Path:
        """Return the path of the value that comes next, and count it if it is in a list."""
        if self.map is not None:
            # An entry is not a step. Its key may come after its value.
            return self.path if self.key is None else (*self.path, MapKey(str(self.key[0])))
        is_opaque = self.type is not None and self.type.full_name in OPAQUE_MESSAGES
        path = self.path if is_opaque else (*self.path, self.name)
        if self.field is None or not self.field.is_list:
            return path
        index = self.counts.get(self.name, 0)
        self.counts[self.name] = index + 1
        return (*path, index)


def unescape_question_marks(text: str) -> str:
    r"""Replace the escape ``\?`` in every string; spaces after the string keep later columns."""
    return _TOKEN.sub(_unescape_question_marks, text) if r"\?" in text else text


def _unescape_question_marks(token: re.Match[str]) -> str:
    written = token.group()
    if token["string"] is None:
        return written
    read = _ESCAPE.sub(lambda found: found[0].replace(r"\?", "?"), written)
    return read.ljust(len(written))


def check_text(text: str, descriptor: Descriptor) -> None:
    """Check a text that google's parser has accepted.

    Args:
        text: The text.
        descriptor: The type of its message.

    Raises:
        DecodeError: It has a map with a duplicate key, or a number that is out of range or is not
            written as the text format requires. It has all such errors, up to `MAX_ERRORS`.
    """
    errors = [
        DecodeError(reason, path=format_path(path), position=position_at(text, offset))
        for offset, path, reason in sorted(islice(_problems(text, descriptor), MAX_ERRORS))
    ]
    if errors:
        first, *others = errors
        first.add(others)
        raise first


def _problems(text: str, descriptor: Descriptor) -> Iterator[tuple[int, _Path, str]]:
    """Yield the offset, the path and the reason of each problem; that of a key after its value."""
    stack = [_Open(descriptor, 0, ())]
    tokens = _tokens(text)
    for token in tokens:
        message = stack[-1]
        symbol = token.text
        if symbol in ("}", ">"):
            stack.pop()
            if message.map is not None:
                yield from _end_entry(text, message, message.map, stack[-1])
        elif symbol == "[" and not message.name:
            names = takewhile(lambda token: token.text != "]", tokens)
            message.begin_bracketed_field("".join(name.text for name in names))
        elif not message.name:
            message.begin_field(symbol)
        elif symbol == "[":
            message.in_list = True
        elif symbol == "]":
            message.in_list = False
            message.name = ""
        else:
            path = message.value_path()
            if symbol in ("{", "<"):
                field_ = message.field
                is_entry = field_ is not None and field_.is_map
                stack.append(
                    _Open(message.value_type, token.offset, path, field_ if is_entry else None)
                )
            elif message.field is not None:
                if message.map is not None and message.name == "key":
                    message.key = (_key(text, token, message.field.kind), token.offset)
                elif not token.end:
                    reason = _number_problem(symbol, message.field, message.type)
                    if reason:
                        yield token.offset, path, reason
            if not message.in_list:
                message.name = ""


def _tokens(text: str) -> Iterator[_Token]:
    """Yield the tokens of a text without comments and separators; adjacent strings are one."""
    start = end = 0
    for match in _TOKEN.finditer(text):
        symbol = match.group()
        if match["string"] is not None:
            start = start if end else match.start()
            end = match.end()
        elif symbol[0] != "#":
            if end:
                yield _Token("", start, end)
                end = 0
            if symbol not in _SEPARATORS:
                yield _Token(symbol, match.start())
    if end:
        yield _Token("", start, end)


def _end_entry(
    text: str, entry: _Open, map_: Field, owner: _Open
) -> Iterator[tuple[int, _Path, str]]:
    """Yield the problem of an entry whose key an earlier entry has."""
    if entry.key is None:
        zero: object = "" if map_.key is Kind.STRING else 0
        entry.key = (zero, entry.offset)
    key, offset = entry.key
    first = owner.keys.setdefault(map_.name, {}).setdefault(key, offset)
    if first != offset:
        shown = f'duplicate key "{key}", first given at {position_at(text, first)}'
        yield offset, entry.path, shown


def _key(text: str, token: _Token, kind: Kind) -> object:
    """Return the key of a map; equal keys may be written in different ways."""
    if kind is Kind.STRING:
        literals = (found["string"] for found in _TOKEN.finditer(text, token.offset, token.end))
        return b"".join(_unescape(literal) for literal in literals if literal is not None).decode()
    if kind is Kind.BOOL:
        return token.text in ("true", "True", "t", "1")
    return int(token.text, 0) if _NOT_OCTAL.fullmatch(token.text) else int(token.text, 8)


def _unescape(literal: str) -> bytes:
    unescaped: bytes = text_encoding.CUnescape(literal[1:-1])
    return unescaped


def _number_problem(text: str, field_: Field, owner: Descriptor | None) -> str:
    """Return the problem of a number in the field of a message; empty if there is none."""
    if field_.kind in INTEGER_RANGES:
        return "" if _INTEGER.fullmatch(text) else f"invalid integer {shorten_name(text)}"
    if field_.kind not in (Kind.DOUBLE, Kind.FLOAT) or _NOT_FINITE.fullmatch(text):
        return ""
    if not _FLOAT.fullmatch(text):
        return f"invalid number {shorten_name(text)}"
    number = float(text.rstrip("fF"))
    if math.isinf(number) or (field_.kind is Kind.FLOAT and single_bits(number) is None):
        return f'the number {shorten_name(text)} is out of range; write "inf" if that is meant'
    is_opaque = owner is not None and owner.full_name in OPAQUE_MESSAGES
    if is_opaque and _DECIMAL.fullmatch(text) and abs(int(text)) > MAX_EXACT_INTEGER:
        return beyond_exact_integers(int(text))
    return ""
