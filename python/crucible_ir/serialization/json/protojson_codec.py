"""ProtoJSON: the standard JSON form of any protobuf message.

Written from the ProtoJSON specification (protobuf.dev/programming-guides/json). For each message
descriptor a writer and a reader are built once, out of one small function a field, and kept.
Stricter than google's library in four points: a repeated key, an unknown key, an integer beyond
2^53 in opaque JSON, and a nesting that protobuf could not read back are refused, each with a path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from crucible_ir.errors import near_miss
from crucible_ir.paths import MapKey
from crucible_ir.schema.types import descriptor_of, field_of, held_enum, held_message, is_map
from crucible_ir.serialization.conversion_error import ConversionError, too_deep
from crucible_ir.serialization.json import opaque, scalars
from crucible_ir.serialization.json.timestamps import read_timestamp, write_timestamp
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: Turns a message into a plain JSON value.
MessageWriter: TypeAlias = Callable[[Any], object]
#: Fills a message, at a depth below the root, from a plain JSON value.
MessageReader: TypeAlias = Callable[[object, Any, int], None]
_FieldReader: TypeAlias = Callable[[object, Any, int], None]

_NULL_VALUE = "google.protobuf.NullValue"
_VALUE = "google.protobuf.Value"
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
#: The most seconds that a Duration holds: some ten thousand years.
_LONGEST_DURATION = 315_576_000_000
_CPP = FieldDescriptor


def to_plain(message: Message, *, original_names: bool = False) -> object:
    """Return a message's ProtoJSON as plain values.

    Raises:
        ConversionError: The message holds something that ProtoJSON cannot write.
    """
    return writer(descriptor_of(message), original_names)(message)


def fill_from_plain(value: object, message: Message, depth: int = 0) -> None:
    """Fill an empty message from the plain values of its ProtoJSON.

    Raises:
        ConversionError: The values are not the ProtoJSON of such a message.
    """
    reader(descriptor_of(message))(value, message, depth)


# Writing


@cache
def writer(descriptor: Descriptor, original_names: bool) -> MessageWriter:
    """Return the function that writes messages of a type."""
    special = _WELL_KNOWN_WRITERS.get(descriptor.full_name)
    if special is not None:
        return partial(special, original_names) if special is _write_any else special
    # A recursive type finds its own writer in the table only once it is called.
    table: dict[int, tuple[str, MessageWriter | None]] = {}

    def entry(field: FieldDescriptor) -> tuple[str, MessageWriter | None]:
        if field.is_extension:
            key = f"[{field.full_name}]"
        else:
            key = field.name if original_names else field.json_name
        table[field.number] = made = (key, _field_writer(field, original_names))
        return made

    def write(message: Message) -> dict[str, object]:
        made: dict[str, object] = {}
        for field, value in message.ListFields():
            key, write_field = table.get(field.number) or entry(field)
            try:
                made[key] = value if write_field is None else write_field(value)
            except ConversionError as error:
                raise error.under(field.name) from None
        return made

    return write


def _field_writer(field: FieldDescriptor, original_names: bool) -> MessageWriter | None:
    if is_map(field):
        key_writer = _key_text(field_of(held_message(field), "key"))
        item = _item_writer(field_of(held_message(field), "value"), original_names)
        return partial(_write_map, key_writer, item)
    item = _item_writer(field, original_names)
    if field.is_repeated:
        return list if item is None else partial(_write_list, item)
    return item


def _write_list(item: MessageWriter, values: Any) -> list[object]:
    made: list[object] = []
    for index, value in enumerate(values):
        try:
            made.append(item(value))
        except ConversionError as error:
            raise error.under(index) from None
    return made


def _write_map(
    key_text: Callable[[Any], str], item: MessageWriter | None, values: Any
) -> dict[str, object]:
    made: dict[str, object] = {}
    for key in sorted(values):
        value = values[key]
        try:
            made[key_text(key)] = value if item is None else item(value)
        except ConversionError as error:
            raise error.under(MapKey(key_text(key))) from None
    return made


def _key_text(field: FieldDescriptor) -> Callable[[Any], str]:
    if field.cpp_type == _CPP.CPPTYPE_BOOL:
        return lambda key: "true" if key else "false"
    return str


def _item_writer(field: FieldDescriptor, original_names: bool) -> MessageWriter | None:
    """Return the writer of a single value of a field; ``None`` where it is its own JSON."""
    kind = field.cpp_type
    if kind == _CPP.CPPTYPE_MESSAGE:
        return lambda message: writer(held_message(field), original_names)(message)
    if kind == _CPP.CPPTYPE_ENUM:
        enum = held_enum(field)
        if enum.full_name == _NULL_VALUE:
            return lambda _: None
        # Where several names share a number, the first is written.
        names = {value.number: value.name for value in reversed(enum.values)}
        return lambda number: names.get(number, number)
    if kind in (_CPP.CPPTYPE_INT64, _CPP.CPPTYPE_UINT64):
        return str
    if kind == _CPP.CPPTYPE_DOUBLE:
        return scalars.write_double
    if kind == _CPP.CPPTYPE_FLOAT:
        return scalars.write_float
    if field.type == _CPP.TYPE_BYTES:
        return scalars.write_bytes
    return None


# Reading


@cache
def reader(descriptor: Descriptor) -> MessageReader:
    """Return the function that reads messages of a type."""
    special = _WELL_KNOWN_READERS.get(descriptor.full_name)
    if special is not None:
        return special
    by_key: dict[str, tuple[FieldDescriptor, str, str | None, _FieldReader]] = {}
    for field in descriptor.fields:
        entry = (field, field.name, oneof_name(field), _field_reader(field))
        by_key[field.json_name] = by_key[field.name] = entry

    def read(value: object, message: Message, depth: int) -> None:
        if type(value) is not dict:
            raise ConversionError(f"expected an object, got {opaque.describe(value)}")
        given: dict[str, str] = {}
        chosen: dict[str, str] = {}
        for key, item in value.items():
            entry = by_key.get(key)
            if entry is None:
                raise unknown_key(key, descriptor.name, by_key)
            field, name, oneof, read_field = entry
            if name in given:
                raise ConversionError(f'given twice, as "{given[name]}" and as "{key}"').under(key)
            given[name] = key
            try:
                if item is None and not _takes_null(field):
                    continue
                if oneof is not None:
                    if oneof in chosen:
                        raise second_member(descriptor, oneof, chosen[oneof])
                    chosen[oneof] = key
                read_field(item, message, depth)
            except ConversionError as error:
                raise error.under(key) from None
            except UnicodeEncodeError:
                raise opaque.unpaired_surrogate().under(key) from None

    return read


def unknown_key(key: str, owner: str, known: dict[str, Any]) -> ConversionError:
    """Return the error of a key that a message does not have."""
    if type(key) is not str:
        return opaque.not_a_key(key)
    shown = key if len(key) <= 64 else f"{key[:64]}…"
    return ConversionError(
        f'{owner} has no field "{shown}"{near_miss(key, known)}', key, at_key=True
    )


def second_member(descriptor: Descriptor, oneof: str, first: str | None) -> ConversionError:
    """Return the error of a member of a oneof after another was given."""
    owner = descriptor.name
    return ConversionError(
        f'"{first}" is set already, and only one member of {owner}.{oneof} may be'
    )


def oneof_name(field: FieldDescriptor) -> str | None:
    """Return the name of the oneof that a field shares with others; ``optional`` makes none."""
    oneof = field.containing_oneof
    return oneof.name if oneof is not None and len(oneof.fields) > 1 else None


def _takes_null(field: FieldDescriptor) -> bool:
    if field.is_repeated:
        return False
    if field.message_type is not None:
        return bool(field.message_type.full_name == _VALUE)
    return field.enum_type is not None and field.enum_type.full_name == _NULL_VALUE


def _field_reader(field: FieldDescriptor) -> _FieldReader:
    if is_map(field):
        return _map_reader(field)
    if field.message_type is not None:
        return _message_list_reader(field) if field.is_repeated else _message_reader(field)
    convert = scalar_reader(field)
    name = field.name
    if not field.is_repeated:
        return lambda value, message, _: setattr(message, name, convert(value))

    def read_list(value: object, message: Message, _: int) -> None:
        getattr(message, name).extend(read_items(value, convert))

    return read_list


def read_items(value: object, convert: scalars.Reader) -> list[object]:
    """Convert each item of a list, naming the index of one that is refused."""
    if type(value) is not list:
        raise ConversionError(f"expected a list, got {opaque.describe(value)}")
    made: list[object] = []
    for index, item in enumerate(value):
        try:
            made.append(convert(item))
        except ConversionError as error:
            raise error.under(index) from None
    return made


def _message_reader(field: FieldDescriptor) -> _FieldReader:
    name = field.name

    def read(value: object, message: Message, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise too_deep()
        inner = getattr(message, name)
        inner.SetInParent()
        reader(held_message(field))(value, inner, depth + 1)

    return read


def _message_list_reader(field: FieldDescriptor) -> _FieldReader:
    name = field.name

    def read(value: object, message: Message, depth: int) -> None:
        if type(value) is not list:
            raise ConversionError(f"expected a list, got {opaque.describe(value)}")
        target = getattr(message, name)
        read_item = reader(held_message(field))
        for index, item in enumerate(value):
            try:
                if item is None and held_message(field).full_name != _VALUE:
                    raise ConversionError("null cannot stand in a list")
                if depth >= MAX_DEPTH:
                    raise too_deep()
                read_item(item, target.add(), depth + 1)
            except ConversionError as error:
                raise error.under(index) from None

    return read


def _map_reader(field: FieldDescriptor) -> _FieldReader:
    name = field.name
    key_field = field_of(held_message(field), "key")
    value_field = field_of(held_message(field), "value")
    read_key = _key_reader(key_field)
    convert = None if value_field.message_type is not None else scalar_reader(value_field)

    def read(value: object, message: Message, depth: int) -> None:
        if type(value) is not dict:
            raise ConversionError(f"expected an object, got {opaque.describe(value)}")
        target = getattr(message, name)
        for key, item in value.items():
            try:
                made_key: Any = read_key(key)
                if made_key in target:
                    raise ConversionError(f'duplicate key: "{key}" stands for a key given before')
                if item is None and not _takes_null(value_field):
                    raise ConversionError("null cannot stand in a map")
                if convert is not None:
                    target[made_key] = convert(item)
                elif depth + 2 > MAX_DEPTH:
                    raise too_deep()
                else:
                    reader(held_message(value_field))(item, target[made_key], depth + 2)
            except ConversionError as error:
                raise error.under(MapKey(key)) from None

    return read


def _key_reader(field: FieldDescriptor) -> scalars.Reader:
    if field.cpp_type == _CPP.CPPTYPE_STRING:
        return scalars.read_string
    if field.cpp_type == _CPP.CPPTYPE_BOOL:
        return _read_bool_key
    return scalars.integer_reader(field.cpp_type)


def _read_bool_key(key: object) -> bool:
    if key not in ("true", "false"):
        raise ConversionError(f'expected the key "true" or "false", got {opaque.describe(key)}')
    return key == "true"


def scalar_reader(field: FieldDescriptor) -> scalars.Reader:
    """Return the reader of a single value of a scalar or enum field."""
    kind = field.cpp_type
    if kind == _CPP.CPPTYPE_ENUM:
        return _enum_reader(held_enum(field))
    if kind == _CPP.CPPTYPE_BOOL:
        return scalars.read_bool
    if kind in (_CPP.CPPTYPE_DOUBLE, _CPP.CPPTYPE_FLOAT):
        return scalars.float_reader(single=kind == _CPP.CPPTYPE_FLOAT)
    if kind == _CPP.CPPTYPE_STRING:
        return scalars.read_bytes if field.type == _CPP.TYPE_BYTES else scalars.read_string
    return scalars.integer_reader(kind)


def _enum_reader(enum: EnumDescriptor) -> scalars.Reader:
    numbers = {value.name: value.number for value in enum.values}
    read_number = scalars.integer_reader(_CPP.CPPTYPE_INT32, quoted=False)
    takes_null = enum.full_name == _NULL_VALUE

    def read(value: object) -> object:
        if type(value) is str:
            number = numbers.get(value)
            if number is None:
                raise ConversionError(unknown_name(value, enum, numbers))
            return number
        if value is None and takes_null:
            return 0
        if type(value) is not int and type(value) is not float:
            got = opaque.describe(value)
            raise ConversionError(f"expected the name or number of a {enum.name}, got {got}")
        number = read_number(value)  # type: ignore[assignment]  # an int, by its range
        if enum.is_closed and number not in enum.values_by_number:
            raise ConversionError(f"{number} is not the number of a {enum.name}")
        return number

    return read


def unknown_name(name: str, enum: EnumDescriptor, known: dict[str, int]) -> str:
    """Say that an enum has no such name, with the near miss or the names there are."""
    shown = name if len(name) <= 64 else f"{name[:64]}…"
    guess = near_miss(name, known) or f"; expected one of {', '.join(known)}"
    return f'{enum.name} has no value "{shown}"{guess}'


# The well-known types


def _write_any(original_names: bool, message: Any) -> dict[str, object]:
    if not message.type_url:
        if message.value:
            raise ConversionError("an Any with a value but no type cannot be written as JSON")
        return {}
    inner = _any_message(message.type_url)
    try:
        inner.ParseFromString(message.value)
    except Exception:
        raise ConversionError(f"the value is not a {inner.DESCRIPTOR.full_name}") from None
    made = writer(inner.DESCRIPTOR, original_names)(inner)
    if inner.DESCRIPTOR.full_name in _WELL_KNOWN_WRITERS:
        return {"@type": message.type_url, "value": made}
    return {"@type": message.type_url, **made}  # type: ignore[dict-item]  # an object by its type


def _read_any(value: object, message: Any, depth: int) -> None:
    if type(value) is not dict:
        raise ConversionError(f"expected an object, got {opaque.describe(value)}")
    if depth + 1 > MAX_DEPTH:
        raise too_deep()
    message.SetInParent()
    if not value:
        return
    url = value.get("@type")
    if type(url) is not str:
        raise ConversionError('an Any needs its type under the key "@type"')
    inner = _any_message(url)
    rest = {key: item for key, item in value.items() if key != "@type"}
    if inner.DESCRIPTOR.full_name in _WELL_KNOWN_READERS:
        if list(rest) != ["value"]:
            raise ConversionError(
                f'an Any of {inner.DESCRIPTOR.full_name} has just "@type" and "value"'
            )
        try:
            reader(inner.DESCRIPTOR)(rest["value"], inner, depth + 1)
        except ConversionError as error:
            raise error.under("value") from None
    else:
        reader(inner.DESCRIPTOR)(rest, inner, depth + 1)
    message.type_url = url
    message.value = inner.SerializeToString(deterministic=True)


def _any_message(url: str) -> Message:
    host, _, name = url.rpartition("/")
    if not host or not name:
        raise ConversionError(
            f"expected a type URL such as type.googleapis.com/x.Y, got {url[:80]!r}"
        )
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        raise ConversionError(f'the type "{name[:80]}" is not known here') from None
    made: Message = message_factory.GetMessageClass(descriptor)()
    return made


def _write_text_form(message: Any) -> object:
    """Write a Duration or FieldMask, which google's library renders."""
    try:
        return message.ToJsonString()
    except ValueError as error:
        raise ConversionError(str(error)) from None


