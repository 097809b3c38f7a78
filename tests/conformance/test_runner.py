"""Executors that crash, hang or write something else fail one case, and the run continues."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from conformance import misbehaving_executor

from crucible_ir.conformance import runner as runner_module
from crucible_ir.conformance import v1
from crucible_ir.conformance.executor import evaluate
from crucible_ir.conformance.expected_failures import ExpectedFailure
from crucible_ir.conformance.process import StartError
from crucible_ir.conformance.results import CaseVerdict, Run
from crucible_ir.conformance.runner import DescribeError, Runner
from crucible_ir.conformance.suites import NamedCase

pytestmark = pytest.mark.slow

PROGRAM = Path(misbehaving_executor.__file__)
#: The timeouts, in seconds, for requests that are answered even on a busy machine, and for others.
LONG, SHORT = 60.0, 1.5

PASSED, FAILED, EXPECTED = CaseVerdict.PASSED, CaseVerdict.FAILED, CaseVerdict.EXPECTED_FAILURE


def case(name: str) -> NamedCase:
    """Return a case that expects the answer of this package's executor."""
    request = v1.EvaluateRequest(
        message_type="crucible_ir.v1.StageDef", json=f'{{"name": "{name}"}}'.encode()
    )
    expected = evaluate(request)
    return NamedCase("stages", v1.Case(name=name, request=request, expected=expected))


CASES = [case("first"), case("bad"), case("last")]


@pytest.fixture(autouse=True)
def starting_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "STARTING_TIMEOUT", LONG)


def run_with(
    behaviour: str,
    cases: Sequence[NamedCase] = tuple(CASES),
    *,
    timeout: float = LONG,
    max_restarts: int = 25,
    expected_failures: Sequence[ExpectedFailure] = (),
) -> Run:
    runner = Runner(
        (sys.executable, str(PROGRAM), behaviour),
        timeout=timeout,
        max_restarts=max_restarts,
        expected_failures=expected_failures,
    )
    assert list(runner.results(cases)) == runner.run.results
    return runner.run


def verdicts(run: Run) -> list[CaseVerdict]:
    return [result.verdict for result in run.results]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("crash", r"exited with status 1 instead of answering; .*RuntimeError: the executor has a"),
        ("leave", r"exited with status 3 instead of answering"),
        ("die", r"was killed by SIGSEGV instead of answering"),
        ("hang", r"did not answer within 1.5 s"),
        ("babble", r"expected a Response, got 69 bytes, b'valuating ..."),
        ("babble_without_end", r"expected the size of a message"),
        ("announce_too_much", r"of 4,294,967,295 bytes exceeds the limit of 67,108,864"),
        ("answer_half", r"did not answer within 1.5 s; it wrote only \d+ bytes"),
        ("answer_with_noise", r"expected a Response, got 4 bytes, b'\\xff"),
        ("answer_twice", r"it wrote \d+ bytes, .* after its response"),
        ("answer_with_nothing", r"its Response is empty"),
        ("answer_something_else", r"answered with describe instead of evaluate"),
        ("answer_without_outcome", r"neither an evaluation nor a decode error"),
        ("report_an_error", r"executor error: an exception unrelated to the payload"),
        ("close_output", r"closed its output instead of answering"),
    ],
)
def test_a_case_without_a_valid_answer_fails_and_the_others_pass(
    behaviour: str, words: str
) -> None:
    run = run_with(behaviour, timeout=SHORT if f"within {SHORT} s" in words else LONG)
    assert verdicts(run) == [PASSED, FAILED, PASSED]
    [difference] = run.results[1].differences
    assert difference.aspect == "decode"
    assert re.search(words, difference.got, re.DOTALL), difference.got
    assert not run.passed


def test_every_behaviour_is_tested() -> None:
    [mark] = test_a_case_without_a_valid_answer_fails_and_the_others_pass.pytestmark  # type: ignore[attr-defined]
    tried = {behaviour for behaviour, _ in mark.args[1]}
    assert tried == set(misbehaving_executor.BEHAVIOURS) - {"hang_with_a_child"}


def test_the_child_processes_of_a_hanging_executor_are_killed() -> None:
    run = run_with("hang_with_a_child", timeout=SHORT)
    assert verdicts(run) == [PASSED, FAILED, PASSED]
    [difference] = run.results[1].differences
    found = re.search(r"child (\d+)", difference.got)
    assert found is not None
    deadline = time.monotonic() + 5
    while is_running(int(found[1])) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(int(found[1]))


