"""Crucible JSON: the dialect of the Elixir services, defined in proto/README.md, "Crucible JSON".

Keys are the names in the schema, enum values are short names, and both members of an open
vocabulary share one key. Every key is written. On reading, a missing key takes its default, and
``null`` leaves the field unset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from crucible_ir import v1
from crucible_ir.paths import Part
from crucible_ir.schema import vocabulary
from crucible_ir.schema.defaults import defaults
from crucible_ir.schema.fields import Field, Kind, fields_of
from crucible_ir.schema.types import message_type
from crucible_ir.schema.unknown_fields import show_entries
from crucible_ir.serialization.conversion_error import ConversionError, describe, too_deep
from crucible_ir.serialization.json import scalars, timestamps
from crucible_ir.serialization.json.codec import (
    Dialect,
    ReadRow,
    read_items,
    unknown_key,
    write_message,
)
from crucible_ir.serialization.json.document import ParsedValues
from crucible_ir.serialization.json.enum_names import unknown_short_name
from crucible_ir.serialization.json.opaque import (
    Reader,
    Writer,
    opaque_readers,
    opaque_writers,
    unpaired_surrogate,
    write_number,
)
from crucible_ir.serialization.json.parsing import JsonPositions, parse
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits

    MessageT = TypeVar("MessageT", bound=Message)

_TYPE = "type"
_MESSAGE, _TOOL_CALL, _PART, _PARTS, _TOOL_CHOICE, _SNAPSHOT = (
    type_.DESCRIPTOR.full_name
    for type_ in (
        v1.Message,
        v1.ToolCall,
        v1.ContentPart,
        v1.ContentParts,
        v1.ToolChoice,
        v1.MetricsSnapshot,
    )
)

#: The message types with one key for all members of a oneof, and the name of that key and oneof.
_SHARED_KEYS = {_MESSAGE: "content", _TOOL_CALL: "arguments"}
#: The message types whose fields have no keys.
_WITHOUT_KEYS = frozenset([_PART, _PARTS, _SNAPSHOT])
#: The message types of the IR that are not written as an object with a key for each field.
SPECIAL_MESSAGES = frozenset([*_SHARED_KEYS, *_WITHOUT_KEYS, _TOOL_CHOICE])


def to_crucible_json(message: Message, *, indent: int | None = None) -> str:
    """Write a message of the IR as Crucible JSON.

    Args:
        message: A message of ``crucible_ir.v1``.
        indent: The number of spaces of each level; ``None`` writes one line.

    Raises:
        EncodeError: Crucible JSON cannot write a value of the message, such as an enum number
            without a name; the error has the path of the field.

    >>> from crucible_ir import v1
    >>> to_crucible_json(v1.StageDef(name="embed", enabled=True))
    '{"name":"embed","module":null,"options":null,"enabled":true}'
    """
    return write_message(message, CRUCIBLE, _IN_PIECES, indent)


@overload
def from_crucible_json(
    data: str | bytes, type: type[MessageT], *, validate: bool = True, limits: Limits | None = None
) -> MessageT: ...
@overload
def from_crucible_json(
    data: str | bytes, type: str, *, validate: bool = True, limits: Limits | None = None
) -> Message: ...
def from_crucible_json(
    data: str | bytes,
    type: str | type[Message],
    *,
    validate: bool = True,
    limits: Limits | None = None,
) -> Message:
    """Read a message of the IR from Crucible JSON; a missing key takes its default.

    Unlike ProtoJSON, it accepts every spelling of a timestamp that RFC 3339 permits, such as
    ``2025-12-26 12:00:00Z``.

    Args:
        data: JSON text, or its UTF-8 bytes.
        type: The message's class or its name.
        validate: Whether the message must satisfy the rules of the schema.
        limits: The limits on the document; ``None`` for no limits.

    Raises:
        LimitError: The document is over a limit.
        DecodeError: The text is not the Crucible JSON of such a message; the error has a path and
            a position.
        ValidationError: The message breaks rules of the schema.
    """
    if limits is not None:
        limits.check_size(data)
    return parse_crucible_json(data).read(message_type(type), validate=validate, limits=limits)


def parse_crucible_json(data: str | bytes) -> ParsedValues:
    """Parse Crucible JSON before its message type is known.

    Raises:
        DecodeError: The text is not JSON.
    """
    return ParsedValues(parse(data), JsonPositions(data), CRUCIBLE)


class CrucibleJson(Dialect):
    """The dialect Crucible JSON.

    Args:
        in_pieces: Whether long lists of messages are written as `LargeList`.
    """

    def __init__(self, *, in_pieces: bool = False) -> None:
        super().__init__()
        self.in_pieces = in_pieces
        opaque = opaque_writers(write_number)
        # The values come from parsed JSON and are not used again.
        read = opaque_readers(consumes=True)
        self._read_struct = read.struct
        snapshot = fields_of(v1.MetricsSnapshot.DESCRIPTOR)["values"]
        self._read_snapshot_values = self.read_row(snapshot).read
        self.writers = {
            "google.protobuf.ListValue": opaque.list,
            "google.protobuf.Struct": opaque.struct,
            "google.protobuf.Timestamp": timestamps.write_shortest_timestamp,
            "google.protobuf.Value": opaque.value,
            _PART: self._write_part,
            _PARTS: self._write_parts,
            _SNAPSHOT: self._write_snapshot,
            _TOOL_CHOICE: _write_tool_choice,
        }
        self.readers = {
            "google.protobuf.ListValue": read.list,
            "google.protobuf.Struct": read.struct,
            "google.protobuf.Timestamp": timestamps.read_timestamp,
            "google.protobuf.Value": read.value,
            _PART: self._read_part,
            _PARTS: self._read_parts,
            _SNAPSHOT: self._read_snapshot_values,
            _TOOL_CHOICE: _read_tool_choice,
        }

    def key(self, field: Field) -> str:
        """Return the name of a field, or the key that it shares with other fields."""
        return _key_before_joining(field)

    def path_step(self, field: Field) -> str:
        """Return the key of a field, which is its step in the path of an `EncodeError`."""
        return _key(field)

    def reads_null(self, field: Field) -> bool:
        """Return ``False``: ``null`` leaves every field unset."""
        return False

    def fields_by_key(self, message: Descriptor) -> Mapping[str, Field]:
        """Return the fields of a message type by key; for a shared key, the first field."""
        fields: dict[str, Field] = {}
        for field in fields_of(message).values():
            fields.setdefault(_key(field), field)
        return fields

    def document_path(self, message: Descriptor, path: tuple[Part, ...]) -> list[list[Part]]:
        """Return the steps in a document of a path of field names.

        >>> CRUCIBLE.document_path(v1.Message.DESCRIPTOR, ("parts", "parts", 0, "image", "url"))
        [['content'], [0], ['url']]
        """
        steps: list[list[Part]] = []
        current: Descriptor | None = message
        for part in path:
            is_name = type(part) is str
            field = fields_of(current).get(str(part)) if current is not None and is_name else None
            if is_name and field is None and current is not None:
                break
            if field is None or current is None:
                steps.append([part])
                continue
            if current.full_name not in _WITHOUT_KEYS:
                steps.append([_key(field)])
            current = field.message
        return steps

    def scalar_writer(self, field: Field) -> Writer | None:
        """Return the writer of a scalar or enum value; ``None`` if it needs no conversion."""
        if field.enum is not None:
            return _enum_writer(field.enum)
        if field.kind is Kind.DOUBLE:
            return scalars.write_double
        return scalars.write_bytes if field.kind is Kind.BYTES else None

    def scalar_reader(self, field: Field) -> scalars.ScalarReader:
        """Return the reader of a scalar or enum value."""
        if field.enum is not None:
            return _enum_reader(field.enum)
        return scalars.reader_of(field, quoted=False)

    def enum_numbers(self, enum: EnumDescriptor) -> Mapping[str, int]:
        """Return the numbers of an enum, by short name."""
        return vocabulary.numbers(enum)

    # Keys of unset fields, and keys that fields share

    def unset_values(self, message: Descriptor) -> dict[str, object]:
        """Return every key in the order of the schema, each with the value of an unset field."""
        return {_key_before_joining(field): _unset(field) for field in fields_of(message).values()}

    def finish_writing(self, message: Descriptor) -> Callable[[dict[str, Any]], None] | None:
        """Join the two lists of an open vocabulary; omit the members of a oneof that are unset."""
        fields = fields_of(message).values()
        lists = [(field.name, field.custom) for field in fields if field.custom and field.is_list]
        members = [field.name for field in fields if _has_key_only_when_set(field)]
        if not lists and not members:
            return None

        def finish(result: dict[str, Any]) -> None:
            for name, custom in lists:
                # UNSPECIFIED has no short name, and is left out of lists.
                known = [item for item in result[name] if item is not None]
                result[name] = known + result.pop(custom)
            for name in members:
                if result[name] is None:
                    del result[name]

        return finish

    def finish_reading(
        self, message: Descriptor
    ) -> Callable[[dict[str, object], Any], None] | None:
        """Set the default of each field whose key is missing."""
        fields = fields_of(message)
        declared = [
            (_key(fields[name]), fields[name], value) for name, value in defaults(message).items()
        ]
        if not declared:
            return None

        def finish(value: dict[str, object], result: Any) -> None:
            for key, field, default in declared:
                if key in value:
                    continue
                if field.is_list:
                    getattr(result, field.name).extend(default)
                elif field.message is not None:
                    getattr(result, field.name).CopyFrom(default)
                else:
                    setattr(result, field.name, default)

        return finish

    def read_row(self, field: Field) -> ReadRow:
        """Return how a field is read; keys that several fields share have readers of their own."""
        if field.custom is not None:
            read = _open_list_reader(field) if field.is_list else _open_reader(field)
            return ReadRow(field.name, read)
        shared = _shared_key(field)
        if shared is not None:
            read = self._read_content if shared == "content" else self._read_arguments
            return ReadRow(field.name, read)
        return super().read_row(field)

    # Messages that are not written as an object with a key for each field

    def _read_content(self, value: object, message: v1.Message, depth: int) -> None:
        if type(value) is str:
            _set_string(message, "text", value)
        elif type(value) is list:
            message.parts.SetInParent()
            self._read_parts(value, message.parts, depth + 1)
        else:
            raise ConversionError(f"expected a string or a list of parts, got {describe(value)}")

    def _read_arguments(self, value: object, call: v1.ToolCall, depth: int) -> None:
        if type(value) is str:
            _set_string(call, "raw", value)
        elif type(value) is dict:
            if depth + 1 > MAX_DEPTH:
                raise too_deep()
            self._read_struct(value, call.map, depth + 1)
        else:
            raise ConversionError(f"expected an object or a string, got {describe(value)}")

    def _write_parts(self, parts: v1.ContentParts, depth: int) -> list[object]:
        result: list[object] = []
        try:
            for part in parts.parts:
                result.append(self._write_part(part, depth + 1))
        except ConversionError as error:
            raise error.under(len(result)) from None
        return result

    def _read_parts(self, value: object, parts: v1.ContentParts, depth: int) -> None:
        read_items(value, lambda item: self._read_part(item, parts.parts.add(), depth + 1))

    def _write_snapshot(self, snapshot: Any, depth: int) -> dict[str, object]:
        return self.double_map_writer(show_entries(snapshot).values, depth)

    def _write_part(self, part: v1.ContentPart, depth: int) -> dict[str, object]:
        member = part.WhichOneof("part")
        if member is None:
            raise ConversionError("an empty content part has no type")
        value: Any = getattr(part, member)
        if member == "text":
            return {_TYPE: member, member: value}
        content: Any = self.writer(value.DESCRIPTOR)(value, depth + 1)
        return {_TYPE: member, **content}

    def _read_part(self, value: object, part: v1.ContentPart, depth: int) -> None:
        if type(value) is not dict:
            raise ConversionError(f"expected an object, got {describe(value)}")
        members = [field.name for field in part.DESCRIPTOR.oneofs_by_name["part"].fields]
        kind = value.get(_TYPE)
        if kind not in members:
            got = "no type" if _TYPE not in value else describe(kind)
            raise ConversionError(f"expected one of the types {', '.join(members)}, got {got}")
        rest = {key: item for key, item in value.items() if key != _TYPE}
        if kind != "text":
            if depth + 1 > MAX_DEPTH:
                raise too_deep()
            inside = getattr(part, kind)
            inside.SetInParent()
            self.reader(inside.DESCRIPTOR)(rest, inside, depth + 1)
            return
        for key in rest:
            if key != "text":
                raise unknown_key(key, "a text part", {"text": None}).under(key)
        try:
            _set_string(part, "text", scalars.read_string(rest.get("text")))
        except ConversionError as error:
            raise error.under("text") from None


def _key(field: Field) -> str:
    """Return the key of a field in a document."""
    return field.custom_of or _shared_key(field) or field.name


def _key_before_joining(field: Field) -> str:
    """Return the key of a field before `CrucibleJson.finish_writing` joins two lists."""
    return field.name if field.is_list else _key(field)


def _shared_key(field: Field) -> str | None:
    owner = field.descriptor.containing_type
    shared = _SHARED_KEYS.get(owner.full_name) if owner is not None else None
    return shared if shared is not None and field.oneof == shared else None


def _has_key_only_when_set(field: Field) -> bool:
    """Return whether a field is a member of a oneof whose members each have a key."""
    is_vocabulary = field.custom is not None or field.custom_of is not None
    return field.oneof is not None and not is_vocabulary and _shared_key(field) is None


def _unset(field: Field) -> object:
    """Return the value that is written for an unset field."""
    if field.is_map:
        return {}
    if field.is_list:
        return []
    if field.has_presence or field.enum is not None:
        return None
    return "" if field.kind is Kind.BYTES else field.descriptor.default_value


# Vocabularies


def _short_name(enum: EnumDescriptor, number: int) -> str | None:
    """Return an enum value's short name; ``None`` for unspecified."""
    if number == 0:
        return None
    name = vocabulary.names(enum).get(number)
    if name is None:
        raise ConversionError(f"{enum.name} {number} has no name, which Crucible JSON requires")
    return name


