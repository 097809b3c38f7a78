"""Expected failures: the cases that an executor is known to fail, each with a reason.

The file has one entry per line, ``topic/case aspect  # reason``. As soon as a case that an entry
matches passes, the entry is stale, and the run fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from crucible_ir.conformance.comparison import ASPECTS
from crucible_ir.errors import Error, near_miss

#: Matches every aspect.
ANY_ASPECT: Final = "*"

_ENTRY: Final = re.compile(r"(\S+)\s+(\S+)\s+#\s*(\S.*)")


class ExpectedFailuresError(Error):
    """A file of expected failures is invalid or unreadable."""


@dataclass(frozen=True, slots=True)
class ExpectedFailure:
    """One line of the file.

    Attributes:
        pattern: A shell pattern for the names of the cases.
        aspect: The aspect that fails, or `ANY_ASPECT`.
        reason: The reason.
        line: The line number, from 1.
    """

    pattern: str
    aspect: str
    reason: str
    line: int

    def matches_case(self, name: str) -> bool:
        """Return whether the entry applies to a case."""
        return fnmatchcase(name, self.pattern)

    def matches_aspect(self, aspect: str) -> bool:
        """Return whether the entry applies to an aspect."""
        return self.aspect in (aspect, ANY_ASPECT)

    def __str__(self) -> str:
        return f"line {self.line}: {self.pattern} {self.aspect}"


def read_expected_failures(path: Path) -> tuple[ExpectedFailure, ...]:
    """Read a file of expected failures.

    Raises:
        ExpectedFailuresError: The file cannot be read, or a line is invalid; the error names the
            line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ExpectedFailuresError(f"{path}: {reason.lower()}") from None
    return tuple(_parsed(text.splitlines(), path))


def _parsed(lines: list[str], path: Path) -> Iterable[ExpectedFailure]:
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _ENTRY.fullmatch(stripped)
        if match is None:
            raise ExpectedFailuresError(
                f"{path}:{number}: expected `topic/case aspect  # reason`, got {stripped!r}"
            )
        if match[2] not in (*ASPECTS, ANY_ASPECT):
            known = ", ".join((*ASPECTS, ANY_ASPECT))
            raise ExpectedFailuresError(
                f"{path}:{number}: expected one of {known}, got {match[2]!r}"
                f"{near_miss(match[2], ASPECTS)}"
            )
        yield ExpectedFailure(match[1], match[2], match[3], number)
