"""Editing, promoting and merging documents."""

from __future__ import annotations

from itertools import count

import pytest
from web.console.browsing import Browser, Element, Exchange, parse

from crucible_ir import v1
from crucible_ir.exchange import PermissionDeniedError
from crucible_ir.web.console import checking

_numbers = count()


def published(exchange: Exchange) -> str:
    """Publish a new model version and return its id."""
    id_ = f"edited-{next(_numbers)}"
    version = v1.ModelVersion(
        id=id_, model_id="m", version="1.0.0", artifact_uri="s3://b/a", description="one"
    )
    version.stage = v1.ModelStage.MODEL_STAGE_STAGING
    with exchange.client() as client:
        client.publish(version)
    return id_


def change(exchange: Exchange, id_: str, **fields: object) -> None:
    """Publish a revision as another publisher."""
    with exchange.client() as client:
        content = client.get("ModelVersion", id_).content
        assert isinstance(content, v1.ModelVersion)
        for name, value in fields.items():
            setattr(content, name, value)
        client.publish(content)


def stored(exchange: Exchange, id_: str) -> v1.ModelVersion:
    """Return the latest revision."""
    with exchange.client() as client:
        content = client.get("ModelVersion", id_).content
        assert isinstance(content, v1.ModelVersion)
        return content


def form_of(page: Element) -> dict[str, str]:
    """Return the fields of the form of the editor, as a browser sends them."""
    [form] = [each for each in page.all("form") if "data-check" in each.attributes]
    fields = {
        each.attributes["name"]: each.attributes.get("value", "")
        for each in form.all("input")
        if "name" in each.attributes
    }
    for area in form.all("textarea"):
        # A browser drops the line break at the beginning, and sends CR LF.
        [text] = area.children
        assert isinstance(text, str)
        fields[area.attributes["name"]] = text.removeprefix("\n").replace("\n", "\r\n")
    return fields


def test_document_is_edited(exchange: Exchange, browser: Browser) -> None:
    id_ = published(exchange)
    path = f"/documents/ModelVersion/{id_}/edit"
    fields = form_of(browser.page(path))
    assert "description: one" in fields["text"]
    fields["text"] = fields["text"].replace("description: one", "description: two")
    answer = browser.post(path, format="yaml", **fields)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/documents/ModelVersion/{id_}"
    assert stored(exchange, id_).description == "two"


def test_check_reports_line_and_column_and_stores_nothing(browser: Browser) -> None:
    text = "id: x\r\nmodel_id: m\r\nversion: v1\r\nstagee: production\r\nartifact_uri: s3://b/a\r\n"
    answer = browser.post("/new/ModelVersion/check", text=text, format="yaml", etag="", base="0")
    assert answer.status_code == 200
    link = parse(answer.text).one(data_line="4")
    # The theme leads back to a page, not to where the form was sent.
    assert parse(answer.text).one("input", name_="next").attributes["value"] == "/new/ModelVersion"
    assert link.text == "4:1" and "did you mean" in parse(answer.text).one(id="verdict").text
    text = text.replace("stagee", "stage")
    verdict = parse(browser.post("/new/ModelVersion/check", text=text).text).one(id="verdict")
    assert "3:10" in verdict.text and "semantic version" in verdict.text
    text = text.replace("v1", "1.0.0").replace("s3://b/a", "s3://b/ a")
    verdict = parse(browser.post("/new/ModelVersion/check", text=text).text).one(id="verdict")
    assert "Valid" in verdict.text and "uri.malformed" in verdict.text and "5:15" in verdict.text
    browser.get("/documents/ModelVersion/x", 404)


@pytest.mark.parametrize("text", ["", "\ufeff", "{", "a: &a [*a]", "- 1", "\x00", "id: <script>"])
def test_bad_texts_are_shown_again(browser: Browser, text: str) -> None:
    answer = browser.post("/new/ModelVersion", text=text, format="yaml", etag="", base="0")
    assert answer.status_code == 400
    page = parse(answer.text)
    assert page.one(id="verdict").all("li")
    if "\x00" not in text and text:
        assert form_of(page)["text"] == text


def test_new_document_is_published_once(exchange: Exchange, browser: Browser) -> None:
    page = browser.page("/new/ModelVersion")
    assert "model_id" in form_of(page)["text"]
    text = '{"id": "made", "modelId": "m", "version": "1.0.0", "artifactUri": "s3://b/a",' + (
        ' "stage": "MODEL_STAGE_STAGING"}'
    )
    answer = browser.post("/new/ModelVersion", text=text, format="json", etag="", base="0")
    assert answer.headers["location"] == "/documents/ModelVersion/made"
    answer = browser.post(
        "/new/ModelVersion", text=text.replace("1.0.0", "1.0.1"), format="json", etag="", base="0"
    )
    assert answer.status_code == 409 and "exists already" in answer.text
    assert stored(exchange, "made").version == "1.0.0"


def test_id_and_immutable_fields_keep_their_values(exchange: Exchange, browser: Browser) -> None:
    id_ = published(exchange)
    path = f"/documents/ModelVersion/{id_}/edit"
    fields = form_of(browser.page(path))
    other = fields | {"text": fields["text"].replace(f"id: {id_}", "id: another")}
    assert browser.post(path, format="yaml", **other).status_code == 400
    moved = fields | {"text": fields["text"].replace("s3://b/a", "s3://b/c")}
    answer = browser.post(path, format="yaml", **moved)
    assert answer.status_code == 409 and "artifact_uri" in parse(answer.text).one(id="verdict").text


