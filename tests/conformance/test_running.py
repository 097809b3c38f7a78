"""Executors that crash, hang, babble or say nothing fail the case at hand, and the run goes on."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from conformance import misbehaving_executor

from crucible_ir.conformance import running, v1
from crucible_ir.conformance.executor import evaluate
from crucible_ir.conformance.expected_failures import Entry
from crucible_ir.conformance.process import StartError
from crucible_ir.conformance.results import Run, Verdict
from crucible_ir.conformance.running import CannotAskError, Runner
from crucible_ir.conformance.suites import NamedCase

pytestmark = pytest.mark.slow

PROGRAM = Path(misbehaving_executor.__file__)
#: The seconds for what is sure to be answered, however busy the machine is, and for what is not.
PATIENCE, SHORT = 60.0, 1.5

PASSED, FAILED, EXPECTED = Verdict.PASSED, Verdict.FAILED, Verdict.EXPECTED_FAILURE


def case(name: str) -> NamedCase:
    """Return a case that expects what this package's own executor answers."""
    request = v1.EvaluateRequest(
        message_type="crucible_ir.v1.StageDef", json=f'{{"name": "{name}"}}'.encode()
    )
    expected = evaluate(request)
    return NamedCase("stages", v1.Case(name=name, request=request, expected=expected))


CASES = [case("first"), case("bad"), case("last")]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STARTING_TIMEOUT", PATIENCE)


def run_with(
    behaviour: str,
    cases: Sequence[NamedCase] = tuple(CASES),
    *,
    timeout: float = PATIENCE,
    max_restarts: int = 25,
    expected_failures: Sequence[Entry] = (),
) -> Run:
    runner = Runner(
        (sys.executable, str(PROGRAM), behaviour),
        timeout=timeout,
        max_restarts=max_restarts,
        expected_failures=expected_failures,
    )
    assert list(runner.results(cases)) == runner.run.results
    return runner.run


def verdicts(run: Run) -> list[Verdict]:
    return [result.verdict for result in run.results]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("crash", r"ended with status 1 instead of answering; .*RuntimeError: the executor has a"),
        ("leave", r"ended with status 3 instead of answering"),
        ("die", r"was ended by SIGSEGV instead of answering"),
        ("hang", r"did not answer within 1.5 s"),
        ("babble", r"it wrote is no Response: 69 bytes, b'valuating ..."),
        ("babble_without_end", r"what should be the size of a message is not"),
        ("announce_too_much", r"a size of 4,294,967,295 bytes is beyond 67,108,864"),
        ("answer_half", r"did not answer within 1.5 s; all there is of it is \d+ bytes"),
        ("answer_with_noise", r"it wrote is no Response: 4 bytes, b'\\xff"),
        ("answer_twice", r"after its response it wrote \d+ bytes"),
        ("answer_with_nothing", r"its Response says nothing"),
        ("answer_something_else", r"answers with describe instead of evaluate"),
        ("answer_without_outcome", r"neither an evaluation nor a decode error"),
        ("report_an_error", r"an error of its own: an exception that is not the payload's doing"),
        ("close_output", r"closed its output instead of answering"),
    ],
)
def test_a_case_without_a_good_answer_fails_and_the_others_pass(behaviour: str, words: str) -> None:
    run = run_with(behaviour, timeout=SHORT if f"within {SHORT} s" in words else PATIENCE)
    assert verdicts(run) == [PASSED, FAILED, PASSED]
    [difference] = run.results[1].differences
    assert difference.aspect == "decode"
    assert re.search(words, difference.got, re.DOTALL), difference.got
    assert not run.passed


def test_every_way_to_misbehave_is_tried() -> None:
    [mark] = test_a_case_without_a_good_answer_fails_and_the_others_pass.pytestmark  # type: ignore[attr-defined]
    tried = {behaviour for behaviour, _ in mark.args[1]}
    assert tried == set(misbehaving_executor.BEHAVIOURS) - {"hang_with_a_child"}


