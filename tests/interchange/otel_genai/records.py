"""Records of OTLP as other programs write them, and what is needed to compare them.

The encoding is written down here once more, after the specification of OTLP, so that the tests do
not take it from the code that they test.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from crucible_ir.interchange import otel_genai

Record = dict[str, Any]

TRACE = "5b8efff798038103d269b633813fc60c"
SPAN = "eee19b7ec3c1b174"

#: The attributes that the conventions declare as double.
_DOUBLES = ("temperature", "top_p", "top_k", "penalty", "time_to_first_chunk", "score.value")


def any_value(value: Any, *, is_double: bool = False) -> Record:
    """Write a JSON value as an AnyValue."""
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int() if not is_double and -(2**63) <= value < 2**63:
            return {"intValue": str(value)}
        case int() | float():
            return {"doubleValue": value if value == value else "NaN"}
        case str():
            return {"stringValue": value}
        case list():
            return {"arrayValue": {"values": [any_value(item) for item in value]}}
        case _:
            return {"kvlistValue": {"values": key_values(value)}}


def key_values(values: Record) -> list[Record]:
    """Write an object as a list of KeyValue."""
    return [
        {"key": key, "value": any_value(value, is_double=key.endswith(_DOUBLES))}
        for key, value in values.items()
    ]


def plain_value(value: Record) -> Any:
    """Read an AnyValue."""
    if not value:
        return None
    [(kind, item)] = value.items()
    match kind:
        case "intValue":
            return int(item)
        case "doubleValue":
            return float(item)
        case "arrayValue":
            return [plain_value(each) for each in item.get("values", [])]
        case "kvlistValue":
            return plain_values(item.get("values", []))
    return item


def plain_values(pairs: list[Record]) -> Record:
    """Read a list of KeyValue."""
    return {pair["key"]: plain_value(pair["value"]) for pair in pairs}


def traces(*spans: Record, resource: Record | None = None) -> Record:
    """Write spans as a request of OTLP."""
    written = []
    for span in spans:
        events = [
            {**event, "attributes": key_values(event.get("attributes", {}))}
            for event in span.get("events", [])
        ]
        written.append(
            {
                **span,
                "attributes": key_values(span.get("attributes", {})),
                **({"events": events} if events else {}),
            }
        )
    around = {"resource": {"attributes": key_values(resource)}} if resource else {}
    return {"resourceSpans": [{**around, "scopeSpans": [{"spans": written}]}]}


def logs(*events: Record) -> Record:
    """Write events as a request of OTLP."""
    written = []
    for event in events:
        record = {**event, "attributes": key_values(event.get("attributes", {}))}
        if "body" in event:
            record["body"] = any_value(event["body"])
        written.append(record)
    return {"resourceLogs": [{"scopeLogs": [{"scope": {"name": "i"}, "logRecords": written}]}]}


def as_plain(exported: Record, like: Record) -> Record:
    """Return the first span or event of an export as one whose attributes are an object."""
    if "resourceSpans" in exported:
        [item] = exported["resourceSpans"][0]["scopeSpans"][0]["spans"]
    else:
        [item] = exported["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    plain = {**item, "attributes": plain_values(item.get("attributes", []))}
    if "body" in plain:
        plain["body"] = plain_value(plain["body"])
    for snake, camel in (("trace_id", "traceId"), ("span_id", "spanId")):
        if snake in like and camel in plain:
            plain[snake] = plain.pop(camel)
    for name in ("time_unix_nano", "event_name", "start_time_unix_nano", "end_time_unix_nano"):
        first, *others = name.split("_")
        camel = first + "".join(each.title() for each in others)
        if name in like and camel in plain:
            plain[name] = plain.pop(camel)
    return plain


def in_order_of(value: Any, like: Any) -> Any:
    """Put the pairs of keys and values in the order of another record: the order says nothing."""
    if isinstance(value, dict) and isinstance(like, dict):
        return {key: in_order_of(item, like.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(like, list):
        if like and all(isinstance(pair, dict) and "key" in pair for pair in like):
            have = {pair["key"]: pair for pair in value}
            ordered = [have.pop(pair["key"], {}) for pair in like] + list(have.values())
        else:
            ordered = value
        return [
            in_order_of(item, like[at] if at < len(like) else None)
            for at, item in enumerate(ordered)
        ]
    return value


def like_traces(record: Record, exports: list[Record]) -> Record:
    """Join exports, and put each span where the record has it."""
    joined = otel_genai.join(exports)
    owners = {
        (span["traceId"], span["spanId"]): (resource, scope, span)
        for resource in joined.get("resourceSpans", [])
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    }
    written: list[Record] = []
    for resource in record["resourceSpans"]:
        new: Record = {"scopeSpans": []}
        for scope in resource["scopeSpans"]:
            into: Record = {"spans": []}
            for span in scope["spans"]:
                around, own, found = owners.get((span["traceId"], span["spanId"]), ({}, {}, {}))
                new.update({key: around[key] for key in around if key != "scopeSpans"})
                into.update({key: own[key] for key in own if key != "spans"})
                into["spans"].append(found)
            new["scopeSpans"].append(into)
        written.append(new)
    result: Record = in_order_of({"resourceSpans": written}, record)
    return result


# The strategies of records: what the conventions have, their oddities, and anything anywhere.

# Opaque JSON keeps integers beyond 2^53, NaN and the infinities as text: documents have those.
_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
_TEXT = st.text(max_size=8)
_ID = st.sampled_from(["call_1", "call_2", ""]) | _TEXT
_DATA = st.sampled_from(["aGVsbG8=", "", "no base64", "YQ"])
_MEDIA_TYPE = st.sampled_from(["image/png", "audio/wav", "audio/mpeg", "video/mp4", "text/plain"])
_MODALITY = st.sampled_from(["image", "audio", "video", "document", "smell"])


def _objects(required: Record, optional: Record) -> SearchStrategy[Record]:
    """Return objects whose values may be of any type, with keys that nobody expects."""
    return st.fixed_dictionaries(
        {key: value | _ANY if key != "type" else value for key, value in required.items()},
        optional={
            **{key: value | _ANY for key, value in optional.items()},
            "unexpected": _ANY,
        },
    )


def _part(type_: str, **keys: SearchStrategy[Any]) -> SearchStrategy[Record]:
    signature = {"signature": _TEXT}
    return st.fixed_dictionaries({"type": st.just(type_), **keys}) | _objects(
        {"type": st.just(type_)}, {**keys, **signature}
    )


_PARTS = st.one_of(
    _part("text", content=_TEXT),
    _part("reasoning", content=_TEXT, id=_ID),
    _part("tool_call", id=_ID, name=_TEXT, arguments=st.dictionaries(_TEXT, _ANY, max_size=2)),
    _part("tool_call", name=_TEXT, arguments=st.sampled_from(['{"a": 1}', "{", ""])),
    _part("tool_call_response", id=_ID, response=_TEXT | _ANY),
    _part("uri", modality=_MODALITY, mime_type=_MEDIA_TYPE, uri=_TEXT),
    _part("blob", modality=_MODALITY, mime_type=_MEDIA_TYPE, content=_DATA),
    _part("file", modality=_MODALITY, mime_type=_MEDIA_TYPE, file_id=_TEXT),
    _part("server_tool_call", id=_ID, server_tool_call=_ANY),
    _part("refusal", content=_TEXT),
    _part("compaction", content=_TEXT),
    _objects({}, {"type": _TEXT}),
)
_ROLES = st.sampled_from(["system", "user", "assistant", "tool", "developer", "model", "critic"])
_OLD_CALLS = st.lists(
    _objects(
        {},
        {
            "id": _ID,
            "type": st.just("function"),
            "function": _objects({}, {"name": _TEXT, "arguments": st.just('{"a": [1]}')}),
        },
    ),
    max_size=2,
)
_OLD_MESSAGES = _objects(
    {},
    {
        "role": _ROLES,
        "content": _TEXT | st.lists(st.just({"type": "text", "text": "t"}) | _PARTS, max_size=2),
        "tool_calls": _OLD_CALLS,
        "id": _ID,
    },
)
_REASON = st.sampled_from(["stop", "tool_call", "tool_calls", "end_turn", "compaction", "why"])
_MESSAGES = st.one_of(
    st.fixed_dictionaries({"role": _ROLES, "parts": st.lists(_PARTS, max_size=4)}),
    _objects(
        {},
        {
            "role": _ROLES,
            "parts": st.lists(_PARTS | _ANY, max_size=3),
            "name": _TEXT,
            "finish_reason": _REASON,
        },
    ),
    _OLD_MESSAGES,
)
_TOOLS = _objects(
    {},
    {
        "type": st.sampled_from(["function", "web_search"]),
        "name": _TEXT,
        "description": _TEXT,
        "parameters": st.dictionaries(_TEXT, _ANY, max_size=2),
        "function": st.fixed_dictionaries({"name": _TEXT}),
    },
)
_COUNT = st.integers(-1, 2**33)
_NUMBER = st.floats(allow_nan=False) | st.integers(-1, 100)
_ATTRIBUTES: Record = {
    "gen_ai.provider.name": st.sampled_from(["openai", "xai", ""]),
    "gen_ai.system": st.sampled_from(["openai", "az.ai.openai"]),
    "gen_ai.request.model": _TEXT,
    "gen_ai.request.temperature": _NUMBER,
    "gen_ai.request.top_k": _NUMBER,
    "gen_ai.request.max_tokens": _COUNT,
    "gen_ai.request.seed": st.integers(-(2**63), 2**63 - 1),
    "gen_ai.request.stop_sequences": st.lists(_TEXT, max_size=2),
    "gen_ai.request.stream": st.booleans(),
    "gen_ai.request.reasoning.level": st.sampled_from(["high", "HIGH", "extreme", ""]),
    "gen_ai.output.type": st.sampled_from(["text", "json", "image"]),
    "gen_ai.response.id": _TEXT,
    "gen_ai.response.model": _TEXT,
    "gen_ai.response.finish_reasons": st.lists(_REASON, max_size=3),
    "gen_ai.response.time_to_first_chunk": _NUMBER,
    "gen_ai.usage.input_tokens": _COUNT,
    "gen_ai.usage.prompt_tokens": _COUNT,
    "gen_ai.usage.output_tokens": _COUNT,
    "gen_ai.usage.cache_creation.input_tokens": _COUNT,
    "gen_ai.usage.cache_write.input_tokens": _COUNT,
    "gen_ai.input.messages": st.lists(_MESSAGES, max_size=3),
    "gen_ai.output.messages": st.lists(_MESSAGES, max_size=3),
    "gen_ai.system_instructions": st.lists(_PARTS, max_size=2),
    "gen_ai.tool.definitions": st.lists(_TOOLS, max_size=2),
    "gen_ai.prompt": st.lists(_OLD_MESSAGES, max_size=2),
    "gen_ai.completion": st.lists(_OLD_MESSAGES, max_size=2),
    "server.port": st.integers(0, 65535),
    "gen_ai.conversation.id": _TEXT,
}
_STRUCTURED = (
    *("gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions"),
    *("gen_ai.tool.definitions", "gen_ai.prompt", "gen_ai.completion"),
)


@st.composite
def attributes(draw: st.DrawFn) -> Record:
    """Return attributes of the span of a call; structured ones are JSON text at times."""
    drawn = draw(
        st.fixed_dictionaries(
            {"gen_ai.operation.name": st.sampled_from(["chat", "text_completion"])},
            optional={
                **_ATTRIBUTES,
                **{key: value | _ANY for key, value in _ATTRIBUTES.items()},
                "custom": _ANY,
            },
        )
    )
    for key in _STRUCTURED:
        if key in drawn and draw(st.booleans()):
            drawn[key] = json.dumps(drawn[key])
    return drawn


_TIME = st.sampled_from(["1795980004541411649", "1795980004543433371", "1", "0", "x", "-5"])

#: Spans of calls of models whose attributes are an object.
spans: SearchStrategy[Record] = st.fixed_dictionaries(
    {"attributes": attributes()},
    optional={
        "traceId": st.sampled_from([TRACE, TRACE.upper(), "short", ""]) | _ANY,
        "spanId": st.sampled_from([SPAN, "short"]) | _ANY,
        "name": st.sampled_from(["chat", "chat gpt-5", "work"]),
        "kind": st.sampled_from([1, 3, "SPAN_KIND_CLIENT"]) | _ANY,
        "startTimeUnixNano": _TIME | st.integers(0, 2**53) | _ANY,
        "endTimeUnixNano": _TIME | st.integers(0, 2**53) | _ANY,
        "status": st.sampled_from([{}, {"code": 1}]),
        "flags": st.integers(0, 512),
        "unexpected": _ANY,
    },
)

_EVALUATIONS: Record = {
    "gen_ai.evaluation.name": _TEXT,
    "gen_ai.evaluation.score.value": _NUMBER,
    "gen_ai.evaluation.score.label": _TEXT,
    "gen_ai.evaluation.explanation": _TEXT,
    "gen_ai.response.id": _TEXT,
    "error.type": _TEXT,
    "log.record.uid": _TEXT,
    "user.id": _TEXT,
    "custom": _ANY,
}

#: Events of evaluations whose attributes are an object.
evaluations: SearchStrategy[Record] = st.fixed_dictionaries(
    {
        "eventName": st.just("gen_ai.evaluation.result"),
        "attributes": st.fixed_dictionaries(
            {},
            optional={key: value | _ANY for key, value in _EVALUATIONS.items()},
        ),
    },
    optional={
        "traceId": st.sampled_from([TRACE, "short"]) | _ANY,
        "spanId": st.sampled_from([SPAN, "short"]) | _ANY,
        "timeUnixNano": _TIME | _ANY,
        "observedTimeUnixNano": _TIME | _ANY,
        # An empty object is an empty value of OTLP.
        "body": _ANY.filter(lambda value: value != {}),
    },
)

#: Events of messages of older conventions, with the ids of one span.
old_events: SearchStrategy[list[Record]] = st.lists(
    st.fixed_dictionaries(
        {
            "eventName": st.sampled_from(
                [
                    "gen_ai.system.message",
                    "gen_ai.user.message",
                    "gen_ai.assistant.message",
                    "gen_ai.tool.message",
                    "gen_ai.choice",
                ]
            ),
            "traceId": st.just(TRACE),
            "spanId": st.just(SPAN),
            "body": _OLD_MESSAGES
            | _objects(
                {},
                {
                    "index": st.integers(0, 2),
                    "finish_reason": _REASON,
                    "message": _OLD_MESSAGES,
                },
            ),
        },
        optional={
            "observedTimeUnixNano": _TIME,
            "flags": st.integers(0, 3),
            "attributes": st.fixed_dictionaries(
                {"gen_ai.system": st.just("openai")}, optional={"custom": _ANY}
            ),
        },
    ),
    min_size=1,
    max_size=4,
)
