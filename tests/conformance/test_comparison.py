"""The comparison of each aspect of an answer."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Literal

import pytest
from google.protobuf.message import Message

from crucible_ir import v1 as ir_v1
from crucible_ir.conformance import v1
from crucible_ir.conformance.comparison import (
    OFFERED_ASPECTS,
    compare,
    compared_aspects,
    parse_json,
    same_message,
)

Change = Callable[[v1.Evaluation], object]

EVERYTHING = frozenset(OFFERED_ASPECTS.values())

#: An expected result that is written by hand and not computed by this package.
EXPECTED = v1.Evaluation(
    binary=ir_v1.StageDef(name="s", enabled=False).SerializeToString(),
    json='{"name": "s", "enabled": false}',
    broken_rules={"rules": [{"path": "a", "rule_id": "x"}, {"path": "b", "rule_id": "y"}]},
    digest="sha256:00",
)


def case_of(expected: v1.EvaluateResponse) -> v1.Case:
    return v1.Case(
        request={"message_type": "crucible_ir.v1.StageDef", "json": b"{}"}, expected=expected
    )


CASE = case_of(v1.EvaluateResponse(evaluation=EXPECTED))
REJECTED = case_of(v1.EvaluateResponse(decode_error="no"))


def differing(case: v1.Case, answer: v1.EvaluateResponse) -> list[str]:
    return [difference.aspect for difference in compare(case, answer, EVERYTHING)]


def changed(change: Change) -> list[str]:
    """Return the aspects in which a correct answer differs after one change."""
    evaluation = v1.Evaluation()
    evaluation.CopyFrom(EXPECTED)
    change(evaluation)
    return differing(CASE, v1.EvaluateResponse(evaluation=evaluation))


def setting(field: str, value: object) -> Change:
    return lambda evaluation: setattr(evaluation, field, value)


def clearing(field: Literal["json", "broken_rules", "digest", "binary"]) -> Change:
    return lambda evaluation: evaluation.ClearField(field)


def test_a_correct_answer_has_no_differences() -> None:
    assert changed(lambda _: None) == []
    assert differing(REJECTED, v1.EvaluateResponse(decode_error="another message")) == []


def test_a_different_outcome_of_decoding_is_the_only_difference() -> None:
    assert differing(CASE, v1.EvaluateResponse(decode_error="no")) == ["decode"]
    assert differing(REJECTED, v1.EvaluateResponse(evaluation=EXPECTED)) == ["decode"]
    assert differing(CASE, v1.EvaluateResponse()) == ["decode"]
    assert compared_aspects(REJECTED) == ("decode",)
    assert compared_aspects(CASE) == ("decode", "binary", "json", "violations", "digest")


@pytest.mark.parametrize(
    "text",
    ['{"enabled":false,"name":"s"}', '\n{ "name" : "\\u0073" , "enabled" : false }'],
    ids=["order of keys", "whitespace and escapes"],
)
def test_equivalent_json_does_not_differ(text: str) -> None:
    assert changed(setting("json", text)) == []


@pytest.mark.parametrize(
    "text",
    [
        '{"name":"s"}',
        '{"name":"s","enabled":null}',
        '{"name":"s","enabled":0}',
        '{"name":"S","enabled":false}',
        '{"name":"s","enabled":false,"module":""}',
        '{"name":"s","enabled":false,"enabled":false}',
        '{"name":"s","enabled":false} ',
        '{"name":"s","enabled":false}x',
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "",
    ],
)
def test_json_with_other_values_and_invalid_json_differ(text: str) -> None:
    expected = [] if text.endswith(" ") else ["json"]
    assert changed(setting("json", text)) == expected


def test_json_numbers_are_compared_as_doubles() -> None:
    for one, other in (("1", "1.0"), ("1e2", "100"), ("-0.0", "0"), ("1e21", "1" + "0" * 21)):
        assert parse_json(one) == parse_json(other), (one, other)
    assert parse_json("0.1") == parse_json("0.1000000000000000055511151231257827")
    for one, other in (("1", "true"), ("1", '"1"'), ("0", "false"), ("0", "null"), ("1", "2")):
        assert parse_json(one) != parse_json(other), (one, other)
    for text in ("NaN", "Infinity", "-Infinity"):
        with pytest.raises(ValueError, match="is not a JSON number"):
            parse_json(text)


def test_64_bit_integers_are_compared_as_strings() -> None:
    assert parse_json('{"seed": "42"}') != parse_json('{"seed": 42}')
    assert parse_json('{"seed": "42"}') != parse_json('{"seed": "042"}')


def test_bytes_are_compared_as_decoded_messages() -> None:
    def other_order(got: v1.Evaluation) -> None:
        got.binary = b"".join(
            part.SerializeToString()
            for part in (ir_v1.StageDef(enabled=False), ir_v1.StageDef(name="s"))
        )

    assert changed(other_order) == []
    for data in (b"", ir_v1.StageDef(name="s").SerializeToString(), b"\xff", b"\x0a\x05s"):
        assert changed(setting("binary", data)) == ["binary"]


def test_unknown_fields_are_compared_in_any_order() -> None:
    def read(data: str) -> Message:
        return ir_v1.StageDef.FromString(bytes.fromhex(data))

    assert same_message(read("f80701f00702"), read("f00702f80701"))
    assert not same_message(read("f80701"), read(""))
    assert not same_message(read("f80701"), read("f80702"))
    nested = ir_v1.BackendRef(fallback=ir_v1.BackendRef.FromString(b"\xf8\x07\x01"))
    assert not same_message(nested, ir_v1.BackendRef(fallback=ir_v1.BackendRef()))


def test_every_nan_is_equal_and_zeros_differ_by_sign() -> None:
    (other,) = struct.unpack("<d", bytes.fromhex("010000000000f8ff"))
    assert math.isnan(other)

    def with_number(number: float) -> list[Message]:
        stage = ir_v1.StageDef()
        stage.options.fields["k"].list_value.values.add(number_value=number)
        return [
            ir_v1.MetricsSnapshot(values={"m": number}),
            ir_v1.Hedging(percentile=number),
            stage,
        ]

    for one, two in zip(with_number(math.nan), with_number(other), strict=True):
        assert one.SerializeToString() != two.SerializeToString()
        assert same_message(one, two)
    for one, two in zip(with_number(0.0), with_number(-0.0), strict=True):
        assert not same_message(one, two)


def test_broken_rules_are_compared_as_a_set() -> None:
    x, y = EXPECTED.broken_rules.rules

    def with_rules(*rules: v1.BrokenRule) -> list[str]:
        def change(got: v1.Evaluation) -> None:
            del got.broken_rules.rules[:]
            got.broken_rules.rules.extend(rules)

        return changed(change)

    assert with_rules(x, y) == with_rules(y, x) == with_rules(y, x, y) == []
    for rules in ([], [x], [x, y, v1.BrokenRule(path="c", rule_id="x")]):
        assert with_rules(*rules) == ["violations"]
    assert with_rules(x, v1.BrokenRule(path="b", rule_id="z")) == ["violations"]
    assert with_rules(x, v1.BrokenRule(path="c", rule_id="y")) == ["violations"]


def test_a_digest_is_compared_exactly() -> None:
    for digest in ("sha256:01", "sha256:00 ", "00", ""):
        assert changed(setting("digest", digest)) == ["digest"]


@pytest.mark.parametrize(
    ("error", "aspect"),
    [("json_error", "json"), ("rules_error", "violations"), ("digest_error", "digest")],
)
def test_an_error_instead_of_a_value_differs_and_vice_versa(error: str, aspect: str) -> None:
    assert changed(setting(error, "no")) == [aspect]
    failing = v1.Evaluation()
    failing.CopyFrom(EXPECTED)
    setattr(failing, error, "no")
    case = case_of(v1.EvaluateResponse(evaluation=failing))
    assert differing(case, v1.EvaluateResponse(evaluation=EXPECTED)) == [aspect]
    setattr(failing, error, "another message")
    assert differing(case, v1.EvaluateResponse(evaluation=failing)) == []


def test_an_offered_aspect_without_a_value_differs() -> None:
    assert changed(clearing("json")) == ["json"]
    assert changed(clearing("broken_rules")) == ["violations"]
    assert changed(clearing("digest")) == ["digest"]
    # Bytes have no presence: none of them are an empty message, which is another.
    assert changed(clearing("binary")) == ["binary"]


def test_what_is_not_offered_is_not_compared() -> None:
    answer = v1.EvaluateResponse(evaluation={})
    assert differing(CASE, answer) == ["binary", "json", "violations", "digest"]
    assert list(compare(CASE, answer, frozenset())) == []
    assert [each.aspect for each in compare(CASE, answer, {"json"})] == ["json"]
