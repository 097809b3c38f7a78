"""The error inside a codec: the reason first, the path as the call stack unwinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.errors import DecodeError, EncodeError
from crucible_ir.paths import Part, format_path
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from crucible_ir.errors import FindPosition, Position


class ConversionError(Exception):
    """A value that a codec cannot convert; each caller adds its own step to the path.

    It never leaves the package.

    Attributes:
        reason: The error, with what was expected.
        at_key: Whether the error is about the key of the last step, rather than its value.
    """

    def __init__(self, reason: str, *parts: Part, at_key: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at_key = at_key
        self.reversed_parts: list[Part] = list(reversed(parts))

    def under(self, part: Part) -> ConversionError:
        """Add the field, key or index that contains the value to the path."""
        self.reversed_parts.append(part)
        return self

    @property
    def parts(self) -> tuple[Part, ...]:
        """The path from the root to the value."""
        return tuple(reversed(self.reversed_parts))

    def decode_error(self, position: Position | FindPosition | None = None) -> DecodeError:
        """Return the error that a reader raises."""
        return DecodeError(self.reason, path=format_path(self.parts), position=position)

    def encode_error(self) -> EncodeError:
        """Return the error that a writer raises."""
        return EncodeError(self.reason, path=format_path(self.parts))


def too_deep() -> ConversionError:
    """Return the error for a value that protobuf could not read back."""
    return ConversionError(f"nested deeper than the {MAX_DEPTH} levels that protobuf reads back")


def describe(value: object) -> str:
    """Name a JSON value's type, with the value itself where it is short, for an error."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the string {value!r}" if len(value) <= 40 else f"the string {value[:40]!r}…"
    if isinstance(value, int):
        return f"the number {shown_integer(value)}"
    if isinstance(value, float):
        return f"the number {value!r}"
    return f"a {type(value).__name__}"


def shown_integer(value: int) -> str:
    """Write an integer, or its magnitude where it is long."""
    return str(value) if value.bit_length() <= 128 else f"of {value.bit_length()} bits"
