"""MLflow: a real client writes what we read, and reads what we write."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from interchange.judges.mlflow_server import MlflowServer

from crucible_ir import v1
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.report import Recorder
from crucible_ir.interchange.mlflow import FORMAT
from crucible_ir.interchange.mlflow.history import LARGEST

STEPS = 10_000


@pytest.fixture(scope="module")
def written(mlflow_client: Any) -> str:
    """Return the id of a run with every oddity, in an experiment of its own."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    experiment = mlflow_client.create_experiment("read by us")
    run = mlflow_client.create_run(
        experiment, run_name="odd", tags={"team": "a", "mlflow.parentRunId": "0" * 32}
    )
    run_id: str = run.info.run_id
    odd = [math.nan, math.inf, -math.inf, -0.0, 1e-320]
    metrics = [Metric("odd", value, 1000 + at, at) for at, value in enumerate(odd)]
    metrics += [Metric("thrice", value, 5000, 7) for value in (3.0, 1.0, 2.0)]
    metrics += [Metric("eval/f1 macro", 0.5, 2000, -3), Metric("late", 1.0, 100, 9)]
    params = [Param("lr", "1e-05"), Param("epochs", "3.0"), Param("note", "n" * 6000)]
    params += [Param("lines", "a\nb"), Param("empty", "")]
    tags = [RunTag("mlflow.source.git.commit", "0" * 40), RunTag("k", "v" * 4000)]
    mlflow_client.log_batch(run_id, metrics=metrics, params=params, tags=tags)
    for first in range(0, STEPS, 1000):
        steps = range(first, first + 1000)
        mlflow_client.log_batch(
            run_id, metrics=[Metric("loss", 1 / (step + 1), 10_000 + step, step) for step in steps]
        )
    dataset = Dataset("iris", "a1b2c3d4", "local", '{"uri": "/data/iris.csv"}', profile="{}")
    context = InputTag("mlflow.data.context", "training")
    mlflow_client.log_inputs(run_id, datasets=[DatasetInput(dataset, tags=[context])])
    mlflow_client.set_terminated(run_id, "FINISHED", end_time=20_000_000_000_000)
    deleted = mlflow_client.create_run(experiment)
    mlflow_client.delete_run(deleted.info.run_id)
    return run_id


def _import(address: str) -> tuple[list[Any], Recorder]:
    recorder = Recorder()
    records = FORMAT.records(address)
    found = [document for each in FORMAT.import_records(records, recorder) for document in each]
    assert not recorder.report().errors
    return found, recorder


def _kept(message: Any) -> Any:
    return json_values(message)["options"]["mlflow"]


def _step(row: v1.MetricsSnapshot) -> object:
    return row.step if row.HasField("step") else json_values(row)["other_values"]["step"]


def _page(server: MlflowServer, client: Any, experiment: str) -> str:
    found = client.get_experiment_by_name(experiment)
    return f"{server.url}/#/experiments/{found.experiment_id}"


def test_runs_of_the_client_are_read(
    mlflow_server: MlflowServer, mlflow_client: Any, written: str
) -> None:
    documents, recorder = _import(_page(mlflow_server, mlflow_client, "read by us"))
    assert recorder.report().counts["dropped"] == 0
    runs = {run.id: run for run in documents if isinstance(run, v1.TrainingRun)}
    assert len(runs) == 2
    run = runs[written]
    assert run.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED
    assert run.config.learning_rate == 1e-05
    assert run.config.epochs == 3
    assert _kept(run.config)["params"]["note"] == "n" * 6000
    assert _kept(run.config)["params"]["lines"] == "a\nb"
    assert run.config.dataset_ref.name == "iris"
    assert run.config.dataset_ref.uri == "/data/iris.csv"
    assert _kept(run)["tags"]["mlflow.parentRunId"] == "0" * 32
    assert _kept(run)["tags"]["k"] == "v" * 4000
    assert _kept(run)["experiment_name"] == "read by us"
    for name in ("odd", "thrice", "eval/f1 macro", "late", "loss"):
        theirs = mlflow_client.get_metric_history(written, name)
        ours = [row for row in run.metrics_history if name in row.values]
        assert len(ours) == len(theirs)
        for point, row in zip(theirs, ours, strict=True):
            assert row.time.ToMilliseconds() == point.timestamp
            assert (_step(row)) == point.step
            same = row.values[name] == point.value
            assert same or (math.isnan(point.value) and math.isnan(row.values[name]))
    again, _ = _import(_page(mlflow_server, mlflow_client, "read by us"))
    assert again == documents


