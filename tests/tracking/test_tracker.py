"""A tracker stores what a training loop logs, whatever becomes of either."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.building.run_progress import merge_progress
from crucible_ir.tracking import Tracker, TrackingError, TrackingWarning
from crucible_ir.tracking.destinations import Opened, TemporaryTrackingError
from crucible_ir.tracking.tracker import _Options

STATUS = v1.TrainingStatus


def new_run(id_: str = "r1", **fields: Any) -> v1.TrainingRun:
    config = v1.TrainingConfig(
        id="c1", model_ref=v1.ModelRef(id="gpt2"), dataset_ref=v1.DatasetRef(name="mmlu")
    )
    return v1.TrainingRun(id=id_, config=config, **fields)


def steps_of(run: v1.TrainingRun) -> list[int]:
    return [snapshot.step for snapshot in run.metrics_history]


class Memory:
    """A destination in memory, which can fail."""

    def __init__(self) -> None:
        self.stored = v1.TrainingRun()
        self.failures: list[Exception] = []
        self.appends: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def open(self, run: v1.TrainingRun | None, id_: str) -> Opened:
        is_new = not self.stored.id
        if is_new:
            assert run is not None
            self.stored.CopyFrom(run)
        head = v1.TrainingRun()
        head.CopyFrom(self.stored)
        tail = list(self.stored.metrics_history)
        return Opened(head, len(tail), tail, is_new)

    def append(
        self, first: int, snapshots: Sequence[v1.MetricsSnapshot], changes: v1.TrainingRun
    ) -> None:
        self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        assert first == len(self.stored.metrics_history)
        self.appends.append(len(snapshots))
        self.stored.metrics_history.extend(snapshots)
        merge_progress(self.stored, changes)

    def close(self) -> None:
        self.appends.append(-1)


def tracker_of(memory: Memory, **options: Any) -> Tracker:
    chosen: dict[str, Any] = {
        "resume": None,
        "flush_seconds": 0.01,
        "finish_seconds": 5.0,
        "max_pending": 1000,
        "on_error": "warn",
    }
    return Tracker(memory, new_run(), _Options(**{**chosen, **options}))


def test_a_run_is_running_and_then_completed() -> None:
    memory = Memory()
    with tracker_of(memory) as tracker:
        assert tracker.flush()
        assert memory.stored.status == STATUS.TRAINING_STATUS_RUNNING
        assert memory.stored.HasField("started_at")
        for step in range(500):
            tracker.log({"val/loss": 2.0}, step=step, epoch=step / 100, loss=1 / (1 + step))
        tracker.checkpoint("s3://c/1", best=True)
        tracker.set(best_metrics={"loss": 0.5}, final_model_version="v1")
        assert tracker.flush()
        assert tracker.count == 500
    stored = memory.stored
    assert steps_of(stored) == list(range(500))
    assert dict(stored.metrics_history[3].values) == {"val/loss": 2.0, "loss": 0.25}
    assert stored.status == STATUS.TRAINING_STATUS_COMPLETED
    assert (stored.current_step, stored.current_epoch) == (499, 4)
    assert (list(stored.checkpoint_uris), stored.best_checkpoint_uri) == (["s3://c/1"], "s3://c/1")
    assert stored.best_metrics["loss"] == 0.5
    assert stored.completed_at.ToNanoseconds() >= stored.started_at.ToNanoseconds()
    assert ir.is_valid(stored)
    assert memory.appends[-1] == -1


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ValueError("out of memory"), STATUS.TRAINING_STATUS_FAILED, "ValueError: out of memory"),
        (KeyboardInterrupt(), STATUS.TRAINING_STATUS_PAUSED, ""),
        (SystemExit(3), STATUS.TRAINING_STATUS_FAILED, "SystemExit: 3"),
        (SystemExit(0), STATUS.TRAINING_STATUS_COMPLETED, ""),
    ],
)
def test_an_exception_ends_the_run_and_goes_on(
    error: BaseException, status: int, message: str
) -> None:
    memory = Memory()
    with pytest.raises(type(error)) as caught, tracker_of(memory) as tracker:
        tracker.log(step=1, loss=1)
        raise error
    assert caught.value is error
    assert (memory.stored.status, memory.stored.error_message) == (status, message)
    assert memory.stored.HasField("completed_at") == (status != STATUS.TRAINING_STATUS_PAUSED)
    assert steps_of(memory.stored) == [1]


def test_a_run_can_be_preempted_by_hand() -> None:
    memory = Memory()
    with tracker_of(memory) as tracker:
        tracker.log(step=1, loss=1)
        tracker.finish("preempted")
        with pytest.raises(TrackingError, match="not open"):
            tracker.log(step=2, loss=1)
    assert memory.stored.status == STATUS.TRAINING_STATUS_PREEMPTED
    with tracker_of(memory) as tracker, pytest.raises(TrackingError, match='status "done"'):
        tracker.finish("done")


def test_a_resumed_run_continues_after_its_last_step() -> None:
    memory = Memory()
    with pytest.raises(ZeroDivisionError), tracker_of(memory) as tracker:
        for step in range(10):
            tracker.log(step=step, loss=step)
        raise ZeroDivisionError
    with tracker_of(memory) as tracker:
        assert (tracker.is_resumed, tracker.last_step, tracker.count) == (True, 9, 10)
        # The loop begins again at its last checkpoint.
        for step in range(5, 15):
            tracker.log(step=step, loss=step)
            if step % 3 == 0:
                tracker.log(step=step, val=step)
    stored = memory.stored
    # The validation of step 9 was not stored before.
    assert steps_of(stored) == [*range(10), 9, 10, 11, 12, 12, 13, 14]
    assert stored.status == STATUS.TRAINING_STATUS_COMPLETED and not stored.error_message


def test_a_completed_run_is_not_continued_by_accident() -> None:
    memory = Memory()
    with pytest.raises(TrackingError, match="nothing to resume"):
        tracker_of(memory, resume=True).start()
    memory = Memory()
    with tracker_of(memory):
        pass
    with pytest.raises(TrackingError, match=r"is completed: .* resume=True"):
        tracker_of(memory).start()
    with pytest.raises(TrackingError, match="exists already"):
        tracker_of(memory, resume=False).start()
    with tracker_of(memory, resume=True) as tracker:
        tracker.log(step=1, loss=1)
    assert steps_of(memory.stored) == [1]


def test_an_outage_delays_and_loses_nothing() -> None:
    memory = Memory()
    memory.failures = [TemporaryTrackingError("no server")] * 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with tracker_of(memory) as tracker:
            for step in range(100):
                tracker.log(step=step, loss=1)
    assert steps_of(memory.stored) == list(range(100))
    assert tracker.dropped == 0


def test_a_failure_for_good_warns_once_and_training_goes_on() -> None:
    memory = Memory()
    memory.failures = [TrackingError("permission denied")]
    with (
        pytest.warns(TrackingWarning, match="permission denied") as caught,
        tracker_of(memory) as tracker,
    ):
        assert not tracker.flush()
        for step in range(50):
            tracker.log(step=step, loss=1)
    assert len(caught) == 2
    assert str(caught[-1].message).startswith('50 measurements of the run "r1" could not be stored')
    assert tracker.dropped == 50


def test_a_failure_is_raised_if_wanted() -> None:
    memory = Memory()
    memory.failures = [TrackingError("permission denied")]
    with (
        pytest.raises(TrackingError, match="permission denied"),
        tracker_of(memory, on_error="raise") as tracker,
    ):
        tracker.flush()
        tracker.log(step=1, loss=1)


def test_memory_is_bounded_and_the_loop_is_not_blocked_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crucible_ir.tracking.tracker._ROOM_SECONDS", 0.01)
    memory = Memory()
    memory.gate.clear()
    with (
        pytest.warns(TrackingWarning, match="too slow"),
        tracker_of(memory, max_pending=10) as tracker,
    ):
        begun = time.monotonic()
        for step in range(30):
            tracker.log(step=step, loss=1)
        assert time.monotonic() - begun < 5
        memory.gate.set()
    assert tracker.dropped >= 10
    assert len(memory.stored.metrics_history) + tracker.dropped == 30
    assert memory.stored.status == STATUS.TRAINING_STATUS_COMPLETED


def test_the_end_does_not_wait_for_ever() -> None:
    memory = Memory()
    memory.failures = [TemporaryTrackingError("no server")] * 100
    with (
        pytest.warns(TrackingWarning, match="no server"),
        tracker_of(memory, finish_seconds=0.3) as tracker,
    ):
        tracker.log(step=1, loss=1)
    assert tracker.dropped == 1


def test_logging_takes_microseconds() -> None:
    memory = Memory()
    with tracker_of(memory, max_pending=100_000) as tracker:
        begun = time.process_time()
        for step in range(5000):
            tracker.log(step=step, loss=0.5, accuracy=0.5)
        assert time.process_time() - begun < 5000 * 500e-6
    assert len(memory.stored.metrics_history) == 5000


def test_threads_share_a_tracker() -> None:
    memory = Memory()
    with tracker_of(memory, max_pending=100_000) as tracker:

        def log(worker: int) -> None:
            for number in range(200):
                tracker.log({f"w{worker}": number})

        threads = [threading.Thread(target=log, args=(worker,)) for worker in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for worker in range(4):
        key = f"w{worker}"
        logged = [each.values[key] for each in memory.stored.metrics_history if key in each.values]
        assert logged == list(range(200))


def test_a_fork_does_not_log(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory()
    with tracker_of(memory) as tracker:
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: -1)
            with pytest.raises(TrackingError, match="before a fork"):
                tracker.log(step=1, loss=1)
        tracker.log(step=1, loss=1)
    assert steps_of(memory.stored) == [1]


def test_a_destination_is_a_file_or_an_address(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="is not a destination"):
        ir.track(new_run(), to=tmp_path / "run.yaml")
    with pytest.raises(TrackingError, match="is not a destination"):
        ir.track(new_run(), to=tmp_path / "run.jsonl.gz")
    with pytest.raises(TrackingError, match=r"such as exchange\.example:7551"):
        ir.track(new_run(), to="exchange.example")
    with pytest.raises(TrackingError, match="give the run, not its id"):
        ir.track("r1", to=str(tmp_path / "run.jsonl")).start()
