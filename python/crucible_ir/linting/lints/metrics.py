"""Lints of metrics: names that are in two places at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import lint_for, lint_for_all
from crucible_ir.paths import MapKey
from crucible_ir.schema.fields import Kind, fields_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message


@cache
def _pairs(message: Descriptor) -> tuple[tuple[str, str], ...]:
    """Return the maps of numbers of a message type, each with the field for other values."""
    fields = fields_of(message)
    return tuple(
        (name, f"other_{name}")
        for name, field in fields.items()
        if field.is_map and field.kind is Kind.DOUBLE and f"other_{name}" in fields
    )


@lint_for_all(
    "metrics.name_twice",
    Severity.WARNING,
    "A name is among the metrics that are numbers and among the others: it has two values, and "
    "Crucible JSON cannot write it.",
    applies=_pairs,
    example_type=v1.ModelVersion,
    bad={
        "id": "gpt2_v1",
        "model_id": "gpt2",
        "version": "1.0.0",
        "metrics": {"loss": 0.5},
        "other_metrics": {"loss": "diverged"},
    },
    good={
        "id": "gpt2_v1",
        "model_id": "gpt2",
        "version": "1.0.0",
        "metrics": {"loss": 0.5},
        "other_metrics": {"note": "diverged"},
    },
)
def name_twice(message: Message) -> Iterator[Problem]:
    """Report each name that is in both fields of a pair, such as metrics and other_metrics."""
    values: Any = message
    for name, other in _pairs(type(message).DESCRIPTOR):
        for key in sorted(getattr(values, name).keys() & getattr(values, other).fields.keys()):
            yield Problem(
                (other, MapKey(key)),
                f"{name} has a value of the same name",
                "remove one of the two, or rename it",
            )


@lint_for(
    v1.MetricsSnapshot,
    "metrics_snapshot.name_is_field",
    Severity.WARNING,
    "A metric has the name of a field that is set: it has two values, and Crucible JSON cannot "
    "write it.",
    bad={"step": 100, "values": {"loss": 0.5, "step": 200}},
    good={"step": 100, "values": {"loss": 0.5}},
)
def name_is_field(snapshot: v1.MetricsSnapshot) -> Iterator[Problem]:
    """Report each of the values that is named ``step``, ``epoch`` or ``time``, if that is set."""
    set_fields = {field.name for field, _ in snapshot.ListFields()}
    maps = {"values": snapshot.values.keys(), "other_values": snapshot.other_values.fields.keys()}
    for name, keys in maps.items():
        for key in sorted(keys & (set_fields - maps.keys())):
            yield Problem(
                (name, MapKey(key)), f"the field {key} is set as well", "remove one of the two"
            )
