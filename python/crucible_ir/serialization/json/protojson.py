"""ProtoJSON: the standard JSON of protobuf messages (protobuf.dev/programming-guides/json).

It is stricter than google's library: duplicate keys, unknown keys, integers beyond 2^53 in opaque
JSON and messages nested too deeply for protobuf's parsers are errors with a path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from google.protobuf import descriptor_pool, message_factory

from crucible_ir import native
from crucible_ir.schema.fields import Field, Kind, describe_field, fields_of
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.serialization.conversion_error import ConversionError, describe, too_deep
from crucible_ir.serialization.json import scalars, timestamps
from crucible_ir.serialization.json.codec import Dialect, write_message
from crucible_ir.serialization.json.document import ParsedValues
from crucible_ir.serialization.json.enum_names import unknown_full_name
from crucible_ir.serialization.json.opaque import (
    Reader,
    Writer,
    opaque_readers,
    opaque_writers,
    write_number,
)
from crucible_ir.serialization.json.parsing import JsonPositions, parse
from crucible_ir.serialization.limits import MAX_DEPTH
from crucible_ir.validation.check import ensure_valid

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

    from crucible_ir.paths import Part
    from crucible_ir.serialization.limits import Limits

    MessageT = TypeVar("MessageT", bound=Message)

NULL_VALUE = "google.protobuf.NullValue"
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s", re.ASCII)
#: The most seconds of a Duration: some ten thousand years.
_LONGEST_DURATION = 315_576_000_000
_WRAPPERS = tuple(
    f"google.protobuf.{kind}Value"
    for kind in ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"]
)


def to_json(message: Message, *, indent: int | None = None, original_names: bool = False) -> str:
    """Write a message as ProtoJSON; the keys of maps are sorted.

    Args:
        message: Any protobuf message.
        indent: The number of spaces of each level; ``None`` writes one line.
        original_names: Whether to write ``model_ref`` instead of ``modelRef``.

    Raises:
        EncodeError: ProtoJSON cannot write a value of the message, such as NaN in opaque JSON; the
            error has the path of the field.

    >>> from crucible_ir import v1
    >>> to_json(v1.BackendRef(id="gpt4", model_version="2025-01"))
    '{"id":"gpt4","modelVersion":"2025-01"}'
    """
    if indent is None and (text := native.to_json(message, original_names)) is not None:
        return text
    return write_message(message, _DIALECTS[original_names], _IN_PIECES[original_names], indent)


def to_dict(message: Message, *, original_names: bool = False) -> object:
    """Return a message's ProtoJSON as JSON values; arguments and errors as in `to_json`.

    >>> from crucible_ir import v1
    >>> to_dict(v1.BackendRef(id="gpt4", model_version="2025-01"))
    {'id': 'gpt4', 'modelVersion': '2025-01'}
    """
    return _DIALECTS[original_names].encode(message)


@overload
def from_json(
    data: str | bytes, type: type[MessageT], *, validate: bool = True, limits: Limits | None = None
) -> MessageT: ...
@overload
def from_json(
    data: str | bytes, type: str, *, validate: bool = True, limits: Limits | None = None
) -> Message: ...
def from_json(
    data: str | bytes,
    type: str | type[Message],
    *,
    validate: bool = True,
    limits: Limits | None = None,
) -> Message:
    """Read a message from ProtoJSON.

    A timestamp has a ``T`` and, for UTC, a ``Z``, as google's json_format requires. The readers of
    Crucible JSON and YAML accept the other spellings of RFC 3339 as well.

    Args:
        data: JSON text, or its UTF-8 bytes.
        type: The message's class or its name.
        validate: Whether the message must satisfy the rules of the schema.
        limits: The limits on the document; ``None`` for no limits.

    Raises:
        LimitError: The document is over a limit.
        DecodeError: The text is not the ProtoJSON of such a message; the error has a path and a
            position.
        ValidationError: The message breaks rules of the schema.

    >>> from_json('{"id": "gpt4", "modelVersion": "2025-01"}', "BackendRef").model_version
    '2025-01'
    >>> from_json('{"id": ""}', "BackendRef")
    Traceback (most recent call last):
        ...
    crucible_ir.errors.ValidationError: crucible_ir.v1.BackendRef: 1 violation
      1:8: id: must not be empty [required]
    """
    if limits is not None:
        limits.check_size(data)
    message = native.from_json(data, type, validate)
    if message is None:
        return parse_json(data).read(message_type(type), validate=validate, limits=limits)
    if limits is not None:
        limits.check(message)
    return message


def parse_json(data: str | bytes) -> ParsedValues:
    """Parse ProtoJSON before its message type is known.

    Raises:
        DecodeError: The text is not JSON.
    """
    return ParsedValues(parse(data), JsonPositions(data), _CONSUMING)


@overload
def from_dict(data: object, type: type[MessageT], *, validate: bool = True) -> MessageT: ...
@overload
def from_dict(data: object, type: str, *, validate: bool = True) -> Message: ...
def from_dict(data: object, type: str | type[Message], *, validate: bool = True) -> Message:
    """Read a message from its ProtoJSON as JSON values; arguments and errors as in `from_json`.

    JSON values have the types that ``json.loads`` returns: dict, list, str, int, float, bool and
    None. Errors have a path but no position.

    >>> from_dict({"id": "gpt4", "modelVersion": "2025-01"}, "BackendRef").model_version
    '2025-01'
    """
    message = message_type(type)()
    try:
        PROTOJSON.fill(data, message)
    except ConversionError as error:
        raise error.decode_error() from None
    return ensure_valid(message) if validate else message


class ProtoJson(Dialect):
    """The dialect ProtoJSON.

    Args:
        original_names: Whether to write ``model_ref`` instead of ``modelRef``.
        in_pieces: Whether long lists of messages are written as `LargeList`.
        consumes: Whether reading empties the lists of opaque JSON, to save memory.
        read_timestamp: Reads a timestamp.
    """

    def __init__(
        self,
        *,
        original_names: bool = False,
        in_pieces: bool = False,
        consumes: bool = False,
        read_timestamp: Reader = timestamps.read_protojson_timestamp,
    ) -> None:
        super().__init__()
        self.original_names = original_names
        self.in_pieces = in_pieces
        opaque = opaque_writers(self.write_opaque_number)
        read = opaque_readers(consumes=consumes)
        self.writers = {
            "google.protobuf.Any": self._write_any,
            "google.protobuf.Duration": write_as_text,
            "google.protobuf.FieldMask": write_as_text,
            "google.protobuf.ListValue": opaque.list,
            "google.protobuf.Struct": opaque.struct,
            "google.protobuf.Timestamp": timestamps.write_timestamp,
            "google.protobuf.Value": opaque.value,
            **dict.fromkeys(_WRAPPERS, self._write_wrapper),
        }
        self.readers = {
            "google.protobuf.Any": self._read_any,
            "google.protobuf.Duration": read_duration,
            "google.protobuf.FieldMask": _read_field_mask,
            "google.protobuf.ListValue": read.list,
            "google.protobuf.Struct": read.struct,
            "google.protobuf.Timestamp": read_timestamp,
            "google.protobuf.Value": read.value,
            **dict.fromkeys(_WRAPPERS, self._read_wrapper),
        }

    def key(self, field: Field) -> str:
        """Return the JSON name of a field, or its original name."""
        if field.descriptor.is_extension:
            return f"[{field.descriptor.full_name}]"
        return field.name if self.original_names else field.json_name

    def fields_by_key(self, message: Descriptor) -> Mapping[str, Field]:
        """Return the fields of a message type by both of their names."""
        fields = fields_of(message)
        return {**fields, **{field.json_name: field for field in fields.values()}}

    def document_path(
        self, message: Descriptor, path: tuple[Part, ...], document: object = None
    ) -> list[list[Part]]:
        """Return both names of each field on a path."""
        steps: list[list[Part]] = []
        current: Descriptor | None = message
        for part in path:
            field = None
            if current is not None and isinstance(part, str):
                field = fields_of(current).get(part)
            steps.append([part] if field is None else [field.json_name, field.name])
            if field is not None:
                current = field.message
        return steps

    def scalar_writer(self, field: Field) -> Writer | None:
        """Return the writer of a scalar or enum value; ``None`` if it needs no conversion."""
        if field.enum is not None:
            return _enum_writer(field.enum)
        if field.kind in (Kind.INT64, Kind.UINT64):
            return lambda value, depth: str(value)
        if field.kind is Kind.DOUBLE:
            return self.write_double
        if field.kind is Kind.FLOAT:
            return self.write_float
        return scalars.write_bytes if field.kind is Kind.BYTES else None

    def scalar_reader(self, field: Field) -> scalars.ScalarReader:
        """Return the reader of a scalar or enum value."""
        if field.enum is not None:
            return self._enum_reader(field, field.enum)
        return scalars.reader_of(field)

    def _enum_reader(self, field: Field, enum: EnumDescriptor) -> scalars.ScalarReader:
        numbers = self.enum_numbers(enum)
        read_number = scalars.integer_reader(Kind.INT32, quoted=False)
        reads_null = enum.full_name == NULL_VALUE

        def read(value: object) -> object:
            if type(value) is str:
                number: object = numbers.get(value)
                if number is None:
                    raise ConversionError(partial(self.unknown_enum_name, value, field, enum))
                return number
            if value is None and reads_null:
                return 0
            if type(value) is not int and not isinstance(value, float):
                got = describe(value)
                raise ConversionError(f"expected a name or number of {enum.name}, got {got}")
            number = read_number(value)
            if enum.is_closed and number not in enum.values_by_number:
                raise ConversionError(f"{enum.name} has no value {number}")
            return number

        return read

    def enum_numbers(self, enum: EnumDescriptor) -> Mapping[str, int]:
        """Return the numbers of an enum, by the names of its values."""
        return {value.name: value.number for value in enum.values}

    def unknown_enum_name(self, name: str, field: Field, enum: EnumDescriptor) -> str:
        """Return the error text for a string that is not the name of a value of a field's enum."""
        return unknown_full_name(name, field, enum, key_of=self.key)

    # Numbers, which canonical JSON writes in another way

    def write_double(self, number: float, depth: int) -> object:
        """Write a double."""
        return scalars.write_double(number)

    def write_float(self, number: float, depth: int) -> object:
        """Write a 32-bit float."""
        return scalars.write_float(number)

    #: Writes a number of opaque JSON.
    write_opaque_number: Callable[[float], float | int] = staticmethod(write_number)

    # Well-known types

    def _write_wrapper(self, message: Any, depth: int) -> object:
        write = self.scalar_writer(describe_field(message.DESCRIPTOR.fields_by_name["value"]))
        return message.value if write is None else write(message.value, depth)

    def _read_wrapper(self, value: object, message: Any, depth: int) -> None:
        message.SetInParent()
        field = describe_field(message.DESCRIPTOR.fields_by_name["value"])
        message.value = self.scalar_reader(field)(value)

    def _write_any(self, message: Any, depth: int) -> dict[str, object]:
        if not message.type_url:
            if message.value:
                raise ConversionError("an Any with a value and no type URL has no JSON")
            return {}
        inside = _any_message(message.type_url)
        try:
            inside.ParseFromString(message.value)
        except Exception:
            raise ConversionError(f"the value is not a {inside.DESCRIPTOR.full_name}") from None
        value = self.writer(descriptor_of(inside))(inside, depth + 1)
        if inside.DESCRIPTOR.full_name in self.writers:
            return {"@type": message.type_url, "value": value}
        return {"@type": message.type_url, **value}  # type: ignore[dict-item]  # always an object

    def _read_any(self, value: object, message: Any, depth: int) -> None:
        if type(value) is not dict:
            raise ConversionError(f"expected an object, got {describe(value)}")
        if depth + 1 > MAX_DEPTH:
            raise too_deep()
        message.SetInParent()
        if not value:
            return
        url = value.get("@type")
        if type(url) is not str:
            raise ConversionError('expected the type URL of the Any under the key "@type"')
        inside = _any_message(url)
        name = inside.DESCRIPTOR.full_name
        read = self.reader(descriptor_of(inside))
        rest = {key: item for key, item in value.items() if key != "@type"}
        if name not in self.readers:
            read(rest, inside, depth + 1)
        elif list(rest) != ["value"]:
            raise ConversionError(f'an Any of {name} has the keys "@type" and "value" only')
        else:
            try:
                read(rest["value"], inside, depth + 1)
            except ConversionError as error:
                raise error.under("value") from None
        message.type_url = url
        message.value = inside.SerializeToString(deterministic=True)


