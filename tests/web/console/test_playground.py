"""The page on which texts are tried."""

from __future__ import annotations

from web.console.browsing import Browser, Element, parse

import crucible_ir as ir
from crucible_ir import v1

TEXT = "id: m1\nprovider: huggingface\n"


def tried(browser: Browser, text: str, type_: str = "") -> Element:
    """Return the page for a text in YAML."""
    response = browser.post("/playground", text=text, format="yaml", type=type_)
    assert response.status_code == 200, response.text
    return parse(response.text)


def test_a_valid_text_is_converted_to_the_other_formats(browser: Browser) -> None:
    page = tried(browser, TEXT, "ModelRef")
    assert "Valid ModelRef" in page.one(id="verdict").text
    message = v1.ModelRef(id="m1", provider="MODEL_PROVIDER_HUGGINGFACE")
    assert ir.digest(message) in page.one(id="verdict").text
    text = page.one(id="as-json").attributes["data-text"]
    assert ir.from_json(text, "ModelRef") == message
    crucible = page.one(id="as-crucible-json").attributes["data-text"]
    assert ir.from_crucible_json(crucible, "ModelRef") == message


def test_the_type_is_found_by_the_keys(browser: Browser) -> None:
    text = "id: v1\nmodel_id: m\nversion: 1.2\nstage: staging\n"
    page = tried(browser, text)
    verdict = page.one(id="verdict").text
    assert "Not a valid ModelVersion" in verdict
    assert "3:10" in verdict
    assert not page.all(id="as-json")


def test_texts_that_are_no_documents_are_reported(browser: Browser) -> None:
    for text in ("", "<script>alert(1)</script>", "a: [", "\x00", "id: x"):
        page = tried(browser, text)
        assert page.one("textarea").text == " ".join(text.split())
        assert not page.one("main").all("script")
    assert "Nothing to check" in browser.page("/playground").one(id="verdict").text
