"""`crucible-ir plot` with documents and feedback of an exchange."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from cli.command_line import run
from exchange.client.served import Served

from crucible_ir import v1
from crucible_ir.exchange import ExchangeClient


@pytest.fixture(autouse=True)
def environment(shared: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_SERVER", shared.address)
    monkeypatch.delenv("CRUCIBLE_IR_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


def publish_run(client: ExchangeClient, count: int) -> str:
    run_ = v1.TrainingRun(id=str(uuid.uuid4()))
    run_.config.id = "c"
    run_.config.model_ref.id = "m"
    run_.config.dataset_ref.name = "d"
    for step in range(count):
        run_.metrics_history.add(values={"loss": 1 / (1 + step)}, step=step)
    client.publish(run_)
    return run_.id


def test_runs_of_an_exchange_and_of_files_are_compared(
    client: ExchangeClient, tmp_path: Path
) -> None:
    first, second = publish_run(client, 400), publish_run(client, 3)
    assert run("fetch", "TrainingRun", second, "-o", "second.yaml").status == 0
    options = ("--max-points", 50, "-o", "runs.html")
    result = run("plot", first, "second.yaml", *options)
    assert (result.status, result.out) == (0, "runs.html: 1 chart\n")
    page = (tmp_path / "runs.html").read_text()
    assert first in page and second in page
    assert "points drawn" in page and "of 403 points drawn" in page
    assert run("plot", f"TrainingRun/{first}", "-o", "first.svg").status == 0


def test_results_of_an_exchange_are_drawn(client: ExchangeClient, tmp_path: Path) -> None:
    result = v1.EvaluationResult(id=str(uuid.uuid4()), task="mmlu")
    result.metrics.add(name="acc", value=0.5)
    client.publish(result)
    assert run("plot", f"EvaluationResult/{result.id}", "-o", "a.svg").status == 0
    assert "mmlu" in (tmp_path / "a.svg").read_text()


def test_the_feedback_on_a_deployment_has_marks_at_new_versions(
    client: ExchangeClient, tmp_path: Path
) -> None:
    deployment = v1.DeploymentConfig(id=str(uuid.uuid4()), model_version_id="version-one")
    client.publish(deployment)
    deployment.model_version_id = "version-two"
    client.publish(deployment)
    events = []
    for index in range(100):
        event = v1.FeedbackEvent(
            id=str(uuid.uuid4()),
            deployment_id=deployment.id,
            model_version="version-one",
            feedback_type=v1.FeedbackType.FEEDBACK_TYPE_THUMBS,
            latency_ms=index,
        )
        event.feedback_value.string_value = "up" if index % 4 else "down"
        event.timestamp.FromJsonString(f"2026-01-01T0{index % 3}:00:00Z")
        events.append(event)
    # Percentiles of two types cannot be added up: those of the most frequent one are drawn.
    rating = v1.FeedbackEvent(
        id=str(uuid.uuid4()),
        deployment_id=deployment.id,
        model_version="version-one",
        latency_ms=9000,
        feedback_type=v1.FeedbackType.FEEDBACK_TYPE_RATING,
    )
    rating.timestamp.FromJsonString("2026-01-01T01:00:00Z")
    events.append(rating)
    client.ingest(events)
    result = run("plot", f"DeploymentConfig/{deployment.id}", "-o", "out/")
    assert (result.status, result.err) == (0, "")
    text = (tmp_path / "out" / "Thumbs-up.svg").read_text()
    assert "windows of 1 h" in text and "version-two" in text
    latency = (tmp_path / "out" / "Latency-of-version-one.svg").read_text()
    assert "ms, of thumbs" in latency and "9,000" not in latency
    bucket = run("plot", f"DeploymentConfig/{deployment.id}", "--bucket", "1d", "-o", "b.svg")
    assert bucket.status == 0 and "windows of 1 d" in (tmp_path / "b.svg").read_text()


def test_what_the_exchange_does_not_have_is_reported(client: ExchangeClient) -> None:
    good = publish_run(client, 3)
    result = run("plot", "no-such-run", good, "-o", "a.svg")
    assert result.status == 1 and "no-such-run" in result.err
    assert Path("a.svg").exists()
    wrong = run("plot", "Prompt/x")
    assert wrong.status == 2
    assert "nothing to draw in Prompt: expected TrainingRun, EvaluationResult or" in wrong.err
