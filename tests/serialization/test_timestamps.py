"""Timestamps in text: RFC 3339 in full, but for ProtoJSON, which has one spelling."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from effort import examples
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

import crucible_ir as ir
from crucible_ir import v1

Read = Callable[[str], Any]

#: Readers of a FeedbackEvent with a timestamp, except those of ProtoJSON.
READERS: dict[str, Read] = {
    "Crucible JSON": lambda text: ir.from_crucible_json(
        f'{{"id": "f", "timestamp": "{text}"}}', v1.FeedbackEvent
    ),
    "YAML": lambda text: ir.from_yaml(f"id: f\ntimestamp: {text}\n", v1.FeedbackEvent),
    "JSON in YAML": lambda text: ir.from_yaml(
        f'{{"id": "f", "timestamp": "{text}"}}', v1.FeedbackEvent
    ),
    "a constructor": lambda text: ir.new_feedback_event(id="f", timestamp=text),
}
#: Readers of ProtoJSON.
STRICT: dict[str, Read] = {
    "from_json": lambda text: ir.from_json(
        f'{{"id": "f", "timestamp": "{text}"}}', v1.FeedbackEvent
    ),
    "from_dict": lambda text: ir.from_dict({"id": "f", "timestamp": text}, v1.FeedbackEvent),
}
#: The time 2025-12-26T12:00:00Z, in the spellings of RFC 3339 (section 5.6).
SPELLINGS = [
    *("2025-12-26T12:00:00Z", "2025-12-26t12:00:00Z", "2025-12-26 12:00:00Z"),
    *("2025-12-26T12:00:00z", "2025-12-26t12:00:00z", "2025-12-26 12:00:00z"),
    *("2025-12-26 14:00:00+02:00", "2025-12-26t12:00:00-00:00", "2025-12-26 12:00:00.000z"),
]
SECONDS = 1766750400
STANDARD = "expected an RFC 3339 timestamp such as 2025-12-26T12:00:00Z, got"


@pytest.mark.parametrize("read", READERS.values(), ids=list(READERS))
@pytest.mark.parametrize("text", SPELLINGS)
def test_every_spelling_of_rfc_3339_is_read(read: Read, text: str) -> None:
    assert read(text).timestamp == Timestamp(seconds=SECONDS)


@pytest.mark.parametrize("read", STRICT.values(), ids=list(STRICT))
@pytest.mark.parametrize("text", SPELLINGS[1:])
def test_protojson_has_one_spelling_and_the_error_gives_it(read: Read, text: str) -> None:
    # protobuf's conformance suite calls these MissingT, LowercaseT and LowercaseZ.
    with pytest.raises(json_format.ParseError):
        json_format.Parse(f'{{"timestamp": "{text}"}}', v1.FeedbackEvent())
    with pytest.raises(ir.DecodeError) as caught:
        read(text)
    fix = text.upper().replace(" ", "T")
    assert caught.value.reason == f"{STANDARD} the string {text!r}; write {fix}"
    assert read(fix).timestamp == Timestamp(seconds=SECONDS)


#: Text that is not RFC 3339, and the fix in the error.
REJECTED = [
    ("2025-12-26T12:00:00+0200", "write 2025-12-26T12:00:00+02:00"),
    ("2025-12-26T12:00:00-0830", "write 2025-12-26T12:00:00-08:30"),
    ("2025-12-26 12:00:00.5+00", "write 2025-12-26T12:00:00.5+00:00"),
    ("2025-12-26 12:00:00 +0200", "write 2025-12-26T12:00:00+02:00"),
    ("2025-12-26 12:00:00 UTC", "write 2025-12-26T12:00:00Z"),
    ("2025-12-26T12:00Z", "write 2025-12-26T12:00:00Z"),
    ("2025-12-26T12:00:00", "add a time zone, e.g. Z"),
    ("2025-12-26 12:00", "add a time zone, e.g. Z"),
]
NOT_TIMESTAMPS = [
    *("2025-12-26", "2025-12-26  12:00:00Z", "2025-12-26T 12:00:00Z", "2025-12-26T12:00:00ZZ"),
    *("2025-12-26_12:00:00Z", "2025-12-26T12:00:00+02:0", "20251226T120000Z", "1766750400"),
]


@pytest.mark.parametrize("read", [*READERS.values(), *STRICT.values()], ids=[*READERS, *STRICT])
@pytest.mark.parametrize(("text", "fix"), REJECTED)
def test_other_notations_are_rejected_with_the_fix(read: Read, text: str, fix: str) -> None:
    with pytest.raises((ir.DecodeError, ir.FieldError)) as caught:
        read(text)
    assert caught.value.reason == f"{STANDARD} the string {text!r}; {fix}"
    if fix.startswith("write "):
        assert read(fix.removeprefix("write ")).HasField("timestamp")


@pytest.mark.parametrize("read", READERS.values(), ids=list(READERS))
@pytest.mark.parametrize("text", [*NOT_TIMESTAMPS, "2025-12-26T12:00:60Z", "2025-02-29 12:00:00z"])
def test_other_text_is_rejected(read: Read, text: str) -> None:
    with pytest.raises((ir.DecodeError, ir.FieldError)):
        read(text)


@settings(max_examples=examples(200))
@given(
    time=st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)),
    minutes=st.integers(-23 * 60 - 59, 23 * 60 + 59),
    separator=st.sampled_from("Tt "),
    zone=st.sampled_from([None, "Z", "z"]),
)
def test_a_time_is_the_same_in_every_spelling(
    time: datetime, minutes: int, separator: str, zone: str | None
) -> None:
    offset = UTC if zone else timezone(timedelta(minutes=minutes))
    aware = time.replace(tzinfo=offset)
    text = aware.isoformat(separator).replace("+00:00", zone or "+00:00")
    expected = Timestamp()
    expected.FromDatetime(aware)
    for read in READERS.values():
        assert read(text).timestamp == expected
