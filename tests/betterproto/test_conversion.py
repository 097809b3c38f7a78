"""Conversion to betterproto2 and back is lossless, or raises an error with the path."""

from __future__ import annotations

import copy
import inspect
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import betterproto2
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

import crucible_ir as ir
from crucible_ir import betterproto
from crucible_ir.betterproto import NullValue, Struct, Value, from_betterproto, to_betterproto, v1
from crucible_ir.betterproto.classes import dataclass_fields, dataclass_of, protobuf_class_of
from crucible_ir.betterproto.conformance import v1 as conformance_v1
from crucible_ir.betterproto.exchange import v1 as exchange_v1
from crucible_ir.exchange import v1 as google_exchange_v1

GENERATED = (v1, exchange_v1, conformance_v1)
DATACLASSES: list[type[betterproto2.Message]] = [
    value
    for module in GENERATED
    for value in vars(module).values()
    if inspect.isclass(value) and issubclass(value, betterproto2.Message)
]


def path_of_error(message: betterproto2.Message) -> str:
    with pytest.raises(ir.DecodeError) as caught:
        from_betterproto(message, validate=False)
    return caught.value.path


# Classes


def test_every_message_of_the_schema_has_a_dataclass_with_the_same_fields() -> None:
    for type_ in ir.MESSAGE_TYPES.values():
        names = [field.name for field in dataclass_fields(dataclass_of(cast(Any, type_)))]
        assert names == [field.name for field in type_.DESCRIPTOR.fields]


@pytest.mark.parametrize("class_", DATACLASSES, ids=lambda class_: class_.__name__)
def test_every_empty_dataclass_is_the_empty_message_of_its_name(
    class_: type[betterproto2.Message],
) -> None:
    message = from_betterproto(class_(), validate=False)
    assert message == protobuf_class_of(class_)()
    assert message.DESCRIPTOR.full_name.endswith(f".{class_.__name__}")
    assert to_betterproto(message, class_) == class_()


def test_every_enum_has_the_same_numbers_under_names_without_the_prefix() -> None:
    enums = {
        name: value
        for name, value in vars(v1).items()
        if inspect.isclass(value) and issubclass(value, betterproto2.Enum)
    }
    assert len(enums) > 30
    for name, enum in enums.items():
        assert {member.proto_name: member.value for member in enum} == dict(
            getattr(ir.v1, name).items()
        )
        assert all(str(member.proto_name).endswith(f"_{member.name}") for member in enum)


# Preserved values


def test_an_unset_field_and_a_zero_stay_distinct() -> None:
    unset = to_betterproto(ir.v1.Hedging(), v1.Hedging)
    zero = to_betterproto(ir.v1.Hedging(delay_ms=0), v1.Hedging)
    assert (unset.delay_ms, zero.delay_ms) == (None, 0)
    assert from_betterproto(zero, ir.v1.Hedging).HasField("delay_ms")
    assert not from_betterproto(unset, ir.v1.Hedging).HasField("delay_ms")


def test_an_empty_opaque_object_and_an_unset_one_stay_distinct() -> None:
    empty = to_betterproto(ir.new_stage_def(name="s", options={}), v1.StageDef)
    assert empty.options == Struct()
    assert from_betterproto(empty, ir.v1.StageDef).HasField("options")
    assert not from_betterproto(v1.StageDef(name="s"), ir.v1.StageDef).HasField("options")


def test_fields_of_a_newer_schema_survive_both_ways_at_any_depth() -> None:
    newer = b"\xf8\x07\x01"
    message = ir.v1.Experiment(
        id="e",
        backend=ir.v1.BackendRef.FromString(b"\n\x01b" + newer),
        pipeline=[ir.v1.StageDef(name="s")],
    )
    assert from_betterproto(to_betterproto(message)).SerializeToString(deterministic=True) == (
        message.SerializeToString(deterministic=True)
    )
    assert newer in bytes(to_betterproto(message))


def test_enum_numbers_of_a_newer_schema_survive() -> None:
    converted = to_betterproto(ir.v1.ModelRef(id="m", provider=77), v1.ModelRef)  # type: ignore[arg-type]
    assert converted.provider == 77
    assert from_betterproto(converted, ir.v1.ModelRef).provider == 77


