"""The comparison of two versions of the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crucible_ir.schema_changes.changes import Release, SchemaChange
from crucible_ir.schema_changes.declarations import declaration_changes
from crucible_ir.schema_changes.lint_changes import lint_changes
from crucible_ir.schema_changes.rule_changes import rule_changes

if TYPE_CHECKING:
    from crucible_ir.schema_changes.versions import SchemaVersion

_MOST_SEVERE_FIRST: Final = list(reversed(Release))


def compare(old: SchemaVersion, new: SchemaVersion) -> list[SchemaChange]:
    """Return the changes from one version of the schema to another, the most severe first.

    Comments and the messages of violations are not compared. Lints are compared if both versions
    have recorded lints. If the old version has, its lints are checked against the new rules.

    Raises:
        SchemaError: The rules of a version cannot be read.

    >>> from crucible_ir.schema_changes.sources import find_schema
    >>> compare(find_schema("installed"), find_schema("installed"))
    []
    """
    rules = list(rule_changes(old, new))
    changes = [*declaration_changes(old, new), *rules, *lint_changes(old, new, rules)]
    return sorted(changes, key=_order)


def _order(change: SchemaChange) -> tuple[int, str, str]:
    return _MOST_SEVERE_FIRST.index(change.release), change.place, change.kind
