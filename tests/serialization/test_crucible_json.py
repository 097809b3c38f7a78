"""Crucible JSON: each rule of the dialect in proto/README.md."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from effort import examples
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from json_values import same_json
from message_strategies import messages

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema.fields import describe_field
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.walk import walk

NULL = Value(null_value=0)  # type: ignore[arg-type]  # the stub wants the enum's own type
USER = v1.MessageRole.MESSAGE_ROLE_USER


def read(text: str, type_: str) -> Message:
    return ir.from_crucible_json(text, type_, validate=False)


def error_of(text: str, type_: str) -> str:
    with pytest.raises(ir.DecodeError) as caught:
        read(text, type_)
    return str(caught.value)


def opaque(value: dict[str, Any]) -> Struct:
    """Return a JSON object as opaque JSON."""
    return json_format.ParseDict(value, Struct())


def struct(**numbers: float) -> Struct:
    return Struct(fields={key: Value(number_value=number) for key, number in numbers.items()})


#: The text of a message without set fields, as the Elixir structs are without them: the keys are
#: in the order of the schema.
EMPTY = {
    "StageDef": '{"name":"","module":null,"options":null,"enabled":null}',
    "OutputSpec": '{"name":"","formats":[],"sink":null,"options":null}',
    "Ensemble": (
        '{"strategy":null,"execution_mode":null,"models":null,"weights":null,"min_agreement":null,'
        '"timeout_ms":null,"options":null}'
    ),
    "Prompt": (
        '{"messages":[],"system":null,"tools":null,"tool_choice":null,"options":null,'
        '"request_id":null,"trace_id":null,"metadata":{}}'
    ),
    "Completion": (
        '{"choices":[],"model":null,"usage":null,"latency_ms":null,"time_to_first_token_ms":null,'
        '"request_id":null,"trace_id":null,"raw_response":null,"metadata":{}}'
    ),
    "Guardrail": (
        '{"profiles":[],"prompt_injection_detection":null,"jailbreak_detection":null,'
        '"pii_detection":null,"pii_redaction":null,"content_moderation":null,'
        '"fail_on_detection":null,"options":null}'
    ),
    **dict.fromkeys(
        [
            *("Message", "ImageContent", "AudioContent", "ToolResultContent", "ToolCall", "Choice"),
            *("Usage", "Thinking", "MetricsSnapshot"),
            # Newer than 0.2
            *("Reasoning", "FileContent", "EvaluationResult", "MetricResult", "Artifact"),
        ],
        "{}",
    ),
    "FeedbackEvent": (
        '{"id":"","deployment_id":null,"model_version":null,"input":null,"output":null,'
        '"feedback_type":null,"feedback_value":null,"user_id":null,"session_id":null,'
        '"latency_ms":null,"timestamp":null,"metadata":null}'
    ),
    # Members of a oneof that is not an open vocabulary have a key only if they are set.
    "Document": '{"ir_version":"","producer_name":null,"producer_version":null}',
}


@pytest.mark.parametrize(("type_", "text"), EMPTY.items(), ids=EMPTY)
def test_writes_what_is_unset_as_the_elixir_structs_do(type_: str, text: str) -> None:
    assert ir.to_crucible_json(ir.MESSAGE_TYPES[type_]()) == text


#: Messages, a key of their document, and the text of its value.
WRITTEN: list[tuple[Message, str, str]] = [
    # Short names, for both members of an open vocabulary; names of the enum first
    (
        v1.DeploymentConfig(strategy=v1.DeploymentStrategy.DEPLOYMENT_STRATEGY_BLUE_GREEN),
        "strategy",
        '"blue_green"',
    ),
    (v1.DeploymentConfig(custom_strategy="shadow"), "strategy", '"shadow"'),
    (v1.DeploymentConfig(custom_strategy=""), "strategy", '""'),
    (
        v1.Hedging(strategy=v1.HedgingStrategy.HEDGING_STRATEGY_EXPONENTIAL_BACKOFF),
        "strategy",
        '"exponential_backoff"',
    ),
    (
        v1.OutputSpec(
            custom_formats=["pdf", "ps"],
            formats=[v1.OutputFormat.OUTPUT_FORMAT_CSV, v1.OutputFormat.OUTPUT_FORMAT_JSON],
        ),
        "formats",
        '["csv","json","pdf","ps"]',
    ),
    # Numbers with a fraction
    (v1.TrainingConfig(learning_rate=1.0), "learning_rate", "1"),
    (v1.TrainingConfig(learning_rate=0.1), "learning_rate", "0.1"),
    (v1.TrainingConfig(learning_rate=-0.0), "learning_rate", "-0.0"),
    (v1.TrainingConfig(learning_rate=2.0**53), "learning_rate", "9007199254740992"),
    (v1.TrainingConfig(learning_rate=2.0**54), "learning_rate", "1.8014398509481984e+16"),
    (v1.TrainingConfig(learning_rate=float("nan")), "learning_rate", '"NaN"'),
    (v1.TrainingConfig(learning_rate=-float("inf")), "learning_rate", '"-Infinity"'),
    (v1.TrainingRun(best_metrics={"loss": float("inf")}), "best_metrics", '{"loss":"Infinity"}'),
    # Timestamps: the fraction as short as possible. 946684800 is the first second of 2000 in UTC.
    (
        v1.FeedbackEvent(timestamp=Timestamp(seconds=946684800)),
        "timestamp",
        '"2000-01-01T00:00:00Z"',
    ),
    (
        v1.FeedbackEvent(timestamp=Timestamp(seconds=946684800, nanos=500_000_000)),
        "timestamp",
        '"2000-01-01T00:00:00.5Z"',
    ),
    (
        v1.FeedbackEvent(timestamp=Timestamp(seconds=946684800, nanos=120)),
        "timestamp",
        '"2000-01-01T00:00:00.00000012Z"',
    ),
    # Values with a special JSON
    (
        v1.TrainingRun(
            metrics_history=[v1.MetricsSnapshot(values={"a": 1.0}), v1.MetricsSnapshot()]
        ),
        "metrics_history",
        '[{"a":1},{}]',
    ),
    (v1.Message(text="hi"), "content", '"hi"'),
    (v1.Message(text=""), "content", '""'),
    (v1.Message(parts=v1.ContentParts()), "content", "[]"),
    (
        v1.Message(parts=v1.ContentParts(parts=[v1.ContentPart(text="hi")])),
        "content",
        '[{"type":"text","text":"hi"}]',
    ),
    (
        v1.Message(
            parts=v1.ContentParts(
                parts=[v1.ContentPart(image=v1.ImageContent(base64=b"hi", media_type="image/png"))]
            )
        ),
        "content",
        '[{"type":"image","base64":"aGk=","media_type":"image/png"}]',
    ),
    (
        v1.Message(
            parts=v1.ContentParts(
                parts=[
                    v1.ContentPart(image=v1.ImageContent(url="u")),
                    v1.ContentPart(audio=v1.AudioContent(url="a")),
                    v1.ContentPart(tool_result=v1.ToolResultContent(tool_call_id="c")),
                ]
            )
        ),
        "content",
        '[{"type":"image","url":"u"},{"type":"audio","url":"a"},'
        '{"type":"tool_result","tool_call_id":"c"}]',
    ),
    (
        v1.Message(
            parts=v1.ContentParts(
                parts=[
                    v1.ContentPart(
                        reasoning=v1.Reasoning(id="r", text="hm", encrypted="e"), signature="s"
                    ),
                    v1.ContentPart(text="hi", metadata=struct(a=1)),
                    v1.ContentPart(file=v1.FileContent(file_id="f", name="n")),
                    v1.ContentPart(
                        tool_result=v1.ToolResultContent(
                            tool_call_id="c", is_error=False, parts=[v1.ContentPart(text="no")]
                        )
                    ),
                    v1.ContentPart(other=opaque({"type": "search_result", "n": [1], "text": None})),
                ]
            )
        ),
        "content",
        '[{"type":"reasoning","id":"r","text":"hm","encrypted":"e","signature":"s"},'
        '{"type":"text","text":"hi","metadata":{"a":1}},'
        '{"type":"file","file_id":"f","name":"n"},'
        '{"type":"tool_result","tool_call_id":"c","is_error":false,'
        '"parts":[{"type":"text","text":"no"}]},'
        '{"type":"search_result","n":[1],"text":null}]',
    ),
    # Pairs: numbers in the map of doubles, all else in the field beside it
    (
        v1.ModelVersion(
            metrics={"loss": 1.0, "f1": math.nan}, other_metrics=opaque({"note": "ok", "cm": [[1]]})
        ),
        "metrics",
        '{"loss":1,"f1":"NaN","note":"ok","cm":[[1]]}',
    ),
    (v1.ModelVersion(other_metrics=opaque({"a": None})), "metrics", '{"a":null}'),
    (v1.ModelVersion(other_metrics=Struct()), "metrics", "null"),
    (
        v1.TrainingRun(
            metrics_history=[
                v1.MetricsSnapshot(
                    step=10,
                    epoch=0.5,
                    time=Timestamp(seconds=946684800),
                    values={"loss": 1.0},
                    other_values=opaque({"note": "ok", "lr": None}),
                ),
                # These are not the values of the fields of these names, and stay metrics.
                v1.MetricsSnapshot(
                    values={"step": -1.0, "epoch": -0.5, "time": 3.5},
                    other_values=opaque({"a": {}}),
                ),
                v1.MetricsSnapshot(other_values=opaque({"step": "x", "epoch": [], "time": "noon"})),
                v1.MetricsSnapshot(epoch=2.0),
            ]
        ),
        "metrics_history",
        '[{"step":10,"epoch":0.5,"time":"2000-01-01T00:00:00Z","loss":1,"note":"ok","lr":null},'
        '{"step":-1,"epoch":-0.5,"time":3.5,"a":{}},{"step":"x","epoch":[],"time":"noon"},'
        '{"epoch":2}]',
    ),
    (v1.ToolCall(map=struct(by=2)), "arguments", '{"by":2}'),
    (v1.ToolCall(map=Struct()), "arguments", "{}"),
    (v1.ToolCall(raw='{"by":'), "arguments", '"{\\"by\\":"'),
    (
        v1.Prompt(tool_choice=v1.ToolChoice(mode=v1.ToolChoiceMode.TOOL_CHOICE_MODE_NONE)),
        "tool_choice",
        '"none"',
    ),
    (v1.Prompt(tool_choice=v1.ToolChoice(name="zoom")), "tool_choice", '{"name":"zoom"}'),
    (v1.Prompt(tools=[struct(a=1), Struct()]), "tools", '[{"a":1},{}]'),
]


#: Messages with integers, which are JSON numbers, and with whole numbers in opaque JSON, which have
#: no point up to 2^53. Their text is compared, not the JSON value.
EXACT_TEXT: list[tuple[Message, str, str]] = [
    (v1.TrainingConfig(seed=2**63 - 1), "seed", "9223372036854775807"),
    (v1.TrainingConfig(seed=-(2**63)), "seed", "-9223372036854775808"),
    (v1.TrainingConfig(epochs=0), "epochs", "0"),
    (v1.StageDef(options=struct(k=3.0)), "options", '{"k":3}'),
    (v1.StageDef(options=struct(k=-(2.0**53))), "options", '{"k":-9007199254740992}'),
    (v1.StageDef(options=struct(k=2.0**53 + 2)), "options", '{"k":9007199254740994.0}'),
    (v1.StageDef(options=struct(k=0.5)), "options", '{"k":0.5}'),
    (v1.StageDef(options=struct(k=1e300)), "options", '{"k":1e+300}'),
    (v1.StageDef(options=Struct(fields={"k": NULL})), "options", '{"k":null}'),
    (v1.StageDef(options=Struct()), "options", "{}"),
    (v1.FeedbackEvent(feedback_value=Value(bool_value=False)), "feedback_value", "false"),
    (v1.FeedbackEvent(feedback_value=Value(number_value=5)), "feedback_value", "5"),
    (v1.FeedbackEvent(feedback_value=Value(list_value=ListValue())), "feedback_value", "[]"),
    (v1.FeedbackEvent(feedback_value=NULL), "feedback_value", "null"),
    # An integer is the step; a number with a point is a metric of that name.
    (
        v1.TrainingRun(metrics_history=[v1.MetricsSnapshot(step=3)]),
        "metrics_history",
        '[{"step":3}]',
    ),
    (
        v1.TrainingRun(metrics_history=[v1.MetricsSnapshot(values={"step": 3})]),
        "metrics_history",
        '[{"step":3.0}]',
    ),
    (
        v1.TrainingRun(metrics_history=[v1.MetricsSnapshot(epoch=3)]),
        "metrics_history",
        '[{"epoch":3}]',
    ),
]


#: New fields, each with its key when it is set. No key is written when it is not.
NEW: list[tuple[Message, str, str]] = [
    (v1.TrainingConfig(max_steps=3), "max_steps", "3"),
    (
        v1.TrainingConfig(
            learning_rate_schedule=v1.LearningRateSchedule.LEARNING_RATE_SCHEDULE_COSINE
        ),
        "learning_rate_schedule",
        '"cosine"',
    ),
    (v1.TrainingConfig(custom_learning_rate_schedule="wsd"), "learning_rate_schedule", '"wsd"'),
    (v1.ModelVersion(tags=["a"]), "tags", '["a"]'),
    (
        v1.ModelVersion(artifacts=[v1.Artifact(uri="u", size_bytes=2**53 + 1)]),
        "artifacts",
        '[{"uri":"u","size_bytes":9007199254740993}]',
    ),
    (v1.ModelRef(aliases={"champion": "v1"}), "aliases", '{"champion":"v1"}'),
    (v1.DeploymentStatus(metrics={"p50": 0.5}), "metrics", '{"p50":0.5}'),
    (v1.DeploymentStatus(metadata=Struct()), "metadata", "{}"),
    (v1.FeedbackEvent(choice_index=0), "choice_index", "0"),
    (v1.FeedbackEvent(comment=""), "comment", '""'),
    (v1.Message(refusal="no"), "refusal", '"no"'),
    (v1.Choice(metadata=Struct()), "metadata", "{}"),
    (
        v1.Completion(created_at=Timestamp(seconds=946684800)),
        "created_at",
        '"2000-01-01T00:00:00Z"',
    ),
    (v1.EvaluationResult(model_version_id="v"), "model_version_id", '"v"'),
]


@pytest.mark.parametrize(
    ("message", "key", "text"), NEW, ids=[f"{type(m).__name__}.{key}" for m, key, _ in NEW]
)
def test_writes_new_fields_only_when_they_are_set(message: Message, key: str, text: str) -> None:
    assert f'"{key}":{text}' in ir.to_crucible_json(message)
    assert key not in json.loads(ir.to_crucible_json(type(message)()))
    assert read(ir.to_crucible_json(message), type(message).__name__) == message


def test_unspecified_in_a_new_open_vocabulary_has_no_key() -> None:
    event = v1.FeedbackEvent(source=v1.FeedbackSource.FEEDBACK_SOURCE_UNSPECIFIED)
    assert ir.to_crucible_json(event) == ir.to_crucible_json(v1.FeedbackEvent())


def test_no_new_field_has_a_key_when_it_is_unset() -> None:
    for type_ in ir.MESSAGE_TYPES.values():
        if type_ is not v1.ContentPart:
            document = json.loads(ir.to_crucible_json(type_()))
            new = {
                field.name
                for field in type_.DESCRIPTOR.fields
                if describe_field(field).since is not None
            }
            assert isinstance(document, list) or document is None or not new & set(document)


@pytest.mark.parametrize(
    ("message", "key", "text"), WRITTEN, ids=[f"{key}: {text}" for _, key, text in WRITTEN]
)
def test_writes_each_kind_of_value(message: Message, key: str, text: str) -> None:
    assert same_json(json.loads(ir.to_crucible_json(message))[key], json.loads(text))


@pytest.mark.parametrize(
    ("message", "key", "text"),
    EXACT_TEXT,
    ids=[f"{key}: {text}" for _, key, text in EXACT_TEXT],
)
def test_writes_the_exact_text_of_integers_and_opaque_maps(
    message: Message, key: str, text: str
) -> None:
    written = ir.to_crucible_json(message)
    assert f'"{key}":{text},' in written or f'"{key}":{text}}}' in written


def test_indents_by_the_given_number_of_spaces() -> None:
    assert ir.to_crucible_json(v1.ToolCall(name="a"), indent=1) == ('{\n "name": "a"\n}')


#: Types, documents, and the fields that they set.
READ: list[tuple[str, str, dict[str, Any]]] = [
    # At every depth, a missing key takes its default and null leaves a field unset
    (
        "TrainingConfig",
        "{}",
        {
            "epochs": 1,
            "batch_size": 32,
            "learning_rate": 0.001,
            "optimizer": v1.Optimizer.OPTIMIZER_ADAM,
            "loss_function": v1.LossFunction.LOSS_FUNCTION_CROSS_ENTROPY,
            "metrics": ["loss", "accuracy"],
            "device": v1.Device.DEVICE_CPU,
            "mixed_precision": False,
        },
    ),
    (
        "TrainingConfig",
        '{"epochs": null, "batch_size": null, "learning_rate": null, "optimizer": null,'
        ' "loss_function": null, "metrics": null, "device": null, "mixed_precision": null}',
        {},
    ),
    ("OutputSpec", '{"formats": []}', {"sink": v1.OutputSink.OUTPUT_SINK_FILE}),
    ("OutputSpec", '{"formats": null, "sink": null}', {}),
    ("StageDef", "{}", {"enabled": True}),
    ("StageDef", '{"enabled": null, "name": null, "options": null}', {}),
    (
        "ReliabilityConfig",
        '{"hedging": {"strategy": null}, "stats": null}',
        {"hedging": v1.Hedging()},
    ),
    (
        "ReliabilityConfig",
        '{"hedging": {}}',
        {"hedging": v1.Hedging(strategy=v1.HedgingStrategy.HEDGING_STRATEGY_OFF)},
    ),
    (
        "Prompt",
        "{}",
        {"options": v1.GenerationOptions(stream=False, extended_thinking=False)},
    ),
    ("Prompt", '{"options": null}', {}),
    (
        "Prompt",
        '{"options": {"stream": null}}',
        {"options": v1.GenerationOptions(extended_thinking=False)},
    ),
    # Open vocabularies
    ("OutputSpec", '{"formats": [], "sink": "s3"}', {"sink": v1.OutputSink.OUTPUT_SINK_S3}),
    ("OutputSpec", '{"formats": [], "sink": "kafka"}', {"custom_sink": "kafka"}),
    ("OutputSpec", '{"formats": [], "sink": ""}', {"custom_sink": ""}),
    ("OutputSpec", '{"formats": [], "sink": "S3"}', {"custom_sink": "S3"}),
    ("OutputSpec", '{"formats": [], "sink": "unspecified"}', {"custom_sink": "unspecified"}),
    (
        "OutputSpec",
        '{"formats": ["pdf", "csv", "ps", "csv"], "sink": null}',
        {"formats": [v1.OutputFormat.OUTPUT_FORMAT_CSV] * 2, "custom_formats": ["pdf", "ps"]},
    ),
    # Values
    ("StageDef", '{"enabled": false, "options": {}}', {"enabled": False, "options": Struct()}),
    (
        "StageDef",
        '{"enabled": null, "options": {"a": null, "b": 1}}',
        {"options": Struct(fields={"a": NULL, "b": Value(number_value=1)})},
    ),
    # An empty keyword list of Elixir is an empty object
    ("StageDef", '{"enabled": null, "options": []}', {"options": Struct()}),
    ("StageDef", '{"enabled": null, "options": {"a": []}}', {"options": opaque({"a": []})}),
    ("Ensemble", '{"strategy": null, "execution_mode": null, "weights": []}', {}),
    ("ModelVersion", '{"stage": null, "metrics": []}', {}),
    ("ToolCall", '{"arguments": []}', {"map": Struct()}),
    ("Prompt", '{"options": null, "tools": [[]]}', {"tools": [Struct()]}),
    # Empty where an Elixir struct is empty by default, which is unset here
    ("Prompt", '{"options": null, "metadata": {}}', {}),
    ("Completion", '{"metadata": []}', {}),
    ("GenerationOptions", '{"stream": null, "extended_thinking": null, "extra": {}}', {}),
    # Pairs
    ("MetricsSnapshot", '{"a": 1, "b": "NaN"}', {"values": {"a": 1.0, "b": float("nan")}}),
    ("MetricsSnapshot", "{}", {}),
    ("MetricsSnapshot", "[]", {}),
    (
        "MetricsSnapshot",
        '{"a": true, "b": null, "c": "1", "d": 1e2, "e": {"f": []}}',
        {
            "values": {"d": 100.0},
            "other_values": opaque({"a": True, "b": None, "c": "1", "e": {"f": []}}),
        },
    ),
    (
        "MetricsSnapshot",
        '{"step": 5, "epoch": 1, "time": "2000-01-01T00:00:00Z"}',
        {"step": 5, "epoch": 1.0, "time": Timestamp(seconds=946684800)},
    ),
    ("MetricsSnapshot", '{"step": 2147483647}', {"step": 2**31 - 1}),
    ("MetricsSnapshot", '{"step": 2147483648}', {"values": {"step": 2.0**31}}),
    ("MetricsSnapshot", '{"step": 5.0}', {"values": {"step": 5.0}}),
    ("MetricsSnapshot", '{"step": 5e0}', {"values": {"step": 5.0}}),
    ("MetricsSnapshot", '{"step": -1}', {"values": {"step": -1.0}}),
    ("MetricsSnapshot", '{"step": "5"}', {"other_values": opaque({"step": "5"})}),
    ("MetricsSnapshot", '{"step": true}', {"other_values": opaque({"step": True})}),
    ("MetricsSnapshot", '{"step": null}', {"other_values": opaque({"step": None})}),
    ("MetricsSnapshot", '{"epoch": 1.5e0}', {"epoch": 1.5}),
    ("MetricsSnapshot", '{"epoch": -0.5}', {"values": {"epoch": -0.5}}),
    ("MetricsSnapshot", '{"epoch": "NaN"}', {"values": {"epoch": float("nan")}}),
    ("MetricsSnapshot", '{"time": 12.5}', {"values": {"time": 12.5}}),
    ("MetricsSnapshot", '{"time": "noon"}', {"other_values": opaque({"time": "noon"})}),
    ("ModelVersion", '{"stage": null, "metrics": {"a": 1}}', {"metrics": {"a": 1.0}}),
    (
        "ModelVersion",
        '{"stage": null, "metrics": {"a": 1, "b": "x"}}',
        {"metrics": {"a": 1.0}, "other_metrics": opaque({"b": "x"})},
    ),
    # Parts
    (
        "ContentPart",
        '{"type": "reasoning", "signature": "s", "metadata": {"a": null}}',
        {"reasoning": v1.Reasoning(), "signature": "s", "metadata": opaque({"a": None})},
    ),
    ("ContentPart", '{"type": "text", "text": "", "signature": null}', {"text": ""}),
    (
        "ContentPart",
        '{"type": "file", "base64": "aGk=", "media_type": "text/plain"}',
        {"file": v1.FileContent(base64=b"hi", media_type="text/plain")},
    ),
    (
        "ContentPart",
        '{"type": "video", "signature": 5, "url": []}',
        {"other": opaque({"type": "video", "signature": 5, "url": []})},
    ),
    ("ContentPart", '{"type": "other"}', {"other": opaque({"type": "other"})}),
    (
        "TrainingRun",
        '{"status": null, "metrics_history": [{"a": "-Infinity"}, {}], "best_metrics": null}',
        {
            "metrics_history": [
                v1.MetricsSnapshot(values={"a": -math.inf}),
                v1.MetricsSnapshot(),
            ]
        },
    ),
    (
        "FeedbackEvent",
        '{"feedback_type": null, "feedback_value": null}',
        {},
    ),
    (
        "FeedbackEvent",
        '{"feedback_type": null, "feedback_value": [null]}',
        {"feedback_value": Value(list_value=ListValue(values=[NULL]))},
    ),
    (
        "FeedbackEvent",
        '{"feedback_type": null, "timestamp": "2000-01-01T01:00:00.25+01:00"}',
        {"timestamp": Timestamp(seconds=946684800, nanos=250_000_000)},
    ),
    (
        "GenerationOptions",
        '{"stream": null, "extended_thinking": null, "seed": 9007199254740993}',
        {"seed": 2**53 + 1},
    ),
    ("Usage", '{"total_tokens": 1e3}', {"total_tokens": 1000}),
    # Values with a special JSON
    ("Message", '{"role": "user", "content": "hi"}', {"role": USER, "text": "hi"}),
    ("Message", '{"content": []}', {"parts": v1.ContentParts()}),
    ("Message", '{"content": null, "tool_calls": null}', {}),
    (
        "Message",
        '{"content": [{"type": "text", "text": ""}, {"url": "u", "type": "image"}]}',
        {
            "parts": v1.ContentParts(
                parts=[v1.ContentPart(text=""), v1.ContentPart(image=v1.ImageContent(url="u"))]
            )
        },
    ),
    ("ToolCall", '{"arguments": {"by": 2}}', {"map": struct(by=2)}),
    ("ToolCall", '{"arguments": {}}', {"map": Struct()}),
    ("ToolCall", '{"arguments": ""}', {"raw": ""}),
    ("ToolCall", '{"arguments": null}', {}),
    (
        "Prompt",
        '{"options": null, "tool_choice": "required"}',
        {"tool_choice": v1.ToolChoice(mode=v1.ToolChoiceMode.TOOL_CHOICE_MODE_REQUIRED)},
    ),
    (
        "Prompt",
        '{"options": null, "tool_choice": {"name": "auto"}}',
        {"tool_choice": v1.ToolChoice(name="auto")},
    ),
    (
        "Document",
        '{"stage_def": {"enabled": null, "name": "a"}}',
        {"stage_def": v1.StageDef(name="a")},
    ),
]


@pytest.mark.parametrize(
    ("type_", "text", "fields"), READ, ids=[f"{type_} {text}" for type_, text, _ in READ]
)
def test_reads_each_kind_of_value(type_: str, text: str, fields: dict[str, Any]) -> None:
    assert read(text, type_) == ir.MESSAGE_TYPES[type_](**fields)


def test_each_message_of_a_list_takes_its_defaults() -> None:
    text = '{"pipeline": [{"name": "a"}, {"name": "b", "enabled": null}]}'
    experiment = read(text, "Experiment")
    assert experiment == v1.Experiment(
        pipeline=[v1.StageDef(name="a", enabled=True), v1.StageDef(name="b")]
    )


#: Types, documents and errors; columns were counted by hand.
REJECTED = [
    ("StageDef", "null", "1:1: expected an object, got null"),
    ("StageDef", '{"nmae": "x"}', '1:2: nmae: StageDef has no field "nmae"; did you mean "name"?'),
    (
        "TrainingConfig",
        '{"modelRef": {}}',
        '1:2: modelRef: TrainingConfig has no field "modelRef"; did you mean "model_ref"?',
    ),
    (
        "OutputSpec",
        '{"custom_sink": "x"}',
        '1:2: custom_sink: OutputSpec has no field "custom_sink"',
    ),
    ("Message", '{"text": "x"}', '1:2: text: Message has no field "text"'),
    ("StageDef", '{"name": "a", "name": "a"}', '1:15: duplicate key "name", first given at 1:2'),
    (
        "StageDef",
        '{"name": 1}',
        "1:10: name: expected a string, got the number 1; put it in quotes",
    ),
    (
        "StageDef",
        '{"enabled": "true"}',
        "1:13: enabled: expected true or false, got the string 'true'; remove the quotes",
    ),
    ("StageDef", '{"options": [1]}', "1:13: options: expected an object, got a list"),
    ("Prompt", '{"options": []}', "1:13: options: expected an object, got a list"),
    (
        "TrainingConfig",
        '{"epochs": "3"}',
        "1:12: epochs: expected an integer, got the string '3'; remove the quotes",
    ),
    (
        "TrainingConfig",
        '{"epochs": 3000000000}',
        "1:12: epochs: 3000000000 is out of range; expected -2147483648 to 2147483647",
    ),
    (
        "TrainingConfig",
        '{"learning_rate": "0.1"}',
        '1:19: learning_rate: expected a number, "NaN", "Infinity" or "-Infinity", got the string'
        " '0.1'; remove the quotes",
    ),
    (
        "TrainingConfig",
        '{"learning_rate": NaN}',
        '1:19: not JSON: NaN without quotes; write "NaN"',
    ),
    (
        "Hedging",
        '{"strategy": "adaptiv"}',
        '1:14: strategy: HedgingStrategy has no value "adaptiv"; did you mean "adaptive"?',
    ),
    (
        "Hedging",
        '{"strategy": "HEDGING_STRATEGY_OFF"}',
        '1:14: strategy: "HEDGING_STRATEGY_OFF" is the full name of "off"; write "off"',
    ),
    ("Hedging", '{"strategy": 1}', "1:14: strategy: expected a name in a string, got the number 1"),
    ("OutputSpec", '{"sink": 1}', "1:10: sink: expected a name in a string, got the number 1"),
    ("OutputSpec", '{"formats": "csv"}', "1:13: formats: expected a list, got the string 'csv'"),
    (
        "OutputSpec",
        '{"formats": ["csv", null]}',
        "1:21: formats[1]: expected a name in a string, got null",
    ),
    (
        "TrainingRun",
        '{"metrics_history": [{"a": 1}, {"b": 1e400}]}',
        '1:38: metrics_history[1]["b"]: the number 1e400 is out of range; for infinity, write'
        ' "Infinity"',
    ),
    (
        "TrainingRun",
        '{"metrics_history": [{"a": [9007199254740993]}]}',
        '1:29: metrics_history[0]["a"][0]: the integer 9007199254740993 is beyond 2^53, the limit'
        " of exact integers in opaque JSON; write it as a string",
    ),
    (
        "TrainingRun",
        '{"metrics_history": [5]}',
        "1:22: metrics_history[0]: expected an object, got the number 5",
    ),
    (
        "ModelVersion",
        '{"metrics": 5}',
        "1:13: metrics: expected an object, got the number 5",
    ),
    (
        "ModelVersion",
        '{"other_metrics": {}}',
        '1:2: other_metrics: ModelVersion has no field "other_metrics"; did you mean "metrics"?',
    ),
    (
        "Ensemble",
        '{"weights": {"gpt-4": true}}',
        '1:23: weights["gpt-4"]: expected a number, got true',
    ),
    (
        "StageDef",
        '{"options": {"a": {"b": 9007199254740993}}}',
        '1:25: options["a"]["b"]: the integer 9007199254740993 is beyond 2^53, the limit of exact'
        " integers in opaque JSON; write it as a string",
    ),
    (
        "FeedbackEvent",
        '{"timestamp": "yesterday"}',
        "1:15: timestamp: expected an RFC 3339 timestamp such as 2025-12-26T12:00:00Z, got the"
        " string 'yesterday'",
    ),
    (
        "Prompt",
        '{"messages": [{"content": 5}]}',
        "1:27: messages[0].content: expected a string or a list of parts, got the number 5",
    ),
    (
        "Prompt",
        '{"messages": [{"content": [{"text": "a"}]}]}',
        "1:28: messages[0].content[0].type: expected a type such as text, image, audio,"
        " tool_result, reasoning, file, got no type",
    ),
    (
        "Prompt",
        '{"messages": [{"content": [{"type": 5}]}]}',
        "1:37: messages[0].content[0].type: expected a type such as text, image, audio,"
        " tool_result, reasoning, file, got the number 5",
    ),
    (
        "Prompt",
        '{"messages": [{"content": [{"type": "imgae"}]}]}',
        '1:37: messages[0].content[0].type: unknown type "imgae"; did you mean "image"?',
    ),
    (
        "Message",
        '{"content": [{"type": "Tool-Result"}]}',
        '1:23: content[0].type: unknown type "Tool-Result"; did you mean "tool_result"?',
    ),
    (
        "Message",
        '{"content": [{"type": "reasoning", "signatur": "x"}]}',
        '1:36: content[0].signatur: Reasoning has no field "signatur"; did you mean "signature"?',
    ),
    (
        "Message",
        '{"content": [{"type": "text", "text": "", "signature": 5}]}',
        "1:56: content[0].signature: expected a string, got the number 5; put it in quotes",
    ),
    (
        "Message",
        '{"content": [{"type": "image", "ulr": "x"}]}',
        '1:32: content[0].ulr: ImageContent has no field "ulr"; did you mean "url"?',
    ),
    (
        "Message",
        '{"content": [{"type": "text", "url": "x"}]}',
        '1:31: content[0].url: a text part has no field "url"\n'
        "1:14: content[0].text: expected a string, got null",
    ),
    (
        "Message",
        '{"content": [{"type": "text"}]}',
        "1:14: content[0].text: expected a string, got null",
    ),
    (
        "ToolCall",
        '{"arguments": 1}',
        "1:15: arguments: expected an object or a string, got the number 1",
    ),
    (
        "ToolCall",
        '{"arguments": [1]}',
        "1:15: arguments: expected an object or a string, got a list",
    ),
    (
        "Prompt",
        '{"tool_choice": "atuo"}',
        '1:17: tool_choice: ToolChoiceMode has no value "atuo"; did you mean "auto"?',
    ),
    (
        "Prompt",
        '{"tool_choice": {"nam": "x"}}',
        '1:18: tool_choice.nam: a tool choice has no field "nam"; did you mean "name"?',
    ),
    (
        "Prompt",
        '{"tool_choice": {"name": 5}}',
        "1:26: tool_choice.name: expected a string, got the number 5; put it in quotes",
    ),
    (
        "Prompt",
        '{"tool_choice": 1}',
        '1:17: tool_choice: expected one of auto, none, required, or {"name": ...}, got the'
        " number 1",
    ),
]


@pytest.mark.parametrize(
    ("type_", "text", "error"), REJECTED, ids=[f"{type_} {text}" for type_, text, _ in REJECTED]
)
def test_errors_have_the_position_the_path_and_the_most_similar_name(
    type_: str, text: str, error: str
) -> None:
    assert error_of(text, type_) == error


def test_rejects_two_members_of_a_oneof() -> None:
    image = '{"content": [{"type": "image", "url": "u", "base64": "aGk="}]}'
    assert error_of(image, "Message").startswith("1:54: content[0].base64: ")
    document = '{"ir_version": "1", "stage_def": {}, "hedging": {}}'
    assert error_of(document, "Document").startswith("1:49: hedging: ")


#: Messages that Crucible JSON cannot write, and the path of the error.
UNWRITABLE: list[tuple[Message, str]] = [
    (v1.Hedging(strategy=77), "strategy"),  # type: ignore[arg-type]  # a newer peer's number
    (v1.OutputSpec(sink=77), "sink"),  # type: ignore[arg-type]  # a newer peer's number
    (v1.OutputSpec(formats=[1, 77]), "formats[1]"),  # type: ignore[list-item]  # a newer peer's number
    (v1.Prompt(tool_choice=v1.ToolChoice(mode=77)), "tool_choice"),  # type: ignore[arg-type]  # a newer peer's number
    (
        v1.Prompt(
            messages=[v1.Message(), v1.Message(parts=v1.ContentParts(parts=[v1.ContentPart()]))]
        ),
        "messages[1].content[0]",
    ),
    (v1.StageDef(options=struct(a=float("nan"))), 'options["a"]'),
    (v1.FeedbackEvent(feedback_value=Value()), "feedback_value"),
    (v1.FeedbackEvent(timestamp=Timestamp(seconds=253402300800)), "timestamp"),
    # A name in both fields of a pair, or a number in the field for all else
    (v1.ModelVersion(metrics={"a": 1}, other_metrics=opaque({"a": "x"})), 'metrics["a"]'),
    (v1.ModelVersion(other_metrics=opaque({"a": 1})), 'metrics["a"]'),
    (v1.ModelVersion(other_metrics=opaque({"a": "Infinity"})), 'metrics["a"]'),
    (v1.ModelVersion(other_metrics=struct(a=float("nan"))), 'metrics["a"]'),
    *(
        (v1.TrainingRun(metrics_history=[snapshot]), f"metrics_history[0]{path}")
        for snapshot, path in [
            (v1.MetricsSnapshot(values={"a": 1}, other_values=opaque({"a": "x"})), '["a"]'),
            (v1.MetricsSnapshot(other_values=opaque({"a": 1})), '["a"]'),
            # A name of a field that is set
            (v1.MetricsSnapshot(step=1, values={"step": 1}), '["step"]'),
            (v1.MetricsSnapshot(epoch=1, other_values=opaque({"epoch": "x"})), '["epoch"]'),
            # A value that would be read as the field
            (
                v1.MetricsSnapshot(other_values=opaque({"time": "2000-01-01T00:00:00Z"})),
                '["time"]',
            ),
            # A value of the field that would be read as a metric
            (v1.MetricsSnapshot(step=-1), ".step"),
            (v1.MetricsSnapshot(epoch=-1), ".epoch"),
            (v1.MetricsSnapshot(epoch=float("nan")), ".epoch"),
            (v1.MetricsSnapshot(time=Timestamp(seconds=253402300800)), ".time"),
        ]
    ),
    # Parts of another kind that would be read as one that the schema has, or not at all
    *(
        (v1.Message(parts=v1.ContentParts(parts=[part])), f"content[0].{path}")
        for part, path in [
            (v1.ContentPart(other=Struct()), "type"),
            (v1.ContentPart(other=opaque({"type": 5})), "type"),
            (v1.ContentPart(other=opaque({"type": "text", "text": "hi"})), "type"),
            (v1.ContentPart(other=opaque({"type": "imgae"})), "type"),
            (v1.ContentPart(other=opaque({"type": "video"}), signature="s"), "signature"),
            (v1.ContentPart(text="hi", metadata=struct(a=float("inf"))), 'metadata["a"]'),
        ]
    ),
]


@pytest.mark.parametrize(("message", "path"), UNWRITABLE, ids=[path for _, path in UNWRITABLE])
def test_errors_of_writing_have_the_path_of_the_field(message: Message, path: str) -> None:
    with pytest.raises(ir.EncodeError) as caught:
        ir.to_crucible_json(message)
    assert caught.value.path == path


def test_the_error_for_a_number_without_a_name_shows_the_number() -> None:
    with pytest.raises(ir.EncodeError, match="strategy: HedgingStrategy 77 has no name"):
        ir.to_crucible_json(v1.Hedging(strategy=77))  # type: ignore[arg-type]  # a newer peer's


def test_violations_have_the_position_in_the_document() -> None:
    text = """{
  "messages": [
    {"role": null, "content": "x"},
    {"role": "user", "content": [
      {"type": "audio", "url": ""}
    ]},
    {"role": "user"}
  ],
  "options": {"max_tokens": -1}
}"""
    with pytest.raises(ir.ValidationError) as caught:
        ir.from_crucible_json(text, "Prompt")
    assert [
        (violation.path, violation.rule_id, str(violation.position))
        for violation in caught.value.violations
    ] == [
        ("messages[0].role", "required", "3:14"),
        ("messages[1].parts.parts[0].audio.url", "required", "5:32"),
        ("messages[2]", "message.content_required", "7:5"),
        ("options.max_tokens", "int32.gte", "9:29"),
    ]


# Differences between a message and the message read back


def normalized(message: Message) -> Message:
    """Return a message as Crucible JSON preserves it.

    - UNSPECIFIED in an open vocabulary is unset, and left out of a list.
    - A custom name that is the short name of an enum value becomes that value.
    - A tool choice without a choice, or with the mode UNSPECIFIED, is unset.
    - The JSON value null as a feedback value is unset.
    - A finite epoch of 0 or more among the values of a snapshot becomes its field.
    - An empty object is unset where the Elixir structs have one by default, and as the values of a
      pair that are not numbers.
    - Unknown fields are lost (the messages here have none).
    """
    copy = type(message)()
    copy.CopyFrom(message)
    for _, inner in walk(copy):
        _merge_vocabularies(inner)
        match inner:
            case v1.Prompt(tool_choice=v1.ToolChoice(mode=0) as choice):
                if not choice.HasField("name"):
                    inner.ClearField("tool_choice")
            case v1.ToolChoice(mode=0) if not inner.HasField("name"):
                inner.Clear()
            case v1.FeedbackEvent(feedback_value=value) if value.HasField("null_value"):
                inner.ClearField("feedback_value")
            case v1.MetricsSnapshot(values=values) if 0 <= values.get("epoch", -1) < math.inf:
                inner.epoch = values.pop("epoch")
        for name in EMPTY_IS_UNSET.get(type(inner), ()):
            if inner.HasField(name) and not getattr(inner, name).fields:
                inner.ClearField(name)
    return copy


EMPTY_IS_UNSET: dict[type[Message], list[str]] = {
    v1.Capabilities: ["metadata"],
    v1.Completion: ["metadata"],
    v1.Prompt: ["metadata"],
    v1.GenerationOptions: ["extra"],
    v1.ModelVersion: ["other_metrics"],
    v1.MetricsSnapshot: ["other_values"],
}


def _merge_vocabularies(message: Message) -> None:
    for custom in descriptor_of(message).fields:
        name = custom.name.removeprefix("custom_")
        if name == custom.name:
            continue
        field = descriptor_of(message).fields_by_name[name]
        names = short_names(field)
        if not field.is_repeated:
            if message.HasField(custom.name):
                number = names.get(getattr(message, custom.name))
                if number is not None:
                    setattr(message, field.name, number)
            elif not getattr(message, field.name):
                message.ClearField(field.name)
            continue
        listed = [number for number in getattr(message, field.name) if number]
        custom_names = list(getattr(message, custom.name))
        message.ClearField(field.name)
        message.ClearField(custom.name)
        known = [names[name] for name in custom_names if name in names]
        getattr(message, field.name).extend(listed + known)
        getattr(message, custom.name).extend(n for n in custom_names if n not in names)


def short_names(field: FieldDescriptor) -> dict[str, int]:
    """Return the short names of an enum field: without the prefix before UNSPECIFIED."""
    enum = field.enum_type
    assert enum is not None
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {
        value.name.removeprefix(prefix).lower(): value.number
        for value in enum.values
        if value.number
    }


#: The reasons that a message of the property test cannot be written.
UNWRITABLE_REASONS = (
    "an empty content part has no type|a part of another kind|is both in|would be read as|is also"
    " that of a field|Crucible JSON has no"
)


@pytest.mark.parametrize("type_", ir.MESSAGE_TYPES.values(), ids=ir.MESSAGE_TYPES)
@settings(max_examples=examples(20))
@given(data=st.data())
def test_reads_back_a_normalized_message_or_cannot_be_written(
    type_: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages(type_, named_enums=True))
    try:
        text = ir.to_crucible_json(message)
    except ir.EncodeError as error:
        assert error.path or type_ is v1.ContentPart
        assert re.search(UNWRITABLE_REASONS, str(error))
        return
    assert ir.from_crucible_json(text, type_, validate=False) == normalized(message)
    read = ir.from_crucible_json(text.encode(), type_, validate=False)
    assert read == normalized(message)
    assert ir.to_crucible_json(read) == text


#: Names and values at the borders between the fields of a snapshot.
SNAPSHOT_NAMES = st.sampled_from(["step", "epoch", "time", "loss", "values"])
SNAPSHOT_NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0**31, 2.0**53, 1e22, math.inf])
SNAPSHOT_OTHERS: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, "x", "", "NaN", "2000-01-01T00:00:00Z", "2000-01-01", [], {}, {"step": 1}, 1.0]
)


@settings(max_examples=examples(300))
@given(
    values=st.dictionaries(SNAPSHOT_NAMES, SNAPSHOT_NUMBERS, max_size=3),
    others=st.dictionaries(SNAPSHOT_NAMES, SNAPSHOT_OTHERS, max_size=3),
    step=st.none() | st.sampled_from([0, 1, -1, 2**31 - 1]),
    epoch=st.none() | SNAPSHOT_NUMBERS,
    time=st.none() | st.sampled_from([0, 253402300799, 253402300800]),
)
def test_each_snapshot_is_read_back_or_cannot_be_written(
    values: dict[str, float],
    others: dict[str, Any],
    step: int | None,
    epoch: float | None,
    time: int | None,
) -> None:
    snapshot = v1.MetricsSnapshot(values=values, step=step, epoch=epoch)
    if others:
        snapshot.other_values.CopyFrom(opaque(others))
    if time is not None:
        snapshot.time.seconds = time
    try:
        text = ir.to_crucible_json(v1.TrainingRun(metrics_history=[snapshot]))
    except ir.EncodeError as error:
        assert error.path.startswith("metrics_history[0]")
        return
    back = ir.from_crucible_json(text, v1.TrainingRun, validate=False)
    assert back.metrics_history[0] == normalized(snapshot)


def test_the_differences_after_reading_back_are_those_of_the_specification() -> None:
    different: list[tuple[Message, Message]] = [
        (v1.OutputSpec(sink=v1.OutputSink.OUTPUT_SINK_UNSPECIFIED), v1.OutputSpec()),
        (v1.OutputSpec(custom_sink="s3"), v1.OutputSpec(sink=v1.OutputSink.OUTPUT_SINK_S3)),
        (v1.OutputSpec(formats=[v1.OutputFormat.OUTPUT_FORMAT_UNSPECIFIED]), v1.OutputSpec()),
        (
            v1.OutputSpec(custom_formats=["csv", "pdf"]),
            v1.OutputSpec(formats=[v1.OutputFormat.OUTPUT_FORMAT_CSV], custom_formats=["pdf"]),
        ),
        (v1.Prompt(tool_choice=v1.ToolChoice()), v1.Prompt()),
        (
            v1.Prompt(
                tool_choice=v1.ToolChoice(mode=v1.ToolChoiceMode.TOOL_CHOICE_MODE_UNSPECIFIED)
            ),
            v1.Prompt(),
        ),
        (v1.FeedbackEvent(feedback_value=NULL), v1.FeedbackEvent()),
        (v1.MetricsSnapshot(values={"epoch": 1.5}), v1.MetricsSnapshot(epoch=1.5)),
        *((type_(**{n: Struct()}), type_()) for type_, [n] in EMPTY_IS_UNSET.items()),
    ]
    for message, expected in different:
        assert normalized(message) == expected
        text = ir.to_crucible_json(message)
        assert ir.from_crucible_json(text, type(message), validate=False) == expected


def test_a_tool_choice_without_a_choice_is_null() -> None:
    assert ir.to_crucible_json(v1.ToolChoice()) == "null"
    assert ir.from_crucible_json("null", v1.ToolChoice) == v1.ToolChoice()
    assert ir.from_crucible_json(" null ", "ToolChoice") == v1.ToolChoice()
