"""The SDKs' types accept what is exported for Anthropic and Gemini, from any chat format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from interchange.judges import chat

from crucible_ir.interchange import anthropic, gemini
from crucible_ir.interchange.mapping.format import format_named
from crucible_ir.interchange.mapping.reading import read_records

_DOCUMENTS = Path(__file__).parents[1] / "documents"


def _anthropic_request(body: object) -> None:
    chat.anthropic_request(body, beta=True)


def _anthropic_response(body: object) -> None:
    chat.anthropic_response(body, beta=True)


#: Keys of older models, and of an older version, which the SDK's types have no longer.
_OLDER = ("temperature", "top_p", "top_k", "output_format")

#: Documents that are no request or answer of the types: the answer of the counting of tokens, and
#: one with values that the service rejects.
_ODD = ("count_tokens.json", "request_older.json")

_JUDGES: dict[tuple[str, str], Callable[[object], None]] = {
    ("anthropic", "Prompt"): _anthropic_request,
    ("anthropic", "Completion"): _anthropic_response,
    ("gemini", "Prompt"): chat.gemini_request,
    ("gemini", "Completion"): chat.gemini_response,
}
_FORMATS = {"anthropic": anthropic.FORMAT, "gemini": gemini.FORMAT}


def _imported(name: str) -> Iterator[Any]:
    """Yield the documents of a format, each as a test case."""
    format_ = format_named(name)
    for path in sorted((_DOCUMENTS / name).iterdir()):
        for record in read_records(str(path), assemble=format_.assemble):
            if path.name in _ODD:
                continue
            for number, message in enumerate(format_.import_(record.value).documents):
                yield pytest.param(message, id=f"{name}-{path.name}-{record.number}-{number}")


def _body(obj: Any) -> Any:
    """Return the request or answer in a line of a batch."""
    for key in ("params", "result", "message", "request", "response"):
        if isinstance(obj.get(key), dict):
            obj = obj[key]
    return obj


@pytest.mark.parametrize("name", list(_FORMATS))
@pytest.mark.parametrize(
    "message", [*_imported("openai"), *_imported("anthropic"), *_imported("gemini")]
)
def test_what_is_exported_is_of_the_sdks_types(name: str, message: Message) -> None:
    body = _body(_FORMATS[name].export(message).obj)
    if name == "anthropic":
        body = {key: value for key, value in body.items() if key not in _OLDER}
    _JUDGES[name, type(message).__name__](body)
