"""The merge of the changes that two sides made to one message."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from crucible_ir.diffing.structure import (
    ABSENT,
    ComparedField,
    JsonValue,
    ListOf,
    MapOf,
    MessageOf,
    Structure,
    identity,
    json_values,
    structure_of,
)
from crucible_ir.diffing.tolerance import EXACT
from crucible_ir.paths import MapKey, Part, format_path
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.json.protojson import from_dict

if TYPE_CHECKING:
    from google.protobuf.message import Message

MessageT = TypeVar("MessageT", bound="Message")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value that both sides changed in different ways.

    Values are JSON values of ProtoJSON with the schema's own names, or `ABSENT`. For a oneof they
    are an object with the field that is set; for the order of a list they are the identities of its
    elements.

    Attributes:
        path: The field, as in `Change.path`, or the oneof.
        base: The common base.
        ours: Our side's value; the merged message has this one.
        theirs: Their side's value.
    """

    path: str
    base: object
    ours: object
    theirs: object


@dataclass(frozen=True, slots=True)
class Merge(Generic[MessageT]):
    """The result of a merge.

    Attributes:
        message: The merged message, with our side's value for each conflict.
        conflicts: The conflicts in the order of the schema; empty if there are none.
    """

    message: MessageT
    conflicts: list[Conflict]


def merge(
    base: MessageT, ours: MessageT, theirs: MessageT, *, allow_unknown_fields: bool = False
) -> Merge[MessageT]:
    """Merge the changes that two sides made to one message.

    A value that only one side changed is taken from that side. Messages are merged field by field,
    with the members of a oneof as one field, and maps and opaque JSON key by key. If ``id``, or
    ``name``, identifies the elements of a list in all three messages, the list is merged element by
    element. Its order conflicts only if both sides reorder it differently; elements that both add
    at one place are sorted by identity. Any other list is merged as one value.

    The merged message may be invalid even if all three are valid.

    Args:
        base: The common base.
        ours: Our side's message.
        theirs: Their side's message.
        allow_unknown_fields: Whether to ignore unknown fields instead of raising an error.

    Raises:
        ComparisonError: The messages are of different types.
        EncodeError: ProtoJSON cannot write one of the messages, or it has unknown fields.

    >>> from crucible_ir import v1
    >>> base = v1.BackendRef(id="gpt4", profile="default")
    >>> ours = v1.BackendRef(id="gpt4", profile="fast")
    >>> theirs = v1.BackendRef(id="gpt4", profile="default", endpoint_url="https://example.org")
    >>> merged = merge(base, ours, theirs)
    >>> merged.message.profile, merged.message.endpoint_url, merged.conflicts
    ('fast', 'https://example.org', [])
    """
    merging = _Merging()
    values = json_values(base, ours, theirs, allow_unknown_fields=allow_unknown_fields)
    sides = _Sides(*values)
    made = merging.value(structure_of(descriptor_of(base)), sides, ())
    return Merge(from_dict(made, type(base), validate=False), merging.conflicts)


class _Sides(NamedTuple):
    """The values of one field, key or element in all three messages."""

    base: JsonValue
    ours: JsonValue
    theirs: JsonValue

    def below(self, name: str, empty: JsonValue = ABSENT) -> _Sides:
        """Return the values of a key in these objects."""
        return _Sides(*(value.get(name, empty) for value in self))

    def resolved(self, structure: Structure) -> JsonValue | None:
        """Return the merged value in a list of one, or ``None`` if both sides changed it."""
        if EXACT.same(structure, self.base, self.theirs):
            return [self.ours]
        if EXACT.same(structure, self.base, self.ours):
            return [self.theirs]
        return [self.ours] if EXACT.same(structure, self.ours, self.theirs) else None


