"""The kinds of schema change, and the smallest release that may make each of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Release(StrEnum):
    """The smallest release that may make a change. Members are in ascending order."""

    ANY = "any release"
    MINOR = "minor release"
    V2 = "v2"
    """A new schema version: the change breaks users of this one."""


class SchemaChangeKind(StrEnum):
    """The kind of a schema change."""

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
    """Neither wider nor narrower, or not comparable, such as expressions and patterns."""
    RULE_ID_CHANGED = "rule_id_changed"
    RULE_ID_REMOVED = "rule_id_removed"
    """No rule of the package has the id any more."""
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

#: For each kind, the release that may make it, and the text of the promise as in proto/README.md,
#: "Versioning", in the row of that release.
PROMISES: Final = {
    SchemaChangeKind.PACKAGE_ADDED: (Release.MINOR, "a new package"),
    SchemaChangeKind.PACKAGE_REMOVED: (Release.V2, "a package or file removed"),
    SchemaChangeKind.FILE_REMOVED: (Release.V2, "a package or file removed"),
    SchemaChangeKind.FILE_OPTION_CHANGED: (
        Release.V2,
        "an option that shapes generated code changed",
    ),
    SchemaChangeKind.MESSAGE_ADDED: (Release.MINOR, "a new message"),
    SchemaChangeKind.MESSAGE_REMOVED: (Release.V2, _OF_REMOVAL),
    SchemaChangeKind.MESSAGE_MOVED: (Release.V2, "a message or enum moved to another file"),
    SchemaChangeKind.ENUM_ADDED: (Release.MINOR, "a new enum"),
    SchemaChangeKind.ENUM_REMOVED: (Release.V2, _OF_REMOVAL),
    SchemaChangeKind.ENUM_MOVED: (Release.V2, "a message or enum moved to another file"),
    SchemaChangeKind.DEPRECATED: (Release.MINOR, "marked deprecated"),
    SchemaChangeKind.NO_LONGER_DEPRECATED: (Release.MINOR, "or no longer"),
    SchemaChangeKind.OPTION_CHANGED: (Release.V2, "an option that shapes generated code changed"),
    SchemaChangeKind.RESERVATION_REMOVED: (Release.V2, "a reserved number or name given back"),
    SchemaChangeKind.FIELD_ADDED: (Release.MINOR, "a new field that is not required"),
    SchemaChangeKind.REQUIRED_FIELD_ADDED: (Release.V2, "a new field that is required"),
    SchemaChangeKind.ONEOF_MEMBER_ADDED: (Release.MINOR, "a new member of a oneof"),
    SchemaChangeKind.FIELD_REMOVED: (Release.V2, "removed"),
    SchemaChangeKind.FIELD_RENAMED: (Release.V2, "renamed"),
    SchemaChangeKind.FIELD_RENUMBERED: (Release.V2, "renumbered"),
    SchemaChangeKind.FIELD_RETYPED: (Release.V2, "retyped"),
    SchemaChangeKind.FIELD_MOVED: (Release.V2, "moved into or out of a oneof"),
    SchemaChangeKind.JSON_NAME_CHANGED: (Release.V2, "renamed in JSON"),
    SchemaChangeKind.DEFAULT_ADDED: (Release.V2, _OF_DEFAULTS),
    SchemaChangeKind.DEFAULT_CHANGED: (Release.V2, _OF_DEFAULTS),
    SchemaChangeKind.DEFAULT_REMOVED: (Release.V2, _OF_DEFAULTS),
    SchemaChangeKind.ENUM_VALUE_ADDED: (Release.MINOR, "a new name in an open vocabulary"),
    SchemaChangeKind.CLOSED_ENUM_VALUE_ADDED: (Release.MINOR, "a new name in a closed vocabulary"),
    SchemaChangeKind.ENUM_VALUE_REMOVED: (Release.V2, "removed"),
    SchemaChangeKind.ENUM_VALUE_RENAMED: (Release.V2, "renamed"),
    SchemaChangeKind.ENUM_VALUE_RENUMBERED: (Release.V2, "renumbered"),
    SchemaChangeKind.RULE_ADDED: (Release.V2, "a rule added to an existing field"),
    SchemaChangeKind.RULE_REMOVED: (Release.MINOR, "a rule removed"),
    SchemaChangeKind.RULE_TIGHTENED: (Release.V2, "a narrower range"),
    SchemaChangeKind.RULE_LOOSENED: (Release.MINOR, "a wider range"),
    SchemaChangeKind.RULE_CHANGED: (Release.V2, "a rule changed in another way"),
    SchemaChangeKind.RULE_ID_CHANGED: (Release.V2, "a rule id changed"),
    SchemaChangeKind.RULE_ID_REMOVED: (Release.MINOR, "a rule removed"),
    SchemaChangeKind.VOCABULARY_CLOSED: (Release.V2, "an open vocabulary closed"),
    SchemaChangeKind.VOCABULARY_OPENED: (Release.V2, "a closed one opened"),
    SchemaChangeKind.LINT_ADDED: (Release.ANY, "lints"),
    SchemaChangeKind.LINT_REMOVED: (Release.ANY, "lints"),
    SchemaChangeKind.LINT_BECAME_RULE: (Release.V2, "a lint turned into a rule"),
    SchemaChangeKind.EXTENSION_ADDED: (Release.MINOR, "a new option"),
    SchemaChangeKind.EXTENSION_REMOVED: (Release.V2, "an option of our own changed or removed"),
    SchemaChangeKind.EXTENSION_CHANGED: (Release.V2, "an option of our own changed"),
    SchemaChangeKind.SERVICE_ADDED: (Release.MINOR, "a new service or method"),
    SchemaChangeKind.SERVICE_REMOVED: (Release.V2, _OF_REMOVAL),
    SchemaChangeKind.METHOD_ADDED: (Release.MINOR, "a new service or method"),
    SchemaChangeKind.METHOD_REMOVED: (Release.V2, _OF_REMOVAL),
    SchemaChangeKind.METHOD_CHANGED: (Release.V2, "a method's messages or streaming changed"),
}

#: The packages that are in development according to proto/README.md, "Stability": any release may
#: change them.
IN_DEVELOPMENT: Final = frozenset({"crucible_ir.conformance.v1", "crucible_ir.exchange.v1"})


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """One difference between two versions of the schema.

    Attributes:
        kind: The kind of change.
        package: The proto package.
        place: The full name of the changed element, such as
            ``crucible_ir.v1.TrainingConfig.epochs``. A rule for the items of a list, or the keys or
            values of a map, has the suffix ``[]``, ``{key}`` or ``{value}``. For a file, its name;
            for a lint, its id.
        old: A description of the old state; ``None`` if the element was added.
        new: A description of the new state; ``None`` if the element was removed.
    """

    kind: SchemaChangeKind
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
        """The text in proto/README.md that states this."""
        return "in development" if self.package in IN_DEVELOPMENT else PROMISES[self.kind][1]

    @property
    def is_breaking(self) -> bool:
        """Whether no release of this schema version may make this change."""
        return self.release is Release.V2
