"""OpenAI Chat Completions, as OpenAI, Azure and compatible servers write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crucible_ir.interchange.chat.records import Chat, read_record
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.openai.completions import export_completion, read_response
from crucible_ir.interchange.openai.prompts import export_prompt, read_request
from crucible_ir.interchange.openai.streams import assemble

if TYPE_CHECKING:
    from typing import Any

    from crucible_ir.interchange.mapping.importing import Import


def _is_request(value: dict[str, Any]) -> bool:
    return isinstance(value.get("messages"), list)


def _is_response(value: dict[str, Any]) -> bool:
    return isinstance(value.get("choices"), list) and not value.get("error")


_CHAT = Chat(
    is_request=_is_request,
    is_response=_is_response,
    read_request=read_request,
    read_response=read_response,
    expected='a request with "messages" or a response with "choices"',
)


def _import_record(conversion: Import) -> None:
    read_record(conversion, _CHAT)


FORMAT = Format(
    "openai",
    "OpenAI Chat Completions",
    "Requests, responses, pairs of both, lines of the Batch API, and streams, as OpenAI, Azure and "
    "compatible servers write them.",
    _import_record,
    {"Prompt": export_prompt, "Completion": export_completion},
    assemble=assemble,
)
import_ = FORMAT.import_
export = FORMAT.export
