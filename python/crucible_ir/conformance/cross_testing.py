"""Cross-implementation tests: every executor reads the messages that every other one writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from crucible_ir.conformance import v1
from crucible_ir.conformance.comparison import DECODE, Difference
from crucible_ir.conformance.results import CaseResult, Run
from crucible_ir.conformance.runner import DEFAULT_TIMEOUT, Runner
from crucible_ir.conformance.suites import NamedCase


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A message that one executor wrote and another one read differently.

    Attributes:
        case: The full name of the case that the message comes from.
        writer: The index of the command that wrote it.
        reader: The index of the command that read it.
        differences: The differences between the reader's answer and the expected result.
    """

    case: str
    writer: int
    reader: int
    differences: tuple[Difference, ...]


@dataclass(slots=True)
class CrossTest:
    """Runs every executor on the cases, then every executor on the messages that all of them wrote.

    A difference is not a disagreement if the reader already fails in that aspect on the payload of
    the case itself, or on the same bytes in another case. After such a failure, a decode error is
    not a disagreement either.

    Attributes:
        commands: The executors' programs with their arguments.
        timeout: The seconds that an executor has for a response.
        own: For each executor, the run on the payloads of the cases.
        read: The number of messages by writer and reader.
        disagreements: The disagreements found.
        problems: Descriptions of other failures of an executor while it read messages.
    """

    commands: Sequence[Sequence[str]]
    timeout: float = DEFAULT_TIMEOUT
    own: list[Run] = field(default_factory=list)
    read: dict[tuple[int, int], int] = field(default_factory=dict)
    disagreements: list[Disagreement] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _written: list[dict[str, bytes]] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether all executors read all messages alike."""
        return not (self.disagreements or self.problems)

    def results(self, cases: Sequence[NamedCase]) -> Iterator[CaseResult]:
        """Run all tests and yield the result of each request.

        There are at most `max_requests` results, because identical bytes from several executors
        are sent to a reader only once.

        Raises:
            StartError: An executor cannot be started.
            DescribeError: An executor fails to describe itself.
        """
        for command in self.commands:
            written: dict[str, bytes] = {}

            def keep(
                named: NamedCase, got: v1.Evaluation, written: dict[str, bytes] = written
            ) -> None:
                written[named.name] = got.binary

            runner = Runner(command, timeout=self.timeout, on_answer=keep)
            yield from runner.results(cases)
            self.own.append(runner.run)
            self._written.append(written)
        for reader in range(len(self.commands)):
            yield from self._read(reader, cases)

    def max_requests(self, cases: Sequence[NamedCase]) -> int:
        """Return the largest possible number of requests."""
        count = len(self.commands)
        return len(cases) * count * (1 + count)

    def _read(self, reader: int, cases: Sequence[NamedCase]) -> Iterator[CaseResult]:
        written = list(self._written_cases(cases))
        failures = self._own_failures(reader, cases)
        runner = Runner(self.commands[reader], timeout=self.timeout, is_substitute=True)
        results = runner.results([named for named, _ in written])
        for (named, writers), result in zip(written, results, strict=True):
            known = failures[named.name] | failures.get(_payload(named), set())
            if known:
                known |= {DECODE}
            found = tuple(each for each in result.differences if each.aspect not in known)
            for writer in writers:
                self.read[writer, reader] = self.read.get((writer, reader), 0) + 1
                if found:
                    self.disagreements.append(Disagreement(result.name, writer, reader, found))
            yield result
        self.problems += runner.run.problems

    def _written_cases(
        self, cases: Sequence[NamedCase]
    ) -> Iterator[tuple[NamedCase, tuple[int, ...]]]:
        """Yield each case with each version of its bytes as the payload, and the writers of it."""
        for named in cases:
            for data, writers in self._versions(named.name).items():
                case = v1.Case()
                case.CopyFrom(named.case)
                case.request.binary = data
                yield NamedCase(named.topic, case), writers

    def _own_failures(self, reader: int, cases: Sequence[NamedCase]) -> dict[str | bytes, set[str]]:
        """Return the aspects that a reader fails by itself, by case and by payload."""
        failures: dict[str | bytes, set[str]] = {}
        for named, result in zip(cases, self.own[reader].results, strict=True):
            wrong = {difference.aspect for difference in result.differences}
            for key in (named.name, _payload(named)):
                failures.setdefault(key, set()).update(wrong)
        return failures

    def _versions(self, name: str) -> dict[bytes, tuple[int, ...]]:
        """Return the bytes that were written for a case, with the writers of each."""
        found: dict[bytes, tuple[int, ...]] = {}
        for writer, written in enumerate(self._written):
            if name in written:
                data = written[name]
                found[data] = (*found.get(data, ()), writer)
        return found


def _payload(named: NamedCase) -> bytes:
    """Return the request of a case as bytes that are equal for equal requests."""
    return named.case.request.SerializeToString(deterministic=True)
