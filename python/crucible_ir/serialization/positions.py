"""Where the values of a text document stand, worked out only once something is wrong with one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crucible_ir.errors import Position
from crucible_ir.paths import Part


@dataclass(slots=True)
class LocatedNode:
    """A value of a text document: where it stands, and the values below it.

    Attributes:
        position: Where the value begins.
        children: The values below, by key or index; a scalar is just its position, since a
            document may have millions.
        keys: Where the keys of an object begin.
    """

    position: Position
    children: dict[Part, LocatedNode | Position] = field(default_factory=dict)
    keys: dict[Part, Position] = field(default_factory=dict)

    def find(self, path: Sequence[Sequence[Part]], *, key: bool = False) -> Position:
        """Return where a path leads, or the nearest value on the way that the document has.

        Args:
            path: For each step, the spellings to try.
            key: Whether to return where the last step's key stands rather than its value.
        """
        node: LocatedNode | Position = self
        for number, spellings in enumerate(path):
            if isinstance(node, Position):
                break
            found = next((part for part in spellings if part in node.children), None)
            if found is None:
                break
            if key and number == len(path) - 1 and found in node.keys:
                return node.keys[found]
            node = node.children[found]
        return node if isinstance(node, Position) else node.position
