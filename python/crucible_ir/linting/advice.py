"""Advice: what a lint says about one place of a message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crucible_ir.errors import Position
    from crucible_ir.paths import Part


class Severity(StrEnum):
    """How much a piece of advice matters; the members stand in rising order."""

    INFO = "info"
    """Worth a look; often meant as it is."""

    WARNING = "warning"
    """Most likely a mistake or a risk."""

    def at_least(self, other: Severity) -> bool:
        """Tell whether this severity is the other one or graver."""
        order = list(Severity)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Advice:
    """One remark of a lint on a message that may well be valid.

    Attributes:
        id: The lint's stable id, such as ``ensemble.no_models``.
        severity: How much it matters.
        path: The field, from the message that was linted, written as in `Violation.path`; empty
            when the advice is about the message as a whole.
        message: What is odd, in words.
        fix: What to do about it.
        position: Where the field stands, when the message was read from text.
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
class Finding:
    """What a lint's function reports: a place inside the message it was given, and the words.

    Attributes:
        path: The steps from that message to the place.
        message: What is odd, in words.
        fix: What to do about it.
    """

    path: tuple[Part, ...]
    message: str
    fix: str
