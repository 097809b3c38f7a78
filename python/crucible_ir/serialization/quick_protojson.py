"""ProtoJSON, the quick way: functions specialised for one message type each.

A loop over the fields of a message spends most of its time finding out what each field is. The
functions made here know: their source has a few lines for each field, put together from the
descriptor, such as ``if "owner" in m: d["owner"] = m.owner``. Measured on protobuf 7.36, reading an
attribute takes 40 ns and testing presence 35, where ``ListFields`` takes 1900 on twelve fields. The
way through protobuf-py's native codec, which parses the bytes anew, takes about as long (`make
bench` has both), but it has no public way from a descriptor to a class.

What is out of the ordinary (another spelling of a value than google's library writes, an enum
number without a name, deep nesting) raises, and `protojson_codec` reads or writes from the start.
So there is one truth, and this is a shortcut to it; the tests hold the two to the same answers.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from google.protobuf.descriptor import FieldDescriptor

from crucible_ir.schema.types import field_of, held_enum, held_message, is_map
from crucible_ir.serialization import quick_values, scalars
from crucible_ir.serialization.function_source import FunctionSource
from crucible_ir.serialization.quick_text import MAX_ITEMS_AT_ONCE, LargeList
from crucible_ir.serialization.quick_values import ORDINARY_DEPTH, ORDINARY_NESTING, not_ordinary

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor

#: Turns a message into a plain value, or raises; the number is how far types nest in themselves.
QuickWriter: TypeAlias = Callable[[Any, int], Any]
#: Fills a message, at a depth, from a plain object, or raises.
QuickReader: TypeAlias = Callable[[Any, Any, int], None]

#: Up to how many lines the messages inside a message are handled by its own function.
MAX_INLINE_LINES = 500

_CPP = FieldDescriptor
_QUOTED_INTEGER = re.compile(r"0|-?[1-9]\d{0,18}", re.ASCII)

_WRITERS: dict[str, QuickWriter] = {
    "google.protobuf.Struct": quick_values.write_struct,
    "google.protobuf.Value": quick_values.write_value,
    "google.protobuf.ListValue": quick_values.write_list,
    "google.protobuf.Timestamp": quick_values.write_timestamp,
}
_READERS: dict[str, QuickReader] = {
    "google.protobuf.Struct": quick_values.read_struct,
    "google.protobuf.Value": quick_values.read_value,
    "google.protobuf.ListValue": quick_values.read_list,
    "google.protobuf.Timestamp": quick_values.read_timestamp,
}

_READ_FLOAT = scalars.float_reader(single=True)

#: What is out of the ordinary in a plain value, by the type of the field.
TYPE_TESTS = {
    _CPP.CPPTYPE_BOOL: "{v} is not True and {v} is not False",
    _CPP.CPPTYPE_INT32: "type({v}) is not int",
    _CPP.CPPTYPE_UINT32: "type({v}) is not int",
    _CPP.CPPTYPE_DOUBLE: "type({v}) is not float and type({v}) is not int",
}


def inlines(source: FunctionSource, message: Descriptor) -> bool:
    """Tell whether a message inside a message is handled by the same function."""
    return (
        len(source.lines) < MAX_INLINE_LINES
        and not message.full_name.startswith("google.protobuf.")
        and not message.is_extendable
        and not can_hold(message, message)
    )


class MessageSource(FunctionSource):
    """The source of a function for one message type."""

    def __init__(self, message: Descriptor) -> None:
        super().__init__()
        self.message = message

    def is_under_way(self, message: Descriptor) -> bool:
        """Tell whether a type's own function cannot be made before this one is."""
        return message.full_name == self.message.full_name or can_hold(message, self.message)


@cache
def held_by(message: Descriptor) -> dict[str, Descriptor]:
    """Return the message types that a message can hold, at any depth, by name."""
    found: dict[str, Descriptor] = {}
    queue = [message]
    while queue:
        for field in queue.pop().fields:
            held = field.message_type
            if held is None or held.full_name in found or held.full_name in _WRITERS:
                continue
            found[held.full_name] = held
            queue.append(held)
    return found


