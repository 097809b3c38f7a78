"""The pages of messages: fields, rules, defaults, references, lints and an example of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from google.protobuf.descriptor import Descriptor, EnumDescriptor, EnumValueDescriptor

import crucible_ir as ir
from crucible_ir.linting import LINTS
from crucible_ir.schema.comments import comment, summary
from crucible_ir.schema.fields import Field, Kind, fields_of, message_since, value_since
from crucible_ir.schema.required_fields import required_fields
from crucible_ir.schema.rules import Rule, rules_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.vocabulary import prefix
from docs_site.examples import FORMATS, example
from docs_site.markdown import MESSAGES, block, code, escaped, page, paragraphs, table, toctree
from samples import snake_case

#: The release that has everything without another one.
_FIRST_RELEASE = "0.2.0"

#: A lint of more message types than this is not listed among those of one type.
_MANY_TYPES = 5

_WELL_KNOWN = {
    "google.protobuf.Struct": "JSON object",
    "google.protobuf.Value": "JSON value",
    "google.protobuf.Timestamp": "timestamp",
}

_RESOLUTIONS = {
    "BY_ID": "by its id",
    "BY_VERSION_OF_MODEL": "by its version, within the model",
    "BY_VERSION_OF_DEPLOYMENT": "by its version, within the model of the deployment",
}

_LIST_INTRODUCTION = """\
Each message has a page, which is generated from the schema. A `Document` contains one of the
messages under *Documents*, and an exchange stores them by their ids. The others are parts of
them."""


def message_pages() -> dict[str, str]:
    """Return the pages, and the list of them, by their paths on the site."""
    messages = [descriptor_of(cls) for _, cls in sorted(ir.MESSAGE_TYPES.items())]
    pages = {f"{MESSAGES}/{message.name}.md": _page(message) for message in messages}
    return {f"{MESSAGES}.md": _list(messages), **pages}


def field_link(message: str, field: str, folder: str = "") -> str:
    """Return a link to a field of a message.

    Args:
        message: The name of the message.
        field: The path of the field in a rule, such as ``tags[]``; empty for the message itself.
        folder: The folder of the pages of messages, from that of the page, with a slash.
    """
    name = re.split(r"\W", field)[0]
    fields = fields_of(descriptor_of(ir.MESSAGE_TYPES[message]))
    if not name or name not in fields:
        return f"[`{message}`]({folder}{message}.md)"
    return f"[`{message}.{field}`]({folder}{message}.md#{fields[name].custom_of or name})"


def rule_link(rule_id: str, folder: str = "../") -> str:
    """Return a link to the explanation of a rule."""
    return f"[`{rule_id}`]({folder}rules.md#{rule_id.replace('.', '')})"


def lint_link(lint_id: str, folder: str = "../") -> str:
    """Return a link to the explanation of a lint."""
    return f"[`{lint_id}`]({folder}lints.md#{lint_id.replace('.', '')})"


def _list(messages: list[Descriptor]) -> str:
    stored = {field.message.name for field in _contents() if field.message is not None}
    groups = {
        "Documents": [each for each in messages if each.name in stored],
        "Parts of documents": [each for each in messages if each.name not in stored],
    }
    parts = ["# Messages", _LIST_INTRODUCTION]
    for title, members in groups.items():
        rows = [
            [f"[{each.name}]({MESSAGES}/{each.name}.md)", escaped(summary(each))]
            for each in members
        ]
        parts += [f"## {title}", table(["message", "meaning"], rows)]
    return page([*parts, toctree(f"{MESSAGES}/{each.name}" for each in messages)])


def _contents() -> list[Field]:
    """Return the fields of the content of a Document."""
    return [field for field in fields_of(ir.v1.Document.DESCRIPTOR).values() if field.oneof]


def _page(message: Descriptor) -> str:
    own_rules = [rule for rule in rules_of(message) if not rule.field_path]
    parts = [
        f"# {message.name}",
        paragraphs(comment(message)),
        "\n".join(f"- {fact}" for fact in _facts(message)),
        "## Fields",
        _field_table(message),
        *(part for field in _own_fields(message) for part in _field(message, field)),
    ]
    if own_rules:
        parts += ["## Rules of the message", "\n".join(map(_rule, own_rules))]
    parts += _lints(message)
    parts += _examples(message)
    return page(parts)


def _facts(message: Descriptor) -> Iterator[str]:
    """Yield where the message is declared and how it belongs to others."""
    since = message_since(message) or _FIRST_RELEASE
    yield f"Declared in `{message.file.name}` since {since}."
    identity = [field.name for field in fields_of(message).values() if field.identity]
    if identity:
        yield f"Identified by `{'` or `'.join(identity)}`."
    holders = [
        field_link(holder, field.name) for holder, field in _uses() if field.message is message
    ]
    if holders:
        yield f"Part of {', '.join(holders)}."
    referring = [
        field_link(holder, field.name)
        for holder, field in _uses()
        if field.reference == message.name and field.message is None
    ]
    if referring:
        yield f"Referred to by {', '.join(referring)}."


@cache
def _uses() -> tuple[tuple[str, Field], ...]:
    """Return every field with the name of its message."""
    return tuple(
        (name, field)
        for name, cls in sorted(ir.MESSAGE_TYPES.items())
        for field in fields_of(descriptor_of(cls)).values()
    )


def _own_fields(message: Descriptor) -> list[Field]:
    """Return the fields that have a section: a custom name has that of its vocabulary."""
    return [field for field in fields_of(message).values() if field.custom_of is None]


def _field_table(message: Descriptor) -> str:
    rows = [
        [
            f"[`{field.name}`](#{field.name})",
            _type(field),
            "required" if _is_required(message, field) else _default(field),
        ]
        for field in _own_fields(message)
    ]
    return table(["field", "type", "default"], rows)


def _is_required(message: Descriptor, field: Field) -> bool:
    return any(
        group <= {field.name, field.custom} and field.name in group
        for group in required_fields(message)
    )


def _default(field: Field) -> str:
    if field.default is None:
        return ""
    default = field.default
    if field.enum is not None:
        default = re.sub(rf'"{prefix(field.enum)}(\w+)"', lambda name: name[1].lower(), default)
    return code(default)


def _type(field: Field) -> str:
    item = _item_type(field)
    if field.is_map:
        assert field.key is not None
        return f"map from {field.key.value} to {item}"
    return f"list of {item}" if field.is_list else item


def _item_type(field: Field) -> str:
    if field.message is not None:
        known = _WELL_KNOWN.get(field.message.full_name)
        return known or f"[{field.message.name}]({field.message.name}.md)"
    return "name" if field.kind is Kind.ENUM else field.kind.value


def _field(message: Descriptor, field: Field) -> Iterator[str]:
    """Yield the section of a field."""
    yield f"### `{field.name}`"
    yield " · ".join(_properties(message, field))
    shared = field.descriptor.containing_oneof if field.custom else None
    yield paragraphs(comment(shared) if shared is not None else comment(field.descriptor))
    notes = list(_notes(message, field))
    yield "\n".join(f"- {note}" for note in notes)
    if field.enum is not None:
        yield _names(field.enum)
    if field.custom is not None:
        yield f"Any other name goes into `{field.custom}`."


def _properties(message: Descriptor, field: Field) -> Iterator[str]:
    yield _type(field)
    if _is_required(message, field):
        yield "required"
    if field.default is not None:
        yield f"default {_default(field)}"
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
        link = f"[{field.reference}]({field.reference}.md)"
        ways = [_RESOLUTIONS[way.name] for way in field.resolutions]
        how = f", found {' or '.join(ways)}" if field.message is None else ""
        yield f"Refers to a {link}{how}."
    names = (field.name, field.custom, field.oneof and f"{field.name}_kind")
    for rule in rules_of(message):
        if re.split(r"\W", rule.field_path)[0] in names and rule.field_path:
            yield _rule(rule).removeprefix("- ")


def _rule(rule: Rule) -> str:
    """Return an item of a list for a rule."""
    expression = rule.parameters.get("expression")
    where = {"[]": "Each item ", "{key}": "Each key ", "{value}": "Each value "}
    suffix = next((end for end in where if rule.field_path.endswith(end)), "")
    text = f"{where.get(suffix, '')}{rule.description}"
    text = f"{text[:1].upper()}{text[1:]}"
    shown = f": {code(expression)}" if isinstance(expression, str) else ""
    return f"- {escaped(text)} ({rule_link(rule.rule_id)}){shown}."


def _names(enum: EnumDescriptor) -> str:
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


def _lints(message: Descriptor) -> Iterator[str]:
    """Yield the section on the lints that check a message."""
    checking = [lint for lint in LINTS.values() if lint.applies(message)]
    if not checking:
        return
    special = [lint for lint in checking if _number_of_types(lint.id) <= _MANY_TYPES]
    yield "## Lints"
    yield "\n".join(
        f"- {lint_link(lint.id)} ({lint.severity}): {escaped(lint.summary)}" for lint in special
    )
    others = ", ".join(lint_link(lint.id) for lint in checking if lint not in special)
    if others:
        yield f"{'Also, as' if special else 'As'} for many messages: {others}."


@cache
def _number_of_types(lint_id: str) -> int:
    lint = LINTS[lint_id]
    return sum(bool(lint.applies(descriptor_of(cls))) for cls in ir.MESSAGE_TYPES.values())


def _examples(message: Descriptor) -> Iterator[str]:
    """Yield the sections on the constructor and the formats."""
    shown = example(message)
    constructor = f"new_{snake_case(message.name)}"
    required = [field.name for field in _own_fields(message) if _is_required(message, field)]
    arguments = ", ".join(["*", *required, "**fields"] if required else ["**fields"])
    yield "## Example"
    yield (
        "One message, as the call of its constructor and in each format. The call also sets the"
        " defaults of the fields that it leaves out."
    )
    yield "### Python"
    yield f"```{{py:class}} crucible_ir.v1.{message.name}(**fields)\nThe class of the message.\n```"
    yield (
        f"```{{py:function}} crucible_ir.{constructor}({arguments})\n"
        f"Return a message with its defaults; values and errors as in"
        " {py:func}`crucible_ir.new`.\n```"
    )
    yield block("python", f"import crucible_ir as ir\n\nmessage = {shown.call}")
    for name, (language, _, _) in FORMATS.items():
        yield f"### {name}"
        yield block(language, shown.texts[name])
