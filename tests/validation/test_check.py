"""Validation: the paths, rule ids, texts, values, positions and order of violations."""

from __future__ import annotations

import math
from typing import Any

import protovalidate
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir import v1

#: The tests name types and fields in ways that a type checker cannot follow.
new: Any = ir.new


def broken(message: Message) -> list[tuple[str, str]]:
    return [(each.path, each.rule_id) for each in ir.violations(message)]


def path_of(proto: Any) -> str:
    """Format protovalidate's own path as the documentation of `Violation.path` says."""
    text = ""
    for element in proto.field.elements if proto.field else ():
        text += ("." if text else "") + element.field_name
        if element.subscript is not None:
            text += f"[{element.subscript.value}]"
    return text


# Paths and rule ids

USER = v1.MessageRole.MESSAGE_ROLE_USER
ASSISTANT = v1.MessageRole.MESSAGE_ROLE_ASSISTANT

RUN = v1.TrainingRun(
    id="r",
    config=v1.TrainingConfig(
        id="t",
        model_ref=v1.ModelRef(id=""),
        dataset_ref=v1.DatasetRef(name="d"),
        learning_rate=math.inf,
    ),
    current_epoch=-1,
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (v1.StageDef(name="s"), []),
        (v1.StageDef(), [("name", "required")]),
        (v1.StageDef(name="x" * 513), [("name", "string.max_bytes")]),
        (v1.StageDef(name="é" * 256), []),
        (v1.StageDef(name="é" * 257), [("name", "string.max_bytes")]),
        (
            v1.TrainingConfig(epochs=0),
            [
                ("id", "required"),
                ("model_ref", "required"),
                ("dataset_ref", "required"),
                ("epochs", "int32.gt"),
            ],
        ),
        (v1.FeedbackConfig(sampling_rate=math.nan), [("sampling_rate", "double.gte_lte")]),
        (v1.Hedging(percentile=100.5), [("percentile", "double.gte_lte")]),
        (v1.Hedging(percentile=0.95), []),
        (v1.Hedging(percentile=95), []),
        (new("Hedging", strategy=7), [("strategy", "enum.defined_only")]),
        (ir.new_hedging(strategy="exponential_backoff"), []),
        (new("ModelRef", id="m", provider=99), []),
        (v1.ModelVersion(id="v", model_id="m", version="1.0"), [("version", "string.pattern")]),
        (v1.ModelVersion(id="v", model_id="m", version="1.0.0-rc.1+build.5"), []),
        (
            v1.ModelVersion(
                id="v",
                model_id="m",
                version="1.0.0",
                created_at=timestamp_pb2.Timestamp(seconds=253_402_300_800),
            ),
            [("created_at", "timestamp.gte_lte")],
        ),
        (
            RUN,
            [
                ("config.model_ref.id", "required"),
                ("config.learning_rate", "double.finite"),
                ("current_epoch", "int32.gte"),
            ],
        ),
        (
            v1.Experiment(id="e", backend={"id": "b"}, pipeline=[{"name": "a"}, {}, {}]),
            [("pipeline[1].name", "required"), ("pipeline[2].name", "required")],
        ),
        (
            v1.BackendRef(id="a", fallback={"id": "b", "fallback": {"profile": "p"}}),
            [("fallback.fallback.id", "required")],
        ),
        (
            v1.Prompt(messages=[{"role": USER, "parts": {"parts": [{"audio": {}}, {}]}}]),
            [
                ("messages[0].parts.parts[0].audio.url", "required"),
                ("messages[0].parts.parts[1].part", "required"),
            ],
        ),
        (v1.Message(role=USER), [("", "message.content_required")]),
        (v1.Message(role=ASSISTANT, tool_calls=[{"name": "f"}]), []),
        (v1.Message(role=USER, text=""), []),
        (
            v1.GenerationOptions(response_format="RESPONSE_FORMAT_JSON_SCHEMA"),
            [("", "generation_options.json_schema_required")],
        ),
        (
            v1.Completion(choices=[{"message": {}}]),
            [
                ("choices[0].message", "message.content_required"),
                ("choices[0].message.role", "required"),
            ],
        ),
    ],
)
def test_violations_name_the_path_and_the_rule(
    message: Message, expected: list[tuple[str, str]]
) -> None:
    assert broken(message) == expected


