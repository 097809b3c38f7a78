"""The responses of Responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from crucible_ir.interchange.chat.parts import use_mark
from crucible_ir.interchange.chat.records import body_target, fill_usage
from crucible_ir.interchange.mapping.converters import UNIX_SECONDS, Rule, read_rules, write_rules
from crucible_ir.interchange.openai_responses.items import read_turn
from crucible_ir.interchange.openai_responses.writing import Writer

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.exporting import Export
    from crucible_ir.interchange.mapping.importing import Import
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

_OBJECT: Final = "response"

_RULES: Final = (
    Rule("id", "response_id", types=(str,)),
    Rule("model", types=(str,)),
    Rule("created_at", converter=UNIX_SECONDS, types=(int, float)),
)
_USAGE_RULES: Final = (
    Rule("input_tokens", "prompt_tokens", types=(int,)),
    Rule("output_tokens", "completion_tokens", types=(int,)),
    Rule("total_tokens", types=(int,)),
)
_INPUT_DETAILS: Final = (
    Rule("cached_tokens", types=(int,)),
    Rule("cache_write_tokens", types=(int,)),
)
_OUTPUT_DETAILS: Final = (Rule("reasoning_tokens", "thinking_tokens", types=(int,)),)

#: The status that stands for each reason, with the reason of an incomplete answer.
_STATUSES: Final = {
    "stop": ("completed", ""),
    "tool_calls": ("completed", ""),
    "refusal": ("completed", ""),
    "length": ("incomplete", "max_output_tokens"),
    "content_filter": ("incomplete", "content_filter"),
    "pause": ("incomplete", ""),
    "error": ("failed", ""),
}
_REQUIRED: Final = "the service always gives it"
_STATUS: Final = "the status of the answer"


def read_response(conversion: Import, source: Source, completion: Target) -> None:
    """Import the body of a response."""
    object_ = source.get("object", str)
    if object_ is not None and object_.value == _OBJECT:
        object_.implied_by(completion)
    read_rules(conversion, source, completion, _RULES)
    # The export fills in nothing that the answer did not have.
    completion.mark()
    items = source.items("output")
    choice = completion.append("choices") if items else None
    if choice is not None:
        read_turn(conversion, items, choice.child("message"), 0, is_output=True)
    _read_status(conversion, source, completion, choice)
    usage = source.get("usage", dict)
    if usage is not None:
        _read_usage(conversion, usage, completion.child("usage"))


def _read_status(
    conversion: Import, source: Source, completion: Target, choice: Target | None
) -> None:
    status = source.get("status", str)
    details = source.get("incomplete_details", dict)
    why = details.get("reason", str) if details is not None else None
    has_calls = choice is not None and choice.child("message").has("tool_calls")
    reason = _reason(status, why, has_calls=has_calls)
    if status is None or reason is None:
        return
    choice = choice or completion.append("choices")
    sources = [status] if why is None else [status, why]
    choice.put("finish_reason", reason, *sources, reason=_STATUS)
    if (status.value, why.value if why is not None else "") != _STATUSES[reason]:
        for each in sources:
            conversion.keep_original(each, _STATUS)


def _reason(status: Source | None, why: Source | None, *, has_calls: bool) -> str | None:
    """Return the reason of a status; ``None`` if the answer is not done or cancelled."""
    if status is None:
        return None
    if status.value == "completed":
        return "tool_calls" if has_calls else "stop"
    if status.value == "failed":
        return "error"
    if status.value == "incomplete" and why is not None:
        return {
            "max_output_tokens": "length",
            "max_tokens": "length",
            "content_filter": "content_filter",
        }.get(why.value)
    return None


def _read_usage(conversion: Import, source: Source, usage: Target) -> None:
    read_rules(conversion, source, usage, _USAGE_RULES)
    for key, rules in (
        ("input_tokens_details", _INPUT_DETAILS),
        ("output_tokens_details", _OUTPUT_DETAILS),
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
    target.value.setdefault("output", [])
    # The service gives one answer; other choices are left out.
    for choice in source.items("choices")[:1]:
        message = choice.get("message", dict)
        if message is not None:
            Writer(lambda: target.append("output"), is_output=True, fresh=fresh).write(message)
        _write_status(choice, target, rest)
        index = choice.get("index", int)
        if index is not None and index.value == 0:
            index.implied_by(target)
    usage = source.get("usage", dict)
    if usage is not None:
        _write_usage(usage, target.child("usage"), fresh=fresh)
        if fresh:
            fill_usage(target.child("usage"), _USAGE_RULES)
    if fresh:
        _fill(target)
    target.restore(rest)
    use_mark(rest)


def _write_status(choice: Source, target: Target, rest: Source | None) -> None:
    reason = choice.get("finish_reason", str)
    if reason is None:
        return
    status, why = _STATUSES[reason.value]
    if _keeps_status(rest, reason.value):
        reason.implied_by((*target.path, "status"))
        return
    stale = rest.get("status", str) if rest is not None else None
    if stale is not None:
        stale.drop("the field has changed since")
    target.put("status", status, reason, reason=_STATUS)
    if why:
        target.child("incomplete_details").value["reason"] = why


def _keeps_status(rest: Source | None, reason: str) -> bool:
    """Return whether an import kept the status that stands for a reason."""
    status = rest.get("status", str) if rest is not None else None
    details = rest.get("incomplete_details", dict) if rest is not None else None
    why = details.get("reason", str) if details is not None else None
    found: Any = _reason(status, why, has_calls=reason == "tool_calls")
    return bool(found == reason)


def _write_usage(source: Source, target: Target, *, fresh: bool) -> None:
    write_rules(source, target, _USAGE_RULES)
    for key, rules in (
        ("input_tokens_details", _INPUT_DETAILS),
        ("output_tokens_details", _OUTPUT_DETAILS),
    ):
        details = target.child(key)
        write_rules(source, details, rules)
        for rule in rules if fresh else ():
            if not details.has(rule.theirs):
                details.default(rule.theirs, 0, _REQUIRED)


def _fill(target: Target) -> None:
    """Fill in what the service always gives."""
    filled = {
        "id": "",
        "created_at": 0,
        "model": "",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    for key, value in filled.items():
        if not target.has(key):
            target.default(key, value, _REQUIRED)
