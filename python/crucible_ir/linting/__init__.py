"""Lints: findings on messages that may be valid but look like a mistake or a risk.

Importing this package registers every lint of `crucible_ir.linting.lints`.
"""

from crucible_ir.linting import lints as lints
from crucible_ir.linting.findings import LintFinding, Severity
from crucible_ir.linting.linter import lint
from crucible_ir.linting.registry import LINTS, LintDefinition
from crucible_ir.linting.selection import Selection, SelectionError
from crucible_ir.linting.settings import load_settings

__all__ = [
    "LINTS",
    "LintDefinition",
    "LintFinding",
    "Selection",
    "SelectionError",
    "Severity",
    "lint",
    "load_settings",
]
