"""The page of the audit log."""

from __future__ import annotations

import pytest
from web.console.browsing import Browser, Exchange

from crucible_ir import v1
from crucible_ir.web.console.pages import audit


def test_entries_are_shown_newest_first_and_page_by_page(
    exchange: Exchange, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_ROWS", 2)
    with exchange.client() as client:
        for number in range(5):
            client.publish(v1.ModelRef(id=f"<u>m{number}"))
        client.delete(v1.ModelRef, "<u>m0")
    seen: list[tuple[str, str]] = []
    path = "/audit?type=ModelRef"
    while path:
        data = browser.json(path.replace("/audit?", "/audit.json?"))
        seen += [(row["action"], row["id"]) for row in data["rows"]]
        path = data["next"]
    published = [("published", f"<u>m{number}") for number in reversed(range(5))]
    assert seen == [("deleted", "<u>m0"), *published]
    deleted = browser.json("/audit.json?action=deleted")
    assert [row["id"] for row in deleted["rows"]] == ["<u>m0"]
    page = browser.page("/audit?id=%3Cu%3Em1")
    assert page.one("table").one("a").text == "<u>m1"
    assert not page.all("u")


def test_wrong_filters_are_reported(browser: Browser) -> None:
    for query in ("action=stolen", "until=yesterday", "until=2026-01-01", "type=Nothing"):
        browser.page(f"/audit?{query}", status=400)
    assert "No entry matches" in browser.page("/audit?caller=nobody").text
