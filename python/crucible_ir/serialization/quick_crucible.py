"""Crucible JSON, the quick way: functions specialised for one message type each.

As `quick_protojson` does for ProtoJSON, and with the same bargain: what is out of the ordinary
raises, and `crucible_codec` reads or writes from the start. The messages that the dialect spells in
a way of their own (a prompt's content, tool calls and choices) go through that codec either way.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from google.protobuf.descriptor import FieldDescriptor

from crucible_ir import v1
from crucible_ir.schema import vocabulary
from crucible_ir.schema.defaults import defaults, prototype
from crucible_ir.schema.types import field_of, held_enum, held_message, is_map
from crucible_ir.serialization import crucible_codec, quick_values, scalars
from crucible_ir.serialization.binary import ensure_reads_back
from crucible_ir.serialization.quick_protojson import (
    TYPE_TESTS,
    MessageSource,
    QuickReader,
    QuickWriter,
    inlines,
)
from crucible_ir.serialization.quick_text import MAX_ITEMS_AT_ONCE, LargeList
from crucible_ir.serialization.quick_values import ORDINARY_DEPTH, ORDINARY_NESTING, not_ordinary

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor

_CPP = FieldDescriptor
_FLOATS = (_CPP.CPPTYPE_DOUBLE, _CPP.CPPTYPE_FLOAT)
_SNAPSHOT = v1.MetricsSnapshot.DESCRIPTOR.full_name


def _read_snapshot(value: Any, snapshot: Any, depth: int) -> None:
    if type(value) is not dict:
        not_ordinary()
    snapshot.SetInParent()
    values = snapshot.values
    for key, number in value.items():
        if type(number) is not float and type(number) is not int:
            not_ordinary()
        values[key] = number


_WRITERS: dict[str, QuickWriter] = {
    "google.protobuf.Struct": quick_values.write_struct,
    "google.protobuf.Value": quick_values.write_value,
    "google.protobuf.Timestamp": quick_values.write_shortest_timestamp,
    _SNAPSHOT: lambda snapshot, _: quick_values.write_doubles(snapshot.values),
}
_READERS: dict[str, QuickReader] = {
    "google.protobuf.Struct": quick_values.read_struct,
    "google.protobuf.Value": quick_values.read_value,
    "google.protobuf.Timestamp": quick_values.read_timestamp,
    _SNAPSHOT: _read_snapshot,
}


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
    """The source of a writer: ``m`` is the message, ``d`` the dict that is filled."""

    def writer(self) -> QuickWriter:
        name = f"write_{self.message.name}"
        self.add(0, f"def {name}(m, n):")
        self.add(1, "d = {}")
        self.add_message(1, self.message, "m", "d", "")
        self.add(1, "return d")
        return self.function(name)

    def add_message(self, depth: int, message: Descriptor, m: str, d: str, suffix: str) -> None:
        for field in _keyed_fields(message):
            target = f"{d}[{field.name!r}]"
            source = f"{m}.{field.name}"
            if is_map(field):
                self.add_map(depth, field, source, target, suffix)
            elif field.is_repeated:
                self.add_list(depth, field, m, target, suffix)
            elif vocabulary.custom_member(field) is not None:
                known = f"{self.names(field)}[{source}] if {field.name!r} in {m}"
                custom = f"{m}.custom_{field.name} if 'custom_{field.name}' in {m}"
                self.add(depth, f"{target} = {known} else {custom} else None")
            elif field.message_type is not None:
                self.add_inner(depth, field, m, target, suffix)
            elif _shares_oneof(field):
                # Only the member of a oneof that is set has a key.
                value = self.item(field, source)
                self.add(depth, f"if {field.name!r} in {m}: {target} = {value}")
            elif field.has_presence:
                value = f"{self.item(field, source)} if {field.name!r} in {m} else None"
                self.add(depth, f"{target} = {value}")
            else:
                self.add(depth, f"{target} = {self.item(field, source)}")

    def add_inner(
        self, depth: int, field: FieldDescriptor, m: str, target: str, suffix: str
    ) -> None:
        message = held_message(field)
        self.add(depth, f"if {field.name!r} in {m}:")
        if inlines(self, message) and not _is_special(message):
            inner = f"{suffix}_{field.number}"
            self.add(depth + 1, f"m{inner} = {m}.{field.name}")
            self.add(depth + 1, f"d{inner} = {target} = {{}}")
            self.add_message(depth + 1, message, f"m{inner}", f"d{inner}", inner)
        else:
            self.add(depth + 1, f"{target} = {self.item(field, f'{m}.{field.name}')}")
        if not _shares_oneof(field):
            self.add(depth, f"else: {target} = None")

    def add_list(
        self, depth: int, field: FieldDescriptor, m: str, target: str, suffix: str
    ) -> None:
        source = f"{m}.{field.name}"
        if vocabulary.custom_member(field) is not None:
            known = f"[{self.names(field)}[x] for x in {source}[:] if x]"
            self.add(depth, f"{target} = {known} + {m}.custom_{field.name}[:]")
        elif field.message_type is None:
            item = self.item(field, "x")
            made = f"{source}[:]" if item == "x" else f"[{item} for x in {source}[:]]"
            self.add(depth, f"{target} = {made}")
        else:
            self.add_messages(depth, field, source, target, suffix)

    def add_messages(
        self, depth: int, field: FieldDescriptor, source: str, target: str, suffix: str
    ) -> None:
        message = held_message(field)
        v, large, write = f"v{suffix}", self.refer("large", LargeList), self.message_writer(message)
        self.add(depth, f"{v} = {source}")
        self.add(depth, f"if len({v}) > {MAX_ITEMS_AT_ONCE}: {target} = {large}({v}, {write}, n)")
        if message.full_name == _SNAPSHOT:
            rows = self.refer("rows", quick_values.write_rows)
            self.add(depth, f"else: {target} = {rows}([x.values for x in {v}[:]])")
        elif inlines(self, message) and not _is_special(message):
            inner = f"{suffix}_{field.number}"
            self.add(depth, "else:")
            self.add(depth + 1, f"l{inner} = {target} = []")
            self.add(depth + 1, f"for m{inner} in {v}[:]:")
            self.add(depth + 2, f"d{inner} = {{}}")
            self.add(depth + 2, f"l{inner}.append(d{inner})")
            self.add_message(depth + 2, message, f"m{inner}", f"d{inner}", inner)
        else:
            self.add(depth, f"else: {target} = [{write}(x, n) for x in {v}[:]]")

    def add_map(
        self, depth: int, field: FieldDescriptor, source: str, target: str, suffix: str
    ) -> None:
        value = field_of(held_message(field), "value")
        v = f"v{suffix}"
        self.add(depth, f"{v} = {source}")
        if value.cpp_type == _CPP.CPPTYPE_DOUBLE:
            self.add(depth, f"{target} = {self.refer('doubles', quick_values.write_doubles)}({v})")
        else:
            self.add(depth, f"{target} = {{k: {self.item(value, f'{v}[k]')} for k in {v}}}")

    def names(self, field: FieldDescriptor) -> str:
        return self.refer("names", _plain_names(held_enum(field)))

    def item(self, field: FieldDescriptor, text: str) -> str:
        """Return the expression that writes one value, itself the expression ``text``."""
        if field.message_type is not None:
            return f"{self.message_writer(held_message(field))}({text}, n)"
        if field.enum_type is not None:
            return f"{self.names(field)}[{text}]"
        if field.cpp_type in _FLOATS:
            return f"{self.refer('finite', quick_values.finite)}({text})"
        if field.type == _CPP.TYPE_BYTES:
            return f"{self.refer('write_bytes', scalars.write_bytes)}({text})"
        return text

    def message_writer(self, message: Descriptor) -> str:
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
        return crucible_codec.fill_from_plain
    return _ReaderSource(message).reader()


class _ReaderSource(MessageSource):
    """The source of a reader: ``d`` is the plain object, ``m`` the message, ``v`` a value."""

    def __init__(self, message: Descriptor) -> None:
        super().__init__(message)
        self.stop = self.refer("not_ordinary", not_ordinary)

    def reader(self) -> QuickReader:
        name = f"read_{self.message.name}"
        self.add(0, f"def {name}(d, m, depth):")
        self.add(1, f"if depth > {ORDINARY_DEPTH}: {self.stop}()")
        self.add_message(1, self.message, "d", "m", "", 0)
        return self.function(name)

    def add_message(
        self, depth: int, message: Descriptor, d: str, m: str, suffix: str, below: int
    ) -> None:
        """Add the lines that read the object in ``d`` into the message in ``m``.

        ``suffix`` keeps variables apart from those around; ``below`` says how many messages deep
        the message is in the one that the function reads.
        """
        fields = _keyed_fields(message)
        known = self.refer("keys", frozenset(field.name for field in fields))
        self.add(depth, f"if type({d}) is not dict or not {known}.issuperset({d}): {self.stop}()")
        self.add(depth, f"{m}.SetInParent()")
        declared = defaults(message)
        v = f"v{suffix}"
        for field in fields:
            key = repr(field.name)
            if field.name in declared:
                # A missing key reads as the default's own spelling.
                default = self.refer("default", _plain_default(field))
                self.add(depth, f"{v} = {d}[{key}] if {key} in {d} else {default}")
                self.add(depth, f"if {v} is not None:")
            else:
                self.add(depth, f"if {key} in {d} and ({v} := {d}[{key}]) is not None:")
            self.add_field(depth + 1, field, v, m, suffix, below)

    def add_field(
        self, depth: int, field: FieldDescriptor, v: str, m: str, suffix: str, below: int
    ) -> None:
        if is_map(field):
            self.add_map(depth, field, v, m)
        elif field.is_repeated:
            self.add_list(depth, field, v, m, suffix, below)
        elif vocabulary.custom_member(field) is not None:
            n = f"n{suffix}"
            self.add(depth, f"{n} = {self.numbers(field)}.get({v})")
            self.add(depth, f"if {n} is None: {m}.custom_{field.name} = {v}")
            self.add(depth, f"else: {m}.{field.name} = {n}")
        else:
            self.add_singular(depth, field, v, m, suffix, below)

    def add_singular(
        self, depth: int, field: FieldDescriptor, v: str, m: str, suffix: str, below: int
    ) -> None:
        oneof = field.containing_oneof
        for other in oneof.fields if oneof is not None else ():
            # The careful codec says what happens to a second member of a oneof.
            if other.index < field.index:
                self.add(depth, f"if {other.name!r} in {m}: {self.stop}()")
        if field.message_type is not None:
            inner = f"{suffix}_{field.number}"
            self.add(depth, f"m{inner} = {m}.{field.name}")
            self.add_item(depth, held_message(field), v, f"m{inner}", inner, below + 1)
        else:
            self.add_scalar(depth, field, v, f"{m}.{field.name} = {{}}")

    def add_scalar(self, depth: int, field: FieldDescriptor, v: str, assign: str) -> None:
        """Add the check of a scalar and its assignment, where ``{}`` stands for the value."""
        test = TYPE_TESTS.get(field.cpp_type)
        if field.cpp_type in scalars.INTEGER_RANGES:
            test = "type({v}) is not int"
        if test is not None:
            self.add(depth, f"if {test.format(v=v)}: {self.stop}()")
        if field.enum_type is not None:
            v = f"{self.numbers(field)}[{v}]"
        elif field.type == _CPP.TYPE_BYTES:
            v = f"{self.refer('read_bytes', scalars.read_bytes)}({v})"
        elif field.cpp_type == _CPP.CPPTYPE_FLOAT:
            # No message of the IR has one.
            v = f"{self.stop}()"
        self.add(depth, assign.format(v))

    def add_item(
        self, depth: int, message: Descriptor, v: str, m: str, suffix: str, below: int
    ) -> None:
        if inlines(self, message) and not _is_special(message):
            self.add_message(depth, message, v, m, suffix, below)
            return
        late = self.is_under_way(message) and not _is_special(message)
        read = _LateReader(message) if late else crucible_reader(message)
        self.add(depth, f"{self.refer('read', read)}({v}, {m}, depth + {below})")

    def add_list(
        self, depth: int, field: FieldDescriptor, v: str, m: str, suffix: str, below: int
    ) -> None:
        self.add(depth, f"if type({v}) is not list: {self.stop}()")
        if field.message_type is not None:
            inner = f"{suffix}_{field.number}"
            self.add(depth, f"a{inner} = {m}.{field.name}.add")
            self.add(depth, f"for x{inner} in {v}:")
            self.add(depth + 1, f"m{inner} = a{inner}()")
            message = held_message(field)
            self.add_item(depth + 1, message, f"x{inner}", f"m{inner}", inner, below + 1)
        elif vocabulary.custom_member(field) is not None:
            self.add(depth, f"for x in {v}:")
            self.add(depth + 1, f"n = {self.numbers(field)}.get(x)")
            self.add(depth + 1, f"if n is None: {m}.custom_{field.name}.append(x)")
            self.add(depth + 1, f"else: {m}.{field.name}.append(n)")
        elif field.type == _CPP.TYPE_STRING:
            self.add(depth, f"{m}.{field.name}.extend({v})")
        else:
            self.add(depth, f"for x in {v}:")
            self.add_scalar(depth + 1, field, "x", f"{m}.{field.name}.append({{}})")

    def add_map(self, depth: int, field: FieldDescriptor, v: str, m: str) -> None:
        self.add(depth, f"if type({v}) is not dict: {self.stop}()")
        self.add(depth, f"t = {m}.{field.name}")
        self.add(depth, f"for k, x in {v}.items():")
        self.add_scalar(depth + 1, field_of(held_message(field), "value"), "x", "t[k] = {}")

    def numbers(self, field: FieldDescriptor) -> str:
        return self.refer("numbers", vocabulary.numbers(held_enum(field)))


class _LateReader:
    """The reader of a recursive type, looked up when it is first called."""

    def __init__(self, message: Descriptor) -> None:
        self.message = message
        self.reader: QuickReader | None = None

    def __call__(self, value: Any, message: Any, depth: int) -> None:
        if self.reader is None:
            self.reader = crucible_reader(self.message)
        self.reader(value, message, depth)
