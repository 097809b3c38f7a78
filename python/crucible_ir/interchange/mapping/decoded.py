"""Records whose format encodes JSON values in a way of its own, such as lists of typed attributes.

A conversion reads the values themselves, and the fidelity report has the paths of the record as
it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.report import Outcome


class Beside(NamedTuple):
    """A value of the record that the decoded record does not have, such as an attribute's name.

    Attributes:
        place: Its path in the record.
        value: The value.
        reason: Why export does not write it again as it is, if it does not.
    """

    place: Path
    value: Any
    reason: str = ""


@dataclass
class Decoded:
    """A decoded record.

    Attributes:
        value: The record without the format's own encoding.
        places: The path in the record as it is of each value whose path is another one.
        beside: What only the record as it is has, by the path of the decoded value that it
            belongs to; what became of that value counts for it too.
        rewritten: The paths of decoded values that export encodes in another way, with the reason.
        unread: What could not be decoded.
    """

    value: Any = None
    places: dict[Path, Path] = field(default_factory=dict)
    beside: dict[Path, list[Beside]] = field(default_factory=dict)
    rewritten: dict[Path, str] = field(default_factory=dict)
    unread: list[Beside] = field(default_factory=list)
    _noted: dict[Path, list[tuple[Outcome, Path, str]]] = field(default_factory=dict)
    _inside: set[Path] = field(default_factory=set)

    def place(self, path: Path) -> Path:
        """Return the path in the record as it is of a decoded value.

        >>> Decoded(places={("a",): ("attributes", 0)}).place(("a", "b"))
        ('attributes', 0, 'b')
        """
        for length in range(len(path), 0, -1):
            found = self.places.get(path[:length])
            if found is not None:
                return found + path[length:]
        return path

    def note(self, path: Path, outcome: Outcome, target: Path, reason: str, inside: bool) -> Path:
        """Note what became of a decoded value, and return its path in the record as it is."""
        for length in range(len(path) + 1):
            if path[:length] in self.beside:
                self._noted.setdefault(path[:length], []).append((outcome, target, reason))
        place = self.place(path)
        if inside:
            self._inside.add(place)
        return place

    def remainder(self) -> Iterator[tuple[Path, Outcome, Path, str, Any]]:
        """Yield what became of the values that only the record as it is has."""
        for place, value, reason in self.unread:
            if not self._covered(place):
                yield place, Outcome.DROPPED, (), reason, value
        for path, values in self.beside.items():
            noted = self._noted.get(path, [])
            kept = [each for each in noted if each[0] is not Outcome.DROPPED]
            for place, value, reason in values:
                if self._covered(place):
                    continue
                if not kept:
                    why = noted[0][2] if noted else "no value belongs to it"
                    yield place, Outcome.DROPPED, (), why, value
                    continue
                odd = [each for each in kept if each[0] is Outcome.CONVERTED]
                if reason or odd:
                    yield place, Outcome.CONVERTED, kept[0][1], reason or odd[0][2], value
                else:
                    yield place, Outcome.RENAMED, kept[0][1], "", value

    def _covered(self, place: Path) -> bool:
        """Return whether the outcome of a value around it is that of the value at a path."""
        return any(place[:length] in self._inside for length in range(len(place)))
