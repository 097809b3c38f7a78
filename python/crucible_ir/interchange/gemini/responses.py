"""Answers of Gemini's generateContent, in both directions."""

from __future__ import annotations

from typing import Final

from crucible_ir.interchange.chat.blocks import (
    count,
    inside,
    read_finish_reason,
    write_finish_reason,
)
from crucible_ir.interchange.gemini.content import Calls, read_content, write_content
from crucible_ir.interchange.gemini.requests import read_role, write_role
from crucible_ir.interchange.mapping.converters import TIME_TEXT, Rule, read_rules, write_rules
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

#: Our word for each finish reason; the first of several is written.
FINISH_REASONS: Final = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "OTHER": "error",
    "LANGUAGE": "error",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "MALFORMED_RESPONSE": "error",
    "IMAGE_OTHER": "error",
    "NO_IMAGE": "error",
    "CONTINUATION": "pause",
}

_RULES = (
    Rule("responseId", "response_id", types=(str,)),
    Rule("modelVersion", "model", types=(str,)),
    Rule("createTime", "created_at", TIME_TEXT, types=(str,)),
)

_USAGE_RULES = (
    ("thoughtsTokenCount", "thinking_tokens"),
    ("cachedContentTokenCount", "cached_tokens"),
    ("totalTokenCount", "total_tokens"),
)

_PROMPT, _TOOLS = "promptTokenCount", "toolUsePromptTokenCount"
_ANSWER, _THOUGHTS = "candidatesTokenCount", "thoughtsTokenCount"


def read_response(conversion: Import, source: Source, completion: Target) -> None:
    """Fill a completion from an answer."""
    read_rules(conversion, source, completion, _RULES)
    candidates = source.items("candidates")
    for place, candidate in enumerate(candidates):
        if not isinstance(candidate.value, dict):
            raise candidate.fail("expected a candidate: an object")
        _read_candidate(conversion, candidate, completion.append("choices"), place)
    feedback = inside(source, "promptFeedback")
    blocked = feedback.get("blockReason", str) if feedback is not None else None
    if blocked is not None and not candidates:
        reason = "the prompt was blocked"
        choice = completion.append("choices")
        choice.put("finish_reason", "content_filter", blocked, reason=reason)
        conversion.keep_original(blocked, reason)
    usage = source.get("usageMetadata", dict)
    if usage is not None:
        _read_usage(usage, completion.child("usage"))


def _read_candidate(conversion: Import, candidate: Source, choice: Target, place: int) -> None:
    choice.keep_rest(candidate)
    index = count(candidate, "index")
    if index is not None:
        choice.put("index", index.value, index)
    content = candidate.get("content", dict)
    calls = False
    if content is not None and content.value:
        message = choice.child("message")
        read_role(conversion, content, message, "assistant")
        read_content(conversion, content, message, Calls(), place)
        calls = message.has("tool_calls")
    reason = candidate.get("finishReason", str)
    ours = FINISH_REASONS.get(reason.value) if reason is not None else None
    read_finish_reason(
        conversion, reason, choice, "tool_calls" if calls and ours == "stop" else ours
    )


def _read_usage(source: Source, usage: Target) -> None:
    """Import the counts of tokens; an answer's are without those of thoughts in the source."""
    prompt, tools = count(source, _PROMPT), count(source, _TOOLS)
    if prompt is not None:
        total = prompt.value + (tools.value if tools is not None else 0)
        usage.put("prompt_tokens", total, prompt, reason="with the tokens of the use of tools")
    answer, thoughts = count(source, _ANSWER), count(source, _THOUGHTS)
    counts = [each for each in (answer, thoughts) if each is not None]
    if counts:
        total = sum(each.value for each in counts)
        sources = (answer,) if answer is not None else ()
        usage.put("completion_tokens", total, *sources, reason="with the tokens of thoughts")
    for key, field in _USAGE_RULES:
        found = count(source, key)
        if found is not None:
            usage.put(field, found.value, found)


def write_response(conversion: Export, target: Target, rest: Source | None) -> None:
    """Write a completion as an answer.

    Args:
        conversion: The export.
        target: The answer.
        rest: What an import kept of the answer.
    """
    source = conversion.source
    write_rules(source, target, _RULES)
    blocked = inside(rest, "promptFeedback")
    for choice in source.items("choices"):
        reason = choice.get("finish_reason", str)
        is_blocked = blocked is not None and blocked.text("blockReason") is not None
        if is_blocked and choice.value == {"finish_reason": "content_filter"}:
            assert reason is not None
            place = (*target.path, "promptFeedback", "blockReason")
            reason.use(Outcome.CONVERTED, place, reason="the prompt was blocked")
        else:
            _write_candidate(conversion, choice, target.append("candidates"))
    usage = source.get("usage", dict)
    if usage is not None:
        _write_usage(usage, target.child("usageMetadata"), inside(rest, "usageMetadata"))


def _write_candidate(conversion: Export, choice: Source, candidate: Target) -> None:
    index = choice.get("index", int)
    if index is not None:
        candidate.put("index", index.value, index)
    content = candidate.child("content")
    thinking = choice.get("thinking", dict)
    thought = thinking.get("content", str) if thinking is not None else None
    if thought is not None:
        part = content.append("parts")
        part.put("text", thought.value, thought)
        part.put("thought", True)
    message = choice.get("message", dict)
    if message is not None:
        write_role(message, content)
        write_content(conversion, message, content, Calls())
        content.restore(message.rest())
    calls = message is not None and bool(message.items("tool_calls"))
    write_finish_reason(choice, candidate, "finishReason", FINISH_REASONS, calls=calls)
    candidate.restore(choice.rest())


def _write_usage(usage: Source, target: Target, kept: Source | None) -> None:
    prompt = usage.get("prompt_tokens", int)
    if prompt is not None:
        tools = count(kept, _TOOLS) if kept is not None else None
        value = max(prompt.value - (tools.value if tools is not None else 0), 0)
        target.put(_PROMPT, value, prompt, reason="without the tokens of the use of tools")
    answer = usage.get("completion_tokens", int)
    thoughts = usage.get("thinking_tokens", int)
    if answer is not None and kept is not None and _ANSWER in kept.value:
        answer.use(Outcome.CONVERTED, target.path, reason="the import kept another value")
    elif answer is not None:
        value = max(answer.value - (thoughts.value if thoughts is not None else 0), 0)
        target.put(_ANSWER, value, answer, reason="without the tokens of thoughts")
    for key, field in _USAGE_RULES:
        found = usage.get(field, int)
        if found is not None:
            target.put(key, found.value, found)
