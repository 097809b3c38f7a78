"""betterproto2 alone gives the published verdicts in binary and JSON, save what is known of it."""

from __future__ import annotations

import sys
from pathlib import Path

from crucible_ir.conformance.expected_failures import read_expected_failures
from crucible_ir.conformance.reports import summary_lines
from crucible_ir.conformance.results import Verdict
from crucible_ir.conformance.running import Runner
from crucible_ir.conformance.suites import select_cases, suite_folder

FOLDER = Path(__file__).parent / "betterproto"


def test_betterproto2_conforms_in_binary_and_json_save_its_expected_failures() -> None:
    cases = select_cases(suite_folder())
    expected = read_expected_failures(FOLDER / "expected_failures.txt")
    command = (sys.executable, str(FOLDER / "executor.py"))
    runner = Runner(command, expected_failures=expected)
    verdicts = [each.verdict for each in runner.results(cases)]
    assert runner.run.passed, list(summary_lines(runner.run))
    assert verdicts.count(Verdict.PASSED) > 1_800
    for aspect in ("binary", "json"):
        assert Verdict.NOT_OFFERED not in runner.run.aspects[aspect]
    for aspect in ("violations", "digest"):
        assert Verdict.PASSED not in runner.run.aspects[aspect]
