"""Reads drawn charts back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from crucible_ir.plotting import Figure

#: Elements that a chart may have. None of them can load or run anything.
ELEMENTS = {
    *("svg", "g", "title", "desc", "line", "path", "polyline", "polygon", "rect", "circle"),
    *("text", "a", "figure", "figcaption", "b", "span", "div"),
}

#: A name that tries to end its attribute or element, and to confuse readers.
HOSTILE = '"><script>alert(1)</script><!-- \x00\x1b[31m\u202e ]]> & \ud800'


def parse(figure: Figure) -> ElementTree.Element:
    """Return the figure's elements; fail if it is not well-formed, or may run a script."""
    root = ElementTree.fromstring(figure.__html__())
    for element in root.iter():
        assert element.tag in ELEMENTS, element.tag
        for name in element.attrib:
            assert name != "style" and not name.startswith("on"), name
    return root


def by_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Return the elements with a class."""
    return [part for part in root.iter() if name in part.get("class", "").split()]


def points(path: ElementTree.Element) -> list[tuple[float, float]]:
    """Return the points of a path of straight lines."""
    return [
        (float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path.get("d", ""))
    ]


@dataclass(frozen=True)
class Box:
    """About where a label is, in a plot of a width."""

    text: str
    left: float
    right: float
    middle: float

    def overlaps(self, other: Box) -> bool:
        """Return whether two lines of 11 px text touch."""
        apart = self.right <= other.left or other.right <= self.left
        return not apart and abs(self.middle - other.middle) < 11


def label_boxes(root: ElementTree.Element, width: float) -> list[Box]:
    """Return the boxes of the labels at the ends of lines."""
    boxes = []
    for part in by_class(root, "endl"):
        text = part.find("text")
        if text is None:
            continue
        words = text.text or ""
        left = float(part.get("x", "")[:-1]) / 100 * width + float(text.get("x", ""))
        # A digit of common sans-serif fonts is 0.55 to 0.6 em wide.
        boxes.append(Box(words, left, left + 6 * len(words), float(part.get("y", ""))))
    return boxes
