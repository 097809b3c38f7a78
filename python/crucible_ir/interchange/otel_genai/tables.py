"""The tables of attributes, in both directions."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from crucible_ir.interchange.chat.calls import can_be_call
from crucible_ir.interchange.mapping.converters import (
    INTEGER_TEXT,
    UNIX_NANOSECONDS,
    Converter,
    NoConversionError,
    Rule,
    names,
)

#: The first number of milliseconds that is too large for the schema.
_MAX_MILLISECONDS: Final = 2**31


#: A whole number, also one that is written with a point.
_WHOLE: Final = Converter(INTEGER_TEXT.read, lambda number: number, "a whole number")


def _read_seconds(value: Any) -> int:
    milliseconds: float = value * 1000
    if not math.isfinite(milliseconds) or not 0 <= milliseconds < _MAX_MILLISECONDS:
        raise NoConversionError("not a time in seconds")
    return round(milliseconds)


_SECONDS: Final = Converter(_read_seconds, lambda number: number / 1000, "seconds")


def _read_nanoseconds(value: Any) -> str:
    if not re.fullmatch(r"[0-9]{1,20}", str(value)) or not 0 < int(value) < 2**64:
        raise NoConversionError("not a time of OTLP")
    return str(UNIX_NANOSECONDS.read(value))


#: A time in nanoseconds, which OTLP writes as text.
NANOSECONDS: Final = Converter(
    _read_nanoseconds, lambda text: str(UNIX_NANOSECONDS.write(text)), UNIX_NANOSECONDS.reason
)

_OUTPUT_TYPE: Final = names({"text": "text", "json": "json"}, "names of formats differ")

#: The attributes of a request, and the generation options.
REQUEST_RULES: Final = (
    Rule("gen_ai.request.model", "model", types=(str,)),
    Rule("gen_ai.request.temperature", "temperature", types=(float,)),
    Rule("gen_ai.request.max_tokens", "max_tokens", _WHOLE, (int, float)),
    Rule("gen_ai.request.top_p", "top_p", types=(float,)),
    Rule("gen_ai.request.top_k", "top_k", _WHOLE, (int, float)),
    Rule("gen_ai.request.frequency_penalty", "frequency_penalty", types=(float,)),
    Rule("gen_ai.request.presence_penalty", "presence_penalty", types=(float,)),
    Rule("gen_ai.request.stop_sequences", "stop", types=(list,)),
    Rule("gen_ai.output.type", "response_format", _OUTPUT_TYPE, (str,)),
    Rule("gen_ai.request.stream", "stream", types=(bool,)),
    Rule("gen_ai.request.seed", "seed", _WHOLE, (int, float)),
    Rule("gen_ai.request.reasoning.level", "reasoning_effort", types=(str,)),
    Rule("gen_ai.request.choice.count", "choice_count", _WHOLE, (int, float)),
)

#: The attributes of a response, and the completion.
RESPONSE_RULES: Final = (
    Rule("gen_ai.response.id", "response_id", types=(str,)),
    Rule("gen_ai.response.model", "model", types=(str,)),
    Rule("gen_ai.response.time_to_first_chunk", "time_to_first_token_ms", _SECONDS, (int, float)),
)

#: The attributes of the tokens used.
USAGE_RULES: Final = (
    Rule("gen_ai.usage.input_tokens", "prompt_tokens", _WHOLE, (int, float)),
    Rule("gen_ai.usage.output_tokens", "completion_tokens", _WHOLE, (int, float)),
    Rule("gen_ai.usage.reasoning.output_tokens", "thinking_tokens", _WHOLE, (int, float)),
    Rule("gen_ai.usage.cache_read.input_tokens", "cached_tokens", _WHOLE, (int, float)),
    Rule("gen_ai.usage.cache_write.input_tokens", "cache_write_tokens", _WHOLE, (int, float)),
)


def _read_identity(value: Any) -> str:
    if not can_be_call(value):
        raise NoConversionError("not an id of 1 to 512 bytes")
    return str(value)


_IDENTITY: Final = Converter(_read_identity, lambda value: value, "an id")

#: The attributes of an evaluation, and the feedback.
FEEDBACK_RULES: Final = (
    Rule("log.record.uid", "id", _IDENTITY, (str,)),
    Rule("gen_ai.evaluation.name", "name", types=(str,)),
    Rule("gen_ai.evaluation.explanation", "comment", types=(str,)),
    Rule("gen_ai.response.id", "response_id", types=(str,)),
    Rule("user.id", "user_id", types=(str,)),
    Rule("session.id", "session_id", types=(str,)),
)

#: The fields of a log record, and the feedback.
RECORD_RULES: Final = (
    Rule("timeUnixNano", "timestamp", NANOSECONDS, (str, int)),
    Rule("observedTimeUnixNano", "timestamp", NANOSECONDS, (str, int)),
)

#: Our finish reason for each one; of several, the first is written.
FINISH_REASONS: Final = {
    "stop": "stop",
    "length": "length",
    "tool_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
    "refusal": "refusal",
    "pause": "pause",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "pause",
    "compaction": "pause",
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
}

#: What is written for each finish reason of ours.
WRITTEN_REASONS: Final = {
    ours: next(theirs for theirs, each in FINISH_REASONS.items() if each == ours)
    for ours in FINISH_REASONS.values()
}
