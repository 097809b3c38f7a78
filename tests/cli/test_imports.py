"""Valid input imports no library that only errors, drawings or other formats need."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli.command_line import EXAMPLES

#: Each takes longer to import than a valid document takes to check.
SLOW = {"protovalidate", "rich", "yaml", "multiprocessing", "grpc"}

SCRIPT = """
import json, sys
from crucible_ir.cli import main
try:
    main()
finally:
    names = {name.partition(".")[0] for name in sys.modules}
    print(json.dumps(sorted(names)), file=sys.stderr)
"""


def imported(*arguments: str, **environment: str) -> set[str]:
    """Run the command line in another process and return the packages that it imports."""
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(process.stderr.splitlines()[-1]))


@pytest.fixture(autouse=True)
def document(folder: Path) -> None:
    shutil.copy(EXAMPLES / "model_version.json", "one.json")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("validate", "one.json"),
        ("validate", "--type", "ModelVersion", "one.json"),
        ("lint", "one.json"),
        ("convert", "one.json", "one.binpb"),
        ("convert", "one.json", "one.crucible.json"),
        ("digest", "one.json"),
        ("diff", "one.json", "one.json"),
    ],
)
def test_valid_input_imports_no_slow_package(arguments: tuple[str, ...]) -> None:
    assert SLOW.isdisjoint(imported(*arguments))


@pytest.mark.parametrize("words", ["crucible-ir va", "crucible-ir validate --type Tr"])
def test_completion_imports_no_slow_package(words: str) -> None:
    assert SLOW.isdisjoint(
        imported(
            _CRUCIBLE_IR_COMPLETE="bash_complete",
            COMP_WORDS=words,
            COMP_CWORD=str(len(words.split()) - 1),
        )
    )


def test_the_version_and_the_names_of_commands_need_no_messages() -> None:
    assert "google" not in imported("--version")
    assert "google" not in imported("--help")
