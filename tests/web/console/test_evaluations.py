"""The page of evaluations: differences have a colour only where a direction is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from web.console.browsing import Browser, Exchange

from crucible_ir import v1


def result(id_: str, version: str, minute: int, *metrics: dict[str, Any]) -> v1.EvaluationResult:
    """Return a result of a model on the task."""
    made = v1.EvaluationResult(id=id_, task="page task", model_version_id=version)
    made.completed_at.seconds = 1_790_000_000 + 60 * minute
    for metric in metrics:
        made.metrics.add(**metric)
    return made


def accuracy(value: float, stderr: float | None = None) -> dict[str, Any]:
    """Return a metric of which more is better."""
    error = {} if stderr is None else {"stderr": stderr}
    return {"name": "accuracy", "value": value, "higher_is_better": True, **error}


@pytest.fixture(scope="module", autouse=True)
def _results(exchange: Exchange) -> Iterator[None]:
    results = [
        result("e-old", "m-1", 0, accuracy(0.1)),
        result(
            "e-1",
            "m-1",
            1,
            accuracy(0.80, 0.01),
            {"name": "latency", "value": 100.0},
            {"name": "loss", "value": 0.5, "higher_is_better": False},
            {"name": "f1", "value": 0.4, "higher_is_better": True},
        ),
        result(
            "e-2",
            "m-2",
            2,
            # 0.02 of an error of 0.0141 is within 1.96 standard errors.
            accuracy(0.82, 0.01),
            {"name": "latency", "value": 50.0},
            {"name": "loss", "value": 0.7, "higher_is_better": False},
            {"name": "f1", "value": math.nan, "higher_is_better": True},
        ),
        result("e-3", "m-3", 3, accuracy(0.85, 0.01), {"name": "f1", "higher_is_better": True}),
    ]
    with exchange.client() as client:
        for each in results:
            client.publish(each)
    yield
    with exchange.client() as client:
        for each in results:
            client.delete(v1.EvaluationResult, each.id)


def test_latest_results_of_each_model_are_compared(browser: Browser) -> None:
    data = browser.json("/evaluations.json?task=page+task")
    assert [each["id"] for each in data["results"]] == ["e-1", "e-2", "e-3"]
    rows = {row["name"]: row for row in data["metrics"]}
    verdicts = {
        name: [cell and cell["verdict"] for cell in row["cells"]] for name, row in rows.items()
    }
    assert verdicts == {
        "accuracy": ["", "", "better"],
        "latency": ["", "", None],
        "loss": ["", "worse", None],
        "f1": ["", "", ""],
    }
    assert rows["loss"]["cells"][1]["difference"] == pytest.approx(0.2)
    assert rows["latency"]["higher_is_better"] is None
    assert [cell["value"] for cell in rows["f1"]["cells"]] == [0.4, "NaN", None]
    assert [cell["is_best"] for cell in rows["accuracy"]["cells"]] == [False, False, True]


def test_another_baseline(browser: Browser) -> None:
    page = browser.page("/evaluations?task=page+task&baseline=e-3")
    assert "m-3" in page.one("th", class_="ref").text
    colours = [each.text for each in page.all("span", class_="bad")]
    # accuracy of m-1, which is 0.05 below; that of m-2 is 0.03 below and 2.1 standard errors.
    assert colours == ["−0.05", "−0.03"]
    assert len(page.all("svg", data_chart="results")) == 3


def test_no_such_task(browser: Browser) -> None:
    assert "No results" in browser.page("/evaluations?task=absent").one("div", class_="void").text
