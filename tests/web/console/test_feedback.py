"""The page of feedback: its figures are those of the events, and its sentences have thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from web.console.browsing import Browser, Exchange

from crucible_ir import v1
from crucible_ir.exchange import ExchangeClient

PROD = "feedback/prod"


def event(number: int, version: str, value: str, **fields: object) -> v1.FeedbackEvent:
    """Return an event of some hours ago."""
    made = v1.FeedbackEvent(
        id=f"fb-page-{number}",
        deployment_id=PROD,
        model_version=version,
        latency_ms=100 + number % 10,
    )
    made.feedback_type = v1.FeedbackType.FEEDBACK_TYPE_THUMBS
    made.feedback_value.string_value = value
    made.timestamp.FromDatetime(datetime.now(UTC) - timedelta(hours=30))
    for name, given in fields.items():
        setattr(made, name, given)
    return made


def publish_traffic(client: ExchangeClient, hours: float, **shares: float) -> None:
    """Publish what was observed some hours ago."""
    status = v1.DeploymentStatus(id=f"{PROD}/status", deployment_id=PROD)
    status.updated_at.FromDatetime(datetime.now(UTC) - timedelta(hours=hours))
    for version, percent in shares.items():
        status.traffic.add(model_version_id=f"v-{version}", percent=percent)
    client.publish(status)


@pytest.fixture(scope="module", autouse=True)
def _events(exchange: Exchange) -> Iterator[None]:
    with exchange.client() as client:
        # 48 of 80 against 56 of 70: Newcombe's example, +20 points with 5.2 to 33.4.
        events = [event(n, "v-old", "up" if n < 48 else "down") for n in range(80)]
        events += [event(100 + n, "v-new", "up" if n < 56 else "down") for n in range(70)]
        slow = [event(300 + n, "v-new", "up", latency_ms=400) for n in range(100)]
        fast = [event(500 + n, "v-new", "up", latency_ms=100) for n in range(100)]
        for each in (*slow, *fast):
            each.deployment_id = f"{PROD}-slow"
        for each in slow:
            each.timestamp.FromDatetime(datetime.now(UTC))
        odd = event(900, "", "<script>alert(1)</script>", comment="<b>no</b>")
        odd.ClearField("model_version")
        odd.feedback_type = v1.FeedbackType.FEEDBACK_TYPE_FLAG
        odd.input["text"] = "</td><img src=x>"
        client.ingest([*events, *slow, *fast, odd])
        publish_traffic(client, 48, old=100)
        publish_traffic(client, 31, old=60, new=40)
    yield
    with exchange.client() as client:
        client.delete(v1.DeploymentStatus, f"{PROD}/status")


def test_versions_are_compared_by_their_shares(browser: Browser) -> None:
    data = browser.json("/feedback.json?deployment=feedback%2Fprod")
    assert data["events"] == 151
    figures = {each["version"]: each["thumbs"] for each in data["versions"]}
    assert (figures["v-old"]["successes"], figures["v-old"]["count"]) == (48, 80)
    assert figures["v-new"]["share"] == 0.8
    # Newcombe, Statistics in Medicine 17 (1998), table II, method 10.
    assert data["difference"] == pytest.approx(
        {"difference": 0.2, "low": 0.0524, "high": 0.3339}, abs=5e-5
    )
    assert data["compared"] == ["v-new", "v-old"]
    [finding] = data["findings"]
    assert finding["text"].startswith("v-new has more thumbs up than v-old: +20.0 points")
    page = browser.page("/feedback?deployment=feedback%2Fprod")
    [chart] = page.all("svg", data_chart="rates")
    assert [each.text for each in chart.all("text", class_="mkl")] == ["v-new at 40 %"]
    assert "interval excludes 0" in page.one("details").text


def test_slower_answers_are_reported(browser: Browser) -> None:
    data = browser.json("/feedback.json?deployment=feedback%2Fprod-slow")
    assert [each["text"] for each in data["findings"]] == [
        "p99 of v-new is 400 ms in the last 24 hours, and was 100 ms before."
    ]


def test_examples_are_shown_on_request(browser: Browser) -> None:
    path = "/feedback?deployment=feedback%2Fprod&type=flag"
    assert not browser.page(path).all("table", class_="exs")
    table = browser.page(f"{path}&examples=yes").one("table", class_="exs")
    [row] = table.all("tr")[1:]
    assert "text: </td><img src=x>" in row.text
    assert "<script>alert(1)</script>" in row.text
    [example] = browser.json(f"{path.replace('?', '.json?', 1)}&examples=yes")["examples"]
    assert example["comment"] == "<b>no</b>"


def test_ranges_and_nothing(browser: Browser) -> None:
    assert browser.page("/feedback?deployment=none").one("div", class_="void")
    assert "24h, 7d" in browser.page("/feedback?range=1y", 400).text
    everything = browser.json("/feedback.json?range=7d")
    counts = {choice["text"]: count for choice, count in everything["deployments"]}
    assert counts[PROD] == 151
    assert counts[f"{PROD}-slow"] == 200
