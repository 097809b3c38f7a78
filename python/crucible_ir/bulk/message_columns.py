"""The columns of message types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import message_factory

from crucible_ir.bulk.columns import Column, OpenColumn, SingularColumn
from crucible_ir.bulk.contents import (
    Cells,
    EnumContent,
    JsonContent,
    MessageContent,
    ScalarContent,
    TimestampContent,
    ValueContent,
    Values,
    pa,
)
from crucible_ir.bulk.list_columns import ListColumn, MapColumn, OpenListColumn
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.serialization.conversion_error import ConversionError

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

_TIMESTAMP: Final = "google.protobuf.Timestamp"


class StructContent(MessageContent):
    """Messages, as structs."""

    def __init__(self, message: Descriptor, outer: tuple[Descriptor, ...]) -> None:
        self.columns = columns_of(message, (*outer, message))
        self.type = pa.struct([column.field() for column in self.columns])
        self._default = message_factory.GetMessageClass(message)()

    @property
    def complete_type(self) -> Any:
        """The Arrow type with all columns that may be beside those inside it."""
        return pa.struct(complete_fields(self.columns))

    def cells(self, values: Values) -> Cells:
        """Return the cells of values."""
        mask = [value is None for value in values]
        filled = [self._default if value is None else value for value in values]
        fields, arrays = built(self.columns, filled)
        if not arrays:
            return Cells(pa.array([None if empty else {} for empty in mask], self.type), {})
        struct = pa.StructArray.from_arrays(arrays, fields=fields, mask=pa.array(mask, pa.bool_()))
        return Cells(struct, {})

    def fill(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Fill a message from the cells of a struct, by the names of their columns."""
        if not isinstance(cell, dict):
            raise ConversionError(f"expected a struct, got {cell!r:.80}")
        fill(self.columns, cell, message)


@cache
def columns_of(message: Descriptor, outer: tuple[Descriptor, ...] = ()) -> tuple[Column, ...]:
    """Return the columns of a message type.

    Args:
        message: The message type.
        outer: The message types around it and itself. A field with one of them is JSON.
    """
    outer = outer or (message,)
    columns = []
    for field in fields_of(message).values():
        if field.custom_of is not None:
            continue
        kind: type[Column]
        if field.custom is not None:
            kind = OpenListColumn if field.is_list else OpenColumn
        elif field.is_map:
            kind = MapColumn
        else:
            kind = ListColumn if field.is_list else SingularColumn
        columns.append(kind(field, _content(field, outer)))
    return tuple(columns)


def _content(field: Field, outer: tuple[Descriptor, ...]) -> ValueContent | MessageContent:
    if field.enum is not None:
        return EnumContent(field)
    if field.message is None:
        return ScalarContent(field.kind)
    if field.message.full_name == _TIMESTAMP:
        return TimestampContent()
    if field.is_opaque or field.message in outer:
        return JsonContent(field.message)
    return StructContent(field.message, outer)


def complete_fields(columns: Sequence[Column]) -> list[Any]:
    """Return the Arrow fields of columns and of all columns that may be beside them."""
    return [field for column in columns for field in column.complete_fields()]


def built(columns: Sequence[Column], messages: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return the Arrow fields and arrays of messages; errors as in `Column.cells`."""
    fields, arrays = [], []
    for column in columns:
        main, beside = column.cells(messages)
        fields.append(pa.field(column.name, main.type, column.is_nullable))
        arrays.append(main)
        for pattern in column.beside:
            if pattern in beside:
                fields.append(pa.field(pattern.format(column.name), beside[pattern].type))
                arrays.append(beside[pattern])
    return fields, arrays


def fill(columns: Sequence[Column], row: Mapping[str, Any], message: Any) -> None:
    """Fill a message from the cells of a row, by the names of their columns.

    Raises:
        ConversionError: A cell has no value of its field.
    """
    for column in columns:
        cell = row.get(column.name)
        beside = {pattern: row.get(pattern.format(column.name)) for pattern in column.beside}
        if cell is None and all(each is None for each in beside.values()):
            continue
        try:
            column.read(cell, beside, message)
        except ConversionError as error:
            raise error.under(column.source.name) from None
        except (TypeError, ValueError):
            raise ConversionError(_unexpected(column, cell, beside), column.source.name) from None


def _unexpected(column: Column, cell: Any, beside: Mapping[str, Any]) -> str:
    """Return the error of cells that have other types than those of their columns."""
    type_ = column.content.type
    types = {"{}": pa.string() if pa.types.is_dictionary(type_) else type_, **column.beside}
    given = {"{}": cell, **beside}
    cells = [
        f"{pattern.format(column.name)}: got {given[pattern]!r:.80}: expected"
        f" {column.wrapped(type_)!s:.80}"
        for pattern, type_ in types.items()
        if given[pattern] is not None
    ]
    return "; ".join(cells) if len(cells) > 1 or cell is None else cells[0].partition(": ")[2]
