"""Running: every case asked of an executor, which is started anew when it fails to answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from crucible_ir.conformance import v1
from crucible_ir.conformance.comparison import (
    DECODE,
    OFFERED_ASPECTS,
    Difference,
    compare,
    compared_aspects,
    is_asked,
)
from crucible_ir.conformance.expected_failures import Entry
from crucible_ir.conformance.process import Executor, ExecutorError
from crucible_ir.conformance.results import CaseResult, Run, Verdict
from crucible_ir.conformance.suites import NamedCase
from crucible_ir.errors import Error

#: The seconds that an executor has for a response, unless told otherwise.
DEFAULT_TIMEOUT: Final = 10.0
#: The seconds that an executor has at least for the first response: some have much to load.
STARTING_TIMEOUT: Final = 60.0
#: How many times an executor is started anew before the rest of the cases is given up.
MAX_RESTARTS: Final = 25


class CannotAskError(Error):
    """The executor does not even say who it is."""


@dataclass(slots=True)
class Runner:
    """Asks an executor about cases.

    Attributes:
        command: The executor's program and its arguments.
        timeout: The seconds that it has for each response.
        expected_failures: The failures that are known.
        max_restarts: How many times it is started anew.
        is_partial: Whether the cases are a selection, so that an expected failure may name none.
        is_substitute: Whether the payloads are not the cases' own, so that an expected failure may
            pass.
        on_answer: Is given every case that can be read and what the executor made of it, when its
            binary form is right.
        run: What has come of it so far.
    """

    command: Sequence[str]
    timeout: float = DEFAULT_TIMEOUT
    expected_failures: Sequence[Entry] = ()
    max_restarts: int = MAX_RESTARTS
    is_partial: bool = False
    is_substitute: bool = False
    on_answer: Callable[[NamedCase, v1.Evaluation], None] | None = None
    run: Run = field(init=False)
    _executor: Executor | None = field(init=False, default=None)
    _restarts: int = field(init=False, default=0)
    _given_up: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.run = Run(tuple(self.command))

    def results(self, cases: Sequence[NamedCase]) -> Generator[CaseResult]:
        """Ask about each case and yield what came of it; `run` is complete afterwards.

        Raises:
            StartError: The executor cannot be started.
            CannotAskError: It does not introduce itself; the error has what it wrote to its
                standard error.
        """
        try:
            self._introduce()
            for named in cases:
                result = self._result(named)
                self.run.results.append(result)
                yield result
            self._finish()
        finally:
            self._drop()

    def _introduce(self) -> None:
        self._executor = Executor(self.command, timeout=self.timeout)
        try:
            described = _described(self._executor)
        except ExecutorError as error:
            raise CannotAskError(f"asked who it is, the executor failed: {_told(error)}") from None
        self.run.implementation = described.implementation or "an executor that does not say"
        self.run.offered = frozenset(
            OFFERED_ASPECTS[aspect] for aspect in described.aspects if aspect in OFFERED_ASPECTS
        )
        self.run.unknown_aspects = tuple(
            int(aspect) for aspect in described.aspects if aspect not in OFFERED_ASPECTS
        )

    def _result(self, named: NamedCase) -> CaseResult:
        case = named.case
        aspects = compared_aspects(case)
        request_type = case.request.message_type
        if not is_asked(case, self.run.offered):
            skipped = dict.fromkeys(aspects, Verdict.NOT_OFFERED)
            return CaseResult(named.name, request_type, case.reason, skipped)
        started = time.monotonic()
        differences = tuple(self._differences(named))
        failed = {difference.aspect for difference in differences}
        verdicts: dict[str, Verdict] = {}
        excuses: dict[str, str] = {}
        for aspect in aspects:
            if aspect in failed:
                excuse = self._excuse(named.name, aspect)
                verdicts[aspect] = Verdict.FAILED if excuse is None else Verdict.EXPECTED_FAILURE
                if excuse is not None:
                    excuses[aspect] = excuse.reason
            elif aspect != DECODE and aspect not in self.run.offered:
                verdicts[aspect] = Verdict.NOT_OFFERED
            else:
                verdicts[aspect] = Verdict.NOT_REACHED if DECODE in failed else Verdict.PASSED
        seconds = time.monotonic() - started
        return CaseResult(
            named.name, request_type, case.reason, verdicts, differences, excuses, seconds
        )

    def _excuse(self, name: str, aspect: str) -> Entry | None:
        for entry in self.expected_failures:
            if entry.names_aspect(aspect) and entry.names_case(name):
                return entry
        return None

    def _differences(self, named: NamedCase) -> Iterator[Difference]:
        case = named.case
        try:
            answer = self._answer(case)
        except ExecutorError as error:
            yield Difference(DECODE, "an answer", _told(error))
            return
        found = list(compare(case, answer, self.run.offered))
        yield from found
        if self.on_answer is not None and answer.WhichOneof("outcome") == "evaluation":
            wrong = {difference.aspect for difference in found}
            if not wrong & {DECODE, "binary"} and "binary" in self.run.offered:
                self.on_answer(named, answer.evaluation)

    def _answer(self, case: v1.Case) -> v1.EvaluateResponse:
        if self._executor is None:
            self._restart()
        assert self._executor is not None
        try:
            response = self._executor.ask(v1.Request(evaluate=case.request))
        except ExecutorError:
            self._executor = None
            raise
        outcome = response.WhichOneof("response")
        if outcome == "executor_error":
            raise ExecutorError(f"it reports an error of its own: {response.executor_error}")
        if outcome != "evaluate":
            raise ExecutorError(f"it answers with {outcome} instead of evaluate")
        return response.evaluate

    def _restart(self) -> None:
        if self._given_up:
            raise ExecutorError(self._given_up)
        if self._restarts == self.max_restarts:
            self._given_up = f"not asked: the executor was started anew {self._restarts} times"
            self.run.problems.append(f"it failed to answer {self._restarts + 1} times: given up")
            raise ExecutorError(self._given_up)
        self._restarts += 1
        executor = Executor(self.command, timeout=self.timeout)
        try:
            _described(executor)
        except ExecutorError as error:
            self._given_up = "not asked: started anew, the executor did not introduce itself"
            self.run.problems.append(f"started anew, it did not introduce itself: {_told(error)}")
            raise ExecutorError(self._given_up) from None
        self._executor = executor

    def _finish(self) -> None:
        if self._executor is not None:
            problem = self._executor.finish()
            if problem is not None:
                stderr = self._executor.stderr
                self.run.problems.append(_told(ExecutorError(problem, stderr)))
        if not self.is_substitute:
            self.run.stale = list(self._stale_entries())

    def _stale_entries(self) -> Iterator[str]:
        """Say of each expected failure which case does not fail, or that there is no such case.

        An entry with wildcards has to fail in every case that it matches, so that it cannot hide
        what breaks later.
        """
        for entry in self.expected_failures:
            named = [result for result in self.run.results if entry.names_case(result.name)]
            if not named and not self.is_partial:
                yield f"{entry}: there is no such case"
            for result in named:
                if not any(entry.names_aspect(each.aspect) for each in result.differences):
                    yield f"{entry}: {result.name} does not fail"

    def _drop(self) -> None:
        if self._executor is not None:
            self._executor.kill()
            self._executor = None


def _described(executor: Executor) -> v1.DescribeResponse:
    patience = max(executor.timeout, STARTING_TIMEOUT)
    response = executor.ask(v1.Request(describe=v1.DescribeRequest()), timeout=patience)
    outcome = response.WhichOneof("response")
    if outcome != "describe":
        executor.kill()
        detail = f": {response.executor_error}" if outcome == "executor_error" else ""
        raise ExecutorError(f"it answers with {outcome} instead of describe{detail}")
    return response.describe


#: How many of the last lines of an executor's standard error are shown.
_SHOWN_ERROR_LINES: Final = 10


def _told(error: ExecutorError) -> str:
    lines = error.stderr.splitlines()[-_SHOWN_ERROR_LINES:]
    if not lines:
        return error.reason
    shown = "\n".join(f"  | {line}" for line in lines)
    return f"{error.reason}; its standard error ends:\n{shown}"
