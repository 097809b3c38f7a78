"""What a check calls itself, its outcomes and its findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one check.

    Attributes:
        command: The command's name.
        good: What a document is that passes.
        bad: What a document is that does not.
        findings: What the check finds: one, and many.
    """

    command: str
    good: str
    bad: str
    findings: tuple[str, str]

    def count(self, number: int) -> str:
        """Count findings.

        >>> VALIDATE.count(2)
        '2 violations'
        """
        return f"{number} {self.findings[number != 1]}"


VALIDATE: Final = Wording("validate", "valid", "invalid", ("violation", "violations"))
LINT: Final = Wording("lint", "passed", "failed", ("remark", "remarks"))
