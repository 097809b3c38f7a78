"""The example notebook, executed by a kernel of Jupyter."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from pages import ROOT

NOTEBOOK = ROOT / "examples" / "curves.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Execute the notebook in a folder of its own; return its outputs by cell, and the folder."""
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_PLATFORM_DIRS": "1",
        "NO_COLOR": "1",
    }
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute(env=environment)
    return {cell.id: cell.get("outputs", []) for cell in notebook.cells}, folder


def test_the_notebook_is_valid_and_has_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert all(not cell.get("outputs") for cell in notebook.cells)


def test_the_run_is_tracked_and_shown(executed: tuple[dict[str, Any], Path]) -> None:
    outputs, folder = executed
    [shown] = outputs["show"]
    assert "completed" in shown.data["text/html"]
    assert shown.data["text/plain"].startswith("TrainingRun\n")
    # What the files say, without code of ours.
    for name in ("slow", "fast"):
        records = [
            json.loads(line)
            for line in (folder / f"{name}.crucible.jsonl").read_text().splitlines()
        ]
        losses = [each["loss"] for record in records for each in (record["metrics_history"] or [])]
        assert len(losses) == 200
        assert losses[0] == pytest.approx(0.6931, abs=1e-4)
        assert losses[-1] < losses[0]
        assert records[-1]["status"] == "completed"


def test_the_curves_of_both_runs_are_drawn(executed: tuple[dict[str, Any], Path]) -> None:
    outputs, _ = executed
    printed, picture = outputs["curves"]
    assert printed.text.strip() == "loss.svg: 1 chart"
    svg = picture.data["image/svg+xml"]
    assert svg.startswith("<svg")
    assert all(f">{name}<" in svg for name in ("slow", "fast"))
