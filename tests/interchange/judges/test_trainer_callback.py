"""The callback for the Trainer in the callback handler of transformers, which calls it.

A Trainer needs PyTorch, which is large; `make test-trainer` has one, of an older release.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from transformers import TrainerCallback, TrainerControl, TrainerState
from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback

import crucible_ir as ir
from crucible_ir import v1

EVENTS = [name for name in dir(TrainerCallback) if name.startswith("on_")]

#: The order of the events of a training of two steps, as the guide to callbacks describes it.
TRAINING = [
    *("on_init_end", "on_train_begin", "on_epoch_begin"),
    *("on_step_begin", "on_substep_end", "on_pre_optimizer_step", "on_optimizer_step"),
    *("on_step_end", "on_log", "on_step_begin", "on_pre_optimizer_step", "on_optimizer_step"),
    *("on_step_end", "on_log", "on_prediction_step", "on_log", "on_evaluate", "on_save"),
    *("on_epoch_end", "on_log", "on_train_end", "on_predict", "on_push_begin"),
]


def test_a_callback_handler_calls_it_in_every_event(tmp_path: Path) -> None:
    config = v1.TrainingConfig(
        id="c1", model_ref=v1.ModelRef(id="gpt2"), dataset_ref=v1.DatasetRef(name="mmlu")
    )
    run = v1.TrainingRun(id="r1", config=config)
    callback = ir.TrackingCallback(run, to=tmp_path / "run.jsonl")
    handler = CallbackHandler([DefaultFlowCallback, callback], None, None, None, None)
    args = SimpleNamespace(
        output_dir=str(tmp_path),
        metric_for_best_model="accuracy",
        logging_first_step=False,
        logging_strategy="steps",
        eval_strategy="no",
        save_strategy="no",
        eval_delay=0,
    )
    state, control = TrainerState(max_steps=2), TrainerControl()
    logs = iter([{"loss": 2.0}, {"loss": 1.0}, {"eval_accuracy": 0.5}, {"train_loss": 1.5}])
    for event in TRAINING:
        if event == "on_step_begin":
            state.global_step += 1
            state.epoch = state.global_step / 2
        extra: dict[str, object] = {}
        if event == "on_log":
            entry = {**next(logs), "epoch": state.epoch}
            state.log_history.append({**entry, "step": state.global_step})
            extra["logs"] = entry
        elif event in ("on_evaluate", "on_predict"):
            extra["metrics"] = {"eval_accuracy": 0.5}
            state.best_metric = 0.5
            state.best_model_checkpoint = str(tmp_path / "checkpoint-2")
        returned = getattr(handler, event)(args, state, control, *extra.values())
        assert event == "on_push_begin" or returned is control
    assert set(TRAINING) == set(EVENTS)
    tracked = ir.read_run(tmp_path / "run.jsonl")
    assert state.log_history == [
        {**snapshot.values, "epoch": snapshot.epoch, "step": snapshot.step}
        for snapshot in tracked.metrics_history
    ]
    assert tracked.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED
    assert dict(tracked.best_metrics) == {"eval_accuracy": 0.5}
    assert tracked.best_checkpoint_uri == tracked.checkpoint_uris[0]
