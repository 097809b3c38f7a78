"""Gemini generateContent: requests, answers, streams and batches, both ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_complete, check_law
from message_strategies import messages

from crucible_ir import v1
from crucible_ir.errors import DecodeError
from crucible_ir.interchange.gemini import FORMAT, export, import_
from crucible_ir.interchange.gemini.stream import assemble, joined
from crucible_ir.interchange.mapping.dialect import DIALECT, json_values
from crucible_ir.interchange.mapping.format import format_named
from crucible_ir.interchange.mapping.reading import parse_events
from crucible_ir.serialization.json.crucible import to_crucible_json

_DOCUMENTS = Path(__file__).parent / "documents" / "gemini"


def _request(*parts: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"contents": [{"role": role, "parts": list(parts)}], **more}


def _answer(*parts: Any, reason: str = "STOP", **more: Any) -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    return {"candidates": [{"content": content, "finishReason": reason}], **more}


def _prompt(record: dict[str, Any]) -> v1.Prompt:
    [prompt] = check_law(FORMAT, record).documents
    assert isinstance(prompt, v1.Prompt)
    return prompt


def _completion(record: dict[str, Any]) -> v1.Completion:
    [completion] = check_law(FORMAT, record).documents
    assert isinstance(completion, v1.Completion)
    return completion


def _rejoin_pair(objects: list[Any]) -> Any:
    request, response = objects
    lines = response if "response" in response else {"response": response}
    return {"request": request, **lines}


@pytest.mark.parametrize("path", sorted(_DOCUMENTS.iterdir()), ids=lambda path: path.name)
def test_the_law_holds_for_documents(path: Path) -> None:
    if path.suffix == ".sse":
        record = assemble(parse_events(path.read_text()))
    else:
        record = json.loads(path.read_text())
    rejoin = _rejoin_pair if record.keys() >= {"request", "response"} else None
    for document in check_law(FORMAT, record, rejoin=rejoin).documents:
        to_crucible_json(document)


# Requests


def test_results_without_ids_answer_the_oldest_open_call_of_their_name() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    result = {"functionResponse": {"name": "f", "response": {"output": "x"}}}
    other = {"functionResponse": {"name": "g", "response": {}}}
    record = _request(call, call, role="model")
    record["contents"].append({"role": "user", "parts": [result, result, other]})
    prompt = _prompt(record)
    assert [each.id for each in prompt.messages[0].tool_calls] == ["call_0_0", "call_0_1"]
    answered = [each.tool_result.tool_call_id for each in prompt.messages[1].parts.parts]
    assert answered == ["call_0_0", "call_0_1", "unknown"]


@pytest.mark.parametrize(
    ("response", "content", "failed"),
    [
        ({"output": "17 metres"}, "17 metres", False),
        ({"error": "no chart"}, "no chart", True),
        ({"output": "{}"}, '{"output": "{}"}', False),
        ({"depth": 17}, '{"depth": 17}', False),
        ({}, "{}", False),
    ],
)
def test_results_are_text(response: dict[str, Any], content: str, failed: bool) -> None:
    part = {"functionResponse": {"name": "f", "id": "c", "response": response}}
    [part_read] = _prompt(_request(part)).messages[0].parts.parts
    assert part_read.tool_result.content == content
    assert part_read.tool_result.is_error is failed


def test_signatures_stay_with_their_call_and_text() -> None:
    prompt = _prompt(
        _request(
            {"text": "a", "thoughtSignature": "c2lnMQ=="},
            {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2lnMg=="},
            {"text": "thinking", "thought": True},
            role="model",
        )
    )
    [message] = prompt.messages
    assert message.parts.parts[0].signature == "c2lnMQ=="
    assert message.tool_calls[0].signature == "c2lnMg=="
    assert message.tool_calls[0].part_index == 1
    assert message.parts.parts[1].reasoning.text == "thinking"


def test_signatures_of_another_service_are_left_out() -> None:
    prompt = v1.Prompt()
    prompt.metadata.update({"anthropic": {}})
    part = v1.ContentPart(reasoning=v1.Reasoning(text="Hm"), signature="c2ln")
    prompt.messages.add(role="MESSAGE_ROLE_ASSISTANT").parts.parts.append(part)
    exported = export(prompt)
    assert exported.obj["contents"][0]["parts"] == [{"text": "Hm", "thought": True}]
    [entry] = [each for each in exported.report.entries if "signature" in each.path]
    assert entry.outcome == "dropped"


def test_keys_in_snake_case_are_read() -> None:
    record = json.loads((_DOCUMENTS / "request_snake_case.json").read_text())
    prompt = _prompt(record)
    assert prompt.options.top_p == 0.5
    assert prompt.messages[0].role == v1.MessageRole.MESSAGE_ROLE_SYSTEM
    assert prompt.messages[2].tool_calls[0].signature == "c2ln"
    both = _request({"text": "x"}, generationConfig={"topP": 0.1, "top_p": 0.2})
    assert _prompt(both).options.top_p == 0.1


@pytest.mark.parametrize(
    "tools",
    [
        [{"functionDeclarations": [{"name": "a"}]}, {"functionDeclarations": [{"name": "b"}]}],
        [{"googleSearch": {}, "codeExecution": {}, "functionDeclarations": [{"name": "a"}]}],
        [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}, {"urlContext": {}}],
        [{"functionDeclarations": []}, {"googleSearch": None}],
        [{}],
        [5],
    ],
)
def test_tools_keep_their_objects(tools: list[Any]) -> None:
    prompt = _prompt(_request({"text": "x"}, tools=tools))
    assert export(prompt).obj["tools"] == tools


def test_schemas_of_geminis_own_kind_become_json_schema() -> None:
    own = {"type": "OBJECT", "properties": {"type": {"type": "STRING"}}, "anyOf": [{"type": "X"}]}
    config = {"responseSchema": {"type": "ARRAY", "items": own}}
    tools = [{"functionDeclarations": [{"name": "f", "parameters": own}]}]
    prompt = _prompt(_request({"text": "x"}, tools=tools, generationConfig=config))
    schema = json_values(prompt)["options"]["json_schema"]
    assert schema["items"]["properties"] == {"type": {"type": "string"}}
    prompt.options.json_schema.update({"type": "object"})
    exported = export(prompt).obj["generationConfig"]
    assert exported["responseJsonSchema"]["type"] == "object"
    assert "responseSchema" not in exported


@pytest.mark.parametrize(
    ("thinking", "extended", "budget"),
    [
        ({"thinkingBudget": 0}, False, 0),
        ({"thinkingBudget": -1}, True, None),
        ({"thinkingBudget": 9}, True, 9),
        ({"thinkingBudget": -7}, None, None),
        ({"includeThoughts": True}, None, None),
    ],
)
def test_budgets_for_thinking(
    thinking: dict[str, Any], extended: bool | None, budget: int | None
) -> None:
    config = {"thinkingConfig": thinking}
    options = json_values(_prompt(_request({"text": "x"}, generationConfig=config)))["options"]
    assert options.get("extended_thinking") is extended
    assert options.get("thinking_budget_tokens") == budget


@pytest.mark.parametrize(
    ("effort", "level"), [("minimal", "MINIMAL"), ("xhigh", "HIGH"), ("none", None)]
)
def test_efforts_of_other_services(effort: str, level: str | None) -> None:
    prompt = v1.Prompt()
    DIALECT.fill({"options": {"reasoning_effort": effort}}, prompt)
    exported = export(prompt).obj
    found = exported.get("generationConfig", {}).get("thinkingConfig", {}).get("thinkingLevel")
    assert found == level


@pytest.mark.parametrize(
    "part",
    [
        {"executableCode": {"code": "1", "language": "PYTHON"}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "u"}, "videoMetadata": {"fps": 1}},
        {"inlineData": {"mimeType": "image/png", "data": "?"}},
        {"functionCall": {"name": ""}},
        {"thoughtSignature": "c2ln"},
        {"hologram": 1},
        {"toolCall": {}, "type": "x"},
        {},
    ],
)
def test_a_part_without_counterpart_is_kept_whole(part: dict[str, Any]) -> None:
    prompt = _prompt(_request(part))
    assert prompt.messages[0].parts.parts[0].HasField("other")
    assert export(prompt).obj["contents"][0]["parts"] == [part]
    to_crucible_json(prompt)


@pytest.mark.parametrize(
    ("record", "path"),
    [
        ({"contents": [7]}, "contents[0]"),
        ({"contents": [{"parts": 7}]}, "contents[0].parts"),
        ({"contents": [{"parts": ["x"]}]}, "contents[0].parts[0]"),
        ({"candidates": [7]}, "candidates[0]"),
        ({"unknown": 1}, ""),
        ({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}, "error"),
        ({"key": "a", "error": {"code": 3, "message": "m"}}, "error"),
        ({"key": "a", "response": {"error": {"code": 3, "message": "m"}}}, "response.error"),
        ({"key": "a", "request": {"no": 1}}, "request"),
    ],
)
def test_bad_records_are_errors_with_a_place(record: dict[str, Any], path: str) -> None:
    imported = import_([record, _request({"text": "x"})])
    [error] = imported.report.errors
    assert error.path == ("[0]." + path if path else "[0]")
    assert len(imported.documents) == 1


def test_a_conversation_with_openais_roles_is_written() -> None:
    prompt = v1.Prompt(
        messages=[
            v1.Message(role="MESSAGE_ROLE_SYSTEM", text="Be brief."),
            v1.Message(role="MESSAGE_ROLE_USER", text="Weather?"),
            v1.Message(
                role="MESSAGE_ROLE_ASSISTANT",
                tool_calls=[
                    v1.ToolCall(id="a", name="f"),
                    v1.ToolCall(id="b", name="g", raw='{"x": 1}'),
                ],
            ),
            v1.Message(role="MESSAGE_ROLE_TOOL", text="1", tool_call_id="a"),
            v1.Message(role="MESSAGE_ROLE_TOOL", text='{"y": 2}', tool_call_id="b"),
            v1.Message(role="MESSAGE_ROLE_DEVELOPER", text="In French."),
        ],
        tools=[],
        options=v1.GenerationOptions(model="gemini", stream=True),
    )
    prompt.tools.add().update({"kind": "function", "name": "f", "strict": True})
    prompt.tools.add().update({"kind": "web_search_20250305", "name": "web_search"})
    exported = export(prompt)
    user, assistant, results, french = exported.obj["contents"]
    assert exported.obj["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert exported.obj["model"] == "gemini"
    assert user == {"role": "user", "parts": [{"text": "Weather?"}]}
    assert assistant["parts"][1]["functionCall"] == {"name": "g", "id": "b", "args": {"x": 1}}
    assert [each["functionResponse"] for each in results["parts"]] == [
        {"id": "a", "name": "f", "response": {"output": "1"}},
        {"id": "b", "name": "g", "response": {"y": 2}},
    ]
    assert french["role"] == "user"
    assert exported.obj["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    dropped = {entry.path for entry in exported.report.entries if entry.outcome == "dropped"}
    assert dropped == {"options.stream", "tools[0].strict", "tools[1].**"}


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_parts_and_tools_of_gemini_are_left_out_for_other_services(name: str) -> None:
    video = {"fileData": {"mimeType": "video/mp4", "fileUri": "u"}}
    prompt = _prompt(_request({"text": "x"}, video, tools=[{"googleSearch": {}}]))
    exported = format_named(name).export(prompt)
    assert exported.obj["messages"][0]["content"] == [{"type": "text", "text": "x"}]
    assert not exported.obj.get("tools")
    dropped = [entry.path for entry in exported.report.entries if entry.outcome == "dropped"]
    assert any(path.startswith("tools") for path in dropped)
    assert any(path.startswith("messages") for path in dropped)


# Answers


def test_counts_of_tokens_are_summed() -> None:
    usage = {
        "promptTokenCount": 20,
        "toolUsePromptTokenCount": 5,
        "cachedContentTokenCount": 10,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 3,
        "totalTokenCount": 99,
    }
    found = _completion(_answer({"text": "x"}, usageMetadata=usage)).usage
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == (25, 10, 99)
    assert (found.cached_tokens, found.thinking_tokens) == (10, 3)
    only_thoughts = {"usageMetadata": {"thoughtsTokenCount": 2}}
    assert _completion(only_thoughts).usage.completion_tokens == 2


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("STOP", "STOP"),
        ("MAX_TOKENS", "LENGTH"),
        ("SAFETY", "CONTENT_FILTER"),
        ("RECITATION", "CONTENT_FILTER"),
        ("MODEL_ARMOR", "CONTENT_FILTER"),
        ("MALFORMED_FUNCTION_CALL", "ERROR"),
        ("UNEXPECTED_TOOL_CALL", "ERROR"),
        ("BORED", "UNSPECIFIED"),
    ],
)
def test_finish_reasons(reason: str, ours: str) -> None:
    [choice] = _completion(_answer({"text": "x"}, reason=reason)).choices
    assert v1.FinishReason.Name(choice.finish_reason) == f"FINISH_REASON_{ours}"


def test_a_natural_end_with_calls_is_that_of_tool_calls() -> None:
    answer = _answer({"functionCall": {"name": "f"}})
    completion = _completion(answer)
    assert completion.choices[0].finish_reason == v1.FinishReason.FINISH_REASON_TOOL_CALLS
    assert export(completion).obj == answer
    completion.choices[0].ClearField("metadata")
    assert export(completion).obj["candidates"][0]["finishReason"] == "STOP"


def test_a_blocked_prompt_is_a_filtered_answer() -> None:
    record = {"promptFeedback": {"blockReason": "SAFETY"}}
    completion = _completion(record)
    [choice] = completion.choices
    assert choice.finish_reason == v1.FinishReason.FINISH_REASON_CONTENT_FILTER
    assert not choice.HasField("message")
    assert export(completion).obj == record


# Streams


def test_chunks_make_an_answer() -> None:
    answer = assemble(parse_events((_DOCUMENTS / "stream.sse").read_text()))
    [candidate] = answer["candidates"]
    assert candidate["content"]["parts"] == [{"text": "Paris.", "thoughtSignature": "c2ln"}]
    assert candidate["finishReason"] == "STOP"
    assert answer["usageMetadata"]["totalTokenCount"] == 15


def test_thoughts_and_texts_of_a_stream_are_kept_apart() -> None:
    def chunk(*parts: Any) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": list(parts)}}]}

    call = {"functionCall": {"name": "f"}}
    answer = joined(
        [
            chunk({"text": "Hm", "thought": True}),
            chunk({"text": "m", "thought": True}),
            chunk({"text": "A", "thoughtSignature": "c2ln"}),
            chunk({"text": "B"}, call),
            {"candidates": [{"finishReason": "STOP"}]},
        ]
    )
    assert answer["candidates"][0]["content"]["parts"] == [
        {"text": "Hmm", "thought": True},
        {"text": "A", "thoughtSignature": "c2ln"},
        {"text": "B"},
        call,
    ]


def test_a_list_of_chunks_is_one_answer() -> None:
    first = {"candidates": [{"content": {"parts": [{"text": "Par"}]}}], "responseId": "r"}
    second = {**_answer({"text": "is"}), "responseId": "r"}
    other = {**_answer({"text": "Riga"}), "responseId": "r"}
    imported = import_([first, second, other, {"unknown": "r"}])
    contents = [json_values(each)["choices"][0]["message"] for each in imported.documents]
    texts = [each["parts"]["parts"][0]["text"] for each in contents]
    assert texts == ["Paris", "Riga"]
    assert [error.path for error in imported.report.errors] == ["[3]"]


def test_the_error_of_a_stream_is_the_record() -> None:
    error = {"error": {"code": 503, "message": "overloaded"}}
    record = assemble([("", _answer({"text": "x"})), ("", error)])
    [problem] = import_(record).report.errors
    assert problem.reason.endswith("503: overloaded")
    with pytest.raises(DecodeError, match="expected events"):
        assemble([])


# The law

_odd = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=3)
_values: st.SearchStrategy[Any] = st.recursive(
    _odd | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
_texts = st.text(max_size=6)
_counts = st.integers(0, 2**31) | _values


def _just(*values: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def _object(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of objects with some of the keys, in camelCase or in snake_case."""
    keys = {**optional, "novelty": _values}

    def spelled(chosen: list[str], is_snake: bool) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(
            {
                "".join(
                    f"_{each.lower()}" if is_snake and each.isupper() else each for each in key
                ): (keys[key])
                for key in chosen
            }
        )

    names = st.lists(st.sampled_from(sorted(keys)), max_size=4, unique=True)
    return st.tuples(names, st.booleans()).flatmap(lambda drawn: spelled(*drawn))


