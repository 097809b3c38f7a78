"""The JSON Schema of a message accepts the ProtoJSON that protovalidate accepts."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import protovalidate
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from message_strategies import messages

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema.json_schema import json_schema
from crucible_ir.validation.explain import explain

#: The rules that JSON Schema cannot express; a $comment names each.
INEXPRESSIBLE = {
    "generation_options.json_schema_required",
    "message.content_required",
    "timestamp.gte_lte",
    # A string can have more bytes than characters.
    "string.max_bytes",
}


@cache
def validator(name: str) -> Any:
    schema = json_schema(ir.MESSAGE_TYPES[name])
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def accepts(name: str, document: object) -> bool:
    return bool(validator(name).is_valid(document))


def broken_rules(message: Message) -> set[str]:
    return {found.proto.rule_id for found in protovalidate.collect_violations(message)}


def assert_agreement(message: Message) -> None:
    """Compare the schema's verdict on a message with protovalidate's, under both field names."""
    rules = broken_rules(message)
    for original in (False, True):
        document = json_format.MessageToDict(message, preserving_proto_field_name=original)
        accepted = accepts(message.DESCRIPTOR.name, document)
        if not rules:
            assert accepted
        elif rules - INEXPRESSIBLE:
            assert not accepted


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
def test_every_schema_is_a_valid_json_schema(name: str) -> None:
    assert validator(name).schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_documents_of_the_elixir_package_get_the_same_verdict() -> None:
    path = Path(__file__).parents[1] / "vectors" / "upstream_cases.jsonl"
    verdicts = []
    for line in path.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        try:
            message = ir.from_crucible_json(json.dumps(case["input"]), case["type"], validate=False)
        except ir.DecodeError:
            continue
        assert_agreement(message)
        verdicts.append(not broken_rules(message))
    assert verdicts.count(True) > 300
    assert verdicts.count(False) > 100


@pytest.mark.parametrize(
    "rule_id",
    [
        "double.finite",
        "double.gt",
        "double.gte",
        "double.gte_lte",
        "enum.defined_only",
        "int32.gt",
        "int32.gte",
        "repeated.min_items",
        "required",
        "string.max_bytes",
        "string.pattern",
    ],
)
def test_each_rule_is_enforced(rule_id: str) -> None:
    explanation = explain(rule_id)
    assert explanation.failing is not None
    assert explanation.passing is not None
    name = explanation.failing.message.DESCRIPTOR.name
    for example, expected in ((explanation.failing, False), (explanation.passing, True)):
        document = json_format.MessageToDict(example.message)
        assert accepts(name, document) == expected


@pytest.mark.parametrize("name", ir.MESSAGE_TYPES)
@given(data=st.data())
def test_generated_messages_get_the_same_verdict(name: str, data: st.DataObject) -> None:
    message = data.draw(messages(ir.MESSAGE_TYPES[name]))
    try:
        json_format.MessageToDict(message)
    except (json_format.Error, ValueError):
        # JSON cannot represent the message.
        return
    assert_agreement(message)


STAGE: dict[str, object] = {"name": "embed"}
TRAINING: dict[str, object] = {
    "id": "t",
    "modelRef": {"id": "m"},
    "datasetRef": {"name": "d"},
}
PROMPT_MESSAGE: dict[str, object] = {"role": "MESSAGE_ROLE_USER", "text": "hi"}


@pytest.mark.parametrize(
    ("name", "base", "change", "expected"),
    [
        ("StageDef", STAGE, {"enabled": None}, True),
        ("StageDef", STAGE, {"name": None}, False),
        ("StageDef", STAGE, {"nam": "x"}, False),
        ("StageDef", STAGE, {"enabled": "true"}, False),
        ("StageDef", STAGE, {"options": {"any": [1, None]}}, True),
        ("StageDef", STAGE, {"options": [1]}, False),
        ("TrainingConfig", TRAINING, {"seed": "9007199254740993"}, True),
        ("TrainingConfig", TRAINING, {"seed": 42}, True),
        ("TrainingConfig", TRAINING, {"seed": "forty"}, False),
        ("TrainingConfig", TRAINING, {"epochs": 2**31}, False),
        ("TrainingConfig", TRAINING, {"epochs": 1.5}, False),
        ("TrainingConfig", TRAINING, {"device": "DEVICE_CUDA"}, True),
        ("TrainingConfig", TRAINING, {"device": 77}, True),
        ("TrainingConfig", TRAINING, {"device": "cuda"}, False),
        ("TrainingConfig", TRAINING, {"device": "DEVICE_CPU", "customDevice": "x"}, False),
        ("TrainingConfig", TRAINING, {"device": "DEVICE_CPU", "custom_device": None}, True),
        ("TrainingConfig", TRAINING, {"batchSize": 1, "batch_size": 1}, False),
        ("TrainingConfig", TRAINING, {"batch_size": 1}, True),
        ("TrainingConfig", TRAINING, {"learningRate": "Infinity"}, False),
        ("TrainingConfig", TRAINING, {"gradientClipping": "Infinity"}, True),
        ("TrainingConfig", TRAINING, {"gradientClipping": "NaN"}, False),
        ("TrainingConfig", TRAINING, {"metrics": ["loss", None]}, False),
        ("Message", PROMPT_MESSAGE, {"role": "MESSAGE_ROLE_UNSPECIFIED"}, False),
        ("Message", PROMPT_MESSAGE, {"role": 2}, True),
        ("Message", PROMPT_MESSAGE, {"role": 77}, False),
        ("ImageContent", {"base64": "aGk="}, {}, True),
        ("ImageContent", {"base64": "a b"}, {}, False),
        ("ImageContent", {}, {}, False),
        ("MetricsSnapshot", {}, {"values": {"loss": "NaN", "acc": 0.5}}, True),
        ("MetricsSnapshot", {}, {"values": {"loss": None}}, False),
        ("FeedbackEvent", {"id": "e"}, {"timestamp": "2025-12-26T12:10:00+01:00"}, True),
        ("FeedbackEvent", {"id": "e"}, {"timestamp": "yesterday"}, False),
        ("FeedbackEvent", {"id": "e"}, {"feedbackValue": None}, True),
    ],
)
def test_the_reader_and_the_schema_accept_the_same_json(
    name: str, base: dict[str, object], change: dict[str, object], expected: bool
) -> None:
    document = {**base, **change}
    assert accepts(name, document) == expected
    try:
        ir.from_json(json.dumps(document), name)
    except (ir.DecodeError, ir.ValidationError):
        assert not expected
    else:
        assert expected


def test_rules_that_json_schema_cannot_express_are_in_a_comment() -> None:
    schema = json_schema(v1.GenerationOptions)
    comment = schema["$defs"]["GenerationOptions"]["$comment"]
    assert comment.startswith("generation_options.json_schema_required: ")


def test_fields_have_their_comment_and_default() -> None:
    epochs = json_schema(v1.TrainingConfig)["$defs"]["TrainingConfig"]["properties"]["epochs"]
    assert epochs["default"] == 1
    assert epochs["description"].startswith("The number of passes over the data.")
