"""What a difference is made of: the changes that turn one message into another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ChangeKind(StrEnum):
    """What became of a value."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do to turn a message ``a`` into a message ``b``.

    Values are those of ProtoJSON, as plain values and with the schema's own names (``model_ref``).

    Attributes:
        path: The field, as ``tags[2]`` or ``metadata["team"]``; in a list whose elements have a
            unique ``id`` or ``name``, an element is called by it: ``pipeline["score"].module``.
            What is removed, changed or moved has its path in ``a``, what is added in ``b``.
        kind: What became of it.
        old: The value in ``a``, or the index there of what moved; ``None`` for what is added.
        new: The value in ``b``, or the index there of what moved; ``None`` for what is removed.
        index: Where an element of a list is added or moved to in ``b``, or was removed from in
            ``a``; ``None`` for everything else.
    """

    path: str
    kind: ChangeKind
    old: object = None
    new: object = None
    index: int | None = None
