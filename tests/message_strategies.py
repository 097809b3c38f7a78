"""Hypothesis strategies for messages of any type."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

from google.protobuf import message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

from crucible_ir.schema.fields import INTEGER_RANGES, Field, Kind, fields_of
from crucible_ir.schema.types import descriptor_of

MessageT = TypeVar("MessageT", bound=Message)
#: A JSON value, as Python's json module returns it.
JsonValue: TypeAlias = Any

#: The times that RFC 3339 can write, and the longest Duration.
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
_LONGEST_DURATION = 315_576_000_000
_LAST_NANO = 999_999_999

#: Texts that encoders often get wrong.
_AWKWARD = [
    "null",
    "true",
    "yes",
    "no",
    "on",
    "~",
    "=",
    "<<",
    "0x1f",
    "0o17",
    "017",
    "1e3",
    "1_000",
    ".5",
    ".inf",
    "NaN",
    "Infinity",
    "2025-01-01",
    "12:30:45",
    "@at",
    "`",
    "!tag",
    "&anchor",
    "*alias",
    "%directive",
    "{}",
    "[]",
    "#",
    ",",
    ":",
    "-",
    "?",
    "|",
    ">",
    '"',
    "'",
    "\\",
    "\\n",
    "\x7f",
    "\ufeff",
    "😀",
]
texts = st.text(max_size=12) | st.sampled_from(
    [
        *_AWKWARD,
        *("", " ", " pad ", "a: b", "- a", "a #b", "tab\tbed", "\0", "\t", "\r", "\x85"),
        *("two\nlines", "end\n", "\n", " lead\nline", "trail \nline", "a" * 120, "word " * 30),
    ]
)

#: Doubles with one NaN, since JSON cannot distinguish NaNs with different bits.
doubles = st.floats(allow_nan=False) | st.just(math.nan)

#: 32-bit floats except the largest, whose decimals google's Python writes but does not read.
floats = st.floats(-(2.0**127), 2.0**127, width=32) | st.sampled_from(
    [math.nan, math.inf, -math.inf]
)

#: The numbers of opaque JSON, which are finite.
finite_numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(
    -(2**53), 2**53
).map(float)

#: The values of opaque JSON.
json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | finite_numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def messages(
    type_: type[MessageT],
    *,
    depth: int = 3,
    named_enums: bool = False,
    packed: Sequence[type[Message]] = (Struct,),
) -> st.SearchStrategy[MessageT]:
    """Return a strategy for messages of a type, with any fields set.

    They may break the schema's rules, but every text format can write them: timestamps, durations
    and masks are within their ranges, and numbers in opaque JSON are finite.

    Args:
        type_: The class.
        depth: The greatest depth of nested messages.
        named_enums: Whether enum values always have a name.
        packed: The types of messages in an ``Any``.
    """
    return _Maker(named_enums, packed).message(descriptor_of(type_), depth)


class _Maker:
    def __init__(self, named_enums: bool, packed: Sequence[type[Message]]) -> None:
        self.named_enums = named_enums
        self.packed = packed
        self.strategies: dict[tuple[str, int], st.SearchStrategy[Any]] = {}

    def message(self, descriptor: Descriptor, depth: int) -> st.SearchStrategy[Any]:
        key = descriptor.full_name, depth
        if key not in self.strategies:
            if descriptor.full_name in _WELL_KNOWN:
                self.strategies[key] = _WELL_KNOWN[descriptor.full_name]
            elif descriptor.full_name == AnyMessage.DESCRIPTOR.full_name:
                self.strategies[key] = self.any(depth)
            else:
                self.strategies[key] = self.ordinary(descriptor, depth)
        return self.strategies[key]

    def ordinary(self, descriptor: Descriptor, depth: int) -> st.SearchStrategy[Any]:
        type_ = message_factory.GetMessageClass(descriptor)
        values = {
            field: self.field(field, depth)
            for field in fields_of(descriptor).values()
            if depth > 0 or field.kind is not Kind.MESSAGE
        }
        if not values:
            return st.builds(type_)
        choices = st.lists(st.sampled_from(list(values)), unique=True)

        @st.composite
        def draw_message(draw: st.DrawFn) -> Message:
            message: Message = type_()
            for field in draw(choices):
                _put(message, field, draw(values[field]))
            return message

        return draw_message()

    def field(self, field: Field, depth: int) -> st.SearchStrategy[Any]:
        values = self.item(field, depth)
        if field.key is not None:
            return st.dictionaries(_scalars(field.key), values, min_size=1, max_size=3)
        return st.lists(values, min_size=1, max_size=3) if field.is_list else values

    def item(self, field: Field, depth: int) -> st.SearchStrategy[Any]:
        """Return a strategy for single values of a field, or of its list or map."""
        if field.message is not None:
            inner = field.message
            return st.deferred(lambda: self.message(inner, depth - 1))
        return self.enum(field.enum) if field.enum is not None else _scalars(field.kind)

    def enum(self, enum: EnumDescriptor) -> st.SearchStrategy[int]:
        named = st.sampled_from(sorted({value.number for value in enum.values}))
        # JSON has one way to write a NullValue, whatever its number.
        if enum.is_closed or self.named_enums or enum.full_name == "google.protobuf.NullValue":
            return named
        return named | st.integers(-(2**31), 2**31 - 1)

    def any(self, depth: int) -> st.SearchStrategy[AnyMessage]:
        if depth <= 0:
            return st.builds(AnyMessage)
        inner = st.one_of([self.message(descriptor_of(type_), depth - 1) for type_ in self.packed])
        return st.builds(AnyMessage) | inner.map(_pack)


def _scalars(kind: Kind) -> st.SearchStrategy[Any]:
    match kind:
        case Kind.BOOL:
            return st.booleans()
        case Kind.DOUBLE:
            return doubles | st.sampled_from([-0.0, 1.0, 2.0**53, 2.0**53 + 2, 1e23])
        case Kind.FLOAT:
            return floats
        case Kind.STRING:
            return texts
        case Kind.BYTES:
            return st.binary(max_size=8)
    low, high = INTEGER_RANGES[kind]
    return st.integers(low, high) | st.sampled_from([0, 1, low, high])


def _put(message: Message, field: Field, value: Any) -> None:
    target: Any = getattr(message, field.name)
    if field.is_map and field.message is not None:
        for key, item in value.items():
            target[key].CopyFrom(item)
    elif field.is_map:
        target.update(value)
    elif field.is_list:
        target.extend(value)
    elif field.message is not None:
        target.SetInParent()
        target.CopyFrom(value)
    else:
        setattr(message, field.name, value)


def _pack(inner: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(inner, deterministic=True)
    return packed


def _value(value: JsonValue) -> Value:
    struct = Struct()
    struct.update({"value": value})
    return struct.fields["value"]


def _list_value(items: list[JsonValue]) -> ListValue:
    return ListValue(values=[_value(item) for item in items])


def _struct(items: dict[str, JsonValue]) -> Struct:
    return Struct(fields={key: _value(item) for key, item in items.items()})


_nanos = st.integers(0, _LAST_NANO) | st.sampled_from([0, 1, 1_000, 500_000_000, _LAST_NANO])


@st.composite
def _durations(draw: st.DrawFn) -> Duration:
    """Return a strategy for durations, whose seconds and nanoseconds have the same sign."""
    sign = draw(st.sampled_from([1, -1]))
    seconds = draw(st.integers(0, 100) | st.integers(0, _LONGEST_DURATION - 1))
    return Duration(seconds=sign * seconds, nanos=sign * draw(_nanos))


_mask_names = st.from_regex(r"[a-z][a-z0-9]{0,3}(_[a-z]{1,3}){0,2}", fullmatch=True)

#: The well-known types, whose text formats limit their fields.
_WELL_KNOWN: dict[str, st.SearchStrategy[Any]] = {
    Duration.DESCRIPTOR.full_name: _durations()
    | st.builds(Duration, seconds=st.sampled_from([_LONGEST_DURATION, -_LONGEST_DURATION])),
    FieldMask.DESCRIPTOR.full_name: st.lists(
        st.lists(_mask_names, min_size=1, max_size=3).map(".".join), max_size=3
    ).map(lambda paths: FieldMask(paths=paths)),
    ListValue.DESCRIPTOR.full_name: st.lists(json_values, max_size=3).map(_list_value),
    Struct.DESCRIPTOR.full_name: st.dictionaries(texts, json_values, max_size=3).map(_struct),
    Timestamp.DESCRIPTOR.full_name: st.builds(
        Timestamp,
        seconds=st.integers(_FIRST_SECOND, _LAST_SECOND)
        | st.sampled_from([0, -1, _FIRST_SECOND, _LAST_SECOND]),
        nanos=_nanos,
    ),
    Value.DESCRIPTOR.full_name: json_values.map(_value),
}
