"""Folders of MLflow's file store."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crucible_ir import v1
from crucible_ir.interchange.mapping.report import Recorder
from crucible_ir.interchange.mlflow import FORMAT

#: The files of a store, as MLflow 3 writes them; "7" is an experiment, "8" one in the trash.
FILES = {
    "7/meta.yaml": "artifact_location: file:///mlruns/7\nexperiment_id: '7'\nname: digits\n",
    "7/tags/team": "vision",
    "7/r1/meta.yaml": (
        "artifact_uri: file:///mlruns/7/r1/artifacts\nend_time: 1767323105678\n"
        "entry_point_name: ''\nexperiment_id: '7'\nlifecycle_stage: active\nrun_id: r1\n"
        "run_name: odd\nsource_name: ''\nsource_type: 4\nsource_version: ''\n"
        "start_time: 1767323045678\nstatus: 3\ntags: []\nuser_id: unknown\n"
    ),
    "7/r1/metrics/loss": "1000 nan 0\n1001 inf 1\n1002 -0.0 2\n1002 1.5 2\n1002 2.5 2\n",
    "7/r1/metrics/eval/f1 macro": "1001 0.5 -3 iris a1b2c3d4\n",
    "7/r1/params/lr": "1e-05",
    "7/r1/params/notes": "two\nlines\n",
    "7/r1/params/nested/name": "",
    "7/r1/tags/mlflow.runName": "odd",
    "7/r1/tags/team": "a",
    "7/r1/inputs/i1/meta.yaml": (
        "destination_id: d1\ndestination_type: RUN\nsource_id: d1\nsource_type: DATASET\n"
        "tags:\n  mlflow.data.context: training\n"
    ),
    "7/r1/inputs/i2/meta.yaml": "source_id: gone\nsource_type: DATASET\ntags: {}\n",
    "7/r1/inputs/i3/meta.yaml": "source_id: m-1\nsource_type: MODEL_INPUT\ntags: {}\n",
    "7/r1/inputs/i4/meta.yaml": "source_type: MODEL_INPUT\ntags: {}\n",
    "7/r1/outputs/m-1/meta.yaml": "destination_id: m-1\nstep: 3\n",
    "7/datasets/d1/meta.yaml": (
        'digest: a1b2c3d4\nname: iris\nprofile: null\nsource: \'{"uri": "/data/iris.csv"}\'\n'
        "source_type: local\n"
    ),
    "7/r2/meta.yaml": (
        "deleted_time: 1767323105678\nend_time: null\nexperiment_id: '7'\n"
        "lifecycle_stage: deleted\nrun_id: r2\nstatus: 1\nstart_time: 1767323045678\n"
    ),
    "7/models/m-1/meta.yaml": (
        "artifact_location: file:///m-1\ncreation_timestamp: 1767323045678\n"
        "experiment_id: '7'\nlast_updated_timestamp: 1767323045680\nmodel_id: m-1\n"
        "model_type: null\nname: model\nsource_run_id: r1\nstatus: 2\n"
    ),
    "7/models/m-1/metrics/acc": "1000 0.5 3 r1 iris a1b2c3d4\n",
    "7/models/m-1/params/depth": "4",
    "7/models/m-1/tags/a": "b",
    "7/traces/tr-1/trace_info.yaml": (
        "execution_duration_ms: 30\nrequest_time: '2026-01-02T03:04:05.678Z'\nstate: OK\n"
        "trace_id: tr-1\n"
    ),
    "7/traces/tr-1/tags/mlflow.traceName": "answer",
    "7/traces/tr-1/request_metadata/mlflow.user": "ada",
    "7/traces/tr-1/assessments/a-1.yaml": (
        "assessment_id: a-1\nassessment_name: ok\ntrace_id: tr-1\nfeedback:\n  value: true\n"
    ),
    ".trash/8/meta.yaml": "experiment_id: '8'\nlifecycle_stage: deleted\nname: gone\n",
    ".trash/8/r3/meta.yaml": "run_id: r3\nexperiment_id: '8'\nlifecycle_stage: deleted\n",
    "models/spam/meta.yaml": (
        "aliases:\n  champion: 2\ndescription: Filter\nlast_updated_timestamp: 1767323045680\n"
        "name: spam\n"
    ),
    "models/spam/aliases/champion": "2",
    "models/spam/tags/x": "y",
    "models/spam/version-2/meta.yaml": (
        "current_stage: Staging\nlast_updated_timestamp: 1767323045680\nname: spam\n"
        "run_id: r1\nsource: runs:/r1/model\nversion: 2\n"
    ),
    "models/spam/version-2/tags/ok": "yes",
    # The layout of MLflow 1: two columns of metrics, and the commit in the metadata.
    "0/meta.yaml": "experiment_id: '0'\nname: Default\n",
    "0/r0/meta.yaml": (
        "experiment_id: '0'\nrun_uuid: r0\nname: first\nsource_version: 0f4a1c2d\nstatus: 9\n"
    ),
    "0/r0/metrics/loss": "1000 0.25\n",
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "7" / "models" / "m-2").mkdir()
    (tmp_path / "7" / "traces" / "tr-2").mkdir()
    (tmp_path / "models" / "empty").mkdir()
    (tmp_path / "models" / "spam" / "version-3").mkdir()
    return tmp_path


def _import(path: Path, since: datetime | None = None) -> tuple[dict[str, Any], Recorder]:
    recorder = Recorder()
    records = FORMAT.records(str(path), since)
    found = FORMAT.import_records(records, recorder)
    return {document.id: document for each in found for document in each}, recorder  # type: ignore[attr-defined]


def test_a_store_is_read(store: Path) -> None:
    documents, recorder = _import(store)
    report = recorder.report()
    assert report.errors == ()
    assert report.counts["dropped"] == 0
    assert set(documents) == {"r0", "r1", "r2", "r3", "m-1", "a-1", "spam", "spam/2"}
    assert _import(store)[0] == documents


def test_a_run(store: Path) -> None:
    run = _import(store)[0]["r1"]
    assert run.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED
    assert run.config.learning_rate == 1e-05
    params = run.config.options["mlflow"]["params"]
    assert (params["notes"], params["nested/name"]) == ("two\nlines\n", "")
    assert run.config.dataset_ref.uri == "/data/iris.csv"
    assert list(run.tags) == ["team=a"]
    values = [row.values["loss"] for row in run.metrics_history if "loss" in row.values]
    assert math.isnan(values[0])
    assert values[1] == math.inf
    assert math.copysign(1, values[2]) == -1
    assert values[2:] == [0.0, 1.5, 2.5]
    [row] = [row for row in run.metrics_history if "eval/f1 macro" in row.values]
    assert row.other_values["step"] == -3
    kept = run.options["mlflow"]
    assert kept["inputs"]["model_inputs"][0]["model_id"] == "m-1"
    assert kept["outputs"]["model_outputs"][0]["step"] == 3
    assert kept["experiment_name"] == "digits"


def test_old_and_deleted_runs(store: Path) -> None:
    documents = _import(store)[0]
    old = documents["r0"]
    assert old.options["mlflow"]["info"]["source_version"] == "0f4a1c2d"
    assert old.metrics_history[0].step == 0
    assert documents["r2"].options["mlflow"]["info"]["lifecycle_stage"] == "deleted"
    assert documents["r3"].experiment_id == "8"


def test_models_and_traces(store: Path) -> None:
    documents = _import(store)[0]
    assert documents["spam"].aliases["champion"] == "spam/2"
    assert documents["spam/2"].version == "2.0.0"
    assert documents["spam/2"].stage == v1.ModelStage.MODEL_STAGE_STAGING
    assert documents["m-1"].artifact_uri == "file:///m-1"
    metric = documents["m-1"].options["mlflow"]["data"]["metrics"][0]
    assert (metric["dataset_name"], metric["run_id"]) == ("iris", "r1")
    assert documents["a-1"].feedback_value.bool_value
    trace = documents["a-1"].metadata["mlflow"]["trace_info"]
    assert trace["execution_duration"] == "0.03s"


@pytest.mark.parametrize(
    ("part", "ids"),
    [
        ("7", {"r1", "r2", "m-1", "a-1"}),
        ("7/r1", {"r1"}),
        ("7/models/m-1", {"m-1"}),
        ("models/spam", {"spam", "spam/2"}),
        ("models/spam/version-2", {"spam/2"}),
    ],
)
def test_a_part_of_a_store_is_read(store: Path, part: str, ids: set[str]) -> None:
    assert set(_import(store / part)[0]) == ids


def test_since(store: Path) -> None:
    found = set(_import(store, datetime(2026, 6, 1, tzinfo=UTC))[0])
    # A trace may get assessments at any time, and these runs have no end.
    assert found == {"r0", "r2", "r3", "a-1"}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("7/r1/meta.yaml", "a: [", "meta.yaml"),
        ("7/r1/meta.yaml", "[1]", "expected one object"),
        ("7/r1/metrics/loss", "1000 0.5 1\n1001 x 2\n", "loss, line 2: expected a time, a value"),
        ("7/r1/metrics/loss", "1000\n", "loss, line 1"),
        ("7/r1/params/lr", b"\xff", "lr: "),
    ],
)
def test_a_broken_record_is_left_out(
    store: Path, name: str, text: str | bytes, reason: str
) -> None:
    (store / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    documents, recorder = _import(store)
    assert "r1" not in documents
    assert "spam" in documents
    [error] = recorder.report().errors
    assert error.source == str(store / "7" / "r1")
    assert reason in error.reason


def test_metadata_are_read_as_their_writer_means_them(store: Path) -> None:
    # PyYAML quotes neither: only in YAML 1.2 the first one is a number.
    text = "digest: 12e45678\nname: 0o17\nsource_type: local\nsource: 2026-01-02\n"
    (store / "7" / "datasets" / "d1" / "meta.yaml").write_text(text, encoding="utf-8")
    dataset = _import(store)[0]["r1"].config.dataset_ref
    assert (dataset.name, dataset.digest) == ("0o17", "mlflow:12e45678")
    assert dataset.options["mlflow"]["source"] == "2026-01-02"


def test_a_folder_of_files_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}\nmodel_id: m-1\n", encoding="utf-8")
    (tmp_path / "runs.json").write_text('{"runs": [{"info": {"run_id": "a"}}]}', encoding="utf-8")
    assert set(_import(tmp_path)[0]) == {"m-1", "a"}
