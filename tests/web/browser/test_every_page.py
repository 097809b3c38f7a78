"""Every page that links lead to: without errors, for everybody, on every screen, in both themes.

One page of each kind is loaded once, and looked at in every way. Axe takes the longest: it looks at
one page of each path.
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from web.browser.browsing import Browser, overflow
from web.browser.sites import Site

#: The widths at which no page may scroll sideways: each breakpoint of the design, and around it.
WIDTHS = (360, 390, 620, 621, 860, 980, 1180, 1440, 1600)

#: The widths at which axe looks at a page, in both themes.
AXE_WIDTHS = (1440, 390)

#: How many pages to look at, at the most.
MOST_PAGES = 60

#: Pages to begin with, beside those that links lead to; some do not exist.
MISSING = ("no-such-page", "documents/NoSuchType", "documents/ModelRef/no-such-model")
STARTS = ("", "documents/ModelVersion/ticket-router-1.3.0", "sign-in", *MISSING)

#: Addresses of pages that must be among those that links lead to.
EXPECTED = (
    r"documents/[A-Za-z]+",
    r"documents/ModelVersion/[^/?]+",
    r"documents/[A-Za-z]+/[^/?]+/history.*",
    r"documents/[A-Za-z]+/[^/?]+/(edit|lineage|promote)",
    r"new/[A-Za-z]+",
    r"runs",
    r"runs/[^/?]+",
    r"runs/compare.*",
    r"(evaluations|feedback).*",
    r"deployments",
    r"deployments/[^/?]+",
    r"playground",
    r"audit",
)


@dataclass
class Found:
    """What following links found.

    Attributes:
        pages: The addresses of pages.
        dead: Links that lead to no page, with the pages that have them.
        problems: What the browser reported.
        twins: The pages without a twin in JSON.
        axe: What axe finds.
        wide: The pages that scroll sideways.
    """

    pages: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)
    axe: list[str] = field(default_factory=list)
    wide: list[str] = field(default_factory=list)


def kind_of(url: str) -> str:
    """Return what the addresses of pages with different ids and types have in common."""
    parts = urlsplit(url)
    path = re.sub(r"/documents/[^/]+/[^/]+", "/documents/T/ID", parts.path)
    path = re.sub(r"/(documents|new)/(?!T/ID)[^/]+", r"/\1/T", path)
    path = re.sub(r"/(runs|evaluations|deployments|feedback|lineage)/[^/]+", r"/\1/ID", path)
    # Combinations of options show nothing that each option alone does not.
    names = sorted(name for name, _ in parse_qsl(parts.query))
    return f"{path}?{names[0] if names else ''}"


def links_of(page: Any, site: Site) -> list[str]:
    """Return where the links of a page lead, as long as that is in the console."""
    found = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
    urls = (urljoin(page.url, href).partition("#")[0] for href in found)
    return [url for url in dict.fromkeys(urls) if url.startswith(site.url) and is_page(url)]


def is_page(url: str) -> bool:
    """Return whether an address is that of a page, and not of data or of a file to save."""
    return not urlsplit(url).path.endswith((".json", "/file"))


@pytest.fixture(scope="module")
def found(chromium: Browser, demo: Site) -> Found:
    """One page of each kind, by following links."""
    result = Found()
    waiting = deque((demo.url + start, "") for start in STARTS)
    seen: set[str] = set()
    page = chromium.page()
    while waiting and len(result.pages) < MOST_PAGES:
        url, came_from = waiting.popleft()
        is_missing = url[len(demo.url) :] in MISSING
        if not is_missing and kind_of(url) in seen:
            continue
        page.set_viewport_size({"width": 1440, "height": 900})
        status = page.goto(url).status
        if status != (404 if is_missing else 200):
            result.dead.append(f"{url}, linked from {came_from}: {status}")
            continue
        if not is_missing:
            seen.add(kind_of(url))
        path = url if is_missing else urlsplit(kind_of(url)).path
        is_new = path not in seen
        seen.add(path)
        result.pages.append(url)
        waiting.extend((link, url) for link in links_of(page, demo))
        look_at(page, url, result)
        if is_new:
            result.axe += axe_in_all_ways(chromium, page, url)
    chromium.close_pages()
    # The browser reports that a page does not exist, too.
    result.problems = [text for text in chromium.take_problems() if "of 404" not in text]
    return result


def look_at(page: Any, url: str, result: Found) -> None:
    """Look at the twin of a page that is loaded, and at its widths."""
    path, _, query = url.partition("?")
    twin = f"{path}index.json" if path.endswith("/") else f"{path}.json"
    answer = page.request.get(f"{twin}?{query}" if query else twin)
    is_json = answer.headers.get("content-type", "").startswith("application/json")
    if not is_json or not json.loads(answer.body()):
        result.twins.append(twin)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if (excess := overflow(page)) > 0:
            result.wide.append(f"{url} at {width}: {excess} px too wide")


def axe_in_all_ways(browser: Browser, page: Any, url: str) -> list[str]:
    """Return what axe finds in a page that is loaded, at two widths and in both themes."""
    found = []
    for width in AXE_WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            found += [f"{url} at {width} {scheme}: {text}" for text in browser.axe(page)]
    return found


def test_links_lead_to_pages(found: Found, demo: Site) -> None:
    assert not found.dead, "\n".join(found.dead)
    for pattern in EXPECTED:
        assert any(re.fullmatch(demo.url + pattern, url) for url in found.pages), pattern


def test_the_browser_reports_no_problem(found: Found) -> None:
    assert not found.problems, "\n".join(found.problems)


def test_every_page_has_a_twin_in_json(found: Found) -> None:
    assert not found.twins, "\n".join(found.twins)


def test_axe_finds_nothing_in_either_theme(found: Found) -> None:
    assert not found.axe, "\n".join(found.axe)


def test_no_page_scrolls_sideways(found: Found) -> None:
    assert not found.wide, "\n".join(found.wide)
