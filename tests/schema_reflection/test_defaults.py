"""The defaults that the schema declares, and filling them in."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema import defaults
from crucible_ir.schema.fields import describe_field

#: The tests name types and fields in ways that a type checker cannot follow.
new: Any = ir.new


def parsed(cls: Any, document: dict[str, Any]) -> Any:
    return json_format.ParseDict(document, cls())


@pytest.mark.parametrize(
    ("message", "field", "text"),
    [
        (v1.TrainingConfig, "epochs", "1"),
        (v1.TrainingConfig, "learning_rate", "0.001"),
        (v1.TrainingConfig, "optimizer", '"OPTIMIZER_ADAM"'),
        (v1.TrainingConfig, "metrics", '["loss", "accuracy"]'),
        (v1.Prompt, "options", "{}"),
        (v1.TrainingConfig, "seed", None),
        (v1.TrainingConfig, "id", None),
        (v1.TrainingConfig, "custom_optimizer", None),
    ],
)
def test_a_default_is_declared_as_protojson(message: Any, field: str, text: str | None) -> None:
    assert describe_field(message.DESCRIPTOR.fields_by_name[field]).default == text


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (v1.BackendRef, {"profile": "default"}),
        (v1.StageDef, {"enabled": True}),
        (v1.Stats, {"tests": (1, 2), "alpha": 0.05}),
        (v1.FeedbackEvent, {"feedback_type": 1}),
        (v1.Prompt, {"options": v1.GenerationOptions(stream=False, extended_thinking=False)}),
        (v1.Usage, {}),
    ],
)
def test_defaults_are_valid_values_of_their_fields(message: Any, expected: dict[str, Any]) -> None:
    assert defaults.defaults(message.DESCRIPTOR) == expected


# with_defaults


@pytest.mark.parametrize(
    ("cls", "before", "after"),
    [
        (v1.BackendRef, {"id": "b"}, {"id": "b", "profile": "default"}),
        (v1.BackendRef, {"profile": ""}, {"profile": ""}),
        (v1.StageDef, {"enabled": False}, {"enabled": False}),
        (
            v1.ModelRef,
            {"customProvider": "minio"},
            {"customProvider": "minio", "framework": "MODEL_FRAMEWORK_NX"},
        ),
        (
            v1.TrainingRun,
            {"status": "TRAINING_STATUS_FAILED"},
            {"status": "TRAINING_STATUS_FAILED"},
        ),
        (v1.TrainingRun, {}, {"status": "TRAINING_STATUS_PENDING"}),
        (v1.Prompt, {}, {"options": {"stream": False, "extendedThinking": False}}),
        (
            v1.Prompt,
            {"options": {"stream": True}},
            {"options": {"stream": True, "extendedThinking": False}},
        ),
        (v1.Usage, {"promptTokens": 3}, {"promptTokens": 3}),
    ],
)
def test_unset_fields_take_their_default_and_set_ones_keep_their_value(
    cls: Any, before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert ir.with_defaults(parsed(cls, before)) == parsed(cls, after)


def test_an_open_vocabulary_with_a_custom_name_keeps_it() -> None:
    made = ir.with_defaults(v1.ModelRef(id="m", custom_provider=""))
    assert made.WhichOneof("provider_kind") == "custom_provider"


def test_messages_at_every_depth_are_filled() -> None:
    before = parsed(
        v1.Document,
        {
            "experiment": {
                "backend": {"fallback": {"id": "f"}},
                "pipeline": [{"name": "a"}, {"name": "b", "enabled": False}],
                "reliability": {"fairness": {}},
            }
        },
    )
    made = ir.with_defaults(before).experiment
    assert made.backend.profile == made.backend.fallback.profile == "default"
    assert [stage.enabled for stage in made.pipeline] == [True, False]
    assert made.reliability.fairness.HasField("enabled")
    assert not made.reliability.HasField("hedging")
    assert not made.HasField("dataset")


def test_lists_do_not_change() -> None:
    made = ir.with_defaults(v1.TrainingConfig(id="t"))
    assert list(made.metrics) == []
    assert made.epochs == 1
    assert list(ir.with_defaults(v1.Stats()).tests) == []


def test_the_message_that_is_given_does_not_change() -> None:
    before = v1.Prompt()
    made = ir.with_defaults(before)
    made.options.stream = True
    assert before == v1.Prompt()
    assert not ir.with_defaults(before).options.stream


@pytest.mark.parametrize("name", sorted(ir.MESSAGE_TYPES))
def test_a_new_message_has_nothing_left_to_fill(name: str) -> None:
    made = new(name, partial=True)
    assert ir.with_defaults(made) == made


@given(data=st.data())
def test_filling_twice_is_filling_once(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(ir.MESSAGE_TYPES)))
    cls = ir.MESSAGE_TYPES[name]
    # Any bytes that parse are a message, with any field set or unset.
    message = cls()
    for field in cls.DESCRIPTOR.fields:
        if field.message_type is not None and not field.is_repeated and data.draw(st.booleans()):
            getattr(message, field.name).SetInParent()
    once = ir.with_defaults(message)
    assert ir.with_defaults(once) == once


def test_unknown_fields_are_kept() -> None:
    # Field 1000, a varint of 5, is not in the schema.
    newer = v1.BackendRef.FromString(b"\xc0\x3e\x05")
    assert ir.with_defaults(newer).SerializeToString().endswith(b"\xc0\x3e\x05")


def test_a_message_nested_deeper_than_the_stack_is_an_error() -> None:
    root = backend = ir.v1.BackendRef()
    for _ in range(20_000):
        backend = backend.fallback
        backend.SetInParent()
    with pytest.raises(ir.Error, match="nested too deeply"):
        ir.with_defaults(root)
