"""Lints of what is asked of a backend."""

from __future__ import annotations

from collections.abc import Iterator

from crucible_ir import v1
from crucible_ir.linting.advice import Finding, Severity
from crucible_ir.linting.table import lint_for


@lint_for(
    v1.GenerationOptions,
    "generation_options.unused_json_schema",
    Severity.INFO,
    "A JSON Schema is given for an answer that is not asked to follow it.",
    bad={"response_format": "RESPONSE_FORMAT_TEXT", "json_schema": {"type": "object"}},
    good={"response_format": "RESPONSE_FORMAT_JSON_SCHEMA", "json_schema": {"type": "object"}},
)
def unused_json_schema(options: v1.GenerationOptions) -> Iterator[Finding]:
    """Report ``json_schema`` beside a ``response_format`` other than json_schema."""
    used = v1.ResponseFormat.RESPONSE_FORMAT_JSON_SCHEMA
    if options.json_schema.fields and options.response_format != used:
        yield Finding(
            ("json_schema",),
            "the answer is not asked to follow this schema",
            "set response_format to json_schema, or drop the schema",
        )


@lint_for(
    v1.GenerationOptions,
    "generation_options.unused_thinking_budget",
    Severity.INFO,
    "Tokens are set aside for thinking that is switched off.",
    bad={"extended_thinking": False, "thinking_budget_tokens": 2048},
    good={"extended_thinking": True, "thinking_budget_tokens": 2048},
)
def unused_thinking_budget(options: v1.GenerationOptions) -> Iterator[Finding]:
    """Report ``thinking_budget_tokens`` while ``extended_thinking`` is set to false."""
    off = options.HasField("extended_thinking") and not options.extended_thinking
    if off and options.thinking_budget_tokens > 0:
        yield Finding(
            ("thinking_budget_tokens",),
            "there is a budget for thinking, which is off",
            "set extended_thinking to true, or drop the budget",
        )
