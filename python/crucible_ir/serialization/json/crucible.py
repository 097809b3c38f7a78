"""Crucible JSON: the dialect of the Elixir services, defined in proto/README.md, "Crucible JSON".

Keys are the schema's own names, enum values are short names, both members of an open vocabulary
share one key, every key is written, and a missing key takes its default while ``null`` leaves it
unset.
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
from crucible_ir.serialization.conversion_error import ConversionError, describe, too_deep
from crucible_ir.serialization.json import scalars, timestamps
from crucible_ir.serialization.json.codec import (
    Dialect,
    Reader,
    ReadRow,
    read_items,
    unknown_key,
)
from crucible_ir.serialization.json.document import ParsedValues
from crucible_ir.serialization.json.enum_names import unknown_short_name
from crucible_ir.serialization.json.opaque import (
    Writer,
    opaque_readers,
    opaque_writers,
    unpaired_surrogate,
    write_number,
)
from crucible_ir.serialization.json.parsing import JsonPositions, parse
from crucible_ir.serialization.json.writing import write_text
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

#: Messages whose oneof has one key for its members, by the name of the oneof.
_SHARED_KEYS = {_MESSAGE: "content", _TOOL_CALL: "arguments"}
#: Messages whose fields have no keys of their own.
_WITHOUT_KEYS = frozenset([_PART, _PARTS, _SNAPSHOT])
#: Messages of the IR that are not an object with a key for each field.
SPECIAL_MESSAGES = frozenset([*_SHARED_KEYS, *_WITHOUT_KEYS, _TOOL_CHOICE])


def to_crucible_json(message: Message, *, indent: int | None = None) -> str:
    """Write a message of the IR as Crucible JSON.

    Args:
        message: A message of ``crucible_ir.v1``.
        indent: The number of spaces of each level; ``None`` writes one line.

    Raises:
        EncodeError: The message contains something that Crucible JSON cannot write, such as an enum
            number without a name; the error has the path of the field.

    >>> from crucible_ir import v1
    >>> to_crucible_json(v1.StageDef(name="embed", enabled=True))
    '{"name":"embed","module":null,"options":null,"enabled":true}'
    """
    if indent in (None, 2):
        try:
            return write_text(_TEXT.to_json_value(message), indent=indent)
        except (ConversionError, RecursionError):
            # An error in a piece of a list lacks the path to the list.
            pass
    try:
        return write_text(CRUCIBLE.to_json_value(message), indent=indent)
    except ConversionError as error:
        raise error.encode_error() from None
    except RecursionError:
        raise too_deep().encode_error() from None


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

    Args:
        data: JSON text, or its UTF-8 bytes.
        type: The message's class or its name.
        validate: Whether the schema's rules must hold.
        limits: How large and deep the document may be; ``None`` sets no limit but memory.

    Raises:
        LimitError: The document is over one of the limits.
        DecodeError: The text is not the Crucible JSON of such a message; the error has a path and
            a position.
        ValidationError: The message breaks rules of the schema.
    """
    if limits is not None:
        limits.check_size(data)
    return parse_crucible_json(data).read(message_type(type), validate=validate, limits=limits)


