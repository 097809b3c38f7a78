"""Columns of lists and maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from crucible_ir.bulk.columns import Column
from crucible_ir.bulk.contents import (
    CUSTOM,
    NUMBER,
    OPEN_BESIDE,
    SCALARS,
    STRINGS,
    Cells,
    EnumContent,
    MessageContent,
    pa,
    text_of,
)
from crucible_ir.paths import MapKey
from crucible_ir.serialization.conversion_error import ConversionError


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
            {
                pattern: _needed_rows(lists, each.to_pylist(), pa.list_(each.type))
                for pattern, each in beside.items()
            },
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
    def beside(self) -> Mapping[str, Any]:
        """The types of the items of the columns that may be beside it, by their patterns."""
        return OPEN_BESIDE

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
            for pattern, lists in ((NUMBER, enums), (CUSTOM, customs)):
                kept = [each if keep else None for each, keep in zip(lists, inexact, strict=True)]
                beside[pattern] = pa.array(kept, pa.list_(OPEN_BESIDE[pattern]))
        offsets = _offsets(texts)
        flat = pa.array([text for each in texts for text in each], STRINGS)
        return Cells(pa.ListArray.from_arrays(offsets, flat), beside)

    def read(self, cell: Any, beside: Mapping[str, Any], message: Any) -> None:
        """Set the two lists of a message."""
        numbers, customs = beside.get(NUMBER), beside.get(CUSTOM)
        if numbers is None and customs is None:
            known = self.source.short_names
            texts = list(map(text_of, _items(cell)))
            numbers = [known[text] for text in texts if text in known]
            customs = [text for text in texts if text not in known]
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
        keys = [key for key, _ in entries]
        try:
            main, beside = self.content.cells([value for _, value in entries])
        except ConversionError as error:
            sorted_maps = [[MapKey(str(key)) for key in sorted(each)] for each in maps]
            raise _located(error, sorted_maps, self.source.name) from None
        return Cells(
            pa.MapArray.from_arrays(offsets, pa.array(keys, self.key_type), main),
            {
                pattern: _needed_rows(
                    maps,
                    list(zip(keys, each.to_pylist(), strict=True)),
                    pa.map_(self.key_type, each.type),
                    is_needed=_has_value,
                )
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
                if key in target:
                    raise ConversionError("the key is there twice")
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


def _needed_rows(
    parts: Sequence[Any],
    items: list[Any],
    type_: Any,
    is_needed: Callable[[Any], bool] = lambda item: item is not None,
) -> Any:
    """Return the array beside a list or map, with nulls for the rows that do not need it.

    So the cells of a row do not depend on the other rows.

    Args:
        parts: The lists or maps.
        items: The items of all rows.
        type_: The type of the array.
        is_needed: Whether a row needs an item.
    """
    rows = []
    end = 0
    for part in parts:
        start, end = end, end + len(part)
        row = items[start:end]
        rows.append(row if any(map(is_needed, row)) else None)
    return pa.array(rows, type_)


def _has_value(entry: tuple[Any, Any]) -> bool:
    return entry[1] is not None


def _offsets(parts: Sequence[Any]) -> Any:
    offsets = [0]
    for each in parts:
        offsets.append(offsets[-1] + len(each))
    return pa.array(offsets, pa.int32())


def _located(error: ConversionError, parts: Sequence[Any], name: str) -> ConversionError:
    """Replace the index of an error in a flat list by the index of the message, and the item."""
    index: Any = error.reversed_parts.pop()
    for row, part in enumerate(parts):
        if index < len(part):
            item = part[index] if len(part) and isinstance(part[0], MapKey) else index
            return error.under(item).under(name).under(row)
        index -= len(part)
    raise error
