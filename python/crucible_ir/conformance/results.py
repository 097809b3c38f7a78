"""The results of running an executor on cases."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from crucible_ir.conformance.comparison import ASPECTS, Difference


class CaseVerdict(StrEnum):
    """The verdict on a case, or on one aspect of it."""

    PASSED = "passed"
    FAILED = "failed"
    EXPECTED_FAILURE = "expected failure"
    NOT_OFFERED = "not offered"
    NOT_REACHED = "not reached"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The result of one case.

    Attributes:
        name: The full name of the case, such as ``timestamps/year_10000``.
        message_type: The full name of the message type.
        reason: The purpose of the case, if it states one.
        verdicts: The verdict on each aspect that the case compares.
        differences: The differences between the answer and the expected result.
        excuses: The reasons of expected failures, by aspect.
        seconds: The time that the executor took.
    """

    name: str
    message_type: str
    reason: str
    verdicts: dict[str, CaseVerdict]
    differences: tuple[Difference, ...] = ()
    excuses: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def verdict(self) -> CaseVerdict:
        """The verdict on the whole case: the worst of its compared aspects."""
        found = set(self.verdicts.values())
        for verdict in (CaseVerdict.FAILED, CaseVerdict.EXPECTED_FAILURE, CaseVerdict.PASSED):
            if verdict in found:
                return verdict
        return CaseVerdict.NOT_OFFERED


@dataclass(slots=True)
class Run:
    """The result of a run.

    Attributes:
        command: The command of the executor.
        implementation: The executor's description of itself.
        offered: The aspects that it offers.
        unknown_aspects: The numbers of offered aspects that the harness does not know.
        results: The result of each case.
        stale: Descriptions of the expected failures that did not fail.
        problems: Descriptions of other failures of the executor.
    """

    command: tuple[str, ...]
    implementation: str = ""
    offered: frozenset[str] = frozenset()
    unknown_aspects: tuple[int, ...] = ()
    results: list[CaseResult] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def cases(self) -> Counter[CaseVerdict]:
        """The number of cases by verdict."""
        return Counter(result.verdict for result in self.results)

    @property
    def aspects(self) -> dict[str, Counter[CaseVerdict]]:
        """The number of cases by aspect and verdict."""
        counts: dict[str, Counter[CaseVerdict]] = {aspect: Counter() for aspect in ASPECTS}
        for result in self.results:
            for aspect, verdict in result.verdicts.items():
                counts[aspect][verdict] += 1
        return counts

    @property
    def passed(self) -> bool:
        """Whether all cases passed, except for the expected failures, which all failed."""
        return not (self.cases[CaseVerdict.FAILED] or self.stale or self.problems)
