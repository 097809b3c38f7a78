"""Crossing: what each executor writes, read by every other, which must see the same message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from crucible_ir.conformance import v1
from crucible_ir.conformance.comparison import DECODE, Difference
from crucible_ir.conformance.results import CaseResult, Run
from crucible_ir.conformance.running import DEFAULT_TIMEOUT, Runner
from crucible_ir.conformance.suites import NamedCase


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A message that one executor wrote and another takes for something else.

    Attributes:
        case: The whole name of the case that the message comes from.
        writer: The index of the command that wrote it.
        reader: The index of the command that read it.
        differences: Where what it read is not what the case expects.
    """

    case: str
    writer: int
    reader: int
    differences: tuple[Difference, ...]


@dataclass(slots=True)
class Crossing:
    """Runs executors over cases, and then each over what all of them wrote.

    What a reader gets wrong about a case's own payload, or about the same bytes in another case, is
    its own fault and no disagreement. What it gets wrong there, it may also fail to read here.

    Attributes:
        commands: The executors' programs with their arguments.
        timeout: The seconds that each has for a response.
        own: The run of each over the cases' own payloads.
        read: How many messages each reader was asked about, by writer and reader.
        disagreements: What was found.
        problems: What else was wrong with an executor while it read, in words.
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
        """Whether everyone reads alike what anyone writes."""
        return not (self.disagreements or self.problems)

    def results(self, cases: Sequence[NamedCase]) -> Iterator[CaseResult]:
        """Do everything, and yield what came of each question on the way.

        There are as many as `questions` of it, or fewer, since bytes that several executors write
        are asked about once.

        Raises:
            StartError: An executor cannot be started.
            CannotAskError: An executor does not introduce itself.
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

    def questions(self, cases: Sequence[NamedCase]) -> int:
        """Return the most questions that there can be."""
        count = len(self.commands)
        return len(cases) * count * (1 + count)

    def _read(self, reader: int, cases: Sequence[NamedCase]) -> Iterator[CaseResult]:
        asked = list(self._written_cases(cases))
        faults = self._faults(reader, cases)
        runner = Runner(self.commands[reader], timeout=self.timeout, is_substitute=True)
        results = runner.results([named for named, _ in asked])
        for (named, writers), result in zip(asked, results, strict=True):
            known = faults[named.name] | faults.get(_payload(named), set())
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
        """Yield each case with each of the bytes that were written for it, and by whom."""
        for named in cases:
            for data, writers in self._versions(named.name).items():
                case = v1.Case()
                case.CopyFrom(named.case)
                case.request.binary = data
                yield NamedCase(named.topic, case), writers

    def _faults(self, reader: int, cases: Sequence[NamedCase]) -> dict[str | bytes, set[str]]:
        """Return the aspects that a reader gets wrong by itself, by case and by payload."""
        faults: dict[str | bytes, set[str]] = {}
        for named, result in zip(cases, self.own[reader].results, strict=True):
            wrong = {difference.aspect for difference in result.differences}
            for key in (named.name, _payload(named)):
                faults.setdefault(key, set()).update(wrong)
        return faults

    def _versions(self, name: str) -> dict[bytes, tuple[int, ...]]:
        """Return the bytes that were written for a case, and by whom."""
        found: dict[bytes, tuple[int, ...]] = {}
        for writer, written in enumerate(self._written):
            if name in written:
                data = written[name]
                found[data] = (*found.get(data, ()), writer)
        return found


def _payload(named: NamedCase) -> bytes:
    """Return what a case asks about, as bytes that are equal for the same question."""
    return named.case.request.SerializeToString(deterministic=True)