def test_since_leaves_out_what_ended_before(
    mlflow_server: MlflowServer, mlflow_client: Any, written: str
) -> None:
    from datetime import UTC, datetime

    address = _page(mlflow_server, mlflow_client, "read by us")
    late = datetime(2700, 1, 1, tzinfo=UTC)
    records = [record.value["run"]["info"] for record in FORMAT.records(address, late)]
    assert written not in [info["run_id"] for info in records]
    # One that has not ended.
    assert len(records) == 1


def test_a_run_of_ours_is_read_by_the_client(
    mlflow_server: MlflowServer, mlflow_client: Any
) -> None:
    run = v1.TrainingRun(
        id="our run's 'id'",
        status="TRAINING_STATUS_FAILED",
        config=v1.TrainingConfig(
            id="config",
            model_ref=v1.ModelRef(id="gpt2"),
            dataset_ref=v1.DatasetRef(name="wikitext", digest="sha1:" + "a" * 40),
            epochs=3,
            learning_rate=1e-5,
        ),
        experiment_id="written by us",
        tags=["team=a", "fast"],
        error_message="out of memory",
        checkpoint_uris=["s3://bucket/1"],
    )
    run.started_at.FromMilliseconds(1_767_323_045_678)
    run.completed_at.FromMilliseconds(1_767_323_145_678)
    run.config.options["note"] = "n" * 3000
    values = [math.nan, math.inf, -math.inf, -0.0, *(1 / (step + 1) for step in range(STEPS))]
    for step, value in enumerate(values):
        row = run.metrics_history.add(step=step, values={"loss": value})
        row.time.FromMilliseconds(1_767_323_045_678 + step)
    for value in (3.0, 1.0, 2.0):
        run.metrics_history.add(step=7, values={"thrice": value})
    exported = FORMAT.export(run).obj
    assert FORMAT.send is not None
    made = FORMAT.send(mlflow_server.url, exported)
    assert FORMAT.send(mlflow_server.url, exported) == made

    experiment = mlflow_client.get_experiment_by_name("written by us")
    [found] = mlflow_client.search_runs([experiment.experiment_id])
    assert found.info.status == "FAILED"
    assert found.info.start_time == 1_767_323_045_678
    assert found.info.end_time == 1_767_323_145_678
    assert found.data.params["epochs"] == "3"
    assert found.data.params["learning_rate"] == "1e-05"
    assert found.data.tags["team"] == "a"
    assert found.data.tags["fast"] == ""
    [dataset] = found.inputs.dataset_inputs
    # MLflow has room for 36 characters of a digest.
    assert (dataset.dataset.name, dataset.dataset.digest) == ("wikitext", "a" * 36)
    history = mlflow_client.get_metric_history(found.info.run_id, "loss")
    assert math.isnan(history[0].value)
    assert [point.value for point in history[1:4]] == [LARGEST, -LARGEST, 0.0]
    assert [point.value for point in history[4:]] == values[4:]
    assert [point.step for point in history] == list(range(len(values)))
    thrice = mlflow_client.get_metric_history(found.info.run_id, "thrice")
    assert sorted(point.value for point in thrice) == [1.0, 2.0, 3.0]

    [again], _ = _import(_page(mlflow_server, mlflow_client, "written by us"))
    assert again.id == run.id
    assert again.config.id == "config"
    assert json_values(again)["config"]["options"]["note"] == "n" * 3000
    assert again.config.dataset_ref.digest == run.config.dataset_ref.digest
    assert again.error_message == "out of memory"
    assert again.checkpoint_uris == ["s3://bucket/1"]
    assert again.tags == run.tags
    assert len(again.metrics_history) == len(run.metrics_history)


