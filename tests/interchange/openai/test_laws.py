"""The law of interchange for Chat Completions."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_complete, check_law
from interchange.openai import shapes
from interchange.strategies import any_json
from message_strategies import messages

from crucible_ir import v1
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.openai import FORMAT


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


@given(shapes.batch_requests(shapes.requests) | shapes.batch_responses(shapes.responses))
def test_any_line_of_a_batch(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(messages(v1.Prompt, depth=5) | messages(v1.Completion, depth=5))
def test_any_message_can_be_exported(message: v1.Prompt | v1.Completion) -> None:
    exported = FORMAT.export(message)
    assert not exported.report.errors
    check_complete(json_values(message), exported.report)
    imported = FORMAT.import_(exported.obj)
    check_complete(exported.obj, imported.report)


@given(st.lists(any_json | shapes.requests | shapes.responses, max_size=3))
def test_any_records(records: list[Any]) -> None:
    check_complete_of_accepted(records)


def check_complete_of_accepted(records: list[Any]) -> None:
    """Check that each value of the records without an error matches one entry."""
    imported = FORMAT.import_(records)
    failed = {error.path.partition("]")[0].removeprefix("[") for error in imported.report.errors}
    accepted = [record for at, record in enumerate(records) if str(at) not in failed]
    check_complete(accepted, FORMAT.import_(accepted).report)
