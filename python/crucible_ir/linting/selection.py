"""Selection: which advice is given, and which of it fails a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crucible_ir.errors import Error
from crucible_ir.linting.advice import Advice, Severity
from crucible_ir.linting.suppression import covers, unknown_entry


class SelectionError(Error, ValueError):
    """A selection of lints names something that is no lint, or its settings cannot be read."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which lints count, and from which severity their advice fails a check.

    An entry is a lint's id, or the part before its dot for all lints of one subject. Of the entries
    that mean a lint, the longest decides; of two equal ones, ``ignore`` does.

    Attributes:
        select: The lints that count; empty for all of them.
        ignore: The lints that do not.
        fail_on: The least severity that fails a check; ``None`` if no advice does.

    Raises:
        SelectionError: An entry means no lint; the error names the nearest one.

    >>> chosen = Selection(ignore=("ensemble",), select=("ensemble.no_models", "hedging"))
    >>> chosen.selects("ensemble.no_models"), chosen.selects("ensemble.weights_sum")
    (True, False)
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: Severity | None = Severity.WARNING

    def __post_init__(self) -> None:
        for name, entries in (("select", self.select), ("ignore", self.ignore)):
            for entry in entries:
                reason = unknown_entry(entry)
                if reason:
                    raise SelectionError(f"{name}: {reason}")

    def selects(self, lint_id: str) -> bool:
        """Tell whether a lint counts."""
        chosen = _longest(self.select, lint_id) if self.select else 0
        return chosen > _longest(self.ignore, lint_id)

    def filter(self, advice: Iterable[Advice]) -> list[Advice]:
        """Return the advice of the lints that count."""
        return [item for item in advice if self.selects(item.id)]

    def fails(self, advice: Iterable[Advice]) -> bool:
        """Tell whether advice, filtered already, fails a check."""
        threshold = self.fail_on
        return threshold is not None and any(item.severity.at_least(threshold) for item in advice)


def _longest(entries: tuple[str, ...], lint_id: str) -> int:
    """Return the length of the longest entry that means a lint, or -1 if none does."""
    return max((len(entry) for entry in entries if covers(entry, lint_id)), default=-1)
