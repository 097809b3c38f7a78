"""The law of interchange for spans and events of OpenTelemetry."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_complete, check_law
from interchange.otel_genai import records
from interchange.otel_genai.records import Record
from message_strategies import messages

from crucible_ir import v1
from crucible_ir.interchange import otel_genai
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.validation.check import violations


@given(records.spans)
def test_the_law_holds_for_any_span_with_an_object_of_attributes(span: Record) -> None:
    check_law(
        otel_genai.FORMAT,
        span,
        rejoin=lambda exports: records.as_plain(otel_genai.join(exports), span),
    )


def _numbered(spans: list[Record]) -> list[Record]:
    """Give spans the ids of one trace."""
    return [
        {**span, "traceId": records.TRACE, "spanId": f"{at + 1:016x}"}
        for at, span in enumerate(spans)
    ]


@given(st.lists(records.spans, min_size=1, max_size=3), st.booleans())
def test_the_law_holds_for_any_request_of_otlp(spans: list[Record], has_resource: bool) -> None:
    resource = {"service.name": "s", "process.pid": 7} if has_resource else None
    record = records.traces(*_numbered(spans), resource=resource)
    check_law(
        otel_genai.FORMAT,
        record,
        rejoin=lambda exports: records.like_traces(record, exports),
    )


@given(records.evaluations)
def test_the_law_holds_for_any_evaluation(event: Record) -> None:
    check_law(otel_genai.FORMAT, event, rejoin=lambda exports: records.as_plain(exports[0], event))


def _check_again(record: Any) -> None:
    """Check what holds for records that export writes in another shape."""
    imported = otel_genai.import_(record)
    assert not imported.report.errors
    check_complete(record, imported.report)
    assert otel_genai.import_(record).documents == imported.documents
    exported = [otel_genai.export(document) for document in imported.documents]
    for document, result in zip(imported.documents, exported, strict=True):
        check_complete(json_values(document), result.report)
    joined = otel_genai.join([result.obj for result in exported])
    assert otel_genai.import_(joined).documents == imported.documents


@given(records.old_events)
def test_events_of_messages_alone_are_imported_and_exported(events: list[Record]) -> None:
    _check_again(records.logs(*events))


@given(records.spans, records.old_events)
def test_events_of_messages_are_joined_to_their_span(span: Record, events: list[Record]) -> None:
    [numbered] = _numbered([span])
    ids = {"traceId": numbered["traceId"], "spanId": numbered["spanId"]}
    _check_again([records.traces(numbered), records.logs(*({**each, **ids} for each in events))])


@given(st.one_of(messages(v1.Prompt), messages(v1.Completion), messages(v1.FeedbackEvent)))
def test_any_valid_message_is_exported_with_a_complete_report(message: Any) -> None:
    if violations(message):
        return
    exported = otel_genai.export(message)
    assert not exported.report.errors
    check_complete(json_values(message), exported.report)
    imported = otel_genai.import_(exported.obj)
    assert not imported.report.errors
    check_complete(exported.obj, imported.report)
