"""Figures as files: one SVG, or one HTML page that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from crucible_ir.plotting.charts.curves import line_class
from crucible_ir.plotting.figure import UNITS, Figure, Size
from crucible_ir.plotting.geometry.names import text_width
from crucible_ir.plotting.markup import element, escape, number
from crucible_ir.plotting.styles import page_stylesheet, svg_stylesheet
from crucible_ir.showing.widths import shorten_middle

#: The width of an SVG file and the space at its edges, in pixels.
WIDTH: Final = 960.0
_EDGE: Final = 24.0
#: The space between figures.
_GAP: Final = 22.0
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
#: The height of charts beyond which they take the whole width of a page.
_HIGH: Final = Size.MEDIUM.pixels
#: The element with the stretched lines, their paths and the points of these.
_PLOT: Final = re.compile('<svg class="plot".*?</svg>', re.DOTALL)
_PATH: Final = re.compile(' d="[^"]*"')
_POINT: Final = re.compile(r"(-?[\d.]+) (-?[\d.]+)")
#: The most characters of a name among the keys.
_NAME: Final = 48


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A name with the colour of its lines, 1 to 8, or 0 for grey."""

    name: str
    slot: int


def html_page(
    title: str,
    figures: Sequence[Figure],
    *,
    legend: Sequence[LegendEntry] = (),
    notes: str = "",
    theme: str = "auto",
    language: str = "en",
) -> str:
    """Return a page with figures, which loads nothing and runs no script.

    Args:
        title: The title.
        figures: The figures; those of full height take the whole width.
        legend: The colours of the lines.
        notes: A sentence below the title.
        theme: "auto", "light" or "dark".
        language: The language of the titles.

    >>> html_page("a < b", []).startswith("<!doctype html>")
    True
    """
    head = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", escape(title)),
        element("style", f"\n{page_stylesheet(theme)}"),
    ]
    body = [element("h1", escape(title))]
    if notes:
        body.append(element("p", escape(notes)))
    if legend:
        keys = "".join(element("span", _key(entry), escape(f" {entry.name}")) for entry in legend)
        body.append(element("div", keys, class_="legend"))
    shown = [
        element("div", figure.__html__(), class_="wide" if figure.height > _HIGH else None)
        for figure in figures
    ]
    body.append(element("div", *shown, class_="charts one" if len(figures) == 1 else "charts"))
    return (
        "<!doctype html>\n"
        + element(
            "html",
            element("head", *head),
            "\n",
            element("body", element("main", *body)),
            lang=language,
        )
        + "\n"
    )


def _key(entry: LegendEntry) -> str:
    line = element("path", class_=f"kl {line_class(entry.slot)}", d="M0 4H18")
    return element("svg", line, class_="key", viewBox="0 0 18 8", aria_hidden="true")


def svg_file(
    title: str,
    figures: Sequence[Figure],
    *,
    legend: Sequence[LegendEntry] = (),
    theme: str = "auto",
) -> str:
    """Return a file with figures one below the other.

    >>> svg_file("loss", []).startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    True
    """
    width = max([WIDTH, *(2 * _EDGE + figure.width for figure in figures if figure.width)])
    parts: list[str] = []
    top = _EDGE
    if title:
        parts.append(element("text", escape(title), class_="title", x=_EDGE, y=top + 14))
        top += 30
    if legend:
        keys, top = _keys(legend, width, top)
        parts += keys
    for figure in figures:
        top += 12
        parts.append(_caption(figure, top))
        top += 14 + figure.space.top
        parts.append(_placed(figure, width, top))
        top += figure.height + figure.space.bottom + _GAP
    height = top - _GAP + _EDGE if figures else top + _EDGE
    return (
        element(
            "svg",
            element("title", escape(title)),
            element("style", f"\n{svg_stylesheet(theme)}"),
            element("rect", class_="paper", width="100%", height="100%"),
            *parts,
            xmlns="http://www.w3.org/2000/svg",
            width=width,
            height=height,
            viewBox=f"0 0 {number(width)} {number(height)}",
        )
        + "\n"
    )


