"""The page on interchange."""

from __future__ import annotations

from pages import ROOT, check_links

import generate_interchange_docs
from crucible_ir.interchange.mapping.format import FORMATS
from crucible_ir.interchange.mapping.report import Outcome

PAGE = (ROOT / "docs" / "interchange.md").read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    assert generate_interchange_docs.files() == {"docs/interchange.md": PAGE}


def test_the_page_has_every_format_and_outcome() -> None:
    for name in FORMATS:
        assert f"\n## {name}\n" in PAGE
    for outcome in Outcome:
        assert f"\n| `{outcome}` | " in PAGE


def test_every_link_has_a_target() -> None:
    check_links(PAGE, ROOT / "docs")
