"""A real run of lm-evaluation-harness, of its dummy model on a task of our own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

#: Its metrics have a closed standard error: the harness estimates others for minutes.
TASK = """
task: yes_no
dataset_path: json
dataset_kwargs:
  data_files: {test: QUESTIONS}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
doc_to_choice: ["yes", "no"]
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
metadata:
  version: 1.0
"""


class LmEvalRun(NamedTuple):
    """The files that the run wrote."""

    results: Path
    samples: Path


def run_lm_eval(folder: Path) -> LmEvalRun:
    """Run the harness in a folder."""
    questions = [{"question": f"Is {n} even?", "answer": n % 2} for n in range(8)]
    (folder / "questions.jsonl").write_text("".join(json.dumps(q) + "\n" for q in questions))
    tasks = folder / "tasks"
    tasks.mkdir()
    (tasks / "yes_no.yaml").write_text(TASK.replace("QUESTIONS", str(folder / "questions.jsonl")))
    arguments = ["--model", "dummy", "--tasks", "yes_no", "--include_path", str(tasks)]
    finished = subprocess.run(
        [sys.executable, "-m", "lm_eval", *arguments, "--output_path", "out", "--log_samples"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    [results] = (folder / "out").rglob("results_*.json")
    [samples] = (folder / "out").rglob("samples_*.jsonl")
    return LmEvalRun(results, samples)
