"""The responses of Chat Completions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from crucible_ir.interchange.chat.parts import use_mark
from crucible_ir.interchange.chat.records import body_target, fill_usage
from crucible_ir.interchange.mapping.converters import (
    UNIX_SECONDS,
    Converter,
    NoConversionError,
    Rule,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.openai.messages import read_message, write_body
from crucible_ir.schema.fields import fields_of
from crucible_ir.v1 import completion_pb2

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.exporting import Export
    from crucible_ir.interchange.mapping.importing import Import
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

_OBJECT: Final = "chat.completion"

_RULES: Final = (
    Rule("id", "response_id", types=(str,)),
    Rule("model", types=(str,)),
    Rule(
        "created",
        "created_at",
        Converter(
            UNIX_SECONDS.read,
            lambda value: math.floor(UNIX_SECONDS.write(value)),
            "whole seconds since 1970",
        ),
        types=(int, float),
    ),
)
_USAGE_RULES: Final = (
    Rule("prompt_tokens", types=(int,)),
    Rule("completion_tokens", types=(int,)),
    Rule("total_tokens", types=(int,)),
)
_PROMPT_DETAILS: Final = (
    Rule("cached_tokens", types=(int,)),
    Rule("cache_write_tokens", types=(int,)),
)
_COMPLETION_DETAILS: Final = (Rule("reasoning_tokens", "thinking_tokens", types=(int,)),)

_REASONS: Final = fields_of(completion_pb2.Choice.DESCRIPTOR)["finish_reason"].short_names

#: What stands for reasons that OpenAI does not have: the answer is complete, or it is not.
_WRITTEN_REASONS: Final = {"refusal": "stop", "pause": "length", "error": "length"}


def _read_reason(value: object) -> str:
    name = str(value)
    if name == "function_call":
        return "tool_calls"
    if name not in _REASONS:
        raise NoConversionError("the schema has other reasons")
    return name


_REASON = Converter(
    _read_reason, lambda value: _WRITTEN_REASONS.get(value, value), "names of reasons differ"
)
_CHOICE_RULES: Final = (
    Rule("index", types=(int,)),
    Rule("finish_reason", converter=_REASON, types=(str,)),
)


def read_response(conversion: Import, source: Source, completion: Target) -> None:
    """Import the body of a response."""
    object_ = source.get("object", str)
    if object_ is not None and object_.value == _OBJECT:
        object_.implied_by(completion)
    read_rules(conversion, source, completion, _RULES)
    # The export fills in nothing that the answer did not have.
    completion.mark()
    for number, item in enumerate(source.items("choices")):
        if not isinstance(item.value, dict):
            raise item.fail("expected an object")
        _read_choice(conversion, item, completion.append("choices"), number)
    usage = source.get("usage", dict)
    if usage is not None:
        _read_usage(conversion, usage, completion.child("usage"))


def _read_choice(conversion: Import, source: Source, choice: Target, number: int) -> None:
    choice.keep_rest(source)
    read_rules(conversion, source, choice, _CHOICE_RULES)
    reason = source.get("finish_reason", str)
    if reason is not None and reason.value in _WRITTEN_REASONS:
        conversion.keep_original(reason, "")
    message = source.get("message", dict)
    if message is not None:
        read_message(conversion, message, choice.child("message"), number)


def _read_usage(conversion: Import, source: Source, usage: Target) -> None:
    read_rules(conversion, source, usage, _USAGE_RULES)
    for key, rules in (
        ("prompt_tokens_details", _PROMPT_DETAILS),
        ("completion_tokens_details", _COMPLETION_DETAILS),
    ):
        details = source.get(key, dict)
        if details is not None:
            read_rules(conversion, details, usage, rules)


def export_completion(conversion: Export) -> None:
    """Export a completion as a response, or as the line of a batch that it was in."""
    source = conversion.source
    rest = source.rest()
    fresh = rest is None
    target = body_target(conversion, "response", "body")
    write_rules(source, target, _RULES)
    if rest is None or "object" not in rest.value:
        target.value["object"] = _OBJECT
    if fresh:
        _fill(source, target)
    target.value.setdefault("choices", [])
    for number, item in enumerate(source.items("choices")):
        _write_choice(item, target.append("choices"), number, fresh=fresh)
    usage = source.get("usage", dict)
    if usage is not None:
        _write_usage(usage, target.child("usage"))
        if fresh:
            fill_usage(target.child("usage"), _USAGE_RULES)
    target.restore(rest)
    use_mark(rest)


def _fill(source: Source, target: Target) -> None:
    """Fill in what the service always gives."""
    for key, value in (("id", ""), ("created", 0), ("model", "")):
        if not target.has(key):
            target.default(key, value, "the service always gives it")


def _write_choice(source: Source, target: Target, number: int, *, fresh: bool) -> None:
    write_rules(source, target, _CHOICE_RULES)
    message = source.get("message", dict)
    body = target.child("message")
    if message is not None:
        write_body(message, body, fresh=fresh, is_answer=True)
    if fresh:
        if not body.has("role"):
            body.default("role", "assistant", "the service always gives it")
        if not target.has("index"):
            target.default("index", number, "its place in the list")
    target.restore(source.rest())


def _write_usage(source: Source, target: Target) -> None:
    write_rules(source, target, _USAGE_RULES)
    write_rules(source, target.child("prompt_tokens_details"), _PROMPT_DETAILS)
    write_rules(source, target.child("completion_tokens_details"), _COMPLETION_DETAILS)