def is_running(pid: int) -> bool:
    """Return whether a process is running and not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_an_executor_that_does_not_read_times_out() -> None:
    large = case("x" * 1_000_000)
    run = run_with("not_read", [large], timeout=SHORT)
    [difference] = run.results[0].differences
    assert difference.got == "it did not answer within 1.5 s, and did not read the whole request"


def test_restarts_are_limited_and_the_remaining_cases_fail() -> None:
    run = run_with("leave", [case("bad") for _ in range(5)], max_restarts=2)
    assert verdicts(run) == [FAILED] * 5
    got = [result.differences[0].got for result in run.results]
    assert got[2].startswith("it exited with status 3")
    assert got[3:] == ["not run: the executor was restarted 2 times"] * 2
    assert run.problems == ["it failed to answer 3 times; the run was aborted"]


def test_an_executor_that_fails_after_a_restart_is_not_restarted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_with("not_restart", [*CASES, case("later")])
    assert verdicts(run) == [PASSED, FAILED, FAILED, FAILED]
    assert len(run.problems) == 1
    assert "it starts only once" in run.problems[0]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("never_answer", "did not answer within 1.5 s"),
        ("not_start", r"exited with status 1 .*\n.*a library is missing"),
        ("describe_wrongly", "answered with evaluate instead of describe"),
    ],
)
def test_an_executor_that_does_not_describe_itself_is_an_error(
    behaviour: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if behaviour == "never_answer":
        monkeypatch.setattr(runner_module, "STARTING_TIMEOUT", SHORT)
    with pytest.raises(DescribeError, match=words):
        run_with(behaviour, timeout=SHORT)


@pytest.mark.parametrize("command", ["no-such-program-anywhere", "/"])
def test_a_program_that_cannot_be_started_is_an_error(command: str) -> None:
    with pytest.raises(StartError, match=f"cannot start {command!r}: "):
        list(Runner((command,)).results(CASES))


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("not_exit", "it was still running 1.5 s after the end of its input"),
        ("exit_with_failure", "it exited with status 5 after the end of its input"),
        ("exit_with_output", "it wrote 5 bytes, b'Done.' after the end of its input"),
    ],
)
def test_an_executor_that_does_not_exit_cleanly_does_not_conform(
    behaviour: str, words: str
) -> None:
    run = run_with(behaviour, timeout=SHORT if behaviour == "not_exit" else LONG)
    assert verdicts(run) == [PASSED] * 3
    assert run.problems == [words]
    assert not run.passed


def test_the_executor_is_killed_when_the_run_is_aborted() -> None:
    runner = Runner((sys.executable, str(PROGRAM), "well"))
    results = runner.results(CASES)
    next(results)
    assert runner._executor is not None
    pid = runner._executor._process.pid
    os.kill(pid, 0)
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_aspects_that_are_not_offered_are_neither_requested_nor_passed() -> None:
    binary = v1.Case(name="binary")
    binary.CopyFrom(CASES[0].case)
    binary.request.binary = binary.expected.evaluation.binary
    run = run_with("offer_little", [CASES[0], NamedCase("stages", binary)])
    assert run.implementation == "little"
    assert run.offered == {"binary", "violations"}
    assert run.unknown_aspects == (77,)
    # An executor that does not read JSON gets no JSON payload.
    assert set(run.results[0].verdicts.values()) == {CaseVerdict.NOT_OFFERED}
    assert run.results[0].verdict is CaseVerdict.NOT_OFFERED
    assert run.results[1].verdicts == {
        "decode": PASSED,
        "binary": PASSED,
        "json": CaseVerdict.NOT_OFFERED,
        "violations": PASSED,
        "digest": CaseVerdict.NOT_OFFERED,
    }


def entry(pattern: str, aspect: str) -> ExpectedFailure:
    return ExpectedFailure(pattern, aspect, "a library's bug", 1)


def test_an_expected_failure_passes() -> None:
    for pattern in ("stages/bad", "*/b?d"):
        for aspect in ("decode", "*"):
            run = run_with("leave", expected_failures=[entry(pattern, aspect)])
            assert verdicts(run) == [PASSED, EXPECTED, PASSED]
            assert run.stale == []
            assert run.passed


@pytest.mark.parametrize(
    ("pattern", "aspect", "stale"),
    [
        ("stages/last", "decode", ["stages/last does not fail"]),
        ("stages/bad", "json", ["stages/bad does not fail"]),
        ("stages/*", "decode", ["stages/first does not fail", "stages/last does not fail"]),
        ("stages/none", "*", ["there is no such case"]),
    ],
)
def test_an_expected_failure_that_passes_fails_the_run(
    pattern: str, aspect: str, stale: list[str]
) -> None:
    known = [entry("stages/bad", "decode"), entry(pattern, aspect)]
    run = run_with("leave", expected_failures=known)
    assert verdicts(run) == [PASSED, EXPECTED, PASSED]
    assert run.stale == [f"line 1: {pattern} {aspect}: {words}" for words in stale]
    assert not run.passed


def test_an_expected_failure_applies_only_to_its_aspect() -> None:
    run = run_with("leave", expected_failures=[entry("stages/bad", "digest")])
    assert verdicts(run) == [PASSED, FAILED, PASSED]
