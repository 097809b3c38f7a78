"""Tracks training runs while they train, in an exchange or in a file.

`track` opens a `Tracker`, which a training loop uses in two lines. A file needs no extra; an
exchange requires ``crucible-ir[exchange]``.

>>> import os, tempfile
>>> from crucible_ir import v1
>>> config = v1.TrainingConfig(
...     id="sft", model_ref=v1.ModelRef(id="gpt2"), dataset_ref=v1.DatasetRef(name="mmlu")
... )
>>> with tempfile.TemporaryDirectory() as folder:
...     path = os.path.join(folder, "run.crucible.jsonl")
...     with track(v1.TrainingRun(id="run_007", config=config), to=path) as tracker:
...         for step in range(3):
...             tracker.log(step=step, loss=1 / (1 + step))
...     run = read_run(path)
>>> [snapshot.values["loss"] for snapshot in run.metrics_history][:2], run.current_step
([1.0, 0.5], 2)
"""

from crucible_ir.tracking.destinations import TrackingError
from crucible_ir.tracking.run_file import read_run
from crucible_ir.tracking.tracker import Tracker, TrackingWarning, track
from crucible_ir.tracking.trainer_callback import TrackingCallback
from crucible_ir.tracking.uploading import upload_run

__all__ = [
    "Tracker",
    "TrackingCallback",
    "TrackingError",
    "TrackingWarning",
    "read_run",
    "track",
    "upload_run",
]
