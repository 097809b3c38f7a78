"""Integer fields read numbers as decimals, without the rounding of a double.

The expected values were computed by hand.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from every_feature import EveryFeature
from google.protobuf.message import Message

import crucible_ir as ir

#: The readers, each with a document whose ``seed`` is a number.
DOCUMENTS: list[tuple[Callable[..., Message], str]] = [
    (ir.from_json, '{"id": "a", "modelRef": {}, "datasetRef": {}, "seed": %s}'),
    (ir.from_crucible_json, '{"id": "a", "model_ref": {}, "dataset_ref": {}, "seed": %s}'),
    (ir.from_yaml, "id: a\nmodel_ref: {}\ndataset_ref: {}\nseed: %s\n"),
]
READERS = pytest.mark.parametrize(
    ("read", "document"), DOCUMENTS, ids=["json", "crucible-json", "yaml"]
)


@READERS
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740993.0", 9007199254740993),
        ("9.007199254740993e15", 9007199254740993),
        ("9007199254740993000e-3", 9007199254740993),
        ("9223372036854775807.0", 2**63 - 1),
        ("-9223372036854775808.0", -(2**63)),
        ("1e3", 1000),
        ("1.000", 1),
        ("-0.0", 0),
        ("0e400", 0),
        # Exponents that Python's Decimal does not read.
        ("0e99999999999999999999", 0),
        ("-0.00E-99999999999999999999", 0),
    ],
)
def test_whole_numbers_are_exact(
    read: Callable[..., Message], document: str, text: str, value: int
) -> None:
    config = read(document % text, "TrainingConfig", validate=False)
    assert config.seed == value  # type: ignore[attr-defined]  # a TrainingConfig by its name


@READERS
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("1.00000000000000000001", "expected an integer, got the number 1.00000000000000000001"),
        ("0.99999999999999999999", "expected an integer, got the number 0.99999999999999999999"),
        ("1e-400", "expected an integer, got the number 1e-400"),
        ("9223372036854775808.0", "9223372036854775808 is out of range"),
        # The nearest double is 2^63 - 1024, which is in range.
        ("9.223372036854775807999e18", "expected an integer"),
        ("1e400", "1e400 is out of range"),
        ("1e999999999999", "1e999999999999 is out of range"),
        ("-1e1000000000000000000", "-1e1000000000000000000 is out of range"),
        ("1.5E+99999999999999999999", "1.5E+99999999999999999999 is out of range"),
        ("1e-99999999999999999999", "expected an integer, got the number 1e-99999999999999999999"),
    ],
)
def test_other_numbers_are_rejected_with_their_text(
    read: Callable[..., Message], document: str, text: str, error: str
) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        read(document % text, "TrainingConfig", validate=False)
    assert caught.value.path == "seed"
    assert caught.value.reason.startswith(error)


@READERS
def test_a_small_integer_is_not_rounded_into_its_range(
    read: Callable[..., Message], document: str
) -> None:
    text = (document % "1").replace("seed", "epochs") % ()
    assert read(text, "TrainingConfig", validate=False).epochs == 1  # type: ignore[attr-defined]
    with pytest.raises(ir.DecodeError, match="expected an integer"):
        read((document % "2147483646.9999999999").replace("seed", "epochs"), "TrainingConfig")


def test_enums_and_unsigned_integers_are_read_as_decimals() -> None:
    read = ir.from_json(
        '{"oneUint64": 18446744073709551615.0, "oneColour": 1.0}', EveryFeature, validate=False
    )
    assert (read.one_uint64, read.one_colour) == (2**64 - 1, 1)  # type: ignore[attr-defined]
    with pytest.raises(ir.DecodeError, match="expected an integer"):
        ir.from_json('{"oneColour": 1.00000000000000000001}', EveryFeature, validate=False)


def test_the_text_format_has_integers_without_a_point_only() -> None:
    read = ir.from_text("seed: 9007199254740993", "TrainingConfig", validate=False)
    assert read.seed == 2**53 + 1  # type: ignore[attr-defined]
    for number in ("9007199254740993.0", "1e3", "1.5"):
        with pytest.raises(ir.DecodeError):
            ir.from_text(f"seed: {number}", "TrainingConfig", validate=False)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (ir.from_json, '{"metrics": {"a": 9007199254740993.0}}'),
        (ir.from_crucible_json, '{"metrics": {"a": 9007199254740993.0}}'),
        (ir.from_yaml, "metrics: {a: 9007199254740993}"),
        (ir.from_text, 'metrics { key: "a" value: 9007199254740993 }'),
    ],
    ids=["json", "crucible-json", "yaml", "text"],
)
def test_a_double_field_has_the_nearest_double(read: Callable[..., Message], text: str) -> None:
    version = read(text, "ModelVersion", validate=False)
    assert version.metrics["a"] == 9007199254740992.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (ir.from_json, '{"options": {"a": 9007199254740993}}'),
        (ir.from_crucible_json, '{"options": {"a": 9007199254740993}}'),
        (ir.from_yaml, "options: {a: 9007199254740993}"),
        (
            ir.from_text,
            'options { fields { key: "a" value { number_value: 9007199254740993 } } }',
        ),
    ],
    ids=["json", "crucible-json", "yaml", "text"],
)
def test_an_integer_beyond_the_exact_doubles_is_rejected_in_opaque_json(
    read: Callable[..., Message], text: str
) -> None:
    with pytest.raises(ir.DecodeError, match=r"9007199254740993 is beyond 2\^53"):
        read(text, "TrainingConfig", validate=False)