_media_types = _just("image/png", "audio/wav", "video/mp4", "text/plain", "audio/") | _odd
_data = _object(
    mimeType=_media_types,
    data=_just("YQ==", "YQ", "_w", "?") | _odd,
    displayName=_texts | _odd,
    fileUri=_texts | _odd,
)
_media_parts = _object(inlineData=_data | _odd, fileData=_data | _odd, text=_texts, thought=_odd)
_responses = (
    st.fixed_dictionaries({"output": _texts | _just("{}") | _odd})
    | st.fixed_dictionaries({"error": _texts | _just("{}") | _odd})
    | st.dictionaries(_texts, _values, max_size=2)
    | _values
)
_parts = st.one_of(
    _object(text=_texts | _odd, thought=st.booleans() | _odd, thoughtSignature=_texts | _odd),
    _media_parts,
    _object(
        functionCall=_object(
            name=_just("f", "") | _odd,
            id=_just("c", "") | _odd,
            args=st.dictionaries(_just("a", "raw"), _values) | _values,
        )
        | _odd,
        thoughtSignature=_texts | _odd,
        videoMetadata=_values,
    ),
    _object(
        functionResponse=_object(
            name=_just("f", "") | _odd,
            id=_just("c", "") | _odd,
            response=_responses,
            parts=st.lists(_media_parts | _odd, max_size=2) | _odd,
        )
        | _odd
    ),
    st.fixed_dictionaries({"functionResponse": st.fixed_dictionaries({"response": _responses})}),
    _object(executableCode=_values, toolCall=_values, type=_texts),
)
_contents = st.fixed_dictionaries(
    {},
    optional={
        "role": _just("user", "model", "function", "tool", "poet") | _odd,
        "parts": st.lists(_parts, max_size=4),
        "novelty": _values,
    },
)
_schemas = st.dictionaries(_just("type", "items", "anyOf"), _just("OBJECT") | _values) | _values
_functions = _object(
    name=_texts | _odd,
    description=_texts | _odd,
    parameters=_schemas,
    parametersJsonSchema=_schemas,
    strict=st.booleans(),
)
_tools = _object(
    functionDeclarations=st.lists(_functions | _odd, max_size=2)
    | st.lists(_functions, max_size=2)
    | _odd,
    googleSearch=_values,
)
_configs = _object(
    temperature=st.floats() | _values,
    topP=st.floats() | _values,
    topK=st.floats() | st.integers(-1, 5) | _values,
    maxOutputTokens=_counts,
    candidateCount=st.integers(-1, 3) | _values,
    stopSequences=st.lists(_texts | _odd, max_size=2) | _odd,
    seed=st.integers(-(2**53), 2**53) | _values,
    responseMimeType=_just("application/json", "text/plain", "text/x.enum") | _odd,
    responseSchema=_schemas,
    responseJsonSchema=_schemas,
    thinkingConfig=_object(
        thinkingBudget=st.integers(-2, 2) | _values,
        thinkingLevel=_just("LOW", "HIGH", "low") | _odd,
        includeThoughts=st.booleans() | _odd,
    )
    | _odd,
)
_requests = st.builds(
    lambda required, optional: {**optional, **required},
    st.fixed_dictionaries({"contents": st.lists(_contents, max_size=3)}),
    _object(
        model=_texts | _odd,
        systemInstruction=_contents | _odd,
        tools=st.lists(_tools, max_size=3) | st.lists(_tools | _odd, max_size=2) | _odd,
        toolConfig=_object(
            functionCallingConfig=_object(
                mode=_just("AUTO", "ANY", "NONE", "VALIDATED") | _odd,
                allowedFunctionNames=st.lists(_texts | _odd, max_size=2) | _odd,
            )
            | _odd
        )
        | _odd,
        generationConfig=_configs | _odd,
        safetySettings=_values,
        labels=_values,
    ),
)
_candidates = _object(
    index=_counts,
    content=_contents | _odd,
    finishReason=_just("STOP", "SAFETY", "BORED", "tool_calls") | _odd,
    avgLogprobs=_values,
)
_answers = st.builds(
    lambda required, optional: {**optional, **required},
    st.fixed_dictionaries({"candidates": st.lists(_candidates, max_size=2)}),
    _object(
        promptFeedback=_object(blockReason=_just("SAFETY") | _odd) | _odd,
        usageMetadata=_object(
            promptTokenCount=_counts,
            candidatesTokenCount=_counts,
            thoughtsTokenCount=_counts,
            cachedContentTokenCount=_counts,
            toolUsePromptTokenCount=_counts,
            totalTokenCount=_counts,
        )
        | _odd,
        modelVersion=_texts | _odd,
        responseId=_texts | _odd,
        createTime=_just("2026-02-17T11:12:40.135001Z", "2026-02-17") | _odd,
    ),
)


@given(_requests)
def test_the_law_holds_for_any_request(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(_answers)
def test_the_law_holds_for_any_answer(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(_requests, _answers, st.text(max_size=3))
def test_the_law_holds_for_any_line_of_a_batch(
    request: dict[str, Any], answer: dict[str, Any], key: str
) -> None:
    check_law(FORMAT, {"key": key, "request": request})
    check_law(FORMAT, {"key": key, "response": answer})


@given(_requests, _answers, st.booleans())
def test_the_law_holds_for_any_pair(
    request: dict[str, Any], answer: dict[str, Any], is_line: bool
) -> None:
    record = {"request": request, "response": answer, **({"status": ""} if is_line else {})}
    check_law(FORMAT, record, rejoin=_rejoin_pair)


@given(messages(v1.Prompt, depth=5) | messages(v1.Completion, depth=6))
def test_any_message_is_exported_with_a_complete_report(
    message: v1.Prompt | v1.Completion,
) -> None:
    exported = export(message)
    assert not exported.report.errors
    json.dumps(exported.obj)
    check_complete(json_values(message), exported.report)


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