def test_a_datetime_with_microseconds_in_any_time_zone_is_preserved() -> None:
    tokyo = timezone(timedelta(hours=9))
    time = datetime(2025, 12, 27, 3, 0, 0, 123456, tzinfo=tokyo)
    message = from_betterproto(v1.FeedbackEvent(id="e", timestamp=time), ir.v1.FeedbackEvent)
    assert message.timestamp.ToJsonString() == "2025-12-26T18:00:00.123456Z"
    assert to_betterproto(message, v1.FeedbackEvent).timestamp == time


@pytest.mark.parametrize("seconds", [-62_135_596_800, -1, 0, 253_402_300_799])
def test_the_first_and_the_last_valid_second_are_preserved(seconds: int) -> None:
    message = ir.v1.FeedbackEvent(id="e", timestamp=Timestamp(seconds=seconds))
    assert from_betterproto(to_betterproto(message)) == message


def test_a_value_without_a_kind_is_preserved() -> None:
    message = ir.v1.FeedbackEvent(id="e")
    message.feedback_value.SetInParent()
    converted = to_betterproto(message, v1.FeedbackEvent)
    assert converted.feedback_value == Value()
    assert from_betterproto(converted, ir.v1.FeedbackEvent) == message


def test_a_struct_alone_is_converted_too() -> None:
    value = {"seeds": [1, 2], "note": None, "deep": {"on": True}}
    converted = Struct.from_dict(value)
    message = from_betterproto(converted)
    assert json_format.MessageToDict(message) == value
    assert to_betterproto(message, Struct) == converted


def test_an_evaluation_in_a_document_is_preserved() -> None:
    model = v1.ModelRef(id="gpt", tags=["api"], aliases={"champion": "v3", "": ""})
    metrics = [
        v1.MetricResult(name="acc", value=0.0, stderr=-0.0, higher_is_better=False),
        v1.MetricResult(name="bleu"),
    ]
    result = v1.EvaluationResult(id="e", task="mmlu", metrics=metrics, model_ref=model)
    document = v1.Document(ir_version="0.3.0", evaluation_result=result)
    message = from_betterproto(document, ir.v1.Document)
    assert dict(message.evaluation_result.model_ref.aliases) == {"champion": "v3", "": ""}
    read, unread = message.evaluation_result.metrics
    assert (read.HasField("value"), str(read.stderr), unread.HasField("value")) == (
        True,
        "-0.0",
        False,
    )
    assert to_betterproto(message, v1.Document) == document


def test_an_opaque_member_of_a_oneof_is_preserved() -> None:
    for content in ({}, {"type": "x", "deep": [1, None, {"": True}]}):
        part = v1.ContentPart(other=Struct.from_dict(content))
        message = from_betterproto(part, ir.v1.ContentPart)
        assert message.WhichOneof("part") == "other"
        assert json_format.MessageToDict(message.other) == content
        assert to_betterproto(message, v1.ContentPart) == part


def test_the_result_shares_nothing_with_the_argument() -> None:
    message = ir.v1.ModelVersion(id="v", model_id="m", version="1.0.0", metrics={"loss": 1})
    converted = to_betterproto(message, v1.ModelVersion)
    converted.metrics["loss"] = 2
    assert message.metrics["loss"] == 1