def can_hold(message: Descriptor, other: Descriptor) -> bool:
    """Tell whether a message can hold one of another type, at any depth."""
    return other.full_name in held_by(message)


# Writing


@cache
def protojson_writer(message: Descriptor, original_names: bool) -> QuickWriter:
    """Return the quick ProtoJSON writer of a message type.

    Args:
        message: The message type.
        original_names: Whether keys are the schema's own names.
    """
    if message.full_name in _WRITERS:
        return _WRITERS[message.full_name]
    if message.full_name.startswith("google.protobuf.") or message.is_extendable:
        return _never
    return _WriterSource(message, original_names).writer()


def _never(message: Any, nesting: int) -> None:
    not_ordinary()


def is_row(message: Descriptor) -> bool:
    """Tell whether a message is the row of a table: nothing but a map of doubles by name."""
    if len(message.fields) != 1 or not is_map(message.fields[0]):
        return False
    entry = held_message(message.fields[0])
    kinds = [field_of(entry, name).cpp_type for name in ("key", "value")]
    return kinds == [_CPP.CPPTYPE_STRING, _CPP.CPPTYPE_DOUBLE]


class _WriterSource(MessageSource):
    """The source of a writer: ``m`` is the message, ``d`` the dict that is filled."""

    def __init__(self, message: Descriptor, original_names: bool) -> None:
        super().__init__(message)
        self.original_names = original_names

    def writer(self) -> QuickWriter:
        name = f"write_{self.message.name}"
        self.add(0, f"def {name}(m, n):")
        self.add(1, "d = {}")
        self.add_message(1, self.message, "m", "d", "")
        self.add(1, "return d")
        return self.function(name)

    def add_message(self, depth: int, message: Descriptor, m: str, d: str, suffix: str) -> None:
        """Add the lines that write the message in the variable ``m`` into the dict in ``d``.

        ``suffix`` keeps the variables of a message apart from those of the messages around it.
        """
        for field in message.fields:
            key = field.name if self.original_names else field.json_name
            target = f"{d}[{key!r}]"
            if not _is_ordinary(field):
                self.add(depth, f"{self.refer('not_ordinary', not_ordinary)}()")
            elif is_map(field):
                self.add_map(depth, field, m, target, suffix)
            elif field.is_repeated:
                self.add_list(depth, field, m, target, suffix)
            elif field.has_presence:
                self.add_present(depth, field, m, target, suffix)
            else:
                v = f"v{suffix}"
                self.add(depth, f"{v} = {m}.{field.name}")
                # Minus zero is not the default, though it is as false as zero.
                floating = field.cpp_type in (_CPP.CPPTYPE_DOUBLE, _CPP.CPPTYPE_FLOAT)
                condition = f"{v} or str({v}) == '-0.0'" if floating else v
                self.add(depth, f"if {condition}: {target} = {self.item(field, v)}")

    def add_present(
        self, depth: int, field: FieldDescriptor, m: str, target: str, suffix: str
    ) -> None:
        test = f"{'elif' if _follows(field) else 'if'} {field.name!r} in {m}:"
        if field.message_type is not None and inlines(self, held_message(field)):
            inner = f"{suffix}_{field.number}"
            self.add(depth, test)
            self.add(depth + 1, f"m{inner} = {m}.{field.name}")
            self.add(depth + 1, f"d{inner} = {target} = {{}}")
            self.add_message(depth + 1, held_message(field), f"m{inner}", f"d{inner}", inner)
        else:
            self.add(depth, f"{test} {target} = {self.item(field, f'{m}.{field.name}')}")

    def add_list(
        self, depth: int, field: FieldDescriptor, m: str, target: str, suffix: str
    ) -> None:
        v = f"v{suffix}"
        self.add(depth, f"{v} = {m}.{field.name}")
        if field.message_type is None:
            item = self.item(field, "x")
            made = f"{v}[:]" if item == "x" else f"[{item} for x in {v}[:]]"
            self.add(depth, f"if {v}: {target} = {made}")
            return
        message = held_message(field)
        large, write = self.refer("large", LargeList), self.message_writer(message)
        self.add(depth, f"if len({v}) > {MAX_ITEMS_AT_ONCE}: {target} = {large}({v}, {write}, n)")
        # Copying to a list and going through that takes less time than going through the field.
        if inlines(self, message) and is_row(message):
            inner_field = message.fields[0]
            key = inner_field.name if self.original_names else inner_field.json_name
            rows = self.refer("rows", quick_values.write_rows)
            maps = f"{rows}([x.{inner_field.name} for x in {v}[:]])"
            self.add(depth, f"elif {v}: {target} = [{{{key!r}: x}} if x else {{}} for x in {maps}]")
        elif inlines(self, message):
            inner = f"{suffix}_{field.number}"
            self.add(depth, f"elif {v}:")
            self.add(depth + 1, f"l{inner} = {target} = []")
            self.add(depth + 1, f"for m{inner} in {v}[:]:")
            self.add(depth + 2, f"d{inner} = {{}}")
            self.add(depth + 2, f"l{inner}.append(d{inner})")
            self.add_message(depth + 2, message, f"m{inner}", f"d{inner}", inner)
        else:
            self.add(depth, f"elif {v}: {target} = [{write}(x, n) for x in {v}[:]]")

    def add_map(self, depth: int, field: FieldDescriptor, m: str, target: str, suffix: str) -> None:
        v = f"v{suffix}"
        self.add(depth, f"{v} = {m}.{field.name}")
        self.add(depth, f"if {v}: {target} = {self.map_items(field, v)}")

    def map_items(self, field: FieldDescriptor, v: str) -> str:
        """Return the expression that writes the map in the variable ``v``."""
        key_type = field_of(held_message(field), "key").cpp_type
        value_type = field_of(held_message(field), "value").cpp_type
        if (key_type, value_type) == (_CPP.CPPTYPE_STRING, _CPP.CPPTYPE_DOUBLE):
            return f"{self.refer('doubles', quick_values.write_doubles)}({v})"
        spelled = {_CPP.CPPTYPE_STRING: "k", _CPP.CPPTYPE_BOOL: "'true' if k else 'false'"}
        item = self.item(field_of(held_message(field), "value"), f"{v}[k]")
        return f"{{{spelled.get(key_type, 'str(k)')}: {item} for k in {v}}}"

    def item(self, field: FieldDescriptor, text: str) -> str:
        """Return the expression that writes one value, itself the expression ``text``."""
        kind = field.cpp_type
        if kind == _CPP.CPPTYPE_MESSAGE:
            return f"{self.message_writer(held_message(field))}({text}, n)"
        if kind == _CPP.CPPTYPE_ENUM:
            enum = held_enum(field)
            if enum.full_name == "google.protobuf.NullValue":
                return f"{self.refer('not_ordinary', not_ordinary)}()"
            # A number without a name is rare enough to be left to the careful codec.
            return f"{self.refer('names', _enum_names(enum))}[{text}]"
        if kind in (_CPP.CPPTYPE_INT64, _CPP.CPPTYPE_UINT64):
            return f"str({text})"
        if kind == _CPP.CPPTYPE_DOUBLE:
            return f"{self.refer('finite', quick_values.finite)}({text})"
        if kind == _CPP.CPPTYPE_FLOAT:
            return f"{self.refer('write_float', scalars.write_float)}({text})"
        if field.type == _CPP.TYPE_BYTES:
            return f"{self.refer('write_bytes', scalars.write_bytes)}({text})"
        return text

    def message_writer(self, message: Descriptor) -> str:
        known = _WRITERS.get(message.full_name)
        if known is None and not self.is_under_way(message):
            known = protojson_writer(message, self.original_names)
        # A type that holds itself cannot find its own writer before it is made.
        return self.refer("write", known or _LateWriter(message, self))


