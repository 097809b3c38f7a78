"""Findings: what a check says about each document, for every report to be written from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID
from crucible_ir.errors import DecodeError, ValidationError, Violation, shorten

if TYPE_CHECKING:
    from crucible_ir.errors import Position
    from crucible_ir.linting import LintFinding

#: The id that stands for a rule where a document cannot be decoded.
DECODE = "decode"


class Level(Enum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class CheckOutcome(IntEnum):
    """What came of the check of one document; the numbers are exit statuses."""

    GOOD = GOOD
    INVALID = INVALID
    UNREADABLE = COULD_NOT_RUN


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing to know about a document.

    Attributes:
        rule: The id of the rule or lint, or `DECODE`.
        level: How bad it is.
        path: The field, as in `crucible_ir.Violation.path`.
        message: What is wrong, in words.
        value: The offending value, shortened; empty where there is none to show.
        fix: What to do about it; empty where nothing is suggested.
        position: Where it stands, in text forms.
        line: The line of the document that it stands in; empty where there is none.
        record: The number of the record of a stream, from 0; ``None`` in a document.
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

    def place(self, name: str) -> str:
        """Return where it stands: a file's name and the line and column, or else the record."""
        if self.position is not None:
            return f"{name}:{self.position}"
        return name if self.record is None else f"{name}:record {self.record}"

    @property
    def subject(self) -> str:
        """What it is about within the file, as the beginning of a sentence; empty for all of it."""
        record = "" if self.record is None else f"record {self.record}: "
        return f"{record}{self.path}: " if self.path else record

    @property
    def words(self) -> str:
        """What is wrong, with the value where there is one."""
        return f"{self.message}, got {self.value}" if self.value else self.message


@dataclass(frozen=True, slots=True)
class FileReport:
    """What a check says about one document.

    Attributes:
        name: The file's name, or ``-``.
        outcome: What came of the check.
        type_name: The name of the message type, once it is known.
        findings: What there is to know, in the order of the schema's fields.
        reason: Why the document could not be read; empty where it could.
        records: How many records a stream has; ``None`` for a document.
        bad_records: How many of them are not good.
        omitted: How many findings there are beyond those that are listed.
    """

    name: str
    outcome: CheckOutcome
    type_name: str = ""
    issues: tuple[Issue, ...] = ()
    reason: str = ""
    records: int | None = None
    bad_records: int = 0
    omitted: int = 0


def issue_from_decode_error(error: DecodeError, lines: list[str]) -> Issue:
    """Return the finding for a document that cannot be decoded."""
    line = _line(error.position, lines)
    return Issue(DECODE, Level.ERROR, error.path, error.reason, position=error.position, line=line)


def issues_from_validation_error(error: ValidationError, lines: list[str]) -> tuple[Issue, ...]:
    """Return the findings for a document that breaks rules."""
    return tuple(_issue_from_violation(violation, lines) for violation in error.violations)


def _issue_from_violation(violation: Violation, lines: list[str]) -> Issue:
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
    """Return the finding for what a lint says."""
    return Issue(
        finding.id,
        Level(finding.severity.value),
        finding.path,
        finding.message,
        fix=finding.fix,
        position=position,
        line=_line(position, lines),
    )


def _line(position: Position | None, lines: list[str]) -> str:
    if position is None or position.line > len(lines):
        return ""
    return lines[position.line - 1]
