"""Applies the changes that `diff` finds, to test that nothing is missing from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir.diffing import ABSENT, Change, ChangeKind
from crucible_ir.diffing.structure import (
    ListOf,
    MapOf,
    MessageOf,
    Structure,
    identity,
    structure_of,
)
from crucible_ir.diffing.tolerance import EXACT
from crucible_ir.paths import MapKey, Part, parse_path
from crucible_ir.schema.types import descriptor_of

MessageT = TypeVar("MessageT", bound=Message)


class Node:
    """The changes at one path and below."""

    def __init__(self) -> None:
        self.change: Change | None = None
        self.moved: Change | None = None
        self.children: dict[Part, Node] = {}

    @property
    def removes(self) -> bool:
        return self.change is not None and self.change.kind is ChangeKind.REMOVED

    def add(self, change: Change) -> None:
        node = self
        for part in parse_path(change.path):
            node = node.children.setdefault(part, Node())
        if change.kind is ChangeKind.MOVED:
            assert node.moved is None
            node.moved = change
        else:
            assert node.change is None
            node.change = change

    def child(self, part: Part) -> Node:
        return self.children.get(part, Node())


def apply_changes(message: MessageT, changes: Iterable[Change]) -> MessageT:
    """Return a changed copy of a message, given all changes from it to another one."""
    # Added values have paths in the changed message, all others in the original one.
    before, after = Node(), Node()
    for change in changes:
        (after if change.kind is ChangeKind.ADDED else before).add(change)
    value = ir.to_dict(message, original_names=True)
    made = applied(structure_of(descriptor_of(message)), value, before, after)
    return ir.from_dict(made, type(message), validate=False)


def applied(structure: Structure, value: Any, before: Node, after: Node) -> Any:
    """Return a value after the changes at and below its path."""
    change = before.change
    if change is not None:
        assert not before.children
        assert EXACT.same(structure, value, change.old)
        return change.new if change.kind is ChangeKind.CHANGED else ABSENT
    if not before.children and not after.children:
        return value
    structure = structure.of(value)
    if isinstance(structure, ListOf):
        return applied_list(structure.item, value, before, after)
    assert isinstance(structure, MessageOf | MapOf)
    made = dict(value)
    for part in before.children | after.children:
        assert isinstance(part, MapKey) or isinstance(structure, MessageOf)
        item, empty = structure_below(structure, str(part))
        added = after.child(part).change
        old = value.get(part, empty)
        if added is not None:
            assert old is ABSENT
            made[str(part)] = added.new
        else:
            made[str(part)] = applied(item, old, before.child(part), after.child(part))
    return {key: item for key, item in made.items() if item is not ABSENT}


def structure_below(structure: MessageOf | MapOf, name: str) -> tuple[Structure, Any]:
    """Return the structure of a field or of a map's values, and its value when it is unset."""
    if isinstance(structure, MapOf):
        return structure.item, ABSENT
    field = structure.field(name)
    return field.structure, field.empty


def applied_list(item: Structure, value: list[Any], before: Node, after: Node) -> list[Any]:
    """Return a list after its changes."""
    name = identity(item, value)
    keys: list[Part] = [MapKey(element[name]) for element in value] if name else []
    nodes = {
        part if isinstance(part, int) else keys.index(part): node
        for part, node in before.children.items()
    }
    assert len(nodes) == len(before.children)
    added = [node.change for node in after.children.values() if node.change is not None]
    inside = {part: node for part, node in after.children.items() if node.change is None}
    removed = [index for index, node in nodes.items() if node.removes]
    made: list[Any] = [ABSENT] * (len(value) - len(removed) + len(added))
    moves = {index: node.moved for index, node in nodes.items() if node.moved is not None}
    for change in [*added, *moves.values()]:
        assert change.index is not None
        assert made[change.index] is ABSENT
        made[change.index] = change.new
    free = iter([index for index, element in enumerate(made) if element is ABSENT])
    for index, element in enumerate(value):
        node = nodes.get(index, Node())
        if index in removed:
            assert applied(item, element, node, Node()) is ABSENT
            continue
        target = moves[index].index if index in moves else next(free)
        assert target is not None
        part = keys[index] if name and keys[index] in inside else target
        made[target] = applied(item, element, node, inside.pop(part, Node()))
    assert not inside
    return made
