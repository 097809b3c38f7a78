"""Every executor reads what every other writes, and all see the same message, JSON and digest.

The tests of each language build its executor. They run before this one, whose name comes last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from interop.executors import BUILT, COMMANDS, FOLDER, PATIENCE, command

from crucible_ir.conformance.crossing import Crossing
from crucible_ir.conformance.reports import crossing_lines
from crucible_ir.conformance.suites import select_cases, suite_folder


def commands() -> Iterator[list[str]]:
    for language in COMMANDS:
        folder = FOLDER / language
        if not folder.is_dir():
            continue
        program, *arguments = command(language)
        built = folder / BUILT.get(language, "")
        if built.exists() and shutil.which(program):
            yield [program, *arguments]
        elif os.environ.get("CI"):
            missing = program if built.exists() else f"{built}, which test_{language}.py builds,"
            pytest.fail(f"{missing} is missing")


def test_every_language_has_its_command() -> None:
    languages = {path.name for path in FOLDER.iterdir() if path.is_dir()} - {"__pycache__"}
    assert languages <= set(COMMANDS)
    assert set(BUILT) <= set(COMMANDS)


def test_all_executors_read_one_another_alike() -> None:
    crossing = Crossing(list(commands()), timeout=PATIENCE)
    cases = select_cases(suite_folder())
    assert sum(1 for _ in crossing.results(cases)) <= crossing.questions(cases)
    assert crossing.passed, "\n".join(line for line, _ in crossing_lines(crossing))
    count = len(crossing.commands)
    assert count >= 2
    assert len(crossing.read) == count * count
    # More than half of all cases can be read, and are written by everyone.
    assert min(crossing.read.values()) > len(cases) / 2
