"""Arrow tables of messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from google.protobuf.descriptor import FileDescriptor

from crucible_ir.bulk.columns import Column, built, columns_of, fill
from crucible_ir.bulk.contents import pa
from crucible_ir.errors import DecodeError, EncodeError, near_miss, shorten, shorten_name
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.schema.unknown_fields import reject_unknown_fields
from crucible_ir.serialization.binary import from_binary, to_binary
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.validation.check import validate as validate_message
from crucible_ir.version import VERSION

if TYPE_CHECKING:
    from google.protobuf.message import Message

    MessageT = TypeVar("MessageT", bound=Message)

#: The column of the messages' own bytes.
RAW: Final = "raw"

#: The keys of the metadata of a schema.
TYPE_KEY: Final = b"crucible_ir.type"
VERSION_KEY: Final = b"crucible_ir.version"
DIGEST_KEY: Final = b"crucible_ir.schema_digest"

#: How many messages a record batch has.
BATCH_SIZE: Final = 8192


def arrow_schema(type: str | type[Message], *, raw: bool = False) -> Any:
    """Return the Arrow schema of the messages of a type, as a `pyarrow.Schema`.

    A table can have more columns, beside those of timestamps and vocabularies: see `to_arrow`.

    Args:
        type: The class of the messages or its name.
        raw: Whether there is a column ``raw`` with the bytes of each message.

    Raises:
        EncodeError: The messages have a field ``raw``.
        MissingExtraError: pyarrow is not installed.

    >>> arrow_schema("StageDef").names
    ['name', 'module', 'options', 'enabled']
    >>> arrow_schema("StageDef").field("options").type
    JsonType(extension<arrow.json>)
    """
    class_: Any = message_type(type)
    fields = [column.field() for column in columns_of(descriptor_of(class_))]
    if raw:
        if RAW in {field.name for field in fields}:
            raise EncodeError(f'a {class_.__name__} has a field "{RAW}", the name of the column')
        fields.append(pa.field(RAW, pa.binary(), nullable=False))
    return pa.schema(fields, _metadata(class_))


@cache
def _metadata(class_: Any) -> dict[bytes, bytes]:
    digest = hashlib.sha256()
    for file in _files(class_.DESCRIPTOR.file, {}).values():
        digest.update(file.serialized_pb)
    return {
        TYPE_KEY: descriptor_of(class_).name.encode(),
        VERSION_KEY: VERSION.encode(),
        DIGEST_KEY: f"sha256:{digest.hexdigest()}".encode(),
    }


def _files(file: FileDescriptor, found: dict[str, FileDescriptor]) -> dict[str, FileDescriptor]:
    """Return a file and those that it imports, each after its imports."""
    for imported in file.dependencies:
        _files(imported, found)
    found.setdefault(file.name, file)
    return found


def to_arrow(
    messages: Iterable[Message],
    type: str | type[Message],
    *,
    validate: bool = True,
    raw: bool = False,
) -> Any:
    """Return messages as an Arrow table, a `pyarrow.Table`.

    `from_arrow` returns equal messages.

    Args:
        messages: The messages; can be a generator, such as `read_delimited`.
        type: The class of the messages or its name.
        validate: Whether each message must satisfy the rules of the schema.
        raw: Whether to add a column ``raw`` with the bytes of each message, which keeps unknown
            fields.

    Raises:
        EncodeError: Arrow cannot represent a value, or a message has unknown fields and there is no
            column ``raw``; the error has the path, which begins with the number of the message.
        ValidationError: A message breaks rules of the schema.
        MissingExtraError: pyarrow is not installed.

    >>> from crucible_ir import v1
    >>> table = to_arrow([v1.StageDef(name="a"), v1.StageDef(name="b", enabled=True)], v1.StageDef)
    >>> table.to_pylist()[1]
    {'name': 'b', 'module': None, 'options': None, 'enabled': True}
    """
    class_: Any = message_type(type)
    schema = arrow_schema(class_, raw=raw)
    columns = columns_of(descriptor_of(class_))
    waiting = iter(messages)
    batches = []
    start = 0
    while batch := list(islice(waiting, BATCH_SIZE)):
        for message in batch:
            if not isinstance(message, class_):
                raise EncodeError(f"expected a {class_.__name__}, got {shorten(message)}")
            if validate:
                validate_message(message)
        batches.append(_record_batch(columns, batch, start, raw=raw))
        start += len(batch)
    for each in batches:
        schema = _merged(schema, each.schema)
    schema = schema.with_metadata(_metadata(class_))
    return pa.Table.from_batches([_widened(each, schema) for each in batches], schema)


def _record_batch(
    columns: Sequence[Column], messages: Sequence[Message], start: int, *, raw: bool
) -> Any:
    try:
        if not raw:
            _reject_unknown(messages)
        fields, arrays = built(columns, messages)
    except ConversionError as error:
        index: Any = error.reversed_parts.pop()
        raise error.under(start + index).encode_error() from None
    if raw:
        fields.append(pa.field(RAW, pa.binary(), nullable=False))
        arrays.append(pa.array(map(to_binary, messages), pa.binary()))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _reject_unknown(messages: Sequence[Message]) -> None:
    for index, message in enumerate(messages):
        try:
            reject_unknown_fields(message, purpose="the table")
        except EncodeError:
            raise ConversionError(
                'the message has unknown fields, which only the column "raw" can keep', index
            ) from None


def _merged(schema: Any, other: Any) -> Any:
    """Return a schema with the columns of two, in the order of the schema of messages."""
    return pa.schema(_merged_fields(list(schema), list(other)))


def _merged_fields(fields: list[Any], others: list[Any]) -> list[Any]:
    merged = {field.name: field for field in fields}
    order = [field.name for field in fields]
    before = None
    for other in others:
        if other.name in merged:
            field = merged[other.name]
            merged[other.name] = field.with_type(_merged_type(field.type, other.type))
        else:
            merged[other.name] = other
            order.insert(order.index(before) + 1 if before is not None else 0, other.name)
        before = other.name
    return [merged[name] for name in order]


def _merged_type(type_: Any, other: Any) -> Any:
    if type_ == other:
        return type_
    if pa.types.is_struct(type_):
        return pa.struct(_merged_fields(list(type_), list(other)))
    if pa.types.is_map(type_):
        return pa.map_(type_.key_type, _merged_type(type_.item_type, other.item_type))
    return pa.list_(_merged_type(type_.value_type, other.value_type))


def _widened(batch: Any, schema: Any) -> Any:
    """Return a record batch with the columns of a schema; new ones are null."""
    if batch.schema.equals(schema):
        return batch
    names = set(batch.schema.names)
    arrays = [
        _widened_array(batch.column(field.name), field.type)
        if field.name in names
        else pa.nulls(len(batch), field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _widened_array(array: Any, type_: Any) -> Any:
    if array.type == type_:
        return array
    if pa.types.is_struct(type_):
        children = []
        for field in type_:
            index = array.type.get_field_index(field.name)
            children.append(
                pa.nulls(len(array), field.type)
                if index < 0
                else _widened_array(array.field(index), field.type)
            )
        return pa.StructArray.from_arrays(children, fields=list(type_), mask=array.is_null())
    if pa.types.is_map(type_):
        items = _widened_array(array.items, type_.item_type)
        return pa.MapArray.from_arrays(array.offsets, array.keys, items)
    values = _widened_array(array.values, type_.value_type)
    return pa.ListArray.from_arrays(array.offsets, values)


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
        DecodeError: There is an unknown column, or a cell has no value of its field; the error has
            the path, which begins with the number of the row.
        ValidationError: A message breaks rules of the schema.
        MissingExtraError: pyarrow is not installed.

    >>> import pyarrow
    >>> list(from_arrow(pyarrow.table({"name": ["a"], "enabled": [True]}), "StageDef"))
    [name: "a"
    enabled: true
    ]
    """
    class_: Any = message_type(type)
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
