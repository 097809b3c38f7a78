"""The Arrow schemas of message types."""

from __future__ import annotations

import hashlib
from functools import cache, reduce
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FileDescriptor

from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.message_columns import columns_of, complete_fields
from crucible_ir.errors import EncodeError
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.version import VERSION

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The column of the messages' own bytes.
RAW: Final = "raw"

#: The keys of the metadata of a schema.
TYPE_KEY: Final = b"crucible_ir.type"
VERSION_KEY: Final = b"crucible_ir.version"
DIGEST_KEY: Final = b"crucible_ir.schema_digest"


def arrow_schema(type: str | type[Message], *, raw: bool = False, complete: bool = False) -> Any:
    """Return the Arrow schema of the messages of a type, as a `pyarrow.Schema`.

    Args:
        type: The class of the messages or its name.
        raw: Whether there is a column ``raw`` with the bytes of each message.
        complete: Whether the schema has every column that a table of such messages can have, such
            as ``timestamp_nanos``. Otherwise a table can have more columns: see `to_arrow`.

    Raises:
        EncodeError: The messages have a field ``raw``.
        MissingExtraError: pyarrow is not installed.

    >>> arrow_schema("StageDef").names
    ['name', 'module', 'options', 'enabled']
    >>> arrow_schema("StageDef").field("options").type
    JsonType(extension<arrow.json>)
    >>> arrow_schema("Message", complete=True).names[:2]
    ['role', 'role_number']
    """
    class_: Any = message_type(type)
    return _schema(class_, raw=bool(raw), complete=bool(complete))


@cache
def _schema(class_: Any, *, raw: bool, complete: bool) -> Any:
    columns = columns_of(descriptor_of(class_))
    fields = complete_fields(columns) if complete else [column.field() for column in columns]
    if raw:
        if RAW in {field.name for field in fields}:
            raise EncodeError(f'a {class_.__name__} has a field "{RAW}", the name of the column')
        fields.append(raw_field())
    return pa.schema(fields, metadata_of(class_))


def raw_field() -> Any:
    """Return the Arrow field of the column ``raw``."""
    return pa.field(RAW, pa.binary(), nullable=False)


@cache
def metadata_of(class_: Any) -> dict[bytes, bytes]:
    """Return the metadata of the schemas of a message class."""
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


def merged(schema: Any, other: Any) -> Any:
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


def one_batch(batches: list[Any]) -> Any:
    """Return record batches of a message type as one, with all their columns."""
    if len(batches) == 1:
        return batches[0]
    schema = reduce(merged, [each.schema for each in batches])
    table = pa.Table.from_batches([widened(each, schema) for each in batches])
    [batch] = table.combine_chunks().to_batches() or [widened(batches[0], schema)]
    return batch


def widened(batch: Any, schema: Any) -> Any:
    """Return a record batch with the columns of a schema; new ones are null."""
    if batch.schema.equals(schema, check_metadata=True):
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


def pruned(batch: Any, schema: Any) -> Any:
    """Return a record batch without the columns that a schema lacks and no row needs."""
    if batch.schema.equals(schema):
        return batch
    arrays, fields = _pruned_columns(batch.columns, list(batch.schema), list(schema))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _pruned_columns(
    arrays: list[Any], fields: list[Any], wanted: list[Any]
) -> tuple[list[Any], list[Any]]:
    types = {field.name: field.type for field in wanted}
    kept, kept_fields = [], []
    for array, field in zip(arrays, fields, strict=True):
        if field.name in types:
            array = _pruned_array(array, types[field.name])
            kept.append(array)
            kept_fields.append(field.with_type(array.type))
        elif array.null_count < len(array):
            kept.append(array)
            kept_fields.append(field)
    return kept, kept_fields


def _pruned_array(array: Any, type_: Any) -> Any:
    """Return an array without the columns inside structs that a type lacks and no row needs."""
    if array.type == type_:
        return array
    if pa.types.is_struct(type_):
        inside = [array.field(index) for index in range(array.type.num_fields)]
        # Under a null there is the default of the message, which needs no such column.
        arrays, fields = _pruned_columns(inside, list(array.type), list(type_))
        return pa.StructArray.from_arrays(arrays, fields=fields, mask=array.is_null())
    if pa.types.is_map(type_):
        items = _pruned_array(array.items, type_.item_type)
        return pa.MapArray.from_arrays(array.offsets, array.keys, items)
    values = _pruned_array(array.values, type_.value_type)
    return pa.ListArray.from_arrays(array.offsets, values)
