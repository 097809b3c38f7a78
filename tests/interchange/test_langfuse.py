"""Scores of Langfuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Value
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_complete, check_law
from interchange.strategies import any_json, objects

from crucible_ir import v1
from crucible_ir.interchange.langfuse import FORMAT
from crucible_ir.interchange.mapping.dialect import DIALECT, json_values
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.values import opaque_json

DOCUMENTS = Path(__file__).parent / "documents" / "langfuse"
SCORES: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(DOCUMENTS.glob("*.json"))
}
META = {"page": 1, "limit": 50, "totalItems": len(SCORES), "totalPages": 1}


def event_of(score: dict[str, Any]) -> v1.FeedbackEvent:
    [event] = check_law(FORMAT, score).documents
    assert isinstance(event, v1.FeedbackEvent)
    return event


def test_a_page_has_a_record_for_each_score() -> None:
    scores = list(SCORES.values())
    imported = FORMAT.import_({"data": scores, "meta": META})
    assert not imported.report.errors
    assert imported.documents == FORMAT.import_(scores).documents
    assert [FORMAT.export(each).obj for each in imported.documents] == scores


@pytest.mark.parametrize(
    ("name", "type_", "value"),
    [
        ("number", v1.FeedbackType.FEEDBACK_TYPE_RATING, 0.75),
        ("boolean", v1.FeedbackType.FEEDBACK_TYPE_LABEL, True),
        ("category", v1.FeedbackType.FEEDBACK_TYPE_LABEL, "friendly"),
        (
            "correction",
            v1.FeedbackType.FEEDBACK_TYPE_CORRECTION,
            "The ferry leaves at 7:40.",
        ),
        ("boolean_v3", v1.FeedbackType.FEEDBACK_TYPE_LABEL, False),
        ("text_v3", v1.FeedbackType.FEEDBACK_TYPE_LABEL, "Too long for a phone."),
        ("number_v3", v1.FeedbackType.FEEDBACK_TYPE_RATING, 4),
    ],
)
def test_values_of_all_types(name: str, type_: v1.FeedbackType, value: object) -> None:
    event = event_of(SCORES[name])
    assert event.id == SCORES[name]["id"]
    assert event.feedback_type == type_
    found = json_values(event)["feedback_value"]
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


def test_the_fields_of_a_score() -> None:
    event = event_of(SCORES["number"])
    assert event.name == "relevance"
    assert event.trace_id == "trace-81"
    assert event.source == v1.FeedbackSource.FEEDBACK_SOURCE_MODEL
    assert event.comment == "The answer covers three of the four points."
    assert event.timestamp == Timestamp(seconds=1772357400, nanos=250_000_000)
    assert event.metadata["evaluator"] == "judge-v2"
    kept = json_values(event)["metadata"]["langfuse"]
    assert kept["configId"] == "cfg-relevance"
    assert kept["observationId"] == "obs-3"
    annotated = event_of(SCORES["boolean"])
    assert annotated.source == v1.FeedbackSource.FEEDBACK_SOURCE_HUMAN
    assert annotated.source_id == "annotator-4"
    sent = event_of(SCORES["category"])
    assert sent.source == v1.FeedbackSource.FEEDBACK_SOURCE_CODE
    assert sent.session_id == "session-9"


def test_the_subject_of_a_score_of_version_3() -> None:
    assert event_of(SCORES["boolean_v3"]).trace_id == "trace-90"
    assert event_of(SCORES["text_v3"]).trace_id == "trace-90"
    event = event_of(SCORES["number_v3"])
    assert event.session_id == "session-11"
    event.session_id = "session-12"
    assert FORMAT.export(event).obj["subject"] == {"kind": "session", "id": "session-12"}
    event.ClearField("session_id")
    assert FORMAT.export(event).obj["subject"] == {"kind": "session"}


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        ({"value": 3}, v1.FeedbackType.FEEDBACK_TYPE_RATING),
        ({"value": "good"}, v1.FeedbackType.FEEDBACK_TYPE_LABEL),
        ({"value": True}, v1.FeedbackType.FEEDBACK_TYPE_LABEL),
        ({"value": 1, "dataType": "BOOLEAN"}, v1.FeedbackType.FEEDBACK_TYPE_LABEL),
        ({"value": "x", "dataType": "CORRECTION"}, v1.FeedbackType.FEEDBACK_TYPE_CORRECTION),
        ({"stringValue": "False", "dataType": "BOOLEAN"}, v1.FeedbackType.FEEDBACK_TYPE_LABEL),
        ({"value": 2.5, "dataType": "LATER"}, v1.FeedbackType.FEEDBACK_TYPE_RATING),
    ],
)
def test_a_score_without_id_gets_one_of_its_content(
    body: dict[str, Any], type_: v1.FeedbackType
) -> None:
    score = {"traceId": "t", "name": "n", **body}
    event = event_of(score)
    assert event.id.startswith("langfuse-")
    assert event.id != event_of({**score, "name": "m"}).id
    assert event.feedback_type == type_
    assert FORMAT.export(event).obj == score


def test_a_value_that_does_not_fit_its_type_is_kept() -> None:
    for score in (
        {"id": "a", "dataType": "NUMERIC", "value": "high"},
        {"id": "a", "dataType": "BOOLEAN", "value": 2, "stringValue": "yes"},
        {"id": "a", "dataType": "CATEGORICAL", "value": 2},
    ):
        event = event_of(score)
        assert not event.HasField("feedback_value")
        assert FORMAT.export(event).obj == score


def test_secrets_are_dropped_but_not_the_value_of_a_criterion() -> None:
    secret = "sk-proj-" + "a1B2c3D4e5F6g7H8i9J0" * 2
    metadata = {"api_key": secret, "call": {"api_key": secret, "tries": 2}, "calls": [[secret]]}
    score = {"id": "a", "name": "password", "dataType": "TEXT", "value": "it is too short"}
    imported = check_law(FORMAT, {**score, "metadata": metadata, "later": {"api_key": secret}})
    assert secret not in str(imported)
    [event] = imported.documents
    exported = FORMAT.export(event).obj
    assert exported["value"] == "it is too short"
    assert exported["metadata"]["call"] == {"tries": 2}


def test_a_changed_value_replaces_that_of_the_score() -> None:
    event = event_of(SCORES["boolean"])
    event.feedback_value.bool_value = False
    exported = FORMAT.export(event)
    assert exported.obj["value"] == 0
    assert "stringValue" not in exported.obj
    [entry] = [each for each in exported.report.entries if each.path.endswith("stringValue")]
    assert entry.outcome is Outcome.DROPPED


def test_an_event_that_was_not_imported() -> None:
    event = v1.FeedbackEvent(
        id="e-1",
        deployment_id="chat",
        feedback_type=v1.FeedbackType.FEEDBACK_TYPE_THUMBS,
        feedback_value=Value(bool_value=True),
        user_id="u",
        custom_source="survey",
        trace_id="t",
        metadata={"page": "/help"},
    )
    exported = FORMAT.export(event)
    assert exported.obj == {
        "id": "e-1",
        "traceId": "t",
        "dataType": "BOOLEAN",
        "value": 1,
        "metadata": {"page": "/help"},
    }
    check_complete(json_values(event), exported.report)
    dropped = {each.path for each in exported.report.entries if each.outcome is Outcome.DROPPED}
    assert dropped == {"deployment_id", "feedback_type", "user_id", "source"}


def test_a_value_that_no_score_can_have_is_dropped() -> None:
    event = v1.FeedbackEvent(id="e-1")
    event.feedback_value.list_value.append(1)
    exported = FORMAT.export(event)
    assert exported.obj == {"id": "e-1"}
    assert exported.report.counts["dropped"] == 1


def test_what_is_no_score_is_an_error_and_the_others_go_on() -> None:
    body = {"message": "Invalid credentials", "error": "UnauthorizedError"}
    imported = FORMAT.import_({"data": [body, SCORES["number_v3"], 3], "meta": {}})
    assert len(imported.documents) == 1
    first, second = imported.report.errors
    assert "Invalid credentials" in first.reason
    assert first.path == "[0]"
    assert second.path == "[2]"


_DATA_TYPES = ["NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT", "CORRECTION", "LATER"]
_TEXTS = st.text(max_size=4) | st.sampled_from(["True", "False", "good"])
_TIMES = st.sampled_from(["2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05+01:00", "soon"])
_SCORES = objects(
    {"value": st.integers(-3, 3) | st.floats(-1, 1) | st.booleans() | _TEXTS | st.none()},
    id=_TEXTS,
    traceId=_TEXTS,
    observationId=_TEXTS,
    sessionId=_TEXTS,
    name=_TEXTS,
    dataType=st.sampled_from(_DATA_TYPES),
    stringValue=_TEXTS,
    source=st.sampled_from(["ANNOTATION", "API", "EVAL", "human"]),
    authorUserId=_TEXTS,
    comment=_TEXTS,
    metadata=st.dictionaries(st.text(max_size=3) | st.just("langfuse"), any_json, max_size=3),
    environment=_TEXTS,
    timestamp=_TIMES,
    createdAt=_TIMES,
    subject=objects(
        {"kind": st.sampled_from(["trace", "observation", "session", "experiment"])},
        id=_TEXTS,
        traceId=_TEXTS,
    ),
)


@given(_SCORES)
def test_the_law_holds_for_any_score(score: dict[str, Any]) -> None:
    check_law(FORMAT, score)


@given(st.sampled_from(v1.FeedbackType.values()) | st.just("own"), any_json)
def test_any_value_of_feedback_can_be_exported(type_: v1.FeedbackType | str, value: Any) -> None:
    event = v1.FeedbackEvent(id="e-1", metadata={"nothing": None})
    if isinstance(type_, str):
        event.custom_feedback_type = type_
    else:
        event.feedback_type = type_
    DIALECT.fill({"feedback_value": opaque_json(value, [])}, event)
    exported = FORMAT.export(event)
    assert not exported.report.errors
    check_complete(json_values(event), exported.report)