def _name(value: object) -> str:
    if type(value) is not str:
        raise ConversionError(f"expected a name in a string, got {describe(value)}")
    return value


def _enum_writer(enum: EnumDescriptor) -> Writer:
    return lambda number, depth: _short_name(enum, number)


def _enum_reader(enum: EnumDescriptor) -> scalars.ScalarReader:
    numbers = vocabulary.numbers(enum)

    def read(value: object) -> int:
        name = _name(value)
        if name not in numbers:
            raise ConversionError(unknown_short_name(name, enum))
        return numbers[name]

    return read


def _open_reader(field: Field) -> Reader:
    """Return the reader of an open vocabulary, which sets the enum or the custom string."""
    numbers = field.short_names

    def read(value: object, message: Message, depth: int) -> None:
        name = _name(value)
        number = numbers.get(name)
        try:
            if number is None:
                setattr(message, str(field.custom), name)
            else:
                setattr(message, field.name, number)
        except ValueError:
            raise unpaired_surrogate() from None

    return read


def _open_list_reader(field: Field) -> Reader:
    """Return the reader of a list of an open vocabulary, which sets two lists."""
    numbers = field.short_names

    def read(value: object, message: Message, depth: int) -> None:
        names = read_items(value, _name)
        try:
            getattr(message, field.name).extend(numbers[n] for n in names if n in numbers)
            getattr(message, str(field.custom)).extend(n for n in names if n not in numbers)
        except ValueError:
            raise unpaired_surrogate() from None

    return read


