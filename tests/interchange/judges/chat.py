"""Judges of chat documents: the types of the SDKs.

They are stricter than the SDKs themselves: an unknown key is an error, JSON types are not
converted, and lists are checked at once. They judge what is exported. Real answers of the providers
often have keys that their SDKs do not know, and lack keys that the SDKs demand.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Required

from interchange.judges.documents import as_text
from pydantic import TypeAdapter
from pydantic_core import SchemaValidator


def openai_request(body: object) -> None:
    """Check the body of a request to Chat Completions."""
    from openai.types.chat.completion_create_params import CompletionCreateParams

    _check(CompletionCreateParams, body)


def openai_response(body: object) -> None:
    """Check an answer of Chat Completions."""
    from openai.types.chat import ChatCompletion

    _check(ChatCompletion, body)


def openai_responses_request(body: object) -> None:
    """Check the body of a request to Responses."""
    from openai.types.responses.response_create_params import ResponseCreateParams

    _check(ResponseCreateParams, body)


def openai_responses_response(body: object) -> None:
    """Check an answer of Responses."""
    from openai.types.responses import Response

    _check(Response, body)


def anthropic_request(body: object, beta: bool = False) -> None:
    """Check the body of a request to Messages, with `beta` that of its beta version."""
    from anthropic.types import beta as beta_types
    from anthropic.types import message_create_params

    if beta:
        _check(beta_types.message_create_params.MessageCreateParams, body)
    else:
        _check(message_create_params.MessageCreateParams, body)


def anthropic_response(body: object, beta: bool = False) -> None:
    """Check an answer of Messages, with `beta` that of its beta version."""
    from anthropic.types import Message
    from anthropic.types.beta import BetaMessage

    _check(BetaMessage if beta else Message, body)


def gemini_request(body: object) -> None:
    """Check the body of a request to generateContent.

    The SDK has no type for the body, but one for every key of it.
    """
    _check(_gemini_request(), body)


def gemini_response(body: object) -> None:
    """Check an answer of generateContent."""
    from google.genai.types import GenerateContentResponse

    _check(GenerateContentResponse, body)


def otel_input_messages(text: str) -> None:
    """Check the text of the attribute `gen_ai.input.messages` of OpenTelemetry."""
    from opentelemetry.util.genai.types import InputMessage

    _check(list[InputMessage], text)


def otel_output_messages(text: str) -> None:
    """Check the text of the attribute `gen_ai.output.messages` of OpenTelemetry."""
    from opentelemetry.util.genai.types import OutputMessage

    _check(list[OutputMessage], text)


def otel_system_instructions(text: str) -> None:
    """Check the text of the attribute `gen_ai.system_instructions` of OpenTelemetry."""
    from opentelemetry.util.genai.types import SystemInstructionPart

    _check(list[SystemInstructionPart], text)


def otel_tool_definitions(text: str) -> None:
    """Check the text of the attribute `gen_ai.tool.definitions` of OpenTelemetry."""
    from opentelemetry.util.genai.types import ToolDefinition

    _check(list[ToolDefinition], text)


@cache
def _gemini_request() -> Any:
    from google.genai import types
    from typing_extensions import TypedDict

    # The types exist in one environment only, so they cannot be annotations of a class.
    make: Any = TypedDict
    return make(
        "GenerateContentRequest",
        {
            # The URL names the model, except in batches; the request of the API has it, too.
            "model": str,
            "contents": Required[list[types.Content]],
            "systemInstruction": types.Content,
            "tools": list[types.Tool],
            "toolConfig": types.ToolConfig,
            "safetySettings": list[types.SafetySetting],
            "generationConfig": types.GenerationConfig,
            "cachedContent": str,
            "labels": dict[str, str],
        },
        total=False,
    )


def _check(kind: Any, body: object) -> None:
    """Raise pydantic's ValidationError if the body, as JSON, is not of a type."""
    _validator(kind).validate_json(as_text(body), by_alias=True, by_name=False)


@cache
def _validator(kind: Any) -> SchemaValidator:
    adapter = TypeAdapter(kind)
    # The models of OpenAI are built only when they are used.
    adapter.rebuild(force=True)
    return SchemaValidator(_strict(adapter.core_schema))


def _strict(schema: Any) -> Any:
    """Copy a schema of pydantic so that unknown keys are errors and lists are checked at once."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if isinstance(schema, tuple):
        return tuple(_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return schema
    copied = {key: _strict(value) for key, value in schema.items()}
    match copied.get("type"):
        case "typed-dict" | "model-fields" | "dataclass-args":
            copied["extra_behavior"] = "forbid"
            copied.pop("extras_schema", None)
        case "generator":
            # pydantic checks the items of an Iterable only when somebody takes them.
            copied["type"] = "list"
        case "bool" | "float" | "int" | "str":
            # Not all: Google's types check some values as Python's, where a text is no time.
            copied["strict"] = True
    return copied
