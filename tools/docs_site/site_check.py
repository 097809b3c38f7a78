"""Checks the built site: links have targets, images have texts, and nothing needs a network."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: The attributes that load a file into a page, by the names of elements.
_LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "object": "data"}

#: A file that a style sheet loads.
_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")


class _Page(HTMLParser):
    """The anchors of a page, and what it links to and loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors = {""}
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.images_without_text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in _LOADED and _LOADED[tag] in values:
            self.loaded.append(values[_LOADED[tag]])
        if tag == "img" and not values.get("alt", "").strip():
            self.images_without_text.append(values.get("src", ""))


def problems(site: Path, named: Iterable[str] = ()) -> list[str]:
    """Return a line for each link or image of a site that is wrong.

    Args:
        site: The folder of the site.
        named: Sections that programs name: pages, each with an anchor.
    """
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        for address in page.links:
            if (reason := _broken(address, path, site, pages)) is not None:
                found.append(f"{name}: the link {address} {reason}")
        for address in page.loaded:
            if urlsplit(address).netloc:
                found.append(f"{name}: {address} is loaded from a network")
            elif (reason := _broken(address, path, site, pages)) is not None:
                found.append(f"{name}: the file {address} {reason}")
        found += [f"{name}: the image {image} has no text" for image in page.images_without_text]
    for address in sorted(named):
        if (reason := _broken(address, site / "index.html", site, pages)) is not None:
            found.append(f"{address}, which programs name, {reason}")
    for style in sorted(site.rglob("*.css")):
        for address in _STYLE.findall(style.read_text(encoding="utf-8")):
            found.append(f"{style.relative_to(site)}: {address} is loaded from a network")
    return found


def _broken(address: str, path: Path, site: Path, pages: dict[Path, _Page]) -> str | None:
    """Return why an address on a page leads nowhere; ``None`` if it does not, or is elsewhere."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return None
    target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
    if target.is_dir() or not target.is_relative_to(site):
        return "is no file of the site"
    if not target.is_file():
        return "leads to no file"
    anchor = unquote(parts.fragment)
    if target in pages and anchor not in pages[target].anchors:
        return "leads to no section"
    return None
