"""The executor of each language: its command, and the checks of its responses to cases."""

from __future__ import annotations

import sys
from collections.abc import Sequence, Set
from pathlib import Path

from interop.programs import SCHEMA

from build_packages import CARGO_TARGET
from crucible_ir.conformance.comparison import OFFERED_ASPECTS
from crucible_ir.conformance.expected_failures import ExpectedFailure, read_expected_failures
from crucible_ir.conformance.reports import to_text
from crucible_ir.conformance.results import Run
from crucible_ir.conformance.runner import Runner
from crucible_ir.conformance.suites import select_cases, suite_folder

FOLDER = Path(__file__).parent

#: The command of each executor, with {folder} for the folder of its language, {schema} for the
#: file with the descriptor set, and {cargo_target} for the output of cargo.
COMMANDS = {
    "python": "{python} -m crucible_ir.conformance.executor",
    "pure_python": "env PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python"
    " {python} -W ignore -m crucible_ir.conformance.executor",
    "protobuf": "{python} {folder}/executor.py {schema}",
    "betterproto": "{python} {folder}/executor.py",
    "cpp": "{folder}/build/build/executor",
    "go": "{folder}/build/executor",
    # It ends before the second of Java's compilers would pay.
    "java": "java -XX:TieredStopAtLevel=1"
    " -cp {folder}/build/target/classes:{folder}/build/target/dependency/*"
    " org.crucibleir.interop.Executor",
    "rust": "{cargo_target}/debug/executor",
    "typescript": "node {folder}/build/src/executor.js",
}

#: Seconds that an executor has for a response.
TIMEOUT = 120.0


def command(language: str) -> list[str]:
    places = {
        "python": sys.executable,
        "folder": FOLDER / language,
        "schema": SCHEMA,
        "cargo_target": CARGO_TARGET,
    }
    return [part.format(**places) for part in COMMANDS[language].split()]


def known_failures(language: str) -> tuple[ExpectedFailure, ...]:
    return read_expected_failures(FOLDER / language / "expected_failures.txt")


def check_conformance(
    language: str, *, offered: Set[str] = frozenset(OFFERED_ASPECTS.values())
) -> Run:
    """Check that an executor supports the given aspects, and fails exactly where that is known.

    Args:
        language: The language, or the library of Python's.
        offered: The aspects that it must support, and no others.

    Returns:
        The results of the published cases.
    """
    runner = Runner(command(language), timeout=TIMEOUT, expected_failures=known_failures(language))
    run = _passing(runner, suite_folder())
    assert run.offered == offered
    return run


def check_reading(language: str, payloads: Path, known: Sequence[ExpectedFailure]) -> None:
    """Check that an executor reads the bytes of another correctly, except for known failures."""
    runner = Runner(command(language), timeout=TIMEOUT, expected_failures=known, is_substitute=True)
    _passing(runner, payloads)


def _passing(runner: Runner, cases: Path) -> Run:
    selected = select_cases(cases)
    assert sum(1 for _ in runner.results(selected)) == len(selected)
    assert runner.run.passed, to_text(runner.run, verbose=False)
    return runner.run
