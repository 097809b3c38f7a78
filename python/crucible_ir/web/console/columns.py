"""The columns of a list of documents, which follow from the descriptor of their type."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import Cardinality, Field, Kind, fields_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.web.console.values import cut

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from crucible_ir.web.console.page import Visit

#: The most columns of each kind.
_STATES: Final = 2
_REFERENCES: Final = 2
_NUMBERS: Final = 3
_TEXTS: Final = 1

_CELL: Final = 48
_NUMBER_KINDS: Final = {Kind.INT32, Kind.INT64, Kind.UINT32, Kind.UINT64, Kind.FLOAT, Kind.DOUBLE}

#: The glyph of a stage, a status or a state: in use, over, broken, worth a look, not begun.
_GLYPHS: Final = {
    **dict.fromkeys(("production", "active", "running", "healthy"), "full"),
    **dict.fromkeys(("archived", "terminated", "stopped", "cancelled", "completed"), "old"),
    **dict.fromkeys(("failed", "unhealthy"), "bad"),
    **dict.fromkeys(("degraded", "preempted", "rolling_back"), "warn"),
    **dict.fromkeys(("development", "pending", "unknown"), "none"),
    **dict.fromkeys(("staging", "deploying", "canary", "promoting", "updating", "paused"), "half"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: The field, or a number in it such as ``metrics.accuracy``.
        kind: ``state``, ``text``, ``reference`` or ``number``.
    """

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A value in a column.

    Attributes:
        text: The value; empty if it is not set.
        glyph: The glyph before a state; empty for none.
        url: The page of the document that it refers to; empty for none.
        is_bad: Whether it is a number that is not finite.
    """

    text: str
    glyph: str = ""
    url: str = ""
    is_bad: bool = False


def columns_of(message: Descriptor, contents: Sequence[Message]) -> list[Column]:
    """Return the columns for documents of a type, of whose values a page shows some."""
    fields = [field for field in fields_of(message).values() if _is_column(field)]
    states = [field for field in fields if field.kind is Kind.ENUM]
    texts = [field for field in fields if field.kind is Kind.STRING]
    references = [field for field in texts if field.reference is not None]
    words = [field for field in texts if field.reference is None]
    used = [field for field in words if _share(contents, field) >= 0.5]
    named = [field for field in references if _share(contents, field)]
    numbers = _named_numbers(message, contents) or [
        field.name
        for field in fields
        if field.kind in _NUMBER_KINDS and any(each.HasField(field.name) for each in contents)
    ]
    return [
        *(Column(field.name, "text") for field in used[:_TEXTS]),
        *(Column(field.name, "state") for field in states[:_STATES]),
        *(Column(name, "number") for name in numbers[:_NUMBERS]),
        *(Column(field.name, "reference") for field in named[:_REFERENCES]),
    ]


def _share(contents: Sequence[Message], field: Field) -> float:
    """Return the share of documents that have a value in a field."""
    return sum(bool(getattr(each, field.name)) for each in contents) / max(1, len(contents))


def state_field(message: Descriptor) -> Field | None:
    """Return the first stage, status or state of a type: most of its names have a glyph.

    >>> from crucible_ir import v1
    >>> state_field(v1.ModelVersion.DESCRIPTOR).name
    'stage'
    >>> state_field(v1.TrainingConfig.DESCRIPTOR) is None
    True
    """
    return next(filter(_is_state, _enums(message)), None)


def choice_field(message: Descriptor) -> Field | None:
    """Return the field whose values narrow a list: the state, or else the first enum."""
    return state_field(message) or next(_enums(message), None)


def _enums(message: Descriptor) -> Iterator[Field]:
    fields = fields_of(message).values()
    return (field for field in fields if field.kind is Kind.ENUM and _is_column(field))


def _is_state(field: Field) -> bool:
    names = field.short_names
    return 2 * sum(name in _GLYPHS for name in names) > len(names)


def _is_column(field: Field) -> bool:
    return (
        field.cardinality is Cardinality.SINGULAR
        and not field.identity
        and field.custom_of is None
        and field.message is None
    )


def cell_of(visit: Visit, message: Message, column: Column) -> Cell:
    """Return the value of a document in a column."""
    if column.kind == "number":
        number = dict(_numbers(message)).get(column.name)
        return Cell("") if number is None else number_cell(number)
    field = fields_of(descriptor_of(message))[column.name]
    value = getattr(message, field.name)
    if column.kind == "state":
        text = state_text(message, field)
        return Cell(text, _GLYPHS.get(text, ""))
    if column.kind == "reference" and value and field.reference is not None:
        return Cell(cut(value, _CELL), url=visit.document_url(field.reference, value))
    return Cell(cut(value, _CELL))


def number_cell(number: float) -> Cell:
    """Return a number as a cell."""
    if isinstance(number, int):
        return Cell(f"{number:,}")
    if not math.isfinite(number):
        return Cell("NaN" if math.isnan(number) else f"{number:+}".replace("inf", "∞"), is_bad=True)
    # Equal decimals, so that the numbers of a column compare.
    return Cell(f"{number:.4f}" if 1e-3 <= abs(number) < 1e4 or not number else f"{number:.4g}")


def state_text(message: Message, field: Field) -> str:
    """Return the short name of an enum, or the custom name in its place; empty if unset."""
    if field.custom is not None and message.HasField(field.custom):
        return cut(str(getattr(message, field.custom)), _CELL)
    assert field.enum is not None
    number = getattr(message, field.name)
    return vocabulary.names(field.enum).get(number, str(number) if number else "")


def glyph_of(state: str) -> str:
    """Return the glyph of a stage, a status or a state; empty for other words."""
    return _GLYPHS.get(state, "")


def _named_numbers(message: Descriptor, contents: Sequence[Message]) -> list[str]:
    """Return the numbers with names that most of the documents have, in the order of the names."""
    counts = Counter(name for each in contents for name, _ in _numbers(each) if "." in name)
    # A name of the filter's grammar cannot have a point or a space.
    common = [name for name, _ in counts.most_common(_NUMBERS)]
    return sorted(common)


def _numbers(message: Message) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a document by the names that lists are ordered by."""
    for field in fields_of(descriptor_of(message)).values():
        value: Any = getattr(message, field.name)
        if field.is_map and field.kind is Kind.DOUBLE:
            for name in sorted(value):
                yield f"{field.name}.{name}", value[name]
        elif field.is_list and field.message is not None and _is_result(field.message):
            for result in value:
                if result.HasField("value"):
                    yield f"{field.name}.{result.name}", result.value
        elif _is_column(field) and field.kind in _NUMBER_KINDS and message.HasField(field.name):
            yield field.name, value


def _is_result(message: Descriptor) -> bool:
    """Return whether a message is a number with a name, as the filter's grammar finds it."""
    fields = fields_of(message)
    return "name" in fields and "value" in fields and fields["value"].kind is Kind.DOUBLE
