"""Applying changes to a message."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, TypeVar

from crucible_ir.diffing.changes import Change, ChangeKind
from crucible_ir.diffing.json_values import json_values
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
from crucible_ir.errors import Error, near_miss, shorten
from crucible_ir.paths import MapKey, Part, format_path, parse_path
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.json.protojson import from_dict
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from google.protobuf.message import Message

    MessageT = TypeVar("MessageT", bound=Message)


class PatchError(Error, ValueError):
    """Changes do not fit the message that they are to be applied to.

    Attributes:
        path: The path of the change.
        reason: Why it cannot be made.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


def apply_changes(
    message: MessageT, changes: Iterable[Change], *, allow_unknown_fields: bool = False
) -> MessageT:
    """Return the message that changes make of a message, which stays as it is.

    Args:
        message: The message; it must hold what the changes expect to find.
        changes: All of what `diff` returned, in any order.
        allow_unknown_fields: Whether to leave out fields that the schema does not know, rather
            than refuse a message that holds some.

    Raises:
        PatchError: A change does not fit the message; nothing is applied then.
        DecodeError: A new value is not one that its field takes.
        EncodeError: ProtoJSON cannot write the message, or it holds unknown fields.

    >>> from crucible_ir import v1
    >>> change = Change("tags[1]", ChangeKind.ADDED, new="new", index=1)
    >>> list(apply_changes(v1.Experiment(tags=["old"]), [change]).tags)
    ['old', 'new']
    """
    (plain,) = json_values(message, allow_unknown_fields=allow_unknown_fields)
    before, after = _Node(), _Node()
    for change in changes:
        (after if change.kind is ChangeKind.ADDED else before).put(change)
    before.check()
    after.check()
    if before.moved is not None or before.removes or after.change is not None:
        raise PatchError("", "a message as a whole can only be changed")
    made = _applied(structure_of(descriptor_of(message)), plain, before, after, ())
    return from_dict(made, type(message), validate=False)


class _Node:
    """The changes at one path, and those below it."""

    __slots__ = ("change", "children", "moved")

    def __init__(self) -> None:
        self.change: Change | None = None
        self.moved: Change | None = None
        self.children: dict[Part, _Node] = {}

    def put(self, change: Change) -> None:
        """Put a change where its path leads from here."""
        node = self
        parts = parse_path(change.path)
        if format_path(parts) != change.path or len(parts) > 2 * MAX_DEPTH:
            raise PatchError(change.path, "this is not the path of anything in a message")
        for part in parts:
            node = node.children.setdefault(part, _Node())
        if change.kind is ChangeKind.MOVED:
            taken, node.moved = node.moved, change
        else:
            taken, node.change = node.change, change
        if taken is not None:
            raise PatchError(change.path, f"{taken.kind} and {change.kind} cannot go together")

    @property
    def removes(self) -> bool:
        """Whether the value at the path is removed."""
        return self.change is not None and self.change.kind is ChangeKind.REMOVED

    def check(self) -> None:
        """Refuse changes inside of what is itself added, removed or replaced."""
        if self.change is not None and (self.children or self.moved is not None):
            raise PatchError(
                self.change.path, f"nothing else can be done to what is {self.change.kind}"
            )
        for child in self.children.values():
            child.check()

    def child(self, part: Part) -> _Node:
        """Return the node of a step; one without changes if there is none."""
        return self.children.get(part, _NOTHING)


_NOTHING: Final = _Node()


def _applied(
    structure: Structure, value: Plain, before: _Node, after: _Node, path: tuple[Part, ...]
) -> Plain:
    """Return what changes at and below a path make of the value there.

    Args:
        structure: The structure of the value.
        value: The value in the message as it is.
        before: What is removed, changed and moved, by paths in that message.
        after: What is added, by paths in the message to be made.
        path: Where the value is.
    """
    change = before.change
    if change is not None:
        _expect(structure, value, change)
        return change.new if change.kind is ChangeKind.CHANGED else ABSENT
    if not before.children and not after.children:
        return value
    structure = structure.of(value)
    if isinstance(structure, ListOf):
        return _applied_list(structure.item, value, before, after, path)
    if isinstance(structure, Record | MapOf):
        return _applied_entries(structure, value, before, after, path)
    inner = next(iter([*before.children, *after.children]))
    raise PatchError(format_path((*path, inner)), "there is nothing inside this value")


