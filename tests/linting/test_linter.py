"""The linter visits every nested message, reports paths and does not modify the message."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from message_strategies import messages

from crucible_ir import v1
from crucible_ir.errors import FieldError
from crucible_ir.linting import LINTS, lint, linter
from crucible_ir.linting.linter import _lints_of
from crucible_ir.paths import format_path, parse_path
from crucible_ir.schema.types import message_types
from crucible_ir.schema.walk import Path, walk


def found(message: Message) -> list[tuple[str, str]]:
    return [(finding.path, finding.id) for finding in lint(message)]


def test_the_root_message_is_linted() -> None:
    assert found(v1.Hedging(percentile=0.9)) == [("percentile", "hedging.fractional_percentile")]


def test_paths_are_relative_to_the_argument() -> None:
    hedging = v1.Hedging(percentile=0.9)
    reliability = v1.ReliabilityConfig(hedging=hedging)
    experiment = v1.Experiment(reliability=reliability)
    path = "reliability.hedging.percentile"
    assert found(experiment) == [(path, "hedging.fractional_percentile")]
    document = v1.Document(ir_version="0.2.0", experiment=experiment)
    assert found(document) == [(f"experiment.{path}", "hedging.fractional_percentile")]


def test_messages_in_lists_have_an_index_in_their_path() -> None:
    completion = v1.Completion(
        choices=[
            v1.Choice(message=v1.Message(text="hello")),
            v1.Choice(
                message=v1.Message(tool_calls=[v1.ToolCall(name="a"), v1.ToolCall(name="b\n")])
            ),
        ]
    )
    path = "choices[1].message.tool_calls[1].name"
    assert found(completion) == [(path, "text.control_character")]


def test_messages_in_a_oneof_are_visited() -> None:
    image = v1.ImageContent(url="picture.png")
    message = v1.Message(parts=v1.ContentParts(parts=[v1.ContentPart(image=image)]))
    assert found(v1.Prompt(messages=[message])) == [
        ("messages[0].parts.parts[0].image.url", "uri.malformed")
    ]


def test_keys_of_maps_are_quoted() -> None:
    ensemble = v1.Ensemble(models=["a"], weights={"a": 0.5, 'b"c': 0.5})
    assert found(ensemble) == [('weights["b\\"c"]', "ensemble.weight_without_model")]


def test_outer_messages_precede_inner_ones_and_fields_are_in_order() -> None:
    experiment = v1.Experiment(
        id="a\tb",
        backend=v1.BackendRef(id="c\td", fallback=v1.BackendRef(id="e\tf")),
        pipeline=[v1.StageDef(name="g\th"), v1.StageDef(name="i\tj")],
    )
    assert [path for path, _ in found(experiment)] == [
        "id",
        "backend.id",
        "backend.fallback.id",
        "pipeline[0].name",
        "pipeline[1].name",
    ]


def test_the_order_does_not_depend_on_the_insertion_order_of_a_map() -> None:
    names = [f"model{index}" for index in range(50)]
    there = v1.Ensemble(models=["x"], weights={name: 0.02 for name in names})
    back = v1.Ensemble(models=["x"], weights={name: 0.02 for name in reversed(names)})
    assert lint(there) == lint(back)
    assert [path for path, _ in found(there)] == sorted(f'weights["{name}"]' for name in names)


def test_only_the_lints_that_apply_to_a_type_are_called() -> None:
    applied = [entry.id for entry in _lints_of(v1.ContentParts.DESCRIPTOR)]
    assert applied == []
    applied = [entry.id for entry in _lints_of(v1.OutputSpec.DESCRIPTOR)]
    assert "opaque.secret" in applied
    assert not [lint_id for lint_id in applied if lint_id.startswith(("uri.", "timestamp."))]


def test_the_lints_of_opaque_json_share_one_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[Message] = []

    def counted(root: Message) -> Iterator[tuple[Path, Message]]:
        walked.append(root)
        return walk(root)

    monkeypatch.setattr(linter, "walk", counted)
    stage = ParseDict({"name": "s", "options": {"password": "hunter22"}}, v1.StageDef())
    assert found(stage) == [('options["password"]', "opaque.secret")]
    assert walked == [stage.options]


def test_an_unset_message_is_not_linted() -> None:
    assert lint(v1.ReliabilityConfig()) == []


def test_messages_nested_deeper_than_the_stack_are_linted() -> None:
    root = v1.BackendRef(id="0")
    last = root
    for depth in range(1500):
        last.fallback.id = str(depth)
        last = last.fallback
    last.endpoint_url = "localhost:1"
    [(path, lint_id)] = found(root)
    assert (path.count("fallback"), lint_id) == (1500, "uri.malformed")


def test_opaque_json_nested_deeper_than_the_stack_is_searched() -> None:
    stage = v1.StageDef(name="deep")
    last = stage.options
    for _ in range(1500):
        last = last.fields["a"].struct_value
    last.fields["password"].string_value = "hunter22"
    [(path, lint_id)] = found(stage)
    assert (path.count('["a"]'), lint_id) == (1500, "opaque.secret")


@pytest.mark.parametrize("thing", [None, {}, "Experiment", v1.Experiment, Struct()])
def test_only_messages_of_the_ir_are_accepted(thing: Message) -> None:
    with pytest.raises(FieldError, match="expected a message of the IR, got"):
        lint(thing)


def test_unknown_enum_numbers_are_not_reported() -> None:
    assert lint(ParseDict({"id": "gpt2", "provider": 99}, v1.ModelRef())) == []


@given(data=st.data())
def test_any_message_is_linted_without_an_error_or_a_modification(
    data: st.DataObject,
) -> None:
    name = data.draw(st.sampled_from(sorted(message_types())))
    message = data.draw(messages(message_types()[name]))
    before = message.SerializeToString(deterministic=True)
    findings = lint(message)
    assert message.SerializeToString(deterministic=True) == before
    assert lint(type(message).FromString(before)) == findings
    assert {finding.id for finding in findings} <= set(LINTS)


@given(data=st.data())
def test_every_path_can_be_parsed(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["Experiment", "Document", "Prompt", "FeedbackEvent"]))
    for finding in lint(data.draw(messages(message_types()[name]))):
        assert format_path(parse_path(finding.path)) == finding.path
