"""Templates of documents: YAML with the required fields, and the optional ones in comments."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import yaml

from crucible_ir.schema.comments import comment
from crucible_ir.schema.fields import Field, Kind, fields_of
from crucible_ir.schema.json_schema import short_names
from crucible_ir.schema.required_fields import required_fields
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.json import parsing

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

_WIDTH: Final = 96
_INDENT: Final = "  "

#: The value of a required string, and those to try where a rule has a pattern.
_PLACEHOLDER: Final = "change-me"
_PATTERNED: Final = (
    "0.1.0",
    "https://example.com",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
)

#: A value in YAML for each kind, except for what depends on the field.
_SAMPLES: Final[Mapping[Kind, object]] = {
    Kind.BOOL: True,
    Kind.INT32: 1,
    Kind.UINT32: 1,
    Kind.INT64: 1,
    Kind.UINT64: 1,
    Kind.DOUBLE: 0.5,
    Kind.FLOAT: 0.5,
    Kind.BYTES: "aGk=",
}

#: A value for each well-known type whose YAML is not an object of its fields.
_WELL_KNOWN: Final[Mapping[str, object]] = {
    "google.protobuf.Struct": {"key": "value"},
    "google.protobuf.Value": "any JSON value",
    "google.protobuf.ListValue": [],
    "google.protobuf.Timestamp": "2025-12-31T12:00:00Z",
}


def template(type_: type[Message]) -> str:
    """Return a valid YAML document of a type, to edit.

    Args:
        type_: A message class of the IR.
    """
    message = descriptor_of(type_)
    schema = f"{message.name}.schema.json"
    export = f"crucible-ir schema {message.name} --export json-schema-for-yaml -o {schema}"
    body = list(_fields(message, ""))
    if all(not line or _is_comment(line) for line in body):
        # YAML of comments alone is null, which is not a document.
        body += ["", "{}"]
        usage = "No field is required. To set one, remove its #, and the {} in the last line."
    else:
        usage = "Required fields are filled in. To set another field, remove its #."
    head = [
        f"# yaml-language-server: $schema={schema}",
        *_comment(f"{message.name}: {comment(message)}", ""),
        "#",
        *_comment(usage, ""),
        f"# Check it with: crucible-ir validate --type {message.name} FILE",
        "# For completion in editors, write the schema of the first line beside this file:",
        f"# {export}",
    ]
    return "\n".join([*head, *body]) + "\n"


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _fields(message: Descriptor, indent: str) -> Iterator[str]:
    """Yield the lines of a message's fields, in the order of the schema."""
    filled = _minimal(message)
    described_oneofs: set[str] = set()
    for field in fields_of(message).values():
        if field.custom_of is not None:
            continue
        yield ""
        oneof = field.oneof
        if oneof is not None and field.custom is None and oneof not in described_oneofs:
            described_oneofs.add(oneof)
            yield from _comment(_oneof_text(message, field), indent)
        # The comment of an open vocabulary is above its oneof.
        shared = field.descriptor.containing_oneof
        commented = field.descriptor if field.custom is None or shared is None else shared
        yield from _comment(comment(commented), indent)
        yield from _comment(_vocabulary_text(field), indent)
        if field.name not in filled:
            yield f"{indent}# {_flow(field.name, _sample(field))}"
        elif field.message is None or field.message.full_name in _WELL_KNOWN:
            yield f"{indent}{_flow(field.name, filled[field.name])}"
        else:
            yield f"{indent}{field.name}:"
            yield from _nested(field.message, indent, is_list=field.is_list)


def _nested(message: Descriptor, indent: str, *, is_list: bool) -> Iterator[str]:
    """Yield the lines of a message below a required field."""
    lines = list(_fields(message, indent + _INDENT * (2 if is_list else 1)))[1:]
    if is_list:
        # The dash of the first item is before the first line that is not a comment.
        first = next(index for index, line in enumerate(lines) if not _is_comment(line))
        lines[first] = f"{indent}{_INDENT}- {lines[first].lstrip()}"
    yield from lines


def _oneof_text(message: Descriptor, field: Field) -> str:
    count = "Exactly" if frozenset(field.members) in required_fields(message) else "At most"
    return f"{count} one of {', '.join(field.members)}."


def _vocabulary_text(field: Field) -> str:
    """List the names of an enum field, and say whether it takes other names."""
    if field.enum is None:
        return ""
    names = ", ".join(field.short_names)
    return f"One of {names}." if field.custom is None else f"One of {names}, or any other name."


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
    """Return the YAML of a valid message of a type with as few fields as possible."""
    fields = fields_of(message)
    values: dict[str, Any] = {}
    for names in required_fields(message):
        first = next(field for name, field in fields.items() if name in names)
        values[first.name] = _sample(first)
    if _is_valid(message, values):
        return values
    # A rule about the message as a whole requires one optional field.
    return next(
        tried
        for field in fields.values()
        if _is_valid(message, tried := values | {field.name: _sample(field)})
    )


def _is_valid(message: Descriptor, value: dict[str, Any]) -> bool:
    from google.protobuf.message_factory import GetMessageClass

    from crucible_ir.serialization.json.yaml_dialect import YAML
    from crucible_ir.validation.check import is_valid

    filled = GetMessageClass(message)()
    YAML.fill(value, filled)
    return is_valid(filled)


def _sample(field: Field) -> Any:
    """Return a legal value for a field: its default if it has one."""
    if field.default is not None:
        return short_names(field, parsing.parse(field.default))
    item = _item(field)
    if field.is_map:
        return {"key": item}
    return [item] if field.is_list else item


def _item(field: Field) -> Any:
    if field.message is not None:
        name = field.message.full_name
        return _WELL_KNOWN[name] if name in _WELL_KNOWN else _minimal(field.message)
    if field.enum is not None:
        return next(iter(field.short_names))
    return _string(field) if field.kind is Kind.STRING else _SAMPLES[field.kind]


def _string(field: Field) -> str:
    for rule in rules_of(field.descriptor.containing_type):
        pattern = rule.parameters.get("pattern")
        if rule.field_path == field.name and isinstance(pattern, str):
            return next(text for text in _PATTERNED if re.fullmatch(pattern, text))
    return _PLACEHOLDER
