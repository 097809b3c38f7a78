"""Hypothesis strategies for records in the shape of Chat Completions, oddities included."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import strategies as st
from interchange.strategies import any_json, objects, often, tagged, wrong_json

texts = st.text(max_size=8)
ids = st.sampled_from(["", "call_1", "call_2"]) | texts
base64_texts = st.binary(max_size=6).map(lambda data: base64.b64encode(data).decode())
urls = st.one_of(
    st.just("https://example.org/a.png"),
    texts,
    base64_texts.map(lambda data: f"data:image/png;base64,{data}"),
    base64_texts.map(lambda data: f"data:;base64,{data}"),
    base64_texts.map(lambda data: f"data:audio/mpeg;base64,{data}"),
    st.just("data:image/png;base64,@@"),
    st.just("data:text/plain,hello"),
)
arguments = st.one_of(
    st.dictionaries(st.text(max_size=3), any_json, max_size=2).map(json.dumps),
    st.sampled_from(["", "{}", '{"a":1,"a":2}', '{"a": 9007199254740993}', "[1]", '{"x": 0.10}']),
    texts,
)
names = st.sampled_from(["search", "get_weather", "", "n" * 513]) | texts

parts = st.one_of(
    tagged("text", text=texts, cache_control=any_json, annotations=any_json),
    tagged("image_url", image_url=urls | objects(url=urls, detail=st.just("low"))),
    tagged(
        "input_audio",
        input_audio=objects(
            data=base64_texts | texts, format=st.sampled_from(["wav", "mp3", "a/b"])
        ),
    ),
    tagged(
        "file",
        file=objects(file_id=texts, file_data=urls | base64_texts | texts, filename=texts),
    ),
    tagged("video_url", video_url=objects(url=urls)),
    tagged("refusal", refusal=texts),
    tagged(
        "thinking",
        thinking=texts | st.lists(tagged("text", text=texts), max_size=3),
        signature=texts,
    ),
    objects(text=texts),
)
calls = objects(
    id=ids,
    type=st.sampled_from(["function", "custom", "other"]),
    function=objects(name=names, arguments=arguments | wrong_json),
    custom=objects(name=names, input=arguments),
    index=st.integers(0, 3),
    extra_content=objects(google=objects(thought_signature=texts)),
)
details = st.one_of(
    tagged("reasoning.text", text=texts, signature=texts, id=texts, index=st.integers(0, 2)),
    tagged("reasoning.summary", summary=texts, format=texts),
    tagged("reasoning.encrypted", data=texts, id=texts),
    tagged("reasoning.other", text=texts),
)
messages = objects(
    role=st.sampled_from(["system", "developer", "user", "assistant", "tool", "function", "bot"]),
    content=texts | st.lists(parts, max_size=3) | st.lists(parts | wrong_json, max_size=2),
    name=texts,
    tool_call_id=ids,
    tool_calls=st.lists(calls, max_size=3),
    function_call=objects(name=names, arguments=arguments),
    refusal=texts,
    reasoning=texts,
    reasoning_content=texts,
    reasoning_details=st.lists(details, max_size=3),
    audio=objects(id=texts, data=base64_texts | texts, transcript=texts),
    annotations=any_json,
)
functions = objects(
    name=names,
    description=texts,
    parameters=st.dictionaries(texts, any_json, max_size=2),
    strict=st.booleans(),
)
tools = objects(
    type=st.sampled_from(["function", "custom", "web_search"]),
    function=functions,
    custom=functions,
    name=names,
    parameters=any_json,
    cache_control=any_json,
)
choices_of_tools = st.sampled_from(["auto", "none", "required", "any"]) | objects(
    type=st.sampled_from(["function", "custom", "allowed_tools"]),
    function=objects(name=names),
    custom=objects(name=names),
    name=names,
)
formats = objects(
    type=st.sampled_from(["text", "json_object", "json_schema", "grammar"]),
    json_schema=objects(
        name=texts | st.just("answer"),
        schema=st.dictionaries(texts, any_json, max_size=2),
        strict=st.booleans(),
    ),
)
numbers = st.floats(-3, 3) | st.integers(-2, 2**40)
requests = objects(
    {"messages": st.lists(messages, max_size=4)},
    model=texts,
    temperature=numbers,
    top_p=numbers,
    top_k=st.integers(-2, 50),
    n=st.integers(-1, 3),
    seed=st.integers(-(2**64), 2**64),
    stop=texts | st.lists(texts, max_size=2),
    stream=st.booleans(),
    max_tokens=st.integers(-1, 2**33),
    max_completion_tokens=st.integers(-1, 100),
    reasoning_effort=st.sampled_from(["none", "minimal", "low", "xhigh", ""]),
    response_format=formats,
    tools=st.lists(tools, max_size=3) | st.lists(tools | wrong_json, max_size=2),
    functions=st.lists(functions, max_size=2),
    tool_choice=choices_of_tools,
    function_call=choices_of_tools,
    metadata=any_json,
    logit_bias=any_json,
)
counts = st.integers(-1, 2**32)
usages = objects(
    prompt_tokens=counts,
    completion_tokens=counts,
    total_tokens=counts,
    prompt_tokens_details=objects(cached_tokens=counts, cache_write_tokens=counts),
    completion_tokens_details=objects(reasoning_tokens=counts),
    cost=st.floats(),
)
choices = objects(
    index=st.integers(-1, 3),
    finish_reason=st.sampled_from(
        ["stop", "length", "tool_calls", "function_call", "content_filter", "error", "refusal", "?"]
    ),
    message=messages,
    logprobs=any_json,
    content_filter_results=any_json,
)
responses = objects(
    {"choices": st.lists(choices, max_size=3)},
    id=texts,
    object=st.just("chat.completion") | texts,
    created=st.integers(-1, 2**40) | st.floats(0, 2**33),
    model=texts,
    usage=usages,
    service_tier=texts,
    system_fingerprint=texts,
)


def batch_requests(bodies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for lines of the input of a batch."""
    return objects(
        {"custom_id": texts, "url": often(texts), "body": bodies}, method=st.just("POST")
    )


def batch_responses(bodies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for lines of the output of a batch."""
    return objects(
        {
            "custom_id": texts,
            "error": st.none(),
            "response": objects({"body": bodies}, status_code=st.just(200), request_id=texts),
        },
        id=texts,
    )
