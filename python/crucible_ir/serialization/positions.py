"""Positions: the line and column of each value of a text document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from crucible_ir.errors import Position
from crucible_ir.paths import Part


def position_at(text: str, offset: int) -> Position:
    r"""Return the line and column of an offset in a text with lines that end in LF, CRLF or CR.

    >>> str(position_at("a\r\nb\rc\nd", 7))
    '4:1'
    """
    pairs = text.count("\r\n", 0, offset)
    lines = text.count("\n", 0, offset) + text.count("\r", 0, offset) - pairs
    start = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset))
    return Position(lines + 1, offset - start)


class Positions(Protocol):
    """Finds the position of a value in a document."""

    def find(self, path: Sequence[Sequence[Part]], *, key: bool = False) -> Position:
        """Return the position of the value at a path, or of the nearest value above it.

        Args:
            path: For each step, the possible keys or the index.
            key: Whether to return the position of the last key instead of its value.
        """
        ...


@dataclass(slots=True)
class PositionTree:
    """The position of a value, and of every value inside it.

    Attributes:
        position: The position of the value.
        children: The values inside, by key or index. A scalar is only a position, to save memory.
        keys: The positions of the keys of an object.
    """

    position: Position
    children: dict[Part, PositionTree | Position] = field(default_factory=dict)
    keys: dict[Part, Position] = field(default_factory=dict)

    def find(self, path: Sequence[Sequence[Part]], *, key: bool = False) -> Position:
        """Return a position as `Positions.find` does."""
        node: PositionTree | Position = self
        for number, names in enumerate(path):
            if isinstance(node, Position):
                break
            found = next((name for name in names if name in node.children), None)
            if found is None:
                break
            if key and number == len(path) - 1 and found in node.keys:
                return node.keys[found]
            node = node.children[found]
        return node if isinstance(node, Position) else node.position
