"""Answers of Anthropic's Messages API, in both directions."""

from __future__ import annotations

from typing import Final

from crucible_ir.interchange.anthropic.content import read_content, write_content
from crucible_ir.interchange.chat.blocks import (
    count,
    filled,
    inside,
    mark_import,
    read_finish_reason,
    write_finish_reason,
)
from crucible_ir.interchange.mapping.conversion import UNKNOWN
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

#: Our word for each stop reason; the first of several is written.
STOP_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}

#: The keys that export fills in. It writes the type and the role without them being there, too.
_REQUIRED = ("id", "model", "usage")

_CACHED = "cache_read_input_tokens"
_WRITTEN = "cache_creation_input_tokens"


def read_response(conversion: Import, source: Source, completion: Target) -> None:
    """Fill a completion from a message, or from the answer of the counting of tokens."""
    if "content" not in source.value and "input_tokens" in source.value:
        _read_usage(source, completion.child("usage"))
        return
    for key, field in (("id", "response_id"), ("model", "model")):
        found = source.get(key, str)
        if found is not None:
            completion.put(field, found.value, found)
    choice = completion.append("choices")
    kind = source.get("type", str)
    if kind is not None and kind.value == "message":
        kind.implied_by(choice)
    message = choice.child("message")
    role = source.get("role", str)
    if role is not None and role.value in ("user", "assistant"):
        message.put("role", role.value, role)
    else:
        message.put("role", "assistant")
    read_content(conversion, source, message, is_answer=True)
    reason = source.get("stop_reason", str)
    ours = STOP_REASONS.get(reason.value) if reason is not None else None
    read_finish_reason(conversion, reason, choice, ours)
    usage = source.get("usage", dict)
    if usage is not None:
        _read_usage(usage, completion.child("usage"))
    lacking = usage is not None and not {"input_tokens", "output_tokens"} <= usage.value.keys()
    if lacking or any(key not in source.value for key in _REQUIRED):
        mark_import(conversion, completion)


def _read_usage(source: Source, usage: Target) -> None:
    """Import the counts of tokens; those of the prompt are without cached ones in the source."""
    tokens = count(source, "input_tokens")
    cached = count(source, _CACHED)
    written = count(source, _WRITTEN)
    if tokens is not None:
        total = sum(each.value for each in (tokens, cached, written) if each is not None)
        usage.put("prompt_tokens", total, tokens, reason="with the tokens of the cache")
    if cached is not None:
        usage.put("cached_tokens", cached.value, cached)
    if written is not None:
        usage.put("cache_write_tokens", written.value, written)
    output = count(source, "output_tokens")
    if output is not None:
        usage.put("completion_tokens", output.value, output)
    details = inside(source, "output_tokens_details")
    thinking = count(details, "thinking_tokens") if details is not None else None
    if thinking is not None:
        usage.put("thinking_tokens", thinking.value, thinking)


def write_response(conversion: Export, target: Target, rest: Source | None) -> None:
    """Write a completion as a message, or as the answer of the counting of tokens.

    Args:
        conversion: The export.
        target: The message.
        rest: What an import kept of the message.
    """
    source = conversion.source
    fill = filled(source)
    choices = source.items("choices")
    usage = source.get("usage", dict)
    is_count = not choices and "model" not in source.value
    if is_count and usage is not None and "prompt_tokens" in usage.value:
        _write_usage(usage, target)
        return
    for key, field in (("id", "response_id"), ("model", "model")):
        found = source.get(field, str)
        if found is not None:
            target.put(key, found.value, found)
        elif fill:
            target.default(key, UNKNOWN, "it is required")
    if rest is None or "type" not in rest.value:
        target.put("type", "message")
    if choices:
        _write_choice(conversion, choices[0], target)
    if not target.has("role") and (rest is None or "role" not in rest.value):
        target.put("role", "assistant")
    if not target.has("content"):
        target.value["content"] = []
    counts = target.child("usage")
    if usage is not None:
        _write_usage(usage, counts)
    if fill:
        for key in ("input_tokens", "output_tokens"):
            if not counts.has(key):
                counts.default(key, 0, "it is required")


def _write_choice(conversion: Export, choice: Source, target: Target) -> None:
    rest = conversion.source.rest()
    thinking = choice.get("thinking", dict)
    if thinking is not None:
        _write_thinking(thinking, target)
    message = choice.get("message", dict)
    if message is not None:
        role = message.get("role", str)
        if role is not None and (rest is None or "role" not in rest.value):
            reason = "an answer is the assistant's"
            name = role.value if role.value == "user" else "assistant"
            target.put("role", name, role, reason=reason)
        elif role is not None:
            role.implied_by(target)
        write_content(conversion, message, target, as_blocks=True)
        target.restore(message.rest())
    write_finish_reason(choice, target, "stop_reason", STOP_REASONS)


def _write_thinking(thinking: Source, target: Target) -> None:
    """Write the thinking of a choice as a block before all others."""
    text = thinking.get("content", str)
    if text is not None:
        block = target.append("content")
        block.put("type", "thinking")
        block.put("thinking", text.value, text)
        block.default("signature", "", "it is required")


def _write_usage(usage: Source, target: Target) -> None:
    tokens = usage.get("prompt_tokens", int)
    cached = usage.get("cached_tokens", int)
    written = usage.get("cache_write_tokens", int)
    if tokens is not None:
        others = sum(each.value for each in (cached, written) if each is not None)
        reason = "without the tokens of the cache"
        target.put("input_tokens", max(tokens.value - others, 0), tokens, reason=reason)
    if cached is not None:
        target.put(_CACHED, cached.value, cached)
    if written is not None:
        target.put(_WRITTEN, written.value, written)
    output = usage.get("completion_tokens", int)
    if output is not None:
        target.put("output_tokens", output.value, output)
    thinking = usage.get("thinking_tokens", int)
    if thinking is not None:
        details = target.child("output_tokens_details")
        details.put("thinking_tokens", thinking.value, thinking)
    total = usage.get("total_tokens", int)
    counts = [each.value for each in (tokens, output) if each is not None]
    if total is not None and len(counts) == 2 and total.value == sum(counts):
        total.use(Outcome.CONVERTED, target.path, reason="the sum of the others")
