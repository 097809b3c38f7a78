"""betterproto2 alone behaves as the table in the guide describes."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp
from pages import ROOT

import crucible_ir as ir
from crucible_ir.betterproto import Value, from_betterproto, to_betterproto, v1
from crucible_ir.betterproto.exchange import v1 as exchange_v1
from crucible_ir.exchange import v1 as google_exchange_v1

GUIDE = (ROOT / "docs" / "python-betterproto.md").read_text(encoding="utf-8")

#: A field of a newer schema.
NEWER = b"\xf8\x07\x01"
NANOSECOND = ir.v1.FeedbackEvent(id="e", timestamp=Timestamp(seconds=1, nanos=1))


def assert_google_rejects(text: str, type_: type[Message]) -> None:
    with pytest.raises(json_format.ParseError):
        json_format.Parse(text, type_())


def timestamp_with_nanoseconds() -> None:
    parsed = v1.FeedbackEvent.parse(NANOSECOND.SerializeToString())
    assert parsed.timestamp == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)


def timestamp_beyond_the_years() -> None:
    late = ir.v1.FeedbackEvent(timestamp=Timestamp(seconds=253_402_300_800))
    with pytest.raises(OverflowError):
        v1.FeedbackEvent.parse(late.SerializeToString())


def unknown_fields_of_a_timestamp() -> None:
    event = ir.v1.FeedbackEvent(timestamp=Timestamp.FromString(b"\x08\x01" + NEWER))
    written = event.SerializeToString()
    assert NEWER in written
    assert NEWER not in bytes(v1.FeedbackEvent.parse(written))


def negative_duration() -> None:
    request = exchange_v1.SummarizeRequest(bucket=timedelta(seconds=-1.5))
    read = google_exchange_v1.SummarizeRequest.FromString(bytes(request))
    assert read.bucket.ToTimedelta() == timedelta(seconds=-0.5)
    with pytest.raises(ValueError, match="Invalid duration"):
        exchange_v1.SummarizeRequest.from_json('{"bucket": "-1s"}')


def copy_lacks_unknown_fields() -> None:
    newer = v1.BackendRef.parse(b"\n\x01b" + NEWER)
    assert bytes(newer) == b"\n\x01b" + NEWER
    for other in (copy.copy(newer), copy.deepcopy(newer), dataclasses.replace(newer)):
        assert bytes(other) == b"\n\x01b"
        assert other == newer


def two_halves_of_one_message() -> None:
    halves = (ir.v1.BackendRef(id="b"), ir.v1.BackendRef(profile="p"))
    data = b"".join(ir.v1.Experiment(backend=half).SerializeToString() for half in halves)
    whole = ir.v1.BackendRef(id="b", profile="p")
    assert ir.v1.Experiment.FromString(data).backend == whole
    assert v1.Experiment.parse(data).backend == v1.BackendRef(profile="p")


def two_members_of_one_oneof() -> None:
    data = b"*\x01x \x01"
    assert ir.v1.ModelRef.FromString(data) == ir.v1.ModelRef(
        provider=ir.v1.ModelProvider.MODEL_PROVIDER_LOCAL
    )
    both = v1.ModelRef.parse(data)
    assert (both.provider, both.custom_provider) == (v1.ModelProvider.LOCAL, "x")
    assert ir.v1.ModelRef.FromString(bytes(both)) == ir.v1.ModelRef(custom_provider="x")
    assert_google_rejects(
        '{"provider": "MODEL_PROVIDER_LOCAL", "customProvider": "x"}', ir.v1.ModelRef
    )


def field_in_another_wire_type() -> None:
    assert vars(v1.ModelRef.parse(b"\x08\x05"))["id"] == 5
    assert ir.v1.ModelRef.FromString(b"\x08\x05").id == ""


def group() -> None:
    data = b"\xfb\x07\x0a\x01x\xfc\x07"
    assert ir.v1.ModelRef.FromString(data).id == ""
    assert v1.ModelRef.parse(data).id == "x"


def record_that_ends_early() -> None:
    assert v1.ModelRef.parse(b"\n\x05ab").id == "ab"
    with pytest.raises(DecodeError):
        ir.v1.ModelRef.FromString(b"\n\x05ab")


def map_entry_without_a_value() -> None:
    data = b"\x1a\x05\n\x03\n\x01a"
    assert ir.v1.StageDef.FromString(data).options.fields["a"].WhichOneof("kind") is None
    stage = v1.StageDef.parse(data)
    assert stage.options is not None
    assert stage.options.fields == {"a": None}
    with pytest.raises(TypeError):
        bytes(stage)


def enum_number_beyond_32_bits() -> None:
    data = b"\x20\x81\x80\x80\x80\x10"
    assert v1.ModelRef.parse(data).provider == 2**32 + 1
    assert ir.v1.ModelRef.FromString(data).provider == 1


def nesting_beyond_100_levels() -> None:
    backend = v1.BackendRef(id="b")
    for _ in range(101):
        backend = v1.BackendRef(id="b", fallback=backend)
    assert v1.BackendRef.parse(bytes(backend)) == backend
    with pytest.raises(DecodeError):
        ir.v1.BackendRef.FromString(bytes(backend))


def number_out_of_its_range() -> None:
    text = '{"epochs": 4294967297}'
    config = v1.TrainingConfig.from_json(text)
    assert config.epochs == 2**32 + 1
    assert ir.v1.TrainingConfig.FromString(bytes(config)).epochs == 1
    assert_google_rejects(text, ir.v1.TrainingConfig)


def value_of_another_type() -> None:
    text = '{"metrics": "ab", "epochs": 1.5}'
    config = v1.TrainingConfig.from_json(text)
    assert (config.metrics, config.epochs) == (["a", "b"], 1)
    assert_google_rejects(text, ir.v1.TrainingConfig)


def integer_beyond_two_to_53() -> None:
    stage = v1.StageDef.from_json('{"options": {"n": 9007199254740993}}')
    assert ir.v1.StageDef.FromString(bytes(stage)).options["n"] == 9007199254740992


def nan_in_an_opaque_map() -> None:
    text = '{"options": {"n": NaN}}'
    assert v1.StageDef.from_json(text).to_json() == text
    with pytest.raises(ir.DecodeError):
        ir.from_json(text, "StageDef")


def key_given_twice() -> None:
    text = '{"id": "a", "id": "b"}'
    assert v1.ModelRef.from_json(text).id == "b"
    assert_google_rejects(text, ir.v1.ModelRef)


def key_in_another_case() -> None:
    text = '{"CurrentEpoch": 2}'
    assert v1.TrainingRun.from_json(text).current_epoch == 2
    assert_google_rejects(text, ir.v1.TrainingRun)


def enum_name_without_its_prefix() -> None:
    text = '{"provider": "LOCAL"}'
    assert v1.ModelRef.from_json(text).provider == v1.ModelProvider.LOCAL
    assert_google_rejects(text, ir.v1.ModelRef)


def integer_with_an_exponent_in_a_string() -> None:
    text = '{"epochs": "1e2"}'
    assert json_format.Parse(text, ir.v1.TrainingConfig()).epochs == 100
    with pytest.raises(ValueError, match="invalid literal"):
        v1.TrainingConfig.from_json(text)


def time_that_is_not_rfc_3339() -> None:
    for time in ("2025", "2025-01-01T00:00:00"):
        text = json.dumps({"timestamp": time})
        local = datetime(2025, 1, 1).astimezone(UTC)
        assert v1.FeedbackEvent.from_json(text).timestamp == local
        assert_google_rejects(text, ir.v1.FeedbackEvent)


def base64_in_another_alphabet() -> None:
    for text, content in (('{"base64": "-_-_"}', b"\xfb\xff\xbf"), ('{"base64": "aGk"}', b"hi")):
        assert json_format.Parse(text, ir.v1.ImageContent()).base64 == content
    assert v1.ImageContent.from_json('{"base64": "-_-_"}').base64 == b""
    with pytest.raises(ValueError, match="padding"):
        v1.ImageContent.from_json('{"base64": "aGk"}')


def value_without_a_kind() -> None:
    with pytest.raises(ValueError, match="Invalid value"):
        v1.FeedbackEvent(feedback_value=Value()).to_json()
    event = ir.v1.FeedbackEvent()
    event.feedback_value.SetInParent()
    assert json.loads(json_format.MessageToJson(event)) == {"feedbackValue": None}


#: The test of each row of the guide's table, in order.
DIFFERENCES: dict[str, Callable[[], None]] = {
    "a timestamp with nanoseconds": timestamp_with_nanoseconds,
    "a timestamp outside the years 1 to 9999": timestamp_beyond_the_years,
    "unknown fields of a timestamp": unknown_fields_of_a_timestamp,
    "a negative duration": negative_duration,
    "a copy by `copy` or `dataclasses.replace`": copy_lacks_unknown_fields,
    "two parts of one message on the wire": two_halves_of_one_message,
    "two members of one oneof": two_members_of_one_oneof,
    "a field with the wrong wire type": field_in_another_wire_type,
    "a group": group,
    "a truncated record": record_that_ends_early,
    "a map entry without a value": map_entry_without_a_value,
    "an enum number of more than 32 bits": enum_number_beyond_32_bits,
    "nesting beyond 100 levels": nesting_beyond_100_levels,
    "a number out of range": number_out_of_its_range,
    "a value of the wrong type": value_of_another_type,
    "an integer beyond 2^53 in opaque JSON": integer_beyond_two_to_53,
    "`NaN` in opaque JSON": nan_in_an_opaque_map,
    "a duplicate key": key_given_twice,
    "a key in a different case": key_in_another_case,
    "the name of an enum value without its prefix": enum_name_without_its_prefix,
    "an integer with an exponent in a string": integer_with_an_exponent_in_a_string,
    "a time that is not RFC 3339": time_that_is_not_rfc_3339,
    "base64 in the URL-safe alphabet or without padding": base64_in_another_alphabet,
    "a `Value` without a kind": value_without_a_kind,
}


@pytest.mark.parametrize("difference", DIFFERENCES.values(), ids=lambda each: each.__name__)
def test_betterproto2_alone_behaves_as_the_guide_describes(difference: Callable[[], None]) -> None:
    difference()


def test_the_guide_lists_exactly_the_tested_differences() -> None:
    table = GUIDE.split("## Differences of betterproto2 alone")[1]
    rows = re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE)
    assert rows[1:] == list(DIFFERENCES)


def test_decoding_with_this_package_and_converting_avoids_the_differences() -> None:
    halves = (ir.v1.BackendRef(id="b"), ir.v1.BackendRef(profile="p"))
    data = b"".join(ir.v1.Experiment(backend=half).SerializeToString() for half in halves)
    merged = to_betterproto(ir.from_binary(data, "Experiment", validate=False), v1.Experiment)
    assert merged.backend == v1.BackendRef(id="b", profile="p")
    for text, type_ in (
        ('{"base64": "-_-_"}', "ImageContent"),
        ('{"epochs": "1e2"}', "TrainingConfig"),
    ):
        message = ir.from_json(text, type_, validate=False)
        assert from_betterproto(to_betterproto(message), validate=False) == message
