"""Messages from Arrow tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from crucible_ir.bulk.columns import Column
from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.message_columns import columns_of, fill
from crucible_ir.bulk.schemas import RAW
from crucible_ir.errors import DecodeError, near_miss, shorten, shorten_name
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.serialization.binary import from_binary
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.validation.check import validate as validate_message

if TYPE_CHECKING:
    from google.protobuf.message import Message

    MessageT = TypeVar("MessageT", bound=Message)


@overload
def from_arrow(
    table: Any, type: type[MessageT], *, validate: bool = True
) -> Iterator[MessageT]: ...
@overload
def from_arrow(table: Any, type: str, *, validate: bool = True) -> Iterator[Message]: ...
def from_arrow(
    table: Any, type: str | type[Message], *, validate: bool = True
) -> Iterator[Message]:
    """Yield the messages of an Arrow table.

    Args:
        table: A table of pyarrow, polars or DuckDB, or any other object with the method
            ``__arrow_c_stream__``. Columns may be missing; their fields are unset. A column ``raw``
            has the messages, whatever the other columns have.
        type: The class of the messages or its name.
        validate: Whether each message must satisfy the rules of the schema.

    Raises:
        DecodeError: It is not a table, there is an unknown column, or a cell has no value of its
            field; the error has the path, which begins with the number of the row.
        ValidationError: A message breaks rules of the schema.
        MissingExtraError: pyarrow is not installed.

    >>> import pyarrow
    >>> list(from_arrow(pyarrow.table({"name": ["a"], "enabled": [True]}), "StageDef"))
    [name: "a"
    enabled: true
    ]
    """
    class_: Any = message_type(type)
    if not hasattr(table, "__arrow_c_stream__"):
        raise DecodeError(
            "expected a table of pyarrow, polars or DuckDB, or another object with the method"
            f" __arrow_c_stream__, got {shorten(table)}"
        )
    reader = pa.RecordBatchReader.from_stream(table)
    columns = columns_of(descriptor_of(class_))
    has_raw = RAW in reader.schema.names and RAW not in {column.name for column in columns}
    _check_names(columns, reader.schema.names, has_raw=has_raw)
    return _messages(reader, class_, columns, validate=validate, has_raw=has_raw)


def _check_names(columns: Sequence[Column], given: Sequence[str], *, has_raw: bool) -> None:
    known = {RAW} if has_raw else set()
    for column in columns:
        known |= {column.name, *column.names_beside()}
    for name in given:
        if name not in known:
            guess = near_miss(name, known)
            raise DecodeError(f'unknown column "{shorten_name(name)}"{guess}')
        if given.count(name) > 1:
            raise DecodeError(f'two columns have the name "{name}"')


def _messages(
    reader: Any, class_: Any, columns: Sequence[Column], *, validate: bool, has_raw: bool
) -> Iterator[Message]:
    number = 0
    for batch in reader:
        if has_raw:
            for data in batch.column(RAW).to_pylist():
                yield from_binary(data, class_, validate=validate)
            continue
        values = [plain(column) for column in batch.columns]
        for row in zip(*values, strict=True):
            message = class_()
            try:
                fill(columns, dict(zip(batch.schema.names, row, strict=True)), message)
            except ConversionError as error:
                raise error.under(number).decode_error() from None
            if validate:
                validate_message(message)
            number += 1
            yield message


def plain(array: Any) -> list[Any]:
    """Return the values of an array: times as microseconds, structs as dicts, maps as pairs."""
    type_ = array.type
    if isinstance(array, pa.ExtensionArray):
        return plain(array.storage)
    if pa.types.is_timestamp(type_):
        array = array.cast(pa.timestamp("us", tz=type_.tz)).view(pa.int64())
    if pa.types.is_struct(type_):
        children = [plain(each) for each in array.flatten()]
        names = [field.name for field in type_]
        rows = [dict(zip(names, cells, strict=True)) for cells in zip(*children, strict=True)]
        rows = rows or [{} for _ in range(len(array))]
        return [
            row if valid else None
            for row, valid in zip(rows, array.is_valid().to_pylist(), strict=True)
        ]
    if pa.types.is_map(type_):
        items = list(zip(plain(array.keys), plain(array.items), strict=True))
        return _split(array, items)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        return _split(array, plain(array.values))
    values: list[Any] = array.to_pylist()
    return values


def _split(array: Any, items: list[Any]) -> list[Any]:
    """Return the lists of an array of lists or maps, given all items."""
    offsets, present = array.offsets.to_pylist(), array.is_valid().to_pylist()
    return [
        items[start:end] if valid else None
        for start, end, valid in zip(offsets, offsets[1:], present, strict=False)
    ]
