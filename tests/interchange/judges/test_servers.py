"""The programs of others run: MLflow's server, OpenAI's instrumentation, lm-evaluation-harness."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import pytest
from interchange.judges import documents, providers
from interchange.judges.lm_eval_run import LmEvalRun
from interchange.judges.mlflow_runs import PARAMS, STEPS, Written
from interchange.judges.mlflow_server import MlflowServer
from interchange.judges.test_chat_judges import OPENAI_RESPONSE
from interchange.judges.wandb_run import WandbRun


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
    assert infinity.value == sys.float_info.max
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


def test_the_instrumented_client_writes_spans_and_events() -> None:
    messages = [{"role": "user", "content": "What is the weather?"}]
    written = providers.instrumented_openai(
        lambda client: client.chat.completions.create(model="gpt-5", messages=messages),
        OPENAI_RESPONSE,
    )
    [span] = documents.otlp_traces(written.traces).resource_spans[0].scope_spans[0].spans
    attributes = {item.key: item.value for item in span.attributes}
    assert attributes["gen_ai.operation.name"].string_value == "chat"
    assert attributes["gen_ai.usage.input_tokens"].int_value == 9
    assert "What is the weather?" in attributes["gen_ai.input.messages"].string_value
    logs = documents.otlp_logs(written.logs).resource_logs[0].scope_logs[0].log_records
    assert [log.event_name for log in logs] == ["gen_ai.client.inference.operation.details"]
    assert logs[0].span_id == span.span_id


def test_a_run_of_lm_eval(lm_eval_run: LmEvalRun) -> None:
    results = json.loads(lm_eval_run.results.read_text())
    assert results["config"]["model"] == "dummy"
    assert set(results["results"]) == {"yes_no"}
    assert 0 <= results["results"]["yes_no"]["acc,none"] <= 1
    assert results["n-samples"]["yes_no"]["effective"] == 8
    assert len(lm_eval_run.samples.read_text().splitlines()) == 8


def test_a_run_of_wandb(wandb_run: WandbRun) -> None:
    assert wandb_run.id
    assert wandb_run.config["lr"] == "0.1"
    assert wandb_run.summary["best"] == "0.25"
    history = [json.loads(row) for row in wandb_run.history]
    assert [row["_step"] for row in history] == [0, 1, 2, 3]
    assert [row.get("train/acc") for row in history] == [0, 1, 2, None]
    assert history[1]["loss"] == 0.5
    assert math.isnan(history[3]["loss"]) and math.isinf(history[3]["worst"])
