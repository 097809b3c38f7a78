"""Each rule of the schema, loosened, tightened, added and removed, is classified correctly.

The cases are the rules of the schema: each is changed separately, in both directions. The effect of
a change is determined by validating values with protovalidate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace as with_values
from functools import cache, partial, reduce
from itertools import islice
from random import Random
from typing import Any

import pytest
from effort import examples
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from message_strategies import doubles, texts
from schema_changes.mutations import (
    PACKAGE,
    changes_by,
    changes_undone,
    current,
    current_files,
    edit_rules,
    field_of,
    message_of,
    messages_of,
    rules_in,
    version,
)
from schema_changes.oracle import (
    NARROWING,
    WIDENING,
    boundary_values,
    is_promised,
    observe,
    single_values,
)
from validation import message_cases

from crucible_ir.schema.rules import rules_of
from crucible_ir.schema_changes import (
    Release,
    SchemaChange,
    SchemaChangeKind,
    SchemaVersion,
    compare,
)
from crucible_ir.schema_changes.versions import RewrittenRule

pytestmark = pytest.mark.slow

#: The range of timestamps in RFC 3339.
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799

RuleEdit = Callable[[Any], object]


@pytest.fixture(autouse=True, scope="module")
def forget_versions() -> Iterator[None]:
    """Release the many versions in the cache."""
    yield
    rules_of.cache_clear()


def own_messages(files: FileDescriptorSet) -> Iterator[tuple[str, Any]]:
    """Yield every message of the schema's packages with its full name."""
    for file in files.file:
        if file.package.startswith("crucible_ir."):
            for message in file.message_type:
                yield f"{file.package}.{message.name}", message


def found(files: FileDescriptorSet, path: str) -> FieldDescriptorProto:
    message, _, name = path.rpartition(".")
    declared: DescriptorProto = dict(own_messages(files))[message]
    return next(field for field in declared.field if field.name == name)


def edits(declared: Any, steps: tuple[str, ...] = ()) -> Iterator[tuple[str, RuleEdit]]:
    """Yield small changes of some rules, each with a name.

    Args:
        declared: The ``buf.validate.FieldRules``.
        steps: Their path in the rules of the field.
    """
    for option, _ in declared.ListFields():
        if option.name in ("required", "cel"):
            yield f"no {option.name}", partial(clear, (*steps, option.name))
    kind = declared.WhichOneof("type")
    if kind is None:
        return
    for option, value in getattr(declared, kind).ListFields():
        path = (*steps, kind, option.name)
        if option.name in ("items", "keys", "values"):
            yield from edits(value, path)
            continue
        yield f"no {'.'.join(path)}", partial(clear, path)
        for step in (-1, 1):
            changed = nudged(value, step)
            if changed is not None:
                yield f"{'.'.join(path)} {step:+}", partial(replace, path, changed)


def clear(path: tuple[str, ...], rules: Any) -> None:
    reduce(getattr, path[:-1], rules).ClearField(path[-1])


def replace(path: tuple[str, ...], value: Any, rules: Any) -> None:
    put(reduce(getattr, path[:-1], rules), path[-1], value)


