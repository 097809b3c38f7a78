"""`make run`: the tour succeeds, and fails if a document or a result is not as expected."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """A copy of the examples that a test can change."""
    copy = tmp_path / "examples"
    shutil.copytree(ROOT / "examples", copy)
    return copy


def tour(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(folder / "tour.py")], capture_output=True, text=True, check=False
    )


def test_the_tour_reads_shows_and_converts_every_document() -> None:
    result = tour(ROOT / "examples")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    documents = {
        path.name
        for path in (ROOT / "examples").iterdir()
        if path.suffix not in (".py", ".jsonl", ".ipynb", "")
    }
    marked = {
        match[2]: match[1] for line in lines if (match := re.match(r"  ([✓✗]) (\S+\.\S+)", line))
    }
    assert marked == {name: "✗" if name == "broken_experiment.yaml" else "✓" for name in documents}
    converted = {line.split()[0] for line in lines if line.rstrip().endswith(" unchanged")}
    assert converted == documents - {"broken_experiment.yaml"}
    assert "Prompt examples/prompt.yaml" in lines
    count = len(documents) - 1
    assert f"{count} of {count} documents are unchanged after conversion." in lines


def test_the_tour_ends_with_the_end_to_end_example() -> None:
    result = tour(ROOT / "examples")
    steps = re.findall(
        r"^  ✓ (publish|promote|ingest|trace|chain|export) ", result.stdout, re.MULTILINE
    )
    assert steps == ["publish", "promote", "ingest", "trace", "chain", "chain", "chain", "export"]
    lineage = re.findall(
        r"^ *(\w+) \S+\s+(stored|feedback|embedded)\s", result.stdout, re.MULTILINE
    )
    assert lineage == [
        ("FeedbackEvent", "feedback"),
        ("DeploymentConfig", "stored"),
        ("ModelVersion", "stored"),
        ("ModelRef", "stored"),
        ("TrainingRun", "stored"),
        ("TrainingConfig", "stored"),
        ("DatasetRef", "embedded"),
    ]
    unwrapped = " ".join(result.stdout.split())
    tail = "TrainingRun/run_001 > TrainingConfig/train_llama > DatasetRef/wikitext-103"
    parent = f"ModelVersion/llama_mmlu_2 > ModelVersion/llama_mmlu_1 > {tail}"
    for chain in (f"FeedbackEvent/evt_version > {parent}", f"chain {parent}", f"chain {tail}"):
        assert chain in unwrapped
    assert result.stdout.splitlines()[-1] == "Every result is as expected."


def test_a_broken_lineage_is_an_error(examples: Path) -> None:
    run = examples / "training_run.crucible.json"
    run.write_text(run.read_text().replace('"run_001"', '"run_elsewhere"'))
    result = tour(examples)
    assert result.returncode == 1
    assert result.stderr.startswith("the exchange: evt_123_05000 cannot be traced to its dataset")
    assert "Traceback" not in result.stderr


def test_there_is_a_document_of_every_domain_and_format() -> None:
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
    extensions = {"".join(path.suffixes) for path in (ROOT / "examples").iterdir()}
    assert extensions >= {".yaml", ".json", ".crucible.json", ".txtpb", ".binpb"}


def test_an_invalid_document_is_an_error(examples: Path) -> None:
    (examples / "model.yaml").write_text("id: ''\nprovider: MODEL_PROVIDER_OPENAI\ntask: 1\n")
    result = tour(examples)
    assert result.returncode == 1
    assert result.stderr == "model.yaml: unexpected violations\n"


def test_a_document_that_cannot_be_read_is_an_error_without_a_traceback(examples: Path) -> None:
    (examples / "model.yaml").write_text("id: [")
    result = tour(examples)
    assert result.returncode == 1
    assert result.stderr.startswith("model.yaml: ")
    assert "Traceback" not in result.stderr


def test_a_broken_document_without_violations_is_an_error(examples: Path) -> None:
    shutil.copy(examples / "experiment.yaml", examples / "broken_experiment.yaml")
    result = tour(examples)
    assert result.returncode == 1
    assert "broken_experiment.yaml: valid, expected violations" in result.stderr
