"""Names of the semantic conventions for generative AI: the pinned version, and older names."""

from __future__ import annotations

from typing import Final

#: The version of the conventions that export writes.
PINNED_VERSION: Final = "1.42.0"

#: The schema URL of that version.
SCHEMA_URL: Final = f"https://opentelemetry.io/schemas/gen-ai/{PINNED_VERSION}"

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
INPUT: Final = "gen_ai.input.messages"
OUTPUT: Final = "gen_ai.output.messages"
INSTRUCTIONS: Final = "gen_ai.system_instructions"
TOOLS: Final = "gen_ai.tool.definitions"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
ERROR_TYPE: Final = "error.type"

#: The attributes of older conventions whose value is the content of a message.
OLD_INPUT: Final = "gen_ai.prompt"
OLD_OUTPUT: Final = "gen_ai.completion"
OLD_BODY: Final = "gen_ai.event.content"

#: The events that have the attributes of a span, or the evaluation of an answer.
DETAILS: Final = "gen_ai.client.inference.operation.details"
EVALUATION: Final = "gen_ai.evaluation.result"

#: The events of 1.36 and before: each is a message, an answer, or all messages as JSON text.
CHOICE: Final = "gen_ai.choice"
CONTENT_INPUT: Final = "gen_ai.content.prompt"
CONTENT_OUTPUT: Final = "gen_ai.content.completion"
MESSAGE_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}

#: The events that belong to the span whose ids they have.
SPAN_EVENTS: Final = frozenset([*MESSAGE_ROLES, CHOICE, CONTENT_INPUT, CONTENT_OUTPUT, DETAILS])

#: The attributes whose value is JSON, as text where structured values are not supported.
STRUCTURED: Final = frozenset([INPUT, OUTPUT, INSTRUCTIONS, TOOLS, OLD_INPUT, OLD_OUTPUT, OLD_BODY])

#: The attributes that are doubles, whatever their value.
DOUBLES: Final = frozenset(
    [
        "gen_ai.request.temperature",
        "gen_ai.request.top_p",
        "gen_ai.request.top_k",
        "gen_ai.request.frequency_penalty",
        "gen_ai.request.presence_penalty",
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.evaluation.score.value",
    ]
)

#: The pinned name of each attribute that had another one.
RENAMED: Final = {
    "gen_ai.system": PROVIDER,
    "gen_ai.usage.prompt_tokens": "gen_ai.usage.input_tokens",
    "gen_ai.usage.completion_tokens": "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_creation.input_tokens": "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.openai.request.seed": "gen_ai.request.seed",
}

#: The pinned name of each provider that had another one.
PROVIDERS: Final = {
    "az.ai.inference": "azure.ai.inference",
    "az.ai.openai": "azure.ai.openai",
    "gemini": "gcp.gemini",
    "vertex_ai": "gcp.vertex_ai",
    "xai": "x_ai",
}

#: The attribute of older events with their name.
OLD_EVENT_NAME: Final = "event.name"

#: The attributes of an evaluation that are its value.
SCORE_VALUE: Final = "gen_ai.evaluation.score.value"
SCORE_LABEL: Final = "gen_ai.evaluation.score.label"
EVALUATION_NAME: Final = "gen_ai.evaluation.name"

#: The attribute that identifies a log record.
RECORD_ID: Final = "log.record.uid"

#: The operations of spans that are an answer of a model to a prompt.
INFERENCE: Final = frozenset(["chat", "generate_content", "text_completion"])

#: The operation of a span that does not say.
USUAL_OPERATION: Final = "chat"

#: The operations of spans that are none.
OTHER_OPERATIONS: Final = frozenset(
    [
        *("create_agent", "embeddings", "execute_tool", "invoke_agent", "invoke_workflow"),
        *("plan", "retrieval", "create_memory", "create_memory_store", "delete_memory"),
        *("delete_memory_store", "search_memory", "update_memory", "upsert_memory"),
    ]
)
