"""The kinds of change that a schema can see, and the release that is promised to make each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Release(StrEnum):
    """The smallest release that may make a change; the members stand in rising order."""

    ANY = "any release"
    MINOR = "minor release"
    V2 = "v2"
    """A new schema version: the change breaks somebody who uses this one."""


class ChangeKind(StrEnum):
    """What happened to a part of the schema."""

    PACKAGE_ADDED = "package_added"
    PACKAGE_REMOVED = "package_removed"
    FILE_REMOVED = "file_removed"
    FILE_OPTION_CHANGED = "file_option_changed"

    MESSAGE_ADDED = "message_added"
    MESSAGE_REMOVED = "message_removed"
    MESSAGE_MOVED = "message_moved"
    ENUM_ADDED = "enum_added"
    ENUM_REMOVED = "enum_removed"
    ENUM_MOVED = "enum_moved"
    DEPRECATED = "deprecated"
    NO_LONGER_DEPRECATED = "no_longer_deprecated"
    OPTION_CHANGED = "option_changed"
    RESERVATION_REMOVED = "reservation_removed"

    FIELD_ADDED = "field_added"
    REQUIRED_FIELD_ADDED = "required_field_added"
    ONEOF_MEMBER_ADDED = "oneof_member_added"
    FIELD_REMOVED = "field_removed"
    FIELD_RENAMED = "field_renamed"
    FIELD_RENUMBERED = "field_renumbered"
    FIELD_RETYPED = "field_retyped"
    FIELD_MOVED = "field_moved"
    JSON_NAME_CHANGED = "json_name_changed"
    DEFAULT_ADDED = "default_added"
    DEFAULT_CHANGED = "default_changed"
    DEFAULT_REMOVED = "default_removed"

    ENUM_VALUE_ADDED = "enum_value_added"
    CLOSED_ENUM_VALUE_ADDED = "closed_enum_value_added"
    ENUM_VALUE_REMOVED = "enum_value_removed"
    ENUM_VALUE_RENAMED = "enum_value_renamed"
    ENUM_VALUE_RENUMBERED = "enum_value_renumbered"

    RULE_ADDED = "rule_added"
    RULE_REMOVED = "rule_removed"
    RULE_TIGHTENED = "rule_tightened"
    RULE_LOOSENED = "rule_loosened"
    RULE_CHANGED = "rule_changed"
    """Neither wider nor narrower, or nobody can tell: expressions and patterns."""
    RULE_ID_CHANGED = "rule_id_changed"
    RULE_ID_REMOVED = "rule_id_removed"
    """No rule of a package has the id any more."""
    VOCABULARY_CLOSED = "vocabulary_closed"
    VOCABULARY_OPENED = "vocabulary_opened"

    LINT_ADDED = "lint_added"
    LINT_REMOVED = "lint_removed"
    LINT_BECAME_RULE = "lint_became_rule"

    EXTENSION_ADDED = "extension_added"
    EXTENSION_REMOVED = "extension_removed"
    EXTENSION_CHANGED = "extension_changed"
    SERVICE_ADDED = "service_added"
    SERVICE_REMOVED = "service_removed"
    METHOD_ADDED = "method_added"
    METHOD_REMOVED = "method_removed"
    METHOD_CHANGED = "method_changed"


_OF_DEFAULTS: Final = "an existing field's default added, changed or removed"
_OF_REMOVAL: Final = "a message, enum, service or method removed"

#: For each kind the release that may make it, and the words of the promise: they stand in
#: proto/README.md, "Versioning", in the row of that release.
PROMISES: Final = {
    ChangeKind.PACKAGE_ADDED: (Release.MINOR, "a new package"),
    ChangeKind.PACKAGE_REMOVED: (Release.V2, "a package or file removed"),
    ChangeKind.FILE_REMOVED: (Release.V2, "a package or file removed"),
    ChangeKind.FILE_OPTION_CHANGED: (Release.V2, "an option that shapes generated code changed"),
    ChangeKind.MESSAGE_ADDED: (Release.MINOR, "a new message"),
    ChangeKind.MESSAGE_REMOVED: (Release.V2, _OF_REMOVAL),
    ChangeKind.MESSAGE_MOVED: (Release.V2, "a message or enum moved to another file"),
    ChangeKind.ENUM_ADDED: (Release.MINOR, "a new enum"),
    ChangeKind.ENUM_REMOVED: (Release.V2, _OF_REMOVAL),
    ChangeKind.ENUM_MOVED: (Release.V2, "a message or enum moved to another file"),
    ChangeKind.DEPRECATED: (Release.MINOR, "marked deprecated"),
    ChangeKind.NO_LONGER_DEPRECATED: (Release.MINOR, "or no longer"),
    ChangeKind.OPTION_CHANGED: (Release.V2, "an option that shapes generated code changed"),
    ChangeKind.RESERVATION_REMOVED: (Release.V2, "a reserved number or name given back"),
    ChangeKind.FIELD_ADDED: (Release.MINOR, "a new field that is not required"),
    ChangeKind.REQUIRED_FIELD_ADDED: (Release.V2, "a new field that is required"),
    ChangeKind.ONEOF_MEMBER_ADDED: (Release.MINOR, "a new member of a oneof"),
    ChangeKind.FIELD_REMOVED: (Release.V2, "removed"),
    ChangeKind.FIELD_RENAMED: (Release.V2, "renamed"),
    ChangeKind.FIELD_RENUMBERED: (Release.V2, "renumbered"),
    ChangeKind.FIELD_RETYPED: (Release.V2, "retyped"),
    ChangeKind.FIELD_MOVED: (Release.V2, "moved into or out of a oneof"),
    ChangeKind.JSON_NAME_CHANGED: (Release.V2, "renamed in JSON"),
    ChangeKind.DEFAULT_ADDED: (Release.V2, _OF_DEFAULTS),
    ChangeKind.DEFAULT_CHANGED: (Release.V2, _OF_DEFAULTS),
    ChangeKind.DEFAULT_REMOVED: (Release.V2, _OF_DEFAULTS),
    ChangeKind.ENUM_VALUE_ADDED: (Release.MINOR, "a new name in an open vocabulary"),
    ChangeKind.CLOSED_ENUM_VALUE_ADDED: (Release.MINOR, "a new name in a closed vocabulary"),
    ChangeKind.ENUM_VALUE_REMOVED: (Release.V2, "removed"),
    ChangeKind.ENUM_VALUE_RENAMED: (Release.V2, "renamed"),
    ChangeKind.ENUM_VALUE_RENUMBERED: (Release.V2, "renumbered"),
    ChangeKind.RULE_ADDED: (Release.V2, "a rule added to an existing field"),
    ChangeKind.RULE_REMOVED: (Release.MINOR, "a rule removed"),
    ChangeKind.RULE_TIGHTENED: (Release.V2, "a narrower range"),
    ChangeKind.RULE_LOOSENED: (Release.MINOR, "a wider range"),
    ChangeKind.RULE_CHANGED: (Release.V2, "a rule changed in another way"),
    ChangeKind.RULE_ID_CHANGED: (Release.V2, "a rule id changed"),
    ChangeKind.RULE_ID_REMOVED: (Release.MINOR, "a rule removed"),
    ChangeKind.VOCABULARY_CLOSED: (Release.V2, "an open vocabulary closed"),
    ChangeKind.VOCABULARY_OPENED: (Release.V2, "a closed one opened"),
    ChangeKind.LINT_ADDED: (Release.ANY, "lints"),
    ChangeKind.LINT_REMOVED: (Release.ANY, "lints"),
    ChangeKind.LINT_BECAME_RULE: (Release.V2, "a lint turned into a rule"),
    ChangeKind.EXTENSION_ADDED: (Release.MINOR, "a new option"),
    ChangeKind.EXTENSION_REMOVED: (Release.V2, "an option of our own changed or removed"),
    ChangeKind.EXTENSION_CHANGED: (Release.V2, "an option of our own changed"),
    ChangeKind.SERVICE_ADDED: (Release.MINOR, "a new service or method"),
    ChangeKind.SERVICE_REMOVED: (Release.V2, _OF_REMOVAL),
    ChangeKind.METHOD_ADDED: (Release.MINOR, "a new service or method"),
    ChangeKind.METHOD_REMOVED: (Release.V2, _OF_REMOVAL),
    ChangeKind.METHOD_CHANGED: (Release.V2, "a method's messages or streaming changed"),
}

#: The packages that proto/README.md, "Stability", calls in development: any release may change
#: anything about them.
IN_DEVELOPMENT: Final = frozenset({"crucible_ir.conformance.v1", "crucible_ir.exchange.v1"})


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One thing that differs between two versions of the schema.

    Attributes:
        kind: What happened.
        package: The proto package that it happened in.
        place: The full name of what changed, such as ``crucible_ir.v1.TrainingConfig.epochs``; for
            a rule about the items of a list, or the keys or values of a map, with ``[]``,
            ``{key}`` or ``{value}`` after it; for a file its name, and for a lint its id.
        old: What it was, in words; ``None`` where there was nothing.
        new: What it became, in words; ``None`` where there is nothing.
    """

    kind: ChangeKind
    package: str
    place: str
    old: str | None = None
    new: str | None = None

    @property
    def release(self) -> Release:
        """The smallest release that may make this change."""
        return Release.ANY if self.package in IN_DEVELOPMENT else PROMISES[self.kind][0]

    @property
    def promise(self) -> str:
        """The words of proto/README.md that say so."""
        return "in development" if self.package in IN_DEVELOPMENT else PROMISES[self.kind][1]

    @property
    def is_breaking(self) -> bool:
        """Whether no release of this schema version may make this change."""
        return self.release is Release.V2
