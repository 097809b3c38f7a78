"""The SDKs' types accept what the chat formats export, of documents with every feature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from interchange.judges import chat

from crucible_ir import from_yaml, v1
from crucible_ir.interchange.mapping.format import FORMATS, format_named


def without(*names: str, judge: Callable[[object], None]) -> Callable[[object], None]:
    """Judge a document without some keys, at any depth."""

    def strip(value: Any) -> Any:
        if isinstance(value, list):
            return [strip(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {key: strip(item) for key, item in value.items() if key not in names}

    return lambda body: judge(strip(body))


#: Keys that Anthropic's older models take, which the SDK has left out since.
SAMPLING = ("temperature", "top_p", "top_k")


class Judges(NamedTuple):
    """The judges of a format's two documents."""

    request: Callable[[object], None]
    response: Callable[[object], None]


JUDGES = {
    "openai": Judges(chat.openai_request, chat.openai_response),
    "openai-responses": Judges(chat.openai_responses_request, chat.openai_responses_response),
    "anthropic": Judges(without(*SAMPLING, judge=chat.anthropic_request), chat.anthropic_response),
    "gemini": Judges(chat.gemini_request, chat.gemini_response),
}
CHAT_FORMATS = [name for name in JUDGES if name in FORMATS]

TOOLS = """
        tools:
          - name: weather
            description: The weather of a city.
            parameters: {type: object, properties: {city: {type: string}}, required: [city]}
            strict: true
          - name: clock"""


def call_choice(choice: str) -> str:
    """Return a prompt with tools and a choice of them."""
    return f"""{TOOLS}
        tool_choice: {choice}
        messages: [{{role: user, text: Hello}}]
        """


PROMPTS = {
    "text": "messages: [{role: user, text: Hello}]",
    "system": """
        system: Be brief.
        messages:
          - {role: system, text: Be kind.}
          - {role: developer, text: Write English.}
          - {role: user, text: Hello, name: ada}
          - {role: assistant, text: Hello!}
          - {role: user, text: Bye}
        """,
    "options": """
        messages: [{role: user, text: Hello}]
        options:
          temperature: 0.5
          max_tokens: 100
          top_p: 0.9
          top_k: 40
          frequency_penalty: 0.1
          presence_penalty: -0.1
          stop: [END, STOP]
          seed: 42
          stream: false
          choice_count: 2
          timeout_ms: 1000
        """,
    "stream": "{messages: [{role: user, text: Hello}], options: {stream: true}}",
    "json": """
        messages: [{role: user, text: Hello}]
        options: {response_format: json}
        """,
    "json schema": """
        messages: [{role: user, text: Hello}]
        options:
          response_format: json_schema
          json_schema: {type: object, properties: {city: {type: string}}}
        """,
    "text format": "{messages: [{role: user, text: Hello}], options: {response_format: text}}",
    "thinking": """
        messages: [{role: user, text: Hello}]
        options: {extended_thinking: true, thinking_budget_tokens: 2048, max_tokens: 4096}
        """,
    "no thinking": """
        messages: [{role: user, text: Hello}]
        options: {extended_thinking: false, thinking_budget_tokens: 5, cache_control: ephemeral}
        """,
    "effort": "{messages: [{role: user, text: Hello}], options: {reasoning_effort: low}}",
    "least effort": "{messages: [{role: user, text: Hello}], options: {reasoning_effort: minimal}}",
    "other effort": "{messages: [{role: user, text: Hello}], options: {reasoning_effort: xhigh}}",
    "parts": """
        messages:
          - role: user
            parts:
              parts:
                - {text: What is this?}
                - {image: {url: "https://example.org/cat.png", media_type: image/png}}
                - {image: {base64: AAECAwQ=, media_type: image/jpeg}}
                - {image: {base64: iVBORw0KGgo=}}
                - {audio: {url: "https://example.org/cat.wav", format: wav}}
                - {file: {base64: AAECAwQ=, media_type: audio/wav}}
                - {file: {base64: AAECAwQ=, media_type: application/pdf, name: cat.pdf}}
                - {file: {url: "https://example.org/cat.pdf", media_type: application/pdf}}
                - {file: {file_id: file-1}}
                - {text: ""}
        """,
    "tools": TOOLS
    + """
        messages:
          - {role: user, text: What is the weather?}
          - role: assistant
            text: I look it up.
            tool_calls:
              - {id: call_1, name: weather, map: {city: Oslo}}
              - {id: call_2, name: clock}
              - {id: call_3, name: weather, raw: "{city"}
              - {id: call_4, name: clock, raw: "null"}
          - {role: tool, tool_call_id: call_1, text: rain}
          - {role: tool, tool_call_id: call_2, text: "12:00"}
          - {role: tool, tool_call_id: call_3, text: no such city}
        """,
    "calls alone": TOOLS
    + """
        messages:
          - {role: user, text: What is the weather?}
          - {role: assistant, tool_calls: [{id: call_1, name: weather, map: {city: Oslo}}]}
          - {role: tool, tool_call_id: call_1, text: rain}
        """,
    "calls between parts": TOOLS
    + """
        messages:
          - {role: user, text: What is the weather?}
          - role: assistant
            parts:
              parts:
                - {reasoning: {text: They ask for two.}, signature: c2ln}
                - {text: First}
                - {text: Then}
            tool_calls:
              - {id: call_1, name: weather, map: {city: Oslo}, part_index: 2, signature: AA==}
              - {id: call_2, name: clock, part_index: 3}
        """,
    "tool results as parts": TOOLS
    + """
        messages:
          - {role: user, text: What is the weather?}
          - role: assistant
            tool_calls:
              - {id: call_1, name: weather, map: {city: Oslo}}
              - {id: call_2, name: weather, map: {city: Rome}}
              - {id: call_3, name: clock}
          - role: user
            parts:
              parts:
                - {tool_result: {tool_call_id: call_1, content: no such city, is_error: true}}
                - tool_result:
                    tool_call_id: call_2
                    parts:
                      - {text: sun}
                      - {image: {base64: AAECAwQ=, media_type: image/png}}
                - {tool_result: {tool_call_id: call_3}}
                - {text: And now?}
        """,
    "reasoning": """
        messages:
          - {role: user, text: Hello}
          - role: assistant
            parts:
              parts:
                - {reasoning: {id: rs_1, text: A greeting.}, signature: c2lnbmF0dXJl}
                - {reasoning: {id: rs_2, encrypted: c2VjcmV0}}
                - {reasoning: {text: Not signed.}}
                - {text: Hello!, signature: c2lnbmF0dXJl}
          - {role: user, text: Bye}
        """,
    "refusal": """
        messages:
          - {role: user, text: Hello}
          - {role: assistant, refusal: I cannot.}
          - {role: user, text: Why?}
        """,
    "silence": """
        messages:
          - {role: user, text: Hello}
          - {role: assistant}
          - {role: user, text: Why?}
        """,
    "no calls": call_choice("{mode: none}"),
    "free calls": call_choice("{mode: auto}"),
    "some call": call_choice("{mode: required}"),
    "one call": call_choice("{name: clock}"),
}

