"""What people do in the console, with the mouse, with the keyboard, and without JavaScript."""

from __future__ import annotations

import re
from typing import Any

import pytest
from web.browser.browsing import Browser
from web.browser.sites import Site

import crucible_ir as ir
from crucible_ir.exchange import ExchangeClient


def heading(page: Any) -> str:
    return str(page.locator("h1").inner_text())


def row_ids(page: Any) -> list[str]:
    """Return the ids in the rows of a list."""
    rows = page.locator("[data-row]").all()
    return [row.locator("a").first.inner_text().strip() for row in rows]


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_from_the_list_to_the_history(browser: Browser, demo: Site, scripts: bool) -> None:
    page = browser.page(scripts=scripts)
    page.goto(demo.url)
    page.get_by_role("navigation", name="Sections").get_by_role(
        "link", name="ModelVersion", exact=True
    ).click()
    assert heading(page) == "ModelVersion"
    page.locator("input[name=where]").fill("stage = production")
    page.locator("input[name=where]").press("Enter")
    page.wait_for_url(re.compile("where="))
    ids = row_ids(page)
    assert "ticket-router-1.3.0" in ids
    assert "ticket-router-1.4.0-rc.1" not in ids
    page.get_by_role("link", name="ticket-router-1.3.0", exact=True).first.click()
    assert "ticket-router-1.3.0" in heading(page)
    assert "0.9204" in page.locator("main").inner_text()
    page.get_by_role("main").get_by_role("link", name=re.compile("history", re.I)).first.click()
    page.wait_for_url(re.compile("/history"))
    text = page.locator("main").inner_text()
    assert "staging" in text and "production" in text and "lena" in text


def test_home_shows_a_change_without_loading_again(browser: Browser, demo: Site) -> None:
    page = browser.page()
    page.goto(demo.url)
    page.evaluate("window.isSamePage = true")
    with ExchangeClient(demo.address, timeout=20) as client:
        client.publish(ir.new_model_ref(id="published-meanwhile"))
    page.get_by_role("link", name="published-meanwhile").wait_for()
    assert page.evaluate("window.isSamePage")


def test_the_theme_stays_chosen(browser: Browser, demo: Site) -> None:
    page = browser.page()
    page.goto(demo.url)
    background = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Dark").click()
    page.locator("html[data-theme=dark]").wait_for()
    assert page.evaluate(background) != light
    page.goto(f"{demo.url}documents/ModelRef")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.get_by_role("button", name="Auto").click()
    page.locator("html:not([data-theme])").wait_for()


def test_the_theme_needs_no_scripts(browser: Browser, demo: Site) -> None:
    page = browser.page(scripts=False)
    page.goto(demo.url)
    page.get_by_role("button", name="Dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_keys_search_and_move_over_rows(browser: Browser, demo: Site) -> None:
    page = browser.page()
    page.goto(f"{demo.url}documents/DeploymentConfig")
    ids = row_ids(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    focused = "document.activeElement.textContent.trim()"
    assert page.evaluate(focused) == ids[1]
    page.keyboard.press("k")
    assert page.evaluate(focused) == ids[0]
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/documents/DeploymentConfig/"))
    assert ids[0] in heading(page)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.type("router-distil-hot")
    page.keyboard.press("Enter")
    page.get_by_role("main").get_by_role("link", name="router-distil-hot", exact=True).wait_for()


def test_the_first_stop_of_the_keyboard_skips_to_the_content(browser: Browser, demo: Site) -> None:
    page = browser.page()
    page.goto(demo.url)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
