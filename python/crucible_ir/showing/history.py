"""A history of metrics as a table, with a sparkline for each metric."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from rich.cells import cell_len
from rich.text import Text

from crucible_ir.errors import printable
from crucible_ir.schema.fields import fields_of
from crucible_ir.showing.widths import shorten_middle

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

#: The levels of a sparkline, the lowest first, and those for an encoding without blocks.
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS: Final = "_.-=+*%#"
#: What stands for a step without the metric, and for a number that is not finite.
_MISSING: Final = " "
_NOT_FINITE: Final = "x"

#: The widest name of a metric, and the widest sparkline.
_NAME_WIDTH: Final = 30
_SPARK_WIDTH: Final = 60
#: The width that both have at least.
_LEAST_WIDTH: Final = 8
_HEADINGS: Final = ("metric", "first", "last", "min", "max")


class History:
    """The values of each metric over the snapshots of a history; rich draws it.

    Args:
        snapshots: The snapshots, in order; at least one.
        texts: The names of what is not a number, each with a text for every snapshot, which is
            empty where the snapshot has none.
        full: Whether to draw a row for each snapshot as well.
    """

    def __init__(
        self, snapshots: Sequence[Any], texts: Sequence[tuple[str, Sequence[str]]], *, full: bool
    ) -> None:
        self.snapshots = snapshots
        self.texts = texts
        self.full = full
        fields = [
            field.name
            for field in fields_of(snapshots[0].DESCRIPTOR).values()
            if field.message is None
            and not field.is_map
            and any(each.HasField(field.name) for each in snapshots)
        ]
        metrics = sorted({name for each in snapshots for name in each.values})
        #: The fields that are numbers, such as the step, and then the metrics.
        self.series: list[tuple[str, list[float | None]]] = [
            *(
                (name, [getattr(each, name) if each.HasField(name) else None for each in snapshots])
                for name in fields
            ),
            *((name, [each.values.get(name) for each in snapshots]) for name in metrics),
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines."""
        yield from self._summary(options.max_width, ascii_only=options.ascii_only)
        if self.full:
            yield Text()
            yield from self._rows()

    def _summary(self, width: int, *, ascii_only: bool) -> Iterator[Text]:
        figures = [_figures(values) for _, values in self.series]
        left = width - sum(_widths([_HEADINGS[1:], *figures])) - 2 * len(_HEADINGS)
        name_width = max(_LEAST_WIDTH, min(_NAME_WIDTH, left - _LEAST_WIDTH))
        names = [shorten_middle(printable(name), name_width) for name, _ in self.series]
        rows = [(name, *numbers) for name, numbers in zip(names, figures, strict=True)]
        widths = _widths([_HEADINGS, *rows])
        room = max(_LEAST_WIDTH, min(_SPARK_WIDTH, width - sum(widths) - 2 * len(widths)))
        yield _row(_HEADINGS, widths, "aside", wraps=False)
        for row, (_, values) in zip(rows, self.series, strict=True):
            line = _row(row, widths, "number", wraps=False)
            line.append(f"  {sparkline(values, room, ascii_only=ascii_only)}", "good")
            yield line
        for name, texts in self.texts:
            first, last = _ends(texts)
            line = Text(no_wrap=True, overflow="ellipsis")
            line.append(f"{shorten_middle(printable(name), name_width)}: ", "name")
            line.append(first if first == last else f"{first} … {last}", "text")
            yield line

    def _rows(self) -> Iterator[Text]:
        rows = self._snapshot_rows()
        widths = _widths(rows)
        for number, row in enumerate(rows):
            yield _row(row, widths, "number" if number else "aside", wraps=True)

    def _snapshot_rows(self) -> list[tuple[str, ...]]:
        """Return the headings, and a row for each snapshot."""
        rows = (
            (
                f"[{index}]",
                *(_number(values[index], full=True) for _, values in self.series),
                *(values[index] for _, values in self.texts),
            )
            for index in range(len(self.snapshots))
        )
        names = [printable(name) for name, _ in (*self.series, *self.texts)]
        return [("", *names), *rows]

    def tables(self) -> Iterator[list[tuple[str, ...]]]:
        """Yield the tables for a page, which has room: the headings of each, and its rows."""
        yield [
            (*_HEADINGS, ""),
            *(
                (printable(name), *_figures(values), sparkline(values, _SPARK_WIDTH))
                for name, values in self.series
            ),
            *((printable(name), *_ends(values), "", "", "") for name, values in self.texts),
        ]
        if self.full:
            yield self._snapshot_rows()


def sparkline(values: Sequence[float | None], width: int, *, ascii_only: bool = False) -> str:
    """Return a series as characters of different heights, the lowest value the lowest.

    Args:
        values: The values; ``None`` for a step without one.
        width: The most characters. If there are more values, each character is the mean of some.
        ascii_only: Whether the characters are ASCII.

    >>> sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8)
    '▁▂▃▄▅▆▇█'
    >>> sparkline([0.5, None, float("nan"), 0.5], 8, ascii_only=True)
    '= x='
    """
    levels = _ASCII_LEVELS if ascii_only else _BLOCKS
    points = [_point(part) for part in _parts(values, width)]
    finite = [point for point in points if point is not None and math.isfinite(point)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)

    def character(point: float | None) -> str:
        if point is None:
            return _MISSING
        if not math.isfinite(point):
            return _NOT_FINITE
        # Halves: the difference of two large numbers may not be finite.
        span = high / 2 - low / 2
        level = (point / 2 - low / 2) / span * (len(levels) - 1) if span else len(levels) // 2 - 1
        return levels[round(level)]

    return "".join(map(character, points))


def _parts(values: Sequence[float | None], width: int) -> Iterator[Sequence[float | None]]:
    """Split values into as many parts as there are characters, as even as possible."""
    count = min(len(values), width)
    for number in range(count):
        yield values[number * len(values) // count : (number + 1) * len(values) // count]


def _point(part: Sequence[float | None]) -> float | None:
    """Return the mean of the values of a part; not finite if one of them is not."""
    present = [value for value in part if value is not None]
    if not present:
        return None
    return (
        math.nan
        if not all(map(math.isfinite, present))
        else math.fsum(value / len(present) for value in present)
    )


def _figures(values: Sequence[float | None]) -> tuple[str, ...]:
    """Return the first, last, least and greatest value of a series, as text."""
    present = [value for value in values if value is not None]
    finite = [value for value in present if not math.isnan(value)]
    return (
        _number(present[0]),
        _number(present[-1]),
        _number(min(finite, default=math.nan)),
        _number(max(finite, default=math.nan)),
    )


def _ends(values: Sequence[str]) -> tuple[str, str]:
    """Return the first and the last text of a series."""
    present = [value for value in values if value]
    return present[0], present[-1]


def _number(value: float | None, *, full: bool = False) -> str:
    if value is None:
        return ""
    if math.isfinite(value):
        return repr(value) if full or isinstance(value, int) else f"{value:.6g}"
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _widths(rows: Sequence[tuple[str, ...]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*rows, strict=True)]


def _row(values: tuple[str, ...], widths: Sequence[int], style: str, *, wraps: bool) -> Text:
    """Return a row: its first value to the left, the numbers to the right."""
    first, *numbers = values
    line = Text(no_wrap=not wraps, overflow="fold" if wraps else "ellipsis")
    line.append(first + " " * (widths[0] - cell_len(first)), "name" if style == "number" else style)
    for number, width in zip(numbers, widths[1:], strict=True):
        line.append("  " + " " * (width - cell_len(number)) + number, style)
    return line
