"""Anthropic Messages: requests, answers, streams and batches, both ways."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_complete, check_law
from message_strategies import messages

from crucible_ir import from_yaml, v1
from crucible_ir.errors import DecodeError
from crucible_ir.interchange.anthropic import FORMAT, export, import_
from crucible_ir.interchange.anthropic.stream import assemble
from crucible_ir.interchange.mapping.dialect import DIALECT, json_values
from crucible_ir.interchange.mapping.reading import parse_events
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.serialization.json.crucible import to_crucible_json

_DOCUMENTS = Path(__file__).parent / "documents" / "anthropic"


def _request(*blocks: Any, **more: Any) -> dict[str, Any]:
    message = {"role": "user", "content": list(blocks)}
    return {"model": "claude", "max_tokens": 8, "messages": [message], **more}


def _answer(*blocks: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": list(blocks),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 2},
        **more,
    }


def _prompt(record: dict[str, Any]) -> v1.Prompt:
    [prompt] = check_law(FORMAT, record).documents
    assert isinstance(prompt, v1.Prompt)
    return prompt


def _completion(record: dict[str, Any]) -> v1.Completion:
    [completion] = check_law(FORMAT, record).documents
    assert isinstance(completion, v1.Completion)
    return completion


def _rejoin_pair(objects: list[Any]) -> Any:
    return {"request": objects[0], "response": objects[1]}


@pytest.mark.parametrize("path", sorted(_DOCUMENTS.iterdir()), ids=lambda path: path.name)
def test_the_law_holds_for_documents(path: Path) -> None:
    if path.suffix == ".sse":
        record = assemble(parse_events(path.read_text()))
    else:
        record = json.loads(path.read_text())
    rejoin = _rejoin_pair if "response" in record else None
    for document in check_law(FORMAT, record, rejoin=rejoin).documents:
        to_crucible_json(document)


# Requests


def test_calls_keep_their_place_among_texts() -> None:
    content = [
        {"type": "text", "text": "first"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        {"type": "text", "text": "then"},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
    ]
    message = _prompt(_request() | {"messages": [{"role": "assistant", "content": content}]})
    calls = message.messages[0].tool_calls
    assert [(call.id, call.part_index) for call in calls] == [("t1", 1), ("t2", 0)]
    assert not calls[1].HasField("part_index")


@pytest.mark.parametrize(
    "arguments", [{"id": 2**60}, {"raw": "[1]"}, {"raw": "{"}, {"raw": "{}"}, {"raw": 1}]
)
def test_arguments_that_a_struct_cannot_hold_are_text(arguments: Any) -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": arguments}
    prompt = _prompt(_request() | {"messages": [{"role": "assistant", "content": [block]}]})
    exported = export(prompt).obj
    assert exported["messages"][0]["content"][0]["input"] == arguments


@pytest.mark.parametrize("arguments", [[1, 2], "text", 5, None, math.inf])
def test_arguments_that_are_no_object_are_written_as_one(arguments: Any) -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": arguments}
    prompt = _prompt(_request() | {"messages": [{"role": "assistant", "content": [block]}]})
    if arguments is not None:
        written = export(prompt).obj["messages"][0]["content"][0]["input"]
        assert written == {"raw": json.dumps(arguments)}


def test_text_that_is_not_json_is_no_empty_object() -> None:
    call = v1.ToolCall(id="t", name="f", raw='{"city": "Bost')
    prompt = v1.Prompt(messages=[v1.Message(role="MESSAGE_ROLE_ASSISTANT", tool_calls=[call])])
    [block] = export(prompt).obj["messages"][0]["content"]
    assert block["input"] == {"raw": '{"city": "Bost'}


def test_a_system_text_and_system_messages_are_told_apart() -> None:
    assert _prompt(_request("", system="Be brief.") | {"messages": []}).system == "Be brief."
    plain = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]
    prompt = _prompt(_request({"type": "text", "text": "x"}, system=plain))
    assert prompt.system == "Be brief.\n\nBe kind."
    marked = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    prompt = _prompt(_request({"type": "text", "text": "x"}, system=marked))
    assert not prompt.HasField("system")
    assert prompt.messages[0].role == v1.MessageRole.MESSAGE_ROLE_SYSTEM
    own = {"role": "system", "content": [{"type": "text", "text": "From now on, in French."}]}
    request = _request(system=marked)
    request["messages"] = [own, {"role": "user", "content": "Hello"}, own]
    exported = export(_prompt(request)).obj
    assert [each["role"] for each in exported["messages"]] == ["system", "user", "system"]


def test_base64_of_another_alphabet_is_read_and_comes_back() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "_-8"}
    prompt = _prompt(_request({"type": "image", "source": source}))
    assert prompt.messages[0].parts.parts[0].image.base64 == b"\xff\xef"


@pytest.mark.parametrize(
    ("source", "member"),
    [
        ({"type": "text", "media_type": "text/plain", "data": "é"}, "base64"),
        ({"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}, "base64"),
        ({"type": "base64", "media_type": "text/plain", "data": "YQ=="}, "base64"),
        ({"type": "url", "url": "https://example.com/a.pdf"}, "url"),
        ({"type": "file", "file_id": "file_1"}, "file_id"),
    ],
)
def test_documents_are_files(source: dict[str, Any], member: str) -> None:
    block = {"type": "document", "title": "A", "context": "c", "source": source}
    part = _prompt(_request(block)).messages[0].parts.parts[0]
    assert part.file.WhichOneof("source") == member
    assert part.file.name == "A"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": 5},
        {"type": "image", "source": {"type": "base64", "data": "?"}},
        {"type": "document", "source": {"type": "content", "content": "x"}},
        {"type": "tool_result", "tool_use_id": "", "content": "x"},
        {"type": "search_result", "title": "t", "source": "s", "content": []},
        {"type": "hologram", "light": [1]},
        {"kind": "text"},
        {"type": 7},
    ],
)
def test_a_block_without_counterpart_is_kept_whole(block: dict[str, Any]) -> None:
    prompt = _prompt(_request(block))
    assert prompt.messages[0].parts.parts[0].HasField("other")
    assert export(prompt).obj["messages"][0]["content"] == [block]
    to_crucible_json(prompt)


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (_request() | {"messages": [7]}, "messages[0]"),
        (_request() | {"messages": [{"role": "judge", "content": ""}]}, "messages[0]"),
        (_request() | {"messages": [{"role": "user"}]}, "messages[0]"),
        (_request("text"), "messages[0].content[0]"),
        ({"unknown": 1}, ""),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "error"),
        ({"custom_id": "a", "result": {"type": "expired"}}, "result"),
        (
            {
                "custom_id": "a",
                "result": {
                    "type": "errored",
                    "error": {"type": "error", "error": {"type": "api_error", "message": "m"}},
                },
            },
            "result.error.error",
        ),
        ({"custom_id": "a", "params": {"no": 1}}, "params"),
    ],
)
def test_bad_records_are_errors_with_a_place(record: dict[str, Any], path: str) -> None:
    imported = import_([record, _request({"type": "text", "text": "x"})])
    [error] = imported.report.errors
    assert error.path == ("[0]." + path if path else "[0]")
    assert len(imported.documents) == 1
    if "error" in path:
        assert error.reason.endswith("_error: m")


def test_what_the_api_requires_is_filled_in() -> None:
    prompt = v1.Prompt(messages=[v1.Message(role="MESSAGE_ROLE_USER", text="Hello")])
    exported = export(prompt)
    assert exported.obj == {
        "messages": [{"role": "user", "content": "Hello"}],
        "model": "unknown",
        "max_tokens": 4096,
    }
    filled = [entry for entry in exported.report.entries if entry.outcome is Outcome.DEFAULTED]
    assert [entry.target for entry in filled] == ["model", "max_tokens"]


def test_a_conversation_with_openais_roles_is_written() -> None:
    prompt = v1.Prompt(
        messages=[
            v1.Message(role="MESSAGE_ROLE_DEVELOPER", text="Be brief."),
            v1.Message(role="MESSAGE_ROLE_USER", text="Weather?", name="ann"),
            v1.Message(
                role="MESSAGE_ROLE_ASSISTANT",
                text="I look.",
                tool_calls=[v1.ToolCall(id="a", name="f"), v1.ToolCall(id="b", name="f")],
            ),
            v1.Message(role="MESSAGE_ROLE_TOOL", text="1", tool_call_id="a"),
            v1.Message(role="MESSAGE_ROLE_TOOL", text="2", tool_call_id="b"),
            v1.Message(role="MESSAGE_ROLE_ASSISTANT", refusal="No."),
        ],
        options=v1.GenerationOptions(model="claude", max_tokens=5, seed=3),
    )
    exported = export(prompt)
    assert exported.obj["system"] == "Be brief."
    user, assistant, results, refusal = exported.obj["messages"]
    assert user == {"role": "user", "content": "Weather?"}
    assert [block["type"] for block in assistant["content"]] == ["text", "tool_use", "tool_use"]
    assert results["role"] == "user"
    assert [block["tool_use_id"] for block in results["content"]] == ["a", "b"]
    assert refusal["content"] == [{"type": "text", "text": "No."}]
    dropped = {entry.path for entry in exported.report.entries if entry.outcome == "dropped"}
    assert dropped == {"messages[*].name", "options.seed"}


def test_reasoning_of_another_service_is_written_without_its_secrets() -> None:
    prompt = v1.Prompt()
    prompt.metadata.update({"gemini": {}})
    parts = prompt.messages.add(role="MESSAGE_ROLE_ASSISTANT").parts.parts
    parts.add(signature="c2ln").reasoning.text = "Hm"
    parts.add().reasoning.encrypted = "eA=="
    exported = export(prompt)
    block = {"type": "thinking", "thinking": "Hm", "signature": ""}
    assert exported.obj["messages"][0]["content"] == [block]
    counts = exported.report.counts
    assert (counts["dropped"], counts["defaulted"]) == (3, 3)


def test_blocks_that_the_api_does_not_take_in_a_place_are_left_out() -> None:
    image = v1.ContentPart(image=v1.ImageContent(url="u"))
    text = v1.ContentPart(text="x")
    thought = v1.ContentPart(reasoning=v1.Reasoning(text="Hm"))
    result = v1.ToolResultContent(tool_call_id="t", parts=[text, thought])
    parts = v1.ContentParts(parts=[text, image])
    prompt = v1.Prompt(
        messages=[
            v1.Message(role="MESSAGE_ROLE_SYSTEM", parts=parts),
            v1.Message(
                role="MESSAGE_ROLE_USER",
                parts=v1.ContentParts(parts=[v1.ContentPart(tool_result=result)]),
            ),
            v1.Message(role="MESSAGE_ROLE_TOOL", parts=v1.ContentParts(parts=[text, thought])),
            v1.Message(role="MESSAGE_ROLE_SYSTEM", parts=parts),
        ]
    )
    exported = export(prompt)
    block = {"type": "text", "text": "x"}
    assert exported.obj["system"] == [block]
    results, others, system = exported.obj["messages"]
    assert results["content"][0]["content"] == [block]
    assert others["content"][0] == {
        "type": "tool_result",
        "tool_use_id": "unknown",
        "content": [block],
    }
    assert system["content"] == [block]
    assert exported.report.counts["dropped"] == 4


@pytest.mark.parametrize(
    ("effort", "written"), [("minimal", "low"), ("high", "high"), ("max", "max"), ("none", None)]
)
def test_efforts_of_other_services(effort: str, written: str | None) -> None:
    prompt = v1.Prompt()
    DIALECT.fill({"options": {"reasoning_effort": effort}}, prompt)
    assert export(prompt).obj.get("output_config", {}).get("effort") == written


def test_files_get_the_media_type_of_their_bytes() -> None:
    files = [b"\x89PNG\r\n", b"%PDF-1.7", b"RIFF0000WEBP", b"RIFF0000WAVE", b"?"]
    parts = [v1.ContentPart(file=v1.FileContent(base64=data)) for data in files]
    text = v1.FileContent(base64=b"\xff", media_type="text/plain")
    parts.append(v1.ContentPart(file=text))
    message = v1.Message(role="MESSAGE_ROLE_USER", parts=v1.ContentParts(parts=parts))
    exported = export(v1.Prompt(messages=[message]))
    blocks = exported.obj["messages"][0]["content"]
    assert [(block["type"], block["source"]["media_type"]) for block in blocks] == [
        ("image", "image/png"),
        ("document", "application/pdf"),
        ("image", "image/webp"),
    ]
    assert exported.report.counts["dropped"] == 3


# Answers


def test_usage_is_with_the_tokens_of_the_cache() -> None:
    usage = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 418,
        "cache_read_input_tokens": 1111,
        "output_tokens": 33,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    found = _completion(_answer(usage=usage)).usage
    assert (found.prompt_tokens, found.cached_tokens, found.cache_write_tokens) == (1532, 1111, 418)
    assert (found.completion_tokens, found.thinking_tokens) == (33, 4)


@pytest.mark.parametrize(
    ("reason", "ours", "kept"),
    [
        ("end_turn", "STOP", True),
        ("stop_sequence", "STOP", True),
        ("max_tokens", "LENGTH", True),
        ("model_context_window_exceeded", "LENGTH", True),
        ("tool_use", "TOOL_CALLS", True),
        ("refusal", "REFUSAL", False),
        ("pause_turn", "PAUSE", True),
        ("compaction", "PAUSE", True),
        ("bored", "UNSPECIFIED", True),
    ],
)
def test_stop_reasons(reason: str, ours: str, kept: bool) -> None:
    [choice] = _completion(_answer(stop_reason=reason)).choices
    assert v1.FinishReason.Name(choice.finish_reason) == f"FINISH_REASON_{ours}"
    assert (choice.metadata.fields["anthropic"].struct_value.fields != {}) is kept


def test_a_changed_finish_reason_replaces_the_word_of_the_source() -> None:
    completion = _completion(_answer(stop_reason="stop_sequence"))
    assert export(completion).obj["stop_reason"] == "stop_sequence"
    completion.choices[0].finish_reason = v1.FinishReason.FINISH_REASON_LENGTH
    assert export(completion).obj["stop_reason"] == "max_tokens"


def test_the_answer_of_the_counting_of_tokens_is_a_usage() -> None:
    completion = _completion({"input_tokens": 641})
    assert completion.usage.prompt_tokens == 641
    assert not completion.choices


def test_a_completion_of_another_service_is_written_whole() -> None:
    exported = export(
        v1.Completion(
            choices=[v1.Choice(message=v1.Message(role="MESSAGE_ROLE_ASSISTANT", text="Hi"))]
        )
    )
    assert exported.obj == {
        "id": "unknown",
        "type": "message",
        "role": "assistant",
        "model": "unknown",
        "content": [{"type": "text", "text": "Hi"}],
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


# Streams


def _stream(*events: dict[str, Any]) -> Any:
    return assemble([("", event) for event in events])


def _delta(index: int, **delta: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _part(file: v1.FileContent) -> v1.Message:
    parts = v1.ContentParts(parts=[v1.ContentPart(text="a"), v1.ContentPart(file=file)])
    return v1.Message(role=v1.MessageRole.MESSAGE_ROLE_USER, parts=parts)


@pytest.mark.parametrize(
    ("file", "written"),
    [
        (v1.FileContent(base64=b"a", media_type="text/csv"), True),
        (v1.FileContent(base64=b"%PDF-1.7"), True),
        (v1.FileContent(url="https://example.org/a"), True),
        (v1.FileContent(base64=b"a", media_type="audio/wav"), False),
        (v1.FileContent(url="https://example.org/a.mp4", media_type="video/mp4"), False),
        (v1.FileContent(base64=b"a"), False),
    ],
)
def test_a_file_that_the_api_does_not_take_is_dropped(file: v1.FileContent, written: bool) -> None:
    exported = export(v1.Prompt(messages=[_part(file)]))
    assert len(exported.obj["messages"][0]["content"]) == 1 + written
    check_complete(json_values(v1.Prompt(messages=[_part(file)])), exported.report)
    dropped = exported.report.counts.get(Outcome.DROPPED, 0)
    assert bool(dropped) is not written


def test_a_file_in_an_answer_is_dropped() -> None:
    file = v1.FileContent(base64=b"%PDF-1.7")
    answer = v1.Completion(choices=[v1.Choice(message=_part(file))], model="claude")
    assert export(answer).obj["content"] == [{"type": "text", "text": "a"}]


def test_there_is_no_budget_without_thinking() -> None:
    options = v1.GenerationOptions(extended_thinking=False, thinking_budget_tokens=5)
    assert export(v1.Prompt(options=options)).obj["thinking"] == {"type": "disabled"}
    check_law(FORMAT, _request(thinking={"type": "disabled", "budget_tokens": 5}))


def test_a_completion_without_choices_is_a_message() -> None:
    written = export(v1.Completion(model="claude", usage=v1.Usage(prompt_tokens=5))).obj
    assert (written["type"], written["content"]) == ("message", [])
    assert written["usage"]["input_tokens"] == 5


def test_a_stream_makes_a_message() -> None:
    message = _stream(
        {"type": "message_start", "message": _answer(stop_reason=None)},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
        {"type": "ping"},
        _delta(0, type="thinking_delta", thinking="Let"),
        _delta(0, type="thinking_delta", thinking=" me"),
        _delta(0, type="signature_delta", signature="c2ln"),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        },
        _delta(1, type="input_json_delta", partial_json=""),
        _delta(1, type="input_json_delta", partial_json='{"a"'),
        _delta(1, type="input_json_delta", partial_json=": 1}"),
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "text", "text": ""},
        },
        _delta(2, type="text_delta", text="Paris"),
        _delta(2, type="citations_delta", citation={"type": "char_location"}),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {"output_tokens": 9},
            "context_management": {"applied_edits": []},
        },
        {"type": "message_stop"},
    )
    assert message["content"] == [
        {"type": "thinking", "thinking": "Let me", "signature": "c2ln"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        {"type": "text", "text": "Paris", "citations": [{"type": "char_location"}]},
    ]
    assert message["usage"] == {"input_tokens": 5, "output_tokens": 9}
    completion = _completion(message)
    assert completion.choices[0].finish_reason == v1.FinishReason.FINISH_REASON_TOOL_CALLS


def test_arguments_that_a_stream_cuts_off_are_kept_as_text() -> None:
    message = _stream(
        {"type": "message_start", "message": _answer()},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        },
        _delta(0, type="input_json_delta", partial_json='{"city": "Bos'),
    )
    [call] = _completion(message).choices[0].message.tool_calls
    assert call.raw == '{"city": "Bos'


def test_the_error_of_a_stream_is_the_record() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    record = _stream({"type": "message_start", "message": _answer()}, error)
    [problem] = import_(record).report.errors
    assert problem.reason.endswith("overloaded_error: Overloaded")


@pytest.mark.parametrize(
    "events",
    [
        [],
        [("message_start", 5)],
        [("", {"type": "message_start"})],
        [("", {"type": "content_block_start", "content_block": {}})],
    ],
)
def test_events_that_make_no_message_are_an_error(events: list[tuple[str, Any]]) -> None:
    with pytest.raises(DecodeError, match="expected"):
        assemble(events)


# The law

_odd = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=3)
_values: st.SearchStrategy[Any] = st.recursive(
    _odd | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
_texts = st.text(max_size=6)
_counts = st.integers(0, 2**31) | _values


def _object(
    required: dict[str, st.SearchStrategy[Any]],
    **optional: st.SearchStrategy[Any],
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional={**optional, "novelty": _values})


def _just(*values: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


_cache_control = _object({"type": _just("ephemeral") | _odd}, ttl=_just("5m") | _odd) | _odd
_media_types = _just("image/png", "image/tiff", "text/plain", "application/pdf", "audio/wav") | _odd
_sources = _object(
    {"type": _just("base64", "url", "file", "text", "content") | _odd},
    media_type=_media_types,
    data=_just("YQ==", "YQ", "_w", "é", "?") | _odd,
    url=_texts | _odd,
    file_id=_texts | _odd,
)
_leaf_blocks = st.one_of(
    _object(
        {"type": _just("text"), "text": _texts | _odd}, citations=_values, cache_control=_values
    ),
    _object({"type": _just("thinking"), "thinking": _texts | _odd}, signature=_texts | _odd),
    _object({"type": _just("redacted_thinking"), "data": _texts | _odd}),
    _object({"type": _just("image", "document"), "source": _sources | _odd}, title=_texts | _odd),
    _object(
        {
            "type": _just("tool_use"),
            "id": _texts | _odd,
            "name": _just("f", "") | _odd,
            "input": st.dictionaries(_just("a", "raw"), _values) | _values,
        },
        caller=_values,
    ),
    _object({"type": _just("server_tool_use", "web_search_tool_result", "x") | _odd}, id=_texts),
)
_blocks = _leaf_blocks | _object(
    {"type": _just("tool_result"), "tool_use_id": _just("t", "") | _odd},
    content=_texts | st.lists(_leaf_blocks, max_size=2) | _values,
    is_error=st.booleans() | _odd,
)
_contents = _texts | st.lists(_blocks, max_size=4)
_messages = _object({"role": _just("user", "assistant", "system"), "content": _contents})
_tools = _object(
    {"name": _texts | _odd},
    type=_just("custom", "function", "web_search_20250305", "mcp_toolset") | _odd,
    description=_texts | _odd,
    input_schema=st.dictionaries(_texts, _values, max_size=2) | _values,
    strict=st.booleans() | _odd,
    max_uses=_values,
)
_schemas = _object({"type": _just("json_schema") | _odd}, schema=st.dictionaries(_texts, _values))
_requests = _object(
    {"messages": st.lists(_messages, max_size=3)},
    model=_texts | _odd,
    max_tokens=_counts,
    system=_texts | st.lists(_leaf_blocks, max_size=2) | _odd,
    temperature=st.floats() | _values,
    top_p=st.floats() | _values,
    top_k=_counts,
    stream=st.booleans() | _odd,
    stop_sequences=st.lists(_texts | _odd, max_size=2) | _odd,
    cache_control=_cache_control,
    thinking=_object(
        {"type": _just("enabled", "adaptive", "disabled") | _odd}, budget_tokens=_counts
    )
    | _odd,
    output_config=_object(
        {}, effort=_just("low", "xhigh", "minimal") | _odd, format=_schemas | _odd
    )
    | _odd,
    output_format=_schemas | _odd,
    tools=st.lists(_tools | _odd, max_size=2) | st.lists(_tools, max_size=2) | _odd,
    tool_choice=_object(
        {"type": _just("auto", "any", "none", "tool") | _odd},
        name=_texts | _odd,
        disable_parallel_tool_use=st.booleans(),
    )
    | _odd,
    metadata=_object({}, user_id=_texts) | _odd,
    container=_values,
)
_usages = _object(
    {},
    input_tokens=_counts,
    output_tokens=_counts,
    cache_read_input_tokens=_counts,
    cache_creation_input_tokens=_counts,
    output_tokens_details=_object({}, thinking_tokens=_counts) | _odd,
    service_tier=_texts,
)
_answers = _object(
    {"content": st.lists(_blocks, max_size=4)},
    id=_texts | _odd,
    type=_just("message") | _odd,
    role=_just("assistant", "user") | _odd,
    model=_texts | _odd,
    stop_reason=_just("end_turn", "tool_use", "refusal", "bored") | _odd,
    stop_sequence=_odd,
    usage=_usages | _odd,
    container=_values,
)


@given(_requests)
def test_the_law_holds_for_any_request(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(_answers)
def test_the_law_holds_for_any_answer(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(_requests, _answers, st.text(max_size=3))
def test_the_law_holds_for_any_line_of_a_batch(
    request: dict[str, Any], answer: dict[str, Any], custom_id: str
) -> None:
    check_law(FORMAT, {"custom_id": custom_id, "params": request})
    result = {"type": "succeeded", "message": answer}
    check_law(FORMAT, {"custom_id": custom_id, "result": result})


@given(_requests, _answers)
def test_the_law_holds_for_any_pair(request: dict[str, Any], answer: dict[str, Any]) -> None:
    record = {"request": request, "response": answer}
    check_law(FORMAT, record, rejoin=_rejoin_pair)


@given(messages(v1.Prompt, depth=5) | messages(v1.Completion, depth=6))
def test_any_message_is_exported_with_a_complete_report(
    message: v1.Prompt | v1.Completion,
) -> None:
    exported = export(message)
    assert not exported.report.errors
    json.dumps(exported.obj)
    check_complete(json_values(message), exported.report)


def test_a_block_of_another_service_is_dropped() -> None:
    other = {"type": "compaction", "id": "cmp_1", "encrypted_content": "AA=="}
    mark: dict[str, Any] = {"openai-responses": {"item": {}}}
    parts = {"parts": [{"text": "a"}, {"other": other, "metadata": mark}]}
    choices = [{"message": {"role": "assistant", "parts": parts}}]
    answer = from_yaml(json.dumps({"model": "gpt", "choices": choices}), v1.Completion)
    assert export(answer).obj["content"] == [{"type": "text", "text": "a"}]


def test_instructions_of_a_developer_become_those_of_the_system() -> None:
    prompt = v1.Prompt(
        messages=[
            v1.Message(role=v1.MessageRole.MESSAGE_ROLE_DEVELOPER, text="Be brief."),
            v1.Message(role=v1.MessageRole.MESSAGE_ROLE_USER, text="Hi"),
        ]
    )
    entry = export(prompt).report.entry_of(("messages", 0, "role"))
    assert entry is not None
    assert (entry.outcome.value, entry.target_values) == ("converted", ("system",))


def test_a_tool_that_takes_a_text_becomes_a_function() -> None:
    prompt = v1.Prompt(
        messages=[v1.Message(role=v1.MessageRole.MESSAGE_ROLE_USER, text="Hi")],
        tools=[{"kind": "custom", "name": "shell"}],
    )
    entry = export(prompt).report.entry_of(("tools", 0, "kind"))
    assert entry is not None
    assert (entry.outcome.value, entry.target_values) == ("converted", ("function",))
