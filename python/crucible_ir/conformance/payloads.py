"""Payloads that an executor wrote, as cases for others: what one writes all must read alike."""

from __future__ import annotations

from crucible_ir.conformance import v1
from crucible_ir.conformance.suites import NamedCase, write_suites


class SavedBinaries:
    """Collects the bytes that an executor wrote, each with what the case expects of them."""

    def __init__(self) -> None:
        self._suites: dict[str, v1.Suite] = {}

    def add(self, named: NamedCase, evaluation: v1.Evaluation) -> None:
        """Add the bytes that were the answer to a case."""
        suite = self._suites.setdefault(named.topic, v1.Suite(topic=named.topic))
        case = suite.cases.add()
        case.CopyFrom(named.case)
        case.request.binary = evaluation.binary

    def content(self) -> bytes:
        """Return them as a stream of suites, which `read_suites` reads."""
        return write_suites(list(self._suites.values()))
