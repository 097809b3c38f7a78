"""Lints of training configurations and runs."""

from __future__ import annotations

from collections.abc import Iterator

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.lints.timestamps import is_before
from crucible_ir.linting.registry import lint_for

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
    "The validation split uses all the data and leaves none for training.",
    bad={**_CONFIG, "validation_split": 1.0},
    good={**_CONFIG, "validation_split": 0.1},
)
def nothing_to_train_on(config: v1.TrainingConfig) -> Iterator[Problem]:
    """Report a ``validation_split`` of 1."""
    if config.validation_split == 1:
        yield Problem(
            ("validation_split",),
            "all the data is used for validation",
            "set it to a smaller fraction, for example 0.1",
        )


@lint_for(
    v1.TrainingRun,
    "training_run.no_final_metrics",
    Severity.WARNING,
    "A completed run has no metrics.",
    bad={"id": "run_1", "config": _CONFIG, "status": "TRAINING_STATUS_COMPLETED"},
    good={
        "id": "run_1",
        "config": _CONFIG,
        "status": "TRAINING_STATUS_COMPLETED",
        "metrics_history": [{"values": {"loss": 0.8}}, {"values": {"loss": 0.6}}],
    },
)
def no_final_metrics(run: v1.TrainingRun) -> Iterator[Problem]:
    """Report a completed run without ``best_metrics`` and without values in ``metrics_history``."""
    measured = run.best_metrics or any(row.values for row in run.metrics_history)
    if run.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED and not measured:
        yield Problem(
            ("status",),
            "the run is completed, but has no metrics",
            "set best_metrics or metrics_history",
        )


@lint_for(
    v1.TrainingRun,
    "training_run.no_error_message",
    Severity.WARNING,
    "A failed run has no error message.",
    bad={"id": "run_1", "config": _CONFIG, "status": "TRAINING_STATUS_FAILED"},
    good={
        "id": "run_1",
        "config": _CONFIG,
        "status": "TRAINING_STATUS_FAILED",
        "error_message": "out of memory in epoch 2",
    },
)
def no_error_message(run: v1.TrainingRun) -> Iterator[Problem]:
    """Report a failed run whose ``error_message`` is unset or blank."""
    failed = run.status == v1.TrainingStatus.TRAINING_STATUS_FAILED
    if failed and not run.error_message.strip():
        yield Problem(
            ("status",), "the run failed, but has no error message", "state it in error_message"
        )


@lint_for(
    v1.TrainingRun,
    "training_run.completed_before_started",
    Severity.WARNING,
    "A run completed before it started.",
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
def completed_before_started(run: v1.TrainingRun) -> Iterator[Problem]:
    """Report ``completed_at`` before ``started_at``."""
    if is_before(run, "completed_at", "started_at"):
        yield Problem(
            ("completed_at",),
            "the run completed before it started",
            "check both times and their time zones",
        )


@lint_for(
    v1.TrainingRun,
    "training_run.epoch_beyond_epochs",
    Severity.WARNING,
    "The current epoch is greater than the number of epochs in the configuration.",
    bad={"id": "run_1", "config": _CONFIG, "current_epoch": 4},
    good={"id": "run_1", "config": _CONFIG, "current_epoch": 3},
)
def epoch_beyond_epochs(run: v1.TrainingRun) -> Iterator[Problem]:
    """Report a ``current_epoch`` above ``config.epochs``, which is wrong for any first epoch."""
    if run.config.HasField("epochs") and run.current_epoch > run.config.epochs:
        yield Problem(
            ("current_epoch",),
            f"epoch {run.current_epoch} of {run.config.epochs}",
            "check current_epoch and config.epochs",
        )


@lint_for(
    v1.TrainingRun,
    "training_run.history_goes_back",
    Severity.WARNING,
    "The steps or epochs of a history go back: its rows are out of order, or of several runs.",
    bad={
        "id": "run_1",
        "config": _CONFIG,
        "metrics_history": [
            {"step": 200, "values": {"loss": 0.6}},
            {"step": 100, "values": {"loss": 0.8}},
        ],
    },
    good={
        "id": "run_1",
        "config": _CONFIG,
        "metrics_history": [
            {"step": 100, "values": {"loss": 0.8}},
            {"step": 100, "values": {"eval_loss": 0.7}},
            {"step": 200, "values": {"loss": 0.6}},
        ],
    },
)
def history_goes_back(run: v1.TrainingRun) -> Iterator[Problem]:
    """Report each row whose ``step``, or else ``epoch``, is below that of the row before it."""
    last: dict[str, float] = {}
    for index, row in enumerate(run.metrics_history):
        now = {name: getattr(row, name) for name in ("step", "epoch") if row.HasField(name)}
        back = [name for name, value in now.items() if value < last.get(name, value)]
        last |= now
        if back:
            yield Problem(
                ("metrics_history", index, back[0]),
                f"the {back[0]} is less than that of an earlier row",
                "order the rows by time, oldest first, and keep the rows of one run only",
            )