FINISH_REASONS = ["stop", "length", "tool_calls", "content_filter", "error", "refusal", "pause"]

COMPLETIONS = {
    "text": "choices: [{message: {role: assistant, text: Hello!}}]",
    "no choices": "choices: []",
    "no message": "choices: [{index: 0, finish_reason: content_filter}]",
    "two choices": """
        choices:
          - {index: 0, message: {role: assistant, text: Hello!}, finish_reason: stop}
          - {index: 1, message: {role: assistant, text: Hi!}, finish_reason: length}
        """,
    "calls": """
        choices:
          - index: 0
            finish_reason: tool_calls
            message:
              role: assistant
              parts: {parts: [{text: I look}, {text: it up}]}
              tool_calls:
                - {id: call_1, name: weather, map: {city: Oslo}, part_index: 1}
                - {id: call_2, name: clock, signature: c2ln}
                - {id: call_3, name: weather, raw: "{city"}
        """,
    "reasoning": """
        choices:
          - index: 0
            finish_reason: stop
            message:
              role: assistant
              parts:
                parts:
                  - {reasoning: {id: rs_1, text: A greeting.}, signature: c2lnbmF0dXJl}
                  - {reasoning: {id: rs_2, encrypted: c2VjcmV0}}
                  - {text: Hello!}
        usage:
          prompt_tokens: 9
          completion_tokens: 30
          total_tokens: 39
          thinking_tokens: 27
          cached_tokens: 4
          cache_write_tokens: 2
        """,
    "thinking": """
        choices:
          - message: {role: assistant, text: Hello!}
            thinking: {content: A greeting., tokens: 27}
        """,
    "refusal": """
        choices:
          - {index: 0, message: {role: assistant, refusal: I cannot.}, finish_reason: refusal}
        """,
    "image": """
        choices:
          - message:
              role: assistant
              parts:
                parts:
                  - {image: {base64: AAECAwQ=, media_type: image/png}}
                  - {file: {base64: AAECAwQ=, media_type: audio/wav}}
        """,
    "latency": """
        latency_ms: 12
        time_to_first_token_ms: 3
        request_id: request-1
        trace_id: trace-1
        choices: [{message: {role: assistant, text: ""}}]
        """,
    **{
        f"finish reason {reason}": f"""
        choices: [{{message: {{role: assistant, text: Hello!}}, finish_reason: {reason}}}]
        """
        for reason in FINISH_REASONS
    },
}


def prompt(text: str) -> v1.Prompt:
    """Return a prompt with what every request has."""
    message = from_yaml(text, v1.Prompt)
    message.options.model = "model-1"
    return message


def completion(text: str) -> v1.Completion:
    """Return a completion with what every answer has."""
    message = from_yaml(text, v1.Completion)
    message.response_id = "answer-1"
    message.model = "model-1"
    message.created_at.FromJsonString("2026-11-30T12:00:00.5Z")
    if not message.HasField("usage"):
        message.usage.prompt_tokens, message.usage.completion_tokens = 9, 3
        message.usage.total_tokens = 12
    for choice in message.choices:
        choice.finish_reason = choice.finish_reason or v1.FinishReason.FINISH_REASON_STOP
    return message


@pytest.mark.parametrize("text", PROMPTS.values(), ids=PROMPTS)
@pytest.mark.parametrize("name", CHAT_FORMATS)
def test_the_sdk_accepts_an_exported_prompt(name: str, text: str) -> None:
    exported = format_named(name).export(prompt(text))
    assert not exported.report.errors
    JUDGES[name].request(exported.obj)


@pytest.mark.parametrize("text", COMPLETIONS.values(), ids=COMPLETIONS)
@pytest.mark.parametrize("name", CHAT_FORMATS)
def test_the_sdk_accepts_an_exported_completion(name: str, text: str) -> None:
    exported = format_named(name).export(completion(text))
    assert not exported.report.errors
    JUDGES[name].response(exported.obj)
