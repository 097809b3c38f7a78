"""The pages of messages: fields, rules, defaults, references, lints and an example of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from google.protobuf.descriptor import Descriptor

import crucible_ir as ir
from crucible_ir.linting import LINTS
from crucible_ir.schema.comments import comment, summary
from crucible_ir.schema.fields import Field, fields_of, message_since
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import descriptor_of
from docs_site.examples import FORMATS, example
from docs_site.fields import (
    default_text,
    field_section,
    is_required,
    own_fields,
    rule_text,
    type_text,
)
from docs_site.markdown import MESSAGES, block, escaped, page, paragraphs, table, toctree
from samples import snake_case

#: The release that has everything without another one.
_FIRST_RELEASE = "0.2.0"

#: A lint of more message types than this is not listed among those of one type.
_MANY_TYPES = 5

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
        *(part for field in own_fields(message) for part in field_section(message, field)),
    ]
    if own_rules:
        parts += [
            "## Rules of the message",
            "\n".join(f"- {rule_text(rule)}" for rule in own_rules),
        ]
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


def _field_table(message: Descriptor) -> str:
    rows = [
        [
            f"[`{field.name}`](#{field.name})",
            type_text(field),
            "required" if is_required(message, field) else default_text(field),
        ]
        for field in own_fields(message)
    ]
    return table(["field", "type", "default"], rows)


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
    required = [field.name for field in own_fields(message) if is_required(message, field)]
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