def nudged(value: Any, step: int) -> Any:
    """Return a parameter that is slightly smaller or larger."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value + step if value + step >= 0 or value < 0 else None
    if isinstance(value, float):
        return value + step / 2
    if isinstance(value, str):
        return value[:-1] if step < 0 and value[-1:].isalpha() else None
    if hasattr(value, "seconds"):
        changed = type(value)()
        changed.CopyFrom(value)
        changed.seconds += step
        # JSON cannot represent it, so that it cannot be a bound in a schema.
        return changed if FIRST_SECOND <= changed.seconds <= LAST_SECOND else None
    return None


def put(standard: Any, name: str, value: Any) -> None:
    if hasattr(value, "seconds"):
        getattr(standard, name).CopyFrom(value)
    else:
        setattr(standard, name, value)


def cases() -> Iterator[Any]:
    """Yield each small change of the rules of a field, once for fields with the same rules."""
    seen: set[Any] = set()
    for full_name, message in own_messages(current_files()):
        for field in message.field:
            rules = rules_in(field)
            shape = field.type, field.label, field.proto3_optional, rules.SerializeToString()
            if shape in seen:
                continue
            seen.add(shape)
            for name, edit in edits(rules):
                yield pytest.param(f"{full_name}.{field.name}", edit, id=f"{field.name}: {name}")


def both(path: str, edit: RuleEdit) -> tuple[SchemaVersion, SchemaVersion]:
    return current(), version("new", lambda files: edit_rules(found(files, path), edit))


def checked_changes(
    old: SchemaVersion, new: SchemaVersion, path: str, values: list[Any]
) -> list[SchemaChange]:
    """Return the changes between two versions, after checking them against the observed effect."""
    message, _, field = path.rpartition(".")
    changes = [
        change
        for change in compare(old, new)
        if change.kind is not SchemaChangeKind.RULE_ID_REMOVED
    ]
    assert {change.place.split("[")[0].split("{")[0] for change in changes} <= {path}
    kinds = {change.kind for change in changes}
    effect = observe(old, new, message, field, values)
    assert bool(kinds & (NARROWING | {SchemaChangeKind.RULE_CHANGED})) == effect.narrower
    assert bool(kinds & (WIDENING | {SchemaChangeKind.RULE_CHANGED})) == effect.wider
    if effect.other_ids and not effect.narrower:
        assert SchemaChangeKind.RULE_ID_CHANGED in kinds
    if SchemaChangeKind.RULE_ID_CHANGED in kinds:
        assert effect.other_ids
    breaks = effect.narrower or effect.other_ids or SchemaChangeKind.VOCABULARY_OPENED in kinds
    assert is_promised(changes) == (not breaks)
    return changes


@pytest.mark.parametrize(("path", "edit"), list(cases()))
def test_a_changed_rule_is_classified_by_its_observed_effect(path: str, edit: RuleEdit) -> None:
    old, new = both(path, edit)
    message, _, field = path.rpartition(".")
    declared = old.message(message).fields_by_name[field]
    rules = [rules_in(found(each.files, path)) for each in (old, new)]
    values = boundary_values(declared, rules)
    forward = checked_changes(old, new, path, values)
    backward = checked_changes(new, old, path, values)
    assert forward
    assert {change.old for change in forward} == {change.new for change in backward}


def test_the_removal_of_every_rule_of_every_field_is_reported() -> None:
    def unrule(files: FileDescriptorSet) -> None:
        for _, message in own_messages(files):
            for field in message.field:
                edit_rules(field, lambda rules: rules.Clear())

    expected = [
        f"{name}.{rule.field_path}"
        for name, message in own_messages(current_files())
        for rule in rules_of(current().message(name))
        if rule.field_path.split("[")[0] in {field.name for field in message.field}
    ]
    lost = (SchemaChangeKind.RULE_REMOVED, SchemaChangeKind.VOCABULARY_OPENED)
    assert sorted(c.place for c in changes_by(unrule) if c.kind in lost) == sorted(expected)
    assert len(expected) > 150


def drawn_values(field: Any) -> st.SearchStrategy[Any]:
    """Generate values of a number or string field."""
    if field.cpp_type == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return st.binary(max_size=600)
        return texts | st.text(min_size=100, max_size=300).map(lambda text: text * 2)
    return doubles if field.cpp_type == field.CPPTYPE_DOUBLE else st.integers(-(2**31), 2**31 - 1)


@cache
def scalar_cases() -> list[Any]:
    """Return the cases of singular number and string fields."""
    chosen = []
    for case in cases():
        message, _, name = case.values[0].rpartition(".")
        field = current().message(message).fields_by_name[name]
        if field.message_type is None and not field.is_repeated:
            chosen.append((case.values[0], case.values[1]))
    return chosen


@settings(max_examples=examples(50))
@given(st.data())
def test_a_change_that_rejects_a_valid_value_is_never_allowed(
    data: st.DataObject,
) -> None:
    path, edit = data.draw(st.sampled_from(scalar_cases()))
    old, new = both(path, edit)
    if data.draw(st.booleans()):
        old, new = new, old
    message, _, field = path.rpartition(".")
    declared = old.message(message).fields_by_name[field]
    rules = [rules_in(found(each.files, path)) for each in (old, new)]
    values = st.sampled_from(single_values(declared, rules)) | drawn_values(declared)
    effect = observe(old, new, message, field, [data.draw(values)])
    changes = compare(old, new)
    if effect.narrower or effect.other_ids:
        assert not is_promised(changes)
    kinds = {change.kind for change in changes}
    assert not (effect.wider and not kinds & (WIDENING | {SchemaChangeKind.RULE_CHANGED}))


@cache
def cases_by_message() -> dict[str, list[tuple[str, RuleEdit]]]:
    """Return every small change of a rule, by the name of its message of the IR."""
    return {
        message.name: [
            (f"{PACKAGE}.{message.name}.{field.name}", edit)
            for field in message.field
            for _, edit in edits(rules_in(field))
        ]
        for message in messages_of(current_files())
    }


@settings(max_examples=examples(60))
@given(st.data())
def test_changes_allowed_in_a_minor_release_never_invalidate_a_message(
    data: st.DataObject,
) -> None:
    """Several rules change at once, in both directions; complete messages are validated."""
    with_rules = sorted(name for name, found in cases_by_message().items() if found)
    name = data.draw(st.sampled_from(with_rules))
    chosen = data.draw(st.lists(st.sampled_from(cases_by_message()[name]), min_size=1, max_size=4))

    def edit(files: FileDescriptorSet) -> None:
        for path, change in chosen:
            edit_rules(found(files, path), change)

    old, new = current(), version("new", edit)
    if data.draw(st.booleans()):
        old, new = new, old
    judged = random_messages(name, data.draw(st.integers(0, 2**16)))
    classes = [each.message_class(f"{PACKAGE}.{name}") for each in (old, new)]
    lost = [
        message
        for message in judged
        if not old.broken_rules(classes[0].FromString(message))
        and new.broken_rules(classes[1].FromString(message))
    ]
    assert not lost or any(change.is_breaking for change in compare(old, new))


def random_messages(name: str, seed: int) -> list[bytes]:
    """Return messages of a type near the limits of its rules, most of them valid."""
    random = Random(seed)
    chosen = list(islice(message_cases.cases(name, seed, 0), 4_000))
    return [each.SerializeToString() for each in random.sample(chosen, min(60, len(chosen)))]


def required_oneofs() -> list[tuple[str, str]]:
    return [
        (message.name, oneof.name)
        for message in messages_of(current_files())
        for oneof in message.oneof_decl
        if rules_in(oneof, "oneof").required
    ]


@pytest.mark.parametrize(("message", "oneof"), required_oneofs())
def test_making_a_oneof_optional_is_looser_and_making_it_required_breaks(
    message: str, oneof: str
) -> None:
    def optional(files: FileDescriptorSet) -> None:
        declared = next(o for o in message_of(files, message).oneof_decl if o.name == oneof)
        edit_rules(declared, lambda rules: rules.ClearField("required"), "oneof")

    place = f"{PACKAGE}.{message}.{oneof}"
    empty = version("new", optional).message_class(f"{PACKAGE}.{message}")()
    assert (oneof, "required") not in version("new", optional).broken_rules(empty)
    removed, added = changes_by(optional), changes_undone(optional)
    assert (SchemaChangeKind.RULE_REMOVED, place) in {(c.kind, c.place) for c in removed}
    assert not any(change.is_breaking for change in removed)
    assert (SchemaChangeKind.RULE_ADDED, place) in {(c.kind, c.place) for c in added}
    assert any(change.is_breaking for change in added)


def messages_with_expressions() -> list[str]:
    return [m.name for m in messages_of(current_files()) if rules_in(m, "message").cel]


@pytest.mark.parametrize("message", messages_with_expressions())
def test_changes_of_expressions_and_their_ids_are_reported(message: str) -> None:
    def edited(edit: RuleEdit) -> Callable[[FileDescriptorSet], None]:
        return lambda files: edit_rules(message_of(files, message), edit, "message")

    def rename(rules: Any) -> None:
        rules.cel[0].id = "another.id"

    def rewrite(rules: Any) -> None:
        rules.cel[0].expression = "true"

    def reword(rules: Any) -> None:
        rules.cel[0].message = "other words"

    def kinds(changes: list[SchemaChange]) -> set[SchemaChangeKind]:
        return {change.kind for change in changes} - {SchemaChangeKind.RULE_ID_REMOVED}

    remove = edited(lambda rules: rules.ClearField("cel"))
    assert kinds(changes_by(remove)) == {SchemaChangeKind.RULE_REMOVED}
    assert kinds(changes_undone(remove)) == {SchemaChangeKind.RULE_ADDED}
    assert kinds(changes_by(edited(rename))) == {SchemaChangeKind.RULE_ID_CHANGED}
    assert kinds(changes_by(edited(rewrite))) == {SchemaChangeKind.RULE_CHANGED}
    assert changes_by(edited(reword)) == []
    (changed,) = (c for c in changes_by(edited(rewrite)))
    assert changed.place == f"{PACKAGE}.{message}"
    assert changed.is_breaking


def test_a_rule_id_without_a_rule_is_reported() -> None:
    def unrule(files: FileDescriptorSet) -> None:
        edit_rules(
            field_of(files, "Artifact.size_bytes"), lambda rules: rules.int64.ClearField("gte")
        )

    changes = {change.kind: change for change in changes_by(unrule)}
    assert set(changes) == {SchemaChangeKind.RULE_REMOVED, SchemaChangeKind.RULE_ID_REMOVED}
    gone = changes[SchemaChangeKind.RULE_ID_REMOVED]
    assert (gone.place, gone.old) == (PACKAGE, "int64.gte")
    assert not gone.is_breaking


def add_list(files: FileDescriptorSet, least: int) -> None:
    field = message_of(files, "StageDef").field.add(
        name="needs",
        number=90,
        label=FieldDescriptorProto.LABEL_REPEATED,
        type=FieldDescriptorProto.TYPE_STRING,
        json_name="needs",
    )
    edit_rules(field, lambda rules: put(rules.repeated, "min_items", least))


@pytest.mark.parametrize(
    ("least", "kind"),
    [(0, SchemaChangeKind.FIELD_ADDED), (1, SchemaChangeKind.REQUIRED_FIELD_ADDED)],
)
def test_a_new_field_is_breaking_if_messages_without_it_are_invalid(
    least: int, kind: SchemaChangeKind
) -> None:
    (added,) = changes_by(lambda files: add_list(files, least))
    assert added.kind is kind
    assert added.is_breaking == (least > 0)


@pytest.mark.parametrize("path", ["StageDef.name", "Experiment.backend", "ModelRef.id"])
def test_ignoring_all_rules_of_a_field_is_looser_and_no_longer_ignoring_them_breaks(
    path: str,
) -> None:
    def ignore(files: FileDescriptorSet) -> None:
        edit_rules(field_of(files, path), lambda rules: setattr(rules, "ignore", 3))

    (looser,), (tighter,) = (
        [c for c in changes if c.kind is not SchemaChangeKind.RULE_ID_REMOVED]
        for changes in (changes_by(ignore), changes_undone(ignore))
    )
    assert (looser.kind, tighter.kind) == (
        SchemaChangeKind.RULE_LOOSENED,
        SchemaChangeKind.RULE_TIGHTENED,
    )
    assert (looser.new, looser.is_breaking) == ("IGNORE_ALWAYS", False)
    assert (tighter.old, tighter.is_breaking) == ("IGNORE_ALWAYS", True)
    message, _, name = path.partition(".")
    effect = observe(current(), version("new", ignore), f"{PACKAGE}.{message}", name, [None])
    assert (effect.wider, effect.narrower) == (True, False)


@pytest.mark.parametrize(
    ("path", "is_looser"),
    [
        ("Experiment.pipeline", True),
        # Zero satisfies the rule.
        ("Hedging.strategy", False),
        # With presence, the rule depends on whether the field is set.
        ("TrainingConfig.epochs", False),
        ("Experiment.backend", False),
    ],
)
def test_ignoring_zero_values_is_looser_only_if_a_rule_rejects_them(
    path: str, is_looser: bool
) -> None:
    def ignore(files: FileDescriptorSet) -> None:
        edit_rules(field_of(files, path), lambda rules: setattr(rules, "ignore", 1))

    message, _, name = path.partition(".")
    old, new = current(), version("new", ignore)
    zero: Any = None if old.message(f"{PACKAGE}.{message}").fields_by_name[name].message_type else 0
    assert observe(old, new, f"{PACKAGE}.{message}", name, [None, zero]).wider == is_looser
    kinds = [each.kind for each in compare(old, new)]
    assert kinds == ([SchemaChangeKind.RULE_LOOSENED] if is_looser else [])
    kinds = [each.kind for each in compare(new, old)]
    assert kinds == ([SchemaChangeKind.RULE_TIGHTENED] if is_looser else [])


def lists_of_ruled_items() -> list[str]:
    return [
        f"{name}.{field.name}"
        for name, message in own_messages(current_files())
        for field in message.field
        if rules_in(field).repeated.HasField("items")
    ]


@pytest.mark.parametrize("path", lists_of_ruled_items())
def test_ignoring_a_list_is_one_change_even_if_its_items_have_rules(path: str) -> None:
    def ignore(files: FileDescriptorSet) -> None:
        edit_rules(found(files, path), lambda rules: setattr(rules, "ignore", 3))

    (change,) = (c for c in changes_by(ignore) if c.kind is not SchemaChangeKind.RULE_ID_REMOVED)
    assert (change.kind, change.place) == (SchemaChangeKind.RULE_LOOSENED, path)


def test_some_lists_have_rules_for_their_items() -> None:
    assert lists_of_ruled_items()


def test_renaming_a_field_does_not_change_its_rules() -> None:
    def rename(files: FileDescriptorSet) -> None:
        field_of(files, "TrainingConfig.epochs").name = "passes"

    assert {change.kind for change in changes_by(rename)} == {SchemaChangeKind.FIELD_RENAMED}


def test_a_change_of_a_rule_unknown_to_protovalidate_is_reported() -> None:
    def add_unknown(files: FileDescriptorSet) -> None:
        # Field 1999 of StringRules, like a predefined rule of another schema.
        edit_rules(
            field_of(files, "StageDef.name"),
            lambda rules: rules.string.MergeFromString(b"\xfa\x7c\x01x"),
        )

    (changes,) = changes_by(add_unknown)
    assert (changes.kind, changes.is_breaking) == (SchemaChangeKind.RULE_CHANGED, True)


# Rules that were rewritten under their ids

CONTENT_RULE = "message.content_required"
NEW_EXPRESSION = "true"


def rewritten() -> SchemaVersion:
    """Return the schema with another expression for the rule of `Message`."""

    def rewrite(rules: Any) -> None:
        rules.cel[0].expression = NEW_EXPRESSION

    return version(
        "rewritten", lambda files: edit_rules(message_of(files, "Message"), rewrite, "message")
    )


def recorded(**values: str) -> SchemaVersion:
    """Return the schema with the record of that expression, or of another one."""
    record = RewrittenRule(f"{PACKAGE}.Message", CONTENT_RULE, NEW_EXPRESSION, "9.0.0")
    return with_values(current(), rewritten_rules=(with_values(record, **values),))


def test_a_recorded_expression_is_a_rule_rewritten_in_a_minor_release() -> None:
    [change] = compare(recorded(), rewritten())
    assert change.kind is SchemaChangeKind.RULE_REWRITTEN
    assert (change.place, change.release) == (f"{PACKAGE}.Message", Release.MINOR)
    assert str(change.new).endswith(f": true [{CONTENT_RULE}]")


@pytest.mark.parametrize(
    "values",
    [
        {"place": f"{PACKAGE}.Prompt"},
        {"rule_id": "message.content"},
        {"expression": "false"},
        {"expression": "rue"},
    ],
    ids=str,
)
def test_another_record_does_not_make_it_one(values: dict[str, str]) -> None:
    [change] = compare(recorded(**values), rewritten())
    assert (change.kind, change.is_breaking) == (SchemaChangeKind.RULE_CHANGED, True)


def test_a_rule_rewritten_without_a_record_is_changed() -> None:
    [change] = compare(current(), rewritten())
    assert change.kind is SchemaChangeKind.RULE_CHANGED


def test_a_record_does_not_allow_the_way_back() -> None:
    old = with_values(rewritten(), rewritten_rules=recorded().rewritten_rules)
    [change] = compare(old, current())
    assert change.kind is SchemaChangeKind.RULE_CHANGED


# Rules for several fields, some of them new


def without_parts(files: FileDescriptorSet) -> None:
    """Remove a field of `ToolResultContent` and its rule: at most one of content and parts."""
    without_rule(files)
    message = message_of(files, "ToolResultContent")
    message.field.remove(field_of(files, "ToolResultContent.parts"))


def without_rule(files: FileDescriptorSet) -> None:
    edit_rules(
        message_of(files, "ToolResultContent"), lambda rules: rules.ClearField("oneof"), "message"
    )


def requiring_one(files: FileDescriptorSet) -> None:
    def require(rules: Any) -> None:
        rules.oneof[0].required = True

    edit_rules(message_of(files, "ToolResultContent"), require, "message")


def kinds(old: SchemaVersion, new: SchemaVersion) -> set[SchemaChangeKind]:
    return {change.kind for change in compare(old, new)}


def test_a_rule_for_an_old_and_a_new_field_is_part_of_the_new_field() -> None:
    old = version("old", without_parts)
    assert kinds(old, current()) == {SchemaChangeKind.FIELD_ADDED}
    # An old message has no parts, so that it cannot break the rule.
    name = f"{PACKAGE}.ToolResultContent"
    for content in ({}, {"content": ""}, {"content": "a"}):
        written = old.message_class(name)(tool_call_id="c", **content).SerializeToString()
        assert not current().broken_rules(current().message_class(name).FromString(written))


def test_a_rule_for_two_old_fields_is_added() -> None:
    assert kinds(version("old", without_rule), current()) == {SchemaChangeKind.RULE_ADDED}


def test_a_rule_that_requires_one_of_the_fields_is_added_even_if_one_is_new() -> None:
    found = kinds(version("old", without_parts), version("new", requiring_one))
    assert found == {SchemaChangeKind.FIELD_ADDED, SchemaChangeKind.RULE_ADDED}
