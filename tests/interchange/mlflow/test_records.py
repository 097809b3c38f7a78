"""Records of MLflow's REST API, and MLmodel files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from interchange.law import check_law

from crucible_ir import v1
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.reading import parse_foreign_yaml
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mlflow import FORMAT
from crucible_ir.interchange.mlflow.history import LARGEST

DOCUMENTS = Path(__file__).parents[1] / "documents" / "mlflow"
RUN_ID = "5f0c6d2e8b1a4c37a9e0f4d1b2c3a495"


def _record(name: str) -> Any:
    return json.loads((DOCUMENTS / name).read_text(encoding="utf-8"))


def _document(record: Any) -> Any:
    return json_values(check_law(FORMAT, record).documents[0])


def test_a_run() -> None:
    run = _document(_record("run.json"))
    assert run["id"] == RUN_ID
    assert run["status"] == "completed"
    assert run["started_at"] == "2026-01-02T03:04:05.678Z"
    assert run["completed_at"] == "2026-01-02T03:05:05.678Z"
    assert run["experiment_id"] == "7"
    assert run["tags"] == ["team=reviews", "baseline"]
    kept = run["options"]["mlflow"]
    assert kept["info"]["lifecycle_stage"] == "active"
    assert kept["tags"]["mlflow.parentRunId"] == "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
    assert kept["tags"]["mlflow.note.content"] == "Second try.\nWith warm-up."


def test_the_params_of_a_run_are_its_configuration() -> None:
    config = _document(_record("run.json"))["config"]
    assert config.pop("dataset_ref")["name"] == "reviews"
    kept = config.pop("options")["mlflow"]
    assert config == {
        "id": RUN_ID,
        "model_ref": {"id": "distilroberta-base"},
        "epochs": 3,
        "batch_size": 16,
        "learning_rate": 3e-05,
        "optimizer": "adamw_torch",
        "loss_function": "cross_entropy",
        "validation_split": 0.1,
        "device": "cuda",
        "seed": 42,
        "mixed_precision": True,
        "gradient_clipping": 1.0,
        "weight_decay": 0.01,
        "warmup_steps": 100,
        "gradient_accumulation_steps": 2,
        "learning_rate_schedule": "linear",
    }
    # The texts that do not come back from the values, and the params without a field.
    assert kept["params"]["num_train_epochs"] == "3.0"
    assert kept["params"]["max_steps"] == "-1"
    assert kept["params"]["optimizer"] == "AdamW"
    assert kept["params"]["class_weight"] == "{0: 1.0, 1: 2.5}"


def test_the_dataset_that_a_run_was_trained_on() -> None:
    dataset = _document(_record("run.json"))["config"]["dataset_ref"]
    assert dataset["provider"] == "huggingface"
    assert (dataset["split"], dataset["subset"]) == ("train", "en")
    assert dataset["digest"] == "mlflow:1b2c3d4e"
    assert dataset["schema"]["mlflow_colspec"][0]["name"] == "text"


def test_the_history_of_a_run() -> None:
    [run] = FORMAT.import_(_record("run.json")).documents
    assert isinstance(run, v1.TrainingRun)
    rows = [
        (row.step if row.HasField("step") else None, dict(row.values))
        for row in run.metrics_history
    ]
    accuracy = "eval/accuracy top-5"
    assert rows[:4] == [
        (None, {"warmup": 1.0}),
        (0, {"loss": 0.9}),
        (1, {"loss": 0.7, accuracy: 0.5}),
        (1, {"loss": 0.65}),
    ]
    assert math.isnan(rows[4][1]["loss"])
    assert rows[5:] == [(3, {"loss": LARGEST}), (4, {"loss": -math.inf, accuracy: 0.625})]
    assert run.metrics_history[0].other_values["step"] == -2
    assert run.metrics_history[2].time.ToJsonString() == "2026-01-02T03:04:06.250Z"
    kept = json_values(run)["options"]["mlflow"]["data"]["metric_history"]
    assert kept == {accuracy: {"0": {"dataset_name": "reviews", "dataset_digest": "9c1f07ab"}}}


def test_the_report_on_a_history_is_in_ranges() -> None:
    report = FORMAT.import_(_record("run.json")).report
    entry = report.entry_of(("run", "data", "metric_history", "loss", 3, "value"))
    assert entry is not None
    assert entry.outcome is Outcome.CONVERTED
    assert entry.source_values == ("NaN", "-Infinity")
    entry = report.entry_of(("run", "data", "metric_history", "loss", 4, "value"))
    assert entry is not None
    assert entry.outcome is Outcome.RENAMED
    assert "infinity" in entry.reason
    entry = report.entry_of(("run", "data", "metric_history", "loss", 0, "value"))
    assert entry is not None
    assert (entry.outcome, entry.reason) == (Outcome.RENAMED, "")


def test_values_that_the_schema_does_not_allow_are_kept_as_params() -> None:
    imported = check_law(FORMAT, _record("run_deleted.json"))
    [run] = map(json_values, imported.documents)
    assert run["id"] == "77aa0f"
    assert run["status"] == "cancelled"
    assert run["options"]["mlflow"]["info"] == {"run_id": "", "lifecycle_stage": "deleted"}
    assert run["config"]["options"]["mlflow"]["params"] == {"lr": "0", "epochs": "0.5"}
    reasons = {entry.path: entry.reason for entry in imported.report.entries}
    assert reasons["run.data.params[0].value"].startswith("must be greater than 0")
    assert reasons["run.data.params[1].value"] == "not a whole number"


@pytest.mark.parametrize(("length", "steps"), [(7_000, 10_000)])
def test_long_params_and_histories_are_whole(length: int, steps: int) -> None:
    points = [
        {"key": "loss", "value": 1.0 / (step + 1), "timestamp": 1_767_323_045_000, "step": step}
        for step in range(steps)
    ]
    data = {
        "params": [{"key": "notes", "value": "n" * length}],
        "metric_history": {"loss": points},
    }
    record = {"run": {"info": {"run_id": "r"}, "data": data}}
    [run] = FORMAT.import_(record).documents
    assert isinstance(run, v1.TrainingRun)
    assert len(run.metrics_history) == steps
    exported = FORMAT.export(run).obj["run"]["data"]
    assert exported["metric_history"] == {"loss": points}
    assert exported["params"] == data["params"]


def test_a_run_of_ours() -> None:
    run = v1.TrainingRun(
        id="run-1",
        config=v1.TrainingConfig(
            id="config-1",
            model_ref=v1.ModelRef(id="m", name="M"),
            dataset_ref=v1.DatasetRef(name="d", version="3", uri="s3://bucket/d"),
            epochs=3,
            metrics=["loss"],
            custom_optimizer="lion",
        ),
        tags=["team=a", "fast"],
        best_metrics={"loss": 0.5},
        checkpoint_uris=["s3://bucket/c"],
        current_epoch=2,
    )
    run.options["note"] = "n"
    row = run.metrics_history.add(step=1, epoch=0.5, values={"loss": 0.5})
    row.time.FromMilliseconds(1_767_323_045_678)
    exported = FORMAT.export(run)
    assert not exported.report.counts["dropped"]
    data = exported.obj["run"]["data"]
    assert {"key": "epochs", "value": "3"} in data["params"]
    assert {"key": "team", "value": "a"} in data["tags"]
    assert {"key": "fast", "value": ""} in data["tags"]
    assert {"key": "crucible_ir.best_metrics", "value": '{"loss": 0.5}'} in data["tags"]
    assert [point["key"] for point in data["metrics"]] == ["epoch", "loss"]
    [again] = FORMAT.import_(exported.obj).documents
    assert isinstance(again, v1.TrainingRun)
    assert again.config.model_ref == run.config.model_ref
    assert again.config.dataset_ref.version == "3"
    assert again.config.id == "config-1"
    assert again.config.custom_optimizer == "lion"
    assert again.best_metrics == run.best_metrics
    assert again.checkpoint_uris == run.checkpoint_uris
    assert again.options["note"] == "n"
    assert again.tags == run.tags


def test_a_changed_param_replaces_the_text_of_the_source() -> None:
    [run] = FORMAT.import_(_record("run.json")).documents
    assert isinstance(run, v1.TrainingRun)
    run.config.epochs = 4
    params = FORMAT.export(run).obj["run"]["data"]["params"]
    assert {"key": "num_train_epochs", "value": "4"} in params
    assert {"key": "learning_rate", "value": "3e-05"} in params


def test_a_registered_model_with_a_version() -> None:
    imported = FORMAT.import_(_record("registered_model.json"))
    model, version = map(json_values, imported.documents)
    assert model["id"] == "sentiment"
    assert model["tags"] == ["team=reviews"]
    assert model["aliases"] == {"champion": "sentiment/3", "baseline": "sentiment/1"}
    assert version["id"] == "sentiment/3"
    assert version["model_id"] == "sentiment"
    assert version["version"] == "3.0.0"
    assert version["stage"] == "production"
    assert version["training_run_id"] == RUN_ID
    assert version["options"]["mlflow"]["version"] == "3"
    obj = FORMAT.export(imported.documents[0]).obj["registered_model"]
    assert obj["aliases"] == _record("registered_model.json")["registered_model"]["aliases"]


def test_a_model_version() -> None:
    [version] = check_law(FORMAT, _record("model_version.json")).documents
    assert isinstance(version, v1.ModelVersion)
    assert version.metrics["f1"] == 0.91
    assert math.isnan(version.metrics["accuracy"])
    assert version.description == "Trained with warm-up."
    bare = _document(_record("model_version_none.json"))
    assert bare.keys() == {"id", "model_id", "version", "options"}
    version.version = "4.1.0"
    version.id = "v-4"
    obj = FORMAT.export(version).obj["model_version"]
    assert obj["version"] == "4.1.0"
    assert {"key": "crucible_ir.id", "value": '"v-4"'} in obj["tags"]


def test_a_logged_model_and_an_mlmodel_file_are_models() -> None:
    logged = _document(_record("logged_model.json"))
    assert logged["id"] == "m-0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6"
    assert logged["name"] == "classifier"
    [record] = FORMAT.records(str(DOCUMENTS / "MLmodel"))
    model = _document(record.value)
    assert model["id"] == logged["id"]
    assert model["framework"] == "sklearn"
    assert model["artifact_uri"] == "s3://models.example/7/models/m-0d1e/artifacts"
    [document] = FORMAT.import_(record.value).documents
    assert FORMAT.write is not None
    written = FORMAT.write(FORMAT.export(document).obj).decode()
    assert parse_foreign_yaml(written) == [record.value]
    assert json.loads(FORMAT.write(_record("run.json"))) == _record("run.json")
    nameless = check_law(FORMAT, {"flavors": {}, "artifact_path": "model"})
    assert json_values(nameless.documents[0])["id"].startswith("mlflow-")


def test_assessments_are_feedback() -> None:
    imported = FORMAT.import_(_record("traces.json"))
    assert not imported.report.counts["dropped"]
    events = {event["id"]: event for event in map(json_values, imported.documents)}
    assert events["a-helpful"]["feedback_type"] == "label"
    assert events["a-helpful"]["feedback_value"] is True
    assert events["a-helpful"]["comment"] == "It answers the question."
    assert (events["a-helpful"]["source"], events["a-helpful"]["source_id"]) == ("human", "ada")
    assert events["a-relevance"]["feedback_type"] == "rating"
    assert events["a-relevance-2"]["supersedes"] == "a-relevance"
    assert "feedback_value" not in events["a-failed"]
    error = events["a-failed"]["metadata"]["mlflow"]["feedback"]["error"]
    assert error["error_code"] == "TIMEOUT"
    assert events["a-expected"]["feedback_type"] == "correction"
    assert events["a-expected-calls"]["feedback_value"] == {"calls": ["greet"]}
    assert all(event["trace_id"] == "tr-51" for event in events.values())
    obj = [FORMAT.export(event).obj["assessment"] for event in imported.documents]
    assert obj == _record("traces.json")["traces"][0]["assessments"]


def test_feedback_of_ours() -> None:
    event = v1.FeedbackEvent(id="e", feedback_type="FEEDBACK_TYPE_THUMBS", latency_ms=20)
    event.feedback_value.string_value = "up"
    event.metadata["note"] = {"a": 1}
    obj = FORMAT.export(event).obj
    assert obj["assessment"]["feedback"] == {"value": "up"}
    [again] = FORMAT.import_(obj).documents
    assert again == event
    plain = v1.FeedbackEvent(id="e", name="n")
    plain.feedback_type = v1.FeedbackType.FEEDBACK_TYPE_CORRECTION
    plain.feedback_value.string_value = "better"
    assert FORMAT.export(plain).obj["assessment"]["expectation"] == {"value": "better"}


_POINT = {"key": "loss", "value": 0.5, "timestamp": 1_767_323_045_000, "step": 0}


def _run_of(data: Any, **more: Any) -> Any:
    return {"run": {"info": {"run_id": "r"}, "data": data, **more}}


@pytest.mark.parametrize(
    "record",
    [
        # The history and the last value disagree, or one of them is odd.
        _run_of({"metrics": [_POINT], "metric_history": {"loss": []}}),
        _run_of({"metrics": [_POINT], "metric_history": {"loss": [_POINT, 3]}}),
        _run_of({"metrics": [_POINT], "metric_history": {"loss": [{**_POINT, "step": 9}]}}),
        _run_of({"metrics": [_POINT, _POINT]}),
        _run_of({"metrics": {"loss": 1}, "metric_history": 3}),
        _run_of({"metrics": [{**_POINT, "timestamp": 2**60, "step": 2**60}]}),
        _run_of({"metric_history": {"loss": [{**_POINT, "value": 2**60}], "\ud800": [_POINT]}}),
        _run_of({"metric_history": {"loss": [{"value": True}], "x": [{**_POINT, "key": "y"}]}}),
        # Points whose times go back: the order of each metric is kept.
        _run_of(
            {
                "metric_history": {
                    "a": [{**_POINT, "key": "a", "timestamp": time} for time in (5, 3, 4)],
                    "b": [{**_POINT, "key": "b", "timestamp": time} for time in (5, 5, 1)],
                }
            }
        ),
        # Lists that are no pairs.
        _run_of({"tags": [{"key": "a"}], "params": [{"key": "a", "value": "1", "more": 1}]}),
        _run_of({"tags": {"a": "b"}, "params": [{"key": "\ud800", "value": ""}, 1]}),
        _run_of({"params": [{"key": "lr", "value": "0"}, {"key": "learning_rate", "value": "1"}]}),
        _run_of({"tags": [{"key": "crucible_ir.id", "value": '"ours"'}]}),
        _run_of({"tags": [{"key": "crucible_ir.options.mlflow", "value": "{}"}]}),
        _run_of({"tags": [{"key": "a=b", "value": "c"}, {"key": "long", "value": "v" * 300}]}),
        _run_of({}, inputs={"dataset_inputs": [3, {"dataset": {"name": ""}}]}, order=1, tags=None),
        {"assessment": {"assessment_id": "a", "metadata": {"crucible_ir.metadata.k": "null"}}},
        {"assessment": {"trace_id": "t", "feedback": {"value": []}}},
        {
            "assessment": {
                "assessment_id": "a",
                "expectation": {"value": "x"},
                "metadata": {"crucible_ir.feedback_type": '"label"'},
            }
        },
        {"model_version": {"name": "m", "version": "x", "current_stage": "production"}},
        {"registered_model": {"name": "m", "aliases": [{"alias": "a", "version": 3}], "tags": 1}},
    ],
)
def test_odd_records_come_back(record: Any) -> None:
    check_law(FORMAT, record)


def test_a_param_that_may_be_cut_has_a_remark() -> None:
    record = _run_of({"params": [{"key": "notes", "value": "n" * 6000}]})
    entry = FORMAT.import_(record).report.entry_of(("run", "data", "params", 0, "value"))
    assert entry is not None
    assert entry.outcome is Outcome.OPAQUE
    assert "cut" in entry.reason


def test_secrets_are_left_out() -> None:
    secret = "hf_" + "aB3" * 12
    params = [{"key": "lr", "value": "0.1"}, {"key": "hub_token", "value": secret}]
    tags = [{"key": "api_key", "value": "s3cr3t"}, {"key": "team", "value": "a"}]
    imported = check_law(FORMAT, _run_of({"params": params, "tags": tags}))
    shown = json.dumps(imported.report.as_json()) + str(imported.documents)
    assert secret not in shown
    assert "s3cr3t" not in shown
    assert imported.report.counts["dropped"] == 2
    assert json_values(imported.documents[0])["tags"] == ["team=a"]


def test_fields_that_are_labels_and_names_of_mlflow() -> None:
    run = v1.TrainingRun(id="r", tags=["mlflow.x=1", "", "a=", "b"])
    run.config.id = "r"
    run.config.model_ref.id = "m"
    run.config.dataset_ref.name = "d"
    [again] = FORMAT.import_(FORMAT.export(run).obj).documents
    assert isinstance(again, v1.TrainingRun)
    assert again.tags == run.tags
    model = v1.ModelRef(id="m", aliases={"champion": "elsewhere"})
    [back] = FORMAT.import_(FORMAT.export(model).obj).documents
    assert isinstance(back, v1.ModelRef)
    assert back.aliases == model.aliases


def test_a_changed_dataset_replaces_its_source() -> None:
    [run] = FORMAT.import_(_record("run.json")).documents
    assert isinstance(run, v1.TrainingRun)
    run.config.dataset_ref.uri = "s3://new"
    [again] = FORMAT.import_(FORMAT.export(run).obj).documents
    assert isinstance(again, v1.TrainingRun)
    assert again.config.dataset_ref.uri == "s3://new"
    assert again.config.dataset_ref.subset == "en"


def test_a_trace_without_assessments_has_no_document() -> None:
    imported = FORMAT.import_({"trace": {"trace_info": {"trace_id": "tr-1"}}})
    assert imported.documents == []
    [entry] = imported.report.entries
    assert entry.outcome is Outcome.DROPPED


@pytest.mark.parametrize(
    ("record", "path", "reason"),
    [
        ({"run": {"data": {}}}, "run", "info"),
        ({"run": {"info": {"run_id": ""}}}, "run.info", "run_id"),
        ({"run": {"info": {"run_id": "x" * 600}}}, "run.info.run_id", "512"),
        ({"registered_model": {}}, "registered_model", "name"),
        ({"model_version": {"name": "m"}}, "model_version", "version"),
        ({"model": {"info": {}}}, "model", "model_id"),
        ({"trace": {"trace_info": {"assessments": [3]}}}, "trace.trace_info.assessments[0]", "obj"),
        ({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no run"}, "", "no run"),
        ({"metrics": []}, "", "a history of metrics without its run"),
        ({"loss": {"metrics": []}}, "", "a history of metrics without its run"),
        ({"experiment": {}}, "", "expected one of the keys run"),
    ],
)
def test_errors_say_where(record: Any, path: str, reason: str) -> None:
    [error] = FORMAT.import_(record).report.errors
    assert error.path == path
    assert reason in error.reason


def test_one_bad_record_of_many_is_left_out() -> None:
    runs = [{"info": {"run_id": "a"}}, {"info": {}}, {"info": {"run_id": "b"}}]
    imported = FORMAT.import_({"runs": runs})
    assert [run.id for run in imported.documents if isinstance(run, v1.TrainingRun)] == ["a", "b"]
    assert [error.path for error in imported.report.errors] == ["[1].run.info"]


@pytest.mark.parametrize("status", ["paused", "preempted"])
def test_a_status_that_mlflow_does_not_have_becomes_a_tag(status: str) -> None:
    exported = FORMAT.export(v1.TrainingRun(id="r", status=f"TRAINING_STATUS_{status.upper()}"))
    assert "status" not in exported.obj["run"]["info"]
    assert exported.report.counts["converted"] == 1
    assert _document(exported.obj)["status"] == status


def test_a_source_that_mlflow_does_not_have_becomes_metadata() -> None:
    event = v1.FeedbackEvent(id="e", custom_source="crowd", source_id="team 3")
    exported = FORMAT.export(event)
    assert exported.obj["assessment"]["source"] == {"source_id": "team 3"}
    assert exported.report.counts["converted"] == 1
    assert _document(exported.obj)["source"] == "crowd"


@pytest.mark.parametrize("key", [{}, 0, None])
def test_metrics_of_a_version_without_names_stay_as_they_are(key: object) -> None:
    version = {"name": "m", "version": "3", "model_metrics": [{"key": key, "value": 0.5}]}
    assert "metrics" not in _document({"model_version": version})
