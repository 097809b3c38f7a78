"""The pages of training runs: the list, one run, and several side by side."""

from __future__ import annotations

import math
from typing import Any

import pytest
from web.console.browsing import Browser, Exchange

from crucible_ir import v1
from crucible_ir.web.console.pages import runs

STEPS = 50


def run(id_: str, *, status: str = "completed", **config: Any) -> v1.TrainingRun:
    """Return a run whose loss at step n is 1 / n."""
    made = v1.TrainingRun(id=id_, status=f"TRAINING_STATUS_{status.upper()}")
    made.config.CopyFrom(v1.TrainingConfig(id=f"{id_}-config", **config))
    made.config.model_ref.id = made.config.model_ref.name = "tiny"
    made.config.dataset_ref.name = "data"
    made.started_at.seconds = 1_790_000_000
    for step in range(1, STEPS + 1):
        snapshot = made.metrics_history.add(step=step, epoch=step / 10)
        snapshot.values["loss"] = 1 / step
        snapshot.time.seconds = made.started_at.seconds + 60 * step
    return made


@pytest.fixture(scope="module", autouse=True)
def _runs(exchange: Exchange) -> None:
    diverged = run("hot", status="failed", learning_rate=0.5, options={"teacher": "big"})
    diverged.error_message = "it <b>diverged</b>"
    for snapshot in diverged.metrics_history[30:35]:
        snapshot.values["loss"] = math.inf
    for snapshot in diverged.metrics_history[35:]:
        snapshot.values["loss"] = math.nan
    plain = run("plain", learning_rate=0.1, epochs=3)
    plain.checkpoint_uris.extend(["s3://c/1", "s3://c/2"])
    plain.best_checkpoint_uri = "s3://c/1"
    bare = v1.TrainingRun(id="bare/1", config=plain.config)
    with exchange.client() as client:
        for document in (plain, diverged, bare):
            client.publish(document)


def test_list_has_state_and_last_value(browser: Browser) -> None:
    rows = {row["id"]: row for row in browser.json("/runs.json")["runs"]}
    assert rows["plain"]["status"] == {"name": "completed", "glyph": "done"}
    assert (rows["plain"]["metric"], rows["plain"]["last"]) == ("loss", 1 / STEPS)
    assert rows["hot"]["last"] == "NaN"
    assert rows["bare/1"]["last"] is None
    page = browser.page("/runs")
    assert len(page.one(id="runs").all("svg", class_="spark")) == 2
    assert page.all("a", href="/runs/bare~2F1")
    wrong = browser.page("/runs?filter=status+is+bad", 400)
    assert wrong.one("div", role="alert").text.startswith("Not a condition")
    failed = browser.json("/runs.json?status=failed&filter=id%3Dhot")
    assert [row["id"] for row in failed["runs"]] == ["hot"]
    assert browser.page("/runs?status=failed&filter=id%3Dplain").all("div", class_="void")


