"""This package's own executor gives every verdict that the published cases ask for."""

from __future__ import annotations

import sys
from pathlib import Path

from crucible_ir.conformance.comparison import ASPECTS
from crucible_ir.conformance.expected_failures import read_expected_failures
from crucible_ir.conformance.reports import summary_lines
from crucible_ir.conformance.results import Verdict
from crucible_ir.conformance.running import Runner
from crucible_ir.conformance.suites import select_cases, suite_folder

COMMAND = (sys.executable, "-m", "crucible_ir.conformance.executor")
EXPECTED_FAILURES = Path(__file__).parent / "python" / "expected_failures.txt"


def test_python_conforms_in_every_case_and_aspect_with_nothing_expected_to_fail() -> None:
    cases = select_cases(suite_folder())
    expected = read_expected_failures(EXPECTED_FAILURES)
    runner = Runner(COMMAND, expected_failures=expected)
    failed = [each for each in runner.results(cases) if each.verdict is not Verdict.PASSED]
    assert failed == []
    assert runner.run.passed, list(summary_lines(runner.run))
    assert expected == ()
    for aspect in ASPECTS:
        assert set(runner.run.aspects[aspect]) == {Verdict.PASSED}, aspect
