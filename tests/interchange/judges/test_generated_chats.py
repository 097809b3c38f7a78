"""The SDKs' types accept what is exported for Anthropic and Gemini of any valid document."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from interchange.judges import chat

from crucible_ir import v1
from crucible_ir.interchange import anthropic, gemini
from crucible_ir.interchange.mapping.dialect import DIALECT
from crucible_ir.validation.check import violations

_texts = st.text(max_size=5)
_media_types = st.sampled_from(["image/png", "image/webp", "application/pdf", "text/plain"])
_bytes = st.sampled_from(["", "YWJj", "iVBORw0KGgo=", "JVBERi0xLjc="])


def _one_of(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of([st.fixed_dictionaries({key: each}) for key, each in members.items()])


def _some(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


def _both(first: Any, second: Any) -> Any:
    return st.builds(lambda one, two: {**two, **one}, first, second)


_images = _both(_one_of(url=_texts, base64=_bytes), _some(media_type=_media_types))
_files = _both(
    _one_of(url=_texts, base64=_bytes, file_id=_texts),
    _some(media_type=_media_types, name=_texts),
)
_leaves = _one_of(
    text=_texts,
    image=_images,
    file=_files,
    audio=st.fixed_dictionaries({"url": st.just("gs://a.wav")}, optional={"format": _texts}),
    reasoning=_some(text=_texts, encrypted=_texts, id=_texts),
    other=st.fixed_dictionaries({"type": st.sampled_from(["hologram", "video_url"])}),
)
_results = st.fixed_dictionaries(
    {"tool_call_id": st.just("call")},
    optional={"is_error": st.booleans()},
)
_results = _both(_results, _some(content=_texts) | _some(parts=st.lists(_leaves, max_size=2)))
_parts = st.lists(_leaves | _one_of(tool_result=_results), max_size=3).map(
    lambda parts: {"parts": parts}
)
_arguments = _some(map=st.dictionaries(_texts, _texts, max_size=2)) | _some(
    raw=st.sampled_from(['{"a": 1}', "{", "[1]", '{"a": 1, "a": 2}'])
)
_calls = st.lists(
    _both(
        st.fixed_dictionaries({"name": st.just("f")}, optional={"part_index": st.integers(0, 3)}),
        _both(_arguments, _some(id=st.just("call"))),
    ),
    max_size=2,
)
_contents = _one_of(text=_texts, parts=_parts)
_assistant = _both(
    st.fixed_dictionaries({"role": st.just("assistant")}),
    _both(_contents, _some(tool_calls=_calls, refusal=_texts)),
)
_others = _both(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "developer"])}),
    _both(_contents, _some(name=_texts)),
)
_answers = _both(
    st.fixed_dictionaries({"role": st.just("tool")}),
    _both(_contents, _some(tool_call_id=st.just("call"))),
)
_tools = st.lists(
    st.fixed_dictionaries(
        {"name": st.just("f")},
        optional={
            "kind": st.sampled_from(["function", "googleSearch"]),
            "description": _texts,
            "parameters": st.just({"type": "object"}),
            "strict": st.booleans(),
        },
    ),
    max_size=2,
)
_options = _some(
    model=_texts,
    max_tokens=st.integers(0, 9),
    stop=st.lists(_texts, max_size=2),
    stream=st.booleans(),
    seed=st.integers(0, 9),
    choice_count=st.integers(1, 3),
    frequency_penalty=st.floats(0, 1),
    response_format=st.sampled_from(["text", "json"]),
    json_schema=st.just({"type": "object"}),
    extended_thinking=st.booleans(),
    thinking_budget_tokens=st.integers(0, 9),
    reasoning_effort=st.sampled_from(["minimal", "low", "high", "xhigh"]),
    cache_control=st.just("ephemeral"),
)
_prompts = st.fixed_dictionaries(
    {"messages": st.lists(_assistant | _others | _answers, max_size=4)},
    optional={
        "system": _texts,
        "tools": _tools,
        "tool_choice": _one_of(
            mode=st.sampled_from(["auto", "none", "required"]), name=st.just("f")
        ),
        "options": _options,
    },
)
_choices = _some(
    index=st.integers(0, 2),
    message=_assistant,
    finish_reason=st.sampled_from(
        ["stop", "length", "tool_calls", "content_filter", "error", "refusal", "pause"]
    ),
    thinking=_some(content=_texts, tokens=st.integers(0, 3)),
)
_completions = _some(
    choices=st.lists(_choices, max_size=2),
    model=_texts,
    response_id=_texts,
    usage=_some(
        prompt_tokens=st.integers(0, 9),
        completion_tokens=st.integers(0, 9),
        total_tokens=st.integers(0, 9),
        thinking_tokens=st.integers(0, 9),
        cached_tokens=st.integers(0, 9),
        cache_write_tokens=st.integers(0, 9),
    ),
)


def _valid(message: Any, values: dict[str, Any]) -> Any:
    DIALECT.fill(values, message)
    assert not list(violations(message))
    return message


@given(_prompts)
def test_the_sdks_accept_any_exported_prompt(values: dict[str, Any]) -> None:
    prompt = _valid(v1.Prompt(), values)
    chat.anthropic_request(anthropic.export(prompt).obj)
    chat.gemini_request(gemini.export(prompt).obj)


@given(_completions)
def test_the_sdks_accept_any_exported_completion(values: dict[str, Any]) -> None:
    completion = _valid(v1.Completion(), values)
    if completion.choices or not completion.usage.HasField("prompt_tokens"):
        chat.anthropic_response(anthropic.export(completion).obj)
    chat.gemini_response(gemini.export(completion).obj)
