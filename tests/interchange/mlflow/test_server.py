"""Tracking servers: what is read from one, and what is sent to one."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cli.command_line import run
from interchange.mlflow.fake import FakeMlflow

from crucible_ir import v1
from crucible_ir.interchange.mapping.http import HttpError
from crucible_ir.interchange.mapping.report import Recorder
from crucible_ir.interchange.mlflow import FORMAT
from crucible_ir.interchange.mlflow.history import LARGEST
from crucible_ir.interchange.mlflow.publishing import send
from crucible_ir.interchange.mlflow.server import connect


@pytest.fixture
def server() -> Iterator[FakeMlflow]:
    fake = FakeMlflow()
    yield fake
    fake.stop()


def _run(number: int, **info: Any) -> dict[str, Any]:
    run_id = f"{number:032x}"
    made = {"run_id": run_id, "experiment_id": "0", "status": "FINISHED", **info}
    return {"info": made, "data": {"metrics": [], "params": [], "tags": []}, "inputs": {}}


def _import(address: str, since: datetime | None = None) -> tuple[list[Any], Recorder]:
    recorder = Recorder()
    records = FORMAT.records(address, since)
    found = FORMAT.import_records(records, recorder)
    return [document for each in found for document in each], recorder


def test_everything_is_read_page_by_page(server: FakeMlflow) -> None:
    server.experiments.append({"experiment_id": "1", "name": "one"})
    server.runs = [_run(number) for number in range(5)]
    points = [
        {"key": "loss", "value": 1.0 / (step + 1), "timestamp": step, "step": step}
        for step in range(5)
    ]
    server.history[f"{0:032x}", "loss"] = points
    server.runs[0]["data"]["metrics"] = points[-1:]
    server.logged_models = [{"info": {"model_id": "m-1"}}]
    server.models = [{"name": "spam", "latest_versions": [{"name": "spam", "version": "1"}]}]
    server.versions = [{"name": "spam", "version": str(number)} for number in (1, 2, 3)]
    server.traces = [{"trace_id": "tr-1", "assessments": [{"assessment_id": "a-1"}]}]
    documents, recorder = _import(server.url)
    assert recorder.report().errors == ()
    ids = [document.id for document in documents]
    # The server has one list of logged models and traces for both experiments.
    runs = [f"{number:032x}" for number in range(5)]
    assert ids == [*runs, "m-1", "a-1", "m-1", "a-1", "spam", "spam/1", "spam/2", "spam/3"]
    assert len(documents[0].metrics_history) == 5
    assert documents[0].options["mlflow"]["experiment_name"] == "Default"
    assert _import(server.url)[0] == documents


def test_a_page_of_the_web_interface_is_read_alone(server: FakeMlflow) -> None:
    server.experiments.append({"experiment_id": "1", "name": "one"})
    server.runs = [_run(1), _run(2, experiment_id="1"), _run(3, experiment_id="1")]
    found = [document.id for document in _import(f"{server.url}/#/experiments/1")[0]]
    assert found == [f"{number:032x}" for number in (2, 3)]
    address = f"{server.url}/#/experiments/1/runs/{3:032x}"
    assert [document.id for document in _import(address)[0]] == [f"{3:032x}"]
    with pytest.raises(HttpError, match="404 Run with id=9 not found"):
        _import(f"{server.url}/#/experiments/1/runs/9")


def test_since(server: FakeMlflow) -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    limit = int(since.timestamp() * 1000)
    server.runs = [_run(1, end_time=limit - 1), _run(2, end_time=limit), _run(3)]
    server.models = [{"name": name, "last_updated_timestamp": time} for name, time in _times(limit)]
    server.logged_models = [
        {"info": {"model_id": name, "last_updated_timestamp_ms": time}}
        for name, time in _times(limit)
    ]
    server.traces = [
        {"trace_id": "tr-1", "request_time": "2025-12-31T00:00:00Z", "assessments": []},
        {
            "trace_id": "tr-2",
            "request_time": "2025-12-31T00:00:00Z",
            "assessments": [{"assessment_id": "a", "last_update_time": "2026-01-01T00:00:00Z"}],
        },
        {"trace_id": "tr-3", "assessments": [{"assessment_id": "b", "last_update_time": "?"}]},
    ]
    found = [document.id for document in _import(server.url, since)[0]]
    assert found == [f"{2:032x}", f"{3:032x}", "new", "a", "b", "new"]


def _times(limit: int) -> list[tuple[str, int]]:
    return [("old", limit - 1), ("new", limit)]


def test_older_servers_lack_some_searches(server: FakeMlflow) -> None:
    server.missing = {"logged-models/search", "traces/search"}
    server.runs = [_run(1)]
    assert len(_import(server.url)[0]) == 1
    server.broken = {"traces/search"}
    with pytest.raises(HttpError, match="500 broken"):
        _import(server.url)


def test_a_history_that_cannot_be_read_is_an_error_of_its_run(server: FakeMlflow) -> None:
    server.runs = [_run(1), _run(2)]
    server.runs[0]["data"]["metrics"] = [{"key": "loss", "value": 1.0, "timestamp": 0, "step": 0}]
    server.broken = {"metrics/get-history"}
    documents, recorder = _import(server.url)
    assert [document.id for document in documents] == [f"{2:032x}"]
    [error] = recorder.report().errors
    assert error.source == f"{server.url}, run {1:032x}"
    assert "500 broken" in error.reason


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_TOKEN": "t", "MLFLOW_TRACKING_USERNAME": "u"}, "Bearer t"),
        ({"MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "p"}, "Basic dTpw"),
    ],
)
def test_credentials_of_the_environment(
    server: FakeMlflow, environment: dict[str, str], expected: str | None
) -> None:
    connect(server.url, environment).get(
        "api/2.0/mlflow/runs/get", [("run_id", "x")]
    ) if False else None
    with pytest.raises(HttpError):
        connect(server.url, environment).get("api/2.0/mlflow/nothing")
    assert server.headers.get("authorization") == expected


def _ours() -> v1.TrainingRun:
    run = v1.TrainingRun(id="it's ours", experiment_id="lab", tags=["team=a"])
    run.status = v1.TrainingStatus.TRAINING_STATUS_FAILED
    run.config.id = "c"
    run.config.model_ref.id = "m"
    run.config.dataset_ref.name = "d"
    run.config.dataset_ref.digest = "sha256:" + "a" * 64
    run.config.epochs = 2
    for step, value in enumerate((1.0, 0.5, math.inf, math.nan)):
        run.metrics_history.add(step=step, values={"loss": value})
    return run


def test_a_run_is_made_once(server: FakeMlflow) -> None:
    exported = FORMAT.export(_ours()).obj
    made = send(server.url, exported)
    # What a server with a database keeps.
    for point in server.history[server.runs[0]["info"]["run_id"], "loss"]:
        point["value"] = LARGEST if point["value"] == "Infinity" else point["value"]
    before = copy.deepcopy((server.runs, server.history))
    server.requests.clear()
    assert send(server.url, exported) == made
    assert (server.runs, server.history) == before
    assert server.writes() == [("POST", "runs/log-inputs"), ("POST", "runs/update")]
    [experiment] = [each for each in server.experiments if each["name"] == "lab"]
    assert server.runs[0]["info"]["experiment_id"] == experiment["experiment_id"]
    documents, _ = _import(server.url)
    [again] = documents
    assert again.id == "it's ours"
    assert again.config.dataset_ref.digest == "sha256:" + "a" * 64
    assert [row.step for row in again.metrics_history] == [0, 1, 2, 3]


def test_a_run_that_has_grown_is_updated(server: FakeMlflow) -> None:
    run = _ours()
    send(server.url, FORMAT.export(run).obj)
    run.metrics_history.add(step=4, values={"loss": 0.25, "new": 1.0})
    run.config.epochs = 3
    run.config.options["note"] = "n" * 7000
    run.config.seed = 7
    made = send(server.url, FORMAT.export(run).obj)
    assert "the server keeps another value of the param epochs" in made
    run_id = server.runs[0]["info"]["run_id"]
    assert [point["step"] for point in server.history[run_id, "loss"]] == [0, 1, 2, 3, 4]
    assert [point["step"] for point in server.history[run_id, "new"]] == [4]
    assert {"key": "seed", "value": "7"} in server.runs[0]["data"]["params"]


def test_a_run_goes_back_to_its_server(server: FakeMlflow) -> None:
    server.experiments.append({"experiment_id": "1", "name": "one"})
    run = _run(1, experiment_id="1", lifecycle_stage="deleted", run_name="r", start_time=5)
    run["data"]["params"] = [{"key": "notes", "value": "n" * 6001}]
    run["outputs"] = {"model_outputs": [{"model_id": "m-1"}]}
    server.runs = [run]
    before = copy.deepcopy(run)
    [document], _ = _import(server.url)
    made = send(server.url, FORMAT.export(document).obj)
    assert made.startswith(f"run {1:032x} of experiment 1")
    assert "cuts the param notes of 6,001 characters" in made
    assert "logged models of the run are not sent" in made
    assert server.runs == [before]
    assert ("POST", "runs/restore") in server.writes()
    # On another server, it is a new one, in an experiment of the same name.
    other = FakeMlflow()
    send(other.url, FORMAT.export(document).obj)
    other.stop()
    assert other.experiments[1]["name"] == "one"
    assert {"key": "crucible_ir.id", "value": f'"{1:032x}"'} in other.runs[0]["data"]["tags"]
    assert other.runs[0]["info"]["lifecycle_stage"] == "deleted"


def _version(**more: Any) -> v1.ModelVersion:
    return v1.ModelVersion(
        id="v", model_id="lab/spam", version="2.1.0", artifact_uri="s3://b/spam", **more
    )


def test_versions_and_models(server: FakeMlflow) -> None:
    version = _version(description="Second.", stage="MODEL_STAGE_PRODUCTION", tags=["ok=yes"])
    version.metrics["f1"] = 0.9
    model = v1.ModelRef(id="lab/spam", tags=["team=a"])
    model.aliases.update({"champion": "v", "old": "w"})
    assert send(server.url, FORMAT.export(version).obj) == "version 1 of lab_spam"
    send(server.url, FORMAT.export(model).obj)
    [there] = server.models
    assert there["aliases"] == [{"alias": "champion", "version": "1"}]
    server.requests.clear()
    assert send(server.url, FORMAT.export(version).obj) == "version 1 of lab_spam"
    assert server.writes() == []
    made = send(server.url, FORMAT.export(model).obj)
    assert made == "registered model lab_spam; the alias old is not set: there is no version w"
    documents, recorder = _import(server.url)
    assert recorder.report().errors == ()
    again = {document.id: document for document in documents}
    assert again["v"].version == "2.1.0"
    assert again["v"].metrics["f1"] == 0.9
    assert again["v"].stage == v1.ModelStage.MODEL_STAGE_PRODUCTION
    assert again["v"].model_id == "lab/spam"
    assert again["lab/spam"].aliases["champion"] == "v"
    version.description = "Better."
    version.tags[:] = ["ok=no"]
    send(server.url, FORMAT.export(version).obj)
    [found] = server.versions
    assert found["description"] == "Better."
    assert {"key": "ok", "value": "no"} in found["tags"]


def test_a_registered_model_is_updated(server: FakeMlflow) -> None:
    record = {
        "name": "spam",
        "description": "new",
        "tags": [{"key": "team", "value": "b"}],
        "aliases": [{"alias": "champion", "version": "1"}, {"alias": "none", "version": "9"}],
    }
    server.models = [{"name": "spam", "description": "old", "tags": [], "aliases": []}]
    server.versions = [{"name": "spam", "version": "1"}]
    made = send(server.url, {"registered_model": record})
    assert made == "registered model spam; the alias none is not set: there is no version 9"
    assert server.models == [{**record, "aliases": [{"alias": "champion", "version": "1"}]}]
    server.broken = {"registered-models/alias"}
    with pytest.raises(HttpError, match="500"):
        send(server.url, {"registered_model": record})


def test_a_version_needs_a_source(server: FakeMlflow) -> None:
    version = v1.ModelVersion(id="spam/1", model_id="spam", version="1.0.0")
    with pytest.raises(HttpError, match="has no artifact_uri"):
        send(server.url, FORMAT.export(version).obj)
    odd = {"name": "it's", "version": "1", "source": "models:/m-12", "current_stage": "odd"}
    made = send(server.url, {"model_version": {**odd, "aliases": ["a"]}})
    assert made == "version 1 of it's; MLflow has no stage odd"
    assert server.versions[0]["model_id"] == "m-12"
    assert server.models[0]["aliases"] == [{"alias": "a", "version": "1"}]


def test_assessments(server: FakeMlflow) -> None:
    server.traces = [{"trace_id": "tr-1", "assessments": []}]
    event = v1.FeedbackEvent(id="e", trace_id="tr-1", name="ok", comment="short")
    event.feedback_value.string_value = "up"
    made = send(server.url, FORMAT.export(event).obj)
    assert send(server.url, FORMAT.export(event).obj) == made
    [found] = server.traces[0]["assessments"]
    assert found["feedback"] == {"value": "up"}
    event.comment = "long"
    assert send(server.url, FORMAT.export(event).obj) == made
    assert server.traces[0]["assessments"][0]["rationale"] == "long"
    newer = v1.FeedbackEvent(id="f", trace_id="tr-1", name="ok", supersedes="e")
    send(server.url, FORMAT.export(newer).obj)
    assert server.traces[0]["assessments"][1]["overrides"] == found["assessment_id"]
    for bad, reason in (({}, "without trace_id"), ({"trace_id": "tr-9"}, "404")):
        with pytest.raises(HttpError, match=reason):
            send(server.url, {"assessment": bad})


def test_other_records_cannot_be_sent(server: FakeMlflow) -> None:
    with pytest.raises(HttpError, match="no such record is sent"):
        send(server.url, {"model": {"info": {"model_id": "m-1"}}})


def test_the_commands_read_from_a_server_and_send_to_one(
    server: FakeMlflow, tmp_path: Path
) -> None:
    server.runs = [_run(1)]
    server.logged_models = [{"info": {"model_id": "m-1"}}]
    address = server.url.replace("http://", "http://ada:secret@")
    file, report = str(tmp_path / "runs.jsonl"), tmp_path / "report.json"
    read = run("import-from", "mlflow", address, "-o", file, "--report", str(report))
    assert read.status == 0
    assert "secret" not in report.read_text(encoding="utf-8")
    sent = run("export-to", "mlflow", file, "--to", address)
    assert sent.status == 1
    assert sent.out == f"run {1:032x} of experiment 0\n"
    assert f"{server.url}: no such record is sent to a server" in sent.err
    server.stop()
    for arguments in (["import-from", "mlflow", address], ["export-to", "mlflow", file, "--to"]):
        gone = run(*arguments, *([address] if arguments[-1] == "--to" else []))
        assert gone.status == 2
        assert f"{server.url}: " in gone.err
        assert "onnection refused" in gone.err
        assert "secret" not in gone.err


def test_several_results_are_a_list_in_a_file(tmp_path: Path) -> None:
    source = tmp_path / "runs.json"
    source.write_text('{"runs": [{"info": {"run_id": "a"}}, {"info": {"run_id": "b"}}]}')
    file, back = str(tmp_path / "runs.jsonl"), tmp_path / "back.json"
    assert run("import-from", "mlflow", str(source), "-o", file).status == 0
    assert run("export-to", "mlflow", file, "-o", str(back)).status == 0
    ids = [record["run"]["info"]["run_id"] for record in json.loads(back.read_text())]
    assert ids == ["a", "b"]
    again = run("import-from", "mlflow", str(back), "--to", "jsonl")
    assert again.out == Path(file).read_text()
