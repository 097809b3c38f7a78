"""The check of the built site finds broken links, images without a text, and use of a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs_site.site_check import problems


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text(
        '<h1 id="top"></h1><a href="a/b.html#x%2Ey">b</a><a href="https://example.com/z#w">z</a>'
        '<a href="#top">top</a><a href="#">top</a><img src="i.png" alt="A picture">'
        '<link rel="stylesheet" href="s.css?v=1">'
    )
    (tmp_path / "a" / "b.html").write_text('<span id="x.y"></span><a href="../index.html">up</a>')
    (tmp_path / "i.png").write_bytes(b"")
    (tmp_path / "s.css").write_text("a { background: url('i.png') }")
    return tmp_path


def test_a_site_without_mistakes_has_no_problems(site: Path) -> None:
    assert problems(site, ["a/b.html#x.y", "index.html"]) == []


def test_a_section_that_programs_name_must_exist(site: Path) -> None:
    assert problems(site, ["a/b.html#x"]) == [
        "a/b.html#x, which programs name, leads to no section"
    ]


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="c.html">', "the link c.html leads to no file"),
        ('<a href="b.html#z">', "the link b.html#z leads to no section"),
        ('<a href="#z">', "the link #z leads to no section"),
        ('<a href="../../etc.html">', "the link ../../etc.html is no file of the site"),
        ('<a href="..">', "the link .. is no file of the site"),
        ('<img src="../i.png">', "the image ../i.png has no text"),
        ('<img src="j.png" alt="J">', "the file j.png leads to no file"),
        (
            '<script src="https://cdn.example.com/x.js">',
            "https://cdn.example.com/x.js is loaded from a network",
        ),
        ('<link href="//fonts.example.com/f">', "//fonts.example.com/f is loaded from a network"),
    ],
)
def test_a_mistake_is_reported_with_its_page(site: Path, html: str, problem: str) -> None:
    page = site / "a" / "b.html"
    page.write_text(page.read_text() + html)
    assert problems(site) == [f"a/b.html: {problem}"]


def test_a_style_sheet_must_not_need_a_network(site: Path) -> None:
    (site / "s.css").write_text('@import "https://fonts.example.com/f.css";')
    assert problems(site) == ["s.css: https://fonts.example.com/f.css is loaded from a network"]
