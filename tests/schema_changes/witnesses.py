"""Finds out by protovalidate alone what a change of rules did to the values of a field."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir.schema_changes import ChangeKind, Release, SchemaChange, SchemaVersion
from crucible_ir.schema_changes.changes import PROMISES

WIDENING = {ChangeKind.RULE_LOOSENED, ChangeKind.RULE_REMOVED, ChangeKind.VOCABULARY_OPENED}
NARROWING = {ChangeKind.RULE_TIGHTENED, ChangeKind.RULE_ADDED, ChangeKind.VOCABULARY_CLOSED}

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-(2**31), 2**31 - 1),
}


@dataclass(frozen=True)
class Truth:
    """What protovalidate makes of the values of a field before and after a change.

    Attributes:
        narrower: Some value was accepted and is refused.
        wider: Some value was refused and is accepted.
        other_ids: Some value is refused by both, by rules of entirely different ids.
    """

    narrower: bool
    wider: bool
    other_ids: bool


def truth(
    old: SchemaVersion, new: SchemaVersion, message: str, field: str, values: Iterable[Any]
) -> Truth:
    """Try values in a message with nothing else in it, and look at the verdicts on them.

    Args:
        old: The old version.
        new: The new version.
        message: The full name of the message.
        field: The name of the field.
        values: The values; ``None`` leaves the field unset.
    """
    narrower = wider = other_ids = False
    for value in values:
        before, after = (_refusals(each, message, field, value) for each in (old, new))
        narrower |= not before and bool(after)
        wider |= bool(before) and not after
        other_ids |= bool(before) and bool(after) and not before & after
    return Truth(narrower, wider, other_ids)


def _refusals(version: SchemaVersion, message: str, field: str, value: Any) -> set[str]:
    made: Any = version.message_class(message)()
    declared = made.DESCRIPTOR.fields_by_name[field]
    if value is not None:
        target = getattr(made, field)
        if declared.message_type is not None and declared.message_type.GetOptions().map_entry:
            target.update(value)
        elif declared.is_repeated and declared.message_type is not None:
            for _ in range(value):
                target.add()
        elif declared.is_repeated:
            target.extend(value)
        elif declared.message_type is not None:
            target.SetInParent()
            if not isinstance(value, bool):
                target.ParseFromString(value.SerializeToString())
        else:
            setattr(made, field, value)
    # Of the members of a oneof and of the messages inside, only what is said of the field itself.
    return {
        rule_id
        for path, rule_id in version.broken_rules(made)
        if path == field or (path.startswith((f"{field}[",)) and "]." not in path)
    }


def is_promised(changes: Iterable[SchemaChange]) -> bool:
    """Tell whether a minor release may make changes, were they in a stable package."""
    return all(PROMISES[change.kind][0] is not Release.V2 for change in changes)


def boundary_values(field: FieldDescriptor, rules: Iterable[Any]) -> list[Any]:
    """Return values around the parameters of rules, the ends of the type, and no value at all.

    Args:
        field: The field.
        rules: Its ``buf.validate.FieldRules`` in some versions.
    """
    each = list(rules)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return [None, *({str(i): i for i in range(size)} for size in _sizes(each))]
    if field.is_repeated:
        if field.message_type is not None:
            return [None, *_sizes(each)]
        inner = [rule.repeated.items for rule in each]
        singles = [value for value in single_values(field, inner) if value is not None]
        lists = [[value] for value in singles]
        many = [[value] * size for value in singles[:6] for size in _sizes(each)]
        return [None, *lists, *many, *([singles[:size] for size in _sizes(each)])]
    return single_values(field, each)


def _sizes(rules: list[Any]) -> list[int]:
    given = {value for rule in rules for value in _parameters(rule) if isinstance(value, int)}
    return sorted({0, 1, 2} | {n + d for n in given for d in (-1, 0, 1) if 0 <= n + d < 20_000})


def _parameters(declared: Any) -> Iterator[Any]:
    kind = declared.WhichOneof("type")
    if kind is None:
        return
    standard = getattr(declared, kind)
    for option, value in standard.ListFields():
        if option.name not in ("items", "keys", "values", "cel"):
            yield from value if option.is_repeated else [value]


def single_values(field: FieldDescriptor, rules: Iterable[Any]) -> list[Any]:
    """Return boundary values of a field that is no list, or of the items of one that is."""
    given = [value for rule in rules for value in _parameters(rule)]
    found: list[Any] = [None]
    if field.message_type is not None:
        if field.message_type.full_name == "google.protobuf.Timestamp":
            found += [Timestamp(), *_moments(given, Timestamp)]
        elif field.message_type.full_name == "google.protobuf.Duration":
            found += [Duration(), *_moments(given, Duration)]
        else:
            found.append(True)
    elif field.enum_type is not None:
        numbers = {value.number for value in field.enum_type.values}
        found += sorted({*numbers, -1, max(numbers) + 1, 2**31 - 1, *_near(given, field)})
    elif field.cpp_type in _INTEGERS:
        found += sorted({0, *_INTEGERS[field.cpp_type], *_near(given, field)})
    elif field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        found += [0.0, -1.0, 1e9, -math.inf, math.inf, math.nan]
        for value in given:
            if isinstance(value, float):
                beside = (math.nextafter(value, -math.inf), math.nextafter(value, math.inf))
                found += [value, *beside, value - 0.5, value + 0.5]
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        found += [False, True]
    else:
        found += _texts(given, is_bytes=field.type == FieldDescriptor.TYPE_BYTES)
    return found


def _near(given: list[Any], field: FieldDescriptor) -> Iterator[int]:
    low, high = _INTEGERS[field.cpp_type]
    for value in given:
        if isinstance(value, int):
            yield from (n for n in (value - 1, value, value + 1) if low <= n <= high)


def _moments(given: list[Any], type_: Any) -> Iterator[Any]:
    for value in given:
        if hasattr(value, "seconds"):
            total = value.seconds * 10**9 + value.nanos
            for beside in (total - 1, total, total + 1, total - 10**9, total + 10**9):
                yield type_(seconds=beside // 10**9, nanos=beside % 10**9)


def _texts(given: list[Any], *, is_bytes: bool) -> list[Any]:
    texts = ["", "a", "ab", "b", "A", "1.2.3", "1.2", "é", "a@b.cd"]
    for value in given:
        if isinstance(value, bool):
            continue
        if isinstance(value, int):
            texts += ["a" * n for n in (value - 1, value, value + 1) if n >= 0]
            # Capitals for names, and versions.
            texts += ["A" * n for n in (value - 1, value, value + 1) if n >= 0]
            texts += ["1.2.3+" + "a" * (n - 6) for n in (value - 1, value, value + 1) if n > 6]
            texts += ["é" * n for n in (value // 2, value - 1, value, value + 1) if n >= 0]
        elif isinstance(value, str):
            texts += [value, value[1:], f"x{value}", f"{value}x"]
        elif isinstance(value, bytes):
            plain = value.decode("latin-1")
            texts += [plain, plain[1:], f"x{plain}", f"{plain}x"]
    unique = list(dict.fromkeys(texts))
    return [text.encode() for text in unique] if is_bytes else unique
