"""Selection of lints, and the severity from which their findings fail a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crucible_ir.errors import Error
from crucible_ir.linting.findings import LintFinding, Severity
from crucible_ir.linting.suppression import matches, unknown_entry


class SelectionError(Error, ValueError):
    """A selection names an unknown lint, or its settings are invalid or unreadable.

    >>> try:
    ...     _ = Selection(ignore=("ensembel",))
    ... except SelectionError as error:
    ...     print(error)
    ignore: unknown lint 'ensembel'; did you mean "ensemble"?
    """


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected lints, and the severity from which their findings fail a check.

    An entry is a lint id, or the part before its dot for all lints of one subject. If several
    entries match a lint, the longest one applies; between two of equal length, ``ignore`` does.

    Attributes:
        select: The lints to apply; empty for all of them.
        ignore: The lints to leave out.
        fail_on: The lowest severity that fails a check; ``None`` if no finding does.

    Raises:
        SelectionError: An entry matches no lint; the error suggests the nearest one.

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
        """Return whether a lint is selected.

        >>> Selection(ignore=("ensemble",)).selects("ensemble.no_models")
        False
        """
        selected = _longest(self.select, lint_id) if self.select else 0
        return selected > _longest(self.ignore, lint_id)

    def filter(self, findings: Iterable[LintFinding]) -> list[LintFinding]:
        """Return the findings of the selected lints.

        >>> from crucible_ir import lint, v1
        >>> findings = lint(v1.Ensemble(strategy="ENSEMBLE_STRATEGY_MAJORITY"))
        >>> [finding.id for finding in Selection().filter(findings)]
        ['ensemble.no_models']
        >>> Selection(ignore=("ensemble",)).filter(findings)
        []
        """
        return [finding for finding in findings if self.selects(finding.id)]

    def fails(self, findings: Iterable[LintFinding]) -> bool:
        """Return whether findings, already filtered, fail a check.

        >>> from crucible_ir import lint, v1
        >>> findings = lint(v1.Ensemble(strategy="ENSEMBLE_STRATEGY_MAJORITY"))
        >>> Selection().fails(findings), Selection(fail_on=None).fails(findings)
        (True, False)
        """
        threshold = self.fail_on
        return threshold is not None and any(
            finding.severity.at_least(threshold) for finding in findings
        )


def _longest(entries: tuple[str, ...], lint_id: str) -> int:
    """Return the length of the longest entry that matches a lint, or -1 if none does."""
    return max((len(entry) for entry in entries if matches(entry, lint_id)), default=-1)
