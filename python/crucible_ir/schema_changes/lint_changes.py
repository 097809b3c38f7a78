"""Changes of the lints: added, removed, and turned into rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from google.protobuf import json_format

from crucible_ir.paths import MapKey, parse_path
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema_changes.changes import SchemaChange, SchemaChangeKind

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from crucible_ir.schema_changes.versions import ReleasedLint, SchemaVersion

#: The changes that make a rule stricter.
_STRICTER: Final = frozenset(
    {
        SchemaChangeKind.RULE_ADDED,
        SchemaChangeKind.RULE_TIGHTENED,
        SchemaChangeKind.RULE_CHANGED,
        SchemaChangeKind.VOCABULARY_CLOSED,
    }
)


def lint_changes(
    old: SchemaVersion, new: SchemaVersion, changed_rules: Iterable[SchemaChange]
) -> Iterator[SchemaChange]:
    """Yield the changes of the lints; none if the old version has no recorded lints.

    A lint became a rule if the new version rejects the bad example of the lint, or if the lint was
    removed and a rule of its field became stricter.

    Args:
        old: The old version.
        new: The new version.
        changed_rules: The changes of the rules.
    """
    if old.lints is None:
        return
    stricter = {each.place: each for each in changed_rules if each.kind in _STRICTER}
    for lint_id, lint in old.lints.items():
        package = lint.type.rpartition(".")[0]
        is_removed = new.lints is not None and lint_id not in new.lints
        rule = _broken_rule(new, lint)
        if rule is None and is_removed:
            change = stricter.get(_place(old, lint))
            rule = change.new if change is not None else None
        text = f"{lint.summary} [{lint_id}]"
        if rule is not None:
            yield SchemaChange(SchemaChangeKind.LINT_BECAME_RULE, package, lint_id, text, rule)
        elif is_removed:
            yield SchemaChange(SchemaChangeKind.LINT_REMOVED, package, lint_id, old=text)
    for lint_id, lint in (new.lints or {}).items():
        if lint_id not in old.lints:
            package = lint.type.rpartition(".")[0]
            text = f"{lint.summary} [{lint_id}]"
            yield SchemaChange(SchemaChangeKind.LINT_ADDED, package, lint_id, new=text)


def _broken_rule(version: SchemaVersion, lint: ReleasedLint) -> str | None:
    """Return the rule of a version that the bad example of a lint breaks; ``None`` if none."""
    if lint.type not in version.messages:
        return None
    message = version.message_class(lint.type)()
    try:
        json_format.ParseDict(dict(lint.example), message)
    except json_format.ParseError:
        # One of its fields was renamed or removed, which is a separate change.
        return None
    broken = version.broken_rules(message)
    return f"{broken[0][0]} [{broken[0][1]}]".strip() if broken else None


def _place(version: SchemaVersion, lint: ReleasedLint) -> str:
    """Return the full name of the field of a lint's finding."""
    owner: Descriptor | None = version.message(lint.type)
    place = lint.type
    for part in parse_path(lint.path):
        if owner is None or isinstance(part, (int, MapKey)) or part not in fields_of(owner):
            continue
        place = f"{owner.full_name}.{part}"
        owner = fields_of(owner)[part].message
    return place
