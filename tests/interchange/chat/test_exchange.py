"""What was imported from one chat service is exported for another one, with every loss reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from interchange.law import check_complete

from crucible_ir import v1
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.format import FORMATS, format_named
from crucible_ir.interchange.mapping.reading import read_records

_DOCUMENTS = Path(__file__).parents[1] / "documents"

_SERVICES = ("openai", "openai-responses", "anthropic", "gemini")
_NAMES = [name for name in _SERVICES if name in FORMATS]


def _imported() -> Iterator[Any]:
    """Yield the documents of each service, each as a test case."""
    for name in _NAMES:
        format_ = format_named(name)
        for path in sorted((_DOCUMENTS / name).iterdir()):
            for record in read_records(str(path), assemble=format_.assemble):
                for message in format_.import_(record.value).documents:
                    kind = type(message).__name__
                    yield pytest.param(name, message, id=f"{name}-{path.stem}-{kind}")


def _messages(document: v1.Prompt | v1.Completion) -> list[v1.Message]:
    if isinstance(document, v1.Prompt):
        return list(document.messages)
    return [choice.message for choice in document.choices[:1]]


def _texts(document: v1.Prompt | v1.Completion) -> str:
    """Return the texts of a document, without those of reasoning and of results."""
    found = [document.system] if isinstance(document, v1.Prompt) else []
    for message in _messages(document):
        if message.role == v1.MessageRole.MESSAGE_ROLE_TOOL:
            continue
        found += [message.text, *(part.text for part in message.parts.parts), message.refusal]
    return "".join("".join(found).split())


def _calls(document: v1.Prompt | v1.Completion) -> list[tuple[str, Any]]:
    """Return the names and arguments of the calls of functions, in order."""
    calls = [call for message in _messages(document) for call in message.tool_calls]
    return [(call.name, json_values(call).get("map", call.raw)) for call in calls]


@pytest.mark.parametrize("target", _NAMES)
@pytest.mark.parametrize(("name", "document"), list(_imported()))
def test_texts_and_calls_survive_the_way_to_another_service(
    name: str, target: str, document: v1.Prompt | v1.Completion
) -> None:
    exported = format_named(target).export(document)
    assert not exported.report.errors
    check_complete(json_values(document), exported.report)
    json.dumps(exported.obj)

    again = format_named(target).import_(exported.obj)
    assert not again.report.errors
    assert not again.report.counts["dropped"]
    [found] = again.documents
    assert isinstance(found, (v1.Prompt, v1.Completion))
    assert _texts(found) == _texts(document)
    assert [each[0] for each in _calls(found)] == [each[0] for each in _calls(document)]
    for (_, before), (_, after) in zip(_calls(document), _calls(found), strict=True):
        if isinstance(before, dict) and before:
            assert after == before
