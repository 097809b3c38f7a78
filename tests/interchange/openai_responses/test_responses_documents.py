"""Documents of Responses, with the oddities of real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from interchange.law import check_law

from crucible_ir import v1
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.reading import read_records
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.openai_responses import FORMAT, export, import_

DOCUMENTS = Path(__file__).parents[1] / "documents" / "openai-responses"


def _record(name: str) -> Any:
    [record] = read_records(str(DOCUMENTS / name), assemble=FORMAT.assemble)
    return record.value


def _only(record: Any) -> dict[str, Any]:
    [document] = check_law(FORMAT, record).documents
    return json_values(document)


def _bare(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in part.items() if k != "metadata"} for part in parts]


@pytest.mark.parametrize("name", [path.name for path in sorted(DOCUMENTS.iterdir())])
def test_every_document_comes_back(name: str) -> None:
    imported = check_law(FORMAT, _record(name))
    assert imported.report.counts["dropped"] == 0


def test_the_fields_of_a_request() -> None:
    prompt = _only(_record("request.json"))
    assert prompt["system"] == "Answer in one sentence."
    assert prompt["options"] == {
        "model": "gpt-5.2",
        "temperature": 0.2,
        "max_tokens": 200,
        "top_p": 1.0,
        "response_format": "json_schema",
        "json_schema": {"type": "object", "properties": {"name": {"type": "string"}}},
        "stream": False,
        "reasoning_effort": "low",
    }
    assert prompt["tool_choice"] == {"name": "find"}
    assert [tool["kind"] for tool in prompt["tools"]] == ["function", "custom", "web_search", "mcp"]
    assert [message["role"] for message in prompt["messages"]] == [
        *("developer", "system", "user", "assistant", "tool", "tool", "tool", "tool", "tool"),
        *("assistant", "developer", "assistant", "user", "user"),
    ]


def test_the_parts_of_a_message() -> None:
    parts = _only(_record("request.json"))["messages"][2]["parts"]["parts"]
    assert _bare(parts) == [
        {"text": "What is on these?"},
        {"image": {"url": "https://example.org/map.png"}},
        {"image": {"base64": "iVBORw0KGgo=", "media_type": "image/png"}},
        {"file": {"file_id": "file-img"}},
        {"file": {"file_id": "file-abc"}},
        {"file": {"url": "https://example.org/plan.pdf"}},
        {"file": {"base64": "JVBERi0=", "media_type": "application/pdf", "name": "plan.pdf"}},
        {"file": {"base64": "JVBERi0=", "name": "raw.pdf"}},
        {"file": {"base64": "UklGRg==", "media_type": "audio/wav"}},
        {
            "other": {
                "type": "openai-responses",
                "part": {"type": "input_video", "video_url": "https://example.org/clip.webm"},
            }
        },
    ]


def test_items_of_the_model_are_one_message_in_their_order() -> None:
    message = _only(_record("request.json"))["messages"][3]
    assert _bare(message["parts"]["parts"]) == [
        {"reasoning": {"id": "rs_1", "text": "Look it up.", "encrypted": "gAAAA"}},
        {"text": "I look it up."},
        {"text": "A source."},
        {"reasoning": {"id": "rs_2", "text": "One.\n\nTwo."}},
        {"reasoning": {"id": "rs_0", "text": "Three."}},
        {"text": "Between."},
        {"other": {"type": "item_reference", "id": "msg_0"}},
    ]
    assert message["tool_calls"] == [
        {"id": "call_a", "name": "find", "map": {"place": "Oslo"}, "part_index": 3},
        {"id": "call_b", "name": "run", "raw": "print(1)", "part_index": 3},
        {"id": "call_3_2", "name": "find", "raw": '{"id": 9007199254740993}', "part_index": 5},
    ]
    own = message["parts"]["parts"][1]["metadata"]["openai-responses"]["message"]
    assert own == {"id": "msg_1", "status": "completed", "phase": "commentary"}


def test_outputs_are_messages_of_tools() -> None:
    messages = _only(_record("request.json"))["messages"]
    assert messages[4]["tool_call_id"] == "call_a"
    assert messages[4]["text"] == "A town."
    assert _bare(messages[5]["parts"]["parts"]) == [{"text": "nothing"}]
    assert messages[6]["metadata"]["openai-responses"] == {"type": "custom_tool_call_output"}
    assert messages[7]["text"] == ""
    assert messages[9]["text"] == "Yes."
    assert messages[11]["refusal"] == "I cannot."


def test_a_text_as_input() -> None:
    prompt = _only(_record("request_text.json"))
    assert prompt["messages"] == [{"role": "user", "text": "What is the secret key again?"}]
    assert prompt["options"]["response_format"] == "json"
    assert "max_tokens" not in prompt["options"]
    [document] = import_(_record("request_text.json")).documents
    assert isinstance(document, v1.Prompt)
    document.messages.add(role="MESSAGE_ROLE_USER").text = "Please."
    assert export(document).obj["input"] == [
        {"type": "message", "role": "user", "content": "What is the secret key again?"},
        {"type": "message", "role": "user", "content": "Please."},
    ]


def test_the_fields_of_a_response() -> None:
    completion = _only(_record("response.json"))
    assert completion["response_id"] == "resp_1"
    assert completion["usage"] == {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "total_tokens": 29,
        "thinking_tokens": 4,
        "cached_tokens": 16,
        "cache_write_tokens": 2,
    }
    [choice] = completion["choices"]
    assert choice["finish_reason"] == "tool_calls"
    message = choice["message"]
    assert message["refusal"] == "I cannot go on."
    kinds = [next(iter(part)) for part in _bare(message["parts"]["parts"])]
    assert kinds == ["reasoning", *["other"] * 5, "text", "text", "other"]
    [call] = message["tool_calls"]
    assert call["part_index"] == 8


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("completed", None, "stop"),
        ("incomplete", "max_output_tokens", "length"),
        ("incomplete", "max_tokens", "length"),
        ("incomplete", "content_filter", "content_filter"),
        ("incomplete", "steered", None),
        ("failed", None, "error"),
        ("queued", None, None),
        ("in_progress", None, None),
        ("cancelled", None, None),
    ],
)
def test_the_status_is_the_reason(status: str, reason: str | None, expected: str | None) -> None:
    details = None if reason is None else {"reason": reason}
    record: dict[str, Any] = {"id": "r", "output": [], "status": status}
    record["incomplete_details"] = details
    completion = _only(record)
    choices = completion.get("choices", [])
    assert [choice.get("finish_reason") for choice in choices] == ([expected] if expected else [])


def test_a_status_that_changed_replaces_the_old_one() -> None:
    record = {
        "id": "r",
        "status": "incomplete",
        "incomplete_details": {"reason": "steered"},
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "refusal"}]}],
    }
    [document] = import_(record).documents
    assert isinstance(document, v1.Completion)
    document.choices[0].finish_reason = v1.FinishReason.FINISH_REASON_STOP
    exported = export(document)
    assert exported.obj["status"] == "completed"
    assert exported.report.counts["dropped"] == 1


@pytest.mark.parametrize(
    ("record", "path", "reason"),
    [
        (
            {"output": [], "status": "failed", "error": {"code": "server_error", "message": "m"}},
            "error",
            "server_error: m",
        ),
        ({"input": ["hello"]}, "input[0]", "expected an object"),
        ({"output": [7]}, "output[0]", "expected an object"),
        ({"messages": []}, "", 'expected a request with "input"'),
    ],
)
def test_what_is_no_record_is_a_located_error(record: object, path: str, reason: str) -> None:
    [error] = import_(record).report.errors
    assert error.path == path
    assert reason in error.reason


def test_a_stream_is_put_together() -> None:
    completion = _only(_record("stream.sse"))
    [choice] = completion["choices"]
    assert choice["message"]["tool_calls"] == [
        {"id": "call_5", "name": "find", "map": {"place": "Oslo"}}
    ]
    assert completion["usage"]["total_tokens"] == 13


def test_an_error_in_a_stream_is_located() -> None:
    assert FORMAT.assemble is not None
    error = {"type": "error", "code": "rate_limit", "message": "slow down"}
    started = {"type": "response.created", "response": {"id": "r", "output": []}}
    record = FORMAT.assemble([("", started), ("", 7), ("error", error)])
    assert "rate_limit: slow down" in import_(record).report.errors[0].reason
    failed = {"id": "r", "output": [], "error": {"code": "server_error", "message": "m"}}
    record = FORMAT.assemble([("response.failed", {"response": failed})])
    assert "server_error: m" in import_(record).report.errors[0].reason


def test_a_prompt_of_another_service_is_exported() -> None:
    prompt = v1.Prompt()
    prompt.messages.add(role="MESSAGE_ROLE_USER").text = "Weather?"
    model = prompt.messages.add(role="MESSAGE_ROLE_ASSISTANT")
    model.parts.parts.add().reasoning.text = "Hm."
    model.parts.parts.add().text = "First."
    model.parts.parts.add().text = "Second."
    call = model.tool_calls.add(id="c1", name="f", part_index=2)
    call.map.update({"a": 1})
    answers = prompt.messages.add(role="MESSAGE_ROLE_USER")
    result = answers.parts.parts.add().tool_result
    result.tool_call_id = "c1"
    result.parts.add().text = "rain"
    answers.parts.parts.add().text = "And now?"
    prompt.messages.add(role="MESSAGE_ROLE_ASSISTANT").refusal = "No."
    prompt.tools.add().update({"name": "f", "input_schema": {"type": "object"}})
    exported = export(prompt)
    assert exported.obj == {
        "input": [
            {"type": "message", "role": "user", "content": "Weather?"},
            {"type": "message", "role": "assistant", "content": "First."},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
            {"type": "message", "role": "assistant", "content": "Second."},
            {
                "type": "function_call_output",
                "call_id": "c1",
                "output": [{"type": "input_text", "text": "rain"}],
            },
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "And now?"}],
            },
            {"type": "message", "role": "assistant", "content": "No."},
        ],
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}
        ],
    }
    dropped = [entry.path for entry in exported.report.entries if entry.outcome == "dropped"]
    assert dropped == ["messages[1].parts.parts[0].**"]


def test_the_output_of_a_model_is_the_assistants() -> None:
    record = _record("response.json")
    message = next(item for item in record["output"] if item["type"] == "message")
    message["role"] = "model"
    imported = check_law(FORMAT, record)
    place = record["output"].index(message)
    entry = imported.report.entry_of(("output", place, "role"))
    assert entry is not None
    assert (entry.outcome, entry.target_values) == (Outcome.CONVERTED, ("assistant",))

    [completion] = imported.documents
    assert isinstance(completion, v1.Completion)
    completion.choices[0].message.role = v1.MessageRole.MESSAGE_ROLE_USER
    exported = export(completion)
    assert {item["role"] for item in exported.obj["output"] if item["type"] == "message"} == {
        "assistant"
    }
    written = exported.report.entry_of(("choices", 0, "message", "role"))
    assert written is not None
    assert written.outcome is Outcome.CONVERTED
