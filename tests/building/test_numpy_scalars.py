"""Constructors take numpy scalars wherever they take the Python value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format

import crucible_ir as ir

#: The tests name types and fields in ways that a type checker cannot follow.
new: Any = ir.new


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64, np.uint16, np.uint64])
def test_numpy_integers_are_integers(kind: Any) -> None:
    made = ir.new_training_config(epochs=kind(3), seed=kind(4))
    assert (made.epochs, made.seed) == (3, 4)


def test_numpy_floats_are_numbers_at_their_own_precision() -> None:
    made = ir.new_training_config(learning_rate=np.float32(0.1), gradient_clipping=np.float64(0.1))
    # The double nearest to the single-precision 0.1: 13421773 * 2**-27.
    assert made.learning_rate == 13421773 * 2.0**-27
    assert made.gradient_clipping == 0.1


def test_numpy_booleans_are_booleans() -> None:
    assert ir.new_training_config(mixed_precision=np.bool_(True)).mixed_precision is True


def test_numpy_strings_are_strings() -> None:
    names = np.array(["loss", "f1"])
    assert list(ir.new_training_config(metrics=names).metrics) == ["loss", "f1"]


def test_numpy_scalars_are_numbers_in_map_fields_and_opaque_maps() -> None:
    made = ir.new_model_version(
        metrics={"f1": np.float64(0.5)},
        options={"n": np.int64(7), "on": np.bool_(False), "lr": [np.float32(0.25)]},
    )
    assert made.metrics == {"f1": 0.5}
    assert json_format.MessageToDict(made.options) == {"n": 7.0, "on": False, "lr": [0.25]}


def test_an_array_without_dimensions_is_a_scalar() -> None:
    assert ir.new_training_config(epochs=np.array(3)).epochs == 3


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
