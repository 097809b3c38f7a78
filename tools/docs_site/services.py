"""The pages of the services of an exchange: their methods, and the messages of requests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from google.protobuf.descriptor import (
    Descriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)

from crucible_ir.conformance import v1 as conformance_v1
from crucible_ir.exchange import v1 as exchange_v1
from crucible_ir.schema.comments import comment
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.rules import rules_of
from docs_site.fields import file_page, message_link, name_table, rule_link, rule_text, type_text
from docs_site.markdown import SERVICES, escaped, page, paragraphs, table, toctree

_INTRODUCTION = """\
The protobuf services of an exchange, which its clients call, and the messages of their requests and
answers. The pages are generated from the schema. The [specification](specification.md#exchange)
says what a server guarantees, and [The exchange](exchange.md) shows the clients of Python."""


def service_pages() -> dict[str, str]:
    """Return the pages, and the list of them, by their paths on the site."""
    pages, rows = {}, []
    for file in _files():
        name = file_page(_messages(file)[0])
        pages[f"{SERVICES}/{name}.md"] = page(_file(file))
        services = ", ".join(f"`{each}`" for each in file.services_by_name)
        rows.append([f"[`{file.name}`]({SERVICES}/{name}.md)", services])
    parts = ["# Services", _INTRODUCTION, table(["file", "services"], rows)]
    contents = toctree(path.removesuffix(".md") for path in pages)
    return {f"{SERVICES}.md": page([*parts, contents]), **pages}


def _files() -> list[FileDescriptor]:
    """Return the files of the packages that are not the IR itself."""
    modules: list[Any] = [
        import_module(f"{package.__name__}.{module.name}")
        for package in (exchange_v1, conformance_v1)
        for module in iter_modules(package.__path__)
        if module.name.endswith("_pb2")
    ]
    return [module.DESCRIPTOR for module in modules]


def _messages(file: FileDescriptor) -> list[Descriptor]:
    return list(file.message_types_by_name.values())


def _file(file: FileDescriptor) -> Iterator[str]:
    services: list[ServiceDescriptor] = list(file.services_by_name.values())
    title = file.name.rpartition("/")[2].removesuffix(".proto").replace("_", " ")
    yield f"# {', '.join(service.name for service in services) or title.capitalize()}"
    yield f"Declared in `{file.name}`, package `{file.package}`."
    for service in services:
        yield paragraphs(comment(service))
        yield "## Methods"
        for method in service.methods:
            yield from _method(method)
    yield "## Messages"
    for message in _messages(file):
        yield from _message(message)
    if file.enum_types_by_name:
        yield "## Enums"
    for enum in file.enum_types_by_name.values():
        yield f"### `{enum.name}`"
        yield paragraphs(comment(enum))
        yield name_table(enum)


def _method(method: MethodDescriptor) -> Iterator[str]:
    yield f"### `{method.name}`"
    sent, received = (
        f"{'a stream of ' if is_stream else ''}{message_link(message)}"
        for is_stream, message in (
            (method.client_streaming, method.input_type),
            (method.server_streaming, method.output_type),
        )
    )
    yield f"From {sent} to {received}."
    yield paragraphs(comment(method))


def _message(message: Descriptor) -> Iterator[str]:
    yield f"### `{message.name}`"
    yield paragraphs(comment(message))
    yield "\n".join(_field(message, field) for field in fields_of(message).values())
    own_rules = [rule for rule in rules_of(message) if not rule.field_path]
    yield "\n".join(f"- {rule_text(rule)}" for rule in own_rules)


def _field(message: Descriptor, field: Field) -> str:
    """Return an item of a list for a field."""
    ids = dict.fromkeys(
        rule.rule_id
        for rule in rules_of(message)
        if re.split(r"\W", rule.field_path)[0] == field.name
    )
    rules = f" ({', '.join(map(rule_link, ids))})" if ids else ""
    text = escaped(comment(field.descriptor).replace("\n", " "))
    return f"- `{field.name}`, {type_text(field)}. {text}{rules}"
