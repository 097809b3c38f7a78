"""Crucible JSON gives the same verdicts and encodings as the Elixir package.

`upstream_cases.jsonl` and `upstream_documents.jsonl` have documents with the verdict and the
encoding of the Elixir package, and `upstream_examples.jsonl` its published examples. Everything is
compared exactly. A difference must be of a kind that the table of proto/README.md lists, with the
number of documents that differ in that way.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from json_values import same_json

import crucible_ir as ir
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.types import descriptor_of, document_members

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"

#: The keys and indexes from the root of a JSON document to a value.
JsonPath: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """A document, with the verdict and the encoding of the Elixir package.

    The verdict is ``valid``, ``invalid``, or another word if the package did not read the document.
    """

    name: str
    type: str
    text: str
    verdict: str
    errors: tuple[str, ...]
    output: Any

    @property
    def descriptor(self) -> Descriptor:
        return descriptor_of(ir.MESSAGE_TYPES[self.type])

    def value_at(self, path: JsonPath) -> object:
        """Return the value in the document; a missing key is ``MISSING``."""
        value: Any = json.loads(self.text)
        for step in path:
            try:
                value = value[step]
            except (LookupError, TypeError):
                return MISSING
        return value

    def __str__(self) -> str:
        return f"{self.name}-{self.type}"


#: Stands for the value of a key that an object does not have.
MISSING = "<missing>"


def lines_of(name: str) -> list[Any]:
    text = (VECTORS / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


CASES = [
    *(
        Case(
            f"case {number}",
            line["type"],
            json.dumps(line["input"]),
            "valid" if line["valid"] else "invalid",
            tuple(line["errors"]),
            line["output"],
        )
        for number, line in enumerate(lines_of("upstream_cases.jsonl"), 1)
    ),
    *(
        Case(
            f"document {number}",
            line["type"],
            line["text"],
            line["upstream"]["verdict"],
            tuple(line["upstream"]["errors"]),
            line["upstream"]["output"],
        )
        for number, line in enumerate(lines_of("upstream_documents.jsonl"), 1)
    ),
]
EXAMPLES = [(line["type"], line["document"]) for line in lines_of("upstream_examples.jsonl")]


@cache
def result_of(case: Case) -> Message | ir.DecodeError | ir.ValidationError:
    """Return the message of a document, or the error that this package reports."""
    try:
        return ir.from_crucible_json(case.text, case.type)
    except (ir.DecodeError, ir.ValidationError) as error:
        return error


# Errors that only one of the two packages reports

#: Errors of this package by kind: the kind of an error is the first whose pattern it matches.
OUR_ERRORS = {
    "unknown key": "has no field",
    "duplicate key": "duplicate key",
    "integer in opaque JSON": r"beyond 2\^53",
    "timestamp": "RFC 3339|invalid timestamp|outside the years",
    "range of integers": "is out of range; expected",
    "nested vocabulary": "MessageRole has no value|FinishReason has no value",
    "type of a value": "expected .*, got|is not allowed in a (list|map)",
}


def kind_of_our_error(error: ir.DecodeError | ir.Violation) -> str | None:
    if isinstance(error, ir.Violation):
        return "rule"
    return next((kind for kind, text in OUR_ERRORS.items() if re.search(text, error.reason)), None)


def kind_of_their_error(case: Case, error: str) -> str | None:
    """Return the kind of an error that only the Elixir package reports."""
    name, _, message = error.partition(" ")
    path: JsonPath = tuple(int(s) if s.isdigit() else s for s in re.findall(r"\w+", name))
    if path[0] not in fields_of(case.descriptor):
        # The paths of an experiment's reliability are relative to it.
        path = ("reliability", *path)
    value = case.value_at(path)
    if message.startswith("must be") and value is None:
        return "null"
    if message.startswith("must be one of") and is_known_name(case.descriptor, path, value):
        return "name"
    if message.startswith("must be one of") and path[-1] == "type" and isinstance(value, str):
        return "kind of part"
    if message == "must be a non-nil atom" and value == "nil":
        return "atom"
    return None


def is_known_name(descriptor: Descriptor, path: JsonPath, value: object) -> bool:
    """Return whether the schema has a name in a closed vocabulary."""
    field = field_at(descriptor, path)
    if field is None or field.enum is None or not isinstance(value, str):
        return False
    prefix = field.enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return value.islower() and prefix + value.upper() in field.enum.values_by_name


def field_at(descriptor: Descriptor, path: JsonPath) -> Field | None:
    """Return the field of a value; ``None`` inside a map or opaque JSON."""
    field: Field | None = None
    current: Descriptor | None = descriptor
    for step in path:
        if isinstance(step, int):
            continue
        if current is None or current.file.package != "crucible_ir.v1":
            return None
        field = fields_of(current).get(step)
        current = field.message if field is not None else None
    return field


def difference_of_verdicts(case: Case) -> set[str | None]:
    """Return the kinds of the errors of a document that only one of the two packages accepts."""
    result = result_of(case)
    if isinstance(result, ir.DecodeError | ir.ValidationError) is (case.verdict != "valid"):
        return set()
    if isinstance(result, ir.DecodeError):
        return {kind_of_our_error(error) for error in result.errors}
    if isinstance(result, ir.ValidationError):
        return {kind_of_our_error(violation) for violation in result.violations}
    return {kind_of_their_error(case, error) for error in case.errors}


# Values that the two packages write differently


@dataclass(frozen=True)
class Difference:
    """A value that the two packages write differently.

    Attributes:
        path: The path of the value.
        ours: The value of this package; ``MISSING`` if it writes no key.
        theirs: The value of the Elixir package.
        given: The value in the document.
        field: The field; ``None`` inside a map.
    """

    path: JsonPath
    ours: Any
    theirs: Any
    given: object
    field: Field | None


def is_explicit_null(difference: Difference) -> bool:
    return difference.given is None is difference.theirs and difference.ours in ([], {}, MISSING)


def is_explicit_empty(difference: Difference) -> bool:
    """Apply to an empty list, and an empty object that is a map of the schema."""
    field = difference.field
    return (
        difference.given in ([], {})
        and difference.theirs == difference.given
        and difference.ours in (None, MISSING)
        and field is not None
        and (field.is_list or field.is_map)
    )


def is_keyword_list(difference: Difference) -> bool:
    field = difference.field
    return (
        difference.given == difference.theirs == []
        and difference.ours == {}
        and field is not None
        and field.is_opaque
    )


def is_order(difference: Difference) -> bool:
    field = difference.field
    return (
        field is not None
        and field.is_list
        and field.custom is not None
        and bool(difference.ours and difference.theirs)
        and Counter(difference.ours) == Counter(difference.theirs)
    )


def is_timestamp(difference: Difference) -> bool:
    """The same time, without regard to the nanoseconds below a microsecond."""
    field = difference.field
    if field is None or field.message is None or field.message.name != "Timestamp":
        return False
    ours, theirs = (
        datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper()))
        for text in (difference.ours, difference.theirs)
    )
    return ours == theirs


def is_large_integer(difference: Difference) -> bool:
    theirs = difference.theirs
    return isinstance(theirs, int) and abs(theirs) > 2**53 and float(theirs) == difference.ours


def is_atom(difference: Difference) -> bool:
    atoms = {"true": True, "false": False, "nil": None}
    return difference.ours in ("true", "false", "nil") and (
        difference.theirs is atoms[difference.ours]
    )


WRITTEN_DIFFERENTLY: dict[str, Callable[[Difference], bool]] = {
    "null, written": is_explicit_null,
    "empty, written": is_explicit_empty,
    "keyword list, written": is_keyword_list,
    "order, written": is_order,
    "timestamp, written": is_timestamp,
    "integer in a double, written": is_large_integer,
    "atom, written": is_atom,
}


def differences(case: Case) -> Iterator[Difference]:
    """Yield the values that the two packages write differently."""
    result = result_of(case)
    if case.verdict == "valid" and isinstance(result, Message):
        written = json.loads(ir.to_crucible_json(result))
        for path, ours, theirs in compare(written, case.output, case.descriptor):
            given = case.value_at(path)
            yield Difference(path, ours, theirs, given, field_at(case.descriptor, path))


def compare(
    ours: Any, theirs: Any, descriptor: Descriptor, path: JsonPath = ()
) -> Iterator[tuple[JsonPath, Any, Any]]:
    """Yield the deepest values that differ; a list of an open vocabulary is one value."""
    field = field_at(descriptor, path)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*theirs, *(key for key in ours if key not in theirs)]:
            item = ours.get(key, MISSING), theirs.get(key, MISSING)
            yield from compare(*item, descriptor, (*path, key))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        if field is None or field.custom is None:
            for index, item in enumerate(zip(ours, theirs, strict=True)):
                yield from compare(*item, descriptor, (*path, index))
        elif ours != theirs:
            yield path, ours, theirs
    elif not same_json(ours, theirs):
        yield path, ours, theirs


def kinds_of(difference: Difference) -> list[str]:
    return [kind for kind, applies in WRITTEN_DIFFERENTLY.items() if applies(difference)]


# The tests


def intended() -> dict[str, int]:
    """Return the kinds of differences in the specification, each with the number of documents."""
    text = (ROOT / "proto" / "README.md").read_text(encoding="utf-8")
    table = text.split("\n| difference | here | the Elixir package | documents |\n", 1)[1]
    rows = [line.strip("| ").split(" | ") for line in table.split("\n\n", 1)[0].splitlines()[1:]]
    return {row[0]: int(row[-1]) for row in rows}


def test_the_vectors_are_complete() -> None:
    assert len(CASES) == 600 + 1500
    assert {case.type for case in CASES} == set(MEMBERS_OF_ELIXIR)
    assert len(EXAMPLES) == 26


#: The message types that the Elixir package has.
MEMBERS_OF_ELIXIR = [
    name
    for name in document_members()
    if not all(field.since for field in fields_of(ir.MESSAGE_TYPES[name].DESCRIPTOR).values())
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_verdict_is_the_same_or_differs_as_intended(case: Case) -> None:
    assert difference_of_verdicts(case) <= intended().keys(), result_of(case)


@pytest.mark.parametrize("case", [c for c in CASES if c.verdict == "valid"], ids=str)
def test_the_encoding_is_the_same_or_differs_as_intended(case: Case) -> None:
    for difference in differences(case):
        assert len(kinds_of(difference)) == 1, difference
        assert set(kinds_of(difference)) <= intended().keys()


def test_the_specification_counts_the_documents_with_each_difference() -> None:
    counts = Counter(
        str(kind)
        for case in CASES
        for kind in difference_of_verdicts(case)
        | {kind for difference in differences(case) for kind in kinds_of(difference)}
    )
    assert dict(counts) == intended()
    same_verdict = sum(not difference_of_verdicts(case) for case in CASES)
    accepted = [c for c in CASES if c.verdict == "valid" and isinstance(result_of(c), Message)]
    exact = sum(not list(differences(case)) for case in accepted)
    figures = (
        f"on {same_verdict:,} verdicts, and on {exact:,} of the {len(accepted):,} encodings.\n"
    )
    assert figures in (ROOT / "proto" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("case", [case for case in CASES if case.verdict == "invalid"], ids=str)
def test_reports_errors_of_the_same_fields_as_the_elixir_package(case: Case) -> None:
    """Check documents that both packages reject."""
    result = result_of(case)
    theirs = {error.split()[0] for error in case.errors if kind_of_their_error(case, error) is None}
    if isinstance(result, ir.ValidationError):
        assert theirs <= {field_of(violation) for violation in result.violations}
    elif isinstance(result, ir.DecodeError):
        # A document with decode errors is not validated.
        for error in result.errors:
            is_theirs = any(error.path.startswith(field) for field in theirs)
            assert is_theirs or kind_of_our_error(error) in intended()


def field_of(violation: ir.Violation) -> str:
    """Return the field of a violation; the rule of a message has it in its id."""
    return violation.path or violation.rule_id.rpartition(".")[2].removesuffix("_required")


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
    assert ir.from_crucible_json(ir.to_crucible_json(message), type_) == read
    written = json.loads(ir.to_crucible_json(message))
    assert list(compare(written, document, descriptor_of(read))) == []
