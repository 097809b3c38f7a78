"""Starter documents: YAML with what is required filled in and what is optional in comments."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import yaml
from google.protobuf.descriptor import FieldDescriptor

from crucible_ir.schema.comments import comment
from crucible_ir.schema.fields import describe_field
from crucible_ir.schema.rules import Rule, rules_of
from crucible_ir.schema.types import (
    descriptor_of,
    field_of,
    held_enum,
    held_message,
    is_map,
)
from crucible_ir.schema.vocabulary import custom_member, custom_members
from crucible_ir.serialization.json import parsing

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, OneofDescriptor
    from google.protobuf.message import Message

_WIDTH: Final = 96
_INDENT: Final = "  "

#: What stands in a required string, and what does where the rules ask for a form.
_PLACEHOLDER: Final = "change-me"
_FORMED: Final = ("0.1.0", "https://example.com")

_KIND: Final = FieldDescriptor
_NUMBERS: Final = {
    _KIND.CPPTYPE_INT32: 1,
    _KIND.CPPTYPE_UINT32: 1,
    _KIND.CPPTYPE_INT64: "1",
    _KIND.CPPTYPE_UINT64: "1",
    _KIND.CPPTYPE_DOUBLE: 0.5,
    _KIND.CPPTYPE_FLOAT: 0.5,
}

#: A value for each well-known type that has a JSON form of its own.
_WELL_KNOWN: Final[dict[str, object]] = {
    "google.protobuf.Struct": {"key": "value"},
    "google.protobuf.Value": "any JSON value",
    "google.protobuf.ListValue": [],
    "google.protobuf.Timestamp": "2025-12-31T12:00:00Z",
}


def template(type_: type[Message]) -> str:
    """Return a YAML document of a type to start from; it is valid as it stands.

    Args:
        type_: A message class of the IR.
    """
    message = descriptor_of(type_)
    head = [
        *_comment(f"{message.name}: {comment(message)}", ""),
        "#",
        *_comment("What is required is filled in. Take the # off a line to set what is not.", ""),
        f"# Check it with: crucible-ir validate --type {message.name} FILE",
    ]
    body = list(_fields(message, ""))
    text = "\n".join([*head, *body]) + "\n"
    # A document without a live line would be empty, which is no object.
    return (
        text if any(not line.lstrip().startswith("#") for line in body if line) else text + "{}\n"
    )


def _fields(message: Descriptor, indent: str) -> Iterator[str]:
    """Yield the lines of a message's fields, in the order of the schema."""
    filled = _minimal(message)
    told: set[str] = set()
    for field in message.fields:
        if field.name in custom_members(message):
            continue
        yield ""
        oneof = field.containing_oneof
        choice = oneof is not None and len(oneof.fields) > 1 and custom_member(field) is None
        if oneof is not None and choice and oneof.name not in told:
            told.add(oneof.name)
            yield from _comment(_choice_words(oneof), indent)
        is_open = oneof is not None and custom_member(field) is not None
        yield from _comment(comment(oneof if oneof is not None and is_open else field), indent)
        yield from _comment(_vocabulary_words(field), indent)
        if field.name not in filled:
            yield f"{indent}# {_flow(field.name, _sample(field))}"
        elif field.message_type is None or field.message_type.full_name in _WELL_KNOWN:
            yield f"{indent}{_flow(field.name, filled[field.name])}"
        else:
            yield f"{indent}{field.name}:"
            yield from _nested(field, indent)


def _nested(field: FieldDescriptor, indent: str) -> Iterator[str]:
    """Yield the lines below a required field that holds a message, or a list of them."""
    inner = list(_fields(held_message(field), indent + _INDENT * (2 if field.is_repeated else 1)))
    lines = inner[1:] if inner and not inner[0] else inner
    if field.is_repeated:
        # The dash of the first item stands before the first line that is not a comment.
        live = next(index for index, line in enumerate(lines) if not line.lstrip().startswith("#"))
        dash = f"{indent}{_INDENT}- "
        lines[live] = dash + lines[live].lstrip()
    yield from lines


