"""The progress of a training run: how what is appended to it changes its other fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from crucible_ir.v1 import MetricsSnapshot, TrainingRun, TrainingStatus

#: The states in which a run has ended.
ENDED: Final = frozenset(
    {
        TrainingStatus.TRAINING_STATUS_COMPLETED,
        TrainingStatus.TRAINING_STATUS_FAILED,
        TrainingStatus.TRAINING_STATUS_CANCELLED,
    }
)

_MAX_INT32: Final = 2**31 - 1


def merge_progress(run: TrainingRun, changes: TrainingRun) -> None:
    """Set the fields of a run that are set in another, and add to its lists and maps.

    A run that has not ended has no ``completed_at``, and a running one no ``error_message``, unless
    the changes set them.

    >>> run = TrainingRun(status="TRAINING_STATUS_FAILED", error_message="out of memory")
    >>> merge_progress(run, TrainingRun(status="TRAINING_STATUS_RUNNING", current_step=7))
    >>> run.HasField("error_message"), run.current_step
    (False, 7)
    """
    if changes.status:
        if changes.status not in ENDED:
            run.ClearField("completed_at")
        if changes.status == TrainingStatus.TRAINING_STATUS_RUNNING:
            run.ClearField("error_message")
    # Merging would keep the fraction of a second of the earlier time.
    if changes.HasField("started_at"):
        run.ClearField("started_at")
    if changes.HasField("completed_at"):
        run.ClearField("completed_at")
    run.MergeFrom(changes)


def add_progress(changes: TrainingRun, snapshots: Sequence[MetricsSnapshot]) -> None:
    """Set the current step and epoch to those of the last snapshot, unless they are set.

    >>> changes = TrainingRun()
    >>> add_progress(changes, [MetricsSnapshot(step=7, epoch=1.5)])
    >>> changes.current_step, changes.current_epoch
    (7, 1)
    """
    if not snapshots:
        return
    last = snapshots[-1]
    if last.HasField("step") and not changes.HasField("current_step"):
        changes.current_step = last.step
    if last.HasField("epoch") and not changes.HasField("current_epoch"):
        changes.current_epoch = min(int(last.epoch), _MAX_INT32)
