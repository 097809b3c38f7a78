"""What a chart is drawn into: the figure, its axes and its marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise
from typing import Final

from crucible_ir.plotting.geometry.names import text_width
from crucible_ir.plotting.geometry.scales import AxisKind, Scale, Tick
from crucible_ir.plotting.markup import element, escape, number

#: The size of the coordinates of lines, which the browser stretches to the width of the chart.
UNITS: Final = 1000.0
#: The least width of a chart's plot that labels are placed for. What does not overlap there does
#: not overlap where it is wider.
LEAST_WIDTH: Final = 230.0
#: The space between the lines of labels.
LINE: Final = 13.0
#: The space to the right of the plot for labels, with the class that makes it.
_MARGINS: Final = ((44, "lab"), (84, "lab lab2"), (140, "lab lab3"))
#: The least space between labels of the level axis.
_APART: Final = 7.0
#: The widths of figures, in pixels, below which classes of the style sheet hide labels.
_WIDTHS: Final = (240, 300, 360, 420, 500, 600, 720, 900)
#: The height of the lane for NaN below the plot.
LANE: Final = 20


class Size(Enum):
    """The height of a chart: its class in the style sheet and its pixels."""

    SMALL = ("h1", 116)
    MEDIUM = ("h2", 164)
    LARGE = ("h3", 256)

    @property
    def pixels(self) -> int:
        """The height of the plot."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Space:
    """The space around a plot, in pixels."""

    left: float = 40
    right: float = 8
    top: float = 8
    bottom: float = 26


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn chart with its caption.

    Attributes:
        title: What is shown, for example the name of a metric.
        notes: What the caption adds, for example "log scale".
        svg: The chart as an element of SVG.
        height: The height of the plot, in pixels.
        space: The space around the plot for labels, as the style sheet has it.
        width: The width, in pixels. None: that of its container.
        keys: The names of areas with their colours, which the caption shows.
    """

    title: str
    notes: tuple[str, ...]
    svg: str
    height: float
    space: Space
    width: float | None = None
    keys: tuple[tuple[str, int], ...] = ()

    def __html__(self) -> str:
        """Return the figure as HTML; templates that escape by themselves insert it as it is."""
        svg = self.svg
        if self.width is not None:
            svg = element(
                "div", svg, class_="graph", tabindex="0", role="region", aria_label=self.title
            )
        notes = f"<span>{escape('; '.join(self.notes))}</span>" if self.notes else ""
        keys = "".join(map(_key, self.keys))
        caption = f"<figcaption><b>{escape(self.title)}</b>{notes}{keys}</figcaption>"
        return f'<figure class="fig">{caption}{svg}</figure>'


def _key(key: tuple[str, int]) -> str:
    """Return the name of an area with its colour."""
    name, slot = key
    square = element("rect", class_=f"f{slot}", width="9", height="9")
    drawn = element("svg", square, class_="sq", viewBox="0 0 9 9", aria_hidden="true")
    return element("span", drawn, escape(f" {name}"))


@dataclass(slots=True)
class Canvas:
    """Collects the parts of a chart, and places them by the scales of its axes.

    Lines and areas are in a nested element whose coordinates are stretched to the width; what must
    keep its shape, such as texts and points, is outside and placed by percentages.
    """

    x: Scale
    y: Scale
    size: Size
    x_label: str = ""
    lane: bool = False
    #: The greatest number of level ticks.
    x_ticks: int = 7
    y_ticks: int = 5
    stretched: list[str] = field(default_factory=list)
    placed: list[str] = field(default_factory=list)
    margin: int = 8
    #: Whether there is nothing to show on the upright axis: it then has no ticks.
    empty: bool = False

    def left(self, value: float) -> str:
        """Return the horizontal place of a value, as a percentage."""
        return f"{number(self.x.place(value) * 100)}%"

    def top(self, value: float) -> float:
        """Return the vertical place of a value, in pixels."""
        return (1 - self.y.place(value)) * self.size.pixels

    def points(self, xs: Sequence[float], ys: Sequence[float]) -> list[str]:
        """Return the coordinates of finite points in the stretched element."""
        # The step of a point can be read back from its place, for tooltips.
        digits = 1 if self.x.high / 2 - self.x.low / 2 < 5_000 else 2
        return [
            f"{x:.{digits}f} {UNITS - y:.1f}"
            for x, y in zip(self.x.places(xs, UNITS), self.y.places(ys, UNITS), strict=True)
        ]

    def say_empty(self, words: str) -> None:
        """Show words in place of values."""
        self.empty = True
        middle = self.size.pixels / 2
        self.placed.append(
            element("text", escape(words), x="50%", y=middle, dy=".34em", text_anchor="middle")
        )

    def reserve(self, labels: Iterable[str]) -> None:
        """Make space for labels to the right of the plot."""
        width = max(map(text_width, labels), default=0.0)
        if width:
            # The connection of a label takes 16 pixels.
            self.margin = next(
                (margin for margin, _ in _MARGINS if width + 18 <= margin), _MARGINS[-1][0]
            )

    def figure(
        self,
        title: str,
        notes: Iterable[str],
        description: str,
        keys: Iterable[tuple[str, int]] = (),
        **data: str | float,
    ) -> Figure:
        """Return the figure, with a name and a description for screen readers."""
        space = Space(right=self.margin, bottom=26 + (LANE if self.lane else 0))
        svg = self._svg(title, description, data)
        return Figure(title, tuple(notes), svg, self.size.pixels, space, keys=tuple(keys))

    def _svg(self, name: str, description: str, data: dict[str, str | float]) -> str:
        classes = ["chart", self.size.value[0]]
        classes += [label for margin, label in _MARGINS if margin == self.margin]
        classes += ["lane"] if self.lane else []
        inner = element(
            "svg",
            *self.stretched,
            class_="plot",
            viewBox=f"0 0 {UNITS:.0f} {UNITS:.0f}",
            preserveAspectRatio="none",
            width="100%",
            height="100%",
            overflow="visible",
        )
        attributes = {f"data_{key}": value for key, value in data.items()}
        return element(
            "svg",
            element("title", escape(name)),
            element("desc", escape(description)),
            *self._axes(),
            inner,
            *self.placed,
            class_=" ".join(classes),
            role="img",
            aria_label=f"{name}. {description}" if description else name,
            height=float(self.size.pixels),
            data_x0=repr(self.x.low),
            data_x1=repr(self.x.high),
            data_y0=repr(self.y.low),
            data_y1=repr(self.y.high),
            data_scale=self.y.kind.name.lower(),
            data_xkind=self.x.kind.name.lower(),
            **attributes,
        )

    def _axes(self) -> Iterable[str]:
        for tick in () if self.empty else self.y.ticks(self.y_ticks):
            top = self.top(tick.value)
            yield element("line", class_="grid", x2="100%", y1=top, y2=top)
            yield element("text", escape(tick.label), x=-7.0, y=top, dy=".34em", text_anchor="end")
        bottom = float(self.size.pixels)
        for tick, hidden in self._level_ticks():
            yield self._level_label(tick, bottom, hidden)
        if self.x_label:
            yield element(
                "text",
                escape(self.x_label),
                x="100%",
                y=self._label_top(bottom),
                text_anchor="end",
            )
        yield element("line", class_="axis", x2="100%", y1=bottom, y2=bottom)
        if self.lane:
            middle = bottom + 14
            yield element("line", class_="grid", x2="100%", y1=middle, y2=middle)
            yield element("text", "NaN", x=-7.0, y=middle, dy=".34em", text_anchor="end")

    def _level_ticks(self) -> Iterable[tuple[Tick, str | None]]:
        """Yield the ticks of the level axis, with the class that hides each where it has no room.

        The narrower the figure, the fewer remain: every second one, every fourth and so on.
        """
        ticks = self.x.ticks(self.x_ticks)
        boxes = [(self.x.place(tick.value), text_width(tick.label)) for tick in ticks]
        for index, (tick, (place, width)) in enumerate(zip(ticks, boxes, strict=True)):
            level = (index & -index) if index else len(ticks)
            needed = _width_for(boxes[::level])
            if self.x_label:
                room = text_width(self.x_label) + _APART + width * (1 - _anchored(place))
                needed = max(needed, room / max(1 - place, 1e-9))
            hidden = _hiding_class(needed + Space().left + self.margin)
            if hidden is not None:
                yield tick, hidden or None

    def _level_label(self, tick: Tick, bottom: float, hidden: str | None) -> str:
        anchor = {0.0: "start", 0.5: "middle", 1.0: "end"}[_anchored(self.x.place(tick.value))]
        return element(
            "text",
            escape(tick.label),
            class_=hidden,
            x=self.left(tick.value),
            y=self._label_top(bottom),
            text_anchor=anchor,
            data_t=tick.value if self.x.kind is AxisKind.TIME else None,
        )

    def _label_top(self, bottom: float) -> float:
        return bottom + 17 + (LANE if self.lane else 0)


def _anchored(place: float) -> float:
    """Return which part of a label is left of its place: the first and the last stay inside."""
    return 0.0 if place < 0.03 else 1.0 if place > 0.985 else 0.5


def _width_for(boxes: Sequence[tuple[float, float]]) -> float:
    """Return the width of the plot from which labels, with their places, do not overlap."""
    needed = 0.0
    for (place, width), (after, next_width) in pairwise(boxes):
        between = width * (1 - _anchored(place)) + next_width * _anchored(after) + _APART
        needed = max(needed, between / max(after - place, 1e-9))
    return needed


def _hiding_class(needed: float) -> str | None:
    """Return the class that hides a label below a width of the figure; None: it is never shown.

    >>> _hiding_class(200), _hiding_class(310), _hiding_class(5000)
    ('', 'q360', None)
    """
    if needed <= _WIDTHS[0]:
        return ""
    return next((f"q{width}" for width in _WIDTHS if needed <= width), None)


def mark_at(left: str, top: float, *content: str, **attributes: str | None) -> str:
    """Return an element with its own origin, for shapes and texts at a percentage."""
    return element("svg", *content, x=left, y=top, overflow="visible", **attributes)
