"""Hugging Face: model cards, trainer states, training arguments and evaluation results.

A record is one file, or a folder of files that belong together:

- ``README.md``: a model card, ``{"data": {...}, "text": "..."}``. It becomes a ModelRef, and an
  EvaluationResult for each result of its model index.
- ``config.json``: the architecture of the ModelRef.
- ``trainer_state.json``: a TrainingRun. ``training_args.json``: its TrainingConfig, or one alone.
- ``all_results.json`` and ``eval_results.json`` of the Trainer, and the entries of
  ``.eval_results/*.yaml``: EvaluationResults.

The documents of a folder have its name, such as ``leaf-vit``, and those of a folder inside
``leaf-vit/checkpoint-500``. In the cache of the Hub the repository gives the name, such as
``org/leaf-vit``, and the revision a ModelVersion. A card alone is named by its model index. Other
ids derive from the content.

The metadata of a card come back equal, not with the same text: comments and the order of keys are
lost. TrainingArguments have no place for what a run has measured, and a trainer state none for most
settings: export both, or a folder that was imported.
"""

from __future__ import annotations

from dataclasses import replace

from crucible_ir.interchange.huggingface.cards import export_model, export_version, import_model
from crucible_ir.interchange.huggingface.evaluations import (
    export_entry,
    export_evaluation,
    import_evaluations,
)
from crucible_ir.interchange.huggingface.files import join, read, write
from crucible_ir.interchange.huggingface.repository import NAME, repository
from crucible_ir.interchange.huggingface.training import export_config, export_run, import_training
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import


def _import(conversion: Import) -> None:
    record = repository(conversion)
    import_model(record)
    import_training(record)
    import_evaluations(record)
    if not conversion.has_documents and not conversion.problems:
        raise conversion.source.fail("no model, training run or evaluation in it")


FORMAT = Format(
    NAME,
    "Hugging Face",
    "Model cards, config.json, trainer_state.json, training arguments and evaluation results;"
    " files or folders.",
    _import,
    {
        "ModelRef": export_model,
        "ModelVersion": export_version,
        "TrainingRun": export_run,
        "TrainingConfig": export_config,
        "EvaluationResult": export_evaluation,
    },
    read=read,
    write=write,
    join=join,
)
import_ = FORMAT.import_
export = FORMAT.export

#: Exports an EvaluationResult as an entry of ``.eval_results``, wherever it came from.
export_eval_result = replace(FORMAT, exporters={"EvaluationResult": export_entry}).export
