"""Changes of the rules, which a comparison of the wire format does not detect."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from crucible_ir.schema.fields import Kind, describe_field
from crucible_ir.schema.rules import (
    INNER_RULES,
    Rule,
    field_rules,
    message_rules,
    oneof_rules,
    rules_of,
)
from crucible_ir.schema_changes.changes import SchemaChange, SchemaChangeKind
from crucible_ir.schema_changes.rule_effects import BOUNDS, Effect, effect
from crucible_ir.schema_changes.versions import SchemaError, SchemaVersion, pairs

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    #: The kind of a change, and descriptions of the old and the new state.
    _Change: TypeAlias = tuple[SchemaChangeKind, str | None, str | None]

    #: Returns the ids of the rules that the unset or empty field breaks in the old version (0) or
    #: the new one (1); ``None`` if the rules are not those of a field.
    _Unset: TypeAlias = Callable[[int], list[str] | None]

_DEFINED_ONLY: Final = "enum.defined_only"
_REQUIRED: Final = "required"
_ALWAYS: Final = "IGNORE_ALWAYS"

_KIND_OF: Final = {
    Effect.WIDER: SchemaChangeKind.RULE_LOOSENED,
    Effect.NARROWER: SchemaChangeKind.RULE_TIGHTENED,
    Effect.OTHER: SchemaChangeKind.RULE_CHANGED,
}


@dataclass(slots=True)
class _RuleSet:
    """The rules of a message, a field, a oneof, or of the items, keys or values of a field.

    Attributes:
        rules: The rules, by a key that identifies the same rule in another version.
        ignore: The number of `buf.validate.Ignore`; a greater number ignores more.
        ignore_name: The name of `ignore`.
        unknown: The rules as bytes, if this version of protovalidate does not know all of them.
        strict: The option that modifies the rule for a well-known pattern, if it is set.
        has_messages: Whether the values are messages, which have their own rules.
    """

    rules: dict[Hashable, Rule] = field(default_factory=dict)
    ignore: int = 0
    ignore_name: str = "IGNORE_UNSPECIFIED"
    unknown: bytes = b""
    strict: str | None = None
    has_messages: bool = False


def rule_changes(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    """Yield the changes of the rules of messages and fields that are in both versions.

    Raises:
        SchemaError: The rules of a version cannot be read.
    """
    for name, declared in old.messages.items():
        if name in new.messages and declared.proto != new.messages[name].proto:
            yield from _in_message(old, new, declared.package, name)
    yield from _removed_ids(old, new)


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
    before = _rule_sets(was)
    after = {_as_named_before(path, renamed): rules for path, rules in _rule_sets(is_).items()}
    _drop_rules_of_new_fields(after[""].rules, renamed)
    for path in dict.fromkeys((*before, *after)):
        subject = _subject(path)
        if subject in _fields_of_one_version(was, is_, renamed):
            # The rules of a new field cannot reject old messages, unless it is required. A removed
            # field is a change of its own.
            continue
        if path != subject and _ALWAYS in {
            version[subject].ignore_name for version in (before, after) if subject in version
        }:
            continue
        pair = before.get(path, _RuleSet()), after.get(path, _RuleSet())
        full = f"{name}.{path}" if path else name
        names = (path, new_names.get(path, path)) if path in was.fields_by_name else None
        unset = partial(_unset_rules, (old, new), name, names)
        for kind, before_text, after_text in _in_rule_set(*pair, unset):
            if kind is SchemaChangeKind.RULE_CHANGED and _is_recorded(old, full, after_text):
                kind = SchemaChangeKind.RULE_REWRITTEN
            yield SchemaChange(kind, package, full, before_text, after_text)


def _drop_rules_of_new_fields(rules: dict[Hashable, Rule], known: Mapping[str, str]) -> None:
    """Drop the rules that an old message cannot break, because it can set one of their fields only.

    Args:
        rules: The rules of a message in the new version.
        known: The new names of the fields that are in both versions.
    """
    for key, rule in list(rules.items()):
        settable = known.keys() & set(rule.exclusive_fields)
        if rule.exclusive_fields and not rule.parameters["required"] and len(settable) <= 1:
            del rules[key]


def _is_recorded(old: SchemaVersion, place: str, text: str | None) -> bool:
    """Return whether a new rule is recorded with the old version as a rewritten one."""
    return any(
        rule.place == place and str(text).endswith(f": {rule.expression} [{rule.rule_id}]")
        for rule in old.rewritten_rules
    )


def _fields_of_one_version(
    was: Descriptor, is_: Descriptor, renamed: Mapping[str, str]
) -> set[str]:
    removed = {each.name for each in was.fields} - set(renamed.values())
    return removed | ({each.name for each in is_.fields} - renamed.keys())


def _subject(path: str) -> str:
    """Return the field or oneof of a path, without a suffix for items, keys or values."""
    return path.partition("[")[0].partition("{")[0]


def _as_named_before(path: str, renamed: Mapping[str, str]) -> str:
    subject = _subject(path)
    return renamed.get(subject, subject) + path[len(subject) :]


def _unset_rules(
    versions: tuple[SchemaVersion, SchemaVersion],
    message: str,
    names: tuple[str, str] | None,
    index: int,
) -> list[str] | None:
    """Return the ids of the rules that an unset field breaks, given its name in each version."""
    if names is None:
        return None
    empty = versions[index].message_class(message)()
    broken = versions[index].broken_rules(empty)
    return [rule_id for path, rule_id in broken if path == names[index]]


def _in_rule_set(before: _RuleSet, after: _RuleSet, unset: _Unset) -> Iterator[_Change]:
    ignored = {rules.ignore_name for rules in (before, after)} & {_ALWAYS}
    if before.ignore != after.ignore:
        change = _change_of_ignore(before, after, unset)
        if change is not None:
            yield change
    if not ignored:
        yield from _changes_of_rules(before.rules, after.rules, unset)
        if before.strict != after.strict:
            yield SchemaChangeKind.RULE_CHANGED, before.strict, after.strict
    if before.unknown != after.unknown:
        texts = [
            f"unknown rules ({len(each.unknown)} bytes)" if each.unknown else None
            for each in (before, after)
        ]
        yield SchemaChangeKind.RULE_CHANGED, texts[0], texts[1]


def _change_of_ignore(before: _RuleSet, after: _RuleSet, unset: _Unset) -> _Change | None:
    loosened = after.ignore > before.ignore
    looser, stricter = (after, before) if loosened else (before, after)
    if not (stricter.rules or stricter.has_messages):
        return None
    broken = unset(0)
    if looser.ignore_name != _ALWAYS and broken is not None and broken == unset(1):
        # It only ignores the zero value, and not even that for a field with presence.
        return None
    kind = SchemaChangeKind.RULE_LOOSENED if loosened else SchemaChangeKind.RULE_TIGHTENED
    return kind, before.ignore_name, after.ignore_name


def _changes_of_rules(
    before: Mapping[Hashable, Rule], after: Mapping[Hashable, Rule], unset: _Unset
) -> Iterator[_Change]:
    removed = {key: rule for key, rule in before.items() if key not in after}
    added = {key: rule for key, rule in after.items() if key not in before}
    for key, rule in list(added.items()):
        same = [other for other, old in removed.items() if _is_same_expression(old, rule)]
        if same:
            texts = _describe(removed.pop(same[0])), _describe(added.pop(key))
            yield SchemaChangeKind.RULE_ID_CHANGED, *texts
    for rule in removed.values():
        yield _in_one_version(rule, unset, is_added=False)
    for rule in added.values():
        yield _in_one_version(rule, unset, is_added=True)
    for key, rule in before.items():
        if key in after:
            yield from _changes_of_rule(rule, after[key])


def _in_one_version(rule: Rule, unset: _Unset, *, is_added: bool) -> _Change:
    """Return the change of a rule that was added or removed."""
    kind = SchemaChangeKind.RULE_ADDED if is_added else SchemaChangeKind.RULE_REMOVED
    other: str | None = None
    if rule.rule_id == _DEFINED_ONLY:
        closed, opened = SchemaChangeKind.VOCABULARY_CLOSED, SchemaChangeKind.VOCABULARY_OPENED
        kind = closed if is_added else opened
    elif rule.rule_id == _REQUIRED and (others := unset(0 if is_added else 1)):
        # It hides the other rules of an empty field, which the other version reports.
        kind = SchemaChangeKind.RULE_ID_CHANGED
        other = ", ".join(f"[{each}]" for each in others)
    return (kind, other, _describe(rule)) if is_added else (kind, _describe(rule), other)


def _changes_of_rule(old: Rule, new: Rule) -> Iterator[_Change]:
    accepts = effect(old, new)
    texts = _describe(old), _describe(new)
    if accepts is not Effect.SAME:
        yield _KIND_OF[accepts], *texts
    if old.rule_id != new.rule_id and accepts in (Effect.SAME, Effect.WIDER):
        yield SchemaChangeKind.RULE_ID_CHANGED, *texts


def _is_same_expression(old: Rule, new: Rule) -> bool:
    expression = old.parameters.get("expression")
    return expression is not None and expression == new.parameters.get("expression")


def _describe(rule: Rule) -> str:
    expression = rule.parameters.get("expression")
    description = rule.description
    if isinstance(expression, str):
        description = f"{description}: {expression}"
    return f"{description} [{rule.rule_id}]"


def _removed_ids(old: SchemaVersion, new: SchemaVersion) -> Iterator[SchemaChange]:
    before, after = _ids(old), _ids(new)
    for package, ids in before.items():
        for rule_id in sorted(ids - after.get(package, ids)):
            kind = SchemaChangeKind.RULE_ID_REMOVED
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


def _rule_sets(message: Descriptor) -> dict[str, _RuleSet]:
    """Return the rule sets of a message, including empty ones of fields, by path."""
    # First, because it raises if rules cannot be read.
    rules = _rules_of(message)
    found: dict[str, _RuleSet] = {"": _RuleSet(unknown=_unknown(message_rules(message)))}
    for oneof in message.oneofs:
        found[oneof.name] = _RuleSet(unknown=_unknown(oneof_rules(oneof)))
    for member in message.fields:
        declared = field_rules(member)
        has_messages = describe_field(member).kind is Kind.MESSAGE
        found[member.name] = _RuleSet(unknown=_unknown(declared), has_messages=has_messages)
        _add_declared(found, member.name, declared)
    for rule in rules:
        rule_set = found.setdefault(rule.field_path, _RuleSet())
        key = _identity(rule)
        # The ids of the rules of a field are not necessarily unique.
        while key in rule_set.rules:
            key = (key, "again")
        rule_set.rules[key] = rule
    return found


def _add_declared(found: dict[str, _RuleSet], path: str, declared: Any) -> None:
    """Record what `rules_of` does not return: `ignore`, and the options that modify rules."""
    rule_set = found.setdefault(path, _RuleSet())
    enum = declared.DESCRIPTOR.fields_by_name["ignore"].enum_type
    ignore = declared.ignore
    known = enum.values_by_number.get(ignore)
    rule_set.ignore, rule_set.ignore_name = ignore, known.name if known else str(ignore)
    kind = declared.WhichOneof("type")
    if kind is None:
        return
    standard = getattr(declared, kind)
    for option, value in standard.ListFields():
        if option.name in INNER_RULES:
            _add_declared(found, path + INNER_RULES[option.name], value)
        elif option.name == "strict" and standard.HasField("well_known_regex"):
            rule_set.strict = f"strict = {str(value).lower()}"


def _unknown(declared: Any) -> bytes:
    """Return the encoded rules if they include unknown ones, such as predefined rules."""
    known = type(declared)()
    known.CopyFrom(declared)
    known.DiscardUnknownFields()
    encoded: bytes = declared.SerializeToString(deterministic=True)
    return encoded if known.ByteSize() != len(encoded) else b""


def _identity(rule: Rule) -> Hashable:
    """Return a key that identifies the same rule in another version, whatever its parameters."""
    if rule.parameters.keys() <= BOUNDS:
        return "bounds"
    if rule.rule_id == "message.oneof":
        return rule.rule_id, rule.parameters["fields"]
    return rule.rule_id
