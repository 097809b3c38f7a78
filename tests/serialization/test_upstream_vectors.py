"""Crucible JSON gives the same verdicts and encodings as the Elixir package.

`upstream_cases.jsonl` has documents with the verdict and the encoding of the Elixir package, and
`upstream_examples.jsonl` its published examples. The intended differences are listed here, with the
cases that they apply to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from json_values import same_json

import crucible_ir as ir
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.types import descriptor_of, document_members

VECTORS = Path(__file__).parents[1] / "vectors"


@dataclass(frozen=True)
class Case:
    """A document, with the verdict and the encoding of the Elixir package."""

    line: int
    type: str
    input: dict[str, Any]
    valid: bool
    errors: tuple[str, ...]
    output: dict[str, Any] | None

    @property
    def descriptor(self) -> Descriptor:
        return descriptor_of(ir.MESSAGE_TYPES[self.type])

    def __str__(self) -> str:
        return f"{self.line}-{self.type}"


def lines_of(name: str) -> list[Any]:
    text = (VECTORS / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


CASES = [
    Case(number, line["type"], line["input"], line["valid"], tuple(line["errors"]), line["output"])
    for number, line in enumerate(lines_of("upstream_cases.jsonl"), 1)
]
EXAMPLES = [(line["type"], line["document"]) for line in lines_of("upstream_examples.jsonl")]


def closed_vocabularies(descriptor: Descriptor) -> Iterator[str]:
    for name, field in fields_of(descriptor).items():
        if field.enum is not None and field.custom is None:
            yield name


def null_in_a_closed_vocabulary(case: Case, error: str) -> bool:
    """The Elixir package requires a name if the key is present; here, null is unset."""
    field, _, message = error.partition(" ")
    return (
        message.startswith("must be one of")
        and field in closed_vocabularies(case.descriptor)
        and case.input.get(field, field) is None
    )


#: The reasons for errors that only the Elixir package reports, with a function that matches them.
#: There are no errors that only this package reports.
INTENDED_DIFFERENCES: dict[str, Callable[[Case, str], bool]] = {
    "null in a closed vocabulary is unset": null_in_a_closed_vocabulary,
}


def reasons_to_differ(case: Case, error: str) -> list[str]:
    return [reason for reason, applies in INTENDED_DIFFERENCES.items() if applies(case, error)]


def shared_errors(case: Case) -> list[str]:
    return [error for error in case.errors if not reasons_to_differ(case, error)]


def read(case: Case) -> Message:
    return ir.from_crucible_json(json.dumps(case.input), case.type, validate=False)


def test_the_vectors_are_complete() -> None:
    assert len(CASES) == 600
    assert {case.type for case in CASES} == set(document_members())
    assert len(EXAMPLES) == 26


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gives_the_recorded_verdict(case: Case) -> None:
    try:
        valid = ir.is_valid(read(case))
    except ir.DecodeError:
        valid = False
    assert case.valid is not bool(case.errors)
    assert valid is not bool(shared_errors(case)), case.errors


@pytest.mark.parametrize("case", [case for case in CASES if shared_errors(case)], ids=str)
def test_reports_errors_of_the_same_fields_as_the_elixir_package(case: Case) -> None:
    theirs = {error.split()[0] for error in shared_errors(case)}
    with pytest.raises((ir.DecodeError, ir.ValidationError)) as caught:
        ir.from_crucible_json(json.dumps(case.input), case.type)
    error = caught.value
    if isinstance(error, ir.ValidationError):
        assert theirs <= {field_of(violation) for violation in error.violations}
    else:
        assert isinstance(error, ir.DecodeError)
        # Crucible JSON does not validate a document with decode errors.
        assert error.path in theirs


def field_of(violation: ir.Violation) -> str:
    """Return the field of a violation; the rule of a message has it in its id."""
    return violation.path or violation.rule_id.rpartition(".")[2].removesuffix("_required")


def test_every_reason_to_differ_has_cases() -> None:
    used = {
        reason
        for case in CASES
        for error in case.errors
        for reason in reasons_to_differ(case, error)
    }
    assert used == set(INTENDED_DIFFERENCES)


@pytest.mark.parametrize("case", [case for case in CASES if case.valid], ids=str)
def test_gives_the_recorded_encoding(case: Case) -> None:
    output = json.loads(ir.to_crucible_json(read(case)))
    assert case.output is not None
    # Fields that the schema has gained since are null.
    assert output.keys() >= case.output.keys()
    assert same_json(comparable(output, case.descriptor), comparable(case.output, case.descriptor))


def comparable(value: object, descriptor: Descriptor) -> object:
    """Return a document without null and empty values, and with sorted lists of open vocabularies.

    The values of opaque maps are not changed.
    """
    if isinstance(value, list):
        return [comparable(item, descriptor) for item in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, object] = {}
    for key, item in value.items():
        field = fields_of(descriptor).get(key)
        if item in (None, [], {}):
            continue
        if field is not None and field.is_list and field.custom is not None:
            result[key] = sorted(item)
        elif field is not None and field.message is not None and not is_foreign(field.message):
            result[key] = comparable(item, field.message)
        else:
            result[key] = item
    return result


def is_foreign(message: Descriptor) -> bool:
    return message.file.package != "crucible_ir.v1"


@pytest.mark.parametrize(
    ("type_", "document"),
    EXAMPLES,
    ids=[f"{n}-{type_}" for n, (type_, _) in enumerate(EXAMPLES, 1)],
)
def test_published_examples_survive_every_format(type_: str, document: dict[str, Any]) -> None:
    read = ir.from_crucible_json(json.dumps(document), type_)
    message = ir.from_binary(ir.to_binary(read), type_)
    message = ir.from_json(ir.to_json(message), type_)
    message = ir.from_yaml(ir.to_yaml(message), type_)
    message = ir.from_text(ir.to_text(message), type_)
    message = ir.from_binary(ir.to_binary(message), type_)
    assert message == read
    written = json.loads(ir.to_crucible_json(message))
    descriptor = descriptor_of(ir.MESSAGE_TYPES[type_])
    assert written.keys() >= document.keys()
    assert same_json(comparable(written, descriptor), comparable(document, descriptor))
