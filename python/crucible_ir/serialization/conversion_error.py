"""How a codec refuses a value: the reason now, the path as the call stack unwinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.errors import DecodeError, EncodeError
from crucible_ir.paths import Part, format_path
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from crucible_ir.errors import Position


class ConversionError(Exception):
    """A value that a codec does not take; each caller adds its own step to the path.

    It never leaves the package.

    Attributes:
        reason: What is wrong and what was expected.
        at_key: Whether the last step's key, rather than its value, is what is wrong.
    """

    def __init__(self, reason: str, *parts: Part, at_key: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at_key = at_key
        self.reversed_parts: list[Part] = list(reversed(parts))

    def under(self, part: Part) -> ConversionError:
        """Say that the refused value stands below a field, key or index."""
        self.reversed_parts.append(part)
        return self

    @property
    def parts(self) -> tuple[Part, ...]:
        """The path from the root to the refused value."""
        return tuple(reversed(self.reversed_parts))

    def decode_error(self, position: Position | None = None) -> DecodeError:
        """Return the error that a reader raises for this error."""
        return DecodeError(self.reason, path=format_path(self.parts), position=position)

    def encode_error(self) -> EncodeError:
        """Return the error that a writer raises for this error."""
        return EncodeError(self.reason, path=format_path(self.parts))


def too_deep() -> ConversionError:
    """Return the error of a value that protobuf could not read back."""
    return ConversionError(f"nested deeper than the {MAX_DEPTH} levels that protobuf reads back")
