"""Expected failures: the cases that an executor's libraries get wrong, each with its reason.

The file has an entry a line, ``topic/case aspect  # reason``. It may only shrink: an entry is
stale, which is a failure, as soon as a case that it names passes.
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

#: The word for every aspect.
ANY_ASPECT: Final = "*"

_ENTRY: Final = re.compile(r"(\S+)\s+(\S+)\s+#\s*(\S.*)")


class ExpectedFailuresError(Error):
    """A file of expected failures cannot be read."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the file.

    Attributes:
        pattern: What the names of the cases match, with the wildcards of a shell.
        aspect: The aspect that fails, or `ANY_ASPECT`.
        reason: Why, for people.
        line: The number of the line, from 1.
    """

    pattern: str
    aspect: str
    reason: str
    line: int

    def names_case(self, name: str) -> bool:
        """Tell whether it is about a case."""
        return fnmatchcase(name, self.pattern)

    def names_aspect(self, aspect: str) -> bool:
        """Tell whether it is about an aspect."""
        return self.aspect in (aspect, ANY_ASPECT)

    def __str__(self) -> str:
        return f"line {self.line}: {self.pattern} {self.aspect}"


def read_expected_failures(path: Path) -> tuple[Entry, ...]:
    """Read a file of expected failures.

    Raises:
        ExpectedFailuresError: It cannot be read, or a line is no entry; the error names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ExpectedFailuresError(f"{path}: {reason.lower()}") from None
    return tuple(_parsed(text.splitlines(), path))


def _parsed(lines: list[str], path: Path) -> Iterable[Entry]:
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
                f"{path}:{number}: {match[2]!r} is none of {known}{near_miss(match[2], ASPECTS)}"
            )
        yield Entry(match[1], match[2], match[3], number)