def map_message() -> Any:
    """Return a message of a new type with maps of messages, since the IR has no such maps."""
    pool = descriptor_pool.DescriptorPool()

    def add(file: Any) -> None:
        for needed in file.dependencies:
            add(needed)
        pool.AddSerializedFile(file.serialized_pb)

    add(v1.StageDef.DESCRIPTOR.file)
    made = descriptor_pb2.FileDescriptorProto(name="maps.proto", package="maps", syntax="proto3")
    made.dependency.append(v1.StageDef.DESCRIPTOR.file.name)
    holder = made.message_type.add(name="Holder")
    kinds = descriptor_pb2.FieldDescriptorProto
    for number, (name, key) in enumerate(
        [("by_name", kinds.TYPE_STRING), ("by_number", kinds.TYPE_INT32)], 1
    ):
        entry = holder.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=key, label=kinds.LABEL_OPTIONAL)
        value = entry.field.add(name="value", number=2, label=kinds.LABEL_OPTIONAL)
        value.type, value.type_name = kinds.TYPE_MESSAGE, ".crucible_ir.v1.StageDef"
        field = holder.field.add(name=name, number=number, label=kinds.LABEL_REPEATED)
        field.type, field.type_name = kinds.TYPE_MESSAGE, f".maps.Holder.{entry.name}"
    pool.Add(made)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("maps.Holder"))()


def test_a_path_quotes_and_escapes_the_keys_of_a_map() -> None:
    holder = map_message()
    holder.by_name['say "hi".now'].SetInParent()
    assert [each.path for each in ir.violations(holder)] == [r'by_name["say \"hi\".now"].name']


def test_a_path_quotes_the_numeric_keys_of_a_map() -> None:
    holder = map_message()
    holder.by_number[-5].SetInParent()
    assert [each.path for each in ir.violations(holder)] == ['by_number["-5"].name']


# Texts and values


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (v1.StageDef(), "name: must not be empty [required]"),
        (v1.TrainingRun(id="r"), "config: must be set [required]"),
        (v1.Message(text="hi"), "role: must be set [required]"),
        (
            v1.ContentPart(),
            "part: exactly one of text, image, audio, tool_result, reasoning, file, other must be"
            " set [required]",
        ),
        (
            v1.Message(role=USER),
            "content is required unless there are tool calls or a refusal, or the role is assistant"
            " [message.content_required]",
        ),
        (
            v1.Stats(alpha=2),
            "alpha: must be greater than or equal to 0 and less than or equal to 1; write 0.02 for"
            " 2% [double.gte_lte]",
        ),
        (
            v1.Experiment(id="e", backend={"id": "b"}),
            "pipeline: must contain at least 1 item(s) [repeated.min_items]",
        ),
        (
            v1.Experiment(id="e", backend={"id": "b"}, pipeline=[{}]),
            "pipeline[0].name: must not be empty [required]",
        ),
    ],
)
def test_the_text_of_a_violation_has_its_path_requirement_and_rule(
    message: Message, text: str
) -> None:
    assert [str(each) for each in ir.violations(message)] == [text]


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (v1.StageDef(), None),
        (v1.StageDef(name="x" * 513), "x" * 513),
        (v1.Stats(alpha=2), 2.0),
        (v1.Hedging(delay_ms=-1), -1),
        (new("Hedging", strategy=77), 77),
        (v1.Experiment(id="e", backend={"id": "b"}), None),
        (v1.Message(role=USER), None),
    ],
)
def test_a_violation_has_the_offending_value_if_there_is_one(
    message: Message, value: object
) -> None:
    (violation,) = ir.violations(message)
    assert violation.value == value


def test_a_violation_does_not_change_when_its_message_changes() -> None:
    version = v1.ModelVersion(id="v", model_id="m", version="1.0.0")
    version.created_at.seconds = 10**12
    (violation,) = ir.violations(version)
    before = (violation, str(violation.value))
    version.created_at.seconds = 0
    assert (violation, str(violation.value)) == before


def test_a_validation_error_lists_every_violation_with_its_value_cut() -> None:
    with pytest.raises(ir.ValidationError) as caught:
        ir.validate(v1.BackendRef(id="x" * 600, fallback={}))
    assert caught.value.type_name == "crucible_ir.v1.BackendRef"
    shown = "'" + "x" * 78 + "…"
    assert str(caught.value).splitlines() == [
        "crucible_ir.v1.BackendRef: 2 violations",
        f"  id: must be at most 512 bytes [string.max_bytes], got {shown}",
        "  fallback.id: must not be empty [required]",
    ]


def test_a_validation_error_with_one_violation_uses_the_singular() -> None:
    with pytest.raises(ir.ValidationError, match="StageDef: 1 violation\n"):
        ir.validate(v1.StageDef())


