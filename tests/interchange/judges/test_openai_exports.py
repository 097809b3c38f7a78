"""The SDK's types accept what the formats of OpenAI export of the documents of other services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from interchange.judges import chat

from crucible_ir import v1
from crucible_ir.interchange.mapping.format import format_named
from crucible_ir.interchange.mapping.reading import read_records

DOCUMENTS = Path(__file__).parents[1] / "documents"
CHAT = ("openai", "openai-responses", "anthropic", "gemini")
JUDGES = {
    "openai": (chat.openai_request, chat.openai_response),
    "openai-responses": (chat.openai_responses_request, chat.openai_responses_response),
}


@pytest.mark.parametrize("to", JUDGES)
@pytest.mark.parametrize(
    "path",
    [path for name in CHAT for path in sorted((DOCUMENTS / name).iterdir())],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_the_sdk_accepts_documents_of_other_services(path: Path, to: str) -> None:
    if path.parent.name == to:
        return
    format_ = format_named(path.parent.name)
    [record] = read_records(str(path), assemble=format_.assemble)
    for document in format_.import_(record.value).documents:
        _complete(document)
        _judge(to, document)


def _complete(document: Any) -> None:
    """Set what the types demand and a source may lack."""
    if isinstance(document, v1.Prompt):
        document.options.model = document.options.model or "model-1"
        return
    for choice in document.choices:
        choice.finish_reason = choice.finish_reason or v1.FinishReason.FINISH_REASON_STOP


def _judge(to: str, document: Any) -> None:
    obj = format_named(to).export(document).obj
    request, response = JUDGES[to]
    judge = request if isinstance(document, v1.Prompt) else response
    judge(obj)


#: The documents that come back in the shape of OpenAI's own services.
OWN = (
    "openai/batch_request.json",
    "openai/batch_response.json",
    "openai/request_custom_tool.json",
    "openai/response.json",
    "openai-responses/batch_request.json",
    "openai-responses/request_text.json",
)


@pytest.mark.parametrize("name", OWN)
def test_the_sdk_accepts_documents_that_come_back(name: str) -> None:
    format_ = format_named(name.partition("/")[0])
    [record] = read_records(str(DOCUMENTS / name))
    [document] = format_.import_(record.value).documents
    obj = format_.export(document).obj
    if "custom_id" in obj:
        obj = obj["body"] if "body" in obj else obj["response"]["body"]
    request, response = JUDGES[format_.name]
    (request if isinstance(document, v1.Prompt) else response)(obj)
