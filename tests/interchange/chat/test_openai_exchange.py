"""Documents of one chat format can be exported to another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from interchange.law import check_complete
from interchange.openai import shapes as chat_shapes
from interchange.openai_responses import response_shapes

from crucible_ir import v1
from crucible_ir.interchange import openai, openai_responses
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.format import format_named
from crucible_ir.interchange.mapping.reading import read_records

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.interchange.mapping.format import Format

DOCUMENTS = Path(__file__).parents[1] / "documents"
CHAT = ("openai", "openai-responses", "anthropic", "gemini")


def _exchange(message: Message, to: Format) -> Any:
    exported = to.export(message)
    assert not exported.report.errors
    check_complete(json_values(message), exported.report)
    again = to.import_(exported.obj)
    assert not again.report.errors
    return exported.obj


@pytest.mark.parametrize("to", ["openai", "openai-responses"])
@pytest.mark.parametrize(
    "path",
    [path for name in CHAT for path in sorted((DOCUMENTS / name).iterdir())],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_each_document_is_exported_to_the_others(path: Path, to: str) -> None:
    format_ = format_named(path.parent.name)
    [record] = read_records(str(path), assemble=format_.assemble)
    documents = format_.import_(record.value).documents
    assert documents
    for document in documents:
        _exchange(document, format_named(to))


@given(chat_shapes.requests | chat_shapes.responses)
def test_any_record_of_chat_completions_is_exported_to_responses(record: dict[str, Any]) -> None:
    for document in openai.import_(record).documents:
        _exchange(document, openai_responses.FORMAT)


@given(response_shapes.requests | response_shapes.responses)
def test_any_record_of_responses_is_exported_to_chat_completions(record: dict[str, Any]) -> None:
    for document in openai_responses.import_(record).documents:
        _exchange(document, openai.FORMAT)


def test_a_conversation_goes_from_responses_to_chat_completions() -> None:
    record = {
        "model": "gpt-5.2",
        "instructions": "Be brief.",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gA"},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
            {"type": "function_call", "call_id": "c2", "name": "f", "arguments": ""},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {"type": "function_call_output", "call_id": "c1", "output": "rain"},
            {"type": "function_call_output", "call_id": "c2", "output": "sun"},
            {"type": "mcp_approval_response", "approval_request_id": "m", "approve": True},
        ],
        "tools": [
            {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
            {"type": "web_search"},
        ],
        "max_output_tokens": 9,
    }
    [prompt] = openai_responses.import_(record).documents
    assert _exchange(prompt, openai.FORMAT) == {
        "model": "gpt-5.2",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": '{"a": 1}'},
                    },
                    {"id": "c2", "type": "function", "function": {"name": "f", "arguments": ""}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "tool", "tool_call_id": "c2", "content": "sun"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"type": "object"}, "strict": True},
            }
        ],
        "max_completion_tokens": 9,
    }


def test_an_answer_goes_from_chat_completions_to_responses() -> None:
    record = {
        "id": "chatcmpl-1",
        "created": 1764547200,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "length",
                "message": {"role": "assistant", "content": "Oslo", "reasoning_content": "Hm."},
            },
            {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "x"}},
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    [completion] = openai.import_(record).documents
    assert isinstance(completion, v1.Completion)
    assert _exchange(completion, openai_responses.FORMAT) == {
        "id": "chatcmpl-1",
        "object": "response",
        "created_at": 1764547200,
        "model": "m",
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": [
            {
                "type": "reasoning",
                "id": "rs_0",
                "summary": [{"type": "summary_text", "text": "Hm."}],
            },
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Oslo", "annotations": []}],
            },
        ],
        "usage": {
            "input_tokens": 3,
            "output_tokens": 4,
            "total_tokens": 7,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
