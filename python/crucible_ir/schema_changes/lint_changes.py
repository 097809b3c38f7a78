"""Changes of the lints: which are new, which are gone, and which became law."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from google.protobuf import json_format

from crucible_ir.paths import MapKey, parse_path
from crucible_ir.schema.types import message_of
from crucible_ir.schema_changes.changes import ChangeKind, SchemaChange

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from crucible_ir.schema_changes.versions import ReleasedLint, SchemaVersion

#: What makes a rule refuse more than it did.
_STRICTER: Final = frozenset(
    {
        ChangeKind.RULE_ADDED,
        ChangeKind.RULE_TIGHTENED,
        ChangeKind.RULE_CHANGED,
        ChangeKind.VOCABULARY_CLOSED,
    }
)


def lint_changes(
    old: SchemaVersion, new: SchemaVersion, changed_rules: Iterable[SchemaChange]
) -> Iterator[SchemaChange]:
    """Yield what became of the lints; nothing where the old version has none recorded.

    A lint became a rule when the new version refuses the message that the lint was shown with, or
    when the lint is gone and a rule of its field became stricter.

    Args:
        old: The old version.
        new: The new version.
        changed_rules: What changed in the rules.
    """
    if old.lints is None:
        return
    stricter = {each.place: each for each in changed_rules if each.kind in _STRICTER}
    for lint_id, lint in old.lints.items():
        package = lint.type.rpartition(".")[0]
        is_gone = new.lints is not None and lint_id not in new.lints
        rule = _refusal(new, lint)
        if rule is None and is_gone:
            change = stricter.get(_place(old, lint))
            rule = change.new if change is not None else None
        words = f"{lint.summary} [{lint_id}]"
        if rule is not None:
            yield SchemaChange(ChangeKind.LINT_BECAME_RULE, package, lint_id, words, rule)
        elif is_gone:
            yield SchemaChange(ChangeKind.LINT_REMOVED, package, lint_id, old=words)
    for lint_id, lint in (new.lints or {}).items():
        if lint_id not in old.lints:
            package = lint.type.rpartition(".")[0]
            words = f"{lint.summary} [{lint_id}]"
            yield SchemaChange(ChangeKind.LINT_ADDED, package, lint_id, new=words)


def _refusal(version: SchemaVersion, lint: ReleasedLint) -> str | None:
    """Say which rule of a version refuses the message of a lint; ``None`` if none does."""
    if lint.type not in version.messages:
        return None
    message = version.message_class(lint.type)()
    try:
        json_format.ParseDict(dict(lint.example), message)
    except json_format.ParseError:
        # A field of it was renamed or is gone, which is a change of its own.
        return None
    broken = version.broken_rules(message)
    return f"{broken[0][0]} [{broken[0][1]}]".strip() if broken else None


def _place(version: SchemaVersion, lint: ReleasedLint) -> str:
    """Return the full name of the field that a lint gave advice on."""
    owner: Descriptor | None = version.message(lint.type)
    place = lint.type
    for part in parse_path(lint.path):
        if owner is None or isinstance(part, (int, MapKey)) or part not in owner.fields_by_name:
            continue
        place = f"{owner.full_name}.{part}"
        owner = message_of(owner.fields_by_name[part])
    return place
