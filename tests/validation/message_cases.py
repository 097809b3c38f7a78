"""Generate messages near the limits of the schema's rules: valid, invalid, odd and damaged."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from protovalidate import collect_violations

from crucible_ir import v1
from crucible_ir.schema.rules import rules_of

MESSAGE_CLASSES: dict[str, type[Message]] = {
    name: exported
    for name in v1.__all__
    if isinstance(exported := getattr(v1, name), type) and issubclass(exported, Message)
}

STRUCT, VALUE, TIMESTAMP = (f"google.protobuf.{name}" for name in ("Struct", "Value", "Timestamp"))
WELL_KNOWN = (STRUCT, VALUE, TIMESTAMP)

#: Values that satisfy every rule of the schema, so that one rule can be broken at a time: a string
#: that is a version, a number within every range, a name that every enum has.
VALID_STRING = "1.2.3"
VALID_DIGEST = "sha1:0a1b"
VALID_DOUBLE = 0.5
VALID_INTEGER = 1
VALID_SECONDS = 1_735_732_800

#: Strings near the limits of the schema, 512 and 8192 bytes, in characters of one to four bytes,
#: and versions with near misses.
STRINGS = (
    *("", "a", "\x00", " "),
    *("a" * length for length in (127, 128, 129, 511, 512, 513, 2048, 2049, 8191, 8192, 8193)),
    *("é" * length for length in (128, 129, 256, 257)),
    *("€" * length for length in (170, 171)),
    *("😀" * length for length in (128, 129, 2048, 2049)),
    *("😀" * 127 + "abcd", "😀" * 127 + "abcde"),
    *("0.0.0", "10.20.30-alpha.1+build.5", "1.2.3-x-y-z.--", "1.2.3+" + "a" * 506),
    *("1.2", "1.2.3\n", " 1.2.3", "01.2.3", "1.2.3-01", "1.2.3-", "1.2.3+", "1.٢.3", "v1.2.3"),
    "1.2.3+" + "a" * 507,
    *("a:b", "sha256+b64u:_-=", "a:b\n", "A:b", "a:", ":b", "a+:b", "a:é", "a+b.c:d:e"),
)
INTEGERS = (-(2**31), -2, -1, 0, 1, 2, 2**31 - 1)
DOUBLES = (
    *(-math.inf, -1.0, -5e-324, -0.0, 0.0, 5e-324),
    *(math.nextafter(1.0, 0.0), 1.0, math.nextafter(1.0, 2.0)),
    *(math.nextafter(100.0, 0.0), 100.0, math.nextafter(100.0, 101.0)),
    *(1.7976931348623157e308, math.inf, math.nan),
)

#: Times near the first and last that RFC 3339 can write, the start of the year 1 and the end of
#: 9999, some with invalid nanoseconds.
FIRST_SECOND, LAST_SECOND, MAX_NANOS = -62_135_596_800, 253_402_300_799, 999_999_999
NANOS = (0, 1, MAX_NANOS, -1, MAX_NANOS + 1, -(2**31), 2**31 - 1)
SECONDS = (
    *(-(2**63), -1, 0, 2**63 - 1),
    *(FIRST_SECOND + offset for offset in range(-1, 5)),
    *(LAST_SECOND + offset for offset in range(-4, 4)),
)

#: A number and a string in unknown fields, as a newer peer might send.
UNKNOWN_FIELDS = (b"\xf8\xff\x07\x05", b"\xfa\xff\x07\x03new")

#: How often a message type may be nested in itself in the messages that are built.
NESTING = 2

#: How many ways to choose the members of oneofs are tried: enough for each member of a Document,
#: and for each kind of content in a prompt.
CHOICES = 24

Edit = Callable[[Message], None]


@dataclass(frozen=True, slots=True)
class Site:
    """A field of a message at some depth.

    Attributes:
        steps: The path from the root to the message: names of fields, with indexes into lists.
        field: The field.
    """

    steps: tuple[tuple[str, int | None], ...]
    field: FieldDescriptor

    def owner(self, root: Any) -> Any:
        """Return the message that has the field; recreate messages that earlier edits removed."""
        message = root
        for name, position in self.steps:
            message = getattr(message, name)
            if position is not None:
                while len(message) <= position:
                    message.add()
                message = message[position]
        return message


def cases(name: str, seed: int, count: int) -> Iterator[Message]:
    """Generate messages of a type: every single edit of its bases, then random cases.

    Args:
        name: The name of the type, as `Experiment`.
        seed: The seed of the random cases.
        count: The number of random cases.
    """
    for base in bases(name):
        for edit in edits(name, base):
            yield edited(name, base, [edit])
    random = Random(f"{name} {seed}")
    for _ in range(count):
        base = random.choice(bases(name))
        chosen = random.choices(edits(name, base), k=random.choice((0, 2, 2, 3)))
        message = edited(name, base, chosen)
        yield message if random.random() < 0.6 else damaged(message, random)


def count_single_edits(name: str) -> int:
    """Count the cases that are not random."""
    return sum(len(edits(name, base)) for base in bases(name))


def edited(name: str, base: bytes, chosen: list[Edit]) -> Message:
    """Copy a base and edit the copy."""
    message = MESSAGE_CLASSES[name].FromString(base)
    for edit in chosen:
        edit(message)
    return message


def damaged(message: Message, random: Random) -> Message:
    """Change bytes of a message so that it can still be read."""
    original = message.SerializeToString()
    while True:
        data = bytearray(original)
        for _ in range(random.choice((1, 1, 2, 4))):
            damage(data, random)
        try:
            return type(message).FromString(bytes(data))
        except DecodeError:
            continue


def damage(data: bytearray, random: Random) -> None:
    """Change, insert, remove or repeat some bytes."""
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice((1, 1, 2, 8)))
    match random.randrange(4):
        case 0:
            data[start:end] = random.randbytes(end - start)
        case 1:
            data[start:start] = random.randbytes(1)
        case 2:
            del data[start:end]
        case 3:
            data[start:start] = data[start:end]


@cache
def bases(name: str) -> tuple[bytes, ...]:
    """Build valid messages of a type: the smallest, one of small messages, and full ones."""
    message_class = MESSAGE_CLASSES[name]
    full = full_messages(message_class)
    silent = message_class()
    silent.CopyFrom(full[0])
    set_roles(silent, v1.MessageRole.MESSAGE_ROLE_ASSISTANT)
    messages = [
        reduced(full[0]),
        reduced(full[0], last_first=True),
        reduced(full[0], keeps_messages=True, keeps_inner_lists=True),
        reduced(full[0], keeps_messages=True),
        reduced(full[0], keeps_messages=True, last_first=True),
        reduced(silent, keeps_messages=True),
        *full,
    ]
    return tuple(
        dict.fromkeys(message.SerializeToString(deterministic=True) for message in messages)
    )


def reduced(
    message: Message,
    *,
    keeps_messages: bool = False,
    keeps_inner_lists: bool = False,
    last_first: bool = False,
) -> Message:
    """Return a copy of a valid message without what no rule requires.

    Args:
        message: The message.
        keeps_messages: Whether messages stay, the first of each list, and only become smaller.
        keeps_inner_lists: Whether that applies to lists of messages inside other messages too.
        last_first: Whether to begin with the last field, so that one of the first stays where a
            rule requires one of several.
    """
    copy = type(message)()
    copy.CopyFrom(message)

    def reduce(inside: Any) -> None:
        for field, _ in inside.ListFields()[:: -1 if last_first else 1]:
            is_nested = field.message_type and field.message_type.full_name not in WELL_KNOWN
            is_nested = is_nested and not is_map(field)
            is_inner_list = field.is_repeated and inside is not copy
            stays = keeps_messages and (keeps_inner_lists or not is_inner_list)
            if not (is_nested and stays):
                kept = inside.SerializeToString()
                inside.ClearField(field.name)
                if not collect_violations(copy):
                    continue
                inside.MergeFromString(kept)
            if is_nested:
                value = getattr(inside, field.name)
                if field.is_repeated:
                    del value[1:]
                    value = value[0]
                reduce(value)

    reduce(copy)
    return copy


def set_roles(message: Any, role: v1.MessageRole) -> None:
    """Set the role of every `Message` in a message, because some need no content."""
    if isinstance(message, v1.Message):
        message.role = role
    for field, value in message.ListFields():
        if field.message_type and field.message_type.full_name.startswith("crucible_ir."):
            if is_map(field):
                continue
            for item in value if field.is_repeated else [value]:
                set_roles(item, role)


def full_messages(message_class: type[Message]) -> list[Message]:
    """Build messages with every field set, so many that each member of each oneof is in one."""
    kept: list[Message] = []
    seen: set[str] = set()
    for choice in range(CHOICES):
        message = message_class()
        fill(message, choice, (message.DESCRIPTOR.full_name,))
        names = {site.field.full_name for site in sites(message) if is_set(site, message)}
        if not kept or not names <= seen:
            kept.append(message)
            seen |= names
    return kept


def is_set(site: Site, root: Message) -> bool:
    """Return whether a field is set."""
    return any(field == site.field for field, _ in site.owner(root).ListFields())


def fill(message: Any, choice: int, inside: tuple[str, ...]) -> None:
    """Set every field to a valid value, lists to two of them, and one member of each oneof.

    Args:
        message: The message.
        choice: Which members of oneofs to set: the lowest digits are for the message itself, the
            others for the messages in it.
        inside: The full names of the types of the messages around it, and of its own.
    """
    oneofs = message.DESCRIPTOR.oneofs
    deeper = choice // max([len(oneof.fields) for oneof in oneofs], default=1)
    exclusive = {
        name
        for rule in rules_of(message.DESCRIPTOR)
        for name in rule.exclusive_fields[choice % 2 :: 2]
    }
    for field in message.DESCRIPTOR.fields:
        if field.name in exclusive:
            continue
        oneof = field.containing_oneof
        if oneof and oneof.fields[choice % len(oneof.fields)].name != field.name:
            continue
        if field.message_type and inside.count(field.message_type.full_name) >= NESTING:
            continue
        value = getattr(message, field.name)
        if is_map(field):
            entry = value_of_map(field)
            valid = valid_scalar(entry)
            value.update(
                {"loss": valid, "": math.nan if isinstance(valid, float) else type(valid)()}
            )
        elif field.is_repeated and field.message_type:
            for _ in range(2):
                fill_nested(value.add(), deeper, inside)
        elif field.is_repeated:
            value.extend([valid_scalar(field)] * 2)
        elif field.message_type:
            value.SetInParent()
            fill_nested(value, deeper, inside)
        else:
            setattr(message, field.name, valid_scalar(field))


def fill_nested(message: Any, choice: int, inside: tuple[str, ...]) -> None:
    """Fill a message in a field."""
    match message.DESCRIPTOR.full_name:
        case "google.protobuf.Struct":
            message.update({"key": [1, None, {"nested": True}]})
        case "google.protobuf.Value":
            message.number_value = 4
        case "google.protobuf.Timestamp":
            message.seconds = VALID_SECONDS
        case name:
            fill(message, choice, (*inside, name))


def valid_scalar(field: FieldDescriptor) -> Any:
    """Return a value that satisfies every rule of the schema."""
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return VALID_DIGEST if field.name == "digest" else VALID_STRING
        case FieldDescriptor.TYPE_BYTES:
            return VALID_STRING.encode()
        case FieldDescriptor.TYPE_DOUBLE:
            return VALID_DOUBLE
    return VALID_INTEGER


def is_map(field: FieldDescriptor) -> bool:
    """Return whether a field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def value_of_map(field: FieldDescriptor) -> FieldDescriptor:
    """Return the field of the values of a map."""
    assert field.message_type is not None
    return field.message_type.fields_by_name["value"]


