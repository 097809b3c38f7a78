"""OpenTelemetry's own types judge what is exported, and an instrumented client is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.judges import chat, documents, providers
from interchange.judges.test_chat_judges import OPENAI_RESPONSE
from interchange.law import check_complete
from interchange.otel_genai.records import plain_values
from message_strategies import messages

from crucible_ir import v1
from crucible_ir.interchange import otel_genai
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.validation.check import violations

_DOCUMENTS = Path(__file__).parents[1]
_REQUESTS = sorted((_DOCUMENTS / "otel_genai" / "documents").iterdir())
_EVALUATION = _DOCUMENTS / "documents" / "otel-genai" / "evaluation.event.json"

_JUDGES = {
    "gen_ai.input.messages": chat.otel_input_messages,
    "gen_ai.output.messages": chat.otel_output_messages,
    "gen_ai.system_instructions": chat.otel_system_instructions,
    "gen_ai.tool.definitions": chat.otel_tool_definitions,
}


def _judge(exported: dict[str, Any]) -> None:
    """Judge a request of OTLP, and the messages in it."""
    if "resourceLogs" in exported:
        documents.otlp_logs(exported)
        return
    documents.otlp_traces(exported)
    for resource in exported["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                attributes = plain_values(span["attributes"])
                for key, judge in _JUDGES.items():
                    if key in attributes:
                        judge(json.dumps(attributes[key]))


@pytest.mark.parametrize("path", [*_REQUESTS, _EVALUATION], ids=lambda path: path.name)
def test_what_is_exported_is_otlp(path: Path) -> None:
    text = path.read_text()
    record = [json.loads(line) for line in text.splitlines()] if "jsonl" in path.name else None
    imported = otel_genai.import_(json.loads(text) if record is None else record)
    assert imported.documents
    for document in imported.documents:
        _judge(otel_genai.export(document).obj)


def test_messages_of_this_package_are_otlp() -> None:
    prompt = v1.Prompt(request_id="r1", system="Be brief.")
    prompt.messages.add(role="MESSAGE_ROLE_USER", text="Hi")
    answer = prompt.messages.add(role="MESSAGE_ROLE_TOOL", tool_call_id="call_a", text="4")
    assert answer.text == "4"
    tool: dict[str, Any] = {"kind": "function", "name": "add", "parameters": {}}
    tool["description"] = "Adds."
    prompt.tools.add().update(tool)
    completion = v1.Completion(request_id="r1", latency_ms=5)
    choice = completion.choices.add(finish_reason="FINISH_REASON_STOP")
    choice.message.role = v1.MessageRole.MESSAGE_ROLE_ASSISTANT
    choice.message.text = "Hi!"
    feedback = v1.FeedbackEvent(id="f1", feedback_type="FEEDBACK_TYPE_RATING")
    feedback.feedback_value.number_value = 0.5
    exported = [otel_genai.export(each).obj for each in (prompt, completion, feedback)]
    for each in exported:
        _judge(each)
    _judge(otel_genai.join(exported[:2]))


@given(st.one_of(messages(v1.Prompt), messages(v1.Completion), messages(v1.FeedbackEvent)))
def test_any_valid_message_is_exported_as_otlp(message: Any) -> None:
    if violations(message):
        return
    exported = otel_genai.export(message).obj
    judge = documents.otlp_traces if "resourceSpans" in exported else documents.otlp_logs
    judge(exported)


def test_a_call_of_an_instrumented_client_is_imported() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the weather?"},
    ]
    written = providers.instrumented_openai(
        lambda client: client.chat.completions.create(
            model="gpt-5", messages=messages, temperature=0.5, seed=7
        ),
        OPENAI_RESPONSE,
    )
    record = [written.traces, written.logs]
    imported = otel_genai.import_(record)
    assert not imported.report.errors
    check_complete(record, imported.report)
    prompt, completion = map(json_values, imported.documents)
    assert prompt["options"] == {"model": "gpt-5", "temperature": 0.5, "seed": 7}
    texts = [message.get("text") for message in prompt["messages"]]
    assert "What is the weather?" in texts
    assert completion["usage"]["prompt_tokens"] == 9
    assert completion["response_id"] == OPENAI_RESPONSE["id"]
    [choice] = completion["choices"]
    assert choice["finish_reason"] == "tool_calls"
    joined = otel_genai.join([otel_genai.export(each).obj for each in imported.documents])
    _judge(joined)
    assert otel_genai.import_(joined).documents == imported.documents
