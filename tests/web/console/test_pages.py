"""What the pages show, in HTML and in JSON, also of documents with hostile ids and texts."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from exchange.unusual_ids import UNUSUAL_IDS
from web.console.browsing import Browser, Element, Exchange, parse

from crucible_ir import v1
from crucible_ir.web.console.rendering import static_file

HOSTILE = "'\"><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"

STAGES = [
    v1.ModelStage.MODEL_STAGE_DEVELOPMENT,
    v1.ModelStage.MODEL_STAGE_STAGING,
    v1.ModelStage.MODEL_STAGE_PRODUCTION,
]


@pytest.fixture(scope="module")
def filled(exchange: Exchange) -> Exchange:
    """The exchange with documents."""
    with exchange.client() as client:
        client.publish(v1.ModelRef(id=HOSTILE, name=HOSTILE))
        for id_ in UNUSUAL_IDS:
            client.publish(v1.ModelRef(id=id_))
        client.publish(v1.ModelRef(id="gone"))
        client.delete("ModelRef", "gone")
        for number in range(60):
            client.publish(_version(number))
        changed = _version(7, v1.ModelStage.MODEL_STAGE_PRODUCTION)
        changed.description = "the third pass"
        changed.metrics["loss"] = float("nan")
        client.publish(changed)
        run = v1.TrainingRun(id="run", config=v1.TrainingConfig(id="config"))
        run.config.model_ref.id = run.config.dataset_ref.name = "m"
        run.status = v1.TrainingStatus.TRAINING_STATUS_RUNNING
        client.publish(run)
        client.append_metrics("run", [v1.MetricsSnapshot(step=1, values={"loss": 0.5})])
    return exchange


def _version(number: int, stage: v1.ModelStage | None = None) -> v1.ModelVersion:
    version = v1.ModelVersion(
        id=f"v-{number:02}",
        model_id=HOSTILE,
        version=f"1.{number}.0",
        stage=STAGES[number % 3] if stage is None else stage,
        artifact_uri="s3://models/a b",
        metrics={"accuracy": number / 100, "words per second": number},
        description="the second pass",
    )
    version.options.update({"key": HOSTILE, HOSTILE: [1, {"a": None}]})
    return version


@pytest.fixture
def reader(filled: Exchange) -> Iterator[Browser]:
    """A browser at the filled exchange."""
    with filled.browser() as browser:
        yield browser


def rows(page: Element) -> list[str]:
    """Return the text of the rows of a page."""
    return [row.text for row in page.all(data_row="")]


def test_home_says_what_changed(reader: Browser) -> None:
    page = reader.page("/")
    changes = page.one(id="changes").text
    assert "stage staging → production" in changes and "and 1 more" in changes
    assert "1 snapshots of metrics" in changes
    home = reader.json("/index.json")
    newest = home["days"][0]["changes"][0]
    assert (newest["type"], newest["id"], newest["sequence"]) == (
        "TrainingRun",
        "run",
        home["latest"],
    )
    assert [run["id"] for run in home["attention"]["running"]] == ["run"]
    earlier = reader.json(home["earlier"].replace("/?", "/index.json?"))
    assert earlier["days"][0]["changes"][0]["sequence"] < newest["sequence"] - 30


def test_reader_sees_what_is_new(reader: Browser) -> None:
    latest = reader.json("/index.json")["latest"]
    reader.post("/seen", sequence=str(latest - 3))
    assert "2 changes since you looked" in reader.page("/").one("h1").text
    reader.post("/seen", sequence=str(latest))
    assert "Nothing changed" in reader.page("/").one("h1").text


def test_list_has_pages_filters_and_orders(reader: Browser) -> None:
    first = reader.json("/documents/ModelVersion.json")
    assert [row["id"] for row in first["rows"]] == [f"v-{59 - i:02}" for i in range(50)]
    second = reader.page(first["next"])
    assert len(rows(second)) == 10 and "51 to 60" in second.text
    columns = {column["name"] for column in first["columns"]}
    assert {"stage", "metrics.accuracy", "model_id", "version"} <= columns
    # The exchange cannot order by every name.
    ordered = {each["name"]: each["url"] for each in first["columns"] if each["kind"] == "number"}
    assert ordered["metrics.accuracy"] and ordered["metrics.words per second"] == ""
    best = reader.json("/documents/ModelVersion.json?sort=metrics.accuracy+desc&state=production")
    assert [row["id"] for row in best["rows"]][:3] == ["v-59", "v-56", "v-53"]
    query = quote("metrics.accuracy > 0.5 AND stage = staging")
    found = reader.json(f"/documents/ModelVersion.json?where={query}")
    assert [row["id"] for row in found["rows"]] == ["v-58", "v-55", "v-52"]
    assert len(reader.json("/documents/ModelVersion.json?where=v-0")["rows"]) == 10
    page = reader.page("/documents/ModelVersion?where=nothing")
    assert "No ModelVersion matches" in page.text and "Show all" in page.text
    page = reader.page("/documents/ModelVersion?where=nosuch%3D1", 400)
    assert page.one(id="problem").text and page.one(id="where").attributes["aria-invalid"] == "true"


def test_document_is_a_readable_tree(reader: Browser) -> None:
    page = reader.page("/documents/ModelVersion/v-07")
    tree = page.one("ol", class_="tree")
    by_path = {row.attributes["id"]: row for row in tree.all("li", data_row="")}
    assert "production" in by_path["stage"].one(class_="v").text
    assert by_path["model_id"].one(class_="v").one("a").attributes["href"].startswith("/documents/")
    assert by_path['metrics["loss"]'].one(class_="v").text == "NaN"
    assert "Semantic Versioning" in by_path["version"].one(role="tooltip").text
    assert "not set" in tree.text and "uri.malformed" in page.one(id="beside").text
    assert "lint" in by_path["artifact_uri"].attributes["class"]
    data = reader.json("/documents/ModelVersion/v-07.json")
    assert data["record"]["revision"] == data["latest"] == 2
    assert {row["path"] for row in data["tree"]} >= {"stage", "options", 'options["key"]'}


def test_defaults_are_dimmed(reader: Browser) -> None:
    tree = reader.json("/documents/TrainingRun/run.json")["tree"]
    [optimizer] = [row for row in tree if row["path"] == "config.loss_function"]
    assert optimizer["is_default"] and optimizer["value"] == "cross_entropy"
    assert reader.json("/documents/TrainingRun/run.json")["snapshots"] == 1


@pytest.mark.parametrize("format_", ["yaml", "json", "crucible-json", "text"])
def test_document_is_shown_and_saved_in_each_format(reader: Browser, format_: str) -> None:
    page = reader.page(f"/documents/ModelVersion/v-07?as={format_}")
    source = page.one(id="source")
    assert "the third pass" in source.attributes["data-text"]
    assert len(source.all("li")) == source.attributes["data-text"].rstrip("\n").count("\n") + 1
    file = reader.get(f"/documents/ModelVersion/v-07/file?as={format_}")
    assert file.headers["content-disposition"].startswith("attachment; ")
    assert "the third pass" in file.text


def test_history_compares_any_two_revisions(reader: Browser) -> None:
    data = reader.json("/documents/ModelVersion/v-07/history.json")
    assert [row["revision"] for row in data["revisions"]] == [2, 1]
    assert {row["path"]: row["kind"] for row in data["differences"]["rows"]} == {
        "stage": "changed",
        'metrics["loss"]': "added",
        "description": "changed",
    }
    page = reader.page("/documents/ModelVersion/v-07/history")
    assert [each.text for each in page.all("del")] == ["second"]
    assert [each.text for each in page.all("ins")] == ["third"]
    back = reader.json("/documents/ModelVersion/v-07/history.json?from=2&to=1")
    assert back["differences"]["counts"] == {"removed": 1, "changed": 2}
    assert "revision 1" in reader.page("/documents/ModelVersion/v-07?revision=1").text
    deleted = reader.page("/documents/ModelRef/gone/history")
    assert "deletion" in deleted.one("h1").parent.text  # type: ignore[union-attr]
    reader.get("/documents/ModelVersion/v-07/history?from=9", 404)


def test_feedback_event_says_what_it_refers_to(filled: Exchange, reader: Browser) -> None:
    with filled.client() as client:
        client.publish(v1.DeploymentConfig(id="d", model_version_id="v-07"))
        event = v1.FeedbackEvent(id="event", deployment_id="d")
        event.feedback_type = v1.FeedbackType.FEEDBACK_TYPE_THUMBS
        client.ingest([event])
    data = reader.json("/documents/FeedbackEvent/event.json", 404)
    assert [(each["type"], each["id"]) for each in data["refers_to"]] == [("DeploymentConfig", "d")]
    assert "feedback event" in reader.page("/documents/FeedbackEvent/event", 404).text
    reader.get("/documents/FeedbackEvent/none", 404)


def test_missing_documents_say_what_to_do(reader: Browser) -> None:
    assert "was deleted" in reader.page("/documents/ModelRef/gone", 404).one("h1").text
    near = reader.json("/documents/ModelVersion/v-077.json", 404)["near"]
    assert "v-07" in [link["text"] for link in near]
    problem = reader.json("/documents/ModelVersoin.json", 404)
    assert 'did you mean "ModelVersion"' in problem["reason"]
    assert reader.page("/nothing/here", 404).one("h1").text == "No such page"
    reader.get("/documents/ModelRef?first=-1", 400)


@pytest.mark.parametrize("id_", [*UNUSUAL_IDS, HOSTILE])
def test_every_id_has_a_page(reader: Browser, id_: str) -> None:
    [row] = [row for row in reader.json("/documents/ModelRef.json")["rows"] if row["id"] == id_]
    for path in (row["url"], f"{row['url']}/history"):
        assert reader.page(path).all("h1")
        assert reader.json(f"{path}.json")
    assert reader.json(f"{row['url']}.json")["record"]["id"] == id_
    assert reader.get(f"{row['url']}/file").content


def test_nothing_of_a_document_becomes_markup(reader: Browser) -> None:
    hostile = next(
        row["url"]
        for row in reader.json("/documents/ModelRef.json")["rows"]
        if row["id"] == HOSTILE
    )
    query = quote(HOSTILE)
    version = "/documents/ModelVersion/v-07"
    paths = [
        *("/", "/documents/ModelRef", "/documents/ModelVersion", hostile, f"{hostile}/history"),
        *(version, f"{version}?as=yaml", f"{version}?as=json", f"{version}/history"),
        *(f"/find?q={query}", f"/sign-in?next={query}"),
    ]
    failing = [f"/documents/ModelVersion?where={query}", f"/documents/{query.replace('/', '')}"]
    pages = [reader.client.get(path).text for path in [*paths, *failing]]
    assert sum("alert(1)" in page and "{{7*7}}" in page for page in pages) >= 8
    for text in pages:
        page = parse(text)
        assert not page.all("img")
        assert [each.attributes.keys() for each in page.all("script")] == [{"src", "defer"}]
        attributes = {name for each in page.all() for name in each.attributes}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_find_goes_to_what_it_finds(reader: Browser) -> None:
    def location(query: str) -> str:
        answer = reader.client.get(f"/find?q={quote(query)}", follow_redirects=False)
        return str(answer.headers.get("location"))

    assert location("modelversion") == "/documents/ModelVersion"
    assert location("ModelRef/..") == "/documents/ModelRef/~2E."
    assert location("v-33") == "/documents/ModelVersion/v-33"
    found = reader.json("/find.json?q=v-0")
    assert len(found["hits"]) == 5 and found["more"][0]["type"] == "ModelVersion"
    assert "No document" in reader.page("/find?q=nothing-like-this").text


def test_page_that_did_not_change_is_not_sent_again(reader: Browser) -> None:
    path = "/documents/ModelVersion/v-01"
    first = reader.get(path)
    again = reader.get(path, 304, headers={"if-none-match": first.headers["etag"]})
    assert not again.content
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["content-encoding"] == "gzip"


def test_pages_use_the_zone_and_the_theme_of_the_reader(reader: Browser) -> None:
    reader.client.cookies.set("tz", "Pacific/Kiritimati")
    reader.client.cookies.set("theme", "dark")
    page = reader.page("/documents/ModelVersion/v-01")
    assert page.one("html").attributes["data-theme"] == "dark"
    time = page.one(id="head").one("time")
    hour = int(time.attributes["datetime"][11:13])
    assert int(time.text[-5:-3]) == (hour + 14) % 24 and "UTC" in time.attributes["title"]


def test_script_is_small() -> None:
    script = static_file("console.js")
    assert script is not None and script.count(b"\n") <= 600