@cache
def edits(name: str, base: bytes) -> list[Edit]:
    """Return the single edits of a base: every interesting value of every field at every depth."""
    message = MESSAGE_CLASSES[name].FromString(base)
    return [edit for site in sites(message) for edit in edits_at(site)]


def sites(message: Any, steps: tuple[tuple[str, int | None], ...] = ()) -> Iterator[Site]:
    """List the fields of a message and of the messages that are set in it."""
    for field in message.DESCRIPTOR.fields:
        yield Site(steps, field)
        if field.message_type is None or field.message_type.full_name in WELL_KNOWN:
            continue
        if is_map(field):
            continue
        if field.is_repeated:
            for position, item in enumerate(getattr(message, field.name)):
                yield from sites(item, (*steps, (field.name, position)))
        elif message.HasField(field.name):
            yield from sites(getattr(message, field.name), (*steps, (field.name, None)))


def edits_at(site: Site) -> Iterator[Edit]:
    """List the edits of one field."""
    field = site.field
    yield partial(clear, site)
    if field.index == 0:
        for data in UNKNOWN_FIELDS:
            yield partial(merge, site, data)
    if is_map(field):
        value = value_of_map(field)
        for values in ((), scalars(value)[:1], scalars(value)[1:3]):
            yield partial(assign_map, site, dict(zip(("", "a"), values, strict=False)))
    elif field.is_repeated and field.message_type:
        yield from (partial(resize, site, count) for count in (1, 2, 3))
    elif field.is_repeated:
        yield from (partial(assign_list, site, [value, value]) for value in scalars(field))
    elif field.message_type:
        yield partial(empty, site)
        if field.message_type.full_name == TIMESTAMP:
            for seconds in SECONDS:
                yield from (partial(assign_time, site, seconds, nanos) for nanos in NANOS)
    else:
        yield from (partial(assign, site, value) for value in scalars(field))


