"""The internal error of codecs, which collects its path as the call stack unwinds."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from crucible_ir.errors import DecodeError, EncodeError
from crucible_ir.paths import Part, format_path
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from crucible_ir.errors import FindPosition
    from crucible_ir.serialization.positions import Positions

#: The most errors of one document that a reader reports.
MAX_ERRORS = 20


class ConversionError(Exception):
    """A value that a codec cannot convert; each caller adds its step to the path.

    Public functions raise a `DecodeError` or an `EncodeError` instead.

    Args:
        reason: The error, or a function that returns it: to find the name that was probably meant
            takes time.
        parts: The path so far, from the outside.
        at_key: As the attribute.

    Attributes:
        at_key: Whether the error is about the key of the last step instead of its value.
        others: The errors after this one in the same document.
    """

    def __init__(self, reason: str | Callable[[], str], *parts: Part, at_key: bool = False) -> None:
        super().__init__(reason)
        self._reason = reason
        self.at_key = at_key
        self.reversed_parts: list[Part] = list(reversed(parts))
        self.others: list[ConversionError] = []

    def under(self, part: Part) -> ConversionError:
        """Add the field, key or index that contains the value to the path."""
        for each in (self, *self.others):
            each.reversed_parts.append(part)
        return self

    @property
    def reason(self) -> str:
        """The error, including the expected value."""
        return self._reason if isinstance(self._reason, str) else self._reason()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The path from the root to the value."""
        return tuple(reversed(self.reversed_parts))

    def decode_error(self, positions: Positions | None = None) -> DecodeError:
        """Return the error that a reader raises, with the other errors of the document.

        Args:
            positions: Finds the positions of the errors; ``None`` if the document has no lines.
        """
        if len(self.others) + 1 == MAX_ERRORS:
            last = self.others[-1]
            last._reason = f"{last.reason}; reading stopped here, after {MAX_ERRORS} errors"
        first, *others = (each._decode_error(positions) for each in (self, *self.others))
        first.add(others)
        return first

    def _decode_error(self, positions: Positions | None) -> DecodeError:
        find: FindPosition | None = None
        if positions is not None:
            steps = [[part] for part in self.parts]
            find = partial(positions.find, steps, key=self.at_key)
        return DecodeError(self._reason, path=format_path(self.parts), position=find)

    def encode_error(self) -> EncodeError:
        """Return the error that a writer raises."""
        return EncodeError(self._reason, path=format_path(self.parts))


def add_error(first: ConversionError | None, error: ConversionError) -> ConversionError:
    """Add an error to the earlier errors of a document, and return the first error.

    Raises:
        ConversionError: There are `MAX_ERRORS`, so the rest of the document is not read.
    """
    if first is None:
        first = error
    else:
        first.others += [error, *error.others]
    if len(first.others) + 1 >= MAX_ERRORS:
        del first.others[MAX_ERRORS - 1 :]
        raise first
    return first


def too_deep() -> ConversionError:
    """Return the error for a message that is nested too deeply for protobuf's parsers."""
    return ConversionError(f"nested deeper than {MAX_DEPTH} levels below the root")


def describe(value: object) -> str:
    """Describe a JSON value for an error: its type and, if it is short, the value."""
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
        return f"the number {number_text(value)[:40]}"
    return f"a {type(value).__name__}"


class Number(float):
    """A number in a document: the nearest double, and the text.

    Integer fields use the text, since the double may be another number.
    """

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Number:
        """Return the number in a text."""
        number = super().__new__(cls, text)
        number.text = text
        return number


class NotFinite(float):
    """A number that is written as ``.nan`` or ``.inf`` in YAML; other infinities are too large."""

    __slots__ = ()


def parse_number(text: str) -> float:
    """Return the double nearest to the text of a number, as a `Number` if it can be an integer.

    If the double has a fraction, the number in the text is not an integer either.
    """
    number = float(text)
    is_fraction = number - number == 0.0 and not number.is_integer()
    return number if is_fraction else Number(text)


def number_text(number: float) -> str:
    """Return the text of a number in the document, or the shortest text of the same double."""
    return number.text if isinstance(number, Number) else repr(number)


def shown_integer(value: int) -> str:
    """Write an integer, or only its size if it is long."""
    return str(value) if value.bit_length() <= 128 else f"of {value.bit_length()} bits"
