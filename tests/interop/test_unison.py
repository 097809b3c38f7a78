"""Every executor reads what every other writes, and all see the same message, JSON and digest.

The tests of each language build its executor. They run before this one, whose name comes last.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crucible_ir.conformance.crossing import Crossing
from crucible_ir.conformance.reports import crossing_lines
from crucible_ir.conformance.suites import select_cases, suite_folder
from crucible_ir.schema.comments import descriptor_set

FOLDER = Path(__file__).parent

#: How each executor is run, with {folder} for the folder of its language and {schema} for a file
#: with the descriptor set. The language is left out as long as it has no folder.
COMMANDS = {
    "python": "{python} -m crucible_ir.conformance.executor",
    "protobuf": "{python} {folder}/executor.py {schema}",
    "betterproto": "{python} {folder}/executor.py",
    "go": "{folder}/build/executor",
    "java": "java -cp {folder}/build/target/classes:{folder}/build/target/dependency/*"
    " org.crucibleir.interop.Executor",
    "rust": "{folder}/build/target/debug/executor",
    "typescript": "node {folder}/build/src/executor.js",
}

#: What is there of an executor once it is built.
BUILT = {
    "go": "build/executor",
    "java": "build/target/classes",
    "rust": "build/target/debug/executor",
    "typescript": "build/src/executor.js",
}

#: Seconds that an executor has for a response.
PATIENCE = 120.0


def commands(schema: Path) -> Iterator[list[str]]:
    for language, command in COMMANDS.items():
        folder = FOLDER / language
        if not folder.is_dir():
            continue
        built = folder / BUILT.get(language, "")
        if built.exists():
            yield shlex.split(command.format(python=sys.executable, folder=folder, schema=schema))
        elif os.environ.get("CI"):
            pytest.fail(f"{built} is missing: test_{language}.py should have built it")


def test_every_language_has_its_command() -> None:
    languages = {path.name for path in FOLDER.iterdir() if path.is_dir()} - {"__pycache__"}
    assert languages <= set(COMMANDS)
    assert set(BUILT) <= set(COMMANDS)


def test_all_executors_read_one_another_alike(tmp_path: Path) -> None:
    schema = tmp_path / "crucible_ir.binpb"
    schema.write_bytes(descriptor_set())
    crossing = Crossing(list(commands(schema)), timeout=PATIENCE)
    cases = select_cases(suite_folder())
    assert sum(1 for _ in crossing.results(cases)) <= crossing.questions(cases)
    assert crossing.passed, "\n".join(line for line, _ in crossing_lines(crossing))
    count = len(crossing.commands)
    assert count >= 2
    assert len(crossing.read) == count * count
    # More than half of all cases can be read, and are written by everyone.
    assert min(crossing.read.values()) > len(cases) / 2
