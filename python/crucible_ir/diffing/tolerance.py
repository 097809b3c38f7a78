"""When two values are the same: exactly, or as near as is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crucible_ir.diffing.json_values import ComparisonError
from crucible_ir.diffing.structure import (
    ABSENT,
    Field,
    ListOf,
    MapOf,
    Number,
    Plain,
    Record,
    Structure,
)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What makes two values the same.

    Attributes:
        tolerance: How far doubles may be apart, as `is_near` has it.
        defaults_equal: Whether an unset field is the same as one that holds its default.
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
        """Whether values are the same only if ProtoJSON writes them alike."""
        return not self.tolerance and not self.defaults_equal

    def same(self, structure: Structure, one: Plain, other: Plain) -> bool:
        """Tell whether two values of a structure are the same."""
        if one is ABSENT or other is ABSENT:
            return one is other
        structure = structure.of(one, other)
        if isinstance(structure, Record):
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
        if isinstance(structure, Number) and not isinstance(one, str | None):
            return not isinstance(other, str | None) and is_near(one, other, self.tolerance)
        return type(one) is type(other) and bool(one == other)

    def fields(
        self, record: Record, one: Plain, other: Plain
    ) -> Iterator[tuple[str, Field, Plain, Plain]]:
        """Yield each field that one of two messages has set, with both values.

        A value is `ABSENT` where its field is not set; but where that is the same as the default
        that the other message holds, the other's value stands on both sides.
        """
        for name in record.names(one, other):
            field = record.field(name)
            left, right = one.get(name, field.empty), other.get(name, field.empty)
            if self.defaults_equal and field.default is not ABSENT:
                if left is ABSENT and self._means_default(field, one, right):
                    left = right
                elif right is ABSENT and self._means_default(field, other, left):
                    right = left
            yield name, field, left, right

    def _means_default(self, field: Field, unset_in: Plain, value: Plain) -> bool:
        """Tell whether a value is what a message means by leaving its field unset."""
        if any(member in unset_in for member in field.members):
            return False
        return self.same(field.structure, field.default, value)


def is_near(one: float, other: float, tolerance: float) -> bool:
    """Tell whether ``|one - other| <= tolerance * max(1, |one|, |other|)``.

    So the tolerance is absolute for numbers up to 1 and relative beyond. Without one, numbers must
    be identical, to the sign of a zero.

    >>> is_near(1000.0, 1001.0, 0.001), is_near(0.5, 0.501, 0.0001), is_near(0.0, -0.0, 0)
    (True, False, False)
    """
    if one == other and math.copysign(1, one) == math.copysign(1, other):
        return True
    return tolerance > 0 and abs(one - other) <= tolerance * max(1, abs(one), abs(other))


EXACT: Final = Likeness()
