"""The schema as text: a line for each message, or one message's fields, rules and comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from google.protobuf.descriptor import EnumDescriptor

from crucible_ir.errors import near_miss, shorten
from crucible_ir.schema.comments import comment, summary
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.rules import Rule, rules_of
from crucible_ir.schema.types import PACKAGE, UnknownTypeError, descriptor_of, message_types
from crucible_ir.schema.vocabulary import names
from crucible_ir.serialization.json import parsing

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from crucible_ir.cli.console import Line


def list_messages() -> Iterator[Line]:
    """Yield a line for every message, below the line of its file."""
    width = max(map(len, message_types()))
    messages = map(descriptor_of, message_types().values())
    by_file = sorted(messages, key=lambda message: (message.file.name, message.name))
    for file, group in groupby(by_file, key=lambda message: message.file.name):
        yield ((file, "aside"),)
        for message in group:
            yield (f"  {message.name:{width}}  ", "name"), summary(message)


def described_types() -> dict[str, Descriptor | EnumDescriptor]:
    """Return every message and enum of the schema by its short name."""
    files = [descriptor_of(cls).file for cls in message_types().values()]
    enums = {name: enum for file in files for name, enum in file.enum_types_by_name.items()}
    return {name: descriptor_of(cls) for name, cls in message_types().items()} | enums


def find_type(name: str) -> Descriptor | EnumDescriptor:
    """Return the message or enum with a short or full name.

    Raises:
        UnknownTypeError: None has this name; the error names the nearest one.
    """
    known = described_types()
    found = known.get(name.removeprefix(f"{PACKAGE}."))
    if found is None:
        raise UnknownTypeError(f"unknown message or enum {shorten(name)}{near_miss(name, known)}")
    return found


def describe(name: str, width: int) -> Iterator[Line]:
    """Yield the lines that describe a message or an enum.

    Args:
        name: Its short or full name.
        width: The width to which its comments are wrapped.

    Raises:
        UnknownTypeError: No message or enum has this name; the error names the nearest one.
    """
    found = find_type(name)
    yield (found.full_name, "name"), (f"  {found.file.name}", "aside")
    yield from _wrapped("  ", comment(found), width)
    if isinstance(found, EnumDescriptor):
        yield from _values(found, width)
    else:
        yield from _fields(found, width)


def _wrapped(start: str, text: str, width: int) -> Iterator[Line]:
    """Yield the lines of wrapped text, all of them indented by the width of the start."""
    indent = " " * len(start)
    lines = textwrap.wrap(text, width - len(start), break_long_words=False, break_on_hyphens=False)
    for index, line in enumerate(lines):
        yield (indent if index else start, "aside"), line


def _values(enum: EnumDescriptor, width: int) -> Iterator[Line]:
    for value in enum.values:
        yield "\n", (value.name, "name"), (f"  {_short_name(enum, value.number)}", "word")
        yield from _wrapped("    ", comment(value), width)


def _short_name(enum: EnumDescriptor, number: int) -> str:
    return names(enum).get(number, "unset")


def _fields(message: Descriptor, width: int) -> Iterator[Line]:
    fields = fields_of(message)
    rules = rules_of(message)
    for field in fields.values():
        if field.custom_of is not None:
            continue
        type_ = _type(field) if field.custom is None else f"{_type(field)} or {field.custom} string"
        yield "\n", (field.name, "name"), (f"  {type_}", "word")
        # The comment of an open vocabulary is above its oneof.
        oneof = field.descriptor.containing_oneof
        commented = field.descriptor if field.custom is None or oneof is None else oneof
        yield from _wrapped("    ", comment(commented), width)
        for rule in rules:
            if subject_of(rule) == field.name:
                yield from _wrapped("    rule: ", _rule_text(rule), width)
        if field.enum is not None:
            yield from _wrapped("    names: ", ", ".join(field.short_names), width)
        if field.reference is not None:
            yield from _wrapped("    refers to: ", _reference(field), width)
        if field.default is not None:
            yield from _wrapped("    default: ", _default(field), width)
    for rule in rules:
        if subject_of(rule) not in fields:
            yield "\n", (rule.field_path or "the whole message", "name")
            yield from _wrapped("    rule: ", _rule_text(rule), width)


def subject_of(rule: Rule) -> str:
    """Return the name of the field of a rule, also of a rule on the items of the field."""
    return rule.field_path.partition("[")[0].partition("{")[0]


def _rule_text(rule: Rule) -> str:
    return f"{rule.description} [{rule.rule_id}]"


def _reference(field: Field) -> str:
    assert field.reference is not None
    ways = (way.name.lower().replace("_", " ") for way in field.resolutions)
    return f"{field.reference}, {', else '.join(ways)}"


def _default(field: Field) -> str:
    text = field.default or ""
    if field.enum is None:
        return text
    value = parsing.parse(text)
    numbers = field.enum.values_by_name
    short_names = [
        _short_name(field.enum, numbers[str(name)].number)
        for name in (value if isinstance(value, list) else [value])
    ]
    return f"[{', '.join(short_names)}]" if field.is_list else short_names[0]


def _type(field: Field) -> str:
    named = field.message or field.enum
    name = field.kind.value if named is None else named.name
    if field.key is not None:
        return f"map<{field.key.value}, {name}>"
    if field.is_list:
        return f"list of {name}"
    is_optional = field.has_presence and named is None and field.oneof is None
    return f"optional {name}" if is_optional else name
