"""The kinds of schema change, and the smallest release that may make each of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self


class Release(StrEnum):
    """The smallest release that may make a change. Members are in ascending order."""

    ANY = "any release"
    MINOR = "minor release"
    V2 = "v2"
    """A new schema version: the change breaks users of this one."""


_OPTION: Final = "an option that shapes generated code changed"
_MOVED: Final = "a message or enum moved to another file"
_DEFAULT: Final = "an existing field's default added, changed or removed"
_REMOVED: Final = "a message, enum, service or method removed"


class SchemaChangeKind(StrEnum):
    """The kind of a schema change.

    Attributes:
        release: The release that may make it.
        promise: The text in proto/README.md, "Versioning", in the row of that release.
    """

    release: Release
    promise: str

    def __new__(cls, value: str, release: Release, promise: str) -> Self:
        """Create a member."""
        made = str.__new__(cls, value)
        made._value_ = value
        made.release, made.promise = release, promise
        return made

    PACKAGE_ADDED = "package_added", Release.MINOR, "a new package"
    PACKAGE_REMOVED = "package_removed", Release.V2, "a package or file removed"
    FILE_REMOVED = "file_removed", Release.V2, "a package or file removed"
    FILE_OPTION_CHANGED = "file_option_changed", Release.V2, _OPTION

    MESSAGE_ADDED = "message_added", Release.MINOR, "a new message"
    MESSAGE_REMOVED = "message_removed", Release.V2, _REMOVED
    MESSAGE_MOVED = "message_moved", Release.V2, _MOVED
    ENUM_ADDED = "enum_added", Release.MINOR, "a new enum"
    ENUM_REMOVED = "enum_removed", Release.V2, _REMOVED
    ENUM_MOVED = "enum_moved", Release.V2, _MOVED
    DEPRECATED = "deprecated", Release.MINOR, "marked deprecated"
    NO_LONGER_DEPRECATED = "no_longer_deprecated", Release.MINOR, "or no longer"
    OPTION_CHANGED = "option_changed", Release.V2, _OPTION
    RESERVATION_REMOVED = "reservation_removed", Release.V2, "a reserved number or name given back"

    FIELD_ADDED = "field_added", Release.MINOR, "a new field that is not required"
    REQUIRED_FIELD_ADDED = "required_field_added", Release.V2, "a new field that is required"
    ONEOF_MEMBER_ADDED = "oneof_member_added", Release.MINOR, "a new member of a oneof"
    FIELD_REMOVED = "field_removed", Release.V2, "removed"
    FIELD_RENAMED = "field_renamed", Release.V2, "renamed"
    FIELD_RENUMBERED = "field_renumbered", Release.V2, "renumbered"
    FIELD_RETYPED = "field_retyped", Release.V2, "retyped"
    FIELD_MOVED = "field_moved", Release.V2, "moved into or out of a oneof"
    JSON_NAME_CHANGED = "json_name_changed", Release.V2, "renamed in JSON"
    DEFAULT_ADDED = "default_added", Release.V2, _DEFAULT
    DEFAULT_CHANGED = "default_changed", Release.V2, _DEFAULT
    DEFAULT_REMOVED = "default_removed", Release.V2, _DEFAULT

    ENUM_VALUE_ADDED = "enum_value_added", Release.MINOR, "a new name in an open vocabulary"
    CLOSED_ENUM_VALUE_ADDED = (
        "closed_enum_value_added",
        Release.MINOR,
        "a new name in a closed vocabulary",
    )
    ENUM_VALUE_REMOVED = "enum_value_removed", Release.V2, "removed"
    ENUM_VALUE_RENAMED = "enum_value_renamed", Release.V2, "renamed"
    ENUM_VALUE_RENUMBERED = "enum_value_renumbered", Release.V2, "renumbered"

    RULE_ADDED = "rule_added", Release.V2, "a rule added to an existing field"
    RULE_REMOVED = "rule_removed", Release.MINOR, "a rule removed"
    RULE_TIGHTENED = "rule_tightened", Release.V2, "a narrower range"
    RULE_LOOSENED = "rule_loosened", Release.MINOR, "a wider range"
    RULE_CHANGED = "rule_changed", Release.V2, "a rule changed in another way"
    """Neither wider nor narrower, or not comparable, such as expressions and patterns."""
    RULE_REWRITTEN = "rule_rewritten", Release.MINOR, "a rule rewritten under its id"
    """Recorded with the old release, because a test shows that it accepts no less."""
    RULE_ID_CHANGED = "rule_id_changed", Release.V2, "a rule id changed"
    RULE_ID_REMOVED = "rule_id_removed", Release.MINOR, "a rule removed"
    """No rule of the package has the id any more."""
    VOCABULARY_CLOSED = "vocabulary_closed", Release.V2, "an open vocabulary closed"
    VOCABULARY_OPENED = "vocabulary_opened", Release.V2, "a closed one opened"

    LINT_ADDED = "lint_added", Release.ANY, "lints"
    LINT_REMOVED = "lint_removed", Release.ANY, "lints"
    LINT_BECAME_RULE = "lint_became_rule", Release.V2, "a lint turned into a rule"

    EXTENSION_ADDED = "extension_added", Release.MINOR, "a new option"
    EXTENSION_REMOVED = "extension_removed", Release.V2, "an option of our own changed or removed"
    EXTENSION_CHANGED = "extension_changed", Release.V2, "an option of our own changed"
    SERVICE_ADDED = "service_added", Release.MINOR, "a new service or method"
    SERVICE_REMOVED = "service_removed", Release.V2, _REMOVED
    METHOD_ADDED = "method_added", Release.MINOR, "a new service or method"
    METHOD_REMOVED = "method_removed", Release.V2, _REMOVED
    METHOD_CHANGED = "method_changed", Release.V2, "a method's messages or streaming changed"


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
        return Release.ANY if self.package in IN_DEVELOPMENT else self.kind.release

    @property
    def promise(self) -> str:
        """The text in proto/README.md that states this."""
        return "in development" if self.package in IN_DEVELOPMENT else self.kind.promise

    @property
    def is_breaking(self) -> bool:
        """Whether no release of this schema version may make this change."""
        return self.release is Release.V2
