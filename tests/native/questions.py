"""Questions to the core about messages of any type, so many that each entry of the tables matters.

They are about the kinds of messages of the other tests, which compare answers with other programs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import pairwise
from random import Random
from typing import Any

from exchange.test_request_guards import REQUESTS, filled
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from native.core import CoreType, core
from native.table_mutants import messages
from native.wire_variants import DELIMITED, FIXED64, VARINT, rewritten, varint
from validation.message_cases import (
    MESSAGE_CLASSES,
    bases,
    edits_at,
    full_messages,
    sites,
    valid_scalar,
)

#: How many generated messages a type of the exchange has.
REQUESTS_OF_A_TYPE = 200

#: How many messages of a type are edited.
MOST_BASES = 32

#: The most bytes of a message that more is asked about than whether it is valid.
SMALL = 20_000

#: JSON values that replace those of members.
_OTHER_VALUES: tuple[Any, ...] = (None, {}, "", [], 0, False, "other", {"key": 1})

Ask = Callable[[CoreType, bytes], Any]


@cache
def answers(name: str) -> list[tuple[Ask, bytes, Any]]:
    """Return questions about messages of a type, by its full name, with the answers of the core."""
    of_type = core().type(name)
    return [(ask, data, ask(of_type, data)) for ask, data in _questions(name)]


def class_of(name: str) -> Any:
    """Return the class of a message type."""
    return message_factory.GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(name))


def _is_valid(of_type: CoreType, data: bytes) -> bool:
    return of_type.is_valid(data)


def _satisfies_rules(of_type: CoreType, data: bytes) -> bool:
    return of_type.satisfies_rules(data)


def _write(format: str, of_type: CoreType, data: bytes) -> bytes | None:
    return of_type.writers[format](data)


def _read(format: str, of_type: CoreType, data: bytes) -> bytes | None:
    return of_type.readers[format](data)


#: The readers of what the writers write.
_READERS: dict[str, Ask] = {
    "json": partial(_read, "json"),
    "json-original-names": partial(_read, "json"),
    "crucible-json": partial(_read, "crucible-json"),
}
_WRITERS: dict[str, Ask] = {format: partial(_write, format) for format in _READERS}


def _questions(name: str) -> Iterator[tuple[Ask, bytes]]:
    """Yield questions; the first ones show most changes of the tables."""
    of_type, originals = core().type(name), _originals(name)
    every = sorted(dict.fromkeys([*originals, *_edited(name, originals)]), key=len)
    small = [data for data in every if len(data) <= SMALL]
    for data in small:
        yield _is_valid, data
        yield _satisfies_rules, data
        yield _WRITERS["json"], data
        yield _WRITERS["crucible-json"], data
    for data in small:
        for format in ("json", "crucible-json"):
            text = _WRITERS[format](of_type, data)
            if text is not None:
                yield _READERS[format], text
    for data in _ends(originals):
        for format, write in _WRITERS.items():
            text = write(of_type, data)
            if text is not None:
                yield write, data
                for other in _changed_members(text):
                    yield _READERS[format], other
    for field in class_of(name).DESCRIPTOR.fields:
        for value in field.enum_type.values if field.enum_type else ():
            yield _READERS["json"], _dump({field.json_name: value.name})
            yield _READERS["json"], _dump({field.json_name: [value.name]})
    for data in every[len(small) :]:
        yield _satisfies_rules, data


def _originals(name: str) -> list[bytes]:
    """Return messages in which every field is set at least once."""
    type_, short, random = class_of(name), name.rpartition(".")[2], Random(name)
    if MESSAGE_CLASSES.get(short) is type_:
        return list(bases(short))
    found = [_encode(message) for message in full_messages(type_)]
    if REQUESTS.get(short) is type_:
        for _ in range(REQUESTS_OF_A_TYPE):
            found.append(_encode(filled(type_, random, random.choice((0.0, 0.1, 0.2)))))
    return sorted(found, key=len)


def _edited(name: str, originals: list[bytes]) -> Iterator[bytes]:
    """Yield messages with another value of a field, with two members of a oneof, and rewritten."""
    type_, random = class_of(name), Random(name)
    small = _ends(originals)
    for data in small:
        for site in sites(type_.FromString(data)):
            # The fields of the messages inside are those of other types.
            for edit in [] if site.steps else edits_at(site):
                message = type_.FromString(data)
                edit(message)
                yield _encode(message)
    for field in type_.DESCRIPTOR.fields:
        for value in field.enum_type.values if field.enum_type else ():
            message = type_.FromString(small[-1])
            _assign(message, field, value.number)
            yield _encode(message)
            for other in type_.DESCRIPTOR.fields:
                without = type_.FromString(_encode(message))
                without.ClearField(other.name)
                yield _encode(without)
    valid = [data for data in originals if len(data) <= SMALL and core().type(name).is_valid(data)]
    for field in type_.DESCRIPTOR.fields:
        if not field.is_repeated and not field.has_presence:
            # A zero that other libraries do not write.
            zero = varint(field.number << 3 | _WIRE_TYPES.get(field.type, VARINT))
            zero += bytes(8 if field.type == FieldDescriptor.TYPE_DOUBLE else 1)
            yield from (data + zero for data in small[-1:] + valid[-1:] + valid[:1])
    for table in messages()[name].fields:
        for change in _at_bounds(table):
            for data in valid[:1] + valid[-1:]:
                message = type_.FromString(data)
                change(message)
                yield _encode(message)
    for oneof in type_.DESCRIPTOR.oneofs:
        for members in pairwise(oneof.fields):
            one, other = (_encode(_with_only(type_(), field)) for field in members)
            yield one + other
            yield other + one
    for _ in range(100):
        yield rewritten(random.choice(small), type_.DESCRIPTOR, random)


_WIRE_TYPES = {
    FieldDescriptor.TYPE_DOUBLE: FIXED64,
    FieldDescriptor.TYPE_STRING: DELIMITED,
    FieldDescriptor.TYPE_BYTES: DELIMITED,
}


def _ends(originals: list[bytes]) -> list[bytes]:
    """Return some of the smallest and of the largest messages, but none that is very large."""
    small = [data for data in originals if len(data) <= SMALL]
    half = MOST_BASES // 2
    return small if len(small) <= MOST_BASES else small[:half] + small[-half:]


def _at_bounds(table: Any) -> Iterator[Callable[[Any], None]]:
    """Yield changes of a field to values near the bounds in its table."""
    rules, name = table.rules, table.name
    for bound in {rules.min_bytes, rules.max_bytes} - {0}:
        for size in (bound - 1, bound, bound + 1):
            value: Any = "A" * size if table.type == FieldDescriptor.TYPE_STRING else b"A" * size
            yield partial(_assign_value, name, [value] if table.cardinality else value)
    for field in ("min_seconds", "max_seconds") if table.cardinality == 0 else ():
        if rules.HasField(field):
            for seconds in (-1, 0, 1):
                for nanos in (0, 1, rules.max_nanos, rules.max_nanos + 1):
                    at = getattr(rules, field) + seconds
                    yield partial(_assign_time, name, at, min(nanos, 999_999_999))
    for field in ("min_integer", "max_integer"):
        if rules.HasField(field):
            for number in (-1, 0, 1):
                at = min(getattr(rules, field) + number, 2**31 - 1)
                yield partial(_assign_value, name, [at] if table.cardinality else at)
    for bound in {table.min_items, table.max_items} - {0}:
        for count in (bound, bound + 1):
            yield partial(_resize, name, count)


def _assign_value(name: str, value: Any, message: Any) -> None:
    if isinstance(value, list):
        getattr(message, name)[:] = value
    else:
        setattr(message, name, value)


def _assign_time(name: str, seconds: int, nanos: int, message: Any) -> None:
    time = getattr(message, name)
    time.seconds, time.nanos = seconds, nanos


def _resize(name: str, count: int, message: Any) -> None:
    items = getattr(message, name)
    if not items and isinstance(message.DESCRIPTOR.fields_by_name[name].default_value, list):
        field = message.DESCRIPTOR.fields_by_name[name]
        items.extend([] if field.message_type else [valid_scalar(field)])
    if items:
        first = items[0]
        del items[:]
        items.extend([first] * count)


def _with_only(message: Any, field: FieldDescriptor) -> Any:
    """Set one field to a value that its type has."""
    if field.message_type is not None:
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, valid_scalar(field))
    return message


def _assign(message: Any, field: FieldDescriptor, value: Any) -> None:
    if field.is_repeated:
        getattr(message, field.name)[:] = [value]
    else:
        setattr(message, field.name, value)


def _changed_members(text: bytes) -> Iterator[bytes]:
    """Yield a text, and variants of it with one member missing, null or of another type."""
    yield text
    value = json.loads(text)
    if not isinstance(value, dict):
        return
    for key in value:
        yield _dump({other: value[other] for other in value if other != key})
        yield _dump({key: value[key]})
        for changed in _OTHER_VALUES:
            yield _dump(value | {key: changed})
    for one, other in pairwise(value):
        yield _dump(value | {one: value[other]})


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def _encode(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)
