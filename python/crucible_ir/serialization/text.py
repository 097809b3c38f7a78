"""Protobuf's text format, for any message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, overload

from google.protobuf import text_format

from crucible_ir.errors import DecodeError, Position, near_miss
from crucible_ir.schema.types import message_type, message_types
from crucible_ir.serialization.binary import ensure_reads_back, reads_back
from crucible_ir.serialization.conversion_error import too_deep
from crucible_ir.serialization.json.parsing import decode_utf8
from crucible_ir.validation.check import ensure_valid

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits

    MessageT = TypeVar("MessageT", bound=Message)

_PLACE = re.compile(r"^\d+:\d+ : ")
_NO_FIELD = re.compile(r'Message type "([^"]+)" has no field named "([^"]+)"')


def to_text(message: Message) -> str:
    """Write a message in protobuf's text format.

    Raises:
        EncodeError: The message is nested deeper than protobuf reads back.

    >>> from crucible_ir import v1
    >>> print(to_text(v1.StageDef(name="embed")), end="")
    name: "embed"
    """
    ensure_reads_back(message)
    return text_format.MessageToString(message, as_utf8=True)


@overload
def from_text(
    data: str | bytes, type: type[MessageT], *, validate: bool = True, limits: Limits | None = None
) -> MessageT: ...
@overload
def from_text(
    data: str | bytes, type: str, *, validate: bool = True, limits: Limits | None = None
) -> Message: ...
def from_text(
    data: str | bytes,
    type: str | type[Message],
    *,
    validate: bool = True,
    limits: Limits | None = None,
) -> Message:
    """Read a message from protobuf's text format.

    Args:
        data: The text, or its UTF-8 bytes.
        type: The message's class or its name.
        validate: Whether the schema's rules must hold.
        limits: How large and deep the document may be; ``None`` sets no limit but memory.

    Raises:
        LimitError: The document is over one of the limits.
        DecodeError: The text does not describe such a message; the error has a position.
        ValidationError: The message breaks rules of the schema.
    """
    if limits is not None:
        limits.check_size(data)
    text = decode_utf8(data)
    message = message_type(type)()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        line, column = error.GetLine(), error.GetColumn()
        place = Position(line, column) if line is not None and column is not None else None
        raise DecodeError(_reason(str(error), text, line), position=place) from None
    except RecursionError:
        raise too_deep().decode_error() from None
    except (ValueError, DeprecationWarning) as error:
        # Python warns of an escape that there is not, and may have been told to raise that.
        raise DecodeError(str(error)) from None
    if not reads_back(message):
        raise too_deep().decode_error()
    if validate:
        ensure_valid(message)
    if limits is not None:
        limits.check(message)
    return message


def _reason(said: str, text: str, line: int | None) -> str:
    """Return what google's error says, less the place and the whole of the line there."""
    reason = _PLACE.sub("", said)
    if line is not None:
        for shown in ("", *text.split("\n")[line - 1 : line]):
            reason = reason.removeprefix(f"'{shown}': ")
    reason = reason.strip().rstrip(".")
    match = _NO_FIELD.search(reason)
    if match is None:
        return reason
    owner, name = match.groups()
    found = message_types().get(owner.rpartition(".")[2])
    guess = near_miss(name, found.DESCRIPTOR.fields_by_name) if found is not None else ""
    shown = name if len(name) <= 64 else f"{name[:64]}…"
    return f'{owner.rpartition(".")[2]} has no field "{shown}"{guess}'


_TEXT_TOKEN = re.compile(
    r"""
    \#[^\n]*                                          # a comment
    | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*'       # a string
    | [{}<>\[\]]                                      # brackets
    | (?P<name>[A-Za-z_]\w*)(?=\s*[:{<])              # the name of a field
    """,
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ParsedText:
    """A document in protobuf's text format, whose parser needs the message type.

    Attributes:
        text: The text; only its top-level names are known before the type is.
    """

    text: str

    def read(
        self, type_: type[Message], *, validate: bool, limits: Limits | None = None
    ) -> Message:
        """Return the message that the text describes, with the errors of `from_text`."""
        return from_text(self.text, type_, validate=validate, limits=limits)

    def field_finder(self, type_: type[Message]) -> None:
        """Return ``None``: protobuf's parser keeps no positions."""
        return None

    def keys(self) -> Mapping[str, bool]:
        """Return the names of the top-level fields, all of which have a value."""
        return dict.fromkeys(self._offsets(), True)

    def key_position(self, key: str) -> Position:
        """Return the position of a top-level name."""
        before = self.text[: self._offsets()[key]]
        return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))

    def _offsets(self) -> dict[str, int]:
        depth = 0
        offsets: dict[str, int] = {}
        for token in _TEXT_TOKEN.finditer(self.text):
            symbol = token.group()
            if symbol in "{<[":
                depth += 1
            elif symbol in "}>]":
                depth -= 1
            elif depth == 0 and token["name"]:
                offsets.setdefault(symbol, token.start())
        return offsets