def test_what_a_hanging_executor_started_is_ended_with_it() -> None:
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
    """Tell whether a process runs; one that only waits to be buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_an_executor_that_does_not_read_does_not_block_the_harness() -> None:
    large = case("x" * 1_000_000)
    run = run_with("not_read", [large], timeout=SHORT)
    [difference] = run.results[0].differences
    assert difference.got == "it did not answer within 1.5 s, and had not read the whole request"


def test_restarts_are_bounded_and_the_rest_is_not_asked() -> None:
    run = run_with("leave", [case("bad") for _ in range(5)], max_restarts=2)
    assert verdicts(run) == [FAILED] * 5
    got = [result.differences[0].got for result in run.results]
    assert got[2].startswith("it ended with status 3")
    assert got[3:] == ["not asked: the executor was started anew 2 times"] * 2
    assert run.problems == ["it failed to answer 3 times: given up"]


def test_an_executor_that_does_not_come_back_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_with("not_introduce_itself_twice", [*CASES, case("later")])
    assert verdicts(run) == [PASSED, FAILED, FAILED, FAILED]
    assert len(run.problems) == 1
    assert "it starts only once" in run.problems[0]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("never_answer", "did not answer within 1.5 s"),
        ("not_start", r"ended with status 1 .*\n.*a library is missing"),
        ("describe_wrongly", "answers with evaluate instead of describe"),
    ],
)
def test_an_executor_that_does_not_introduce_itself_cannot_be_asked(
    behaviour: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if behaviour == "never_answer":
        monkeypatch.setattr(running, "STARTING_TIMEOUT", SHORT)
    with pytest.raises(CannotAskError, match=words):
        run_with(behaviour, timeout=SHORT)


@pytest.mark.parametrize("command", ["no-such-program-anywhere", "/"])
def test_a_program_that_is_none_cannot_be_started(command: str) -> None:
    with pytest.raises(StartError, match=f"cannot start {command!r}: "):
        list(Runner((command,)).results(CASES))


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("not_end", "it still ran 1.5 s after the end of its input"),
        ("end_badly", "at the end of its input it ended with status 5"),
        ("end_with_a_word", "at the end it wrote 5 bytes, b'Done.'"),
    ],
)
def test_an_executor_that_does_not_end_well_does_not_conform(behaviour: str, words: str) -> None:
    run = run_with(behaviour, timeout=SHORT if behaviour == "not_end" else PATIENCE)
    assert verdicts(run) == [PASSED] * 3
    assert run.problems == [words]
    assert not run.passed


def test_nothing_is_left_of_an_executor_when_the_run_is_broken_off() -> None:
    runner = Runner((sys.executable, str(PROGRAM), "well"))
    results = runner.results(CASES)
    next(results)
    assert runner._executor is not None
    pid = runner._executor._process.pid
    os.kill(pid, 0)
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_is_not_offered_is_neither_asked_nor_passed() -> None:
    binary = v1.Case(name="binary")
    binary.CopyFrom(CASES[0].case)
    binary.request.binary = binary.expected.evaluation.binary
    run = run_with("offer_little", [CASES[0], NamedCase("stages", binary)])
    assert run.implementation == "little"
    assert run.offered == {"binary", "violations"}
    assert run.unknown_aspects == (77,)
    # A payload in JSON is not asked of an executor that does not read JSON.
    assert set(run.results[0].verdicts.values()) == {Verdict.NOT_OFFERED}
    assert run.results[0].verdict is Verdict.NOT_OFFERED
    assert run.results[1].verdicts == {
        "decode": PASSED,
        "binary": PASSED,
        "json": Verdict.NOT_OFFERED,
        "violations": PASSED,
        "digest": Verdict.NOT_OFFERED,
    }


def entry(pattern: str, aspect: str) -> Entry:
    return Entry(pattern, aspect, "a library's bug", 1)


def test_a_failure_that_is_expected_passes() -> None:
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


def test_an_expected_failure_of_another_aspect_excuses_nothing() -> None:
    run = run_with("leave", expected_failures=[entry("stages/bad", "digest")])
    assert verdicts(run) == [PASSED, FAILED, PASSED]
