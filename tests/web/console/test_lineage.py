"""The page of a lineage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from web.console.browsing import Browser, Exchange

from crucible_ir import v1
from crucible_ir.web.console.urls import path_of

RUN_PAGE = path_of("documents", "TrainingRun", "run/<u>1")


@pytest.fixture(scope="module", autouse=True)
def _documents(exchange: Exchange) -> Iterator[None]:
    """A chain of three documents, with a missing end; one id is an attempt at XSS."""
    with exchange.client() as client:
        client.publish(v1.ModelRef(id="base"))
        run = v1.TrainingRun(id="run/<u>1", experiment_id="nowhere")
        run.status = v1.TrainingStatus.TRAINING_STATUS_COMPLETED
        run.config.id = "config"
        run.config.model_ref.id = "base"
        run.config.dataset_ref.name = "set"
        run.config.epochs = 1
        client.publish(run)
        for number in range(3):
            version = v1.ModelVersion(id=f"v{number}", model_id="base", version=f"1.{number}.0")
            version.stage = v1.ModelStage.MODEL_STAGE_STAGING
            version.training_run_id = run.id
            client.publish(version)
    yield


def test_references_are_followed_hop_by_hop(browser: Browser) -> None:
    data = browser.json("/documents/ModelVersion/v0/lineage.json?depth=1")
    nodes = {node["id"]: node for node in data["nodes"]}
    assert data["nodes"][0]["id"] == "v0"
    assert set(nodes) == {"v0", "base", "run/<u>1"}
    # The run comes from an experiment and a data set, and other versions come from the run.
    assert nodes["run/<u>1"]["hidden"] == 2
    opened = browser.json(nodes["run/<u>1"]["open_url"].replace("/lineage?", "/lineage.json?"))
    found = {node["id"]: node["state"] for node in opened["nodes"]}
    assert found["nowhere"] == "missing"
    assert {"v1", "v2"} <= set(found)
    assert {edge["field"] for edge in opened["edges"]} >= {"training_run_id", "experiment_id"}


def test_one_direction_leaves_out_the_other(browser: Browser) -> None:
    data = browser.json(f"{RUN_PAGE}/lineage.json?direction=downstream")
    assert {node["id"] for node in data["nodes"]} == {"run/<u>1", "v0", "v1", "v2"}
    assert data["direction"] == "downstream"
    browser.page("/documents/ModelVersion/v0/lineage?direction=sideways", status=400)
    browser.page("/documents/ModelVersion/none/lineage", status=404)


def test_the_page_has_the_graph_and_where_it_ends_too_early(browser: Browser) -> None:
    page = browser.page("/documents/ModelVersion/v0/lineage")
    assert page.one(id="graph").all("svg")
    ends = page.one(id="ends").text
    assert "nowhere" in ends
    assert "Never published here" in ends
    assert not page.one("main").all("u")
    assert "run/<u>1" in page.one(id="hops").text
    urls = [link.attributes["href"] for link in page.one(id="graph").all("a")]
    assert RUN_PAGE in urls


def test_many_documents_with_the_same_references_are_one_node(
    exchange: Exchange, browser: Browser
) -> None:
    with exchange.client() as client:
        client.publish(v1.DeploymentConfig(id="shop", model_version_id="v2"))
        report = client.ingest(
            v1.FeedbackEvent(id=f"f{number}", deployment_id="shop", model_version="v2")
            for number in range(20)
        )
        assert report.total == 20
    path = path_of("documents", "DeploymentConfig", "shop", "lineage")
    data = browser.json(f"{path}.json?direction=downstream")
    [events] = [node for node in data["nodes"] if node["type"] == "FeedbackEvent"]
    assert events["id"] == "20 documents"
    assert sorted(events["members"]) == sorted(f"f{number}" for number in range(20))
    assert data["counts"]["feedback"] == 20
    assert len(data["nodes"]) == 2
