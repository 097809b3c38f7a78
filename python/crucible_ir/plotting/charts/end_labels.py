"""Labels at the ends of lines, which never overlap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crucible_ir.plotting.figure import LEAST_WIDTH, LINE, mark_at
from crucible_ir.plotting.geometry.names import text_width
from crucible_ir.plotting.geometry.placement import spread
from crucible_ir.plotting.markup import element, escape, number

#: Where the text of a label begins, to the right of the end of its line.
OFFSET = 16.0


@dataclass(frozen=True, slots=True)
class EndLabel:
    """A label and the point that it belongs to.

    Attributes:
        text: The label.
        place: Where the line ends: 0 at the left of the plot, 1 at the right.
        top: Where the line ends, in pixels from the top.
        slot: The colour of the line.
        index: The number of the line in its chart.
    """

    text: str
    place: float
    top: float
    slot: int
    index: int


def place_labels(labels: Sequence[EndLabel], height: float) -> list[tuple[EndLabel, float]]:
    """Return the labels with the places of their middles, in pixels from the top.

    Labels that would not fit are left out, the last ones first.
    """
    placed: list[tuple[EndLabel, float]] = []
    for group in _groups(labels):
        fitting = group[: int((height + LINE) // LINE)]
        tops = spread([label.top for label in fitting], LINE, 4.0, height - 4.0)
        placed += zip(fitting, tops, strict=True)
    return sorted(placed, key=lambda item: item[0].index)


def _groups(labels: Sequence[EndLabel]) -> Iterator[list[EndLabel]]:
    """Yield the labels in groups that lie beside each other, however high they are."""
    group: list[EndLabel] = []
    end = 0.0
    for label in sorted(labels, key=lambda label: (label.place, label.index)):
        start = label.place * LEAST_WIDTH
        if group and start > end:
            yield sorted(group, key=lambda label: label.index)
            group = []
        group.append(label)
        end = max(end, start + OFFSET + text_width(label.text) + 6)
    if group:
        yield sorted(group, key=lambda label: label.index)


def draw_label(label: EndLabel, top: float) -> str:
    """Return a label with the line that connects it to its point."""
    rise = number(label.top - top, 1)
    return mark_at(
        f"{number(label.place * 100)}%",
        top,
        element("path", class_=f"ld c{label.slot}", d=f"M3 {rise}L7 {rise}L13 0"),
        element("text", escape(label.text), class_="hot endl", x=OFFSET, dy=".34em"),
        class_="endl",
        data_i=str(label.index),
    )