def _is_ordinary(field: FieldDescriptor) -> bool:
    return (
        field.name.isidentifier()
        and not keyword.iskeyword(field.name)
        and field.type != _CPP.TYPE_GROUP
    )


def _follows(field: FieldDescriptor) -> bool:
    """Tell whether the field declared just before is a singular member of the same oneof."""
    oneof = field.containing_oneof
    if oneof is None or field.index == 0:
        return False
    before = list(cast("Descriptor", field.containing_type).fields)[field.index - 1]
    return before in list(oneof.fields)


@cache
def _enum_names(enum: EnumDescriptor) -> dict[int, str]:
    # Of several names of a number the first is written.
    return {value.number: value.name for value in reversed(enum.values)}


class _LateWriter:
    """The writer of a recursive type, looked up when it is first called."""

    def __init__(self, message: Descriptor, source: _WriterSource) -> None:
        self.message = message
        self.original_names = source.original_names
        self.writer: QuickWriter | None = None

    def __call__(self, message: Any, nesting: int) -> Any:
        if nesting > ORDINARY_NESTING:
            not_ordinary()
        if self.writer is None:
            self.writer = protojson_writer(self.message, self.original_names)
        return self.writer(message, nesting + 1)


# Reading


@cache
def protojson_reader(message: Descriptor, original_names: bool) -> QuickReader:
    """Return the quick ProtoJSON reader of a message type.

    It knows one spelling of the keys, so that no field can be given twice. Its caller has to see
    to it that no object repeats a key.
    """
    if message.full_name in _READERS:
        return _READERS[message.full_name]
    if message.full_name.startswith("google.protobuf.") or message.is_extendable:
        return _refuse
    return _ReaderSource(message, original_names).reader()


