"""The equality of values: exact, or within a tolerance."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crucible_ir.diffing.structure import (
    ABSENT,
    NUMBER,
    ComparedField,
    ComparisonError,
    JsonValue,
    ListOf,
    MapOf,
    MessageOf,
    Structure,
)


@dataclass(frozen=True, slots=True)
class Equality:
    """The conditions under which two values are equal.

    Attributes:
        tolerance: The greatest difference of equal doubles, as in `is_close`.
        defaults_equal: Whether an unset field equals one that is set to its default.
    """

    tolerance: float = 0.0
    defaults_equal: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise ComparisonError(
                f"the tolerance must be a finite number of at least 0, got {self.tolerance!r}"
            )

    @property
    def is_exact(self) -> bool:
        """Whether values are equal only if their ProtoJSON is the same."""
        return not self.tolerance and not self.defaults_equal

    def same(self, structure: Structure, one: JsonValue, other: JsonValue) -> bool:
        """Return whether two values of a structure are equal."""
        if one is ABSENT or other is ABSENT:
            return one is other
        structure = structure.of(one, other)
        if isinstance(structure, MessageOf):
            return all(
                self.same(field.structure, left, right)
                for _, field, left, right in self.fields(structure, one, other)
            )
        if isinstance(structure, MapOf):
            item = structure.item
            return one.keys() == other.keys() and all(
                self.same(item, one[key], other[key]) for key in one
            )
        if isinstance(structure, ListOf):
            item = structure.item
            return len(one) == len(other) and all(
                self.same(item, left, right) for left, right in zip(one, other, strict=True)
            )
        if structure is NUMBER and not isinstance(one, str | None):
            return not isinstance(other, str | None) and is_close(one, other, self.tolerance)
        return type(one) is type(other) and bool(one == other)

    def fields(
        self, structure: MessageOf, one: JsonValue, other: JsonValue
    ) -> Iterator[tuple[str, ComparedField, JsonValue, JsonValue]]:
        """Yield each field that one of two messages has set, with both values.

        A value is `ABSENT` where its field is not set. If the unset field counts as equal to the
        value of the other message, that value is yielded for both.
        """
        for name in structure.names(one, other):
            field = structure.field(name)
            left, right = one.get(name, field.empty), other.get(name, field.empty)
            if self.defaults_equal and field.default is not ABSENT:
                if left is ABSENT and self._is_implied(field, one, right):
                    left = right
                elif right is ABSENT and self._is_implied(field, other, left):
                    right = left
            yield name, field, left, right

    def _is_implied(self, field: ComparedField, message: JsonValue, value: JsonValue) -> bool:
        """Return whether a value is the default of a field that a message leaves unset."""
        if any(member in message for member in field.members):
            return False
        return self.same(field.structure, field.default, value)


def is_close(one: float, other: float, tolerance: float) -> bool:
    """Return whether ``|one - other| <= tolerance * max(1, |one|, |other|)``.

    The tolerance is absolute for numbers up to 1 and relative beyond. If it is zero, numbers must
    be identical, including the sign of a zero.

    >>> is_close(1000.0, 1001.0, 0.001), is_close(0.5, 0.501, 0.0001), is_close(0.0, -0.0, 0)
    (True, False, False)
    """
    if one == other and math.copysign(1, one) == math.copysign(1, other):
        return True
    return tolerance > 0 and abs(one - other) <= tolerance * max(1, abs(one), abs(other))


EXACT: Final = Equality()
