"""OpenAI Responses, as OpenAI, Azure and compatible servers write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crucible_ir.interchange.chat.records import Chat, read_record
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.openai_responses.completions import export_completion, read_response
from crucible_ir.interchange.openai_responses.parts import FORMAT_NAME
from crucible_ir.interchange.openai_responses.prompts import export_prompt, read_request
from crucible_ir.interchange.openai_responses.streams import assemble

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.importing import Import

#: The keys of which a request has one; an input may be left out where something else goes on.
_STARTS = ("input", "previous_response_id", "conversation", "prompt", "instructions")


def _is_request(value: dict[str, Any]) -> bool:
    return "output" not in value and any(value.get(key) is not None for key in _STARTS)


def _is_response(value: dict[str, Any]) -> bool:
    return isinstance(value.get("output"), list) and not value.get("error")


_CHAT = Chat(
    is_request=_is_request,
    is_response=_is_response,
    read_request=read_request,
    read_response=read_response,
    expected='a request with "input" or a response with "output"',
)


def _import_record(conversion: Import) -> None:
    read_record(conversion, _CHAT)


FORMAT = Format(
    FORMAT_NAME,
    "OpenAI Responses",
    "Requests, responses, pairs of both, lines of the Batch API, and streams, as OpenAI, Azure and "
    "compatible servers write them.",
    _import_record,
    {"Prompt": export_prompt, "Completion": export_completion},
    assemble=assemble,
)
import_ = FORMAT.import_
export = FORMAT.export