# Positions


def test_violations_of_a_message_without_text_have_no_positions() -> None:
    assert [each.position for each in ir.violations(v1.StageDef())] == [None]


JSON = """\
{
  "id": "e",
  "backend": {"id": "b"},
  "pipeline": [{"name": "a"}, {"name": ""}],
  "reliability": {"stats": {"alpha": 2}}
}
"""
YAML = """\
id: e
backend: {id: b}
pipeline:
  - name: a
  - name: ""
reliability:
  stats:
    alpha: 2
"""


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (ir.from_json, JSON, {"pipeline[1].name": "4:40", "reliability.stats.alpha": "5:38"}),
        (
            ir.from_crucible_json,
            JSON,
            {"pipeline[1].name": "4:40", "reliability.stats.alpha": "5:38"},
        ),
        (ir.from_yaml, YAML, {"pipeline[1].name": "5:11", "reliability.stats.alpha": "8:12"}),
    ],
)
def test_violations_in_a_text_have_the_position_of_the_value(
    read: Any, text: str, expected: dict[str, str]
) -> None:
    with pytest.raises(ir.ValidationError) as caught:
        read(text, v1.Experiment)
    found = {each.path: str(each.position) for each in caught.value.violations}
    assert found == expected
    assert str(caught.value).splitlines()[1].startswith(f"  {expected['pipeline[1].name']}: ")


def test_the_violation_of_a_missing_field_has_the_position_of_its_message() -> None:
    with pytest.raises(ir.ValidationError) as caught:
        ir.from_json('{"id": "e",\n "backend": {}, "pipeline": [{"name": "a"}]}', v1.Experiment)
    (violation,) = caught.value.violations
    assert (violation.path, str(violation.position)) == ("backend.id", "2:13")


# Agreement with protovalidate


def variants() -> list[Message]:
    """Return messages of every type with values that satisfy or break the rules of each field."""
    made: list[Message] = []
    for name in ir.MESSAGE_TYPES:
        base: Any = new(name, partial=True)
        made.append(base)
        for field in base.DESCRIPTOR.fields:
            if field.message_type is not None:
                candidates: tuple[Any, ...] = ()
                if not field.is_repeated:
                    filled = type(base)()
                    filled.CopyFrom(base)
                    getattr(filled, field.name).SetInParent()
                    made.append(filled)
            elif field.type == field.TYPE_BYTES:
                candidates = (b"", b"x")
            elif field.type == field.TYPE_STRING:
                candidates = ("", "x", "x" * 513, "1.0.0")
            elif field.type == field.TYPE_DOUBLE:
                candidates = (math.nan, math.inf, -1.0, 0.0, 0.5, 1.0, 95.0, 101.0)
            elif field.type == field.TYPE_BOOL:
                candidates = (True, False)
            elif field.enum_type is not None:
                candidates = (0, 1, 99, -1)
            else:
                candidates = (-1, 0, 1)
            for value in candidates:
                trial = type(base)()
                trial.CopyFrom(base)
                trial.ClearField(field.name)
                if field.is_repeated:
                    getattr(trial, field.name).append(value)
                else:
                    setattr(trial, field.name, value)
                made.append(trial)
    return made


def test_verdicts_and_violations_agree_with_protovalidate_for_every_field() -> None:
    seen = set()
    for message in variants():
        reference = protovalidate.collect_violations(message)
        assert broken(message) == [(path_of(each.proto), each.proto.rule_id) for each in reference]
        assert ir.is_valid(message) == (not reference)
        seen.add(bool(reference))
    assert seen == {True, False}


def test_a_valid_message_is_returned_itself() -> None:
    stage = v1.StageDef(name="s")
    assert ir.validate(stage) is stage


@pytest.mark.parametrize("thing", [None, 3, "StageDef", v1.StageDef, {"name": "s"}])
def test_a_value_that_is_not_a_message_raises_an_error_of_the_package(thing: Any) -> None:
    for function in (ir.validate, ir.is_valid, ir.violations):
        with pytest.raises(ir.Error, match=r"^expected a protobuf message, got "):
            function(thing)


def test_an_invalid_message_nested_too_deep_for_protovalidate_is_an_error_not_a_crash() -> None:
    stage = ir.v1.StageDef()
    value = stage.options.fields["a"]
    for _ in range(5_000):
        value = value.struct_value.fields["a"]
    value.number_value = 1
    with pytest.raises(ir.Error, match="could not be validated"):
        ir.violations(stage)
