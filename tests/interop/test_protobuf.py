"""The guide's executor for google's protobuf and protovalidate uses nothing of this package."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from crucible_ir.conformance.comparison import OFFERED_ASPECTS
from crucible_ir.conformance.expected_failures import read_expected_failures
from crucible_ir.conformance.reports import case_lines, summary_lines
from crucible_ir.conformance.results import Verdict
from crucible_ir.conformance.running import Runner
from crucible_ir.conformance.suites import select_cases, suite_folder
from crucible_ir.schema.comments import descriptor_set

FOLDER = Path(__file__).parent / "protobuf"


def test_it_conforms_but_for_what_is_expected_to_fail(tmp_path: Path) -> None:
    schema = tmp_path / "crucible_ir.binpb"
    schema.write_bytes(descriptor_set())
    expected = read_expected_failures(FOLDER / "expected_failures.txt")
    runner = Runner(
        (sys.executable, str(FOLDER / "executor.py"), str(schema)), expected_failures=expected
    )
    results = list(runner.results(select_cases(suite_folder())))
    failed = [each for each in results if each.verdict is Verdict.FAILED]
    assert [line for each in failed for line, _ in case_lines(each)] == []
    assert runner.run.passed, list(summary_lines(runner.run))
    assert runner.run.offered == set(OFFERED_ASPECTS.values())
    assert runner.run.cases[Verdict.NOT_OFFERED] == 0


def test_it_uses_nothing_of_this_package() -> None:
    tree = ast.parse((FOLDER / "executor.py").read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert "protovalidate" in imported
    assert not any(name.startswith("crucible_ir") for name in imported)