def _choice_words(oneof: OneofDescriptor) -> str:
    must = any(
        rule.field_path == oneof.name and rule.parameters.get("required")
        for rule in rules_of(oneof.containing_type)
    )
    names = ", ".join(field.name for field in oneof.fields)
    return f"{'Exactly' if must else 'At most'} one of {names}."


def _vocabulary_words(field: FieldDescriptor) -> str:
    """List the names of an enum field, and say which field takes any other."""
    if field.enum_type is None:
        return ""
    names = ", ".join(value.name for value in field.enum_type.values if value.number)
    custom = custom_member(field)
    return f"One of {names}." if custom is None else f"One of {names}; any other as {custom.name}."


def _comment(text: str, indent: str) -> list[str]:
    prefix = f"{indent}# "
    return [
        line
        for paragraph in text.split("\n")
        for line in textwrap.wrap(
            paragraph,
            _WIDTH,
            initial_indent=prefix,
            subsequent_indent=prefix,
            break_on_hyphens=False,
        )
    ]


def _flow(name: str, value: object) -> str:
    """Write a key and its value on one line."""
    text: str = yaml.safe_dump(
        {name: value},
        default_flow_style=True,
        width=10**6,
        sort_keys=False,
        allow_unicode=True,
    )
    # Flow style puts the braces of the outer map around it.
    return text.strip().removeprefix("{").removesuffix("}")


def _minimal(message: Descriptor) -> dict[str, Any]:
    """Return the plain values of the smallest valid message of a type."""
    made = {
        field.name: _sample(field)
        for field in message.fields
        if _requires(rules_of(message), field.name)
    }
    for oneof in message.oneofs:
        if _requires(rules_of(message), oneof.name):
            made[oneof.fields[0].name] = _sample(oneof.fields[0])
    return made if _is_valid(message, made) else _repaired(message, made)


def _repaired(message: Descriptor, made: dict[str, Any]) -> dict[str, Any]:
    """Add the one optional field that a rule about the message as a whole asks for."""
    for field in message.fields:
        tried = made | {field.name: _sample(field)}
        if _is_valid(message, tried):
            return tried
    raise AssertionError(f"no single field makes a {message.name} valid")


def _is_valid(message: Descriptor, plain: dict[str, Any]) -> bool:
    from google.protobuf.message_factory import GetMessageClass

    from crucible_ir.serialization.json.protojson import from_json
    from crucible_ir.validation.check import is_valid

    text = parsing.write(plain)
    return is_valid(from_json(text, GetMessageClass(message), validate=False))


def _requires(rules: tuple[Rule, ...], path: str) -> bool:
    return any(
        rule.field_path == path
        and (rule.parameters.get("required") or rule.parameters.get("min_items"))
        for rule in rules
    )


def _sample(field: FieldDescriptor) -> Any:
    """Return a legal value for a field: its default if it has one."""
    text = describe_field(field).default
    if text is not None:
        return parsing.parse(text)
    if is_map(field):
        return {"key": _item(field_of(held_message(field), "value"))}
    item = _item(field)
    return [item] if field.is_repeated else item


def _item(field: FieldDescriptor) -> Any:
    kind = field.cpp_type
    if kind == _KIND.CPPTYPE_MESSAGE:
        held = held_message(field)
        return _WELL_KNOWN[held.full_name] if held.full_name in _WELL_KNOWN else _minimal(held)
    if kind == _KIND.CPPTYPE_ENUM:
        return next(value.name for value in held_enum(field).values if value.number)
    if kind == _KIND.CPPTYPE_BOOL:
        return True
    if field.type == _KIND.TYPE_BYTES:
        return "aGk="
    if kind == _KIND.CPPTYPE_STRING:
        return _string(field)
    return _NUMBERS[kind]


def _string(field: FieldDescriptor) -> str:
    for rule in rules_of(field.containing_type):
        pattern = rule.parameters.get("pattern")
        if rule.field_path == field.name and isinstance(pattern, str):
            return next(text for text in _FORMED if re.fullmatch(pattern, text))
    return _PLACEHOLDER
