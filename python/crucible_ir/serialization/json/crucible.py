"""Crucible JSON: the dialect of the Elixir services, defined in proto/README.md, "Crucible JSON".

Keys are the names in the schema, enum values are short names, and both members of an open
vocabulary share one key. What is unset or empty is written as the structs of the Elixir services
are when they are made without it. On reading, a missing key takes its default, and ``null`` leaves
the field unset.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir import native, v1
from crucible_ir.errors import shorten_name
from crucible_ir.paths import MapKey, Part
from crucible_ir.schema import vocabulary
from crucible_ir.schema.defaults import defaults
from crucible_ir.schema.fields import INTEGER_RANGES, Field, Kind, fields_of
from crucible_ir.schema.spelling import fold, within_one_edit
from crucible_ir.schema.types import message_type
from crucible_ir.schema.unknown_fields import show_entries
from crucible_ir.serialization.conversion_error import (
    ConversionError,
    add_error,
    describe,
    too_deep,
)
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
from crucible_ir.serialization.json.protojson import read_duration, write_as_text
from crucible_ir.serialization.limits import MAX_DEPTH

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message
    from google.protobuf.struct_pb2 import Struct

    from crucible_ir.serialization.limits import Limits

    MessageT = TypeVar("MessageT", bound=Message)

_TYPE = "type"
#: What the name of the field for the values of a pair that are not numbers begins with.
_OTHERS = "other_"
#: The strings that are numbers of a map of doubles.
_NOT_FINITE = frozenset(map(scalars.write_double, (math.nan, math.inf, -math.inf)))
_read_double = scalars.float_reader(single=False, quoted=False)
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

#: The oneof of a content part, and the member for a part of a kind that the schema does not have.
_PART_KIND, _OTHER_KIND = "part", "other"
#: The names of the kinds of content parts, which are types in Crucible JSON.
_PART_KINDS = [
    field.name
    for field in v1.ContentPart.DESCRIPTOR.oneofs_by_name[_PART_KIND].fields
    if field.name != _OTHER_KIND
]
#: The fields of content parts of every kind.
_BESIDE_PART = [
    name for name, field in fields_of(v1.ContentPart.DESCRIPTOR).items() if field.oneof is None
]

# What the Elixir services write for what is unset. They have no structs for the message types of
# the first table, which are maps with the keys that somebody gave. The fields of the other two
# tables default to an empty map or list.

#: The message types of 0.2 in which an absent field has no key.
_WITHOUT_ABSENT_KEYS = frozenset(
    type_.DESCRIPTOR.full_name
    for type_ in (
        v1.Message,
        v1.ContentPart,
        v1.ImageContent,
        v1.AudioContent,
        v1.ToolResultContent,
        v1.ToolCall,
        v1.ToolChoice,
        v1.Choice,
        v1.Usage,
        v1.Thinking,
    )
)
#: The fields that are ``{}`` if they are absent. On reading, ``{}`` leaves them unset.
_EMPTY_OBJECTS = frozenset(
    type_.DESCRIPTOR.fields_by_name[name].full_name
    for type_, name in (
        (v1.Capabilities, "metadata"),
        (v1.Completion, "metadata"),
        (v1.Prompt, "metadata"),
        (v1.GenerationOptions, "extra"),
    )
)
#: The lists that are ``[]`` if they are empty, apart from those with a default.
_EMPTY_LISTS = frozenset(
    type_.DESCRIPTOR.fields_by_name[name].full_name
    for type_, name in (
        (v1.Capabilities, "models"),
        (v1.Completion, "choices"),
        (v1.Prompt, "messages"),
    )
)


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
    if indent is None and (text := native.to_crucible_json(message)) is not None:
        return text
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

    >>> from_crucible_json('{"name": "mmlu", "provider": "huggingface"}', "DatasetRef")
    name: "mmlu"
    provider: DATASET_PROVIDER_HUGGINGFACE
    split: DATASET_SPLIT_TRAIN
    <BLANKLINE>
    """
    if limits is not None:
        limits.check_size(data)
    message = native.from_crucible_json(data, type, validate)
    if message is None:
        return parse_crucible_json(data).read(message_type(type), validate=validate, limits=limits)
    if limits is not None:
        limits.check(message)
    return message


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
        self._write_struct = opaque.struct
        self._read_struct = _empty_list_as_object(read.struct)
        self.writers = {
            # The exchange has durations, and the IR has none.
            "google.protobuf.Duration": write_as_text,
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
            "google.protobuf.Duration": read_duration,
            "google.protobuf.ListValue": read.list,
            "google.protobuf.Struct": self._read_struct,
            "google.protobuf.Timestamp": timestamps.read_timestamp,
            "google.protobuf.Value": read.value,
            _PART: self._read_part,
            _PARTS: self._read_parts,
            _SNAPSHOT: _empty_list_as_object(self._read_snapshot),
            _TOOL_CHOICE: _read_tool_choice,
        }
        snapshot, part = map(fields_of, (v1.MetricsSnapshot.DESCRIPTOR, v1.ContentPart.DESCRIPTOR))
        self._snapshot_rows = {name: self.read_row(snapshot[name]) for name in _SNAPSHOT_FIELDS}
        self._part_rows = {name: self.read_row(part[name]) for name in _BESIDE_PART}
        #: The keys of each kind of content part.
        self._part_keys: dict[str, dict[str, object]] = {
            name: dict(self.fields_by_key(kind) if (kind := part[name].message) else {name: None})
            for name in _PART_KINDS
        }
        self._read_snapshot_values = self._pair_reader("values", "other_values")

    def key(self, field: Field) -> str:
        """Return the name of a field, or the key that it shares with other fields."""
        return _key_before_finishing(field)

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

    def document_path(
        self, message: Descriptor, path: tuple[Part, ...], document: object = None
    ) -> list[list[Part]]:
        """Return the steps in a document of a path of field names.

        >>> CRUCIBLE.document_path(v1.Message.DESCRIPTOR, ("parts", "parts", 0, "image", "url"))
        [['content'], [0], ['url']]
        >>> CRUCIBLE.document_path(v1.TrainingRun.DESCRIPTOR, ("metrics_history", 0, "epoch"))
        [['metrics_history'], [0], ['epoch']]
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
            if _has_key(field):
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
        """Return the keys of absent fields in the order of the schema, each with its value."""
        if message.full_name in _WITHOUT_ABSENT_KEYS:
            return {}
        return {
            _key_before_finishing(field): _unset(field)
            for field in fields_of(message).values()
            if field.since is None and not _has_key_only_when_set(field)
        }

    def finish_writing(self, message: Descriptor) -> Callable[[dict[str, Any]], None] | None:
        """Join the two lists of an open vocabulary, and the two fields of a pair.

        UNSPECIFIED in an open vocabulary is unset, so it has no key where unset fields have none.
        """
        fields = fields_of(message)
        lists = [(f.name, f.custom, _unset(f)) for f in fields.values() if f.custom and f.is_list]
        pairs = [(numbers, f.name) for f in fields.values() if (numbers := _numbers_of(f))]
        unset_keys = self.unset_values(message)
        sparse = [
            f.name
            for f in fields.values()
            if f.custom and not f.is_list and f.name not in unset_keys
        ]
        if not lists and not pairs and not sparse:
            return None

        def finish(result: dict[str, Any]) -> None:
            for name, custom, unset in lists:
                # UNSPECIFIED has no short name, and is left out of lists.
                known = [item for item in result[name] or () if item is not None]
                result[name] = (known + (result.pop(custom) or [])) or unset
            for numbers, others in pairs:
                if others in result:
                    values = result.setdefault(numbers, None) or {}
                    try:
                        _add_others(values, result.pop(others), numbers, others)
                    except ConversionError as error:
                        raise error.under(numbers) from None
                    result[numbers] = values or None
            for name in sparse:
                if name in result and result[name] is None:
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
        row = super().read_row(field)
        if field.is_map:
            others = _others_of(field)
            read = row.read if others is None else self._pair_reader(field.name, others)
            return row._replace(read=_empty_list_as_object(read))
        if field.descriptor.full_name in _EMPTY_OBJECTS:
            return row._replace(read=_without_empty(row.read))
        return row

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
        elif type(value) is dict or value == []:
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

    def _pair_reader(self, numbers: str, others: str) -> Reader:
        """Return the reader of an object whose numbers are in a map and whose rest is opaque.

        Args:
            numbers: The name of the map of doubles.
            others: The name of the field of opaque JSON.
        """

        def read(value: object, message: Message, depth: int) -> None:
            if type(value) is not dict:
                raise ConversionError(f"expected an object, got {describe(value)}")
            target = getattr(message, numbers)
            rest: dict[str, object] = {}
            first_error: ConversionError | None = None
            for key, item in value.items():
                try:
                    if type(item) is float and item - item == 0.0:
                        target[key] = item
                    elif _is_number(item):
                        target[key] = _read_double(item)
                    else:
                        rest[key] = item
                except ConversionError as error:
                    first_error = add_error(first_error, error.under(MapKey(key)))
                except ValueError:
                    first_error = add_error(first_error, unpaired_surrogate())
            if rest:
                if depth + 1 > MAX_DEPTH:
                    raise too_deep()
                try:
                    self._read_struct(rest, getattr(message, others), depth + 1)
                except ConversionError as error:
                    first_error = add_error(first_error, error)
            if first_error is not None:
                raise first_error

        return read

    def _write_snapshot(self, snapshot: Any, depth: int) -> dict[str, object]:
        if depth + 1 > MAX_DEPTH:
            raise too_deep()
        result: dict[str, object] = {}
        for name, is_field in _SNAPSHOT_FIELDS.items():
            if snapshot.HasField(name):
                value = _write_snapshot_field(name, getattr(snapshot, name))
                if not is_field(value):
                    raise ConversionError(
                        f"Crucible JSON has no {name} of {describe(value)}"
                    ).under(name)
                result[name] = value
        values = self.double_map_writer(show_entries(snapshot).values, depth + 1)
        has_others = snapshot.HasField("other_values")
        if not result and not has_others and _SNAPSHOT_FIELDS.keys().isdisjoint(values):
            return values
        if has_others:
            others: Any = self._write_struct(snapshot.other_values, depth + 1)
            _add_others(values, others, "values", "other_values")
        for name, is_field in _SNAPSHOT_FIELDS.items():
            if name in values:
                if name in result:
                    raise ConversionError("the name is also that of a field that is set").under(
                        MapKey(name)
                    )
                # A reader takes an epoch among the numbers, as runs of 0.2 have it, for the field.
                if is_field(values[name]) and name not in snapshot.values:
                    raise ConversionError(
                        f'the value would be read as the field "{name}"; set that field'
                    ).under(MapKey(name))
        return result | values

    def _read_snapshot(self, value: object, snapshot: v1.MetricsSnapshot, depth: int) -> None:
        if type(value) is not dict:
            raise ConversionError(f"expected an object, got {describe(value)}")
        if _SNAPSHOT_FIELDS.keys().isdisjoint(value):
            self._read_snapshot_values(value, snapshot, depth)
            return
        own = [
            name
            for name, is_field in _SNAPSHOT_FIELDS.items()
            if name in value and is_field(value[name])
        ]
        rest = {key: item for key, item in value.items() if key not in own}
        first_error: ConversionError | None = None
        for name in own:
            try:
                self._snapshot_rows[name].read(value[name], snapshot, depth)
            except ConversionError as error:
                first_error = add_error(first_error, error.under(name))
        try:
            self._read_snapshot_values(rest, snapshot, depth)
        except ConversionError as error:
            first_error = add_error(first_error, error)
        if first_error is not None:
            raise first_error

    def _write_part(self, part: v1.ContentPart, depth: int) -> dict[str, object]:
        depth += 1
        if depth > MAX_DEPTH:
            raise too_deep()
        member = part.WhichOneof(_PART_KIND)
        if member is None:
            raise ConversionError("an empty content part has no type")
        value: Any = getattr(part, member)
        if member == _OTHER_KIND:
            result = self._write_other_part(value, depth)
        elif member == "text":
            result = {_TYPE: member, member: value}
        else:
            content: Any = self.writer(value.DESCRIPTOR)(value, depth)
            result = {_TYPE: member, **content}
        for name in _BESIDE_PART:
            if part.HasField(name):
                if member == _OTHER_KIND:
                    raise ConversionError(
                        f'a part of another kind contains its {name}; write it into "{member}"'
                    ).under(name)
                inside: Any = getattr(part, name)
                try:
                    result[name] = (
                        inside if type(inside) is str else self._write_struct(inside, depth)
                    )
                except ConversionError as error:
                    raise error.under(name) from None
        return result

    def _write_other_part(self, other: Struct, depth: int) -> dict[str, object]:
        result = cast("dict[str, object]", self._write_struct(other, depth))
        try:
            kind = result.get(_TYPE)
            if type(kind) is not str:
                raise ConversionError("a part of another kind needs a type, which is a string")
            if kind in _PART_KINDS:
                raise ConversionError(
                    f'the type "{kind}" would be read as the field "{kind}"; set that field'
                )
            _check_other_kind(kind)
        except ConversionError as error:
            raise error.under(_TYPE) from None
        return result

    def _read_part(self, value: object, part: v1.ContentPart, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise too_deep()
        if type(value) is not dict:
            raise ConversionError(f"expected an object, got {describe(value)}")
        kind = value.get(_TYPE)
        if type(kind) is not str:
            got = "no type" if _TYPE not in value else describe(kind)
            known = ", ".join(_PART_KINDS)
            raise ConversionError(f"expected a type such as {known}, got {got}").under(_TYPE)
        if kind not in _PART_KINDS:
            try:
                _check_other_kind(kind)
            except ConversionError as error:
                raise error.under(_TYPE) from None
            if depth + 1 > MAX_DEPTH:
                raise too_deep()
            self._read_struct(value, part.other, depth + 1)
            return
        own = self._part_keys[kind]
        rest: dict[str, object] = {}
        first_error: ConversionError | None = None
        for key, item in value.items():
            try:
                if key in own:
                    rest[key] = item
                elif key in self._part_rows:
                    if item is not None:
                        self._part_rows[key].read(item, part, depth)
                elif key != _TYPE:
                    owner = "a text part" if kind == "text" else type(getattr(part, kind)).__name__
                    raise unknown_key(key, owner, own | self._part_rows)
            except ConversionError as error:
                first_error = add_error(first_error, error.under(key))
        try:
            self._read_part_kind(kind, rest, part, depth)
        except ConversionError as error:
            first_error = add_error(first_error, error)
        if first_error is not None:
            raise first_error

    def _read_part_kind(
        self, kind: str, value: dict[str, object], part: v1.ContentPart, depth: int
    ) -> None:
        """Read the keys of one kind of part."""
        if kind == "text":
            try:
                _set_string(part, kind, scalars.read_string(value.get(kind)))
            except ConversionError as error:
                raise error.under(kind) from None
        else:
            if depth + 1 > MAX_DEPTH:
                raise too_deep()
            inside = getattr(part, kind)
            inside.SetInParent()
            self.reader(inside.DESCRIPTOR)(value, inside, depth + 1)


def _key(field: Field) -> str:
    """Return the key of a field in a document."""
    return field.custom_of or _shared_key(field) or _numbers_of(field) or field.name


def _key_before_finishing(field: Field) -> str:
    """Return the key of a field before `CrucibleJson.finish_writing` joins lists and pairs."""
    return field.name if field.is_list or _numbers_of(field) else _key(field)


def _owner(field: Field) -> str:
    """Return the full name of the message type that has a field."""
    owner = field.descriptor.containing_type
    return owner.full_name if owner is not None else ""


def _shared_key(field: Field) -> str | None:
    """Return the key that all members of the oneof of a field share, if they do."""
    shared = _SHARED_KEYS.get(_owner(field))
    return shared if shared is not None and field.oneof == shared else None


# Pairs: a map of doubles, and a field of opaque JSON for the values that are not numbers


def _numbers_of(field: Field) -> str | None:
    """Return the map of doubles of the pair that a field of opaque JSON completes."""
    owner = field.descriptor.containing_type
    name = field.name.removeprefix(_OTHERS)
    if owner is None or name == field.name or not field.is_opaque:
        return None
    numbers = fields_of(owner).get(name)
    is_pair = numbers is not None and numbers.is_map and numbers.kind is Kind.DOUBLE
    return name if is_pair else None


def _others_of(field: Field) -> str | None:
    """Return the field of opaque JSON of the pair of a map of doubles."""
    owner = field.descriptor.containing_type
    others = fields_of(owner).get(_OTHERS + field.name) if owner is not None else None
    return others.name if others is not None and _numbers_of(others) else None


def _add_others(
    values: dict[str, object], others: Mapping[str, object], numbers: str, name: str
) -> None:
    """Add the values of the field of opaque JSON to those of the map of doubles."""
    for key, item in others.items():
        if key in values:
            raise ConversionError(f'the name is both in "{numbers}" and in "{name}"').under(
                MapKey(key)
            )
        if _is_number(item):
            raise ConversionError(
                f'{describe(item)} in "{name}" would be read as one of "{numbers}"; move it there'
            ).under(MapKey(key))
        values[key] = item


def _is_number(value: object) -> bool:
    """Return whether a JSON value belongs into a map of doubles."""
    if type(value) is str:
        return value in _NOT_FINITE
    return isinstance(value, (int, float)) and type(value) is not bool


def _is_step(value: object) -> bool:
    return type(value) is int and 0 <= value <= INTEGER_RANGES[Kind.INT32][1]


def _is_epoch(value: object) -> bool:
    return type(value) is not str and _is_number(value) and 0 <= cast("float", value) < math.inf


def _is_time(value: object) -> bool:
    try:
        timestamps.read_timestamp(value, Timestamp())
    except ConversionError:
        return False
    return True


#: The fields of a snapshot beside its pair, and whether a value of that name is the field's. Other
#: values of these names are metrics, as the Elixir services may write them.
_SNAPSHOT_FIELDS: Mapping[str, Callable[[object], bool]] = {
    "step": _is_step,
    "epoch": _is_epoch,
    "time": _is_time,
}


def _write_snapshot_field(name: str, value: Any) -> object:
    if name == "time":
        try:
            return timestamps.write_shortest_timestamp(value)
        except ConversionError as error:
            raise error.under(name) from None
    return write_number(value) if name == "epoch" and math.isfinite(value) else value


def _check_other_kind(kind: str) -> None:
    """Raise if an unknown type of a content part is probably a misspelled type."""
    folded = fold(kind[:128])
    for known in _PART_KINDS:
        if within_one_edit(folded, fold(known)):
            raise ConversionError(f'unknown type "{shorten_name(kind)}"; did you mean "{known}"?')


# Values that the Elixir services write for an empty object or an absent one


def _empty_list_as_object(read: Reader) -> Reader:
    """Return a reader that reads ``[]``, an empty keyword list, as ``{}``."""

    def read_object(value: object, message: Any, depth: int) -> None:
        read({} if type(value) is list and not value else value, message, depth)

    return read_object


def _without_empty(read: Reader) -> Reader:
    """Return a reader that leaves the field unset for ``{}`` and ``[]``."""

    def read_filled(value: object, message: Any, depth: int) -> None:
        if not (type(value) in (dict, list) and not value):
            read(value, message, depth)

    return read_filled


def _has_key(field: Field) -> bool:
    """Return whether the value of a field has a key in its object."""
    owner = _owner(field)
    if owner == _PART:
        return field.oneof is None or field.message is None
    if owner == _SNAPSHOT:
        return field.name in _SNAPSHOT_FIELDS
    return owner != _PARTS


def _has_key_only_when_set(field: Field) -> bool:
    """Return whether a field is a member of a oneof whose members each have a key."""
    is_vocabulary = field.custom is not None or field.custom_of is not None
    return field.oneof is not None and not is_vocabulary and _shared_key(field) is None


def _unset(field: Field) -> object:
    """Return the value that is written for an unset field."""
    name = field.descriptor.full_name
    if field.is_list:
        return [] if field.default is not None or name in _EMPTY_LISTS else None
    if name in _EMPTY_OBJECTS:
        return {}
    if field.is_map or field.has_presence or field.enum is not None:
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
            raise ConversionError(partial(unknown_short_name, name, enum))
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
        try:
            _set_string(choice, "name", scalars.read_string(value.get("name")))
        except ConversionError as error:
            raise error.under("name") from None
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
