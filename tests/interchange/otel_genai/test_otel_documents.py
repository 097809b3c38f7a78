"""What becomes of the spans and events that real programs write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from interchange.law import check_complete
from interchange.otel_genai import records
from interchange.otel_genai.records import Record

from crucible_ir import v1
from crucible_ir.interchange import otel_genai
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.report import Outcome, Recorder

DOCUMENTS = Path(__file__).parents[1] / "documents" / "otel-genai"
REQUESTS = Path(__file__).parent / "documents"


def _read(source: Path) -> tuple[list[Record], Any]:
    """Import a file or folder, and return the documents as JSON values with the report."""
    recorder = Recorder()
    found = otel_genai.FORMAT.import_records(otel_genai.FORMAT.records(str(source)), recorder)
    documents = [json_values(message) for messages in found for message in messages]
    return documents, recorder.report()


def _span(**attributes: Any) -> Record:
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return {"traceId": records.TRACE, "spanId": records.SPAN, "attributes": named}


def _chat(**attributes: Any) -> list[Record]:
    span = _span(gen_ai__operation__name="chat", **attributes)
    return [json_values(each) for each in otel_genai.import_(span).documents]


def test_a_span_becomes_a_prompt_and_a_completion() -> None:
    [prompt, completion], report = _read(DOCUMENTS / "plain.span.json")
    assert not report.errors
    assert prompt["system"] == "You plan journeys."
    assert prompt["options"] == {
        "model": "claude-sonnet-4-5",
        "temperature": 0.5,
        "max_tokens": 512,
        "top_p": 1,
        "top_k": 40,
        "frequency_penalty": 0.1,
        "presence_penalty": -0.1,
        "stop": ["END"],
        "response_format": "text",
        "stream": True,
        "seed": 7,
        "reasoning_effort": "high",
        "choice_count": 2,
    }
    assert prompt["tools"][0]["kind"] == "function"
    assert prompt["tools"][0]["options"]["otel-genai"] == {"cache": "short"}
    assert prompt["tools"][1]["options"]["otel-genai"] == {"max_uses": 2}
    user, assistant, tool = prompt["messages"]
    kinds = [next(key for key in part if key != "metadata") for part in user["parts"]["parts"]]
    assert kinds == ["text", "image", "file", "file", "other"]
    assert user["name"] == "ada"
    assert assistant["tool_calls"][0]["part_index"] == 1
    [result] = tool["parts"]["parts"]
    assert result["tool_result"]["content"] == '{"times": ["08:04", "08:34"]}'
    first, second = completion["choices"]
    assert (first["finish_reason"], second["finish_reason"]) == ("tool_calls", "pause")
    assert second["metadata"]["otel-genai"]["finish_reason"] == "compaction"
    reasoning, server_call = first["message"]["parts"]["parts"]
    assert reasoning["reasoning"]["text"] == "Two trains fit."
    assert reasoning["signature"] == "c2ln"
    assert server_call["other"]["server_tool_call"]["query"] == "SBB 08:04"
    assert first["message"]["tool_calls"] == [{"id": "call_2", "name": "train_times", "map": {}}]
    assert completion["usage"] == {
        "prompt_tokens": 900,
        "completion_tokens": 120,
        "thinking_tokens": 64,
        "cached_tokens": 512,
        "cache_write_tokens": 128,
    }
    assert completion["latency_ms"] == 1250
    assert completion["time_to_first_token_ms"] == 250
    assert completion["created_at"] == "2026-01-02T03:04:06.250Z"
    assert completion["response_id"] == "msg_01"
    assert completion["metadata"]["otel-genai"]["spanId"] == "a1b2c3d4e5f60718"
    assert completion["request_id"] == prompt["request_id"]


def test_only_calls_of_models_and_evaluations_of_a_request_are_documents() -> None:
    documents, report = _read(REQUESTS / "traces.otlp.json")
    prompt, completion, feedback = documents
    assert prompt["messages"] == [{"role": "user", "text": "Say hi"}]
    assert completion["choices"][0]["message"] == {"role": "assistant", "text": "Hi!"}
    assert completion["metadata"]["otel-genai"]["resource"]["attributes"]["process.pid"] == 4242
    assert [event["name"] for event in completion["metadata"]["otel-genai"]["events"]] == ["retry"]
    assert (feedback["name"], feedback["feedback_value"]) == ("politeness", "polite")
    assert feedback["trace_id"] == completion["trace_id"]
    assert feedback["metadata"]["otel-genai"]["spanId"] == "00000000000000a2"
    [error] = report.errors
    assert error.path == "resourceSpans[0].scopeSpans[0].spans[2]"
    assert error.reason == "the operation failed: rate_limit_exceeded: Too many requests"
    reasons = [entry.reason for entry in report.entries if entry.outcome is Outcome.DROPPED]
    assert len(reasons) == 3
    request = json.loads((REQUESTS / "traces.otlp.json").read_text())
    check_complete(request, report)


def test_events_of_older_conventions_are_joined_to_their_span() -> None:
    [prompt, completion], report = _read(REQUESTS / "older_conventions.jsonl")
    assert [message["role"] for message in prompt["messages"]] == [
        *("system", "user", "assistant", "tool")
    ]
    assert prompt["messages"][2]["tool_calls"][0]["map"] == {"city": "Boston"}
    assert completion["choices"][0]["message"]["tool_calls"][0]["raw"] == '{"city": '
    assert completion["usage"] == {"prompt_tokens": 31, "completion_tokens": 12}
    attributes = completion["metadata"]["otel-genai"]["attributes"]
    assert attributes["gen_ai.provider.name"] == "azure.ai.openai"
    lines = (REQUESTS / "older_conventions.jsonl").read_text().splitlines()
    check_complete([json.loads(line) for line in lines], report)


def test_a_span_and_events_one_by_one_are_joined() -> None:
    [prompt, completion], _ = _read(DOCUMENTS / "older_conventions.jsonl")
    [same_prompt, same_completion], _ = _read(REQUESTS / "older_conventions.jsonl")
    assert (prompt, completion) == (same_prompt, same_completion)


def test_events_and_spans_in_separate_sources_never_replace_each_other(tmp_path: Path) -> None:
    lines = (REQUESTS / "older_conventions.jsonl").read_text().splitlines()
    together = tmp_path / "together"
    together.mkdir()
    for name, line in zip(("traces.json", "logs.json"), lines, strict=True):
        (tmp_path / name).write_text(line)
        (together / name).write_text(line)
    [prompt, completion], _ = _read(tmp_path / "traces.json")
    assert "messages" not in prompt
    assert completion["usage"]["prompt_tokens"] == 31
    [old_prompt, old_completion], _ = _read(tmp_path / "logs.json")
    assert len(old_prompt["messages"]) == 4
    assert "usage" not in old_completion
    assert old_prompt["request_id"] != prompt["request_id"]
    assert old_prompt["trace_id"] == prompt["trace_id"]
    span = completion["metadata"]["otel-genai"]["spanId"]
    assert old_completion["metadata"]["otel-genai"]["parentSpanId"] == span
    [joined, _], _ = _read(together)
    assert joined["request_id"] == prompt["request_id"]
    assert joined["messages"] == old_prompt["messages"]


def test_an_evaluation_becomes_feedback_and_comes_back() -> None:
    [feedback], _ = _read(DOCUMENTS / "evaluation.event.json")
    assert feedback["id"] == "01KDYZ0000000000000000000A"
    assert (feedback["feedback_type"], feedback["feedback_value"]) == ("rating", 4)
    kept = feedback["metadata"]["otel-genai"]["attributes"]
    assert kept["gen_ai.evaluation.score.label"] == "relevant"
    event = json.loads((DOCUMENTS / "evaluation.event.json").read_text())
    [message] = otel_genai.import_(event).documents
    assert records.as_plain(otel_genai.export(message).obj, event) == event


def test_an_evaluation_that_failed_has_no_value() -> None:
    event = {
        "eventName": "gen_ai.evaluation.result",
        "attributes": {
            "gen_ai.evaluation.name": "Relevance",
            "gen_ai.evaluation.score.value": 0.0,
            "error.type": "timeout",
        },
    }
    [feedback] = otel_genai.import_(event).documents
    values = json_values(feedback)
    assert "feedback_value" not in values
    assert values["metadata"]["otel-genai"]["attributes"]["error.type"] == "timeout"


@pytest.mark.parametrize(
    ("status", "attributes", "reason"),
    [
        ({"code": 2}, {}, "the operation failed"),
        (
            {"code": "STATUS_CODE_ERROR", "message": "no quota"},
            {},
            "the operation failed: no quota",
        ),
        ({}, {"error.type": "500"}, "the operation failed: 500"),
    ],
)
def test_a_span_with_an_error_is_an_error(status: Record, attributes: Record, reason: str) -> None:
    good = _span(gen_ai__operation__name="chat")
    bad = {**_span(gen_ai__operation__name="chat", **attributes), "status": status}
    bad["attributes"].update(attributes)
    record = records.traces(bad, {**good, "spanId": "00000000000000ff"})
    imported = otel_genai.import_(record)
    assert len(imported.documents) == 1
    [error] = imported.report.errors
    assert (error.path, error.reason) == ("resourceSpans[0].scopeSpans[0].spans[0]", reason)
    check_complete(record, imported.report)


@pytest.mark.parametrize("record", [{}, {"resourceMetrics": []}, {"name": "x"}])
def test_another_record_is_an_error(record: Record) -> None:
    [error] = otel_genai.import_(record).report.errors
    assert error.reason == "expected resourceSpans, resourceLogs, a span or an event"


def test_the_event_of_a_message_without_ids_is_an_error() -> None:
    record = records.logs({"eventName": "gen_ai.user.message", "body": {"content": "Hi"}})
    [error] = otel_genai.import_(record).report.errors
    assert "no ids" in error.reason


def test_values_that_the_schema_does_not_allow_are_kept() -> None:
    [prompt, completion] = _chat(
        gen_ai__request__top_k=-1.0,
        gen_ai__request__max_tokens=2**40,
        gen_ai__usage__output_tokens=-5,
        gen_ai__custom__id=2**60,
        gen_ai__custom__rate=float("inf"),
    )
    assert "options" not in prompt
    kept = completion["metadata"]["otel-genai"]["attributes"]
    assert kept["gen_ai.request.top_k"] == -1
    assert kept["gen_ai.request.max_tokens"] == 2**40
    assert kept["gen_ai.usage.output_tokens"] == -5
    assert kept["gen_ai.custom.id"] == str(2**60)
    assert kept["gen_ai.custom.rate"] == "Infinity"


def test_prompts_and_completions_as_text_of_older_conventions() -> None:
    [prompt, completion] = _chat(
        gen_ai__prompt="Say hi",
        gen_ai__completion=json.dumps([{"role": "assistant", "content": "Hi!"}]),
    )
    assert prompt["messages"] == [{"role": "user", "text": "Say hi"}]
    assert completion["choices"][0]["message"] == {"role": "assistant", "text": "Hi!"}


def test_messages_in_the_events_of_a_span() -> None:
    span = _span(gen_ai__operation__name="chat", gen_ai__request__model="m")
    span["events"] = [
        {"name": "gen_ai.content.prompt", "attributes": {"gen_ai.prompt": "Say hi"}},
        {
            "name": "gen_ai.choice",
            "attributes": {
                "gen_ai.event.content": json.dumps(
                    {"index": 0, "finish_reason": "stop", "message": {"content": "Hi!"}}
                )
            },
        },
    ]
    imported = otel_genai.import_(span)
    check_complete(span, imported.report)
    [prompt, completion] = map(json_values, imported.documents)
    assert prompt["messages"] == [{"role": "user", "text": "Say hi"}]
    [choice] = completion["choices"]
    assert choice["message"] == {"role": "assistant", "text": "Hi!"}
    assert choice["finish_reason"] == "stop"


def test_the_details_of_an_operation_are_those_of_its_span() -> None:
    ids = {"traceId": records.TRACE, "spanId": records.SPAN}
    messages = [{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]
    span = _span(gen_ai__operation__name="chat", gen_ai__request__model="m")
    event = {
        **ids,
        "eventName": "gen_ai.client.inference.operation.details",
        "attributes": {
            "gen_ai.request.model": "m",
            "gen_ai.response.model": "m-1",
            "gen_ai.input.messages": messages,
        },
    }
    record = [records.traces(span), records.logs(event)]
    imported = otel_genai.import_(record)
    check_complete(record, imported.report)
    [prompt, completion] = imported.documents
    assert isinstance(prompt, v1.Prompt)
    assert isinstance(completion, v1.Completion)
    assert prompt.messages[0].text == "Hi"
    assert completion.model == "m-1"
    [alone, _] = otel_genai.import_(records.logs(event)).documents
    assert isinstance(alone, v1.Prompt)
    assert alone.messages == prompt.messages
    assert alone.request_id != prompt.request_id


def test_a_prompt_and_its_completion_are_one_span() -> None:
    prompt = v1.Prompt(request_id="r1", system="Be brief.")
    prompt.messages.add(role="MESSAGE_ROLE_USER", text="Hi")
    completion = v1.Completion(request_id="r1", response_id="c1", latency_ms=5)
    completion.created_at.FromJsonString("2026-01-02T03:04:05Z")
    joined = otel_genai.join([otel_genai.export(each).obj for each in (prompt, completion)])
    [span] = joined["resourceSpans"][0]["scopeSpans"][0]["spans"]
    attributes = records.plain_values(span["attributes"])
    assert attributes["gen_ai.system_instructions"] == [{"type": "text", "content": "Be brief."}]
    assert attributes["gen_ai.response.id"] == "c1"
    assert span["endTimeUnixNano"] == "1767323045000000000"
    assert span["startTimeUnixNano"] == "1767323044995000000"
    assert joined["resourceSpans"][0]["scopeSpans"][0]["schemaUrl"].endswith(
        otel_genai.PINNED_VERSION
    )


def test_a_message_of_this_package_in_the_words_of_the_conventions() -> None:
    prompt = v1.Prompt()
    answer = prompt.messages.add(role="MESSAGE_ROLE_TOOL", text="sunny", tool_call_id="call_a")
    assert answer.text == "sunny"
    asked = prompt.messages.add(role="MESSAGE_ROLE_ASSISTANT", refusal="No.")
    asked.parts.parts.add().reasoning.encrypted = "x"
    asked.parts.parts.add(text="before")
    asked.tool_calls.add(name="f", part_index=1)
    asked.parts.parts.add().audio.url = "https://example.org/a"
    exported = otel_genai.export(prompt)
    [span] = exported.obj["resourceSpans"][0]["scopeSpans"][0]["spans"]
    tool, assistant = records.plain_values(span["attributes"])["gen_ai.input.messages"]
    assert tool["parts"] == [{"type": "tool_call_response", "id": "call_a", "response": "sunny"}]
    assert [part["type"] for part in assistant["parts"]] == [
        *("reasoning", "tool_call", "text", "uri", "refusal")
    ]
    assert assistant["parts"][3]["modality"] == "audio"


@pytest.mark.parametrize(
    ("value", "written"), [(True, "true"), ("good", "good"), (0.5, 0.5), ({"a": 1}, None)]
)
def test_values_of_feedback(value: Any, written: Any) -> None:
    feedback = v1.FeedbackEvent(id="f1")
    feedback.feedback_value.struct_value.update({"value": value})
    inner = feedback.feedback_value.struct_value.fields["value"]
    feedback.feedback_value.CopyFrom(inner)
    exported = otel_genai.export(feedback).obj
    [event] = exported["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    attributes = records.plain_values(event["attributes"])
    found = [attributes.get(f"gen_ai.evaluation.score.{key}") for key in ("label", "value")]
    assert [each for each in found if each is not None] == ([] if written is None else [written])
    assert attributes["log.record.uid"] == "f1"
    assert attributes["gen_ai.evaluation.name"] == "feedback"


def test_times_that_otlp_cannot_write_are_dropped() -> None:
    completion, feedback = v1.Completion(response_id="c1", latency_ms=7), v1.FeedbackEvent(id="f1")
    completion.created_at.FromJsonString("1969-01-01T00:00:00Z")
    feedback.timestamp.FromJsonString("2999-01-01T00:00:00Z")
    dropped = []
    for message in (completion, feedback):
        exported = otel_genai.export(message)
        dropped += [
            entry.path for entry in exported.report.entries if entry.outcome is Outcome.DROPPED
        ]
        assert "timeUnixNano" not in str(exported.obj)
    assert dropped == ["created_at", "timestamp"]
    [_, again] = otel_genai.import_(otel_genai.export(completion).obj).documents
    assert isinstance(again, v1.Completion)
    assert again.latency_ms == 7


def test_choices_of_this_package() -> None:
    completion = v1.Completion(response_id="c1")
    completion.created_at.FromJsonString("2026-01-02T03:04:05Z")
    completion.choices.add(index=0)
    thinking = completion.choices.add(index=5, finish_reason="FINISH_REASON_STOP")
    thinking.message.role = v1.MessageRole.MESSAGE_ROLE_ASSISTANT
    thinking.thinking.content = "Hm."
    exported = otel_genai.export(completion)
    [span] = exported.obj["resourceSpans"][0]["scopeSpans"][0]["spans"]
    attributes = records.plain_values(span["attributes"])
    assert attributes["gen_ai.response.finish_reasons"] == ["unknown", "stop"]
    assert attributes["gen_ai.output.messages"] == [
        {"role": "assistant", "parts": [], "finish_reason": "unknown"},
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "Hm."}],
            "finish_reason": "stop",
        },
    ]
    assert span["startTimeUnixNano"] == "1"
    check_complete(json_values(completion), exported.report)


def test_a_request_with_versions_and_snake_case_comes_back() -> None:
    record = {
        "resource_spans": [
            {
                "resource": {"attributes": [{"key": "a", "value": {"string_value": "b"}}]},
                "schema_url": "https://opentelemetry.io/schemas/1.40.0",
                "scope_spans": [
                    {
                        "schema_url": otel_genai.SCHEMA_URL,
                        "spans": [
                            {
                                "trace_id": records.TRACE,
                                "span_id": records.SPAN,
                                "attributes": [
                                    {
                                        "key": "gen_ai.operation.name",
                                        "value": {"string_value": "chat"},
                                    },
                                    {"key": "bytes", "value": {"bytesValue": "aGk="}},
                                    {"key": "odd", "value": {"intValue": "x"}},
                                    {"key": "odder", "value": {"doubleValue": "y"}},
                                    {"key": "oddest", "value": {"arrayValue": {"values": 3}}},
                                    {"key": "big", "value": {"intValue": str(2**63)}},
                                    {"key": "nan", "value": {"doubleValue": "NaN"}},
                                    {"key": "none"},
                                    {"key": "none", "value": {}},
                                    {"key": "objects", "value": {"kvlistValue": {}}},
                                    7,
                                ],
                            }
                        ],
                    }
                ],
            }
        ]
    }
    imported = otel_genai.import_(record)
    check_complete(record, imported.report)
    [prompt] = imported.documents
    kept = json_values(prompt)["metadata"]["otel-genai"]
    assert kept["attributes"] == {
        "bytes": "aGk=",
        "odd": {"intValue": "x"},
        "odder": {"doubleValue": "y"},
        "oddest": {"arrayValue": {"values": 3}},
        "big": {"intValue": str(2**63)},
        "nan": "NaN",
        "none": None,
        "objects": {},
    }
    assert kept["resourceSchemaUrl"] == "https://opentelemetry.io/schemas/1.40.0"
    exported = otel_genai.export(prompt).obj
    assert exported["resourceSpans"][0]["schemaUrl"] == kept["resourceSchemaUrl"]
    assert otel_genai.import_(exported).documents == [prompt]


def test_many_records_wait_no_longer_than_they_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crucible_ir.interchange.otel_genai.joining.MAX_WAITING", 2)
    lines = (REQUESTS / "older_conventions.jsonl").read_text().splitlines()
    traces, logs = map(json.loads, lines)
    other = records.traces({**_span(gen_ai__operation__name="chat"), "traceId": "00" * 15 + "01"})
    assert len(otel_genai.import_([traces, logs, other]).documents) == 3
    assert len(otel_genai.import_([traces, other, logs]).documents) == 5


def test_names_of_events_as_attributes() -> None:
    ids = {"traceId": records.TRACE, "spanId": records.SPAN}
    event = {
        **ids,
        "attributes": {"event.name": "gen_ai.user.message"},
        "body": {"content": "Hi"},
    }
    span = _span(gen_ai__operation__name="chat")
    for record in ([records.traces(span), records.logs(event)], [span, event]):
        imported = otel_genai.import_(record)
        check_complete(record, imported.report)
        [prompt] = imported.documents
        assert json_values(prompt)["messages"] == [{"role": "user", "text": "Hi"}]


def test_events_of_other_programs_are_dropped() -> None:
    record = records.logs({"eventName": "app.start", "attributes": {"a": 1}})
    imported = otel_genai.import_(record)
    assert not imported.documents
    check_complete(record, imported.report)
    assert imported.report.counts["dropped"] == 2


@pytest.mark.parametrize("key", ["gen_ai.response.finish_reasons", "gen_ai.operation.name"])
def test_null_in_an_attribute_comes_back(key: str) -> None:
    message = {"role": "assistant", "parts": []}
    span = _span(gen_ai__operation__name="chat", gen_ai__output__messages=[message])
    span["attributes"][key] = None
    record = records.traces(span)
    imported = otel_genai.import_(record)
    check_complete(record, imported.report)
    joined = otel_genai.join([otel_genai.export(each).obj for each in imported.documents])
    assert otel_genai.import_(joined).documents == imported.documents


@pytest.mark.parametrize("operation", [{}, [], {"name": "chat"}, ["chat"], 1, None])
def test_an_operation_without_a_name_is_none(operation: object) -> None:
    attributes = {"gen_ai.operation.name": operation, "gen_ai.request.model": "m"}
    record = {"trace_id": "7" * 32, "span_id": "1" * 16, "attributes": attributes}
    imported = otel_genai.import_(record)
    check_complete(record, imported.report)
    assert not imported.report.errors
