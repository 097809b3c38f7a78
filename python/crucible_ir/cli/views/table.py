"""Tables: as wide as the terminal and one line a row, or tab-separated in full for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from crucible_ir.errors import printable
from crucible_ir.showing.widths import LEAST_WIDTH, shorten_middle

if TYPE_CHECKING:
    from crucible_ir.cli.console import Console, Segment

_GAP: Final = "  "


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: The heading.
        is_number: Whether values are aligned to the right.
        least: The width to which long values are shortened where the terminal is too narrow;
            ``None`` for values that are never shortened.
        is_optional: Whether the column is left out where shortening is not enough.
    """

    name: str
    is_number: bool = False
    least: int | None = None
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: a value for each column, and the style."""

    values: Sequence[str]
    style: str = ""


def print_table(console: Console, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Print a table.

    On a terminal, the table has headings and is at most as wide as the terminal: long values are
    shortened in the middle. Elsewhere each row is a line of tab-separated values, whole and without
    headings.
    """
    rows = [Row([printable(value) for value in row.values], row.style) for row in rows]
    if not console.stream.isatty():
        for row in rows:
            console.print("\t".join(row.values), style=row.style)
        return
    widths = _widths(columns, rows, console.width)
    if rows:
        console.print(*_line([column.name for column in columns], columns, widths, "name"))
    for row in rows:
        console.print(*_line(row.values, columns, widths, row.style))


def _widths(columns: Sequence[Column], rows: Sequence[Row], available: int) -> list[int]:
    """Return the width of each column; 0 for one that is left out."""
    natural = [
        max(cell_len(value) for value in (column.name, *(row.values[at] for row in rows)))
        for at, column in enumerate(columns)
    ]
    optional = [at for at, column in enumerate(columns) if column.is_optional]
    while True:
        widths = _shortened(columns, natural, available)
        if _total(widths) <= available:
            return widths
        if not optional:
            return _shortened(columns, natural, available, least=LEAST_WIDTH)
        natural[optional.pop()] = 0


def _shortened(
    columns: Sequence[Column], natural: Sequence[int], available: int, *, least: int | None = None
) -> list[int]:
    """Return widths that are shortened from the last column to the first until the table fits."""
    widths = [*natural]
    for at in reversed(range(len(columns))):
        excess = _total(widths) - available
        shortest = columns[at].least
        if excess > 0 and shortest is not None:
            shortest = shortest if least is None else least
            widths[at] = min(widths[at], max(shortest, widths[at] - excess))
    return widths


def _total(widths: Sequence[int]) -> int:
    shown = [width for width in widths if width]
    return sum(shown) + len(_GAP) * (len(shown) - 1)


def _line(
    values: Sequence[str], columns: Sequence[Column], widths: Sequence[int], style: str
) -> list[Segment]:
    cells = []
    for value, column, width in zip(values, columns, widths, strict=True):
        if width:
            text = shorten_middle(value, width)
            padding = " " * (width - cell_len(text))
            cells.append(padding + text if column.is_number else text + padding)
    return [(_GAP.join(cells).rstrip(), style)]
