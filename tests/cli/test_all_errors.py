"""Commands print every decode error of a document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.command_line import run

MISTAKES = '{"id": 3,\n "epochs": "three",\n "nope": 1}'


@pytest.fixture
def document(folder: Path) -> Path:
    path = folder / "config.json"
    path.write_text(MISTAKES)
    return path


def test_validate_lists_every_mistake(document: Path) -> None:
    result = run("validate", "--type", "TrainingConfig", "--format", "json", document)
    assert result.status == 1
    [report] = json.loads(result.out)["documents"]
    found = [(each["line"], each["path"]) for each in report["violations"]]
    assert found == [(1, "id"), (2, "epochs"), (3, "nope")]


@pytest.mark.parametrize("command", [["convert", "--to", "yaml"], ["show"], ["digest"]])
def test_other_commands_print_a_line_for_each_mistake(document: Path, command: list[str]) -> None:
    result = run(*command, "--type", "TrainingConfig", document)
    assert result.status == 1
    lines = [line for line in result.err.splitlines() if "config.json:" in line]
    assert len(lines) == 3
