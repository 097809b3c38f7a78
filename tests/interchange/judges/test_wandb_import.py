"""What a real run of W&B logged is imported."""

from __future__ import annotations

import json
import math

from interchange.judges.wandb_run import WandbRun
from interchange.law import check_law

from crucible_ir import v1
from crucible_ir.interchange.wandb import FORMAT


def test_a_run(wandb_run: WandbRun) -> None:
    record = {
        "id": wandb_run.id,
        # As in config.yaml, which only an upload writes.
        "config": {key: {"value": json.loads(text)} for key, text in wandb_run.config.items()},
        "summary": {key: json.loads(text) for key, text in wandb_run.summary.items()},
        "history": [json.loads(row) for row in wandb_run.history],
    }
    [run] = check_law(FORMAT, record).documents
    assert isinstance(run, v1.TrainingRun)
    assert run.id == wandb_run.id
    assert run.config.learning_rate == 0.1
    assert [row.step for row in run.metrics_history] == [0, 1, 2, 3]
    losses = [row.values["loss"] for row in run.metrics_history]
    assert losses[:3] == [1, 1 / 2, 1 / 3] and math.isnan(losses[3])
    assert run.metrics_history[3].values["worst"] == math.inf
    times = [row.time.ToNanoseconds() for row in run.metrics_history]
    assert times == sorted(times) and times[0] > 0
