"""Crucible JSON, the quick way: functions specialised for one message type each.

As `quick_protojson` does for ProtoJSON, and with the same bargain: what is out of the ordinary
raises, and `crucible_codec` reads or writes from the start. The messages that the dialect spells in
a way of their own (a prompt's content, tool calls and choices) go through that codec either way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor

from crucible_ir import v1
from crucible_ir.schema import vocabulary
from crucible_ir.schema.defaults import defaults, prototype
from crucible_ir.schema.types import field_of, held_enum, held_message, is_map
from crucible_ir.serialization import quick_values, quick_wire
from crucible_ir.serialization.binary import ensure_reads_back
from crucible_ir.serialization.byte_text import ENCODING, real_values
from crucible_ir.serialization.json import crucible_codec, scalars
from crucible_ir.serialization.quick_protojson import QuickWriter, has_default
from crucible_ir.serialization.quick_reader import OPAQUE_READERS, QuickReader, ReaderSource
from crucible_ir.serialization.quick_source import MessageSource, inlines
from crucible_ir.serialization.quick_text import MAX_ITEMS_AT_ONCE, LargeList
from crucible_ir.serialization.quick_values import ORDINARY_NESTING, not_ordinary

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

_CPP = FieldDescriptor
_FLOATS = (_CPP.CPPTYPE_DOUBLE, _CPP.CPPTYPE_FLOAT)
_STRUCT = "google.protobuf.Struct"
_SNAPSHOT = v1.MetricsSnapshot.DESCRIPTOR.full_name


_SNAPSHOT_HEADS = quick_wire.double_entry_heads(v1.MetricsSnapshot.VALUES_FIELD_NUMBER)


def _read_snapshot(value: Any, _: int) -> str:
    return quick_wire.double_entries(value, _SNAPSHOT_HEADS)


_WRITERS: dict[str, QuickWriter] = {
    "google.protobuf.Struct": quick_values.write_struct,
    "google.protobuf.Value": quick_values.write_value,
    "google.protobuf.Timestamp": quick_values.write_shortest_timestamp,
    _SNAPSHOT: lambda snapshot, _: quick_values.write_doubles(snapshot.values),
}
_READERS: dict[str, QuickReader] = {**OPAQUE_READERS, _SNAPSHOT: _read_snapshot}


@cache
def _plain_names(enum: EnumDescriptor) -> dict[int, str | None]:
    """Return the plain names by number; a number without one is left to the careful codec."""
    return {0: None, **vocabulary.names(enum)}


@cache
def _plain_default(field: FieldDescriptor) -> object:
    """Return a field's default as Crucible JSON has it; a message's is an object of defaults."""
    if field.message_type is not None:
        return {}
    owner = prototype(cast("Descriptor", field.containing_type))
    plain: Any = crucible_codec.to_plain(owner)
    return plain[field.name]


def _is_special(message: Descriptor) -> bool:
    return message.full_name in crucible_codec.SPECIAL_MESSAGES


def _keyed_fields(message: Descriptor) -> list[FieldDescriptor]:
    """Return the fields that give their name to a key; custom members share their field's key."""
    custom = vocabulary.custom_members(message)
    return [field for field in message.fields if field.name not in custom]


def _shares_oneof(field: FieldDescriptor) -> bool:
    oneof = field.containing_oneof
    return oneof is not None and len(oneof.fields) > 1


# Writing


@cache
def crucible_writer(message: Descriptor) -> QuickWriter:
    """Return the quick Crucible JSON writer of a message type."""
    if message.full_name in _WRITERS:
        return _WRITERS[message.full_name]
    if _is_special(message) or message.full_name.startswith("google.protobuf."):
        return _write_carefully
    return _WriterSource(message).writer()


def _write_carefully(message: Any, _: int) -> object:
    """Write a prompt's parts, which may hold opaque JSON that nests too deeply to read back."""
    ensure_reads_back(message)
    return crucible_codec.to_plain(message)


