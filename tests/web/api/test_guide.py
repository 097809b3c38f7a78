"""The commands of docs/http.md print what the page shows."""

from __future__ import annotations

from pathlib import Path

from pages import ROOT, check_commands, check_links
from web.http_servers import http_exchange

DOCS = ROOT / "docs"
PAGE = (DOCS / "http.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8080"


def test_the_commands_print_what_the_page_shows(tmp_path: Path) -> None:
    with http_exchange(tmp_path) as running:
        page = PAGE.replace(ADDRESS, running.url)
        assert page != PAGE
        assert check_commands(page, tmp_path, {"curl", "printf", "crucible-ir"}) == 8


def test_every_link_to_a_file_has_a_target() -> None:
    check_links(PAGE, DOCS)
