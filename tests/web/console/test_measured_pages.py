"""The pages with charts for readers with tokens, and on an exchange that has nothing yet."""

from __future__ import annotations

import pytest
from web.console.browsing import Exchange

PATHS = ("/runs", "/runs/compare", "/evaluations", "/deployments", "/feedback")


@pytest.mark.parametrize("path", PATHS)
def test_empty_exchange_says_what_belongs_here(guarded: Exchange, path: str) -> None:
    with guarded.browser() as browser:
        browser.post("/sign-in", token=guarded.tokens["reader"])
        assert browser.page(path).one("div", class_="void").all("h2")
        assert isinstance(browser.json(f"{path}.json"), dict)


@pytest.mark.parametrize("path", PATHS)
def test_pages_hold_to_the_rights_of_a_token(guarded: Exchange, path: str) -> None:
    with guarded.browser() as browser:
        assert browser.client.get(path, follow_redirects=False).status_code == 303
        browser.post("/sign-in", token=guarded.tokens["ingest"])
        assert browser.page(path, 403).one("div", role="alert")