def test_a_changed_run_is_updated(mlflow_server: MlflowServer, mlflow_client: Any) -> None:
    run = v1.TrainingRun(id="grows", experiment_id="updated by us", tags=["state=new"])
    run.config.id = "c"
    run.config.model_ref.id = "m"
    run.config.dataset_ref.name = "d"
    run.metrics_history.add(step=0, values={"loss": 1.0})
    assert FORMAT.send is not None
    FORMAT.send(mlflow_server.url, FORMAT.export(run).obj)
    run.metrics_history.add(step=1, values={"loss": 0.5})
    run.tags[:] = ["state=old"]
    run.config.epochs = 2
    FORMAT.send(mlflow_server.url, FORMAT.export(run).obj)
    experiment = mlflow_client.get_experiment_by_name("updated by us")
    [found] = mlflow_client.search_runs([experiment.experiment_id])
    assert found.data.tags["state"] == "old"
    assert found.data.params["epochs"] == "2"
    history = mlflow_client.get_metric_history(found.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 1.0), (1, 0.5)]


def test_models_versions_and_aliases(mlflow_server: MlflowServer, mlflow_client: Any) -> None:
    assert FORMAT.send is not None
    version = v1.ModelVersion(
        id="ours-2",
        model_id="lab/spam",
        version="2.1.0",
        artifact_uri="s3://bucket/spam",
        description="Second.",
        stage="MODEL_STAGE_PRODUCTION",
        tags=["approved=yes"],
        metrics={"f1": 0.9},
    )
    model = v1.ModelRef(id="lab/spam", tags=["team=a"], aliases={"champion": "ours-2"})
    for _ in range(2):
        FORMAT.send(mlflow_server.url, FORMAT.export(version).obj)
        FORMAT.send(mlflow_server.url, FORMAT.export(model).obj)
    found = mlflow_client.get_registered_model("lab_spam")
    assert found.tags["team"] == "a"
    [there] = mlflow_client.search_model_versions("name = 'lab_spam'")
    assert (there.version, there.source) == ("1", "s3://bucket/spam")
    assert there.current_stage == "Production"
    assert there.description == "Second."
    assert there.tags["approved"] == "yes"
    documents, _ = _import(mlflow_server.url)
    again = {document.id: document for document in documents}
    assert again["ours-2"].version == "2.1.0"
    assert again["ours-2"].model_id == "lab/spam"
    assert again["ours-2"].metrics["f1"] == 0.9
    assert again["lab/spam"].aliases["champion"] == "ours-2"


def test_versions_and_aliases_of_the_client_are_read(
    mlflow_server: MlflowServer, mlflow_client: Any
) -> None:
    mlflow_client.create_registered_model("read", tags={"x": "y"}, description="Read.")
    for _ in range(2):
        mlflow_client.create_model_version("read", source="s3://bucket/read", tags={"ok": "yes"})
    mlflow_client.set_registered_model_alias("read", "champion", "2")
    documents, _ = _import(mlflow_server.url)
    again = {document.id: document for document in documents}
    assert again["read"].aliases["champion"] == "read/2"
    assert again["read"].tags == ["x=y"]
    assert again["read/2"].version == "2.0.0"
    assert again["read/2"].tags == ["ok=yes"]
    # What was read goes back to its server without a change.
    before = mlflow_client.get_model_version("read", "2")
    assert FORMAT.send is not None
    FORMAT.send(mlflow_server.url, FORMAT.export(again["read/2"]).obj)
    FORMAT.send(mlflow_server.url, FORMAT.export(again["read"]).obj)
    after = mlflow_client.get_model_version("read", "2")
    assert dict(after) == dict(before)
    assert len(mlflow_client.search_model_versions("name = 'read'")) == 2


