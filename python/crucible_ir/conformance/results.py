"""Results: what came of asking an executor about cases."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from crucible_ir.conformance.comparison import ASPECTS, Difference


class Verdict(StrEnum):
    """What came of a case, or of one aspect of it."""

    PASSED = "passed"
    FAILED = "failed"
    EXPECTED_FAILURE = "expected failure"
    NOT_OFFERED = "not offered"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one case.

    Attributes:
        name: The case's whole name, as ``timestamps/year_10000``.
        message_type: The full name of the message type.
        reason: Why the case exists, where the case says so.
        verdicts: What came of each aspect that the case is about.
        differences: Where the answer is not what it must be.
        excuses: Why failures are expected, by aspect.
        seconds: How long the executor took.
    """

    name: str
    message_type: str
    reason: str
    verdicts: dict[str, Verdict]
    differences: tuple[Difference, ...] = ()
    excuses: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """What came of the case as a whole: the worst of its aspects that were compared."""
        found = set(self.verdicts.values())
        for verdict in (Verdict.FAILED, Verdict.EXPECTED_FAILURE, Verdict.PASSED):
            if verdict in found:
                return verdict
        return Verdict.NOT_OFFERED


@dataclass(slots=True)
class Run:
    """What came of a whole run.

    Attributes:
        command: The executor's command.
        implementation: How the executor introduced itself.
        offered: The aspects that it offers.
        unknown_aspects: The numbers of the aspects that it offers and the harness does not know.
        results: What came of each case.
        stale: The expected failures that do not fail, in words.
        problems: What else was wrong with the executor, in words.
    """

    command: tuple[str, ...]
    implementation: str = ""
    offered: frozenset[str] = frozenset()
    unknown_aspects: tuple[int, ...] = ()
    results: list[CaseResult] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def cases(self) -> Counter[Verdict]:
        """How many cases came to each verdict."""
        return Counter(result.verdict for result in self.results)

    @property
    def aspects(self) -> dict[str, Counter[Verdict]]:
        """How many times each aspect came to each verdict."""
        counts: dict[str, Counter[Verdict]] = {aspect: Counter() for aspect in ASPECTS}
        for result in self.results:
            for aspect, verdict in result.verdicts.items():
                counts[aspect][verdict] += 1
        return counts

    @property
    def passed(self) -> bool:
        """Whether nothing failed that was not expected to, and everything expected to failed."""
        return not (self.cases[Verdict.FAILED] or self.stale or self.problems)
