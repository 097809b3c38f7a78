"""How the pages show fields: their types, their rules and the names of vocabularies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from google.protobuf.descriptor import Descriptor, EnumDescriptor, EnumValueDescriptor

from crucible_ir.schema.comments import comment
from crucible_ir.schema.fields import Field, Kind, fields_of, message_since, value_since
from crucible_ir.schema.required_fields import required_fields
from crucible_ir.schema.rules import Rule, rules_of
from crucible_ir.schema.vocabulary import prefix
from docs_site.markdown import MESSAGES, SERVICES, code, escaped, paragraphs, table

_WELL_KNOWN = {
    "google.protobuf.Struct": "JSON object",
    "google.protobuf.Value": "JSON value",
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
}

_RESOLUTIONS = {
    "BY_ID": "by its id",
    "BY_VERSION_OF_MODEL": "by its version, within the model",
    "BY_VERSION_OF_DEPLOYMENT": "by its version, within the model of the deployment",
}


def message_link(message: Descriptor, folder: str = "../") -> str:
    """Return a link to a message.

    Args:
        message: Its descriptor.
        folder: The root of the site, from the folder of the page.
    """
    if message.file.package == "crucible_ir.v1":
        return f"[{message.name}]({folder}{MESSAGES}/{message.name}.md)"
    return f"[{message.name}]({folder}{SERVICES}/{file_page(message)}.md#{message.name.lower()})"


def file_page(declared: Descriptor | EnumDescriptor) -> str:
    """Return the name of the page of the file that declares a message or an enum."""
    return PurePosixPath(declared.file.name).stem.replace("_", "-")


def rule_link(rule_id: str, folder: str = "../") -> str:
    """Return a link to the explanation of a rule."""
    return f"[`{rule_id}`]({folder}rules.md#{rule_id.replace('.', '')})"


def is_required(message: Descriptor, field: Field) -> bool:
    """Return whether a message must have a field."""
    return any(
        group <= {field.name, field.custom} and field.name in group
        for group in required_fields(message)
    )


def default_text(field: Field) -> str:
    """Return the default of a field, with a short name for an enum; empty if it has none."""
    if field.default is None:
        return ""
    default = field.default
    if field.enum is not None:
        default = re.sub(rf'"{prefix(field.enum)}(\w+)"', lambda name: name[1].lower(), default)
    return code(default)


def type_text(field: Field) -> str:
    """Return the type of a field, with a link to its message."""
    item = _item_type(field)
    if field.is_map:
        assert field.key is not None
        return f"map from {field.key.value} to {item}"
    return f"list of {item}" if field.is_list else item


def _item_type(field: Field) -> str:
    if field.message is not None:
        known = _WELL_KNOWN.get(field.message.full_name)
        return known or message_link(field.message)
    if field.enum is not None and field.enum.file.package != "crucible_ir.v1":
        page, name = file_page(field.enum), field.enum.name
        return f"[{name}](../{SERVICES}/{page}.md#{name.lower()})"
    return "name" if field.kind is Kind.ENUM else field.kind.value


def field_section(message: Descriptor, field: Field) -> Iterator[str]:
    """Yield the section of a field."""
    yield f"### `{field.name}`"
    yield " · ".join(_properties(message, field))
    shared = field.descriptor.containing_oneof if field.custom else None
    yield paragraphs(comment(shared) if shared is not None else comment(field.descriptor))
    notes = list(_notes(message, field))
    yield "\n".join(f"- {note}" for note in notes)
    if field.enum is not None:
        yield name_table(field.enum)
    if field.custom is not None:
        yield f"Any other name goes into `{field.custom}`."


def _properties(message: Descriptor, field: Field) -> Iterator[str]:
    yield type_text(field)
    if is_required(message, field):
        yield "required"
    if field.default is not None:
        yield f"default {default_text(field)}"
    yield f"number {field.descriptor.number}"
    if field.json_name != field.name:
        yield f"`{field.json_name}` in ProtoJSON"
    if field.since not in (None, message_since(message)):
        yield f"since {field.since}"


def _notes(message: Descriptor, field: Field) -> Iterator[str]:
    """Yield what holds for a field beside its comment."""
    if field.oneof is not None and field.custom is None:
        count = "Exactly" if frozenset(field.members) in required_fields(message) else "At most"
        yield f"{count} one of `{'`, `'.join(field.members)}` is set."
    if field.identity:
        yield "Identifies the message among those of its type."
    if field.immutable:
        yield "Later revisions of a document keep it."
    if field.reference is not None:
        link = f"[{field.reference}](../{MESSAGES}/{field.reference}.md)"
        ways = [_RESOLUTIONS[way.name] for way in field.resolutions]
        how = f", found {' or '.join(ways)}" if field.message is None else ""
        yield f"Refers to a {link}{how}."
    names = (field.name, field.custom, field.oneof and f"{field.name}_kind")
    for rule in rules_of(message):
        if re.split(r"\W", rule.field_path)[0] in names and rule.field_path:
            yield rule_text(rule)


def rule_text(rule: Rule) -> str:
    """Return the requirement of a rule, with its id."""
    expression = rule.parameters.get("expression")
    where = {"[]": "Each item ", "{key}": "Each key ", "{value}": "Each value "}
    suffix = next((end for end in where if rule.field_path.endswith(end)), "")
    text = f"{where.get(suffix, '')}{rule.description}"
    text = f"{text[:1].upper()}{text[1:]}"
    shown = f": {code(expression)}" if isinstance(expression, str) else ""
    return f"{escaped(text)} ({rule_link(rule.rule_id)}){shown}."


def name_table(enum: EnumDescriptor) -> str:
    """Return the table of the names of a vocabulary."""
    rows = [
        [code(value.name.removeprefix(prefix(enum)).lower()), escaped(_value_comment(value))]
        for value in enum.values
        if value.number
    ]
    heading = [f"name (in ProtoJSON with `{prefix(enum)}`)", "meaning"]
    if not any(meaning for _, meaning in rows):
        heading, rows = heading[:1], [row[:1] for row in rows]
    return table(heading, rows)


def _value_comment(value: EnumValueDescriptor) -> str:
    since = value_since(value)
    return f"{comment(value)} Since {since}.".strip() if since else comment(value)


def own_fields(message: Descriptor) -> list[Field]:
    """Return the fields that have a section: a custom name has that of its vocabulary."""
    return [field for field in fields_of(message).values() if field.custom_of is None]
