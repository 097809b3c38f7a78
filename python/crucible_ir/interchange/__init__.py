"""Documents in the formats and containers in which other programs exchange them.

Each format has a module with ``import_(obj)`` and ``export(message)``, which take and return JSON
values, and report what became of every one. docs/interchange.md has a table of each format.

>>> from crucible_ir.interchange import wandb
>>> imported = wandb.import_({"id": "r1", "history": [{"loss": 0.5, "_step": 10}]})
>>> [run] = imported.documents
>>> run.metrics_history[0].values["loss"]
0.5
>>> [(entry.path, entry.outcome.value) for entry in imported.report.entries][:3]
[('id', 'kept'), ('history[*].loss', 'kept'), ('history[*]._step', 'renamed')]
>>> wandb.export(run).obj
{'id': 'r1', 'history': [{'_step': 10, 'loss': 0.5}]}
"""

from crucible_ir.interchange.mapping.format import (
    FORMATS,
    Exported,
    Format,
    Imported,
    UnknownForeignFormatError,
    format_named,
)
from crucible_ir.interchange.mapping.report import ConversionProblem, Entry, Outcome, Report

__all__ = [
    "FORMATS",
    "ConversionProblem",
    "Entry",
    "Exported",
    "Format",
    "Imported",
    "Outcome",
    "Report",
    "UnknownForeignFormatError",
    "format_named",
]
