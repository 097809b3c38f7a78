"""Trainings by the Trainer of Hugging Face, tracked by the callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pages import ROOT, check_page
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import ProgressCallback

import crucible_ir as ir
from crucible_ir import v1

DATA = [{"x": torch.tensor([i / 10]), "labels": torch.tensor([i / 5])} for i in range(16)]


class Net(torch.nn.Module):  # type: ignore[misc]  # types are checked without PyTorch
    """A model with two weights, which fails at a call if it is to."""

    def __init__(self, fails_at: int = -1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(1, 1)
        self.fails_at = fails_at

    def forward(self, x: Any, labels: Any) -> dict[str, Any]:
        self.fails_at -= self.training
        if self.fails_at == 0:
            raise RuntimeError("out of memory")
        y = self.linear(x)
        return {"loss": ((y - labels) ** 2).mean(), "logits": y}


def new_run() -> v1.TrainingRun:
    config = v1.TrainingConfig(
        id="c1", model_ref=v1.ModelRef(id="linear"), dataset_ref=v1.DatasetRef(name="pairs")
    )
    return v1.TrainingRun(id="r1", config=config)


def new_trainer(callback: ir.TrackingCallback, folder: Path, fails_at: int = -1) -> Any:
    args = TrainingArguments(
        str(folder / "out"),
        per_device_train_batch_size=4,
        num_train_epochs=2,
        logging_steps=2,
        eval_strategy="steps",
        eval_steps=4,
        save_steps=4,
        load_best_model_at_end=True,
        metric_for_best_model="loss",
        greater_is_better=False,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    return Trainer(Net(fails_at), args, train_dataset=DATA, eval_dataset=DATA, callbacks=[callback])


def logged(run: v1.TrainingRun) -> list[dict[str, float]]:
    """Return the metrics history as the log history of a Trainer."""
    return [
        {**snapshot.values, "epoch": snapshot.epoch, "step": snapshot.step}
        for snapshot in run.metrics_history
    ]


def test_the_run_has_the_log_history_of_the_trainer(tmp_path: Path) -> None:
    path = tmp_path / "run.crucible.jsonl"
    trainer = new_trainer(ir.TrackingCallback(new_run(), to=path), tmp_path)
    trainer.train()
    run = ir.validate(ir.read_run(path))
    assert len(run.metrics_history) == 4 + 2 + 1
    assert logged(run) == trainer.state.log_history
    assert run.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED
    assert dict(run.best_metrics) == {"eval_loss": trainer.state.best_metric}
    assert run.best_checkpoint_uri == Path(trainer.state.best_model_checkpoint).as_uri()
    assert [Path(uri.removeprefix("file://")).name for uri in run.checkpoint_uris] == [
        "checkpoint-4",
        "checkpoint-8",
    ]


def test_a_training_that_fails_is_resumed_from_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.crucible.jsonl"
    with (
        pytest.raises(RuntimeError, match="out of memory"),
        ir.TrackingCallback(new_run(), to=path) as callback,
    ):
        new_trainer(callback, tmp_path, fails_at=7).train()
    failed = ir.read_run(path)
    assert failed.status == v1.TrainingStatus.TRAINING_STATUS_FAILED
    assert failed.error_message == "RuntimeError: out of memory"
    assert failed.current_step == 6
    with ir.TrackingCallback("r1", to=path, resume=True) as callback:
        trainer = new_trainer(callback, tmp_path)
        trainer.train(resume_from_checkpoint=True)
        trainer.evaluate(metric_key_prefix="test")
    run = ir.read_run(path)
    assert [step["step"] for step in logged(run) if "loss" in step] == [2, 4, 6, 8]
    assert "test_loss" in run.metrics_history[-1].values
    assert run.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED


def test_every_block_of_the_guide_runs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # The trainer prints what it logs.
    monkeypatch.setattr(ProgressCallback, "on_log", lambda *_, **__: None)
    page = (ROOT / "docs" / "training-loops.md").read_text(encoding="utf-8")
    ran = check_page(page, "docs/training-loops.md", tmp_path, {"crucible-ir"}, pytest.fail)
    assert ran == {"python": 2, "console": 1}
