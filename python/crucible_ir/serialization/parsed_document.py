"""Documents that are parsed once, before their message type is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from crucible_ir.errors import DecodeError, Position
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.json.opaque import describe

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.paths import Part
    from crucible_ir.serialization.positions import LocatedNode
    from crucible_ir.serialization.reading import Fill, Spell

#: Returns the position of a field in a document, given the path of the field.
FindField: TypeAlias = "Callable[[tuple[Part, ...]], Position]"


@dataclass(frozen=True, slots=True)
class ParsedValues:
    """The JSON values of a document in ProtoJSON, Crucible JSON or YAML.

    Attributes:
        value: The values.
        locate: Returns their positions; called only if a position is needed.
        fill: The codec of the format.
        spell: Returns the keys that a path of field names may have in the format.
    """

    value: object
    locate: Callable[[], LocatedNode]
    fill: Fill
    spell: Spell

    def read(self, type_: type[Message], *, validate: bool) -> Message:
        """Return the message that the values describe.

        Args:
            type_: The class of the message.
            validate: Whether the message must satisfy the rules of the schema.

        Raises:
            DecodeError: The values do not describe such a message.
            ValidationError: The message breaks rules of the schema.
        """
        from crucible_ir.serialization.reading import read_plain

        return read_plain(
            self.value,
            type_,
            fill=self.fill,
            spell=self.spell,
            locate=self.locate,
            validate=validate,
        )

    def field_finder(self, type_: type[Message]) -> FindField:
        """Return a function that finds the fields of a message that was read."""
        from crucible_ir.serialization.reading import place_finder

        return place_finder(descriptor_of(type_), self.spell, self.locate)

    def keys(self) -> Mapping[str, bool]:
        """Return the top-level keys, and whether each has a value other than null.

        Raises:
            DecodeError: The document is not an object.
        """
        if not isinstance(self.value, dict):
            reason = f"expected an object, got {describe(self.value)}"
            raise DecodeError(reason, position=Position(1, 1))
        return {key: value is not None for key, value in self.value.items()}

    def key_position(self, key: str) -> Position | None:
        """Return the position of a top-level key."""
        return self.locate().keys.get(key)


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

    def read(self, type_: type[Message], *, validate: bool) -> Message:
        """Return the message that the text describes, as `ParsedValues.read` does."""
        from crucible_ir.serialization.text import from_text

        return from_text(self.text, type_, validate=validate)

    def field_finder(self, type_: type[Message]) -> FindField | None:
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


@dataclass(frozen=True, slots=True)
class ParsedBinary:
    """A binary document, whose fields have numbers and no names.

    Attributes:
        data: The bytes.
    """

    data: bytes

    def read(self, type_: type[Message], *, validate: bool) -> Message:
        """Return the message that the bytes encode, as `ParsedValues.read` does."""
        from crucible_ir.serialization.binary import from_binary

        return from_binary(self.data, type_, validate=validate)

    def field_finder(self, type_: type[Message]) -> FindField | None:
        """Return ``None``: bytes have no lines."""
        return None


#: A document that was parsed once; its message type may not be known yet.
ParsedDocument: TypeAlias = ParsedValues | ParsedText | ParsedBinary
