"""Lints of generation options and answers."""

from __future__ import annotations

from collections.abc import Iterator

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import lint_for


@lint_for(
    v1.GenerationOptions,
    "generation_options.unused_json_schema",
    Severity.INFO,
    "A JSON Schema is set, but the response format does not use it.",
    bad={"response_format": "RESPONSE_FORMAT_TEXT", "json_schema": {"type": "object"}},
    good={"response_format": "RESPONSE_FORMAT_JSON_SCHEMA", "json_schema": {"type": "object"}},
)
def unused_json_schema(options: v1.GenerationOptions) -> Iterator[Problem]:
    """Report ``json_schema`` with a ``response_format`` other than json_schema."""
    used = v1.ResponseFormat.RESPONSE_FORMAT_JSON_SCHEMA
    if options.json_schema.fields and options.response_format != used:
        yield Problem(
            ("json_schema",),
            "the response format does not use this schema",
            "set response_format to json_schema, or remove the schema",
        )


@lint_for(
    v1.GenerationOptions,
    "generation_options.unused_thinking_budget",
    Severity.INFO,
    "A thinking budget is set, but extended thinking is disabled.",
    bad={"extended_thinking": False, "thinking_budget_tokens": 2048},
    good={"extended_thinking": True, "thinking_budget_tokens": 2048},
)
def unused_thinking_budget(options: v1.GenerationOptions) -> Iterator[Problem]:
    """Report ``thinking_budget_tokens`` while ``extended_thinking`` is set to false."""
    off = options.HasField("extended_thinking") and not options.extended_thinking
    if off and options.thinking_budget_tokens > 0:
        yield Problem(
            ("thinking_budget_tokens",),
            "a thinking budget is set, but extended thinking is disabled",
            "set extended_thinking to true, or remove the budget",
        )


@lint_for(
    v1.Choice,
    "choice.reasoning_twice",
    Severity.WARNING,
    "A choice has its reasoning in `thinking` and in parts of its message: readers count it twice.",
    bad={
        "message": {
            "role": "MESSAGE_ROLE_ASSISTANT",
            "parts": {"parts": [{"reasoning": {"text": "It purrs."}}, {"text": "Yes."}]},
        },
        "thinking": {"content": "It purrs."},
    },
    good={
        "message": {
            "role": "MESSAGE_ROLE_ASSISTANT",
            "parts": {"parts": [{"reasoning": {"text": "It purrs."}}, {"text": "Yes."}]},
        },
    },
)
def reasoning_twice(choice: v1.Choice) -> Iterator[Problem]:
    """Report ``thinking`` beside parts of the kind ``reasoning``."""
    parts = choice.message.parts.parts
    if choice.HasField("thinking") and any(part.HasField("reasoning") for part in parts):
        yield Problem(
            ("thinking",),
            "the message has reasoning parts as well",
            "keep the reasoning parts, and remove thinking",
        )