def test_list_has_pages(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = [row["id"] for row in browser.json("/runs.json")["runs"]]
    monkeypatch.setattr(runs, "_PAGE", 2)
    found, path = [], "/runs.json"
    while path:
        page = browser.json(path)
        found += [row["id"] for row in page["runs"]]
        path = page["later"].replace("/runs?", "/runs.json?")
    assert len(everything) > 2
    assert found == everything


def test_list_does_not_wait_for_a_slow_exchange(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(runs, "_SPARK_SECONDS", 0.0)
        data = browser.json("/runs.json")
        assert data["not_read"] == len(data["runs"]) > 2
    monkeypatch.setattr(runs, "_SPARK_SECONDS", 20.0)
    assert browser.json("/runs.json")["not_read"] == 0


def test_run_shows_its_curve_and_values(browser: Browser) -> None:
    data = browser.json("/runs/plain.json")
    [metric] = data["metrics"]
    assert metric["points"]["steps"] == list(range(1, STEPS + 1))
    assert metric["points"]["values"] == [1 / step for step in range(1, STEPS + 1)]
    assert (metric["last"], metric["step"], metric["high"]) == (1 / STEPS, STEPS, 1)
    assert data["checkpoints"] == ["s3://c/2", "s3://c/1"]
    page = browser.page("/runs/plain")
    assert "best" in page.one(id="checkpoints").all("li")[1].text
    # The axis ends at the last step, or 49 minutes after the first value.
    assert browser.page("/runs/plain?x=time&smooth=0.9").one("svg", data_xkind="time")
    chart = browser.page("/runs/plain?scale=log").one("svg", data_scale="log")
    assert float(chart.attributes["data-x1"]) == STEPS


def test_run_marks_values_that_are_not_finite(browser: Browser) -> None:
    [metric] = browser.json("/runs/hot.json")["metrics"]
    assert (metric["infinite_from"], metric["nan_from"]) == (31, 36)
    assert (metric["low"], metric["high"]) == (1 / 30, 1)
    page = browser.page("/runs/hot")
    assert "Failed: it <b>diverged</b>. NaN: loss from step 36." in page.one(id="head").text
    [chart] = page.all("svg", class_="chart")
    assert chart.all("path", class_="xm")


def test_part_of_a_run_has_more_points(exchange: Exchange, browser: Browser) -> None:
    [metric] = browser.json("/runs/plain.json?low=10&high=20")["metrics"]
    # One more on each side; the picture has those between.
    assert metric["points"]["steps"] == list(range(9, 22))
    assert (metric["last"], metric["step"]) == (1 / STEPS, STEPS)
    page = browser.page("/runs/plain?low=10&high=20&smooth=0.9")
    chart = page.one("svg", data_chart="curves").attributes
    assert (chart["data-x0"], chart["data-x1"]) == ("10.0", "20.0")
    assert page.all("a", href="/runs/plain?smooth=0.9")
    long = run("long")
    for step in range(STEPS + 1, 8_001):
        long.metrics_history.add(step=step, values={"loss": step % 7})
    with exchange.client() as client:
        client.publish(long)
    [coarse] = browser.json("/runs/long.json")["metrics"]
    [fine] = browser.json("/runs/long.json?low=1000&high=5000")["metrics"]
    inside = [step for step in coarse["points"]["steps"] if 1000 <= step <= 5000]
    assert len(fine["points"]["steps"]) > 1.5 * len(inside)
    assert min(fine["points"]["steps"]) > 900
    assert max(fine["points"]["steps"]) < 5100
    for query in ("low=x", "high=inf", "low=5&high=5"):
        assert browser.page(f"/runs/plain?{query}", 400)


def test_run_without_values_says_so(browser: Browser) -> None:
    assert (
        browser.page("/runs/bare~2F1")
        .one("div", class_="void")
        .text.startswith("No measurements yet")
    )
    assert browser.page("/runs/absent", 404)
    for query in ("x=week", "scale=cube", "smooth=1", "smooth=nan"):
        assert browser.page(f"/runs/plain?{query}", 400)


def test_run_grows(exchange: Exchange, browser: Browser) -> None:
    growing = run("growing", status="running", max_steps=100)
    with exchange.client() as client:
        client.publish(growing)
        before = browser.get("/runs/growing")
        assert "Running, at step" not in before.text
        client.append_metrics("growing", [v1.MetricsSnapshot(step=51, values={"loss": 9.0})])
    page = browser.page("/runs/growing")
    assert "Running, at step 51 of 100." in page.one(id="head").text
    [metric] = browser.json("/runs/growing.json")["metrics"]
    assert metric["last"] == 9


def test_comparison_shows_only_what_differs(browser: Browser) -> None:
    data = browser.json("/runs/compare.json?id=plain&id=hot&id=absent")
    assert [each["id"] for each in data["runs"]] == ["plain", "hot"]
    assert data["missing"] == ["absent"]
    assert {each["path"]: each["values"] for each in data["fields"]} == {
        "epochs": [3, None],
        "learning_rate": [0.1, 0.5],
        "options.teacher": [None, "big"],
    }
    assert {"model_ref.name", "dataset_ref.name"} <= set(data["equal"])
    # NaN is not the least.
    ranked = browser.json("/runs/compare.json?id=hot&id=plain&sort=last")
    assert ranked["ranking"] == [1, 0]
    assert [each["direction"] for each in ranked["orders"]] == ["", "ascending", "", ""]
    page = browser.page("/runs/compare?id=plain&id=hot&x=elapsed")
    assert page.one("svg", data_xkind="duration").attributes["data-x0"] == "60.0"
    assert [each.text for each in page.all("td", class_="ch")] == ["not set", "0.5", "big"]
    by_condition = browser.json("/runs/compare.json?status=failed&filter=id%3Dhot")
    assert [each["id"] for each in by_condition["runs"]] == ["hot"]


def test_comparison_lights_one_of_many(exchange: Exchange, browser: Browser) -> None:
    with exchange.client() as client:
        for number in range(10):
            client.publish(run(f"many-{number}", batch_size=2**number))
    ids = "&".join(f"id=many-{number}" for number in range(10))
    page = browser.page(f"/runs/compare?{ids}&lit=many-3")
    chart = page.one("svg", data_chart="curves")
    assert len(chart.all("path", class_="c0")) == 9
    assert page.one("svg", data_chart="parallel").one("path", class_="lit")
    assert "many-3" in page.one("tr", aria_selected="true").text
    ranked = browser.json(f"/runs/compare.json?{ids}&sort=-step")
    assert sorted(ranked["ranking"]) == list(range(10))
    too_many = "&".join(f"id={number}" for number in range(201))
    assert "201 runs" in browser.page(f"/runs/compare?{too_many}", 400).text
