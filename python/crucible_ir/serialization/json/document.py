"""The JSON values of a parsed document, before its message type is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from crucible_ir.errors import DecodeError, Position
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.conversion_error import ConversionError, describe
from crucible_ir.validation.check import certainly_valid, ensure_valid_by_rules

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from crucible_ir.paths import Part
    from crucible_ir.serialization.json.codec import Dialect
    from crucible_ir.serialization.limits import Limits
    from crucible_ir.serialization.positions import Positions

    MessageT = TypeVar("MessageT", bound=Message)

#: Returns the position of a field in a document, given the path of the field in the message.
FindField: TypeAlias = "Callable[[tuple[Part, ...]], Position]"


@dataclass(slots=True)
class ParsedValues:
    """The JSON values of a document in ProtoJSON, Crucible JSON or YAML.

    Attributes:
        value: The JSON value of the document.
        positions: Finds the positions of the values in the text.
        dialect: The dialect of the values.
    """

    value: object
    positions: Positions
    dialect: Dialect

    def read(
        self, type_: type[MessageT], *, validate: bool, limits: Limits | None = None
    ) -> MessageT:
        """Return the message that the values describe.

        Args:
            type_: The class of the message.
            validate: Whether the message must satisfy the rules of the schema.
            limits: The limits on the content of the message, if any.

        Raises:
            DecodeError: The values do not describe such a message.
            LimitError: The message is over a limit.
            ValidationError: The message breaks rules of the schema.
        """
        message = type_()
        try:
            self.dialect.fill(self.value, message)
        except ConversionError as error:
            raise error.decode_error(self.positions) from None
        if validate and not certainly_valid(message):
            ensure_valid_by_rules(message, self.field_finder(type_))
        if limits is not None:
            limits.check(message)
        return message

    def field_finder(self, type_: type[Message]) -> FindField:
        """Return a function that returns the positions of the fields of a message."""
        return partial(self._find_field, descriptor_of(type_))

    def _find_field(self, message: Descriptor, path: tuple[Part, ...]) -> Position:
        return self.positions.find(self.dialect.document_path(message, path, self.value))

    def keys(self) -> Mapping[str, bool]:
        """Return the top-level keys, each with whether its value is not null.

        Raises:
            DecodeError: The document is not an object.
        """
        if not isinstance(self.value, dict):
            reason = f"expected an object, got {describe(self.value)}"
            raise DecodeError(reason, position=Position(1, 1))
        return {key: value is not None for key, value in self.value.items()}

    def key_position(self, key: str) -> Position | None:
        """Return the position of a top-level key."""
        return self.positions.find([[key]], key=True)