# Messages that are not written as an object with a key for each field


def _write_tool_choice(choice: v1.ToolChoice, depth: int) -> object:
    if choice.WhichOneof("choice") == "name":
        return {"name": choice.name}
    return _short_name(v1.ToolChoiceMode.DESCRIPTOR, choice.mode)


def _read_tool_choice(value: object, choice: v1.ToolChoice, depth: int) -> None:
    if type(value) is str:
        # protoc's stub expects the enum type, which does not exist at run time.
        mode: Any = _enum_reader(v1.ToolChoiceMode.DESCRIPTOR)(value)
        choice.mode = mode
    elif type(value) is dict:
        for key in value:
            if key != "name":
                raise unknown_key(key, "a tool choice", {"name": None}).under(key)
        _set_string(choice, "name", scalars.read_string(value.get("name")))
    elif value is not None:
        # A document can be a ToolChoice without a choice, which is null.
        modes = ", ".join(vocabulary.numbers(v1.ToolChoiceMode.DESCRIPTOR))
        raise ConversionError(f'expected one of {modes}, or {{"name": ...}}, got {describe(value)}')


def _set_string(message: Message, name: str, value: str) -> None:
    try:
        setattr(message, name, value)
    except ValueError:
        raise unpaired_surrogate() from None


CRUCIBLE = CrucibleJson()
_IN_PIECES = CrucibleJson(in_pieces=True)