def _refuse(value: Any, message: Any, depth: int) -> None:
    not_ordinary()


class _ReaderSource(MessageSource):
    """The source of a reader: for each field, look its key up and set it.

    Variables: ``d`` is the plain object, ``m`` the message, ``v`` a value, ``depth`` the depth of
    the message that the function is called with.
    """

    def __init__(self, message: Descriptor, original_names: bool) -> None:
        super().__init__(message)
        self.original_names = original_names
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
        keys = {self.key(field) for field in message.fields}
        known = self.refer("keys", frozenset(keys))
        self.add(depth, f"if type({d}) is not dict or not {known}.issuperset({d}): {self.stop}()")
        for field in message.fields:
            v, key = f"v{suffix}", repr(self.key(field))
            if _takes_null(field):
                self.add(depth, f"if {key} in {d}:")
                self.add(depth + 1, f"{v} = {d}[{key}]")
            else:
                self.add(depth, f"if {key} in {d} and ({v} := {d}[{key}]) is not None:")
            if not _is_ordinary(field):
                self.add(depth + 1, f"{self.stop}()")
            elif is_map(field):
                self.add_map(depth + 1, field, v, m)
            elif field.is_repeated:
                self.add_list(depth + 1, field, v, m, suffix, below)
            else:
                self.add_singular(depth + 1, field, v, m, suffix, below)

    def key(self, field: FieldDescriptor) -> str:
        return field.name if self.original_names else field.json_name

    def add_singular(
        self, depth: int, field: FieldDescriptor, v: str, m: str, suffix: str, below: int
    ) -> None:
        self.add_oneof_check(depth, field, m)
        if field.message_type is None:
            self.add_check(depth, field, v)
            self.add(depth, f"{m}.{field.name} = {self.converted(field, v)}")
            return
        inner = f"{suffix}_{field.number}"
        self.add(depth, f"m{inner} = {m}.{field.name}")
        if held_message(field).full_name not in _READERS:
            self.add(depth, f"m{inner}.SetInParent()")
        self.add_item(depth, held_message(field), v, f"m{inner}", inner, below + 1)

    def add_item(
        self, depth: int, message: Descriptor, v: str, m: str, suffix: str, below: int
    ) -> None:
        if inlines(self, message):
            self.add_message(depth, message, v, m, suffix, below)
        else:
            self.add(depth, f"{self.message_reader(message)}({v}, {m}, depth + {below})")

    def add_oneof_check(self, depth: int, field: FieldDescriptor, m: str) -> None:
        oneof = field.containing_oneof
        if oneof is None:
            return
        for other in oneof.fields:
            # Fields are read in the order of the schema: later members are not set yet.
            if other.index < field.index:
                self.add(depth, f"if {other.name!r} in {m}: {self.stop}()")

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
            return
        item = self.converted(field, "x")
        if field.cpp_type in TYPE_TESTS:
            self.add(depth, f"for x in {v}:")
            self.add_check(depth + 1, field, "x")
        made = v if item == "x" else f"[{item} for x in {v}]"
        self.add(depth, f"{m}.{field.name}.extend({made})")

    def add_map(self, depth: int, field: FieldDescriptor, v: str, m: str) -> None:
        value = field_of(held_message(field), "value")
        key = field_of(held_message(field), "key")
        if key.type != _CPP.TYPE_STRING or value.message_type is not None:
            self.add(depth, f"{self.stop}()")
            return
        self.add(depth, f"if type({v}) is not dict: {self.stop}()")
        self.add(depth, f"t = {m}.{field.name}")
        self.add(depth, f"for k, x in {v}.items():")
        self.add_check(depth + 1, value, "x")
        self.add(depth + 1, f"t[k] = {self.converted(value, 'x')}")

    def add_check(self, depth: int, field: FieldDescriptor, v: str) -> None:
        """Add the check of a scalar's type where protobuf's setter would take too much."""
        test = TYPE_TESTS.get(field.cpp_type)
        if test is not None:
            self.add(depth, f"if {test.format(v=v)}: {self.stop}()")

    def converted(self, field: FieldDescriptor, v: str) -> str:
        """Return the expression for a scalar's value, from the expression of its plain value."""
        kind = field.cpp_type
        if kind == _CPP.CPPTYPE_ENUM:
            if held_enum(field).full_name == "google.protobuf.NullValue":
                return f"{self.stop}()"
            return f"{self.refer('numbers', _enum_numbers(held_enum(field)))}[{v}]"
        if kind in (_CPP.CPPTYPE_INT64, _CPP.CPPTYPE_UINT64):
            return f"{self.refer('integer', _integer)}({v})"
        if field.type == _CPP.TYPE_BYTES:
            return f"{self.refer('read_bytes', scalars.read_bytes)}({v})"
        if kind == _CPP.CPPTYPE_FLOAT:
            return f"{self.refer('read_float', _READ_FLOAT)}({v})"
        return v

    def message_reader(self, message: Descriptor) -> str:
        known = _READERS.get(message.full_name)
        if known is None and not self.is_under_way(message):
            known = protojson_reader(message, self.original_names)
        # A type that holds itself cannot find its own reader before it is made.
        return self.refer("read", known or _LateReader(message, self.original_names))


def _takes_null(field: FieldDescriptor) -> bool:
    """Tell whether null is a value of the field rather than its absence."""
    if field.is_repeated:
        return False
    if field.message_type is not None:
        return bool(held_message(field).full_name == "google.protobuf.Value")
    return field.enum_type is not None


def _integer(value: Any) -> int:
    if type(value) is int:
        return value
    return int(value) if _QUOTED_INTEGER.fullmatch(value) else not_ordinary()


@cache
def _enum_numbers(enum: EnumDescriptor) -> dict[str, int]:
    return {value.name: value.number for value in enum.values}


class _LateReader:
    """The reader of a recursive type, looked up when it is first called."""

    def __init__(self, message: Descriptor, original_names: bool) -> None:
        self.message = message
        self.original_names = original_names
        self.reader: QuickReader | None = None

    def __call__(self, value: Any, message: Any, depth: int) -> None:
        if self.reader is None:
            self.reader = protojson_reader(self.message, self.original_names)
        self.reader(value, message, depth)
