"""Messages from Arrow tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from crucible_ir.bulk.columns import Column
from crucible_ir.bulk.contents import TimestampContent, pa
from crucible_ir.bulk.message_columns import StructContent, columns_of, fill
from crucible_ir.bulk.schemas import RAW
from crucible_ir.bulk.table_formats import arrow_reason
from crucible_ir.errors import DecodeError, near_miss, shorten, shorten_name
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.serialization.binary import from_binary
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.validation.check import validate as validate_message

if TYPE_CHECKING:
    from google.protobuf.message import Message

    MessageT = TypeVar("MessageT", bound=Message)

#: The nanoseconds of the units of time.
_NANOS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1}


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
    try:
        reader = pa.RecordBatchReader.from_stream(table)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _unreadable(error) from None
    columns = columns_of(descriptor_of(class_))
    has_raw = RAW in reader.schema.names and RAW not in {column.name for column in columns}
    try:
        _check_fields(columns, list(reader.schema), has_raw=has_raw)
    except ConversionError as error:
        raise error.decode_error() from None
    return _messages(reader, class_, columns, validate=validate, has_raw=has_raw)


def _unreadable(error: Exception) -> DecodeError:
    return DecodeError(f"the table cannot be read: {arrow_reason(error)}")


def _check_fields(
    columns: Sequence[Column], given: Sequence[Any], *, has_raw: bool = False
) -> None:
    """Check the names of Arrow fields, also of those inside, and the types of timestamps.

    Raises:
        ConversionError: A name is unknown or is there twice, or a column has no timestamps.
    """
    known: dict[str, Column | None] = {RAW: None} if has_raw else {}
    for column in columns:
        known[column.name] = column
        known |= dict.fromkeys(column.names_beside())
    seen: set[str] = set()
    for field in given:
        if field.name not in known:
            guess = near_miss(field.name, known)
            raise ConversionError(f'unknown column "{shorten_name(field.name)}"{guess}')
        if field.name in seen:
            raise ConversionError(f'two columns have the name "{field.name}"')
        seen.add(field.name)
        of_field = known[field.name]
        if of_field is not None:
            try:
                _check_type(of_field, field.type)
            except ConversionError as error:
                raise error.under(field.name) from None


def _check_type(column: Column, type_: Any) -> None:
    types = pa.types
    if column.source.is_map and types.is_map(type_):
        type_ = type_.item_type
    elif column.source.is_list and any(is_kind(type_) for is_kind in _lists()):
        type_ = type_.value_type
    content = column.content
    if isinstance(content, StructContent) and types.is_struct(type_):
        _check_fields(content.columns, list(type_))
    elif isinstance(content, TimestampContent) and not (
        types.is_timestamp(type_) or types.is_null(type_)
    ):
        # A number could be seconds as well as microseconds.
        raise ConversionError(f"expected timestamps, got a column of {type_!s:.80}")


def _lists() -> list[Callable[[Any], bool]]:
    types = pa.types
    return [
        types.is_list,
        types.is_large_list,
        types.is_fixed_size_list,
        types.is_list_view,
        types.is_large_list_view,
    ]


def _messages(
    reader: Any, class_: Any, columns: Sequence[Column], *, validate: bool, has_raw: bool
) -> Iterator[Message]:
    number = 0
    for batch in _valid_batches(reader):
        if has_raw:
            for data in batch.column(RAW).to_pylist():
                try:
                    message = from_binary(data, class_, validate=validate)
                except DecodeError as error:
                    dot = "." if error.path and not error.path.startswith("[") else ""
                    path = f"[{number}].{RAW}{dot}{error.path}"
                    raise DecodeError(error.reason, path=path) from None
                number += 1
                yield message
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


def _valid_batches(reader: Any) -> Iterator[Any]:
    """Yield record batches whose buffers are valid: other ones would be read beyond their ends.

    Raises:
        DecodeError: The next batch cannot be read, or has such buffers.
    """
    first = 0
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, ValueError) as error:
            raise _unreadable(error) from None
        try:
            batch.validate(full=True)
        except pa.ArrowException as error:
            reason = f"a corrupt table: {arrow_reason(error)}"
            raise DecodeError(reason, path=f"[{first}]") from None
        yield batch
        first += len(batch)


def plain(array: Any) -> list[Any]:
    """Return the values of an array: times as nanoseconds, structs as dicts, maps as pairs."""
    type_ = array.type
    if isinstance(array, pa.ExtensionArray):
        return plain(array.storage)
    if pa.types.is_timestamp(type_):
        nanos = _NANOS[type_.unit]
        cells = array.view(pa.int64()).to_pylist()
        return [None if cell is None else cell * nanos for cell in cells]
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
    if any(is_kind(type_) for is_kind in _lists()):
        return [plain(cell.values) if cell.is_valid else None for cell in array]
    values: list[Any] = array.to_pylist()
    return values


def _split(array: Any, items: list[Any]) -> list[Any]:
    """Return the lists of an array of lists or maps, given all items."""
    offsets, present = array.offsets.to_pylist(), array.is_valid().to_pylist()
    return [
        items[start:end] if valid else None
        for start, end, valid in zip(offsets, offsets[1:], present, strict=False)
    ]
