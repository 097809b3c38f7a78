"""The quick way from plain values to a message: functions that write its bytes, to be parsed.

The source of a reader has a few lines for each field, put together from the descriptor, such as
``if v_2 is not None: o += head[len(v_2)] + v_2``. The plain values hold byte text, and byte text is
what a reader writes (see `byte_text`). What the pieces are made of stands in `quick_wire`, and what
a form spells in its own way in a subclass of `ReaderSource`.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor

from crucible_ir.schema.types import field_of, held_message, is_map
from crucible_ir.serialization import quick_wire
from crucible_ir.serialization.byte_text import ENCODING
from crucible_ir.serialization.json import scalars
from crucible_ir.serialization.quick_source import MessageSource, inlines, is_ordinary
from crucible_ir.serialization.quick_values import ORDINARY_DEPTH, not_ordinary

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

#: Turns a plain object, at a depth, into the byte text of a message, or raises.
QuickReader: TypeAlias = Callable[[Any, int], str]

#: Readers of the messages that every form writes alike.
OPAQUE_READERS: dict[str, QuickReader] = {
    "google.protobuf.Struct": quick_wire.struct_text,
    "google.protobuf.Value": quick_wire.value_text,
    "google.protobuf.ListValue": quick_wire.list_text,
    "google.protobuf.Timestamp": quick_wire.timestamp_text,
}

#: Stands for a missing key where null is a value.
ABSENT = object()

_CPP = FieldDescriptor
_READ_FLOAT = scalars.float_reader(single=True)
_PACK_FLOAT = Struct("<f").pack


#: What is out of the ordinary in a plain value, by the type of the field.
_CHECKED = {
    _CPP.CPPTYPE_BOOL: "{v} is not True and {v} is not False",
    _CPP.CPPTYPE_DOUBLE: "type({v}) is not float and type({v}) is not int",
}


class ReaderSource(MessageSource):
    """The source of a reader: for each field, find its value and add its bytes.

    Variables: ``d`` is the plain object, ``o`` the byte text of its message, ``v_1`` the value of
    field number 1, ``k`` a key, ``x`` an item, and ``depth`` the depth of the message that the
    function is called for.
    """

    def __init__(self, message: Descriptor) -> None:
        super().__init__(message)
        self.stop = self.refer("not_ordinary", not_ordinary)

    # What a form decides

    def fields(self, message: Descriptor) -> list[FieldDescriptor]:
        """Return the fields that give a key its name."""
        return list(message.fields)

    def key(self, field: FieldDescriptor) -> str:
        """Return the key of a field."""
        raise NotImplementedError

    def missing(self, field: FieldDescriptor) -> object:
        """Return the value of a field whose key is missing: none, or what it means."""
        plain_string = field.type == _CPP.TYPE_STRING and is_ordinary(field)
        if plain_string and not field.is_repeated and not field.has_presence:
            return ""
        return None

    def numbers(self, field: FieldDescriptor) -> dict[str, int]:
        """Return the numbers of an enum field's values by name."""
        raise NotImplementedError

    def integer(self, field: FieldDescriptor, v: str) -> str:
        """Return the expression of an integer, itself the plain value in ``v``."""
        raise NotImplementedError

    def reader_of(self, message: Descriptor) -> QuickReader:
        """Return the reader of another type."""
        raise NotImplementedError

    def is_inline(self, message: Descriptor) -> bool:
        """Tell whether a message inside a message is read by the same function."""
        return inlines(self, message)

    # What all forms share

    def document_reader(self) -> Callable[[Any], Message]:
        """Return the reader of a message that is the whole of a document."""
        name = f"read_{self.message.name}_document"
        parse = self.refer("parse", message_factory.GetMessageClass(self.message).FromString)
        self.add(0, f"def {name}(d):")
        self.add(1, "depth = 0")
        self.add_message(1, self.message, "d", "", 0)
        self.add(1, f"return {parse}(o.encode({ENCODING!r}))")
        return self.function(name)

    def reader(self) -> QuickReader:
        """Return the reader of a message inside a message."""
        name = f"read_{self.message.name}"
        self.add(0, f"def {name}(d, depth):")
        self.add(1, f"if depth > {ORDINARY_DEPTH}: {self.stop}()")
        self.add_message(1, self.message, "d", "", 0)
        self.add(1, "return o")
        return self.function(name)

    def add_message(self, depth: int, message: Descriptor, d: str, suffix: str, below: int) -> None:
        """Add the lines that put the byte text of the object in ``d`` into the variable ``o``.

        ``suffix`` keeps variables apart from those around; ``below`` says how many messages deep
        the message is in the one that the function reads.
        """
        fields = self.fields(message)
        values = {field: f"v{suffix}_{field.number}" for field in fields}
        # One statement finds every value, in the order of the schema: a key that is not the
        # schema's is one value too many, and what is no object cannot be merged.
        missing = {self.key(field): self.missing(field) for field in fields}
        names = "".join(f"{v}, " for v in values.values()) or "() "
        self.add(depth, f"{names}= ({self.refer('missing', missing)} | {d}).values()")
        # What can be large comes last, so that little is moved when the text grows.
        rest = sorted(values, key=_can_be_large)
        if rest and self.missing(rest[0]) == "":
            # A string without presence may as well be written when it is empty.
            first = rest.pop(0)
            self.add_scalar(depth, first, values[first], f"o{suffix} = {{}}")
        else:
            self.add(depth, f"o{suffix} = ''")
        for field in rest:
            self.add_given(depth, field, values)
            self.add_field(depth + 1, field, values[field], f"o{suffix}", suffix, below)

    def add_given(
        self, depth: int, field: FieldDescriptor, values: dict[FieldDescriptor, str]
    ) -> None:
        """Add the test whether a field has a value, and the check of its oneof."""
        self.add(depth, f"if {self.is_given(field, values[field])}:")
        for other in _earlier_members(field):
            if other in values:
                given = self.is_given(other, values[other])
                self.add(depth + 1, f"if {given}: {self.stop}()")

    def is_given(self, field: FieldDescriptor, v: str) -> str:
        """Return the expression that tells whether a field has a value, which would be in ``v``."""
        absent = self.refer("absent", ABSENT) if self.missing(field) is ABSENT else "None"
        return f"{v} is not {absent}"

    def add_field(
        self, depth: int, field: FieldDescriptor, v: str, o: str, suffix: str, below: int
    ) -> None:
        """Add the lines that add the bytes of a field, its plain value in ``v``, to ``o``."""
        if not is_ordinary(field):
            self.add(depth, f"{self.stop}()")
        elif is_map(field):
            self.add_map(depth, field, v, o)
        elif field.is_repeated:
            self.add_list(depth, field, v, o, suffix, below)
        elif field.message_type is not None:
            inner = f"{suffix}_{field.number}"
            self.add_item(depth, held_message(field), v, inner, below + 1)
            head = self.refer("head", quick_wire.heads(field.number))
            self.add(depth, f"{o} += {head}[len(o{inner})] + o{inner}")
        else:
            self.add_scalar(depth, field, v, f"{o} += {{}}")

    def add_item(self, depth: int, message: Descriptor, v: str, suffix: str, below: int) -> None:
        """Add the lines that put the bytes of a message inside a message into a variable."""
        if message.full_name == "google.protobuf.Struct":
            self.add_struct_entries(depth, v, f"o{suffix}", below)
        elif self.is_inline(message):
            self.add_message(depth, message, v, suffix, below)
        else:
            self.add(depth, f"o{suffix} = {self.message_reader(message)}({v}, depth + {below})")

    def add_struct_entries(self, depth: int, v: str, o: str, below: int) -> None:
        """Add the lines that put the bytes of a Struct into the variable ``o``.

        They do what `quick_wire.struct_text` does, less the call.
        """
        heads = self.refer("number_heads", quick_wire.NUMBER_HEADS)
        doubles = self.refer("doubles", quick_wire.EXACT_DOUBLES)
        pack = self.refer("pack", quick_wire.pack_double)
        keys = self.refer("keys", quick_wire.KEYS)
        inners = self.refer("inners", quick_wire.SHORT_TEXTS)
        entries = self.refer("entries", quick_wire.ENTRIES)
        entry = self.refer("entry", quick_wire.entry)
        double = f"{pack}(x).decode({ENCODING!r})"
        self.add(depth, f"{o} = ''")
        self.add(depth, f"for k, x in {v}.items():")
        self.add(depth + 1, "t = type(x)")
        self.add(depth + 1, f"if t is int: {o} += {heads}[k] + {doubles}[x]")
        self.add(depth + 1, f"elif t is float and x - x == 0.0: {o} += {heads}[k] + {double}")
        self.add(depth + 1, f"elif t is str and len(x) < {quick_wire.SHORT_TEXT}:")
        self.add(depth + 2, f"k, i = {keys}[k], {inners}[len(x)]")
        self.add(depth + 2, f"{o} += f'{{{entries}[len(k) + len(i) + len(x)]}}{{k}}{{i}}{{x}}'")
        self.add(depth + 1, f"else: {o} += {entry}(k, x, depth + {below})")

    def message_reader(self, message: Descriptor) -> str:
        """Return the name of the reader of another type."""
        late = self.is_under_way(message) and message.full_name not in OPAQUE_READERS
        # A type that holds itself cannot find its own reader before it is made.
        read = _LateReader(message, self.reader_of) if late else self.reader_of(message)
        return self.refer("read", read)

    def add_list(
        self, depth: int, field: FieldDescriptor, v: str, o: str, suffix: str, below: int
    ) -> None:
        """Add the lines that read a list."""
        inner = f"{suffix}_{field.number}"
        self.add(depth, f"if type({v}) is not list: {self.stop}()")
        self.add(depth, f"for x{inner} in {v}:")
        if field.message_type is not None:
            self.add_item(depth + 1, held_message(field), f"x{inner}", inner, below + 1)
            head = self.refer("head", quick_wire.heads(field.number))
            self.add(depth + 1, f"{o} += {head}[len(o{inner})] + o{inner}")
        else:
            self.add_scalar(depth + 1, field, f"x{inner}", f"{o} += {{}}")

    def add_map(self, depth: int, field: FieldDescriptor, v: str, o: str) -> None:
        """Add the lines that read a map."""
        key, value = (field_of(held_message(field), name) for name in ("key", "value"))
        if key.type != _CPP.TYPE_STRING or value.message_type is not None:
            self.add(depth, f"{self.stop}()")
        elif value.type == _CPP.TYPE_DOUBLE:
            entries = self.refer("entries", quick_wire.double_entries)
            head = self.refer("head", quick_wire.double_entry_heads(field.number))
            self.add(depth, f"{o} += {entries}({v}, {head})")
        else:
            head = self.refer("head", quick_wire.heads(field.number))
            start = self.refer("head", quick_wire.heads(1))
            self.add(depth, f"for k, x in {v}.items():")
            self.add(depth + 1, f"k = {start}[len(k)] + k")
            self.add_scalar(depth + 1, value, "x", "k += {}")
            self.add(depth + 1, f"{o} += {head}[len(k)] + k")

    def add_scalar(self, depth: int, field: FieldDescriptor, v: str, use: str) -> None:
        """Add the lines that read a scalar and use its bytes, which stand for ``{}`` in ``use``."""
        kind = field.cpp_type
        if field.type in (_CPP.TYPE_STRING, _CPP.TYPE_BYTES):
            head = self.refer("head", quick_wire.heads(field.number))
            if field.type == _CPP.TYPE_BYTES:
                read = self.refer("read_bytes", scalars.read_bytes)
                self.add(depth, f"e = {read}({v}).decode({ENCODING!r})")
                v = "e"
            self.add(depth, use.format(f"{head}[len({v})] + {v}"))
        elif kind == _CPP.CPPTYPE_BOOL:
            false, true = (self.refer("flag", flag) for flag in quick_wire.flags(field))
            self.add(depth, f"if {_CHECKED[kind].format(v=v)}: {self.stop}()")
            self.add(depth, use.format(f"({true} if {v} else {false})"))
        elif kind == _CPP.CPPTYPE_ENUM:
            values = quick_wire.enum_values(field.number, self.numbers(field))
            self.add(depth, use.format(f"{self.refer('values', values)}[{v}]"))
        elif kind == _CPP.CPPTYPE_DOUBLE:
            start = quick_wire.fixed_tag(field)
            pack = self.refer("pack", quick_wire.pack_tagged_double(len(start)))
            self.add(depth, f"if {_CHECKED[kind].format(v=v)}: {self.stop}()")
            self.add(
                depth, use.format(f"{pack}({start.encode(ENCODING)!r}, {v}).decode({ENCODING!r})")
            )
        elif kind == _CPP.CPPTYPE_FLOAT:
            start = quick_wire.fixed_tag(field)
            read, pack = self.refer("read", _READ_FLOAT), self.refer("pack", _PACK_FLOAT)
            number = f"{pack}({read}({v})).decode({ENCODING!r})"
            self.add(depth, use.format(f"{start!r} + {number}"))
        else:
            number = self.integer(field, v)
            if number == v:
                self.add(depth, f"if type({v}) is not int: {self.stop}()")
            table = self.refer("integers", quick_wire.integers(field))
            self.add(depth, use.format(f"{table}[{number}]"))


def _can_be_large(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated) or field.message_type is not None


def _earlier_members(field: FieldDescriptor) -> list[FieldDescriptor]:
    """Return the members of a field's oneof that are declared before it."""
    oneof = field.containing_oneof
    members = oneof.fields if oneof is not None else ()
    return [member for member in members if member.index < field.index]


class _LateReader:
    """The reader of a recursive type, looked up when it is first called."""

    def __init__(self, message: Descriptor, find: Callable[[Descriptor], QuickReader]) -> None:
        self.message = message
        self.find = find
        self.reader: QuickReader | None = None

    def __call__(self, value: Any, depth: int) -> str:
        if self.reader is None:
            self.reader = self.find(self.message)
        return self.reader(value, depth)
