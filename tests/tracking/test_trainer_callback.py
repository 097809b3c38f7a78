"""The callback for the Trainer, called in the documented order.

`make test-trainer` runs it in a Trainer, and `make test-interchange` in the callback handler of a
newer release.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import crucible_ir as ir
from crucible_ir import v1

STATUS = v1.TrainingStatus


def new_run(id_: str = "r1") -> v1.TrainingRun:
    config = v1.TrainingConfig(
        id="c1", model_ref=v1.ModelRef(id="gpt2"), dataset_ref=v1.DatasetRef(name="mmlu")
    )
    return v1.TrainingRun(id=id_, config=config)


def new_state(**fields: Any) -> SimpleNamespace:
    values: dict[str, Any] = {
        "global_step": 0,
        "epoch": 0.0,
        "best_metric": None,
        "best_model_checkpoint": None,
        "is_world_process_zero": True,
    }
    return SimpleNamespace(**{**values, **fields})


class Loop:
    """The calls that a Trainer makes of a callback.

    Args:
        callback: The callback.
        folder: The folder of the checkpoints.
        start: The step of the checkpoint to resume from.
        is_main: Whether this is the main process.
    """

    def __init__(
        self, callback: ir.TrackingCallback, folder: Path, start: int = 0, is_main: bool = True
    ) -> None:
        self.callback = callback
        self.args = SimpleNamespace(output_dir=str(folder), metric_for_best_model="loss")
        self.state = new_state(global_step=start, is_world_process_zero=is_main)

    def call(self, event: str, **objects: Any) -> None:
        method = getattr(self.callback, event)
        assert method(self.args, self.state, None, model=None, **objects) is None

    def train(self, steps: int, fails_at: int = -1, error: BaseException | None = None) -> None:
        """Train to a step; each step is logged, and every second one is evaluated and saved."""
        self.call("on_init_end")
        self.call("on_train_begin")
        for step in range(self.state.global_step + 1, steps + 1):
            self.call("on_step_begin")
            if step == fails_at and error is not None:
                raise error
            self.state.global_step, self.state.epoch = step, step / steps
            self.call("on_step_end")
            self.call("on_log", logs={"loss": 1 / step, "epoch": step / steps})
            if step % 2 == 0:
                metrics = {"eval_loss": 2 / step, "epoch": step / steps}
                self.call("on_log", logs=metrics)
                self.call("on_evaluate", metrics=metrics)
                self.state.best_metric = 2 / step
                self.state.best_model_checkpoint = f"{self.args.output_dir}/checkpoint-{step}"
                self.call("on_save")
        self.call("on_log", logs={"train_loss": 0.5, "epoch": 1.0})
        self.call("on_train_end")


def points(run: v1.TrainingRun) -> list[tuple[int, set[str]]]:
    return [(snapshot.step, set(snapshot.values)) for snapshot in run.metrics_history]


def test_a_training_becomes_a_completed_run(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    callback = ir.TrackingCallback(new_run(), to=path)
    Loop(callback, tmp_path).train(4)
    assert callback.tracker is None
    run = ir.validate(ir.read_run(path))
    assert points(run) == [
        *((1, {"loss"}), (2, {"loss"}), (2, {"eval_loss"})),
        *((3, {"loss"}), (4, {"loss"}), (4, {"eval_loss"}), (4, {"train_loss"})),
    ]
    assert [snapshot.epoch for snapshot in run.metrics_history][:2] == [0.25, 0.5]
    assert run.status == STATUS.TRAINING_STATUS_COMPLETED
    assert run.HasField("completed_at")
    assert dict(run.best_metrics) == {"eval_loss": 0.5}
    uris = [f"file://{tmp_path}/checkpoint-{step}" for step in (2, 4)]
    assert list(run.checkpoint_uris) == uris
    assert run.best_checkpoint_uri == uris[-1]


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (RuntimeError("out of memory"), "FAILED", "RuntimeError: out of memory"),
        (KeyboardInterrupt(), "PAUSED", ""),
    ],
)
def test_a_context_stores_how_the_training_ended(
    tmp_path: Path, error: BaseException, status: str, message: str
) -> None:
    path = tmp_path / "run.jsonl"
    with (
        pytest.raises(type(error)),
        ir.TrackingCallback(new_run(), to=path) as callback,
    ):
        Loop(callback, tmp_path).train(5, fails_at=4, error=error)
    run = ir.read_run(path)
    assert run.status == STATUS.Value(f"TRAINING_STATUS_{status}")
    assert run.error_message == message
    assert points(run)[-1] == (3, {"loss"})


def test_a_training_that_is_resumed_from_a_checkpoint_repeats_no_step(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with pytest.raises(RuntimeError), ir.TrackingCallback(new_run(), to=path) as callback:
        Loop(callback, tmp_path).train(5, fails_at=4, error=RuntimeError())
    with ir.TrackingCallback("r1", to=path, resume=True) as callback:
        Loop(callback, tmp_path, start=2).train(5)
    run = ir.read_run(path)
    assert [step for step, keys in points(run) if "loss" in keys] == [1, 2, 3, 4, 5]
    assert run.status == STATUS.TRAINING_STATUS_COMPLETED
    assert not run.error_message


def test_a_context_also_takes_evaluations_around_the_training(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with ir.TrackingCallback(new_run(), to=path) as callback:
        loop = Loop(callback, tmp_path)
        loop.call("on_log", logs={"eval_loss": 9.0})
        loop.train(1)
        loop.call("on_log", logs={"eval_accuracy": 0.5})
        loop.call("on_log", logs=None)
    assert points(ir.read_run(path)) == [
        *((0, {"eval_loss"}), (1, {"loss"}), (1, {"train_loss"}), (1, {"eval_accuracy"}))
    ]


def test_without_a_context_what_is_logged_around_the_training_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    loop = Loop(ir.TrackingCallback(new_run(), to=path), tmp_path)
    loop.call("on_log", logs={"eval_loss": 9.0})
    loop.call("on_save")
    loop.call("on_train_end")
    assert not path.exists()
    loop.train(1)
    loop.call("on_log", logs={"eval_accuracy": 0.5})
    assert points(ir.read_run(path)) == [(1, {"loss"}), (1, {"train_loss"})]


def test_only_the_main_process_stores_anything(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with ir.TrackingCallback(new_run(), to=path) as callback:
        Loop(callback, tmp_path, is_main=False).train(2)
    assert not path.exists()


def test_a_run_that_cannot_be_opened_stops_the_training_before_it_begins(tmp_path: Path) -> None:
    with (
        pytest.raises(ir.TrackingError, match="not a destination"),
        ir.TrackingCallback(new_run(), to="run.yaml") as callback,
    ):
        Loop(callback, tmp_path).train(2)
    path = tmp_path / "run.jsonl"
    Loop(ir.TrackingCallback(new_run(), to=path), tmp_path).train(1)
    with pytest.raises(ir.TrackingError, match="is completed: choose another id"):
        Loop(ir.TrackingCallback(new_run(), to=path), tmp_path).train(1)


def test_a_training_without_evaluations_has_nothing_best(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    Loop(ir.TrackingCallback(new_run(), to=path), tmp_path).train(1)
    run = ir.read_run(path)
    assert not run.best_metrics
    assert not run.HasField("best_checkpoint_uri")


def test_what_is_no_event_is_no_attribute() -> None:
    callback = ir.TrackingCallback(new_run(), to="run.jsonl")
    assert callback.on_event_of_a_later_release(1, 2, 3, model=None) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(AttributeError, match="has no attribute 'state'"):
            _ = callback.state
