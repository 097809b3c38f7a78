"""Every executor reads what every other writes, and all agree on message, JSON and digest."""

from __future__ import annotations

from contextlib import suppress

import pytest
from interop.cpp import project as cpp
from interop.executors import COMMANDS, FOLDER, TIMEOUT, command
from interop.go import project as go
from interop.java import project as java
from interop.rust import project as rust
from interop.typescript import project as typescript

from crucible_ir.conformance.cross_testing import CrossTest
from crucible_ir.conformance.reports import cross_test_lines
from crucible_ir.conformance.suites import select_cases, suite_folder

BUILDS = {
    "cpp": cpp.build,
    "go": go.build,
    "java": java.build,
    "rust": rust.build,
    "typescript": typescript.build,
}


@pytest.fixture
def languages() -> list[str]:
    """The languages that can be used here, with their executors built; on CI, all."""
    found = [language for language in COMMANDS if language not in BUILDS]
    for language, build in BUILDS.items():
        with suppress(pytest.skip.Exception):
            build()
            found.append(language)
    return found


def test_every_language_has_its_command() -> None:
    folders = {path.parent.name for path in FOLDER.glob("*/expected_failures.txt")}
    assert folders == set(COMMANDS)
    assert set(BUILDS) <= set(COMMANDS)


@pytest.mark.toolchain
def test_all_executors_read_one_another_alike(languages: list[str]) -> None:
    test = CrossTest([command(language) for language in languages], timeout=TIMEOUT)
    cases = select_cases(suite_folder())
    assert sum(1 for _ in test.results(cases)) <= test.max_requests(cases)
    assert test.passed, "\n".join(line for line, _ in cross_test_lines(test))
    count = len(test.commands)
    assert count == len(languages) >= 2
    assert len(test.read) == count * count
    # More than half of all cases can be read, and are written by everyone.
    assert min(test.read.values()) > len(cases) / 2