def scalars(field: FieldDescriptor) -> tuple[Any, ...]:
    """Return the interesting values of a field."""
    if field.enum_type:
        last = max(value.number for value in field.enum_type.values)
        return (-(2**31), -1, 0, 1, 2, last, last + 1, 2**31 - 1)
    match field.type:
        case FieldDescriptor.TYPE_STRING:
            return STRINGS
        case FieldDescriptor.TYPE_BYTES:
            return (b"", b"\xff\x00")
        case FieldDescriptor.TYPE_DOUBLE:
            return DOUBLES
        case FieldDescriptor.TYPE_BOOL:
            return (False, True)
    return INTEGERS


def clear(site: Site, root: Message) -> None:
    """Unset a field."""
    site.owner(root).ClearField(site.field.name)


def merge(site: Site, data: bytes, root: Message) -> None:
    """Add encoded fields to the message that has a field."""
    site.owner(root).MergeFromString(data)


def assign(site: Site, value: Any, root: Message) -> None:
    """Set a scalar."""
    setattr(site.owner(root), site.field.name, value)


def assign_list(site: Site, values: list[Any], root: Message) -> None:
    """Set a list of scalars."""
    getattr(site.owner(root), site.field.name)[:] = values


def assign_map(site: Site, entries: dict[str, Any], root: Message) -> None:
    """Set a map of scalars."""
    field = getattr(site.owner(root), site.field.name)
    field.clear()
    field.update(entries)


def resize(site: Site, count: int, root: Message) -> None:
    """Shorten a list of messages, or extend it with empty ones."""
    items = getattr(site.owner(root), site.field.name)
    del items[count:]
    while len(items) < count:
        items.add()


def empty(site: Site, root: Message) -> None:
    """Set a message with nothing in it."""
    clear(site, root)
    getattr(site.owner(root), site.field.name).SetInParent()


def assign_time(site: Site, seconds: int, nanos: int, root: Message) -> None:
    """Set a Timestamp."""
    timestamp = getattr(site.owner(root), site.field.name)
    timestamp.seconds, timestamp.nanos = seconds, nanos