class _Merging:
    """Merges three messages and collects the conflicts."""

    def __init__(self) -> None:
        self.conflicts: list[Conflict] = []

    def conflict(self, sides: _Sides, path: tuple[Part, ...]) -> JsonValue:
        """Record a conflict and return our side's value."""
        self.conflicts.append(Conflict(format_path(path), *sides))
        return sides.ours

    def value(self, structure: Structure, sides: _Sides, path: tuple[Part, ...]) -> JsonValue:
        """Return the merged value."""
        resolved = sides.resolved(structure)
        if resolved is not None:
            return resolved[0]
        if sides.ours is ABSENT or sides.theirs is ABSENT:
            return self.conflict(sides, path)
        structure = structure.of(*(value for value in sides if value is not ABSENT))
        if isinstance(structure, MessageOf | MapOf) and sides.base is ABSENT:
            sides = sides._replace(base={})
        if isinstance(structure, MessageOf):
            return self.message(structure, sides, path)
        if isinstance(structure, MapOf):
            return self.map(structure.item, sides, sorted(set().union(*sides)), path)
        if isinstance(structure, ListOf):
            # Only opaque lists can be absent, and their elements have no identity.
            name = identity(structure.item, *sides)
            if name is not None:
                return self.elements(structure.item, name, sides, path)
        return self.conflict(sides, path)

    def message(self, structure: MessageOf, sides: _Sides, path: tuple[Part, ...]) -> JsonValue:
        """Return the merged message."""
        made: dict[str, JsonValue] = {}
        merged: set[str] = set()
        for name in structure.names(*sides):
            field = structure.field(name)
            if name in merged:
                continue
            if field.oneof is not None:
                merged.update(field.members)
                made |= self.oneof(structure, field, sides, path)
                continue
            here = (*path, structure.part(name))
            value = self.value(field.structure, sides.below(name, field.empty), here)
            if value is not ABSENT:
                made[name] = value
        return made

    def oneof(
        self,
        structure: MessageOf,
        field: ComparedField,
        sides: _Sides,
        path: tuple[Part, ...],
    ) -> dict[str, JsonValue]:
        """Return the merged member of a field's oneof as an object, which may be empty."""
        chosen = _Sides(*(_only(field.members, value) for value in sides))
        resolved = chosen.resolved(structure)
        if resolved is not None:
            return dict(resolved[0])
        if chosen.ours.keys() != chosen.theirs.keys():
            self.conflict(_Sides(*(each or ABSENT for each in chosen)), (*path, str(field.oneof)))
            return dict(chosen.ours)
        (name,) = chosen.ours
        value = self.value(structure.field(name).structure, sides.below(name), (*path, name))
        return {name: value}

    def map(
        self, item: Structure, sides: _Sides, keys: Iterable[str], path: tuple[Part, ...]
    ) -> dict[str, JsonValue]:
        """Return the merged map, whose keys are in the given order."""
        made: dict[str, JsonValue] = {}
        for key in keys:
            value = self.value(item, sides.below(key), (*path, MapKey(key)))
            if value is not ABSENT:
                made[key] = value
        return made

    def elements(
        self, item: Structure, name: str, sides: _Sides, path: tuple[Part, ...]
    ) -> list[JsonValue]:
        """Return the merged list of elements that a field identifies."""
        by_key = _Sides(*({element[name]: element for element in each} for each in sides))
        made = self.map(item, by_key, by_key.base | by_key.ours | by_key.theirs, path)
        orders = _Sides(*([key for key in each if key in made] for each in by_key))
        order, is_agreed = merged_order(*orders)
        if not is_agreed:
            self.conflict(orders, path)
        return [made[key] for key in order]


def _only(names: tuple[str, ...], value: JsonValue) -> dict[str, JsonValue]:
    return {name: value[name] for name in names if name in value}


def merged_order(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> tuple[list[str], bool]:
    """Return the merged order of the elements that either side has, and whether it is agreed.

    The elements that both sides have are in the order of the side that reordered those of the base.
    The order is not agreed, and ours is returned, if both sides reordered them differently or put
    elements that both added at different places. An element that only one side has follows the
    element that it follows there. If both sides have such elements at one place, the run whose
    first element sorts first comes first, so that swapping the sides gives the same order.

    >>> merged_order("abc", "abxc", "cab")
    (['c', 'a', 'b', 'x'], True)
    >>> merged_order("ab", "aby", "abx")
    (['a', 'b', 'x', 'y'], True)
    """
    shared = set(ours).intersection(theirs)
    old = shared.intersection(base)
    our_order, their_order = _among(shared, ours), _among(shared, theirs)
    we_reorder = _among(old, ours) != _among(old, base)
    they_reorder = _among(old, theirs) != _among(old, base)
    is_agreed = our_order == their_order or we_reorder != they_reorder
    backbone = their_order if is_agreed and they_reorder else our_order
    our_runs, their_runs = _runs(ours, shared), _runs(theirs, shared)
    made: list[str] = []
    for key in (None, *backbone):
        if key is not None:
            made.append(key)
        for run in sorted((our_runs.get(key, []), their_runs.get(key, []))):
            made += run
    return made, is_agreed


def _among(keys: Collection[str], order: Sequence[str]) -> list[str]:
    return [key for key in order if key in keys]


def _runs(order: Sequence[str], shared: Collection[str]) -> dict[str | None, list[str]]:
    """Return the elements that only one side has, by the shared one that they follow."""
    runs: dict[str | None, list[str]] = {}
    last: str | None = None
    for key in order:
        if key in shared:
            last = key
        else:
            runs.setdefault(last, []).append(key)
    return runs
