"""Groups of similar issues: a stream may have many bad records, and few reasons for them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from crucible_ir.cli.checking.issues import (
    DECODE,
    Issue,
    IssueGroup,
    Level,
    issue_from_lint,
    issue_from_violation,
)
from crucible_ir.cli.session import with_options
from crucible_ir.errors import ValidationError
from crucible_ir.paths import general_path

if TYPE_CHECKING:
    from crucible_ir.linting import LintFinding
    from crucible_ir.serialization.streams.records import StreamError

#: The most groups of one stream; the issues of further groups are only counted.
MAX_GROUPS: Final = 100
#: The number of issues of a group that are kept.
_KEPT: Final = 3

#: The names and numbers in an error text, which differ between records.
_DETAIL: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[-+.\w]*\d[-+.\w]*')


def similar_text(text: str) -> str:
    """Return an error text without the names and numbers that differ between records.

    >>> similar_text('expected a string, got the number 1')
    'expected a string, got the number '
    """
    return _DETAIL.sub("", text)


class IssueGroups:
    """The issues of a stream, in groups of bounded number and size.

    Args:
        listed: The most issues to list one by one, besides the groups.

    Attributes:
        listed: The issues that are listed.
    """

    def __init__(self, listed: int = 0) -> None:
        self.listed: list[Issue] = []
        self._max_listed = listed
        self._groups: dict[tuple[object, ...], IssueGroup] = {}
        self._ungrouped: Counter[str] = Counter()

    def groups(self) -> tuple[IssueGroup, ...]:
        """Return the groups, the largest first."""
        return tuple(sorted(self._groups.values(), key=lambda group: -group.count))

    def rules(self) -> Counter[str]:
        """Return the number of issues of each rule, in all records."""
        rules = self._ungrouped.copy()
        for group in self._groups.values():
            rules[group.issues[0].rule] += group.count
        return rules

    def add_error(self, error: StreamError) -> None:
        """Add the issues of a record that cannot be read or is invalid."""
        inner = error.error
        if isinstance(inner, ValidationError):
            for index, kind in enumerate(inner.kinds()):
                # A shortcut for most issues of a stream with many bad records.
                group = self._groups.get(kind)
                if group is not None and group.count >= _KEPT and not self._max_listed:
                    group.count += 1
                else:
                    self._add(kind, *kind, partial(_violation_issue, error, inner, index))
            return
        path = general_path(error.path)
        # The error that ends a stream always has a group of its own.
        problem = (DECODE, path, similar_text(error.reason), error.ends_stream)
        self._add(problem, DECODE, path, partial(_decode_issue, error), always=error.ends_stream)

    def add_finding(self, finding: LintFinding, record: int, offset: int) -> None:
        """Add a lint finding about a record."""
        kind = finding.id, general_path(finding.path)
        self._add(kind, *kind, partial(_lint_issue, finding, record, offset))

    def _add(
        self,
        kind: tuple[object, ...],
        rule: str,
        path: str,
        make: Callable[[], Issue],
        always: bool = False,
    ) -> None:
        group = self._groups.get(kind)
        if group is None and (always or len(self._groups) < MAX_GROUPS):
            group = self._groups[kind] = IssueGroup(path, [])
        if group is None:
            self._ungrouped[rule] += 1
        else:
            group.count += 1
            if group.count <= _KEPT:
                group.issues.append(make())
        if len(self.listed) < self._max_listed:
            self.listed.append(make())


def _violation_issue(error: StreamError, inner: ValidationError, index: int) -> Issue:
    violation = inner.violations[index]
    column = violation.position.column if violation.position else 1
    position = None if error.position is None else replace(error.position, column=column)
    issue = issue_from_violation(violation, [])
    return replace(issue, record=error.record, offset=error.offset, position=position)


def _decode_issue(error: StreamError) -> Issue:
    return Issue(
        DECODE,
        Level.ERROR,
        error.path,
        with_options(error.reason, in_stream=True),
        position=error.position,
        record=error.record,
        offset=error.offset,
    )


def _lint_issue(finding: LintFinding, record: int, offset: int) -> Issue:
    return replace(issue_from_lint(finding, None, []), record=record, offset=offset)
