"""What needs a look on the first page: each sentence comes from documents and feedback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from web.console.browsing import Browser, Exchange

from crucible_ir import v1


@pytest.fixture(scope="module", autouse=True)
def _filled(exchange: Exchange) -> None:
    failed = v1.TrainingRun(id="hot", error_message="the loss is NaN")
    failed.config.id = failed.config.model_ref.id = failed.config.dataset_ref.name = "c"
    failed.status = v1.TrainingStatus.TRAINING_STATUS_FAILED
    running = v1.TrainingRun(id="warm", config=failed.config, current_epoch=1)
    running.status = v1.TrainingStatus.TRAINING_STATUS_RUNNING
    running.config.epochs = 4
    status = v1.DeploymentStatus(id="prod/status", deployment_id="prod", ready_replicas=1)
    status.total_replicas = 2
    status.state = v1.DeploymentState.DEPLOYMENT_STATE_ACTIVE
    status.health = v1.DeploymentHealth.DEPLOYMENT_HEALTH_DEGRADED
    status.traffic.add(model_version_id="v2", percent=25.0)
    result = v1.EvaluationResult(id="e", task="routing", model_version_id="v2")
    result.metrics.add(name="accuracy", value=0.92)
    now = datetime.now(UTC)
    events = []
    for number in range(480):
        is_new, is_second = number % 2 == 0, number % 4 < 2
        event = v1.FeedbackEvent(
            id=f"event-{number}",
            deployment_id="prod",
            model_version="v2" if is_second else "v1",
            # A day later one of the versions takes four times as long.
            latency_ms=400 if is_new and is_second else 100,
        )
        event.feedback_type = v1.FeedbackType.FEEDBACK_TYPE_THUMBS
        event.timestamp.FromDatetime(now - timedelta(hours=2 if is_new else 30))
        events.append(event)
    with exchange.client() as client:
        for document in (failed, running, status, result):
            client.publish(document)
        assert client.ingest(events).refused_count == 0


def test_first_page_says_what_needs_a_look(browser: Browser) -> None:
    attention = browser.json("/index.json")["attention"]
    notes = attention["notes"]
    assert [tuple(note[key] for key in ("kind", "headline", "id", "text")) for note in notes] == [
        ("bad", "Training failed", "hot", "the loss is NaN"),
        (
            *("warn", "Not healthy", "prod/status"),
            "state active, health degraded, 1 of 2 replicas ready",
        ),
        ("warn", "p99 latency doubled", "prod", "v2: 100 ms to 400 ms in a day"),
    ]
    assert attention["serving"][0]["shares"] == [{"version": "v2", "percent": 25.0}]
    [evaluation] = attention["evaluations"]
    assert (evaluation["metric"], evaluation["value"]) == ("accuracy", 0.92)
    [run] = attention["running"]
    assert (run["id"], run["epoch"], run["epochs"], run["percent"]) == ("warm", 1, 4, 25.0)
    page = browser.page("/")
    assert "Training failed" in page.one(id="look").text
    assert "25 %" in page.one(id="now").text and "epoch 1 of 4" in page.one(id="now").text


def test_reader_of_other_documents_sees_no_note(guarded: Exchange) -> None:
    with guarded.browser() as browser:
        browser.post("/sign-in", token=guarded.tokens["ingest"])
        assert browser.get("/", 403).status_code == 403
