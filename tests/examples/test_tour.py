"""`make run`: the tour says that all is well, and notices when it is not."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """A copy of the examples to spoil."""
    copy = tmp_path / "examples"
    shutil.copytree(ROOT / "examples", copy)
    return copy


def tour(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(folder / "tour.py")], capture_output=True, text=True, check=False
    )


def test_the_tour_reads_draws_and_carries_every_document() -> None:
    result = tour(ROOT / "examples")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    documents = {
        path.name for path in (ROOT / "examples").iterdir() if path.suffix not in (".py", "")
    }
    marked = {
        match[2]: match[1] for line in lines if (match := re.match(r"  ([✓✗]) (\S+\.\S+)", line))
    }
    assert marked == {name: "✗" if name == "broken_experiment.yaml" else "✓" for name in documents}
    carried = {line.split()[0] for line in lines if line.rstrip().endswith(" unchanged")}
    assert carried == documents - {"broken_experiment.yaml"}
    assert "prompt.yaml, drawn:" in lines
    assert "13 of 13 documents came back unchanged." in lines


def test_the_tour_ends_at_the_end_of_the_exchange() -> None:
    result = tour(ROOT / "examples")
    steps = re.findall(r"^  ✓ (publish|promote|ingest|trace|export) ", result.stdout, re.MULTILINE)
    assert steps == ["publish", "promote", "ingest", "trace", "export"]
    lineage = re.findall(r"^ +(\w+) \S+ +(stored|feedback|embedded) ", result.stdout, re.MULTILINE)
    assert lineage == [
        ("FeedbackEvent", "feedback"),
        ("DeploymentConfig", "stored"),
        ("ModelVersion", "stored"),
        ("ModelRef", "stored"),
        ("TrainingRun", "stored"),
        ("TrainingConfig", "stored"),
        ("DatasetRef", "embedded"),
    ]
    assert result.stdout.splitlines()[-1] == "The journey ended where it should."


def test_a_chain_that_is_broken_is_noticed(examples: Path) -> None:
    run = examples / "training_run.crucible.json"
    run.write_text(run.read_text().replace('"run_001"', '"run_elsewhere"'))
    result = tour(examples)
    assert result.returncode == 1
    assert result.stderr.startswith("the exchange: evt_123_05000 cannot be traced to its dataset")
    assert "Traceback" not in result.stderr


def test_there_is_a_document_of_every_domain_and_form() -> None:
    result = tour(ROOT / "examples")
    types = set(re.findall(r"  ✓ \S+ +(\w+)", result.stdout))
    assert types >= {
        "Experiment",
        "Capabilities",
        "Prompt",
        "Completion",
        "ModelRef",
        "ModelVersion",
        "TrainingConfig",
        "TrainingRun",
        "DeploymentConfig",
        "DeploymentStatus",
        "FeedbackEvent",
        "FeedbackConfig",
        "Document",
    }
    endings = {"".join(path.suffixes) for path in (ROOT / "examples").iterdir()}
    assert endings >= {".yaml", ".json", ".crucible.json", ".txtpb", ".binpb"}


def test_a_document_that_should_be_valid_and_is_not_ends_the_tour(examples: Path) -> None:
    (examples / "model.yaml").write_text("id: ''\nprovider: MODEL_PROVIDER_OPENAI\ntask: 1\n")
    result = tour(examples)
    assert result.returncode == 1
    assert result.stderr == "model.yaml: these are not the violations that it should have\n"


def test_a_document_that_cannot_be_read_ends_the_tour_without_a_traceback(examples: Path) -> None:
    (examples / "model.yaml").write_text("id: [")
    result = tour(examples)
    assert result.returncode == 1
    assert result.stderr.startswith("model.yaml: ")
    assert "Traceback" not in result.stderr


def test_a_broken_document_that_was_mended_is_noticed(examples: Path) -> None:
    shutil.copy(examples / "experiment.yaml", examples / "broken_experiment.yaml")
    result = tour(examples)
    assert result.returncode == 1
    assert "broken_experiment.yaml: valid, though it should not be" in result.stderr
