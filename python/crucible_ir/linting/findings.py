"""The findings of the linter and their severity."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crucible_ir.errors import Position
    from crucible_ir.paths import Part


class Severity(StrEnum):
    """The severity of a finding. Members are in ascending order.

    >>> [str(severity) for severity in Severity]
    ['info', 'warning']
    """

    INFO = "info"
    """Worth a look, but often intended."""

    WARNING = "warning"
    """Most likely a mistake or a risk."""

    def at_least(self, other: Severity) -> bool:
        """Return whether this severity is equal to or higher than another.

        >>> Severity.INFO.at_least(Severity.WARNING)
        False
        """
        order = list(Severity)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One finding of a lint. The message may still be valid.

    Attributes:
        id: The stable id of the lint, such as ``ensemble.no_models``.
        severity: The severity of the lint.
        path: The path of the field, relative to the linted message and in the syntax of
            `Violation.path`; empty if the finding applies to the whole message.
        message: A description of the problem.
        fix: How to fix it.
        position: The position of the field, if the message was read from text.

    >>> from crucible_ir import lint, v1
    >>> [finding] = lint(v1.Ensemble(strategy="ENSEMBLE_STRATEGY_MAJORITY"))
    >>> finding.id, finding.path
    ('ensemble.no_models', 'strategy')
    """

    id: str
    severity: Severity
    path: str
    message: str
    fix: str
    position: Position | None = None

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.message} [{self.id}]; {self.fix}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that a lint's function reports; the linter makes a `LintFinding` of it.

    Attributes:
        path: The path of the field, relative to the message that the function received.
        message: A description of the problem.
        fix: How to fix it.
    """

    path: tuple[Part, ...]
    message: str
    fix: str
