"""Reading and writing of messages in protobuf's text format."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, overload

from google.protobuf import text_format

from crucible_ir.errors import DecodeError, EncodeError, Position, near_miss, shorten_name
from crucible_ir.schema.types import descriptor_of, message_type, message_types
from crucible_ir.schema.unknown_fields import show_all_entries
from crucible_ir.serialization.binary import ensure_reads_back, reads_back
from crucible_ir.serialization.conversion_error import too_deep
from crucible_ir.serialization.json.parsing import decode_utf8
from crucible_ir.serialization.positions import position_at
from crucible_ir.serialization.text_checks import check_text, unescape_question_marks
from crucible_ir.validation.check import ensure_valid

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits

    MessageT = TypeVar("MessageT", bound=Message)

_POSITION = re.compile(r"^\d+:\d+ : ")
_NO_FIELD = re.compile(r'Message type "([^"]+)" has no field named "([^"]+)"')


def to_text(message: Message, *, max_length: int | None = None) -> str:
    """Write a message in protobuf's text format.

    Args:
        message: The message.
        max_length: The most characters, which indentation can make many more than the values have;
            ``None`` for no limit.

    Raises:
        EncodeError: The message is nested too deeply, or the text is longer than the limit.

    >>> from crucible_ir import v1
    >>> print(to_text(v1.StageDef(name="embed")), end="")
    name: "embed"
    """
    ensure_reads_back(message)
    shown = show_all_entries(message)
    if max_length is None:
        return text_format.MessageToString(shown, as_utf8=True)
    text = _LimitedText(max_length)
    text_format.PrintMessage(shown, text, as_utf8=True)
    return text.getvalue()


class _LimitedText(io.StringIO):
    def __init__(self, max_length: int) -> None:
        super().__init__()
        self._left = max_length
        self._max_length = max_length

    def write(self, text: str) -> int:
        self._left -= len(text)
        if self._left < 0:
            raise EncodeError(f"the text would have more than {self._max_length:,} characters")
        return super().write(text)


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
        validate: Whether the message must satisfy the rules of the schema.
        limits: The limits on the document; ``None`` for no limits.

    Raises:
        LimitError: The document is over a limit.
        DecodeError: The text does not describe such a message; the error has a position.
        ValidationError: The message breaks rules of the schema.

    >>> from_text('name: "mmlu" split: DATASET_SPLIT_TEST', "DatasetRef").name
    'mmlu'
    """
    if limits is not None:
        limits.check_size(data)
    text = unescape_question_marks(decode_utf8(data))
    message = message_type(type)()
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        line, column = error.GetLine(), error.GetColumn()
        position = Position(line, column) if line is not None and column is not None else None
        raise DecodeError(_reason(str(error), text, line), position=position) from None
    except RecursionError:
        raise too_deep().decode_error() from None
    except (ValueError, DeprecationWarning) as error:
        # Python warns about invalid escapes; warnings may be raised as errors.
        raise DecodeError(str(error)) from None
    check_text(text, descriptor_of(message))
    if not reads_back(message):
        raise too_deep().decode_error()
    if validate:
        ensure_valid(message)
    if limits is not None:
        limits.check(message)
    return message


def _reason(message: str, text: str, line: int | None) -> str:
    """Return the message of google's error without its position and without the text of the line.

    If the error is an unknown field, the most similar name is added.
    """
    reason = _POSITION.sub("", message)
    if line is not None:
        for content in ("", *text.split("\n")[line - 1 : line]):
            reason = reason.removeprefix(f"'{content}': ")
    reason = reason.strip().rstrip(".")
    match = _NO_FIELD.search(reason)
    if match is None:
        return reason
    owner, name = match.groups()
    found = message_types().get(owner.rpartition(".")[2])
    guess = near_miss(name, found.DESCRIPTOR.fields_by_name) if found is not None else ""
    return f'{owner.rpartition(".")[2]} has no field "{shorten_name(name)}"{guess}'


# A group that may backtrack would take memory for each of its characters.
_TEXT_TOKEN = re.compile(
    r"""
    \#[^\n]*                                          # a comment
    | "(?:[^"\\\n]++|\\.)*+" | '(?:[^'\\\n]++|\\.)*+'   # a string
    | [{}<>\[\]]                                      # brackets
    | (?P<name>[A-Za-z_]\w*)(?=\s*[:{<])              # the name of a field
    """,
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ParsedText:
    """A document in protobuf's text format, which cannot be parsed without its message type.

    Attributes:
        text: The text.
    """

    text: str

    def read(
        self, type_: type[Message], *, validate: bool, limits: Limits | None = None
    ) -> Message:
        """Return the message of the document; errors as in `from_text`."""
        return from_text(self.text, type_, validate=validate, limits=limits)

    def field_finder(self, type_: type[Message]) -> None:
        """Return ``None``: protobuf's parser keeps no positions."""
        return None

    def keys(self) -> Mapping[str, bool]:
        """Return the names of the top-level fields, each with ``True``: every field has a value."""
        return dict.fromkeys(self._offsets(), True)

    def key_position(self, key: str) -> Position:
        """Return the position of a top-level name."""
        return position_at(self.text, self._offsets()[key])

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
