"""Inline suppression: a list in a message's metadata that disables lints for that message."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from crucible_ir import v1
from crucible_ir.errors import near_miss, shorten
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import LINTS, lint_for_all
from crucible_ir.paths import MapKey
from crucible_ir.schema.fields import fields_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

#: The key in a message's ``metadata`` of the list of lints to ignore, also in nested messages.
IGNORE_KEY = "crucible_ir_lint_ignore"

_METADATA = "metadata"


def matches(entry: str, lint_id: str) -> bool:
    """Return whether an entry is the id of a lint, or the part of the id before the dot.

    >>> matches("ensemble", "ensemble.no_models"), matches("ens", "ensemble.no_models")
    (True, False)
    """
    return lint_id == entry or lint_id.startswith(f"{entry}.")


def unknown_entry(entry: str) -> str | None:
    """Return an error message for an entry that matches no lint; ``None`` if it matches one."""
    if any(matches(entry, lint_id) for lint_id in LINTS):
        return None
    subjects = {lint_id.partition(".")[0] for lint_id in LINTS}
    known = subjects if "." not in entry else LINTS
    return f"unknown lint {shorten(entry)}{near_miss(entry, known)}"


def ignored_in(message: Message) -> tuple[str, ...]:
    """Return the entries of the list in a message's own metadata, including unknown ones."""
    listed = _ignore_list(message)
    if listed is None or listed.WhichOneof("kind") != "list_value":
        return ()
    return tuple(item.string_value for item in listed.list_value.values if item.string_value)


def is_ignored(lint_id: str, entries: Iterable[str]) -> bool:
    """Return whether any entry matches a lint."""
    return any(matches(entry, lint_id) for entry in entries)


@cache
def _has_metadata(message: Descriptor) -> bool:
    field = fields_of(message).get(_METADATA)
    if field is None or field.message is None or field.is_list:
        return False
    return field.message.full_name == "google.protobuf.Struct"


@lint_for_all(
    "lint.unknown_id",
    Severity.INFO,
    f"The list `{IGNORE_KEY}` in a metadata map contains an unknown lint.",
    applies=_has_metadata,
    example_type=v1.Capabilities,
    bad={
        "backend_id": "openai",
        "provider": "openai",
        "metadata": {IGNORE_KEY: ["ensemble.no_model"]},
    },
    good={
        "backend_id": "openai",
        "provider": "openai",
        "metadata": {IGNORE_KEY: ["ensemble.no_models"]},
    },
)
def unknown_id(message: Message) -> Iterator[Problem]:
    """Report each entry that is not a lint id or subject, and a value that is not a list."""
    listed = _ignore_list(message)
    if listed is None:
        return
    path = (_METADATA, MapKey(IGNORE_KEY))
    if listed.WhichOneof("kind") != "list_value":
        yield Problem(path, "expected a list of lint ids", 'write it as ["id", "id"]')
        return
    for index, item in enumerate(listed.list_value.values):
        if item.WhichOneof("kind") != "string_value":
            reason: str | None = "expected a string: the id of a lint"
        else:
            reason = unknown_entry(item.string_value)
        if reason:
            yield Problem((*path, index), reason, "correct it or remove it from the list")


def _ignore_list(message: Message) -> Any:
    """Return the value of the key in a message's metadata; ``None`` if there is none."""
    if not _has_metadata(message.DESCRIPTOR) or not message.HasField(_METADATA):
        return None
    metadata: Any = getattr(message, _METADATA)
    return metadata.fields.get(IGNORE_KEY)
