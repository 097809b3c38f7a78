"""Lints: advice on messages that may be valid but look like a mistake or a risk.

The modules that are named after a subject register their lints in the table when they are imported.
"""

from crucible_ir.linting import deployment as deployment
from crucible_ir.linting import experiment as experiment
from crucible_ir.linting import feedback as feedback
from crucible_ir.linting import opaque as opaque
from crucible_ir.linting import prompt as prompt
from crucible_ir.linting import reliability as reliability
from crucible_ir.linting import suppression as suppression
from crucible_ir.linting import text as text
from crucible_ir.linting import timestamps as timestamps
from crucible_ir.linting import training as training
from crucible_ir.linting import vocabulary as vocabulary
from crucible_ir.linting.advice import Advice, Severity
from crucible_ir.linting.selection import Selection, SelectionError
from crucible_ir.linting.settings import load_settings
from crucible_ir.linting.table import LINTS, Lint
from crucible_ir.linting.walk import lint

__all__ = [
    "LINTS",
    "Advice",
    "Lint",
    "Selection",
    "SelectionError",
    "Severity",
    "lint",
    "load_settings",
]