def _read_duration(value: object, message: Any, _: int) -> None:
    match = _DURATION.fullmatch(value) if type(value) is str else None
    if match is None:
        raise ConversionError(
            'expected a duration in seconds such as "1.5s", with at most nine digits after the'
            f" point, got {opaque.describe(value)}"
        )
    sign = -1 if match[1] else 1
    seconds = int(match[2])
    if seconds > _LONGEST_DURATION:
        raise ConversionError(f"a duration is at most {_LONGEST_DURATION} seconds either way")
    message.SetInParent()
    message.seconds = sign * seconds
    message.nanos = sign * int((match[3] or "").ljust(9, "0"))


def _read_field_mask(value: object, message: Any, _: int) -> None:
    if type(value) is not str:
        raise ConversionError(f"expected a FieldMask in a string, got {opaque.describe(value)}")
    message.SetInParent()
    try:
        message.FromJsonString(value)
    except ValueError as error:
        raise ConversionError(f"not a FieldMask: {error}") from None


def _write_wrapper(message: Any) -> object:
    field = message.DESCRIPTOR.fields_by_name["value"]
    item = _item_writer(field, False)
    return message.value if item is None else item(message.value)


def _read_wrapper(value: object, message: Any, _: int) -> None:
    message.SetInParent()
    message.value = scalar_reader(message.DESCRIPTOR.fields_by_name["value"])(value)


