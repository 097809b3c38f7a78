"""The comparison of two messages: the changes that turn one into the other."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Final

from crucible_ir.diffing.matching import (
    longest_common_subsequence,
    longest_increasing_subsequence,
)
from crucible_ir.diffing.structure import (
    ABSENT,
    JsonValue,
    ListOf,
    MapOf,
    MessageOf,
    Structure,
    identity,
    json_values,
    structure_of,
)
from crucible_ir.diffing.tolerance import Equality
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: How many pairs of list elements one diff compares to match them. It takes a second or two; lists
#: that need more comparisons are compared position by position.
MAX_PAIRS: Final = 4_000_000

#: How many pairs an inexact comparison counts as, since it looks into both elements.
_INEXACT_COST: Final = 16


class ChangeKind(StrEnum):
    """The kind of a change.

    >>> [kind.value for kind in ChangeKind]
    ['added', 'removed', 'changed', 'moved']
    """

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    """One step in turning a message ``a`` into a message ``b``.

    Values are JSON values of ProtoJSON with the schema's own names (``model_ref``).

    Attributes:
        path: The field, as ``tags[2]`` or ``metadata["team"]``; if the elements of a list have a
            unique ``id`` or ``name``, it identifies them: ``pipeline["score"].module``. The path is
            that in ``b`` for an added value and that in ``a`` for the other kinds.
        kind: The kind of the change.
        old: The value in ``a``, or the index there of a moved element; ``None`` for an added value.
        new: The value in ``b``, or the index there of a moved element; ``None`` for a removed one.
        index: For an element of a list, its index in ``b`` if it is added or moved, and in ``a`` if
            it is removed; ``None`` for other changes.

    >>> from crucible_ir import v1
    >>> [change] = diff(v1.StageDef(name="a"), v1.StageDef(name="b"))
    >>> change.path, change.kind.value, change.old, change.new
    ('name', 'changed', 'a', 'b')
    """

    path: str
    kind: ChangeKind
    old: object = None
    new: object = None
    index: int | None = None


def diff(
    a: Message,
    b: Message,
    *,
    tolerance: float = 0.0,
    defaults_equal: bool = False,
    allow_unknown_fields: bool = False,
) -> list[Change]:
    """Return the changes that turn a message into another; none if they are equal.

    The elements of a list of messages are matched by ``id``, or by ``name``, if that is set and
    unique in both lists. Those of any other list are matched by a longest common subsequence; the
    elements between two matches are paired by position. Opaque JSON is compared key by key.

    Args:
        a: The message to start from; neither message need be valid.
        b: The message to end with, of the same type.
        tolerance: Doubles ``x`` and ``y`` are equal if ``|x - y| <= tolerance * max(1, |x|, |y|)``.
            NaN equals NaN.
        defaults_equal: Whether an unset field equals one that is set to its default.
        allow_unknown_fields: Whether to ignore unknown fields instead of raising an error.

    Returns:
        The changes in the order of the schema. Applying them to ``a`` gives ``b``, except for
        differences that ``tolerance`` or ``defaults_equal`` ignores.

    Raises:
        ComparisonError: The messages are of different types, or the tolerance is invalid.
        EncodeError: ProtoJSON cannot write one of the messages, or it has unknown fields.

    >>> from crucible_ir import v1
    >>> a = v1.Experiment(id="e", pipeline=[v1.StageDef(name="load"), v1.StageDef(name="score")])
    >>> b = v1.Experiment(id="e", pipeline=[v1.StageDef(name="score", module="Score")])
    >>> for change in diff(a, b):
    ...     print(change.kind, change.path, change.new)
    removed pipeline["load"] None
    added pipeline["score"].module Score
    """
    comparison = _Comparison(Equality(tolerance, defaults_equal))
    one, other = json_values(a, b, allow_unknown_fields=allow_unknown_fields)
    return list(comparison.changes(structure_of(descriptor_of(a)), one, other, _Place()))


@dataclass(frozen=True, slots=True)
class _Place:
    """The paths of a value in both messages; indices into a list may differ."""

    a: tuple[Part, ...] = ()
    b: tuple[Part, ...] = ()

    def below(self, part: Part, part_b: Part | None = None) -> _Place:
        return _Place((*self.a, part), (*self.b, part if part_b is None else part_b))

    def removed(self, value: JsonValue, index: int | None = None) -> Change:
        return Change(format_path(self.a), ChangeKind.REMOVED, old=value, index=index)

    def added(self, value: JsonValue, index: int | None = None) -> Change:
        return Change(format_path(self.b), ChangeKind.ADDED, new=value, index=index)

    def changed(self, old: JsonValue, new: JsonValue) -> Change:
        return Change(format_path(self.a), ChangeKind.CHANGED, old, new)

    def moved(self, old: int, new: int) -> Change:
        return Change(format_path(self.a), ChangeKind.MOVED, old, new, index=new)


class _Comparison:
    """Compares one pair of messages; the work of matching lists is limited for it as a whole."""

    def __init__(self, equality: Equality) -> None:
        self.equality = equality
        self.pairs_left = MAX_PAIRS if equality.is_exact else MAX_PAIRS // _INEXACT_COST

    def changes(
        self, structure: Structure, one: JsonValue, other: JsonValue, place: _Place
    ) -> Iterator[Change]:
        """Yield the changes from one value to another."""
        if one is ABSENT:
            yield place.added(other)
        elif other is ABSENT:
            yield place.removed(one)
        elif not self.equality.same(structure, one, other):
            yield from self.inside(structure.of(one, other), one, other, place)

    def inside(
        self, structure: Structure, one: JsonValue, other: JsonValue, place: _Place
    ) -> Iterator[Change]:
        """Yield the changes between two values that are known to differ."""
        if isinstance(structure, MessageOf):
            for name, field, left, right in self.equality.fields(structure, one, other):
                if left is not right:
                    part = structure.part(name)
                    yield from self.changes(field.structure, left, right, place.below(part))
        elif isinstance(structure, MapOf):
            for key in sorted(one.keys() | other.keys()):
                left, right = one.get(key, ABSENT), other.get(key, ABSENT)
                yield from self.changes(structure.item, left, right, place.below(MapKey(key)))
        elif isinstance(structure, ListOf):
            own = identity(structure.item, one or other)
            # The field must follow from `a` alone, whose elements the paths name.
            if own is None or own != identity(structure.item, other, one):
                yield from self.in_order(structure.item, one, other, place)
            else:
                yield from self.by_identity(structure.item, own, one, other, place)
        else:
            yield place.changed(one, other)

    def by_identity(
        self,
        item: Structure,
        name: str,
        one: list[JsonValue],
        other: list[JsonValue],
        place: _Place,
    ) -> Iterator[Change]:
        """Yield the changes between lists whose elements have an identity."""
        old_index = {element[name]: index for index, element in enumerate(one)}
        new_keys = {element[name] for element in other}
        for index, element in enumerate(one):
            if element[name] not in new_keys:
                yield place.below(MapKey(element[name])).removed(element, index)
        kept = [old_index[element[name]] for element in other if element[name] in old_index]
        staying = longest_increasing_subsequence(kept)
        for index, element in enumerate(other):
            here = place.below(MapKey(element[name]))
            old = old_index.get(element[name])
            if old is None:
                yield here.added(element, index)
                continue
            if old not in staying:
                yield here.moved(old, index)
            yield from self.changes(item, one[old], element, here)

    def in_order(
        self, item: Structure, one: list[JsonValue], other: list[JsonValue], place: _Place
    ) -> Iterator[Change]:
        """Yield the changes between lists whose elements have no identity."""
        start, start_b = 0, 0
        for end, end_b in [*self.matches(item, one, other), (len(one), len(other))]:
            for index, index_b in zip_longest(range(start, end), range(start_b, end_b)):
                if index is None:
                    yield place.below(index_b).added(other[index_b], index_b)
                elif index_b is None:
                    yield place.below(index).removed(one[index], index)
                else:
                    here = place.below(index, index_b)
                    yield from self.changes(item, one[index], other[index_b], here)
            start, start_b = end + 1, end_b + 1

    def matches(
        self, item: Structure, one: list[JsonValue], other: list[JsonValue]
    ) -> list[tuple[int, int]]:
        """Return the indices of equal elements, within the remaining number of pairs."""
        lists = one, other
        same: Callable[[JsonValue, JsonValue], bool] = partial(self.equality.same, item)
        if self.equality.is_exact:
            # Comparing the text of two elements is much faster than looking into them.
            lists, same = (list(map(_text, one)), list(map(_text, other))), operator.eq
        found, pairs = longest_common_subsequence(*lists, same, max_cells=self.pairs_left)
        self.pairs_left -= pairs
        return found


def _text(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)
