"""Runs the command line in this process."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pages
from click.testing import CliRunner

from crucible_ir.cli.program import program

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Result:
    """The exit status and the output of a run."""

    status: int
    out: str
    err: str
    data: bytes

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def run(*arguments: object, stdin: bytes = b"") -> Result:
    """Run ``crucible-ir`` with arguments and return its result."""
    result = CliRunner().invoke(
        program, [str(argument) for argument in arguments], input=stdin, prog_name="crucible-ir"
    )
    return Result(result.exit_code, result.stdout, result.stderr, result.stdout_bytes)


def on_a_terminal(*arguments: object, **environment: str) -> str:
    """Run ``crucible-ir`` in a process of its own, with a terminal as its output."""
    command = [sys.executable, "-m", "crucible_ir", *map(str, arguments)]
    variables = os.environ | {"TERM": "xterm-256color"} | environment
    return pages.on_a_terminal(command, Path.cwd(), variables)
