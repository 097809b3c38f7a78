"""The law of interchange for Responses."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from interchange.law import check_complete, check_law
from interchange.openai.shapes import batch_requests, batch_responses
from interchange.openai_responses import response_shapes as shapes
from message_strategies import messages

from crucible_ir import v1
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.openai_responses import FORMAT


@given(shapes.requests)
def test_any_request(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(shapes.responses)
def test_any_response(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(shapes.requests, shapes.responses)
def test_any_pair(request: dict[str, Any], response: dict[str, Any]) -> None:
    check_law(
        FORMAT,
        {"request": request, "response": response},
        rejoin=lambda objects: {"request": objects[0], "response": objects[1]},
    )


@given(batch_requests(shapes.requests) | batch_responses(shapes.responses))
def test_any_line_of_a_batch(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(messages(v1.Prompt, depth=5) | messages(v1.Completion, depth=5))
def test_any_message_can_be_exported(message: v1.Prompt | v1.Completion) -> None:
    exported = FORMAT.export(message)
    assert not exported.report.errors
    check_complete(json_values(message), exported.report)
    imported = FORMAT.import_(exported.obj)
    assert not imported.report.errors
    check_complete(exported.obj, imported.report)