# Values that betterproto2 would lose


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (Timestamp(seconds=1, nanos=1), "this Timestamp of 1 s and 1 ns to 1 s and 0 ns"),
        (Timestamp(seconds=1, nanos=999_999_999), "it keeps only microseconds"),
        (Timestamp(seconds=253_402_300_800), "cannot represent a Timestamp of 253402300800 s"),
        (Timestamp(seconds=-62_135_596_801), "cannot represent a Timestamp of -62135596801 s"),
        (Timestamp(seconds=2**62), "cannot represent a Timestamp"),
        (Timestamp(seconds=1, nanos=1_000_000_000), "to 2 s and 0 ns"),
        (Timestamp(seconds=1, nanos=-1000), "to 0 s and 999999000 ns"),
        (Timestamp.FromString(b"\x08\x01\xf8\x07\x01"), "unknown fields of this Timestamp"),
    ],
)
def test_a_timestamp_that_a_datetime_cannot_represent_is_an_error_with_its_path(
    time: Timestamp, reason: str
) -> None:
    run = ir.v1.TrainingRun(id="r", started_at=time)
    with pytest.raises(ir.EncodeError) as caught:
        to_betterproto(run)
    assert caught.value.path == "started_at"
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xfb\x07\x08\x01\xfc\x07", "cannot preserve the unknown field 127, a group"),
        (b"\x08\x05", "would misread a field with the number of id and the wrong wire type 0"),
    ],
)
def test_an_unknown_field_that_betterproto2_would_misread_is_an_error_with_its_path(
    data: bytes, reason: str
) -> None:
    document = ir.v1.Document(
        experiment=ir.v1.Experiment(backend=ir.v1.BackendRef.FromString(data))
    )
    with pytest.raises(ir.EncodeError) as caught:
        to_betterproto(document)
    assert caught.value.path == "experiment.backend"
    assert reason in caught.value.reason


def test_the_path_of_a_timestamp_includes_messages_and_lists() -> None:
    exact = Timestamp(seconds=1, nanos=1)
    document = ir.v1.Document(
        experiment=ir.v1.Experiment(model_version=ir.v1.ModelVersion(created_at=exact))
    )
    with pytest.raises(ir.EncodeError) as caught:
        to_betterproto(document)
    assert caught.value.path == "experiment.model_version.created_at"
    run = ir.v1.TrainingRun(metrics_history=[ir.v1.MetricsSnapshot(time=exact)])
    with pytest.raises(ir.EncodeError) as caught:
        to_betterproto(run)
    assert caught.value.path == "metrics_history[0].time"
    batch = google_exchange_v1.ExportResponse(
        events=[ir.v1.FeedbackEvent(), ir.v1.FeedbackEvent(timestamp=exact)]
    )
    with pytest.raises(ir.EncodeError) as caught:
        to_betterproto(batch)
    assert caught.value.path == "events[1].timestamp"


def test_a_duration_that_betterproto2_would_change_is_an_error() -> None:
    for duration in (Duration(nanos=1), Duration(seconds=-1, nanos=-500_000_000)):
        with pytest.raises(ir.EncodeError) as caught:
            to_betterproto(google_exchange_v1.SummarizeRequest(bucket=duration))
        assert caught.value.path == "bucket"
    request = exchange_v1.SummarizeRequest(bucket=timedelta(seconds=-1.5))
    assert path_of_error(request) == "bucket"
    hour = google_exchange_v1.SummarizeRequest(bucket=Duration(seconds=3600))
    assert from_betterproto(to_betterproto(hour)) == hour


# Values that betterproto2 does not check

