"""The runner: sends every case to an executor, and restarts it when it fails to answer."""

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
    is_applicable,
)
from crucible_ir.conformance.expected_failures import ExpectedFailure
from crucible_ir.conformance.process import Executor, ExecutorError
from crucible_ir.conformance.results import CaseResult, CaseVerdict, Run
from crucible_ir.conformance.suites import NamedCase
from crucible_ir.errors import Error

#: The default number of seconds that an executor has for a response.
DEFAULT_TIMEOUT: Final = 10.0
#: The minimum number of seconds for the first response: some executors start slowly.
STARTING_TIMEOUT: Final = 60.0
#: The default limit of restarts, after which the remaining cases fail.
MAX_RESTARTS: Final = 25


class DescribeError(Error):
    """The executor failed to describe itself."""


@dataclass(slots=True)
class Runner:
    """Runs an executor on cases.

    Attributes:
        command: The executor's program and its arguments.
        timeout: The seconds that it has for each response.
        expected_failures: The expected failures.
        max_restarts: The limit of restarts.
        is_partial: Whether the cases are a selection: an expected failure may then match none.
        is_substitute: Whether the payloads come from another executor: an expected failure may then
            pass.
        on_answer: Called with each case that the executor decoded, and its evaluation, if the
            binary encoding is correct.
        run: The results so far.
    """

    command: Sequence[str]
    timeout: float = DEFAULT_TIMEOUT
    expected_failures: Sequence[ExpectedFailure] = ()
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
        """Run each case and yield its result; `run` is complete afterwards.

        Raises:
            StartError: The executor cannot be started.
            DescribeError: It fails to describe itself; the error includes the end of its standard
                error.
        """
        try:
            self._start()
            for named in cases:
                result = self._result(named)
                self.run.results.append(result)
                yield result
            self._finish()
        finally:
            self._drop()

    def _start(self) -> None:
        self._executor = Executor(self.command, timeout=self.timeout)
        try:
            described = _describe(self._executor)
        except ExecutorError as error:
            reason = f"the executor failed to describe itself: {_with_stderr(error)}"
            raise DescribeError(reason) from None
        self.run.implementation = described.implementation or "an unnamed executor"
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
        if not is_applicable(case, self.run.offered):
            skipped = dict.fromkeys(aspects, CaseVerdict.NOT_OFFERED)
            return CaseResult(named.name, request_type, case.reason, skipped)
        started = time.monotonic()
        differences = tuple(self._differences(named))
        failed = {difference.aspect for difference in differences}
        verdicts: dict[str, CaseVerdict] = {}
        excuses: dict[str, str] = {}
        for aspect in aspects:
            if aspect in failed:
                excuse = self._excuse(named.name, aspect)
                verdicts[aspect] = (
                    CaseVerdict.FAILED if excuse is None else CaseVerdict.EXPECTED_FAILURE
                )
                if excuse is not None:
                    excuses[aspect] = excuse.reason
            elif aspect != DECODE and aspect not in self.run.offered:
                verdicts[aspect] = CaseVerdict.NOT_OFFERED
            else:
                verdicts[aspect] = (
                    CaseVerdict.NOT_REACHED if DECODE in failed else CaseVerdict.PASSED
                )
        seconds = time.monotonic() - started
        return CaseResult(
            named.name, request_type, case.reason, verdicts, differences, excuses, seconds
        )

    def _excuse(self, name: str, aspect: str) -> ExpectedFailure | None:
        for entry in self.expected_failures:
            if entry.matches_aspect(aspect) and entry.matches_case(name):
                return entry
        return None

    def _differences(self, named: NamedCase) -> Iterator[Difference]:
        case = named.case
        try:
            answer = self._answer(case)
        except ExecutorError as error:
            yield Difference(DECODE, "an answer", _with_stderr(error))
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
            raise ExecutorError(f"executor error: {response.executor_error}")
        if outcome != "evaluate":
            raise ExecutorError(f"it answered with {outcome} instead of evaluate")
        return response.evaluate

    def _restart(self) -> None:
        if self._given_up:
            raise ExecutorError(self._given_up)
        if self._restarts == self.max_restarts:
            self._given_up = f"not run: the executor was restarted {self._restarts} times"
            self.run.problems.append(
                f"it failed to answer {self._restarts + 1} times; the run was aborted"
            )
            raise ExecutorError(self._given_up)
        self._restarts += 1
        executor = Executor(self.command, timeout=self.timeout)
        try:
            _describe(executor)
        except ExecutorError as error:
            problem = "failed to describe itself after a restart"
            self._given_up = f"not run: the executor {problem}"
            self.run.problems.append(f"it {problem}: {_with_stderr(error)}")
            raise ExecutorError(self._given_up) from None
        self._executor = executor

    def _finish(self) -> None:
        if self._executor is not None:
            problem = self._executor.finish()
            if problem is not None:
                stderr = self._executor.stderr
                self.run.problems.append(_with_stderr(ExecutorError(problem, stderr)))
        if not self.is_substitute:
            self.run.stale = list(self._stale_entries())

    def _stale_entries(self) -> Iterator[str]:
        """Yield a description of each expected failure that passes or matches no case.

        Every case that matches the wildcards of an entry must fail, so that the entry does not hide
        later failures.
        """
        for entry in self.expected_failures:
            matching = [result for result in self.run.results if entry.matches_case(result.name)]
            if not matching and not self.is_partial:
                yield f"{entry}: there is no such case"
            for result in matching:
                if not any(entry.matches_aspect(each.aspect) for each in result.differences):
                    yield f"{entry}: {result.name} does not fail"

    def _drop(self) -> None:
        if self._executor is not None:
            self._executor.kill()
            self._executor = None


def _describe(executor: Executor) -> v1.DescribeResponse:
    timeout = max(executor.timeout, STARTING_TIMEOUT)
    response = executor.ask(v1.Request(describe=v1.DescribeRequest()), timeout=timeout)
    outcome = response.WhichOneof("response")
    if outcome != "describe":
        executor.kill()
        detail = f": {response.executor_error}" if outcome == "executor_error" else ""
        raise ExecutorError(f"it answered with {outcome} instead of describe{detail}")
    return response.describe


#: The number of lines shown from the end of an executor's standard error.
_SHOWN_ERROR_LINES: Final = 10


def _with_stderr(error: ExecutorError) -> str:
    lines = error.stderr.splitlines()[-_SHOWN_ERROR_LINES:]
    if not lines:
        return error.reason
    shown = "\n".join(f"  | {line}" for line in lines)
    return f"{error.reason}; the end of its standard error:\n{shown}"
