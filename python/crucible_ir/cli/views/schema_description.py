"""The schema as text: a line a message, or the fields of one with rules, defaults and comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Final

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from rich.text import Text

from crucible_ir.errors import near_miss, shorten
from crucible_ir.schema.comments import comment, summary
from crucible_ir.schema.fields import describe_field
from crucible_ir.schema.rules import Rule, rules_of
from crucible_ir.schema.types import (
    PACKAGE,
    UnknownTypeError,
    descriptor_of,
    field_of,
    held_enum,
    held_message,
    is_map,
    message_types,
)
from crucible_ir.schema.vocabulary import custom_member, custom_members, names, numbers
from crucible_ir.serialization.json import parsing

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

_SCALARS: Final = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}


def list_messages() -> Iterator[Text]:
    """Yield a line for every message, below the file that it is in."""
    width = max(map(len, message_types()))
    messages = map(descriptor_of, message_types().values())
    by_file = sorted(messages, key=lambda message: (message.file.name, message.name))
    for file, group in groupby(by_file, key=lambda message: message.file.name):
        yield Text(file, "aside")
        for message in group:
            yield Text.assemble((f"  {message.name:{width}}  ", "name"), summary(message))


def described_types() -> dict[str, Descriptor | EnumDescriptor]:
    """Return every message and enum of the schema by its short name."""
    files = [descriptor_of(cls).file for cls in message_types().values()]
    enums = {name: enum for file in files for name, enum in file.enum_types_by_name.items()}
    return {name: descriptor_of(cls) for name, cls in message_types().items()} | enums


def describe(name: str, width: int) -> Iterator[Text]:
    """Yield the lines that describe a message or an enum.

    Args:
        name: Its short or full name.
        width: The width to wrap its comments to.

    Raises:
        UnknownTypeError: There is neither of this name; the error names the nearest one.
    """
    known = described_types()
    found = known.get(name.removeprefix(f"{PACKAGE}."))
    if found is None:
        raise UnknownTypeError(
            f"there is no message or enum called {shorten(name)}{near_miss(name, known)}"
        )
    yield Text.assemble((found.full_name, "name"), (f"  {found.file.name}", "aside"))
    yield from _wrapped("  ", comment(found), width)
    if isinstance(found, EnumDescriptor):
        yield from _values(found, width)
    else:
        yield from _fields(found, width)


def _wrapped(start: str, text: str, width: int) -> Iterator[Text]:
    """Yield text in lines, the first after a label or indent and the others below its end."""
    margin = " " * len(start)
    lines = textwrap.wrap(text, width - len(start), break_long_words=False, break_on_hyphens=False)
    for index, line in enumerate(lines):
        yield Text.assemble((margin if index else start, "aside"), line)


def _values(enum: EnumDescriptor, width: int) -> Iterator[Text]:
    for value in enum.values:
        yield Text.assemble("\n", (value.name, "name"), (f"  {_plain(enum, value.number)}", "word"))
        yield from _wrapped("    ", comment(value), width)


def _plain(enum: EnumDescriptor, number: int) -> str:
    return names(enum).get(number, "unset")


def _fields(message: Descriptor, width: int) -> Iterator[Text]:
    hidden = custom_members(message)
    for field in message.fields:
        if field.name in hidden:
            continue
        custom, oneof = custom_member(field), field.containing_oneof
        line = Text.assemble("\n", (field.name, "name"), (f"  {_type(field)}", "word"))
        if custom is not None:
            line.append(f" or {custom.name} string", "word")
        yield line
        described = oneof if custom is not None and oneof is not None else field
        yield from _wrapped("    ", comment(described), width)
        for label, text in _facts(field):
            yield from _wrapped(f"    {label}: ", text, width)
    for rule in rules_of(message):
        if _subject(rule) not in message.fields_by_name:
            yield Text.assemble("\n", (rule.field_path or "the whole message", "name"))
            yield from _wrapped("    rule: ", _rule_words(rule), width)


def _subject(rule: Rule) -> str:
    """Return the name of the field that a rule is about, for a rule about its items too."""
    return rule.field_path.partition("[")[0].partition("{")[0]


def _facts(field: FieldDescriptor) -> Iterator[tuple[str, str]]:
    for rule in rules_of(field.containing_type):
        if _subject(rule) == field.name:
            yield "rule", _rule_words(rule)
    if field.enum_type is not None:
        yield "names", ", ".join(numbers(field.enum_type))
    default = _default(field)
    if default is not None:
        yield "default", default


def _default(field: FieldDescriptor) -> str | None:
    text = describe_field(field).default
    if text is None or field.enum_type is None:
        return text
    values = field.enum_type.values_by_name
    given = parsing.parse(text)
    listed = [_plain(held_enum(field), values[name].number) for name in _as_list(given)]
    return f"[{', '.join(listed)}]" if field.is_repeated else listed[0]


def _as_list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _rule_words(rule: Rule) -> str:
    return f"{rule.description} [{rule.rule_id}]"


def _type(field: FieldDescriptor) -> str:
    if is_map(field):
        entry = held_message(field)
        return f"map<{_type(field_of(entry, 'key'))}, {_type(field_of(entry, 'value'))}>"
    named = field.message_type or field.enum_type
    name = _SCALARS[field.type] if named is None else named.name
    if field.is_repeated:
        return f"list of {name}"
    optional = field.has_presence and named is None and not _in_choice(field)
    return f"optional {name}" if optional else name


def _in_choice(field: FieldDescriptor) -> bool:
    oneof = field.containing_oneof
    return oneof is not None and len(oneof.fields) > 1
