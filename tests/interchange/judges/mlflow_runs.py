"""A run, a model and a trace with every kind of content, which MLflow's own client writes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from interchange.judges.mlflow_server import MlflowServer

STEPS = 10_000
#: The longest parameter that the server keeps.
LONGEST_PARAM = "p" * 6_000
PARAMS = {"epochs": "3", "learning_rate": "0.001", "long": LONGEST_PARAM, "text": 'ä "b"\n'}
TAGS = {"team": "vision", "mlflow.note.content": "A note.\n\n* a list"}
ODD_VALUES = {"nan": math.nan, "inf": math.inf, "minus_inf": -math.inf, "tiny": 5e-324}


class Written(NamedTuple):
    """The ids of what was written."""

    experiment: str
    run: str
    model: str
    trace: str


def write_everything(server: MlflowServer, name: str) -> Written:
    """Write a finished run, a registered model of two versions and a trace with assessments."""
    client = server.client()
    experiment = client.create_experiment(name, tags={"owner": "ada"})
    run = client.create_run(experiment, run_name="trial", tags=TAGS).info.run_id
    _log(client, run)
    client.set_terminated(run, "FINISHED", end_time=1_796_000_100_000)
    client.create_registered_model(name, tags={"task": "text"}, description="A classifier.")
    for number in ("1", "2"):
        client.create_model_version(
            name, f"s3://models/{name}/{number}", run, tags={"n": number}, description=number
        )
    client.set_registered_model_alias(name, "champion", "2")
    client.set_registered_model_alias(name, "oldest", "1")
    return Written(experiment, run, name, _write_trace(server, experiment))


def _log(client: Any, run: str) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    client.log_batch(run, params=[Param(key, value) for key, value in PARAMS.items()])
    losses = [Metric("loss", 1 / (n + 1), 1_796_000_000_000 + n, n) for n in range(STEPS)]
    for start in range(0, STEPS, 1_000):
        client.log_batch(run, metrics=losses[start : start + 1_000])
    odd = [Metric(key, value, 1_796_000_000_000, 0) for key, value in ODD_VALUES.items()]
    # Three values at one step, of three times, and a step before the first.
    three = [Metric("three", n, 1_796_000_000_000 + n, 7) for n in range(3)]
    client.log_batch(run, metrics=[*odd, *three, Metric("early", 1, 1_796_000_000_000, -1)])
    dataset = Dataset("imdb", "0a1b2c3d", "hugging_face", '{"path": "imdb"}', "{}", "{}")
    client.log_inputs(run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def _write_trace(server: MlflowServer, experiment: str) -> str:
    import mlflow
    from mlflow.entities import AssessmentSource

    mlflow.set_tracking_uri(server.url)
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_span("answer") as span:
        span.set_inputs({"question": "What is the weather?"})
        span.set_outputs({"answer": "Rain."})
    mlflow.flush_trace_async_logging()
    trace = str(span.trace_id)
    person = AssessmentSource("HUMAN", "ada@example.org")
    judge = AssessmentSource("LLM_JUDGE", "judge-1")
    mlflow.log_feedback(trace_id=trace, name="helpful", value=True, source=person)
    rated = mlflow.log_feedback(
        trace_id=trace,
        name="score",
        value=0.75,
        source=judge,
        rationale="Nearly.",
        metadata={"k": "v"},
    )
    mlflow.override_feedback(trace_id=trace, assessment_id=rated.assessment_id, value=0.5)
    mlflow.log_feedback(trace_id=trace, name="tone", value="kind", source=judge)
    mlflow.log_feedback(trace_id=trace, name="broken", error=ValueError("no answer"), source=judge)
    mlflow.log_expectation(trace_id=trace, name="expected", value="Sun.", source=person)
    return trace
