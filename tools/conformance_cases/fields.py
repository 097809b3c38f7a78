"""Cases for every field of the schema: its names, its presence, its default, its enum values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from conformance_cases.drafts import Draft, of_message
from conformance_cases.layout import compact
from conformance_cases.rules import number_rules_broken
from conformance_cases.samples import is_required, minimal, rules_on, set_sample, types
from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import describe_field
from crucible_ir.schema.types import PACKAGE, held_enum, is_map


def one_at_a_time() -> Iterator[Draft]:
    """Yield cases for every field alone, in binary."""
    for descriptor, field in _every_field():
        base = minimal(descriptor)
        set_sample(base, field)
        yield of_message(f"{descriptor.name}.{field.name}", base, as_binary=True)


def names() -> Iterator[Draft]:
    """Yield cases for messages with every field, by lowerCamel names and by the original ones."""
    for name, descriptor in types().items():
        message = _full(descriptor)
        for spelling, original in (("lower_camel", False), ("original", True)):
            plain = json_format.MessageToDict(message, preserving_proto_field_name=original)
            yield Draft(f"{name}.{spelling}", descriptor.full_name, json=compact(plain))


def nulls() -> Iterator[Draft]:
    """Yield cases for messages in which every field that may be unset is null."""
    for name, descriptor in types().items():
        base = minimal(descriptor)
        plain: dict[str, Any] = dict.fromkeys(field.json_name for field in descriptor.fields)
        given = json_format.MessageToDict(base)
        yield Draft(name, descriptor.full_name, json=compact({**plain, **given}))


def zeros() -> Iterator[Draft]:
    """Yield cases for fields with presence that are set to their zero, in binary."""
    for descriptor, field in _every_field():
        if not field.has_presence or is_required(descriptor, field.name):
            continue
        base = minimal(descriptor)
        broken: set[str] = set()
        if field.message_type is not None:
            if field.message_type.full_name == "google.protobuf.Value":
                # A Value without a kind is not JSON; the cases about opaque values have it.
                continue
            if field.message_type.full_name.startswith(PACKAGE):
                getattr(base, field.name).CopyFrom(minimal(field.message_type))
            getattr(base, field.name).SetInParent()
        else:
            zero = field.default_value
            setattr(base, field.name, zero)
            if field.enum_type is None and isinstance(zero, (int, float)):
                broken = number_rules_broken(rules_on(descriptor, field.name), zero)
        found = {(field.name, rule_id) for rule_id in broken}
        yield of_message(f"{descriptor.name}.{field.name}", base, found, as_binary=True)


def defaults() -> Iterator[Draft]:
    """Yield cases for documents that spell a default out, which is not the same as leaving it."""
    for descriptor, field in _every_field():
        default = describe_field(field).default
        if default is None:
            continue
        plain = json_format.MessageToDict(minimal(descriptor))
        plain[field.json_name] = json.loads(default)
        name = f"{descriptor.name}.{field.name}"
        yield Draft(name, descriptor.full_name, json=compact(plain))


def enum_values() -> Iterator[Draft]:
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
            for spelling in (value.name, value.number):
                yield _with_enum(descriptor, field, str(spelling), spelling, broken)


def unknown_enum_numbers() -> Iterator[Draft]:
    """Yield cases for numbers without a name in open vocabularies, which are legal and kept."""
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
    spelling: str | int,
    broken: set[tuple[str, str]],
) -> Draft:
    plain = json_format.MessageToDict(minimal(descriptor))
    plain[field.json_name] = [spelling, spelling] if field.is_repeated else spelling
    return Draft(
        f"{descriptor.name}.{field.name}.{name}",
        descriptor.full_name,
        json=compact(plain),
        broken=frozenset(broken),
    )


def unknown_enum_names() -> Iterator[Draft]:
    """Yield cases for enum values that ProtoJSON cannot read: names that there are not."""
    for descriptor, field in _every_field():
        if field.enum_type is None:
            continue
        value = held_enum(field).values[1]
        plain = json_format.MessageToDict(minimal(descriptor))
        spellings = {
            "lower_case": value.name.lower(),
            "plain": vocabulary.names(held_enum(field))[value.number],
        }
        for label, spelling in spellings.items():
            plain[field.json_name] = [spelling] if field.is_repeated else spelling
            yield Draft(
                f"{descriptor.name}.{field.name}.{label}",
                descriptor.full_name,
                json=compact(plain),
                refused="the enum has no value of this name",
            )


def _every_field() -> Iterator[tuple[Descriptor, FieldDescriptor]]:
    for descriptor in types().values():
        for field in descriptor.fields:
            yield descriptor, field


def _full(descriptor: Descriptor) -> Any:
    """Return a message with every field set, of a oneof the last member."""
    message = minimal(descriptor)
    for field in descriptor.fields:
        if not is_map(field):
            message.ClearField(field.name)
        set_sample(message, field)
    return message