def test_assessments(mlflow_server: MlflowServer, mlflow_client: Any) -> None:
    import mlflow

    mlflow.set_tracking_uri(mlflow_server.url)
    mlflow.set_experiment("assessed")

    @mlflow.trace  # type: ignore[untyped-decorator,unused-ignore]
    def answer(question: str) -> str:
        return question

    answer("hi")
    mlflow.flush_trace_async_logging(terminate=False)
    trace_id = mlflow.get_last_active_trace_id()
    assert trace_id is not None
    source = mlflow.entities.AssessmentSource("HUMAN", "ada")
    mlflow.log_feedback(trace_id=trace_id, name="ok", value=True, source=source, rationale="fine")
    mlflow.log_feedback(trace_id=trace_id, name="stars", value=4)
    mlflow.log_expectation(trace_id=trace_id, name="wanted", value={"a": [1]})
    documents, _ = _import(_page(mlflow_server, mlflow_client, "assessed"))
    events = {event.name: event for event in documents if isinstance(event, v1.FeedbackEvent)}
    assert events["ok"].feedback_value.bool_value
    assert events["ok"].source_id == "ada"
    assert events["ok"].comment == "fine"
    assert events["stars"].feedback_type == v1.FeedbackType.FEEDBACK_TYPE_RATING
    assert json_values(events["wanted"])["feedback_value"] == {"a": [1]}
    assert all(event.trace_id == trace_id for event in events.values())

    ours = v1.FeedbackEvent(id="ours", name="clear", trace_id=trace_id, comment="short")
    ours.feedback_type = v1.FeedbackType.FEEDBACK_TYPE_THUMBS
    ours.feedback_value.string_value = "up"
    assert FORMAT.send is not None
    made = FORMAT.send(mlflow_server.url, FORMAT.export(ours).obj)
    assert FORMAT.send(mlflow_server.url, FORMAT.export(ours).obj) == made
    ours.comment = "long"
    assert FORMAT.send(mlflow_server.url, FORMAT.export(ours).obj) == made
    trace = mlflow_client.get_trace(trace_id)
    [found] = [each for each in trace.info.assessments if each.name == "clear"]
    assert (found.value, found.rationale) == ("up", "long")
    documents, _ = _import(_page(mlflow_server, mlflow_client, "assessed"))
    [again] = [event for event in documents if getattr(event, "name", "") == "clear"]
    assert again.id == "ours"
    assert again.feedback_type == v1.FeedbackType.FEEDBACK_TYPE_THUMBS


def test_an_mlmodel_file_is_read_by_mlflow(tmp_path: Path) -> None:
    from mlflow.models import Model

    file = Path(__file__).parents[1] / "documents" / "mlflow" / "MLmodel"
    [document] = _import(str(file))[0]
    assert FORMAT.write is not None
    (tmp_path / "MLmodel").write_bytes(FORMAT.write(FORMAT.export(document).obj))
    assert Model.load(tmp_path).to_dict() == Model.load(file.parent).to_dict()


def test_a_file_store_of_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    client = MlflowClient(tmp_path.as_uri(), tmp_path.as_uri())
    experiment = client.create_experiment("digits")
    run_id = client.create_run(experiment, run_name="a").info.run_id
    values = [math.nan, math.inf, -0.0, 1.5, 1.5]
    metrics = [Metric("eval/loss", value, 1000, min(at, 3)) for at, value in enumerate(values)]
    client.log_batch(run_id, metrics=metrics, params=[Param("notes", "n" * 5000)])
    client.create_registered_model("m")
    client.create_model_version("m", source="s3://bucket/m")
    documents, _ = _import(str(tmp_path))
    [run] = [document for document in documents if isinstance(document, v1.TrainingRun)]
    assert run.id == run_id
    assert [row.step for row in run.metrics_history] == [0, 1, 2, 3, 3]
    assert math.isnan(run.metrics_history[0].values["eval/loss"])
    assert run.metrics_history[1].values["eval/loss"] == math.inf
    assert math.copysign(1, run.metrics_history[2].values["eval/loss"]) == -1
    assert _kept(run.config)["params"]["notes"] == "n" * 5000
    versions = [each.id for each in documents if isinstance(each, v1.ModelVersion)]
    assert versions == ["m/1"]
