"""Constructors take numpy scalars wherever they take the Python value."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format

import crucible_ir as ir

#: The tests name types and fields in ways that a type checker cannot follow.
new: Any = ir.new


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64, np.uint16, np.uint64])
def test_numpy_integers_are_integers(kind: Any) -> None:
    made = ir.new("TrainingConfig", partial=True, epochs=kind(3), seed=kind(4))
    assert (made.epochs, made.seed) == (3, 4)


def test_numpy_floats_are_numbers_at_their_own_precision() -> None:
    made = ir.new(
        "TrainingConfig",
        partial=True,
        learning_rate=np.float32(0.1),
        gradient_clipping=np.float64(0.1),
    )
    # The double nearest to the single-precision 0.1: 13421773 * 2**-27.
    assert made.learning_rate == 13421773 * 2.0**-27
    assert made.gradient_clipping == 0.1


def test_numpy_booleans_are_booleans() -> None:
    assert (
        ir.new("TrainingConfig", partial=True, mixed_precision=np.bool_(True)).mixed_precision
        is True
    )


def test_numpy_strings_are_strings() -> None:
    names = np.array(["loss", "f1"])
    assert list(ir.new("TrainingConfig", partial=True, metrics=names).metrics) == ["loss", "f1"]


def test_numpy_scalars_are_numbers_in_map_fields_and_opaque_maps() -> None:
    made = ir.new(
        "ModelVersion",
        partial=True,
        metrics={"f1": np.float64(0.5)},
        options={"n": np.int64(7), "on": np.bool_(False), "lr": [np.float32(0.25)]},
    )
    assert made.metrics == {"f1": 0.5}
    assert json_format.MessageToDict(made.options) == {"n": 7.0, "on": False, "lr": [0.25]}


def test_an_array_without_dimensions_is_a_scalar() -> None:
    assert ir.new("TrainingConfig", partial=True, epochs=np.array(3)).epochs == 3


#: Values under a mask, which numpy.ma uses for missing data.
MASKED = {
    "the constant": np.ma.masked,
    "an item": np.ma.array([0.5, 1.0], mask=[False, True])[1],
    "without dimensions": np.ma.array(3, mask=True),
    "a string": np.ma.array("a", mask=True),
}


@pytest.mark.parametrize("value", MASKED.values(), ids=list(MASKED))
@pytest.mark.parametrize(
    ("type_name", "path", "fields"),
    [
        ("TrainingConfig", "learning_rate", lambda value: {"learning_rate": value}),
        ("TrainingConfig", "epochs", lambda value: {"epochs": value}),
        ("TrainingConfig", "mixed_precision", lambda value: {"mixed_precision": value}),
        ("TrainingConfig", "device", lambda value: {"device": value}),
        ("ModelRef", "provider", lambda value: {"provider": value}),
        ("ModelVersion", 'metrics["f1"]', lambda value: {"metrics": {"f1": value}}),
        ("StageDef", 'options["a"][1]', lambda value: {"options": {"a": [1, value]}}),
        ("FeedbackEvent", "feedback_value", lambda value: {"feedback_value": value}),
        (
            "TrainingRun",
            'metrics_history[0].values["loss"]',
            lambda value: {"metrics_history": [{"values": {"loss": value}}]},
        ),
    ],
)
def test_a_masked_value_is_an_error(
    type_name: str, path: str, fields: Callable[[object], dict[str, object]], value: object
) -> None:
    with pytest.raises(ir.FieldError, match="masked") as caught:
        new(type_name, **fields(value))
    assert caught.value.path == f"{type_name}.{path}"


def test_the_builder_rejects_masked_values() -> None:
    builder: Any = ir.experiment("e")
    with pytest.raises(ir.FieldError, match="masked"):
        builder.with_backend("b", options={"temperature": np.ma.masked})


def test_a_masked_string_in_a_list_is_an_error() -> None:
    with pytest.raises(ir.FieldError, match="expected a string"):
        new("TrainingConfig", metrics=np.ma.array(["loss", "f1"], mask=[False, True]))


def test_values_of_a_masked_array_that_are_not_masked_are_numbers() -> None:
    losses = np.ma.array([0.5, 1.0], mask=[False, True])
    assert ir.new("TrainingConfig", partial=True, learning_rate=losses[0]).learning_rate == 0.5
    assert ir.new("TrainingConfig", partial=True, epochs=np.ma.array(3)).epochs == 3


#: Scalars that are neither numbers nor bools, and those that Python's types cannot represent.
OTHER_KINDS = {
    "NaT": np.datetime64("NaT"),
    "a time": np.datetime64("2025-01-01T00:00:00", "ns"),
    "a duration": np.timedelta64(3, "ns"),
    "complex": np.complex64(1),
    "bytes": np.bytes_(b"1"),
    "a record": np.array([(1, 2)], dtype=[("a", int), ("b", int)])[0],
    "a masked record": np.ma.array([(1, 2)], dtype=[("a", int), ("b", int)], mask=True)[0],
    "an object": np.array(None, dtype=object),
    "a decimal": Decimal("1.5"),
    "a fraction": Fraction(1, 2),
}


@pytest.mark.parametrize("value", OTHER_KINDS.values(), ids=list(OTHER_KINDS))
def test_other_kinds_of_scalars_are_errors(value: object) -> None:
    for name in ("epochs", "learning_rate", "mixed_precision", "device", "id", "model_ref"):
        with pytest.raises(ir.FieldError, match="expected") as caught:
            new("TrainingConfig", **{name: value})
        assert caught.value.path == f"TrainingConfig.{name}"
    for options in ({"k": value}, {"k": [value]}):
        with pytest.raises(ir.FieldError, match="opaque JSON cannot represent"):
            new("TrainingConfig", options=options)


class _Timestamp(datetime):
    """A datetime with nanoseconds, as the Timestamp of pandas is one."""

    nanosecond = 789


class _Missing(datetime):
    """The missing time, which is a datetime that does not equal itself, as NaT of pandas is."""

    def __ne__(self, other: object) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = datetime.__hash__


def test_a_datetime_of_pandas_keeps_its_nanoseconds() -> None:
    made = new(
        "ModelVersion", partial=True, created_at=_Timestamp(2025, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)
    )
    assert made.created_at.nanos == 123_456_789


def test_the_missing_time_of_pandas_is_an_error() -> None:
    missing = _Missing(2025, 1, 1, tzinfo=UTC)
    with pytest.raises(ir.FieldError, match="expected a datetime"):
        new("ModelVersion", created_at=missing)
    with pytest.raises(ir.FieldError, match="opaque JSON cannot represent"):
        new("StageDef", options={"when": missing})


@pytest.mark.parametrize(
    ("fields", "path", "reason"),
    [
        ({"epochs": np.float64(3)}, "epochs", "expected an integer, got float 3.0"),
        ({"epochs": np.int64(2**31)}, "epochs", "2147483648 is out of range"),
        ({"seed": np.uint64(2**63)}, "seed", "9223372036854775808 is out of range"),
        ({"epochs": np.bool_(True)}, "epochs", "expected an integer, got bool True"),
        ({"mixed_precision": np.int64(1)}, "mixed_precision", "expected True or False"),
        ({"epochs": np.array([3])}, "epochs", "expected an integer, got ndarray [3]"),
        (
            {"options": {"w": np.array([1.0])}},
            'options["w"]',
            "opaque JSON cannot represent numpy.ndarray; use its tolist()",
        ),
        ({"options": {"n": np.int64(2**53 + 1)}}, 'options["n"]', "is beyond 2^53"),
        ({"options": {"n": np.float32("nan")}}, 'options["n"]', "must be finite"),
    ],
)
def test_numpy_values_must_satisfy_the_same_rules(
    fields: dict[str, object], path: str, reason: str
) -> None:
    with pytest.raises(ir.FieldError) as caught:
        new("TrainingConfig", **fields)
    assert caught.value.path == f"TrainingConfig.{path}"
    assert reason in caught.value.reason
