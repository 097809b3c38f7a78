"""The tool that completes conformance cases rejects those that contradict the oracle."""

from __future__ import annotations

import hashlib

import pytest
from google.protobuf import text_format

from conformance_cases import layout
from conformance_cases.partial_cases import (
    GOOGLE_READS_IT,
    ContradictionError,
    PartialCase,
    complete,
    complete_handwritten,
)
from crucible_ir.conformance import v1

STAGE = "crucible_ir.v1.StageDef"


def partial(payload: str, **known: object) -> PartialCase:
    return PartialCase("c", STAGE, json=payload.encode(), **known)  # type: ignore[arg-type]


def test_missing_expected_values_are_added() -> None:
    [case] = complete("t", [partial('{"name":"s"}')]).cases
    evaluation = case.expected.evaluation
    assert evaluation.binary == b"\n\x01s"
    assert evaluation.json == '{"name": "s"}'
    assert evaluation.HasField("broken_rules")
    canonical = b'{"name":"s"}'
    assert evaluation.digest == f"sha256:{hashlib.sha256(canonical).hexdigest()}"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (partial('{"name":""}'), r"the broken rules are \[\('name', 'required'\)\], not \[\]"),
        (
            partial('{"name":"s"}', broken=frozenset({("name", "required")})),
            r"the broken rules are \[\], not \[\('name', 'required'\)\]",
        ),
        (partial('{"name":1}'), "decode error: "),
        (
            partial('{"name":"s"}', decode_error="of its name"),
            "the oracle can decode the payload, but the case states: of its name",
        ),
        (
            partial('{"name":1}', decode_error=f"it is no text {GOOGLE_READS_IT}"),
            "the oracle cannot decode the payload, but the case states: it is no text",
        ),
    ],
)
def test_a_case_that_contradicts_the_oracle_is_an_error(wrong: PartialCase, words: str) -> None:
    with pytest.raises(ContradictionError, match=f"^t/c: {words}"):
        complete("t", [wrong])


def test_a_duplicate_name_is_an_error() -> None:
    with pytest.raises(ContradictionError, match="t/c: duplicate name"):
        complete("t", [partial('{"name":"s"}')] * 2)


HANDWRITTEN = """\
topic: "t"

cases {
  name: "c"
  reason: "To be completed."
  request { message_type: "crucible_ir.v1.StageDef" json: '{"name":""}' }
  expected { evaluation { broken_rules { rules { path: "name" rule_id: "required" } } } }
}
"""


def completed(text: str) -> v1.Suite:
    return complete_handwritten(text_format.Parse(text, v1.Suite()))


def test_a_handwritten_case_is_completed_once() -> None:
    suite = completed(HANDWRITTEN)
    assert suite.cases[0].expected.evaluation.json == "{}"
    written = layout.write(suite, layout.Comments())
    assert layout.write(completed(written), layout.Comments()) == written


@pytest.mark.parametrize(
    ("part", "instead", "words"),
    [
        ('rule_id: "required"', 'rule_id: "string.max_bytes"', "the broken rules are"),
        ("evaluation {", 'evaluation { digest: "sha256:00"', "digest is 'sha256:"),
        ("evaluation {", 'evaluation { json: \'{"name":""}\'', "json is '{}'"),
        ("evaluation {", 'evaluation { binary: "\\n\\000"', "binary is b''"),
        ('  reason: "To be completed."\n', "", "needs a reason"),
    ],
)
def test_a_handwritten_case_that_contradicts_the_oracle_is_an_error(
    part: str, instead: str, words: str
) -> None:
    with pytest.raises(ContradictionError, match=words):
        completed(HANDWRITTEN.replace(part, instead))
