"""Hypothesis strategies for records in the shape of Responses, oddities included."""

from __future__ import annotations

from hypothesis import strategies as st
from interchange.openai.shapes import (
    arguments,
    base64_texts,
    counts,
    ids,
    names,
    numbers,
    texts,
    urls,
)
from interchange.strategies import any_json, objects, tagged, wrong_json

parts = st.one_of(
    tagged("input_text", text=texts),
    tagged(
        "output_text",
        text=texts,
        annotations=st.just([]) | any_json,
        logprobs=any_json,
    ),
    tagged("text", text=texts),
    tagged("input_image", image_url=urls, file_id=texts, detail=st.sampled_from(["auto", "low"])),
    tagged(
        "input_file",
        file_id=texts,
        file_url=urls,
        file_data=urls | base64_texts,
        filename=texts,
    ),
    tagged(
        "input_audio",
        input_audio=objects(data=base64_texts, format=st.sampled_from(["wav", "mp3", "?"])),
    ),
    tagged("refusal", refusal=texts),
    tagged("input_video", video_url=urls),
    objects(text=texts),
)
contents = texts | st.lists(parts, max_size=3) | st.lists(parts | wrong_json, max_size=2)
statuses = st.sampled_from(["completed", "in_progress", "incomplete"])
entries = st.lists(
    objects(type=st.sampled_from(["summary_text", "reasoning_text"]), text=texts), max_size=3
)


def _messages(*roles: str) -> st.SearchStrategy[dict[str, object]]:
    return objects(
        {"role": st.sampled_from(roles)},
        type=st.just("message"),
        content=contents,
        id=texts,
        status=statuses,
        phase=st.sampled_from(["commentary", "final_answer"]),
    )


of_model = st.one_of(
    _messages("assistant"),
    tagged(
        "reasoning",
        id=texts,
        summary=entries | st.just([]),
        content=entries,
        encrypted_content=texts,
        status=statuses,
    ),
    tagged(
        "function_call",
        id=texts,
        call_id=ids,
        name=names,
        arguments=arguments | wrong_json,
        status=statuses,
    ),
    tagged("custom_tool_call", id=texts, call_id=ids, name=names, input=arguments),
    tagged("web_search_call", id=texts, status=statuses, action=any_json),
    tagged("compaction", id=texts, encrypted_content=texts),
    objects(type=texts, id=texts),
)
of_others = st.one_of(
    _messages("user", "system", "developer", "critic"),
    tagged("function_call_output", call_id=ids, output=contents, id=texts, status=statuses),
    tagged("custom_tool_call_output", call_id=ids, output=contents),
    tagged("computer_call_output", call_id=ids, output=any_json),
    tagged("mcp_approval_response", approve=st.booleans()),
    tagged("additional_tools", role=st.just("developer"), tools=any_json),
)
tools = objects(
    type=st.sampled_from(["function", "custom", "web_search", "mcp"]),
    name=names,
    description=texts,
    parameters=st.dictionaries(texts, any_json, max_size=2),
    strict=st.booleans(),
    server_label=texts,
)
requests = objects(
    {"input": texts | st.lists(of_model | of_others, max_size=5)},
    model=texts,
    instructions=texts,
    max_output_tokens=st.integers(-1, 2**33),
    temperature=numbers,
    top_p=numbers,
    stream=st.booleans(),
    tools=st.lists(tools, max_size=3) | st.lists(tools | wrong_json, max_size=2),
    tool_choice=st.sampled_from(["auto", "none", "required", "any"])
    | objects(type=st.sampled_from(["function", "custom", "mcp"]), name=names),
    reasoning=objects(effort=st.sampled_from(["none", "low", "xhigh"]), summary=texts),
    text=objects(
        format=objects(
            type=st.sampled_from(["text", "json_object", "json_schema"]),
            name=st.just("answer") | texts,
            schema=st.dictionaries(texts, any_json, max_size=2),
        ),
        verbosity=texts,
    ),
    previous_response_id=texts,
    conversation=any_json,
    metadata=any_json,
)
usages = objects(
    input_tokens=counts,
    output_tokens=counts,
    total_tokens=counts,
    input_tokens_details=objects(cached_tokens=counts, cache_write_tokens=counts),
    output_tokens_details=objects(reasoning_tokens=counts),
)
responses = objects(
    {"output": st.lists(of_model, max_size=5), "error": st.none()},
    id=texts,
    object=st.just("response") | texts,
    created_at=st.integers(-1, 2**40) | st.floats(0, 2**33),
    model=texts,
    status=st.sampled_from(
        ["completed", "incomplete", "failed", "queued", "in_progress", "cancelled"]
    ),
    incomplete_details=objects(
        reason=st.sampled_from(["max_output_tokens", "max_tokens", "content_filter", "steered"])
    ),
    usage=usages,
    tools=any_json,
    tool_choice=any_json,
    parallel_tool_calls=any_json,
    text=any_json,
)
