"""Determines the effect of a change of rules by validating values with protovalidate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir.schema.fields import INTEGER_RANGES, Kind, describe_field
from crucible_ir.schema_changes import Release, SchemaChange, SchemaChangeKind, SchemaVersion

WIDENING = {
    SchemaChangeKind.RULE_LOOSENED,
    SchemaChangeKind.RULE_REMOVED,
    SchemaChangeKind.VOCABULARY_OPENED,
}
NARROWING = {
    SchemaChangeKind.RULE_TIGHTENED,
    SchemaChangeKind.RULE_ADDED,
    SchemaChangeKind.VOCABULARY_CLOSED,
}


@dataclass(frozen=True)
class ObservedEffect:
    """The effect of a change on the values of a field, as protovalidate reports it.

    Attributes:
        narrower: A value was valid and is now invalid.
        wider: A value was invalid and is now valid.
        other_ids: A value is invalid in both versions, with disjoint rule ids.
    """

    narrower: bool
    wider: bool
    other_ids: bool


def observe(
    old: SchemaVersion, new: SchemaVersion, message: str, field: str, values: Iterable[Any]
) -> ObservedEffect:
    """Validate values in an otherwise empty message with both versions.

    Args:
        old: The old version.
        new: The new version.
        message: The full name of the message.
        field: The name of the field.
        values: The values; ``None`` leaves the field unset.
    """
    narrower = wider = other_ids = False
    for value in values:
        before, after = (_broken_rules(each, message, field, value) for each in (old, new))
        narrower |= not before and bool(after)
        wider |= bool(before) and not after
        other_ids |= bool(before) and bool(after) and not before & after
    return ObservedEffect(narrower, wider, other_ids)


def _broken_rules(version: SchemaVersion, message: str, field: str, value: Any) -> set[str]:
    made: Any = version.message_class(message)()
    declared = made.DESCRIPTOR.fields_by_name[field]
    if value is not None:
        target = getattr(made, field)
        if describe_field(declared).is_map:
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
    # Only the rules of the field, not those of its oneof or of nested messages.
    return {
        rule_id
        for path, rule_id in version.broken_rules(made)
        if path == field or (path.startswith((f"{field}[",)) and "]." not in path)
    }


def is_promised(changes: Iterable[SchemaChange]) -> bool:
    """Return whether a minor release may make the changes in a stable package."""
    return all(change.kind.release is not Release.V2 for change in changes)


def boundary_values(field: FieldDescriptor, rules: Iterable[Any]) -> list[Any]:
    """Return ``None``, the ends of the type, and values around the parameters of rules.

    Args:
        field: The field.
        rules: Its ``buf.validate.FieldRules`` in some versions.
    """
    each = list(rules)
    if describe_field(field).is_map:
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
    """Return boundary values of a singular field, or of the items of a list."""
    given = [value for rule in rules for value in _parameters(rule)]
    found: list[Any] = [None]
    kind = describe_field(field).kind
    if field.message_type is not None:
        if field.message_type.full_name == "google.protobuf.Timestamp":
            found += [Timestamp(), *_times(given, Timestamp)]
        elif field.message_type.full_name == "google.protobuf.Duration":
            found += [Duration(), *_times(given, Duration)]
        else:
            found.append(True)
    elif field.enum_type is not None:
        numbers = {value.number for value in field.enum_type.values}
        found += sorted({*numbers, -1, max(numbers) + 1, 2**31 - 1, *_near(given, Kind.INT32)})
    elif kind in INTEGER_RANGES:
        found += sorted({0, *INTEGER_RANGES[kind], *_near(given, kind)})
    elif kind in (Kind.DOUBLE, Kind.FLOAT):
        found += [0.0, -1.0, 1e9, -math.inf, math.inf, math.nan]
        for value in given:
            if isinstance(value, float):
                beside = (math.nextafter(value, -math.inf), math.nextafter(value, math.inf))
                found += [value, *beside, value - 0.5, value + 0.5]
    elif kind is Kind.BOOL:
        found += [False, True]
    else:
        found += _texts(given, is_bytes=kind is Kind.BYTES)
    return found


def _near(given: list[Any], kind: Kind) -> Iterator[int]:
    low, high = INTEGER_RANGES[kind]
    for value in given:
        if isinstance(value, int):
            yield from (n for n in (value - 1, value, value + 1) if low <= n <= high)


def _times(given: list[Any], type_: Any) -> Iterator[Any]:
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
            # Upper-case names, and versions.
            texts += ["A" * n for n in (value - 1, value, value + 1) if n >= 0]
            texts += ["1.2.3+" + "a" * (n - 6) for n in (value - 1, value, value + 1) if n > 6]
            texts += ["é" * n for n in (value // 2, value - 1, value, value + 1) if n >= 0]
        elif isinstance(value, str):
            texts += [value, value[1:], f"x{value}", f"{value}x"]
        elif isinstance(value, bytes):
            text = value.decode("latin-1")
            texts += [text, text[1:], f"x{text}", f"{text}x"]
    unique = list(dict.fromkeys(texts))
    return [text.encode() for text in unique] if is_bytes else unique