_WRAPPERS = [
    f"google.protobuf.{kind}Value"
    for kind in (
        "Double",
        "Float",
        "Int64",
        "UInt64",
        "Int32",
        "UInt32",
        "Bool",
        "String",
        "Bytes",
    )
]

_WELL_KNOWN_WRITERS: dict[str, Callable[..., Any]] = {
    "google.protobuf.Any": _write_any,
    "google.protobuf.Duration": _write_text_form,
    "google.protobuf.FieldMask": _write_text_form,
    "google.protobuf.ListValue": opaque.write_list,
    "google.protobuf.Struct": opaque.write_struct,
    "google.protobuf.Timestamp": write_timestamp,
    "google.protobuf.Value": opaque.write_value,
    **dict.fromkeys(_WRAPPERS, _write_wrapper),
}

_WELL_KNOWN_READERS: dict[str, MessageReader] = {
    "google.protobuf.Any": _read_any,
    "google.protobuf.Duration": _read_duration,
    "google.protobuf.FieldMask": _read_field_mask,
    "google.protobuf.ListValue": opaque.read_list,
    "google.protobuf.Struct": opaque.read_struct,
    "google.protobuf.Timestamp": lambda value, message, _: read_timestamp(value, message),
    "google.protobuf.Value": opaque.read_value,
    **dict.fromkeys(_WRAPPERS, _read_wrapper),
}