INVALID: list[tuple[betterproto2.Message, str, str]] = [
    (v1.TrainingConfig(epochs="3"), "epochs", "expected an integer, got str '3'"),  # type: ignore[arg-type]
    (v1.TrainingConfig(epochs=True), "epochs", "expected an integer, got bool True"),
    (
        v1.TrainingConfig(epochs=2**31),
        "epochs",
        "expected -2147483648 to 2147483647",
    ),
    (v1.TrainingConfig(seed=2**63), "seed", "9223372036854775808 is out of range"),
    (v1.TrainingConfig(learning_rate="fast"), "learning_rate", "expected a number"),  # type: ignore[arg-type]
    (
        v1.TrainingConfig(learning_rate=2**53 + 1),
        "learning_rate",
        "cannot represent the integer 9007199254740993",
    ),
    (
        v1.TrainingConfig(learning_rate=10**400),
        "learning_rate",
        "cannot represent the integer of 1329 bits",
    ),
    (v1.TrainingConfig(mixed_precision=1), "mixed_precision", "expected a bool, got int 1"),  # type: ignore[arg-type]
    (v1.TrainingConfig(id=7), "id", "expected a string, got int 7"),  # type: ignore[arg-type]
    (v1.TrainingConfig(id="\ud800"), "id", "unpaired surrogate"),
    (v1.TrainingConfig(metrics="loss"), "metrics", "expected a list, got str 'loss'"),  # type: ignore[arg-type]
    (v1.TrainingConfig(metrics=["loss", None]), "metrics[1]", "expected a string"),  # type: ignore[list-item]
    (v1.TrainingConfig(device=v1.Optimizer.SGD), "device", "expected Device, got Optimizer"),  # type: ignore[arg-type]
    (v1.TrainingConfig(device="cuda"), "device", "expected an integer, got str 'cuda'"),  # type: ignore[arg-type]
    (v1.TrainingConfig(device=2**31), "device", "out of range"),  # type: ignore[arg-type]
    (v1.TrainingConfig(model_ref={"id": "m"}), "model_ref", "expected ModelRef, got dict"),  # type: ignore[arg-type]
    (
        v1.TrainingConfig(device=v1.Device.CPU, custom_device="npu"),
        "custom_device",
        "device and custom_device cannot both be set",
    ),
    (v1.ModelVersion(metrics={"a.b": "x"}), 'metrics["a.b"]', "expected a number"),  # type: ignore[dict-item]
    (v1.ModelVersion(metrics={1: 2.0}), 'metrics["1"]', "expected a string, got int 1"),  # type: ignore[dict-item]
    (v1.ModelVersion(metrics=[]), "metrics", "expected a dict, got list []"),  # type: ignore[arg-type]
    (v1.ModelVersion(created_at=datetime(2025, 1, 1)), "created_at", "the datetime is naive"),
    (v1.ModelVersion(created_at="2025-01-01"), "created_at", "expected a datetime"),  # type: ignore[arg-type]
    (
        v1.ModelVersion(created_at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
        "created_at",
        "outside the years 1 to 9999",
    ),
    (v1.ModelRef(aliases={"best": 3}), 'aliases["best"]', "expected a string, got int 3"),  # type: ignore[dict-item]
    (v1.ModelRef(aliases={"best": "\ud800"}), 'aliases["best"]', "unpaired surrogate"),
    (
        v1.FeedbackEvent(source=v1.ModelStage.STAGING),  # type: ignore[arg-type]
        "source",
        "expected FeedbackSource, got ModelStage",
    ),
    (v1.Artifact(size_bytes=2**63), "size_bytes", "9223372036854775808 is out of range"),
    (
        v1.EvaluationResult(model_version_id="v", model_ref=v1.ModelRef(id="m")),
        "model_ref",
        "model_version_id and model_ref cannot both be set",
    ),
    (v1.ContentPart(text="a", other=Struct()), "other", "text and other cannot both be set"),
    (v1.ContentPart(other={"type": "x"}), "other", "expected Struct, got dict"),  # type: ignore[arg-type]
    (
        v1.ToolResultContent(
            parts=[v1.ContentPart(other=Struct(fields={"a": Value(number_value=2**53 + 1)}))]
        ),
        'parts[0].other["a"]',
        "cannot represent the integer 9007199254740993",
    ),
    (v1.ImageContent(base64="aGk="), "base64", "expected bytes, got str"),  # type: ignore[arg-type]
    (
        v1.Experiment(pipeline=[v1.StageDef(name="a"), v1.StageDef(name="b", enabled=3)]),  # type: ignore[arg-type]
        "pipeline[1].enabled",
        "expected a bool",
    ),
    (
        v1.FeedbackEvent(feedback_value=Value(null_value=NullValue(0), bool_value=True)),
        "feedback_value",
        "null_value and bool_value cannot both be set",
    ),
    (
        v1.StageDef(options=Struct(fields={"a": Value(number_value="1")})),  # type: ignore[arg-type]
        'options["a"]',
        "expected a number",
    ),
    (exchange_v1.SummarizeRequest(bucket=3600), "bucket", "expected a timedelta"),  # type: ignore[arg-type]
    (exchange_v1.LatencySummary(mean_ms=-0.0), "mean_ms", "would omit -0.0"),
]


@pytest.mark.parametrize(
    ("message", "path", "reason"),
    INVALID,
    ids=[f"{path}-{reason}" for _, path, reason in INVALID],
)
def test_an_invalid_value_is_an_error_with_its_path(
    message: betterproto2.Message, path: str, reason: str
) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        from_betterproto(message, validate=False)
    assert caught.value.path == path
    assert reason in caught.value.reason


def test_an_unknown_attribute_is_an_error_that_suggests_the_nearest_field() -> None:
    config = v1.TrainingConfig(id="c")
    config.epoch = 3  # type: ignore[attr-defined]
    with pytest.raises(ir.DecodeError) as caught:
        from_betterproto(config)
    assert str(caught.value) == ('epoch: TrainingConfig has no such field; did you mean "epochs"?')


def test_the_nanoseconds_of_a_pandas_timestamp_are_an_error() -> None:
    class PandasTimestamp(datetime):
        nanosecond = 1

    event = v1.FeedbackEvent(id="e", timestamp=PandasTimestamp(2025, 1, 1, tzinfo=UTC))
    assert path_of_error(event) == "timestamp"


def test_a_message_that_contains_itself_is_an_error() -> None:
    backend = v1.BackendRef(id="b")
    backend.fallback = backend
    with pytest.raises(ir.DecodeError, match="nested deeper than 100 levels"):
        from_betterproto(backend)


def test_the_deepest_nesting_that_protobuf_decodes_is_converted_both_ways() -> None:
    backend = ir.v1.BackendRef(id="deepest")
    for _ in range(100):
        backend = ir.v1.BackendRef(id="b", fallback=backend)
    assert from_betterproto(to_betterproto(backend)) == backend
    one_more = v1.BackendRef(id="b", fallback=to_betterproto(backend, v1.BackendRef))
    with pytest.raises(ir.DecodeError, match="nested deeper"):
        from_betterproto(one_more)


# Rules and types


def test_from_betterproto_validates_unless_disabled() -> None:
    config = v1.TrainingConfig(id="c", epochs=0)
    with pytest.raises(ir.ValidationError) as broken:
        from_betterproto(config)
    assert {(v.path, v.rule_id) for v in broken.value.violations} == {
        ("model_ref", "required"),
        ("dataset_ref", "required"),
        ("epochs", "int32.gt"),
    }
    assert from_betterproto(config, ir.v1.TrainingConfig, validate=False).epochs == 0


def test_the_expected_type_is_a_class_or_a_name() -> None:
    stage = v1.StageDef(name="s")
    assert from_betterproto(stage, "StageDef") == from_betterproto(stage, ir.v1.StageDef)
    with pytest.raises(ir.UnknownTypeError, match="expected ModelRef, got StageDef"):
        from_betterproto(stage, ir.v1.ModelRef)
    with pytest.raises(ir.UnknownTypeError, match='did you mean "StageDef"'):
        from_betterproto(stage, "StageDeff")
    with pytest.raises(
        ir.UnknownTypeError, match=r"expected ModelRef, got crucible_ir\.v1\.StageDef"
    ):
        to_betterproto(ir.v1.StageDef(name="s"), v1.ModelRef)


def test_only_messages_of_this_package_are_accepted() -> None:
    with pytest.raises(ir.Error, match="expected a protobuf message, got StageDef"):
        to_betterproto(v1.StageDef())  # type: ignore[call-overload]
    with pytest.raises(ir.Error, match="expected a message of betterproto2, got StageDef"):
        from_betterproto(ir.v1.StageDef())  # type: ignore[call-overload]
    with pytest.raises(ir.UnknownTypeError, match=r"has no class for google\.protobuf\.FileDesc"):
        to_betterproto(FileDescriptorProto())

    class Own(v1.StageDef):
        pass

    with pytest.raises(ir.UnknownTypeError, match=r"is not a class of crucible_ir\.betterproto"):
        from_betterproto(Own())


def test_the_public_names_are_documented() -> None:
    for name in ("to_betterproto", "from_betterproto"):
        assert (getattr(betterproto, name).__doc__ or "").strip()


def test_copies_lose_fields_of_a_newer_schema_as_the_guide_warns() -> None:
    newer = v1.BackendRef.parse(b"\n\x01b\xf8\x07\x01")
    assert bytes(newer).endswith(b"\xf8\x07\x01")
    assert not bytes(copy.deepcopy(newer)).endswith(b"\xf8\x07\x01")