class _WriterSource(MessageSource):
    """The source of a writer: each message is one display of its keys and values.

    Variables: ``m`` is the message, ``d`` its dict, ``v_1`` the value of field number 1 where that
    takes statements, and ``x`` whatever was read last.
    """

    def writer(self) -> QuickWriter:
        """Return the writer."""
        name = f"write_{self.message.name}"
        self.add(0, f"def {name}(m, n):")
        self.add_message(1, self.message, "m", "d", "")
        self.add(1, "return d")
        return self.function(name)

    def add_message(self, depth: int, message: Descriptor, m: str, d: str, suffix: str) -> None:
        """Add the lines that write the message in the variable ``m`` to the dict ``d``."""
        entries: list[str] = []
        members: list[FieldDescriptor] = []
        for field in _keyed_fields(message):
            if _shares_oneof(field) and vocabulary.custom_member(field) is None:
                # Only the member of a oneof that is set has a key.
                members.append(field)
            else:
                value = self.value(depth, field, m, suffix)
                entries.append(f"{field.name!r}: {value}")
        self.add(depth, f"{d} = {{{', '.join(entries)}}}")
        for field in members:
            self.add(depth, f"if {field.name!r} in {m}:")
            written = self.present(depth + 1, field, m, suffix)
            self.add(depth + 1, f"{d}[{field.name!r}] = {written}")

    def value(self, depth: int, field: FieldDescriptor, m: str, suffix: str) -> str:
        """Add the lines that a field takes, and return the expression of its value."""
        source, is_set = f"{m}.{field.name}", f"{field.name!r} in {m}"
        if is_map(field):
            return self.map_items(field, source)
        if field.is_repeated:
            return self.items(depth, field, m, suffix)
        custom = vocabulary.custom_member(field)
        if custom is not None:
            other = f"{m}.{custom.name} if {custom.name!r} in {m} else None"
            return f"{self.names(field)}[x] if (x := {source}) else {other}"
        if field.message_type is not None:
            v = f"v{suffix}_{field.number}"
            self.add(depth, f"{v} = None")
            self.add(depth, f"if {is_set}:")
            written = self.present(depth + 1, field, m, suffix)
            if written != v:
                self.add(depth + 1, f"{v} = {written}")
            return v
        if not field.has_presence:
            return self.item(field, source)
        if has_default(field):
            # What has a default is mostly set, and a value that is not zero is.
            return f"{self.item(field, 'x')} if (x := {source}) or {is_set} else None"
        return f"{self.item(field, source)} if {is_set} else None"

    def present(self, depth: int, field: FieldDescriptor, m: str, suffix: str) -> str:
        """Add the lines that a field that is set takes, and return the expression of its value."""
        source, inner = f"{m}.{field.name}", f"{suffix}_{field.number}"
        if field.message_type is not None and held_message(field).full_name == _STRUCT:
            self.add_struct(depth, source, f"v{inner}")
            return f"v{inner}"
        if field.message_type is None or not self.is_inline(held_message(field)):
            return self.item(field, source)
        self.add(depth, f"m{inner} = {source}")
        self.add_message(depth, held_message(field), f"m{inner}", f"v{inner}", inner)
        return f"v{inner}"

    def is_inline(self, message: Descriptor) -> bool:
        """Tell whether a message inside a message is written by the same function."""
        return (
            inlines(self, message) and not _is_special(message) and message.full_name != _SNAPSHOT
        )

    def items(self, depth: int, field: FieldDescriptor, m: str, suffix: str) -> str:
        """Add the lines that a list takes, and return the expression of it."""
        source = f"{m}.{field.name}"
        custom = vocabulary.custom_member(field)
        inner = f"{suffix}_{field.number}"
        if custom is not None:
            # A loop takes no function of its own, as a comprehension does up to Python 3.11.
            self.add(depth, f"l{inner} = []")
            self.add(depth, f"for x in {source}[:]:")
            self.add(depth + 1, f"if x: l{inner}.append({self.names(field)}[x])")
            return f"l{inner} + {m}.{custom.name}[:]"
        if field.message_type is None:
            item = self.item(field, "x")
            return f"{source}[:]" if item == "x" else f"[{item} for x in {source}[:]]"
        message = held_message(field)
        large, write = self.refer("large", LargeList), self.message_writer(message)
        v = f"v{inner}"
        self.add(depth, f"{v} = {source}")
        self.add(depth, f"if len({v}) > {MAX_ITEMS_AT_ONCE}: {v} = {large}({v}, {write}, n)")
        if message.full_name == _SNAPSHOT:
            rows = self.refer("rows", quick_values.write_rows)
            self.add(depth, f"else: {v} = {rows}([x.values for x in {v}[:]])")
        elif self.is_inline(message):
            self.add(depth, "else:")
            self.add(depth + 1, f"l{inner} = []")
            self.add(depth + 1, f"for m{inner} in {v}[:]:")
            self.add_message(depth + 2, message, f"m{inner}", f"d{inner}", inner)
            self.add(depth + 2, f"l{inner}.append(d{inner})")
            self.add(depth + 1, f"{v} = l{inner}")
        else:
            self.add(depth, f"else: {v} = [{write}(x, n) for x in {v}[:]]")
        return v

    def map_items(self, field: FieldDescriptor, source: str) -> str:
        """Return the expression of a map."""
        value = field_of(held_message(field), "value")
        if value.cpp_type == _CPP.CPPTYPE_DOUBLE:
            write = self.refer("doubles", quick_values.write_doubles)
            return f"{write}(x) if (x := {source}) else {{}}"
        return f"{{k: {self.item(value, f'{source}[k]')} for k in {source}}}"

    def names(self, field: FieldDescriptor) -> str:
        """Return the name of an enum's plain names by number."""
        return self.refer("names", _plain_names(held_enum(field)))

    def item(self, field: FieldDescriptor, text: str) -> str:
        """Return the expression that writes one value, itself the expression ``text``."""
        if field.message_type is not None:
            return f"{self.message_writer(held_message(field))}({text}, n)"
        if field.enum_type is not None:
            return f"{self.names(field)}[{text}]"
        if field.cpp_type in _FLOATS:
            # The difference is NaN, which equals nothing, for what is not finite.
            stop = f"{self.refer('not_ordinary', not_ordinary)}()"
            return f"(y if (y := {text}) - y == 0.0 else {stop})"
        if field.type == _CPP.TYPE_BYTES:
            return f"{self.refer('write_bytes', scalars.write_bytes)}({text})"
        return text

    def message_writer(self, message: Descriptor) -> str:
        """Return the name of the writer of another type."""
        late = self.is_under_way(message) and not _is_special(message)
        return self.refer("write", _LateWriter(message) if late else crucible_writer(message))


