"""The judges of chat documents accept good ones and reject bad ones."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from interchange.judges import chat
from pydantic_core import ValidationError

Path = tuple[str | int, ...]


def _as_json(judge: Callable[[str], None]) -> Callable[[object], None]:
    return lambda body: judge(json.dumps(body))


class Case(NamedTuple):
    """A judge, a document that it accepts, and a change that makes the document invalid."""

    judge: Callable[[object], None]
    good: Any
    path: Path
    bad: object


CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
}

OPENAI_REQUEST = {
    "model": "gpt-5",
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is the weather?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                {"type": "file", "file": {"file_id": "file-1"}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {"name": "weather", "parameters": {"type": "object"}, "strict": True},
        }
    ],
    "temperature": 1,
    "stop": ["END"],
    "logit_bias": {"50256": -100},
}

OPENAI_RESPONSE = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_764_000_000,
    "model": "gpt-5",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "tool_calls": [CALL],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 3,
        "total_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    },
}

RESPONSES_REQUEST = {
    "model": "gpt-5",
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "What is the weather?"}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "rain"},
    ],
    "tools": [{"type": "function", "name": "weather", "parameters": {}, "strict": False}],
    "reasoning": {"effort": "low"},
}

RESPONSES_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_764_000_000.0,
    "model": "gpt-5",
    "status": "completed",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "AA=="},
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Rain.", "annotations": []}],
        },
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 12,
    },
}

ANTHROPIC_REQUEST = {
    "model": "claude-sonnet-5",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "What is the weather?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Look it up.", "signature": "AA=="},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "is_error": True,
                    "content": [{"type": "text", "text": "no such city"}],
                }
            ],
        },
    ],
    "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
}

ANTHROPIC_RESPONSE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5",
    "content": [
        {"type": "text", "text": "Rain.", "citations": None},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 9, "output_tokens": 3, "cache_read_input_tokens": 4},
}

GEMINI_REQUEST = {
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "What is the weather?"},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "weather", "args": {}}, "thoughtSignature": "AAAA"},
            ],
        },
    ],
    "tools": [{"functionDeclarations": [{"name": "weather"}]}],
    "generationConfig": {"maxOutputTokens": 100, "thinkingConfig": {"thinkingBudget": 0}},
}

GEMINI_RESPONSE = {
    "candidates": [
        {
            "content": {"role": "model", "parts": [{"text": "Rain."}]},
            "finishReason": "STOP",
            "index": 0,
        }
    ],
    "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12},
    "modelVersion": "gemini-3-pro",
    "createTime": "2026-11-30T12:00:00.500Z",
    "responseId": "abc",
}

OTEL_MESSAGE = {
    "role": "assistant",
    "parts": [
        {"type": "reasoning", "content": "Look it up."},
        {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "AAAA"},
        {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Oslo"}},
    ],
}

CASES = {
    # An item of a list that the SDK declares as an Iterable.
    "openai request": Case(
        chat.openai_request, OPENAI_REQUEST, ("messages", 2, "tool_calls", 0, "type"), "call"
    ),
    "openai request, unknown key": Case(chat.openai_request, OPENAI_REQUEST, ("top_k",), 3),
    "openai response": Case(
        chat.openai_response, OPENAI_RESPONSE, ("choices", 0, "finish_reason"), "end_turn"
    ),
    "openai response, number as text": Case(
        chat.openai_response, OPENAI_RESPONSE, ("usage", "total_tokens"), "12"
    ),
    "responses request": Case(
        chat.openai_responses_request, RESPONSES_REQUEST, ("input", 2, "output"), 5
    ),
    "responses response": Case(
        chat.openai_responses_response, RESPONSES_RESPONSE, ("output", 1, "content"), "Rain."
    ),
    "anthropic request": Case(
        chat.anthropic_request, ANTHROPIC_REQUEST, ("messages", 1, "content", 0, "signature"), None
    ),
    "anthropic response": Case(
        chat.anthropic_response, ANTHROPIC_RESPONSE, ("content", 1, "input"), "{}"
    ),
    "anthropic beta request": Case(
        lambda body: chat.anthropic_request(body, beta=True),
        {**ANTHROPIC_REQUEST, "mcp_servers": [{"type": "url", "url": "u", "name": "n"}]},
        ("mcp_servers", 0, "type"),
        "stdio",
    ),
    "anthropic beta response": Case(
        lambda body: chat.anthropic_response(body, beta=True),
        ANTHROPIC_RESPONSE,
        ("stop_reason",),
        "stop",
    ),
    "gemini request": Case(
        chat.gemini_request, GEMINI_REQUEST, ("contents", 1, "parts", 0, "toolCall"), "weather"
    ),
    "gemini request, snake case": Case(
        chat.gemini_request, GEMINI_REQUEST, ("generationConfig", "max_output_tokens"), 5
    ),
    "gemini response": Case(
        chat.gemini_response, GEMINI_RESPONSE, ("candidates", 0, "content", "role"), 3
    ),
    "gemini response, no time": Case(
        chat.gemini_response, GEMINI_RESPONSE, ("createTime",), "yesterday"
    ),
    "otel input messages": Case(
        _as_json(chat.otel_input_messages), [OTEL_MESSAGE], (0, "parts", 0, "content"), None
    ),
    "otel output messages": Case(
        _as_json(chat.otel_output_messages),
        [{**OTEL_MESSAGE, "finish_reason": "tool_call"}],
        (0, "finish_reasons"),
        ["tool_call"],
    ),
    "otel system instructions": Case(
        _as_json(chat.otel_system_instructions),
        [{"type": "text", "content": "Be brief."}],
        (0, "text"),
        "Be brief.",
    ),
    "otel tool definitions": Case(
        _as_json(chat.otel_tool_definitions),
        [{"type": "function", "name": "weather", "description": None, "parameters": {}}],
        (0, "name"),
        None,
    ),
}


def changed(document: Any, path: Path, value: object) -> Any:
    """Copy a document with one value set."""
    copied = copy.deepcopy(document)
    inner: Any = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copied


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_judge_accepts_a_good_document(case: Case) -> None:
    case.judge(case.good)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_judge_rejects_a_bad_document(case: Case) -> None:
    with pytest.raises(ValidationError) as error:
        case.judge(changed(case.good, case.path, case.bad))
    places = [problem["loc"] for problem in error.value.errors()]
    assert any(_follows(place, case.path) for place in places), places


def _follows(place: tuple[int | str, ...], path: Path) -> bool:
    """Whether the keys of a path are in a place, in this order; names of types lie between."""
    parts = iter(place)
    return all(key in parts for key in path)
