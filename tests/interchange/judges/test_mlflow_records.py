"""MLflow: all records that the client wrote, and what a server does with values of its limits."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Any

import pytest
from google.protobuf.message import Message
from interchange.judges.mlflow_runs import ODD_VALUES, PARAMS, STEPS, Written
from interchange.judges.mlflow_server import MlflowServer

from crucible_ir import v1
from crucible_ir.interchange.mapping.report import Recorder
from crucible_ir.interchange.mlflow import FORMAT

LARGEST = sys.float_info.max


def imported(address: str) -> list[Message]:
    """Import all records of a page of a server."""
    recorder = Recorder()
    found = [
        document
        for documents in FORMAT.import_records(FORMAT.records(address), recorder)
        for document in documents
    ]
    assert not recorder.report().errors
    return found


def exported(server: MlflowServer, messages: Iterable[Message]) -> list[str]:
    """Export messages to a server, and return its remarks."""
    assert FORMAT.send is not None
    made = []
    for message in messages:
        result = FORMAT.export(message)
        assert not result.report.errors
        made.append(FORMAT.send(server.url, result.obj))
    return made


# The server itself


def test_the_mlflow_server_keeps_what_its_client_writes(
    mlflow_client: Any, mlflow_written: Written
) -> None:
    run = mlflow_client.get_run(mlflow_written.run)
    assert run.data.params == PARAMS
    history = mlflow_client.get_metric_history(mlflow_written.run, "loss")
    assert [metric.step for metric in history] == list(range(STEPS))
    [nan] = mlflow_client.get_metric_history(mlflow_written.run, "nan")
    assert math.isnan(nan.value)
    # The service has no infinity.
    [infinity] = mlflow_client.get_metric_history(mlflow_written.run, "inf")
    assert infinity.value == LARGEST
    champion = mlflow_client.get_model_version_by_alias(mlflow_written.model, "champion")
    assert champion.version == "2"
    assessments = mlflow_client.get_trace(mlflow_written.trace).info.assessments
    # Other tests write more.
    names = {item.name for item in assessments}
    assert names >= {"broken", "expected", "helpful", "score", "tone"}


def test_the_mlflow_server_rejects_what_is_wrong(
    mlflow_client: Any, mlflow_server: MlflowServer
) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="does-not-exist"):
        mlflow_client.get_run("does-not-exist")
    assert "/api/2.0/mlflow/runs/get" in mlflow_server.new_log()


# Importing what the client wrote


@pytest.fixture(scope="module")
def documents(mlflow_server: MlflowServer, mlflow_written: Written) -> list[Message]:
    """What the client wrote, imported from the server."""
    page = f"{mlflow_server.url}/#/experiments/{mlflow_written.experiment}"
    return imported(page)


def test_a_history_is_imported(documents: list[Message]) -> None:
    [run] = [each for each in documents if isinstance(each, v1.TrainingRun)]
    losses = [row for row in run.metrics_history if "loss" in row.values]
    assert [row.step for row in losses] == list(range(STEPS))
    assert [row.values["loss"] for row in losses] == [1 / (n + 1) for n in range(STEPS)]
    assert [row.time.ToMilliseconds() - 1_796_000_000_000 for row in losses] == list(range(STEPS))
    three = [row for row in run.metrics_history if "three" in row.values]
    assert [(row.step, row.values["three"]) for row in three] == [(7, 0), (7, 1), (7, 2)]
    values = {key: row.values[key] for row in run.metrics_history for key in row.values}
    assert math.isnan(values["nan"]) and values["tiny"] == ODD_VALUES["tiny"]
    # The server itself gives infinity so.
    assert (values["inf"], values["minus_inf"]) == (LARGEST, -LARGEST)
    [early] = [row for row in run.metrics_history if "early" in row.values]
    assert not early.HasField("step") and early.other_values["step"] == -1


def test_assessments_are_imported(documents: list[Message], mlflow_written: Written) -> None:
    events = [each for each in documents if isinstance(each, v1.FeedbackEvent)]
    assert {event.trace_id for event in events} == {mlflow_written.trace}
    by_name = {event.name: event for event in events if not event.supersedes}
    assert by_name["helpful"].feedback_value.bool_value is True
    assert by_name["helpful"].source_id == "ada@example.org"
    assert by_name["score"].feedback_value.number_value == 0.75
    assert by_name["score"].comment == "Nearly."
    assert by_name["tone"].feedback_value.string_value == "kind"
    assert not by_name["broken"].HasField("feedback_value")
    assert by_name["expected"].feedback_value.string_value == "Sun."
    [newer] = [event for event in events if event.supersedes]
    assert newer.supersedes == by_name["score"].id
    assert newer.feedback_value.number_value == 0.5


def test_models_are_imported(mlflow_server: MlflowServer, mlflow_written: Written) -> None:
    found = imported(mlflow_server.url)
    name = mlflow_written.model
    [model] = [each for each in found if isinstance(each, v1.ModelRef) and each.id == name]
    versions = {
        each.id: each
        for each in found
        if isinstance(each, v1.ModelVersion) and each.model_id == name
    }
    assert {each.version for each in versions.values()} == {"1.0.0", "2.0.0"}
    assert versions[model.aliases["champion"]].version == "2.0.0"
    assert versions[model.aliases["oldest"]].version == "1.0.0"
    champion = versions[model.aliases["champion"]]
    assert champion.training_run_id == mlflow_written.run
    assert champion.artifact_uri == f"s3://models/{name}/2"
    assert (list(champion.tags), champion.description) == (["n=2"], "2")


def test_a_second_import_and_an_export_change_nothing(
    documents: list[Message], mlflow_server: MlflowServer, mlflow_written: Written
) -> None:
    exported(mlflow_server, documents)
    page = f"{mlflow_server.url}/#/experiments/{mlflow_written.experiment}"
    assert imported(page) == documents


# Reading what was exported with the client


def test_a_param_of_seven_thousand_characters(
    mlflow_server: MlflowServer, mlflow_client: Any
) -> None:
    run = v1.TrainingRun(id="long", experiment_id="a long param")
    run.config.id = "config"
    run.config.model_ref.id = "bert"
    run.config.dataset_ref.name = "imdb"
    # As an import of a file store has it, which cuts nothing.
    run.config.options.update({"mlflow": {"params": {"note": "n" * 7_000}}})
    [made] = exported(mlflow_server, [run])
    assert "the server cuts the param note of 7,000 characters" in made
    experiment = mlflow_client.get_experiment_by_name("a long param")
    [found] = mlflow_client.search_runs([experiment.experiment_id])
    assert found.data.params["note"] == "n" * 6_000


def test_the_client_reads_models(mlflow_server: MlflowServer, mlflow_client: Any) -> None:
    model = v1.ModelRef(id="sentiment", tags=["task=text"])
    model.aliases["champion"] = "sentiment-2"
    versions = [
        v1.ModelVersion(
            id=f"sentiment-{number}",
            model_id="sentiment",
            version=f"1.{number}.0",
            artifact_uri=f"s3://models/sentiment/{number}",
            description=f"Version {number}.",
            stage=v1.ModelStage.MODEL_STAGE_PRODUCTION,
            tags=["reviewed=yes"],
        )
        for number in (1, 2)
    ]
    made = exported(mlflow_server, [*versions, model])
    assert exported(mlflow_server, [*versions, model]) == made
    found = mlflow_client.get_registered_model("sentiment")
    assert found.tags["task"] == "text"
    champion = mlflow_client.get_model_version_by_alias("sentiment", "champion")
    assert champion.description == "Version 2."
    assert champion.source == "s3://models/sentiment/2"
    assert champion.current_stage == "Production"
    assert champion.tags["reviewed"] == "yes"
    assert len(mlflow_client.search_model_versions("name='sentiment'")) == 2
    back = [each for each in imported(mlflow_server.url) if isinstance(each, v1.ModelVersion)]
    ours = {each.id: each.version for each in back if each.model_id == "sentiment"}
    assert ours == {"sentiment-1": "1.1.0", "sentiment-2": "1.2.0"}


def test_the_client_reads_assessments(
    mlflow_server: MlflowServer, mlflow_client: Any, mlflow_written: Written
) -> None:
    def event(name: str, kind: Any, value: Any) -> v1.FeedbackEvent:
        made = v1.FeedbackEvent(
            id=f"ours-{name}",
            deployment_id="d",
            feedback_type=kind,
            name=name,
            trace_id=mlflow_written.trace,
            comment="Why.",
            source_id="ada",
        )
        made.timestamp.FromMilliseconds(1_796_000_000_000)
        if isinstance(value, bool):
            made.feedback_value.bool_value = value
        elif isinstance(value, str):
            made.feedback_value.string_value = value
        else:
            made.feedback_value.number_value = value
        return made

    events = [
        event("good", v1.FeedbackType.FEEDBACK_TYPE_LABEL, True),
        event("stars", v1.FeedbackType.FEEDBACK_TYPE_RATING, 4.5),
        event("right", v1.FeedbackType.FEEDBACK_TYPE_CORRECTION, "Snow."),
    ]
    made = exported(mlflow_server, events)
    assert exported(mlflow_server, events) == made
    found = {
        item.name: item
        for item in mlflow_client.get_trace(mlflow_written.trace).info.assessments
        if item.name in ("good", "stars", "right")
    }
    assert found["good"].feedback.value is True
    assert found["stars"].feedback.value == 4.5
    assert found["right"].expectation.value == "Snow."
    assert found["good"].rationale == found["stars"].rationale == "Why."
    assert "the server keeps no rationale of an expectation" in made[2]
    assert {item.source.source_id for item in found.values()} == {"ada"}
