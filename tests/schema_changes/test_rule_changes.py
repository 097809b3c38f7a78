"""Each rule of the schema, loosened, tightened, added and removed, is judged as protovalidate does.

The cases are the rules that the schema has: each is changed by itself, in both directions. What the
change did to the values that the field accepts is found by trying values, with protovalidate as the
only judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
from schema_changes.witnesses import (
    NARROWING,
    WIDENING,
    boundary_values,
    is_promised,
    single_values,
    truth,
)
from validation import message_cases

from crucible_ir.schema.rules import rules_of
from crucible_ir.schema_changes import ChangeKind, SchemaChange, SchemaVersion, compare

pytestmark = pytest.mark.slow

#: What RFC 3339 can write.
FIRST_SECOND, LAST_SECOND = -62_135_596_800, 253_402_300_799

RuleEdit = Callable[[Any], object]


@pytest.fixture(autouse=True, scope="module")
def forget_versions() -> Iterator[None]:
    """Let go of the many versions that the rules were read of."""
    yield
    rules_of.cache_clear()


def own_messages(files: FileDescriptorSet) -> Iterator[tuple[str, Any]]:
    """Yield every message of the schema's packages with its full name: all have rules to try."""
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
        steps: Where they are in those of the whole field.
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
    """Return a parameter that is a little less or more."""
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
        # What no JSON can write is no bound that a schema could have.
        return changed if FIRST_SECOND <= changed.seconds <= LAST_SECOND else None
    return None


def put(standard: Any, name: str, value: Any) -> None:
    if hasattr(value, "seconds"):
        getattr(standard, name).CopyFrom(value)
    else:
        setattr(standard, name, value)


def cases() -> Iterator[Any]:
    """Yield each small change of the rules of a field; of fields with the same rules, of one."""
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


def held_to_the_truth(
    old: SchemaVersion, new: SchemaVersion, path: str, values: list[Any]
) -> list[SchemaChange]:
    """Compare two versions, hold what is said of a field to the truth, and return it."""
    message, _, field = path.rpartition(".")
    said = [change for change in compare(old, new) if change.kind is not ChangeKind.RULE_ID_REMOVED]
    assert {change.place.split("[")[0].split("{")[0] for change in said} <= {path}
    kinds = {change.kind for change in said}
    real = truth(old, new, message, field, values)
    assert bool(kinds & (NARROWING | {ChangeKind.RULE_CHANGED})) == real.narrower
    assert bool(kinds & (WIDENING | {ChangeKind.RULE_CHANGED})) == real.wider
    if real.other_ids and not real.narrower:
        assert ChangeKind.RULE_ID_CHANGED in kinds
    if ChangeKind.RULE_ID_CHANGED in kinds:
        assert real.other_ids
    breaks = real.narrower or real.other_ids or ChangeKind.VOCABULARY_OPENED in kinds
    assert is_promised(said) == (not breaks)
    return said


@pytest.mark.parametrize(("path", "edit"), list(cases()))
def test_a_changed_rule_is_judged_as_protovalidate_judges_values(path: str, edit: RuleEdit) -> None:
    old, new = both(path, edit)
    message, _, field = path.rpartition(".")
    declared = old.message(message).fields_by_name[field]
    rules = [rules_in(found(each.files, path)) for each in (old, new)]
    values = boundary_values(declared, rules)
    forward = held_to_the_truth(old, new, path, values)
    backward = held_to_the_truth(new, old, path, values)
    assert forward
    assert {change.old for change in forward} == {change.new for change in backward}


def test_the_loss_of_every_rule_of_every_field_is_noticed() -> None:
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
    lost = (ChangeKind.RULE_REMOVED, ChangeKind.VOCABULARY_OPENED)
    assert sorted(c.place for c in changes_by(unrule) if c.kind in lost) == sorted(expected)
    assert len(expected) > 150


def drawn_values(field: Any) -> st.SearchStrategy[Any]:
    """Make values of a number or text field that nobody picked."""
    if field.cpp_type == field.CPPTYPE_STRING:
        if field.type == field.TYPE_BYTES:
            return st.binary(max_size=600)
        return texts | st.text(min_size=100, max_size=300).map(lambda text: text * 2)
    return doubles if field.cpp_type == field.CPPTYPE_DOUBLE else st.integers(-(2**31), 2**31 - 1)