def _applied_entries(
    structure: Record | MapOf, value: Plain, before: _Node, after: _Node, path: tuple[Part, ...]
) -> Plain:
    """Return what changes make of a message or map."""
    made = dict(value)
    for part in before.children | after.children:
        here = (*path, part)
        if before.child(part).moved is not None:
            raise PatchError(format_path(here), "only an element of a list can be moved")
        item, old = _entry(structure, value, part, here)
        added = after.child(part).change
        if added is not None:
            if old is not ABSENT:
                raise PatchError(added.path, f"it is there already: {shorten(old)}")
            new = added.new
        elif old is ABSENT:
            raise PatchError(format_path(here), "the message does not have this")
        else:
            new = _applied(item, old, before.child(part), after.child(part), here)
        if new is ABSENT:
            # A list or map that was empty already is not there.
            made.pop(str(part), None)
        else:
            made[str(part)] = new
    return made


def _entry(
    structure: Record | MapOf, value: Plain, part: Part, path: tuple[Part, ...]
) -> tuple[Structure, Plain]:
    """Return the structure and the value of one field of a message or key of a map."""
    if isinstance(structure, MapOf):
        if isinstance(part, MapKey):
            return structure.item, value.get(part, ABSENT)
        raise PatchError(
            format_path(path), "this is a map, whose keys stand in brackets and quotes"
        )
    name = str(part)
    if name not in structure.fields and name not in value:
        guess = near_miss(name, structure.fields)
        raise PatchError(format_path(path), f"{structure.descriptor.name} has no such field{guess}")
    field = structure.field(name)
    return field.structure, value.get(name, field.empty)


def _applied_list(
    item: Structure, value: list[Plain], before: _Node, after: _Node, path: tuple[Part, ...]
) -> list[Plain]:
    """Return what changes make of a list."""
    name = identity(item, value)
    places = {element[name]: index for index, element in enumerate(value)} if name else {}
    keys: list[Part] = [MapKey(key) for key in places]
    nodes = _by_index(before, places, len(value), path)
    moves = {index: node.moved for index, node in nodes.items() if node.moved is not None}
    removed = {index for index, node in nodes.items() if node.removes}
    added = [node.change for node in after.children.values() if node.change is not None]
    nested = {part: node for part, node in after.children.items() if node.change is None}
    made = _placed([*added, *moves.values()], len(value) - len(removed) + len(added))
    free = iter([index for index, element in enumerate(made) if element is ABSENT])
    for index, element in enumerate(value):
        node = nodes.get(index, _NOTHING)
        if index in removed:
            _applied(item, element, node, _NOTHING, path)
            continue
        target = next(free) if index not in moves else _target(moves[index], index)
        part = keys[index] if name and keys[index] in nested else target
        made[target] = _applied(item, element, node, nested.pop(part, _NOTHING), (*path, part))
    for part in nested:
        raise PatchError(format_path((*path, part)), "the list has no such element")
    return made


def _by_index(
    node: _Node, places: dict[str, int], size: int, path: tuple[Part, ...]
) -> dict[int, _Node]:
    """Return the nodes below one by the index of the element that they are about."""
    found: dict[int, _Node] = {}
    for part, child in node.children.items():
        index = part if isinstance(part, int) else places.get(part)
        if index is None or index >= size or not isinstance(part, int | MapKey):
            raise PatchError(format_path((*path, part)), "the list has no such element")
        if index in found:
            raise PatchError(
                format_path((*path, part)), "the element has been named in another way"
            )
        found[index] = child
    return found


def _placed(changes: list[Change], size: int) -> list[Plain]:
    """Return a list with a value where elements are added or moved to, `ABSENT` elsewhere."""
    made: list[Plain] = [ABSENT] * size
    for change in changes:
        index = change.index
        if not isinstance(index, int) or not 0 <= index < size or made[index] is not ABSENT:
            raise PatchError(change.path, f"no element can come to be at index {index}")
        made[index] = change.new
    return made


def _target(move: Change, index: int) -> int:
    """Return the index that an element moves to."""
    if move.old != index or move.index is None:
        raise PatchError(move.path, f"it is at index {index}, and expected at {move.old}")
    return move.index


def _expect(structure: Structure, value: Plain, change: Change) -> None:
    """Refuse a change of a value other than the one that it was made for."""
    if not EXACT.same(structure, value, change.old):
        raise PatchError(
            change.path, f"it is {shorten(value)}, and expected to be {shorten(change.old)}"
        )
