"""The pages of deployments: the list, and one with its history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from web.console.browsing import Browser, Exchange

from crucible_ir import v1

ID = "shop/router"


def status(hours: float, state: str, health: str, **shares: float) -> v1.DeploymentStatus:
    """Return what was observed some hours ago."""
    made = v1.DeploymentStatus(
        id=f"{ID}/status",
        deployment_id=ID,
        state=f"DEPLOYMENT_STATE_{state.upper()}",
        ready_replicas=1,
        total_replicas=2,
    )
    if health == "flapping":
        made.custom_health = health
    else:
        made.health = getattr(v1.DeploymentHealth, f"DEPLOYMENT_HEALTH_{health.upper()}")
    made.updated_at.FromDatetime(datetime.now(UTC) - timedelta(hours=hours))
    for version, percent in shares.items():
        made.traffic.add(model_version_id=version, percent=percent)
    made.metrics["p99_ms"] = 100 / hours
    return made


@pytest.fixture(scope="module", autouse=True)
def _deployments(exchange: Exchange) -> Iterator[None]:
    config = v1.DeploymentConfig(id=ID, model_version_id="a", replicas=2)
    with exchange.client() as client:
        client.publish(config)
        client.publish(status(20, "active", "healthy", a=100))
        config.model_version_id = "b"
        config.traffic.add(model_version_id="b", percent=75)
        client.publish(config)
        client.publish(status(10, "canary", "flapping", a=90, b=10))
        client.publish(status(5, "promoting", "degraded", a=40, b=60))
        client.publish(v1.DeploymentConfig(id="quiet", model_version_id="a"))
    yield
    with exchange.client() as client:
        client.delete(v1.DeploymentStatus, f"{ID}/status")
        client.delete(v1.DeploymentConfig, ID)
        client.delete(v1.DeploymentConfig, "quiet")


def test_list_begins_with_what_needs_a_look(browser: Browser) -> None:
    data = browser.json("/deployments.json")
    assert data["sentences"] == [f"To look at: {ID} (promoting, degraded)."]
    rows = {row["id"]: row for row in data["deployments"]}
    assert next(iter(rows)) == ID
    observed = rows[ID]["observed"]
    assert observed["health"] == {"text": "degraded", "glyph": "warn"}
    assert {each["version"]: each["percent"] for each in observed["traffic"]} == {"a": 40, "b": 60}
    assert rows["quiet"]["observed"] is None
    page = browser.page("/deployments")
    assert page.all("a", href="/deployments/shop~2Frouter")
    assert page.all("a", href="/feedback?deployment=shop%2Frouter")


def test_deployment_has_its_states_and_plans(browser: Browser) -> None:
    data = browser.json("/deployments/shop~2Frouter.json")
    states = [
        (row["observed"]["state"]["text"], row["observed"]["health"]["text"])
        for row in data["observations"]
    ]
    assert states == [("promoting", "degraded"), ("canary", "flapping"), ("active", "healthy")]
    planned = {each["version"]: each["planned"] for each in data["now"]["traffic"]}
    assert planned == {"a": None, "b": 75}
    assert [row["revision"] for row in data["plans"]] == [2, 1]
    changed = {each["path"]: each["values"] for each in data["plans"][0]["changes"]}
    assert changed["model_version_id"] == ["a", "b"]
    page = browser.page("/deployments/shop~2Frouter")
    traffic, latency = page.all("svg", data_chart="curves")
    # The traffic of both versions, whose shares changed twice, on a scale from 0 to 100 %.
    assert (traffic.attributes["data-y0"], traffic.attributes["data-y1"]) == ("0.0", "1.0")
    assert len(traffic.all("g", class_="se")) == 2
    assert latency.attributes["aria-label"].startswith("p99_ms")


def test_deployment_without_a_status_or_at_all(browser: Browser) -> None:
    assert "Nothing was observed yet." in browser.page("/deployments/quiet").text
    assert browser.page("/deployments/absent", 404)