@cache
def scalar_cases() -> list[Any]:
    """Return the cases of fields that hold one number or text."""
    chosen = []
    for case in cases():
        message, _, name = case.values[0].rpartition(".")
        field = current().message(message).fields_by_name[name]
        if field.message_type is None and not field.is_repeated:
            chosen.append((case.values[0], case.values[1]))
    return chosen


@settings(max_examples=examples(50))
@given(st.data())
def test_no_value_that_is_newly_refused_goes_with_a_change_that_is_said_to_be_allowed(
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
    real = truth(old, new, message, field, [data.draw(values)])
    said = compare(old, new)
    if real.narrower or real.other_ids:
        assert not is_promised(said)
    kinds = {change.kind for change in said}
    assert not (real.wider and not kinds & (WIDENING | {ChangeKind.RULE_CHANGED}))


@cache
def cases_by_message() -> dict[str, list[tuple[str, RuleEdit]]]:
    """Return every small change of a rule, by the name of the message of the IR that has it."""
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
def test_no_message_becomes_invalid_by_changes_that_a_minor_release_may_make(
    data: st.DataObject,
) -> None:
    """Several rules change at once, in one direction or the other; whole messages are judged."""
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
    """Return messages of a type around the edges of its rules, most of them valid."""
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
def test_a_oneof_that_need_not_be_set_any_more_is_looser_and_one_that_must_be_breaks(
    message: str, oneof: str
) -> None:
    def optional(files: FileDescriptorSet) -> None:
        declared = next(o for o in message_of(files, message).oneof_decl if o.name == oneof)
        edit_rules(declared, lambda rules: rules.ClearField("required"), "oneof")

    place = f"{PACKAGE}.{message}.{oneof}"
    empty = version("new", optional).message_class(f"{PACKAGE}.{message}")()
    assert (oneof, "required") not in version("new", optional).broken_rules(empty)
    removed, added = changes_by(optional), changes_undone(optional)
    assert (ChangeKind.RULE_REMOVED, place) in {(c.kind, c.place) for c in removed}
    assert not any(change.is_breaking for change in removed)
    assert (ChangeKind.RULE_ADDED, place) in {(c.kind, c.place) for c in added}
    assert any(change.is_breaking for change in added)


def messages_with_expressions() -> list[str]:
    return [m.name for m in messages_of(current_files()) if rules_in(m, "message").cel]


@pytest.mark.parametrize("message", messages_with_expressions())
def test_an_expression_of_the_schema_is_missed_and_its_id_and_text_are_held(message: str) -> None:
    def edited(edit: RuleEdit) -> Callable[[FileDescriptorSet], None]:
        return lambda files: edit_rules(message_of(files, message), edit, "message")

    def rename(rules: Any) -> None:
        rules.cel[0].id = "another.id"

    def rewrite(rules: Any) -> None:
        rules.cel[0].expression = "true"

    def reword(rules: Any) -> None:
        rules.cel[0].message = "other words"

    def kinds(changes: list[SchemaChange]) -> set[ChangeKind]:
        return {change.kind for change in changes} - {ChangeKind.RULE_ID_REMOVED}

    remove = edited(lambda rules: rules.ClearField("cel"))
    assert kinds(changes_by(remove)) == {ChangeKind.RULE_REMOVED}
    assert kinds(changes_undone(remove)) == {ChangeKind.RULE_ADDED}
    assert kinds(changes_by(edited(rename))) == {ChangeKind.RULE_ID_CHANGED}
    assert kinds(changes_by(edited(rewrite))) == {ChangeKind.RULE_CHANGED}
    assert changes_by(edited(reword)) == []
    (changed,) = (c for c in changes_by(edited(rewrite)))
    assert changed.place == f"{PACKAGE}.{message}"
    assert changed.is_breaking


def test_a_rule_id_that_no_rule_has_any_more_is_listed() -> None:
    def unrule(files: FileDescriptorSet) -> None:
        edit_rules(
            field_of(files, "ModelVersion.version"),
            lambda rules: rules.string.ClearField("pattern"),
        )

    said = {change.kind: change for change in changes_by(unrule)}
    assert set(said) == {ChangeKind.RULE_REMOVED, ChangeKind.RULE_ID_REMOVED}
    gone = said[ChangeKind.RULE_ID_REMOVED]
    assert (gone.place, gone.old) == (PACKAGE, "string.pattern")
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
    ("least", "kind"), [(0, ChangeKind.FIELD_ADDED), (1, ChangeKind.REQUIRED_FIELD_ADDED)]
)
def test_a_new_field_is_breaking_if_messages_without_it_are_refused(
    least: int, kind: ChangeKind
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
        [c for c in changes if c.kind is not ChangeKind.RULE_ID_REMOVED]
        for changes in (changes_by(ignore), changes_undone(ignore))
    )
    assert (looser.kind, tighter.kind) == (ChangeKind.RULE_LOOSENED, ChangeKind.RULE_TIGHTENED)
    assert (looser.new, looser.is_breaking) == ("IGNORE_ALWAYS", False)
    assert (tighter.old, tighter.is_breaking) == ("IGNORE_ALWAYS", True)
    message, _, name = path.partition(".")
    real = truth(current(), version("new", ignore), f"{PACKAGE}.{message}", name, [None])
    assert (real.wider, real.narrower) == (True, False)


