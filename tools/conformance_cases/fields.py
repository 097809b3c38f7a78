"""Cases for every field of the schema: names, presence, defaults and enum values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from conformance_cases.layout import compact
from conformance_cases.partial_cases import PartialCase, of_message
from conformance_cases.rules import number_rules_broken
from conformance_cases.samples import is_required, minimal, rules_on, set_sample, types
from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import describe_field
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import PACKAGE


def one_at_a_time() -> Iterator[PartialCase]:
    """Yield cases for every field alone, in binary."""
    for descriptor, field in _every_field():
        base = minimal(descriptor)
        set_sample(base, field)
        yield of_message(f"{descriptor.name}.{field.name}", base, as_binary=True)


def names() -> Iterator[PartialCase]:
    """Yield cases for messages with every field, by lowerCamel names and by the original ones."""
    for name, descriptor in types().items():
        message = _full(descriptor)
        for naming, original in (("lower_camel", False), ("original", True)):
            value = json_format.MessageToDict(message, preserving_proto_field_name=original)
            yield PartialCase(f"{name}.{naming}", descriptor.full_name, json=compact(value))


def nulls() -> Iterator[PartialCase]:
    """Yield cases for messages in which every field that may be unset is null."""
    for name, descriptor in types().items():
        base = minimal(descriptor)
        value: dict[str, Any] = dict.fromkeys(field.json_name for field in descriptor.fields)
        required = json_format.MessageToDict(base)
        yield PartialCase(name, descriptor.full_name, json=compact({**value, **required}))


def zeros() -> Iterator[PartialCase]:
    """Yield cases for fields with presence that are set to their zero, in binary."""
    for descriptor, field in _every_field():
        if not field.has_presence or is_required(descriptor, field.name):
            continue
        base = minimal(descriptor)
        broken: set[str] = set()
        if field.message_type is not None:
            if field.message_type.full_name == "google.protobuf.Value":
                # A Value without a kind is not JSON; the topic `opaque` has cases for it.
                continue
            if field.message_type.full_name.startswith(PACKAGE):
                getattr(base, field.name).CopyFrom(minimal(field.message_type))
            getattr(base, field.name).SetInParent()
        else:
            zero = field.default_value
            setattr(base, field.name, zero)
            if field.enum_type is None and isinstance(zero, (int, float)):
                broken = number_rules_broken(rules_on(descriptor, field.name), zero)
            elif any(rule.rule_id == "string.pattern" for rule in rules_on(descriptor, field.name)):
                broken = {"string.pattern"}
        found = {(field.name, rule_id) for rule_id in broken}
        yield of_message(f"{descriptor.name}.{field.name}", base, found, as_binary=True)


def defaults() -> Iterator[PartialCase]:
    """Yield cases for documents with an explicit default, which differs from an unset field."""
    for descriptor, field in _every_field():
        default = describe_field(field).default
        if default is None:
            continue
        value = json_format.MessageToDict(minimal(descriptor))
        value[field.json_name] = json.loads(default)
        name = f"{descriptor.name}.{field.name}"
        yield PartialCase(name, descriptor.full_name, json=compact(value))


def enum_values() -> Iterator[PartialCase]:
    """Yield cases for every value of every enum, by its name and by its number."""
    for descriptor, field in _every_field():
        if field.enum_type is None:
            continue
        for value in field.enum_type.values:
            broken = set()
            if value.number == 0 and is_required(descriptor, field.name):
                broken = {(field.name, "required")}
            if value.name == "RESPONSE_FORMAT_JSON_SCHEMA":
                broken = {("", "generation_options.json_schema_required")}
            for written in (value.name, value.number):
                yield _with_enum(descriptor, field, str(written), written, broken)


def unknown_enum_numbers() -> Iterator[PartialCase]:
    """Yield cases for unknown enum numbers in open vocabularies, which are valid and preserved."""
    for descriptor, field in _every_field():
        if field.enum_type is None:
            continue
        if any(rule.rule_id == "enum.defined_only" for rule in rules_on(descriptor, field.name)):
            continue
        for number in (99, -1, 2**31 - 1, -(2**31)):
            name = f"{number}".replace("-", "minus_")
            yield _with_enum(descriptor, field, name, number, set())


def _with_enum(
    descriptor: Descriptor,
    field: FieldDescriptor,
    name: str,
    written: str | int,
    broken: set[tuple[str, str]],
) -> PartialCase:
    value = json_format.MessageToDict(minimal(descriptor))
    value[field.json_name] = [written, written] if field.is_repeated else written
    return PartialCase(
        f"{descriptor.name}.{field.name}.{name}",
        descriptor.full_name,
        json=compact(value),
        broken=frozenset(broken),
    )


def unknown_enum_names() -> Iterator[PartialCase]:
    """Yield cases for enum names that ProtoJSON rejects."""
    for descriptor, field in _every_field():
        if field.enum_type is None:
            continue
        enum_value = field.enum_type.values[1]
        value = json_format.MessageToDict(minimal(descriptor))
        unknown_names = {
            "lower_case": enum_value.name.lower(),
            "plain": vocabulary.names(field.enum_type)[enum_value.number],
        }
        for label, name in unknown_names.items():
            value[field.json_name] = [name] if field.is_repeated else name
            yield PartialCase(
                f"{descriptor.name}.{field.name}.{label}",
                descriptor.full_name,
                json=compact(value),
                decode_error="unknown enum name",
            )


def _every_field() -> Iterator[tuple[Descriptor, FieldDescriptor]]:
    for descriptor in types().values():
        for field in descriptor.fields:
            yield descriptor, field


def _full(descriptor: Descriptor) -> Any:
    """Return a message with every field set; of a oneof or its rule, the last member."""
    message = minimal(descriptor)
    exclusive = {name for rule in rules_of(descriptor) for name in rule.exclusive_fields[:-1]}
    for field in descriptor.fields:
        if field.name in exclusive:
            continue
        message.ClearField(field.name)
        set_sample(message, field)
    return message
