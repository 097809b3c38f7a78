"""Changes of the rules, which a check of the wire format does not see."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from crucible_ir.schema.rules import (
    INNER_RULES,
    Rule,
    field_rules,
    message_rules,
    oneof_rules,
    rules_of,
)
from crucible_ir.schema.types import message_of
from crucible_ir.schema_changes.changes import ChangeKind, SchemaChange
from crucible_ir.schema_changes.rule_effects import BOUNDS, Effect, effect
from crucible_ir.schema_changes.versions import SchemaError, SchemaVersion, pairs

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    _Told: TypeAlias = tuple[ChangeKind, str | None, str | None]

_CLOSING: Final = "enum.defined_only"
_REQUIRED: Final = "required"
_ALWAYS: Final = "IGNORE_ALWAYS"

_KIND_OF: Final = {
    Effect.WIDER: ChangeKind.RULE_LOOSENED,
    Effect.NARROWER: ChangeKind.RULE_TIGHTENED,
    Effect.OTHER: ChangeKind.RULE_CHANGED,
}


@dataclass(slots=True)
class _Place:
    """The rules of one place of a message: of itself, a field, a oneof, or what a field holds.

    Attributes:
        rules: The rules, each by what makes it the same rule in another version.
        ignore: The number of `buf.validate.Ignore`, of which a greater one ignores more.
        ignore_name: Its name.
        unknown: The rules as bytes, if this protovalidate does not know all of them.
        modifiers: Options that are no rules themselves but modify others, by name.
        holds_messages: Whether the values there are messages, which have rules of their own.
    """

    rules: dict[Hashable, Rule] = field(default_factory=dict)
    ignore: int = 0
    ignore_name: str = "IGNORE_UNSPECIFIED"
    unknown: bytes = b""
    modifiers: dict[str, str] = field(default_factory=dict)
    holds_messages: bool = False


def is_closed_vocabulary(field: FieldDescriptor) -> bool:
    """Tell whether a field, or the list that it is, takes no number that its enum lacks."""
    names = (field.name, f"{field.name}[]")
    owner = cast("Descriptor", field.containing_type)
    return any(rule.rule_id == _CLOSING and rule.field_path in names for rule in _rules_of(owner))


def rule_changes(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    """Yield what changed in the rules of messages and fields that both versions have.

    Raises:
        SchemaError: The rules of a version cannot be read.
    """
    for name, declared in old.messages.items():
        if name in new.messages and declared.proto != new.messages[name].proto:
            yield from _in_message(old, new, declared.package, name)
    yield from _vanished_ids(old, new)


def _in_message(
    old: SchemaVersion, new: SchemaVersion, package: str, name: str
) -> Iterator[SchemaChange]:
    was, is_ = old.message(name), new.message(name)
    renamed = {
        after.name: before.name
        for before, after in pairs(was.fields, is_.fields)
        if before is not None and after is not None
    }
    new_names = {before: after for after, before in renamed.items()}
    before = _places(was)
    after = {_as_named_before(path, renamed): place for path, place in _places(is_).items()}
    for path in dict.fromkeys((*before, *after)):
        subject = _subject(path)
        if subject in _fields_of_one_version(was, is_, renamed):
            # A new field has no old messages to refuse, unless it is required; one that is gone
            # takes its rules along.
            continue
        if path != subject and _ALWAYS in {
            version[subject].ignore_name for version in (before, after) if subject in version
        }:
            continue
        pair = before.get(path, _Place()), after.get(path, _Place())
        full = f"{name}.{path}" if path else name
        names = (path, new_names.get(path, path)) if path in was.fields_by_name else None
        for kind, told, now in _in_place(*pair, _Unset((old, new), name, names)):
            yield SchemaChange(kind, package, full, told, now)


def _fields_of_one_version(
    was: Descriptor, is_: Descriptor, renamed: Mapping[str, str]
) -> set[str]:
    removed = {each.name for each in was.fields} - set(renamed.values())
    return removed | ({each.name for each in is_.fields} - renamed.keys())


def _subject(path: str) -> str:
    """Return the field or oneof of a path that may lead to what a list or map holds."""
    return path.partition("[")[0].partition("{")[0]


def _as_named_before(path: str, renamed: Mapping[str, str]) -> str:
    subject = _subject(path)
    return renamed.get(subject, subject) + path[len(subject) :]


@dataclass(frozen=True, slots=True)
class _Unset:
    """What the versions make of a message in which a field is unset or empty.

    Attributes:
        versions: The old and the new version.
        message: The full name of the message.
        names: The name of the field in each version; ``None`` for a place that is no field.
    """

    versions: tuple[SchemaVersion, SchemaVersion]
    message: str
    names: tuple[str, str] | None

    def refusals(self, index: int) -> list[str] | None:
        """Return the ids of the rules that a version refuses it by; ``None`` if that is not known.

        Args:
            index: 0 for the old version, 1 for the new one.
        """
        if self.names is None:
            return None
        empty = self.versions[index].message_class(self.message)()
        broken = self.versions[index].broken_rules(empty)
        return [rule_id for path, rule_id in broken if path == self.names[index]]

    def is_judged_the_same(self) -> bool:
        """Tell whether both versions are known to refuse it by the same rules, or not to."""
        before = self.refusals(0)
        return before is not None and before == self.refusals(1)


def _in_place(before: _Place, after: _Place, unset: _Unset) -> Iterator[_Told]:
    ignored = {place.ignore_name for place in (before, after)} & {_ALWAYS}
    if before.ignore != after.ignore:
        told = _change_of_ignore(before, after, unset)
        if told is not None:
            yield told
    if not ignored:
        yield from _changes_of_rules(before.rules, after.rules, unset)
        for name in sorted(before.modifiers.keys() | after.modifiers.keys()):
            was, is_ = before.modifiers.get(name), after.modifiers.get(name)
            if was != is_:
                yield ChangeKind.RULE_CHANGED, was, is_
    if before.unknown != after.unknown:
        words = [
            f"rules unknown here ({len(each.unknown)} bytes)" if each.unknown else None
            for each in (before, after)
        ]
        yield ChangeKind.RULE_CHANGED, words[0], words[1]


def _change_of_ignore(before: _Place, after: _Place, unset: _Unset) -> _Told | None:
    loosened = after.ignore > before.ignore
    looser, stricter = (after, before) if loosened else (before, after)
    if not (stricter.rules or stricter.holds_messages):
        return None
    if looser.ignore_name != _ALWAYS and unset.is_judged_the_same():
        # The zero value is all that it lets through, and that of a field with presence not even.
        return None
    kind = ChangeKind.RULE_LOOSENED if loosened else ChangeKind.RULE_TIGHTENED
    return kind, before.ignore_name, after.ignore_name


def _changes_of_rules(
    before: Mapping[Hashable, Rule], after: Mapping[Hashable, Rule], unset: _Unset
) -> Iterator[_Told]:
    gone = {key: rule for key, rule in before.items() if key not in after}
    come = {key: rule for key, rule in after.items() if key not in before}
    for key, rule in list(come.items()):
        same = [other for other, old in gone.items() if _is_same_expression(old, rule)]
        if same:
            yield ChangeKind.RULE_ID_CHANGED, _words(gone.pop(same[0])), _words(come.pop(key))
    for rule in gone.values():
        yield _loss(rule, unset)
    for rule in come.values():
        yield _gain(rule, unset)
    for key, rule in before.items():
        if key in after:
            yield from _changes_of_rule(rule, after[key])


def _loss(rule: Rule, unset: _Unset) -> _Told:
    if rule.rule_id == _CLOSING:
        return ChangeKind.VOCABULARY_OPENED, _words(rule), None
    others = unset.refusals(1) if rule.rule_id == _REQUIRED else None
    if others:
        # It hid the other rules of an empty field, which refuse it now under their own ids.
        return ChangeKind.RULE_ID_CHANGED, _words(rule), ", ".join(f"[{each}]" for each in others)
    return ChangeKind.RULE_REMOVED, _words(rule), None


def _gain(rule: Rule, unset: _Unset) -> _Told:
    if rule.rule_id == _CLOSING:
        return ChangeKind.VOCABULARY_CLOSED, None, _words(rule)
    others = unset.refusals(0) if rule.rule_id == _REQUIRED else None
    if others:
        return ChangeKind.RULE_ID_CHANGED, ", ".join(f"[{each}]" for each in others), _words(rule)
    return ChangeKind.RULE_ADDED, None, _words(rule)


def _changes_of_rule(old: Rule, new: Rule) -> Iterator[_Told]:
    accepts = effect(old, new)
    words = _words(old), _words(new)
    if accepts is not Effect.SAME:
        yield _KIND_OF[accepts], *words
    if old.rule_id != new.rule_id and accepts in (Effect.SAME, Effect.WIDER):
        yield ChangeKind.RULE_ID_CHANGED, *words


def _is_same_expression(old: Rule, new: Rule) -> bool:
    expression = old.parameters.get("expression")
    return expression is not None and expression == new.parameters.get("expression")


def _words(rule: Rule) -> str:
    expression = rule.parameters.get("expression")
    said = rule.description
    if isinstance(expression, str):
        said = f"{said}: {expression}"
    return f"{said} [{rule.rule_id}]"


def _vanished_ids(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    before, after = _ids(old), _ids(new)
    for package, ids in before.items():
        for rule_id in sorted(ids - after.get(package, ids)):
            kind = ChangeKind.RULE_ID_REMOVED
            yield SchemaChange(kind, package, package, old=rule_id)


def _ids(version: SchemaVersion) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, declared in version.messages.items():
        ids = {rule.rule_id for rule in _rules_of(version.message(name))}
        found.setdefault(declared.package, set()).update(ids)
    return found


def _rules_of(message: Descriptor) -> tuple[Rule, ...]:
    try:
        return rules_of(message)
    except Exception as error:
        reason = f"the rules of {message.full_name} cannot be read: {error}"
        raise SchemaError(reason) from error


def _places(message: Descriptor) -> dict[str, _Place]:
    """Return the places of a message that have rules, or could have, by their path."""
    # Says first what cannot be read.
    rules = _rules_of(message)
    found: dict[str, _Place] = {"": _Place(unknown=_unknown(message_rules(message)))}
    for oneof in message.oneofs:
        if oneof.has_options:
            found[oneof.name] = _Place(unknown=_unknown(oneof_rules(oneof)))
    for member in message.fields:
        if member.has_options:
            declared = field_rules(member)
            found[member.name] = _Place(unknown=_unknown(declared))
            _add_declared(found, member.name, declared)
            found[member.name].holds_messages = message_of(member) is not None
        else:
            found[member.name] = _Place(holds_messages=message_of(member) is not None)
    for rule in rules:
        place = found.setdefault(rule.field_path, _Place())
        key = _identity(rule)
        # Nothing keeps two rules of one place from sharing an id.
        while key in place.rules:
            key = (key, "again")
        place.rules[key] = rule
    return found


def _add_declared(found: dict[str, _Place], path: str, declared: Any) -> None:
    """Record what `rules_of` does not tell: what is ignored, and what modifies other rules."""
    place = found.setdefault(path, _Place())
    enum = declared.DESCRIPTOR.fields_by_name["ignore"].enum_type
    ignore = declared.ignore
    known = enum.values_by_number.get(ignore)
    place.ignore, place.ignore_name = ignore, known.name if known else str(ignore)
    kind = declared.WhichOneof("type")
    if kind is None:
        return
    standard = getattr(declared, kind)
    for option, value in standard.ListFields():
        if option.name in INNER_RULES:
            _add_declared(found, path + INNER_RULES[option.name], value)
        elif option.name == "strict" and standard.HasField("well_known_regex"):
            place.modifiers[option.name] = f"{option.name} = {str(value).lower()}"


def _unknown(declared: Any) -> bytes:
    """Return rules that hold what this protovalidate does not know, such as predefined ones."""
    known = type(declared)()
    known.CopyFrom(declared)
    known.DiscardUnknownFields()
    whole: bytes = declared.SerializeToString(deterministic=True)
    return whole if known.ByteSize() != len(whole) else b""


def _identity(rule: Rule) -> Hashable:
    """Return what makes a rule the same in another version, though its parameters may differ."""
    if rule.parameters.keys() <= BOUNDS:
        return "bounds"
    if rule.rule_id == "message.oneof":
        return rule.rule_id, rule.parameters["fields"]
    return rule.rule_id
