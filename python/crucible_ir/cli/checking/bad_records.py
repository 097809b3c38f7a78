"""The bad records of a stream, and other similar errors, as lines of text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crucible_ir.cli.checking.issue_groups import MAX_GROUPS, IssueGroups, similar_text
from crucible_ir.cli.checking.text_report import group_text

if TYPE_CHECKING:
    from crucible_ir.serialization.streams.records import StreamError

#: The number of places of similar errors that are kept.
_KEPT: Final = 3


class BadRecords:
    """The errors of the bad records of one stream, in groups."""

    def __init__(self) -> None:
        self._groups = IssueGroups()

    def add(self, error: StreamError) -> None:
        """Add the error of a record."""
        self._groups.add_error(error)

    def lines(self, name: str) -> list[str]:
        """Return a line for each group, given the name of the stream, and one for the others."""
        groups = self._groups.groups()
        lines = [group_text(name, group) for group in groups]
        others = self._groups.rules().total() - sum(group.count for group in groups)
        if others:
            lines.append(f"{name}: and {others} errors more")
        return lines


@dataclass(slots=True)
class _Similar:
    text: str
    places: list[str]
    count: int = 0


class SimilarErrors:
    """Errors that are grouped by their texts, but for names and numbers."""

    def __init__(self) -> None:
        self._groups: dict[str, _Similar] = {}
        self._others = 0

    def add(self, place: str, text: str) -> None:
        """Add an error, given where it is."""
        kind = similar_text(text)
        group = self._groups.get(kind)
        if group is None:
            if len(self._groups) == MAX_GROUPS:
                self._others += 1
                return
            group = self._groups[kind] = _Similar(text, [])
        group.count += 1
        if group.count <= _KEPT:
            group.places.append(place)

    def lines(self) -> list[str]:
        """Return a line for each group, the largest first, and one for the others."""
        lines = []
        for group in sorted(self._groups.values(), key=lambda group: -group.count):
            places = ", ".join(group.places)
            times = f" ({group.count} times)" if group.count > 1 else ""
            more = ", ..." if group.count > len(group.places) else ""
            lines.append(f"{places}{more}: {group.text}{times}")
        return [*lines, f"and {self._others} more"] if self._others else lines
