"""Values of training loops become snapshots."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.errors import FieldError
from crucible_ir.tracking.snapshots import number_of, snapshot_of


class Tensor:
    """Behaves like a tensor of PyTorch: ``item`` needs exactly one value."""

    def __init__(self, *values: Any) -> None:
        self.values = values

    def item(self) -> Any:
        if len(self.values) != 1:
            raise RuntimeError("a Tensor with several elements cannot be converted to Scalar")
        return self.values[0]

    def tolist(self) -> list[Any]:
        return list(self.values)


def others_of(snapshot: v1.MetricsSnapshot) -> dict[str, Any]:
    written: Any = ir.to_dict(snapshot)
    others: dict[str, Any] = written["otherValues"]
    return others


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (-math.inf, -math.inf),
        (Decimal("0.25"), 0.25),
        (Fraction(1, 4), 0.25),
        (Tensor(0.75), 0.75),
        (Tensor(3), 3.0),
        (2**60 + 1, float(2**60)),
    ],
)
def test_numbers_are_values(value: object, number: float) -> None:
    assert number_of(value) == number
    assert dict(snapshot_of({"x": value}).values) == {"x": number}


def test_nan_is_a_value() -> None:
    for value in (math.nan, Tensor(math.nan), Decimal("NaN")):
        assert math.isnan(snapshot_of({"loss": value}).values["loss"])


def test_scalars_of_numpy_are_values() -> None:
    numpy = pytest.importorskip("numpy")
    snapshot = snapshot_of(
        {
            "a": numpy.float32(0.5),
            "b": numpy.int64(7),
            "c": numpy.array([1.5]),
            "d": numpy.array(2.5),
            "e": numpy.array([1.0, 2.0]),
            "f": numpy.bool_(True),
        },
        step=numpy.int32(3),
    )
    assert dict(snapshot.values) == {"a": 0.5, "b": 7.0, "c": 1.5, "d": 2.5}
    assert others_of(snapshot) == {"e": [1.0, 2.0], "f": True}
    assert snapshot.step == 3


def test_everything_else_is_an_other_value() -> None:
    deep: Any = []
    for _ in range(100):
        deep = [deep]
    snapshot = snapshot_of(
        {
            "text": "warm",
            "none": None,
            "flag": True,
            "many": Tensor(1, 2.5, math.nan),
            "nested": {1: ("a", None), "big": 2**60 + 1},
            "huge": 10**400,
            "lone": "\ud800",
            "deep": deep,
        }
    )
    others = others_of(snapshot)
    assert not snapshot.values
    assert (others["text"], others["none"], others["flag"]) == ("warm", None, True)
    assert others["many"] == [1.0, 2.5, "nan"]
    nested = {"1": ["a", None], "big": str(2**60 + 1)}
    assert others["nested"] == nested
    assert others["huge"] == str(10**400)
    assert others["lone"] == "?"
    assert ir.is_valid(snapshot)
    assert type(snapshot).FromString(snapshot.SerializeToString()) == snapshot


@pytest.mark.parametrize(
    "value",
    [object(), 1j, Tensor(2j), {"a": [object]}, b"x", {1, 2}, datetime(2026, 3, 1, tzinfo=UTC)],
)
def test_a_value_that_json_does_not_have_is_an_error(value: object) -> None:
    with pytest.raises(TypeError, match="loss: expected a number, text or another JSON value, got"):
        snapshot_of({"loss": value})


def test_step_epoch_and_time() -> None:
    before = datetime.now(UTC)
    now = snapshot_of({}, step=3.0, epoch=Tensor(1.5))
    assert (now.step, now.epoch) == (3, 1.5)
    assert before <= now.time.ToDatetime(UTC) <= datetime.now(UTC)
    there = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert snapshot_of({}, time=there).time.ToDatetime(UTC) == there
    assert not snapshot_of({}).HasField("step")


@pytest.mark.parametrize("step", [-1, 1.5, "3", True, 2**31, math.nan, [1]])
def test_a_bad_step_is_an_error(step: object) -> None:
    with pytest.raises(FieldError, match="step: expected a whole number"):
        snapshot_of({}, step=step)


@pytest.mark.parametrize("epoch", [-0.5, math.inf, math.nan, "1"])
def test_a_bad_epoch_is_an_error(epoch: object) -> None:
    with pytest.raises(FieldError, match="epoch: expected a finite number"):
        snapshot_of({}, epoch=epoch)


def test_a_time_needs_a_zone() -> None:
    with pytest.raises(FieldError, match="time zone"):
        snapshot_of({}, time=datetime(2026, 3, 1))
