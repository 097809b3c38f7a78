"""Issues: the results of a check, which every report is written from."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID, reasons_with_options
from crucible_ir.errors import DecodeError, ValidationError, Violation, shorten

if TYPE_CHECKING:
    from crucible_ir.errors import Position, SpellingWarning
    from crucible_ir.linting import LintFinding

#: The rule id of a document that cannot be decoded.
DECODE = "decode"

#: The id of the lint that reports misspelled names; `validate` reports them as well.
NEAR_KNOWN = "vocabulary.near_known"

#: The id of what `lint --for` reports.
NEWER = "release.newer"


class Level(Enum):
    """The severity of an issue."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class CheckOutcome(IntEnum):
    """The result of checking one document; the numbers are exit statuses."""

    GOOD = GOOD
    INVALID = INVALID
    UNREADABLE = COULD_NOT_RUN


@dataclass(frozen=True, slots=True)
class Issue:
    """A violation, a lint finding or a decode error of one document.

    Attributes:
        rule: The id of the rule or lint, or `DECODE`.
        level: The severity.
        path: The field, as in `crucible_ir.Violation.path`.
        message: The description.
        value: The offending value, shortened; empty if there is none to show.
        fix: The suggested fix; empty if there is none.
        position: The position in a text document.
        line: The line of the document at that position; empty if there is none.
        record: The number of the record of a stream, from 0; ``None`` in a document.
        offset: The offset of the record in bytes; ``None`` in a document.
        entry: The document of a bundle, such as ``ModelRef/gpt2``; empty in other files.
    """

    rule: str
    level: Level
    path: str
    message: str
    value: str = ""
    fix: str = ""
    position: Position | None = None
    line: str = ""
    record: int | None = None
    offset: int | None = None
    entry: str = ""

    def place(self, name: str) -> str:
        """Return the file's name with line and column, number of the record, or entry."""
        if self.position is not None:
            return f"{name}:{self.position}"
        if self.entry:
            return f"{name}:{self.entry}"
        return name if self.record is None else f"{name}:record {self.record}"

    @property
    def subject(self) -> str:
        """The place in the file, as the start of a sentence; empty for the whole document."""
        record = "" if self.record is None else f"record {self.record}"
        return "".join(f"{part}: " for part in (record, self.entry, self.path) if part)

    @property
    def text(self) -> str:
        """The description, with the value or the offset of the record if there is one."""
        if self.rule == DECODE and self.offset is not None and self.position is None:
            return f"{self.message}, in the record at byte {self.offset}"
        return f"{self.message}, got {self.value}" if self.value else self.message


@dataclass(slots=True)
class IssueGroup:
    """The issues of a stream with one rule and one path, or with one error.

    Attributes:
        path: The path of the issues, with ``[*]`` for the indexes of lists and the keys of maps.
        issues: The first issues.
        count: The number of issues.
    """

    path: str
    issues: list[Issue]
    count: int = 0


@dataclass(frozen=True, slots=True)
class FileReport:
    """The result of checking one file.

    Attributes:
        name: The file's name, or ``-``.
        outcome: The result.
        type_name: The name of the message type; empty if it is not known.
        issues: The issues of a document in the order of the schema's fields; the first issues of a
            stream in the order of the records.
        reason: Why the file could not be read; empty if it could.
        records: The number of records of a stream; ``None`` for a document.
        bad_records: The number of records that failed.
        groups: The issues of a stream in groups.
        rule_counts: The number of issues of a stream for each rule; ``None`` for a document.
        is_listed: Whether text lists the issues of a stream instead of the groups.
    """

    name: str
    outcome: CheckOutcome
    type_name: str = ""
    issues: tuple[Issue, ...] = ()
    reason: str = ""
    records: int | None = None
    bad_records: int = 0
    groups: tuple[IssueGroup, ...] = ()
    rule_counts: Counter[str] | None = None
    is_listed: bool = False

    @property
    def rules(self) -> Counter[str]:
        """The number of issues of each rule."""
        if self.rule_counts is not None:
            return self.rule_counts
        return Counter(issue.rule for issue in self.issues)

    @property
    def total(self) -> int:
        """The number of all issues."""
        return self.rules.total()

    @property
    def omitted(self) -> int:
        """The number of issues that are not among `issues`."""
        return self.total - len(self.issues)


def issues_from_decode_error(error: DecodeError, lines: list[str]) -> tuple[Issue, ...]:
    """Return the issues of a document that cannot be decoded."""
    return tuple(
        Issue(
            DECODE,
            Level.ERROR,
            each.path,
            reason,
            position=each.position,
            line=_line(each.position, lines),
        )
        for each, reason in zip(error.errors, reasons_with_options(error.errors), strict=True)
    )


def issues_from_validation_error(error: ValidationError, lines: list[str]) -> tuple[Issue, ...]:
    """Return the issues of a document that breaks rules."""
    return tuple(issue_from_violation(violation, lines) for violation in error.violations)


def issue_from_violation(violation: Violation, lines: list[str]) -> Issue:
    """Return the issue of a violation, given the lines of the document."""
    return Issue(
        violation.rule_id,
        Level.ERROR,
        violation.path,
        violation.message,
        value="" if violation.value is None else shorten(violation.value),
        position=violation.position,
        line=_line(violation.position, lines),
    )


def issue_from_lint(finding: LintFinding, position: Position | None, lines: list[str]) -> Issue:
    """Return the issue of a lint finding."""
    return Issue(
        finding.id,
        Level(finding.severity.value),
        finding.path,
        finding.message,
        fix=finding.fix,
        position=position,
        line=_line(position, lines),
    )


def issue_from_spelling(warning: SpellingWarning, lines: list[str]) -> Issue:
    """Return the issue of a name that may be misspelled, under the id of the lint about it."""
    return Issue(
        NEAR_KNOWN,
        Level.WARNING,
        warning.path,
        warning.reason,
        fix="to keep it, write it under its custom key",
        position=warning.position,
        line=_line(warning.position, lines),
    )


def _line(position: Position | None, lines: list[str]) -> str:
    if position is None or position.line > len(lines):
        return ""
    return lines[position.line - 1]