@pytest.mark.parametrize(
    ("path", "is_looser"),
    [
        ("Experiment.pipeline", True),
        # Zero keeps the rule in any case.
        ("Hedging.strategy", False),
        # These have presence, so that it is whether they are set that counts.
        ("TrainingConfig.epochs", False),
        ("Experiment.backend", False),
    ],
)
def test_ignoring_zero_values_is_looser_only_where_a_rule_refuses_them(
    path: str, is_looser: bool
) -> None:
    def ignore(files: FileDescriptorSet) -> None:
        edit_rules(field_of(files, path), lambda rules: setattr(rules, "ignore", 1))

    message, _, name = path.partition(".")
    old, new = current(), version("new", ignore)
    zero: Any = None if old.message(f"{PACKAGE}.{message}").fields_by_name[name].message_type else 0
    assert truth(old, new, f"{PACKAGE}.{message}", name, [None, zero]).wider == is_looser
    kinds = [each.kind for each in compare(old, new)]
    assert kinds == ([ChangeKind.RULE_LOOSENED] if is_looser else [])
    kinds = [each.kind for each in compare(new, old)]
    assert kinds == ([ChangeKind.RULE_TIGHTENED] if is_looser else [])


def lists_of_ruled_items() -> list[str]:
    return [
        f"{name}.{field.name}"
        for name, message in own_messages(current_files())
        for field in message.field
        if rules_in(field).repeated.HasField("items")
    ]


@pytest.mark.parametrize("path", lists_of_ruled_items())
def test_ignoring_a_list_is_one_change_though_its_items_have_rules_too(path: str) -> None:
    def ignore(files: FileDescriptorSet) -> None:
        edit_rules(found(files, path), lambda rules: setattr(rules, "ignore", 3))

    (change,) = (c for c in changes_by(ignore) if c.kind is not ChangeKind.RULE_ID_REMOVED)
    assert (change.kind, change.place) == (ChangeKind.RULE_LOOSENED, path)


def test_some_lists_have_rules_for_their_items() -> None:
    assert lists_of_ruled_items()


def test_rules_move_with_a_field_that_is_renamed() -> None:
    def rename(files: FileDescriptorSet) -> None:
        field_of(files, "TrainingConfig.epochs").name = "passes"

    assert {change.kind for change in changes_by(rename)} == {ChangeKind.FIELD_RENAMED}


def test_a_rule_that_this_protovalidate_does_not_know_is_not_overlooked() -> None:
    def add_unknown(files: FileDescriptorSet) -> None:
        # Field 1999 of StringRules, as a predefined rule of another schema would be.
        edit_rules(
            field_of(files, "StageDef.name"),
            lambda rules: rules.string.MergeFromString(b"\xfa\x7c\x01x"),
        )

    (said,) = changes_by(add_unknown)
    assert (said.kind, said.is_breaking) == (ChangeKind.RULE_CHANGED, True)
