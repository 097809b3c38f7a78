"""The bad records of a stream that a command skips, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.cli.checking.issue_groups import IssueGroups
from crucible_ir.cli.checking.text_report import group_text

if TYPE_CHECKING:
    from crucible_ir.serialization.streams.records import StreamError


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
