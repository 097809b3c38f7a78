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
from operator import attrgetter
from typing import Any

from crucible_ir.bulk.contents import (
    CUSTOM,
    NUMBER,
    OPEN_BESIDE,
    STRINGS,
    Cells,
    EnumContent,
    MessageContent,
    ValueContent,
    Values,
    pa,
    text_of,
)
from crucible_ir.schema.fields import Field
from crucible_ir.serialization.conversion_error import ConversionError


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
        return [pattern.format(self.name) for pattern in self.beside]

    @property
    def beside(self) -> Mapping[str, Any]:
        """The types of the contents of the columns that may be beside it, by their patterns."""
        return self.content.beside

    def field(self) -> Any:
        """Return the Arrow field of the column, without the columns that may be beside it."""
        return pa.field(self.name, self.wrapped(self.content.type), self.is_nullable)

    def complete_fields(self) -> list[Any]:
        """Return the Arrow fields of the column and of all columns that may be beside it."""
        main = pa.field(self.name, self.wrapped(self.content.complete_type), self.is_nullable)
        beside = [
            pa.field(pattern.format(self.name), self.wrapped(type_))
            for pattern, type_ in self.beside.items()
        ]
        return [main, *beside]

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
            raise with_field(error, name) from None

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
    def beside(self) -> Mapping[str, Any]:
        """The types of the columns that may be beside it, by the patterns of their names."""
        return OPEN_BESIDE

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
            beside[NUMBER] = pa.array(numbers, OPEN_BESIDE[NUMBER])
        if customs.count(None) < len(customs):
            beside[CUSTOM] = pa.array(customs, OPEN_BESIDE[CUSTOM])
        return Cells(pa.array(texts, STRINGS), beside)

    def read(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Set one of the two fields of a message."""
        number, custom = beside.get(NUMBER), beside.get(CUSTOM)
        if number is None and custom is None:
            custom = text_of(cell)
            number = self.source.short_names.get(custom)
        if number is not None:
            setattr(message, self.source.name, number)
        else:
            setattr(message, str(self.source.custom), custom)


def with_field(error: ConversionError, name: str) -> ConversionError:
    """Add the name of a field to the path of an error, after the index of the message."""
    index = error.reversed_parts.pop()
    return error.under(name).under(index)