class _LateWriter:
    """The writer of a recursive type, looked up when it is first called."""

    def __init__(self, message: Descriptor) -> None:
        self.message = message
        self.writer: QuickWriter | None = None

    def __call__(self, message: Any, nesting: int) -> Any:
        if nesting > ORDINARY_NESTING:
            not_ordinary()
        if self.writer is None:
            self.writer = crucible_writer(self.message)
        return self.writer(message, nesting + 1)


# Reading


@cache
def crucible_reader(message: Descriptor) -> QuickReader:
    """Return the quick Crucible JSON reader of a message type.

    Its caller has to see to it that no object repeats a key.
    """
    if message.full_name in _READERS:
        return _READERS[message.full_name]
    if _is_special(message) or message.full_name.startswith("google.protobuf."):
        return partial(_read_carefully, message_factory.GetMessageClass(message))
    return CrucibleReaderSource(message).reader()


def _read_carefully(cls: type[Message], value: Any, depth: int) -> str:
    message = cls()
    crucible_codec.fill_from_plain(real_values(value), message, depth)
    return message.SerializePartialToString().decode(ENCODING)


@cache
def crucible_document_reader(message: Descriptor) -> Callable[[Any], Message]:
    """Return the quick Crucible JSON reader of documents; what `crucible_reader` says holds."""
    own = message.full_name.startswith("google.protobuf.") or _is_special(message)
    if own or message.full_name in _READERS:
        read, parse = crucible_reader(message), message_factory.GetMessageClass(message).FromString
        return lambda plain: parse(read(plain, 0).encode(ENCODING))
    return CrucibleReaderSource(message).document_reader()


class CrucibleReaderSource(ReaderSource):
    """The source of a Crucible JSON reader."""

    def fields(self, message: Descriptor) -> list[FieldDescriptor]:
        """Return the fields that give a key its name: not the custom members."""
        return _keyed_fields(message)

    def key(self, field: FieldDescriptor) -> str:
        """Return the key of a field."""
        return field.name

    def missing(self, field: FieldDescriptor) -> object:
        """Return a field's default, in its own spelling, or none."""
        declared = field.name in defaults(cast("Descriptor", field.containing_type))
        return _plain_default(field) if declared else super().missing(field)

    def numbers(self, field: FieldDescriptor) -> dict[str, int]:
        """Return the numbers of an enum field's values by plain name."""
        return vocabulary.numbers(held_enum(field))

    def integer(self, field: FieldDescriptor, v: str) -> str:
        """Return the expression of an integer, which is a plain number."""
        return v

    def reader_of(self, message: Descriptor) -> QuickReader:
        """Return the reader of another type."""
        return crucible_reader(message)

    def is_inline(self, message: Descriptor) -> bool:
        """Tell whether a message inside a message is read by the same function."""
        return (
            super().is_inline(message)
            and not _is_special(message)
            and message.full_name not in _READERS
        )

    def add_field(
        self, depth: int, field: FieldDescriptor, v: str, o: str, suffix: str, below: int
    ) -> None:
        """Add the lines that read a field: a name outside an open vocabulary is a custom one."""
        custom = vocabulary.custom_member(field)
        if custom is None:
            super().add_field(depth, field, v, o, suffix, below)
            return
        numbers = self.numbers(field)
        values = self.refer("values", quick_wire.enum_values(field.number, numbers))
        head = self.refer("head", quick_wire.heads(custom.number))
        if field.is_repeated:
            self.add(depth, f"if type({v}) is not list: {self.stop}()")
            self.add(depth, f"for x in {v}:")
            depth, v = depth + 1, "x"
        self.add(depth, f"c = {values}.get({v})")
        self.add(depth, "if c is None:")
        self.add(depth + 1, f"c = {head}[len({v})] + {v}")
        self.add(depth, f"{o} += c")