def _keys(legend: Sequence[LegendEntry], width: float, top: float) -> tuple[list[str], float]:
    """Return the names with their lines, in rows, and where the rows end."""
    parts = []
    left = _EDGE
    for entry in legend:
        name = shorten_middle(entry.name, _NAME)
        needed = 24 + text_width(name) * 12 / 11 + 18
        if left > _EDGE and left + needed > width - _EDGE:
            left, top = _EDGE, top + 18
        style = f"keyline {line_class(entry.slot)}"
        parts.append(element("path", class_=style, d=f"M{number(left)} {number(top + 5)}h18"))
        parts.append(element("text", escape(name), class_="keyname", x=left + 24, y=top + 9))
        left += needed
    return parts, top + 24


def _caption(figure: Figure, top: float) -> str:
    notes = "; ".join(figure.notes)
    return element(
        "text",
        element("tspan", escape(figure.title), class_="name"),
        element("tspan", escape(notes), class_="note", dx=12.0) if notes else "",
        *(part for key in figure.keys for part in _area_key(*key)),
        x=_EDGE,
        y=top,
    )


def _area_key(name: str, slot: int) -> tuple[str, str]:
    """Return a square of a colour, and the name that it stands for."""
    square = element("tspan", "\N{BLACK SQUARE}", class_=f"square f{slot}", dx=14.0)
    return square, element("tspan", escape(name), class_="note", dx=4.0)


def _placed(figure: Figure, width: float, top: float) -> str:
    """Return the figure's element with a place and a size."""
    space = figure.space
    if figure.width is not None:
        # It has a width of its own.
        return element("g", _with(figure.svg, x=_EDGE, y=top), class_="graph")
    width = width - 2 * _EDGE - space.left - space.right
    svg = _PLOT.sub(lambda match: _unstretched(match[0], width, figure.height), figure.svg)
    return _with(svg, x=_EDGE + space.left, y=top, width=width, overflow="visible")


def _unstretched(plot: str, width: float, height: float) -> str:
    """Return a plot with coordinates in pixels: some programs stretch the lines' widths too."""
    stretched = f'viewBox="0 0 {UNITS:.0f} {UNITS:.0f}"'
    plot = plot.replace(stretched, f'viewBox="0 0 {number(width)} {number(height)}"', 1)

    def scaled(match: re.Match[str]) -> str:
        left = number(float(match[1]) * width / UNITS)
        return f"{left} {number(float(match[2]) * height / UNITS)}"

    return _PATH.sub(lambda match: _POINT.sub(scaled, match[0]), plot)


def _with(svg: str, **attributes: str | float) -> str:
    """Return an element of SVG with more attributes."""
    return svg.replace("<svg", element("svg", **attributes).removesuffix("/>"), 1)


def file_names(figures: Sequence[Figure]) -> Iterator[str]:
    """Yield a name for the SVG file of each figure, from its title.

    The names have letters and digits of ASCII, hyphens, underscores and dots only, and all differ.

    >>> from crucible_ir.plotting.figure import Space
    >>> titles = ["train/loss", "../../etc", "Train/Loss"]
    >>> list(file_names([Figure(title, (), "", 1, Space()) for title in titles]))
    ['train-loss.svg', 'etc.svg', 'Train-Loss-2.svg']
    """
    taken: set[str] = set()
    for figure in figures:
        characters = [
            each if each.isascii() and (each.isalnum() or each in "_-.") else "-"
            for each in figure.title
        ]
        base = "".join(characters).strip("-.")[:80] or "chart"
        while "--" in base:
            base = base.replace("--", "-")
        name, count = base, 1
        # Some file systems ignore case.
        while name.lower() in taken:
            count += 1
            name = f"{base}-{count}"
        taken.add(name.lower())
        yield f"{name}.svg"
