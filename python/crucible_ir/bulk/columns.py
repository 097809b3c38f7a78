"""How the fields of a message type become columns of an Arrow table.

Each field is one column; an open vocabulary is one column for both of its fields. What the type of
a column cannot express is in a column beside it, which a table has only if a row needs it:

- ``<name>_nanos``: the nanoseconds of a timestamp beyond its microseconds
- ``<name>_number``: the number of an enum value without a short name, such as an unknown number
- ``custom_<name>``: the custom name of an open vocabulary, if it is empty or a documented name too

Beside a list or map, such a column is a list or map of the same size. The exception is a list of an
open vocabulary: the columns beside it have all its numbers and all its custom names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import message_factory

from crucible_ir.bulk.contents import (
    CUSTOM,
    NUMBER,
    SCALARS,
    STRINGS,
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
from crucible_ir.paths import MapKey
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


@dataclass(frozen=True, slots=True)
class Column(ABC):
    """A field of a message type as a column.

    Attributes:
        source: The field; of an open vocabulary, the one with the enum.
        content: The type of its values, or of the items of its list or map.
    """

    source: Field
    content: ValueContent | MessageContent

    @property
    def name(self) -> str:
        """The name of the column."""
        return self.source.name

    def names_beside(self) -> list[str]:
        """Return the names of the columns that may be beside it."""
        return [pattern.format(self.name) for pattern in self.patterns]

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of the names of the columns that may be beside it."""
        return self.content.patterns

    def field(self) -> Any:
        """Return the Arrow field of the column, without the columns that may be beside it."""
        return pa.field(self.name, self.wrapped(self.content.type), self.is_nullable)

    @property
    def is_nullable(self) -> bool:
        """Whether the column has nulls: a list, a map or a field without presence has none."""
        return self.source.has_presence or (
            self.source.enum is not None and not self.source.is_list
        )

    def wrapped(self, type_: Any) -> Any:
        """Return the type of the column, given that of its content."""
        return type_

    @abstractmethod
    def cells(self, messages: Sequence[Any]) -> Cells:
        """Return the cells of messages.

        Raises:
            ConversionError: A value has no cell; its path begins with the index of the message.
        """

    @abstractmethod
    def read(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Set the field of a message from its cell and those beside it; not all of them are null.

        Raises:
            ConversionError: The cells do not contain a value of the field.
        """


class SingularColumn(Column):
    """A field with one value."""

    __slots__ = ()

    def cells(self, messages: Sequence[Any]) -> Cells:
        """Return the cells of messages."""
        name = self.source.name
        get = attrgetter(name)
        if self.source.has_presence:
            values: Values = [get(each) if each.HasField(name) else None for each in messages]
        else:
            values = list(map(get, messages))
        try:
            return self.content.cells(values)
        except ConversionError as error:
            raise _inserted(error, name) from None

    def read(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Set the field of a message."""
        name = self.source.name
        if isinstance(self.content, MessageContent):
            inside = getattr(message, name)
            inside.SetInParent()
            self.content.fill(cell, beside, inside)
        else:
            setattr(message, name, self.content.read(cell, beside))


class OpenColumn(Column):
    """An open vocabulary: a name of the enum, or a custom name."""

    __slots__ = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of the names of the columns that may be beside it."""
        return (NUMBER, CUSTOM)

    def cells(self, messages: Sequence[Any]) -> Cells:
        """Return the cells of messages."""
        name, custom = self.source.name, str(self.source.custom)
        content = self.content
        assert isinstance(content, EnumContent)
        texts, numbers, customs = [], [], []
        for message in messages:
            text = number = exact = None
            if message.HasField(custom):
                text = getattr(message, custom)
                exact = text if not text or text in content.numbers else None
            elif message.HasField(name):
                number = getattr(message, name)
                text = content.names.get(number)
                if text is not None:
                    number = None
            texts.append(text)
            numbers.append(number)
            customs.append(exact)
        beside = {}
        if numbers.count(None) < len(numbers):
            beside[NUMBER] = pa.array(numbers, pa.int32())
        if customs.count(None) < len(customs):
            beside[CUSTOM] = pa.array(customs, pa.string())
        return Cells(pa.array(texts, STRINGS), beside)

    def read(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Set one of the two fields of a message."""
        number, custom = beside.get(NUMBER), beside.get(CUSTOM)
        if number is None and custom is None:
            number = self.source.short_names.get(cell)
            custom = cell
        if number is not None:
            setattr(message, self.source.name, number)
        else:
            setattr(message, str(self.source.custom), custom)


class ListColumn(Column):
    """A list."""

    __slots__ = ()

    def wrapped(self, type_: Any) -> Any:
        """Return the type of the column, given that of its items."""
        return pa.list_(type_)

    def cells(self, messages: Sequence[Any]) -> Cells:
        """Return the cells of messages."""
        lists = list(map(attrgetter(self.source.name), messages))
        items = [item for each in lists for item in each]
        offsets = _offsets(lists)
        try:
            main, beside = self.content.cells(items)
        except ConversionError as error:
            raise _located(error, lists, self.source.name) from None
        return Cells(
            pa.ListArray.from_arrays(offsets, main),
            {pattern: pa.ListArray.from_arrays(offsets, each) for pattern, each in beside.items()},
        )

    def read(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Set the list of a message."""
        target = getattr(message, self.source.name)
        content = self.content
        for index, item in enumerate(_items(cell)):
            try:
                others = _parallel(beside, index)
                _require_cell(item, others)
                if isinstance(content, MessageContent):
                    content.fill(item, others, target.add())
                else:
                    target.append(content.read(item, others))
            except ConversionError as error:
                raise error.under(index) from None


class OpenListColumn(Column):
    """A list of an open vocabulary: the names of the enum, and then the custom names."""

    __slots__ = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of the names of the columns that may be beside it."""
        return (NUMBER, CUSTOM)

    def wrapped(self, type_: Any) -> Any:
        """Return the type of the column, given that of its items."""
        return pa.list_(type_)

    def cells(self, messages: Sequence[Any]) -> Cells:
        """Return the cells of messages."""
        content = self.content
        assert isinstance(content, EnumContent)
        enums = [getattr(each, self.source.name)[:] for each in messages]
        customs = [getattr(each, str(self.source.custom))[:] for each in messages]
        texts = [
            [text for number in some if (text := content.names.get(number)) is not None] + others
            for some, others in zip(enums, customs, strict=True)
        ]
        inexact = [
            any(number not in content.names for number in some)
            or any(each in content.numbers for each in others)
            for some, others in zip(enums, customs, strict=True)
        ]
        beside = {}
        if any(inexact):
            for pattern, lists, type_ in (
                (NUMBER, enums, pa.int32()),
                (CUSTOM, customs, pa.string()),
            ):
                kept = [each if keep else None for each, keep in zip(lists, inexact, strict=True)]
                beside[pattern] = pa.array(kept, pa.list_(type_))
        offsets = _offsets(texts)
        flat = pa.array([text for each in texts for text in each], STRINGS)
        return Cells(pa.ListArray.from_arrays(offsets, flat), beside)

    def read(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Set the two lists of a message."""
        numbers, customs = beside.get(NUMBER), beside.get(CUSTOM)
        if numbers is None and customs is None:
            known = self.source.short_names
            numbers = [known[text] for text in _items(cell) if text in known]
            customs = [text for text in _items(cell) if text not in known]
        getattr(message, self.source.name).extend(_items(numbers or []))
        getattr(message, str(self.source.custom)).extend(_items(customs or []))


class MapColumn(Column):
    """A map, sorted by key."""

    __slots__ = ()

    @property
    def key_type(self) -> Any:
        """The type of its keys."""
        assert self.source.key is not None
        return SCALARS[self.source.key]

    def wrapped(self, type_: Any) -> Any:
        """Return the type of the column, given that of its values."""
        return pa.map_(self.key_type, type_)

    def cells(self, messages: Sequence[Any]) -> Cells:
        """Return the cells of messages."""
        maps = list(map(attrgetter(self.source.name), messages))
        entries = [(key, each[key]) for each in maps for key in sorted(each)]
        offsets = _offsets(maps)
        keys = pa.array([key for key, _ in entries], self.key_type)
        try:
            main, beside = self.content.cells([value for _, value in entries])
        except ConversionError as error:
            sorted_maps = [[MapKey(str(key)) for key in sorted(each)] for each in maps]
            raise _located(error, sorted_maps, self.source.name) from None
        return Cells(
            pa.MapArray.from_arrays(offsets, keys, main),
            {
                pattern: pa.MapArray.from_arrays(offsets, keys, each)
                for pattern, each in beside.items()
            },
        )

    def read(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Set the map of a message."""
        target = getattr(message, self.source.name)
        content = self.content
        for index, (key, item) in enumerate(_items(cell)):
            try:
                others = {name: each[1] for name, each in _parallel(beside, index).items()}
                _require_cell(item, others)
                if isinstance(content, MessageContent):
                    target[key].SetInParent()
                    content.fill(item, others, target[key])
                else:
                    target[key] = content.read(item, others)
            except ConversionError as error:
                raise error.under(MapKey(str(key))) from None


def _items(cell: Any) -> list[Any]:
    if not isinstance(cell, list):
        raise ConversionError(f"expected a list, got {cell!r:.80}")
    return cell


def _parallel(beside: Mapping[str, Any], index: int) -> dict[str, Any]:
    """Return the cells beside an item."""
    try:
        return {pattern: each[index] for pattern, each in beside.items() if each is not None}
    except IndexError:
        raise ConversionError("the column beside it has fewer items") from None


def _require_cell(cell: Any, beside: Mapping[str, Any]) -> None:
    if cell is None and all(each is None for each in beside.values()):
        raise ConversionError("null is not a value")


def _offsets(parts: Sequence[Any]) -> Any:
    offsets = [0]
    for each in parts:
        offsets.append(offsets[-1] + len(each))
    return pa.array(offsets, pa.int32())


def _inserted(error: ConversionError, name: str) -> ConversionError:
    """Add the name of a field to the path of an error, after the index of the message."""
    index = error.reversed_parts.pop()
    return error.under(name).under(index)


def _located(error: ConversionError, parts: Sequence[Any], name: str) -> ConversionError:
    """Replace the index of an error in a flat list by the index of the message, and the item."""
    index: Any = error.reversed_parts.pop()
    for row, part in enumerate(parts):
        if index < len(part):
            item = part[index] if len(part) and isinstance(part[0], MapKey) else index
            return error.under(item).under(name).under(row)
        index -= len(part)
    raise error


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


def built(columns: Sequence[Column], messages: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return the Arrow fields and arrays of messages; errors as in `Column.cells`."""
    fields, arrays = [], []
    for column in columns:
        main, beside = column.cells(messages)
        fields.append(pa.field(column.name, main.type, column.is_nullable))
        arrays.append(main)
        for pattern in column.patterns:
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
        beside = {pattern: row.get(pattern.format(column.name)) for pattern in column.patterns}
        if cell is None and all(each is None for each in beside.values()):
            continue
        try:
            column.read(cell, beside, message)
        except ConversionError as error:
            raise error.under(column.source.name) from None
        except (TypeError, ValueError) as error:
            text = " ".join(str(error).split())
            raise ConversionError(f"got {cell!r:.80}: {text}", column.source.name) from None
