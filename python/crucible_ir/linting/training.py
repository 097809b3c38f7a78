"""Lints of training configurations and runs."""

from __future__ import annotations

from collections.abc import Iterator

from crucible_ir import v1
from crucible_ir.linting.advice import Finding, Severity
from crucible_ir.linting.table import lint_for
from crucible_ir.linting.timestamps import is_before

_CONFIG = {
    "id": "tune_gpt2",
    "model_ref": {"id": "gpt2"},
    "dataset_ref": {"name": "wikitext-103"},
    "epochs": 3,
}


@lint_for(
    v1.TrainingConfig,
    "training_config.nothing_to_train_on",
    Severity.WARNING,
    "The validation split takes all the data and leaves none to train on.",
    bad={**_CONFIG, "validation_split": 1.0},
    good={**_CONFIG, "validation_split": 0.1},
)
def nothing_to_train_on(config: v1.TrainingConfig) -> Iterator[Finding]:
    """Report a ``validation_split`` of the whole."""
    if config.validation_split == 1:
        yield Finding(
            ("validation_split",),
            "all the data is held out for validation",
            "hold out a part, for example 0.1",
        )


@lint_for(
    v1.TrainingRun,
    "training_run.no_final_metrics",
    Severity.WARNING,
    "A completed run tells nothing that was measured.",
    bad={"id": "run_1", "config": _CONFIG, "status": "TRAINING_STATUS_COMPLETED"},
    good={
        "id": "run_1",
        "config": _CONFIG,
        "status": "TRAINING_STATUS_COMPLETED",
        "metrics_history": [{"values": {"loss": 0.8}}, {"values": {"loss": 0.6}}],
    },
)
def no_final_metrics(run: v1.TrainingRun) -> Iterator[Finding]:
    """Report a completed run with no ``best_metrics`` and no values in ``metrics_history``."""
    measured = run.best_metrics or any(row.values for row in run.metrics_history)
    if run.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED and not measured:
        yield Finding(
            ("status",),
            "the run is completed, but no metric is recorded",
            "fill best_metrics or metrics_history",
        )


@lint_for(
    v1.TrainingRun,
    "training_run.no_error_message",
    Severity.WARNING,
    "A failed run does not say why.",
    bad={"id": "run_1", "config": _CONFIG, "status": "TRAINING_STATUS_FAILED"},
    good={
        "id": "run_1",
        "config": _CONFIG,
        "status": "TRAINING_STATUS_FAILED",
        "error_message": "out of memory in epoch 2",
    },
)
def no_error_message(run: v1.TrainingRun) -> Iterator[Finding]:
    """Report a failed run without ``error_message``, or with a blank one."""
    failed = run.status == v1.TrainingStatus.TRAINING_STATUS_FAILED
    if failed and not run.error_message.strip():
        yield Finding(
            ("status",), "the run has failed, but nothing says why", "say why in error_message"
        )


@lint_for(
    v1.TrainingRun,
    "training_run.completed_before_started",
    Severity.WARNING,
    "A run ended before it started.",
    bad={
        "id": "run_1",
        "config": _CONFIG,
        "started_at": "2025-12-26T12:00:00Z",
        "completed_at": "2025-12-26T11:00:00Z",
    },
    good={
        "id": "run_1",
        "config": _CONFIG,
        "started_at": "2025-12-26T12:00:00Z",
        "completed_at": "2025-12-26T13:00:00Z",
    },
)
def completed_before_started(run: v1.TrainingRun) -> Iterator[Finding]:
    """Report ``completed_at`` before ``started_at``."""
    if is_before(run, "completed_at", "started_at"):
        yield Finding(
            ("completed_at",),
            "the run completed before it started",
            "check the two times, and their time zones",
        )


@lint_for(
    v1.TrainingRun,
    "training_run.epoch_beyond_epochs",
    Severity.WARNING,
    "A run is in an epoch that its configuration does not have.",
    bad={"id": "run_1", "config": _CONFIG, "current_epoch": 4},
    good={"id": "run_1", "config": _CONFIG, "current_epoch": 3},
)
def epoch_beyond_epochs(run: v1.TrainingRun) -> Iterator[Finding]:
    """Report a ``current_epoch`` above ``config.epochs``, wherever the count begins."""
    if run.config.HasField("epochs") and run.current_epoch > run.config.epochs:
        yield Finding(
            ("current_epoch",),
            f"epoch {run.current_epoch} of {run.config.epochs}",
            "check it against config.epochs",
        )