def test_changes_of_two_are_merged(exchange: Exchange, browser: Browser) -> None:
    id_ = published(exchange)
    path = f"/documents/ModelVersion/{id_}/edit"
    fields = form_of(browser.page(path))
    change(exchange, id_, created_by="lena")
    fields["text"] = fields["text"].replace("description: one", "description: mine")
    answer = browser.post(path, format="yaml", **fields)
    assert answer.status_code == 409 and "published revision 2" in answer.text
    assert stored(exchange, id_).description == "one"
    merged = form_of(parse(answer.text))
    assert "description: mine" in merged["text"] and "created_by: lena" in merged["text"]
    assert browser.post(path, format="yaml", **merged).status_code == 303
    both = stored(exchange, id_)
    assert (both.description, both.created_by) == ("mine", "lena")


def test_conflict_shows_three_values_and_takes_either(exchange: Exchange, browser: Browser) -> None:
    id_ = published(exchange)
    path = f"/documents/ModelVersion/{id_}/edit"
    fields = form_of(browser.page(path))
    change(exchange, id_, description="theirs", stage=v1.ModelStage.MODEL_STAGE_PRODUCTION)
    fields["text"] = fields["text"].replace("description: one", "description: mine")
    page = parse(browser.post(path, format="yaml", **fields).text)
    cells = [cell.text for cell in page.one("table").one("tbody").all("td")]
    assert cells == ["description", '"one"', '"mine"', '"theirs"']
    mine = form_of(page)
    assert "description: mine" in mine["text"] and "stage: production" in mine["text"]
    merge = f"/documents/ModelVersion/{id_}/merge"
    page = parse(browser.post(merge, format="yaml", take="theirs", **mine).text)
    theirs = form_of(page)
    assert "description: theirs" in theirs["text"]
    assert [cell.text for cell in page.one("table").one("tbody").all("td")] == cells
    # And back: nothing of the reader's text is lost.
    back = form_of(parse(browser.post(merge, format="yaml", take="mine", **theirs).text))
    assert back["text"] == mine["text"]
    assert browser.post(path, format="yaml", **back).status_code == 303
    both = stored(exchange, id_)
    assert (both.description, both.stage) == ("mine", v1.ModelStage.MODEL_STAGE_PRODUCTION)


def test_revision_is_restored_also_after_a_deletion(exchange: Exchange, browser: Browser) -> None:
    id_ = published(exchange)
    change(exchange, id_, description="two")
    path = f"/documents/ModelVersion/{id_}/edit"
    fields = form_of(browser.page(f"{path}?revision=1"))
    assert browser.post(path, format="yaml", **fields).status_code == 303
    assert stored(exchange, id_).description == "one"
    with exchange.client() as client:
        client.delete("ModelVersion", id_)
    fields = form_of(browser.page(path))
    assert browser.post(path, format="yaml", **fields).status_code == 303
    assert stored(exchange, id_).description == "one"


def test_stage_is_promoted_unless_another_publisher_was_faster(
    exchange: Exchange, browser: Browser
) -> None:
    id_ = published(exchange)
    path = f"/documents/ModelVersion/{id_}/promote"
    page = browser.page(path)
    etag = page.one("input", name_="etag").attributes["value"]
    names = [each.attributes["value"] for each in page.all("input", type="radio")]
    assert names == ["development", "staging", "production", "archived", "custom"]
    change(exchange, id_, description="two")
    answer = browser.post(path, to="production", etag=etag, revision="1")
    assert answer.status_code == 409 and "published revision 2" in answer.text
    etag = parse(answer.text).one("input", name_="etag").attributes["value"]
    assert browser.post(path, to="nonsense", etag=etag).status_code == 400
    assert browser.post(path, to="production", etag=etag).status_code == 303
    assert stored(exchange, id_).stage == v1.ModelStage.MODEL_STAGE_PRODUCTION
    etag = browser.page(path).one("input", name_="etag").attributes["value"]
    assert browser.post(path, to="custom", custom="shadow", etag=etag).status_code == 303
    assert stored(exchange, id_).custom_stage == "shadow"


def test_texts_of_strangers_are_not_read(
    guarded: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = published(guarded)

    def fail(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(checking, "_check", fail)
    with guarded.browser() as browser:
        for path in ("/playground", "/new/ModelRef/check", f"/documents/ModelVersion/{id_}/merge"):
            answer = browser.post(path, text="id: a", mine="id: a", type="ModelRef")
            assert answer.headers["location"].endswith("/sign-in"), path
        answer = browser.post("/new/ModelRef", text="id: kept")
        assert answer.status_code == 401 and "id: kept" in answer.text


def test_reader_without_the_role_keeps_the_text(guarded: Exchange) -> None:
    id_ = published(guarded)
    path = f"/documents/ModelVersion/{id_}/edit"
    with guarded.browser() as browser:
        browser.post("/sign-in", token=guarded.tokens["reader"])
        fields = form_of(browser.page(path))
        fields["text"] = fields["text"].replace("description: one", "description: two")
        answer = browser.post(path, format="yaml", **fields)
        assert answer.status_code == 403 and "does not permit" in answer.text
        assert form_of(parse(answer.text))["text"] == fields["text"]
        # A session that ended while the reader wrote.
        browser.client.cookies.clear()
        answer = browser.post(path, format="yaml", **fields)
        assert answer.status_code == 401 and "Your text is still here" in answer.text
        assert form_of(parse(answer.text))["text"] == fields["text"]
    with guarded.client("reader") as client, pytest.raises(PermissionDeniedError):
        client.publish(stored(guarded, id_))
