"""The tool that writes the cases refuses one whose author and the independent truth disagree."""

from __future__ import annotations

import hashlib

import pytest
from google.protobuf import text_format

from conformance_cases import layout
from conformance_cases.drafts import (
    GOOGLE_READS_IT,
    ContradictionError,
    Draft,
    complete,
    complete_by_hand,
)
from crucible_ir.conformance import v1

STAGE = "crucible_ir.v1.StageDef"


def draft(payload: str, **known: object) -> Draft:
    return Draft("c", STAGE, json=payload.encode(), **known)  # type: ignore[arg-type]


def test_what_the_author_does_not_say_is_filled_in() -> None:
    [case] = complete("t", [draft('{"name":"s"}')]).cases
    evaluation = case.expected.evaluation
    assert evaluation.binary == b"\n\x01s"
    assert evaluation.json == '{"name": "s"}'
    assert evaluation.HasField("broken_rules")
    canonical = b'{"name":"s"}'
    assert evaluation.digest == f"sha256:{hashlib.sha256(canonical).hexdigest()}"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (draft('{"name":""}'), r"broken are \[\('name', 'required'\)\], not \[\]"),
        (
            draft('{"name":"s"}', broken=frozenset({("name", "required")})),
            r"broken are \[\], not \[\('name', 'required'\)\]",
        ),
        (draft('{"name":1}'), "cannot be read: "),
        (draft('{"name":"s"}', refused="of its name"), "can be read, though: of its name"),
        (draft('{"name":1}', refused=f"it is no text {GOOGLE_READS_IT}"), "cannot be read, though"),
    ],
)
def test_an_author_who_is_wrong_is_told(wrong: Draft, words: str) -> None:
    with pytest.raises(ContradictionError, match=f"^t/c: {words}"):
        complete("t", [wrong])


def test_two_cases_of_one_name_are_refused() -> None:
    with pytest.raises(ContradictionError, match="t/c: there are two of this name"):
        complete("t", [draft('{"name":"s"}')] * 2)


BY_HAND = """\
topic: "t"

cases {
  name: "c"
  reason: "To be completed."
  request { message_type: "crucible_ir.v1.StageDef" json: '{"name":""}' }
  expected { evaluation { broken_rules { rules { path: "name" rule_id: "required" } } } }
}
"""


def by_hand(text: str) -> v1.Suite:
    return complete_by_hand(text_format.Parse(text, v1.Suite()))


def test_a_case_by_hand_is_completed_and_then_stays_as_it_is() -> None:
    suite = by_hand(BY_HAND)
    assert suite.cases[0].expected.evaluation.json == "{}"
    written = layout.write(suite, layout.Comments())
    assert layout.write(by_hand(written), layout.Comments()) == written


@pytest.mark.parametrize(
    ("part", "instead", "words"),
    [
        ('rule_id: "required"', 'rule_id: "string.max_bytes"', "broken are"),
        ("evaluation {", 'evaluation { digest: "sha256:00"', "digest is 'sha256:"),
        ("evaluation {", 'evaluation { json: \'{"name":""}\'', "json is '{}'"),
        ("evaluation {", 'evaluation { binary: "\\n\\000"', "binary is b''"),
        ('  reason: "To be completed."\n', "", "says why it exists"),
    ],
)
def test_a_case_by_hand_that_is_wrong_is_refused(part: str, instead: str, words: str) -> None:
    with pytest.raises(ContradictionError, match=words):
        by_hand(BY_HAND.replace(part, instead))