def parse_crucible_json(data: str | bytes) -> ParsedValues:
    """Parse Crucible JSON whose message type need not be known.

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
        # The values come from parsed JSON, and nobody else has them.
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
            _SNAPSHOT: lambda snapshot, depth: self.double_map_writer(snapshot.values, depth),
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
        """Return the name of a field, or the one key of the fields that share one."""
        return _key_before_joining(field)

    def path_step(self, field: Field) -> str:
        """Return the key of a field, which errors of writing name."""
        return _key(field)

    def reads_null(self, field: Field) -> bool:
        """Return ``False``: ``null`` leaves every field unset."""
        return False

    def fields_by_key(self, message: Descriptor) -> Mapping[str, Field]:
        """Return the fields of a message type by key; of fields that share one, the first."""
        found: dict[str, Field] = {}
        for field in fields_of(message).values():
            found.setdefault(_key(field), field)
        return found

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
        """Return the writer of one value that is no message; ``None`` where it is its own JSON."""
        if field.enum is not None:
            return _enum_writer(field.enum)
        if field.kind is Kind.DOUBLE:
            return scalars.write_double
        return scalars.write_bytes if field.kind is Kind.BYTES else None

    def scalar_reader(self, field: Field) -> scalars.Reader:
        """Return the reader of one value that is no message."""
        if field.enum is not None:
            return _enum_reader(field.enum)
        return scalars.reader_of(field, quoted=False)

    def enum_numbers(self, enum: EnumDescriptor) -> Mapping[str, int]:
        """Return the numbers of an enum by short name."""
        return vocabulary.numbers(enum)

    # Keys that are always there, and those that two fields share

    def unset_values(self, message: Descriptor) -> dict[str, object]:
        """Return every key in the order of the schema, each with what stands for unset."""
        return {_key_before_joining(field): _unset(field) for field in fields_of(message).values()}

    def finish_writing(self, message: Descriptor) -> Callable[[dict[str, Any]], None] | None:
        """Join the two lists of an open vocabulary; omit the members of a oneof that are unset."""
        fields = fields_of(message).values()
        lists = [(field.name, field.custom) for field in fields if field.custom and field.is_list]
        members = [field.name for field in fields if _has_key_only_when_set(field)]
        if not lists and not members:
            return None

        def finish(made: dict[str, Any]) -> None:
            for name, custom in lists:
                # Unspecified is no name, and has no place in a list.
                made[name] = [item for item in made[name] if item is not None] + made.pop(custom)
            for name in members:
                if made[name] is None:
                    del made[name]

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

        def finish(value: dict[str, object], made: Any) -> None:
            for key, field, default in declared:
                if key in value:
                    continue
                if field.is_list:
                    getattr(made, field.name).extend(default)
                elif field.message is not None:
                    getattr(made, field.name).CopyFrom(default)
                else:
                    setattr(made, field.name, default)

        return finish

    def read_row(self, field: Field) -> ReadRow:
        """Return how a key is read: that of an open vocabulary and of shared keys its own way."""
        if field.custom is not None:
            read = _open_list_reader(field) if field.is_list else _open_reader(field)
            return ReadRow(field.name, read)
        shared = _shared_key(field)
        if shared is not None:
            read = self._read_content if shared == "content" else self._read_arguments
            return ReadRow(field.name, read)
        return super().read_row(field)

    # Messages that are not an object with a key for each field

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
        made: list[object] = []
        try:
            for part in parts.parts:
                made.append(self._write_part(part, depth + 1))
        except ConversionError as error:
            raise error.under(len(made)) from None
        return made

    def _read_parts(self, value: object, parts: v1.ContentParts, depth: int) -> None:
        read_items(value, lambda item: self._read_part(item, parts.parts.add(), depth + 1))

    def _write_part(self, part: v1.ContentPart, depth: int) -> dict[str, object]:
        member = part.WhichOneof("part")
        if member is None:
            raise ConversionError("a content part with nothing in it has no type to write")
        value: Any = getattr(part, member)
        if member == "text":
            return {_TYPE: member, member: value}
        made: Any = self.writer(value.DESCRIPTOR)(value, depth + 1)
        return {_TYPE: member, **made}

    def _read_part(self, value: object, part: v1.ContentPart, depth: int) -> None:
        if type(value) is not dict:
            raise ConversionError(f"expected an object, got {describe(value)}")
        members = [field.name for field in part.DESCRIPTOR.oneofs_by_name["part"].fields]
        kind = value.get(_TYPE)
        if kind not in members:
            got = "no type" if _TYPE not in value else describe(kind)
            raise ConversionError(f"expected a type out of {', '.join(members)}, got {got}")
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
    """Return the key that a document has for a field."""
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
    """Return what is written for a field that is not set."""
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
        raise ConversionError(f"{enum.name} {number} has no name, and Crucible JSON writes names")
    return name


def _name(value: object) -> str:
    if type(value) is not str:
        raise ConversionError(f"expected a name in a string, got {describe(value)}")
    return value


def _enum_writer(enum: EnumDescriptor) -> Writer:
    return lambda number, depth: _short_name(enum, number)


def _enum_reader(enum: EnumDescriptor) -> scalars.Reader:
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
    """Return the reader of a list of an open vocabulary, which fills two lists."""
    numbers = field.short_names

    def read(value: object, message: Message, depth: int) -> None:
        names = read_items(value, _name)
        try:
            getattr(message, field.name).extend(numbers[n] for n in names if n in numbers)
            getattr(message, str(field.custom)).extend(n for n in names if n not in numbers)
        except ValueError:
            raise unpaired_surrogate() from None

    return read


# Messages that are not an object with a key for each field


def _write_tool_choice(choice: v1.ToolChoice, depth: int) -> object:
    if choice.WhichOneof("choice") == "name":
        return {"name": choice.name}
    return _short_name(v1.ToolChoiceMode.DESCRIPTOR, choice.mode)


def _read_tool_choice(value: object, choice: v1.ToolChoice, depth: int) -> None:
    if type(value) is str:
        # protoc's stub wants the enum's own type, which does not exist at run time.
        mode: Any = _enum_reader(v1.ToolChoiceMode.DESCRIPTOR)(value)
        choice.mode = mode
    elif type(value) is dict:
        for key in value:
            if key != "name":
                raise unknown_key(key, "a tool choice", {"name": None}).under(key)
        _set_string(choice, "name", scalars.read_string(value.get("name")))
    elif value is not None:
        # Null is a choice that is not made: a whole document can be one.
        modes = ", ".join(vocabulary.numbers(v1.ToolChoiceMode.DESCRIPTOR))
        raise ConversionError(f'expected one of {modes}, or {{"name": ...}}, got {describe(value)}')


def _set_string(message: Message, name: str, value: str) -> None:
    try:
        setattr(message, name, value)
    except ValueError:
        raise unpaired_surrogate() from None


CRUCIBLE = CrucibleJson()
_TEXT = CrucibleJson(in_pieces=True)