# Enums


def _enum_writer(enum: EnumDescriptor) -> Writer:
    if enum.full_name == NULL_VALUE:
        return lambda number, depth: None
    # If several names have the same number, the first is written.
    names = {value.number: value.name for value in reversed(enum.values)}
    return lambda number, depth: names.get(number, number)


# Well-known types


def _any_message(url: str) -> Message:
    host, _, name = url.rpartition("/")
    if not host or not name:
        raise ConversionError(
            f"expected a type URL such as type.googleapis.com/x.Y, got {url[:80]!r}"
        )
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        raise ConversionError(f'unknown message type "{name[:80]}"') from None
    message: Message = message_factory.GetMessageClass(descriptor)()
    return message


def write_as_text(message: Any, depth: int) -> object:
    """Write a Duration or FieldMask with google's library."""
    try:
        return message.ToJsonString()
    except ValueError as error:
        raise ConversionError(str(error)) from None


def read_duration(value: object, message: Any, depth: int) -> None:
    """Read a Duration, such as ``"1.5s"``."""
    match = _DURATION.fullmatch(value) if type(value) is str else None
    if match is None:
        raise ConversionError(
            'expected a duration in seconds such as "1.5s", with at most nine digits after the'
            f" point, got {describe(value)}"
        )
    sign = -1 if match[1] else 1
    seconds = int(match[2])
    if seconds > _LONGEST_DURATION:
        raise ConversionError(
            f"{value} is out of range; expected -{_LONGEST_DURATION}s to {_LONGEST_DURATION}s"
        )
    message.SetInParent()
    message.seconds = sign * seconds
    message.nanos = sign * int((match[3] or "").ljust(9, "0"))


def _read_field_mask(value: object, message: Any, depth: int) -> None:
    if type(value) is not str:
        raise ConversionError(f"expected a FieldMask in a string, got {describe(value)}")
    message.SetInParent()
    try:
        message.FromJsonString(value)
    except ValueError as error:
        raise ConversionError(f"invalid FieldMask: {error}") from None


#: The dialects, by whether they write original names.
_DIALECTS = {names: ProtoJson(original_names=names) for names in (False, True)}
#: The same dialects, writing long lists in pieces.
_IN_PIECES = {names: ProtoJson(original_names=names, in_pieces=True) for names in (False, True)}
#: The dialect that reads parsed JSON, whose values are not used again.
_CONSUMING = ProtoJson(consumes=True)

PROTOJSON = _DIALECTS[False]
