"""Merging the changes that two sides made to one message."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from crucible_ir.diffing.json_values import json_values
from crucible_ir.diffing.ordering import merged_order
from crucible_ir.diffing.structure import (
    ABSENT,
    ListOf,
    MapOf,
    Plain,
    Record,
    Structure,
    identity,
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
    """One place that both sides changed, each in another way.

    Values are those of ProtoJSON, as plain values and with the schema's own names, and `ABSENT`
    where there is none. For a oneof they are an object with the one field that is set, and for the
    order of a list they are what its elements are called.

    Attributes:
        path: The field, as in `Change.path`, or the oneof.
        base: What both sides started from.
        ours: What our side made of it, which the merged message holds.
        theirs: What their side made of it.
    """

    path: str
    base: object
    ours: object
    theirs: object


@dataclass(frozen=True, slots=True)
class Merge(Generic[MessageT]):
    """What became of a merge.

    Attributes:
        message: The merged message; where there is a conflict, it holds what ours does.
        conflicts: The conflicts in the order of the schema; empty if all could be merged.
    """

    message: MessageT
    conflicts: list[Conflict]


def merge(
    base: MessageT, ours: MessageT, theirs: MessageT, *, allow_unknown_fields: bool = False
) -> Merge[MessageT]:
    """Merge what two sides made of one message.

    What only one side changed is taken from it. Messages are merged field by field, where the
    members of a oneof count as one field, and maps key by key, opaque ones too. A list of messages
    that all three can tell apart by ``id``, or by ``name``, is merged element by element; its order
    conflicts only if both sides reorder it differently, and what both add in one place is
    sorted by what it is called. Any other list is changed as a whole.

    The merged message need not be valid, even if all three are.

    Args:
        base: What both sides started from.
        ours: What our side made of it.
        theirs: What their side made of it.
        allow_unknown_fields: Whether to leave out fields that the schema does not know, rather
            than refuse a message that holds some.

    Raises:
        ComparisonError: The messages are of different types.
        EncodeError: ProtoJSON cannot write one of the messages, or it holds unknown fields.

    >>> from crucible_ir import v1
    >>> base = v1.BackendRef(id="gpt4", profile="default")
    >>> ours = v1.BackendRef(id="gpt4", profile="fast")
    >>> theirs = v1.BackendRef(id="gpt4", profile="default", endpoint_url="https://example.org")
    >>> merged = merge(base, ours, theirs)
    >>> merged.message.profile, merged.message.endpoint_url, merged.conflicts
    ('fast', 'https://example.org', [])
    """
    merging = _Merging()
    plain = json_values(base, ours, theirs, allow_unknown_fields=allow_unknown_fields)
    sides = _Sides(*plain)
    made = merging.value(structure_of(descriptor_of(base)), sides, ())
    return Merge(from_dict(made, type(base), validate=False), merging.conflicts)


@dataclass(frozen=True, slots=True)
class _Sides:
    """The value of one place in all three messages."""

    base: Plain
    ours: Plain
    theirs: Plain

    def below(self, name: str, empty: Plain = ABSENT) -> _Sides:
        """Return the values of a key of objects, none of which is absent."""
        return _Sides(*(value.get(name, empty) for value in self.all))

    @property
    def all(self) -> tuple[Plain, Plain, Plain]:
        return self.base, self.ours, self.theirs

    def with_base(self, empty: Plain) -> _Sides:
        """Return the same values with something to start from where there was nothing."""
        return replace(self, base=empty) if self.base is ABSENT else self

    def settled(self, structure: Structure) -> Plain | None:
        """Return the sides' value in a list of one, if it is plain which that is."""
        if EXACT.same(structure, self.base, self.theirs):
            return [self.ours]
        if EXACT.same(structure, self.base, self.ours):
            return [self.theirs]
        return [self.ours] if EXACT.same(structure, self.ours, self.theirs) else None


class _Merging:
    """Merges three messages and keeps the conflicts."""

    def __init__(self) -> None:
        self.conflicts: list[Conflict] = []

    def conflict(self, sides: _Sides, path: tuple[Part, ...]) -> Plain:
        """Note a conflict and return what to go on with."""
        self.conflicts.append(Conflict(format_path(path), *sides.all))
        return sides.ours

    def value(self, structure: Structure, sides: _Sides, path: tuple[Part, ...]) -> Plain:
        """Return the merged value of one place."""
        settled = sides.settled(structure)
        if settled is not None:
            return settled[0]
        if sides.ours is ABSENT or sides.theirs is ABSENT:
            return self.conflict(sides, path)
        structure = structure.of(*(value for value in sides.all if value is not ABSENT))
        if isinstance(structure, Record):
            return self.record(structure, sides.with_base({}), path)
        if isinstance(structure, MapOf):
            return self.map(structure.item, sides.with_base({}), path)
        if isinstance(structure, ListOf):
            # Opaque lists alone may be absent, and nothing tells their elements apart.
            name = identity(structure.item, *sides.all)
            if name is not None:
                return self.elements(structure.item, name, sides, path)
        return self.conflict(sides, path)

    def record(self, record: Record, sides: _Sides, path: tuple[Part, ...]) -> Plain:
        """Return the merged message."""
        made: dict[str, Plain] = {}
        merged: set[str] = set()
        for name in record.names(*sides.all):
            field = record.field(name)
            if name in merged:
                continue
            if field.oneof is not None:
                merged.update(field.members)
                made |= self.oneof(record, field.oneof, field.members, sides, path)
                continue
            here = (*path, record.part(name))
            value = self.value(field.structure, sides.below(name, field.empty), here)
            if value is not ABSENT:
                made[name] = value
        return made

    def oneof(
        self,
        record: Record,
        oneof: str,
        members: tuple[str, ...],
        sides: _Sides,
        path: tuple[Part, ...],
    ) -> dict[str, Plain]:
        """Return the merged member of a oneof in an object of its own, which may be empty."""
        chosen = _Sides(*(_only(members, value) for value in sides.all))
        settled = chosen.settled(record)
        if settled is not None:
            return dict(settled[0])
        if chosen.ours.keys() != chosen.theirs.keys():
            self.conflict(_Sides(*(each or ABSENT for each in chosen.all)), (*path, oneof))
            return dict(chosen.ours)
        (name,) = chosen.ours
        value = self.value(record.field(name).structure, sides.below(name), (*path, name))
        return {name: value}

    def map(self, item: Structure, sides: _Sides, path: tuple[Part, ...]) -> dict[str, Plain]:
        """Return the merged map."""
        made: dict[str, Plain] = {}
        for key in sorted({key for value in sides.all for key in value}):
            value = self.value(item, sides.below(key), (*path, MapKey(key)))
            if value is not ABSENT:
                made[key] = value
        return made

    def elements(
        self, item: Structure, name: str, sides: _Sides, path: tuple[Part, ...]
    ) -> list[Plain]:
        """Return the merged list of elements that a field tells apart."""
        by_key = _Sides(*({element[name]: element for element in each} for each in sides.all))
        made: dict[str, Plain] = {}
        for key in by_key.base | by_key.ours | by_key.theirs:
            value = self.value(item, by_key.below(key), (*path, MapKey(key)))
            if value is not ABSENT:
                made[key] = value
        orders = _Sides(*([key for key in each if key in made] for each in by_key.all))
        order, is_settled = merged_order(*orders.all)
        if not is_settled:
            self.conflict(orders, path)
        return [made[key] for key in order]


def _only(names: tuple[str, ...], value: Plain) -> dict[str, Plain]:
    return {name: value[name] for name in names if name in value}
