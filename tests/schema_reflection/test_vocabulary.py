"""Short names and open vocabularies, compared with a table and with the descriptors."""

from __future__ import annotations

from typing import Any

import pytest

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import describe_field, fields_of

FIELDS: list[Any] = [field for cls in ir.MESSAGE_TYPES.values() for field in cls.DESCRIPTOR.fields]
ENUMS: dict[str, Any] = {
    field.enum_type.name: field.enum_type for field in FIELDS if field.enum_type is not None
}


@pytest.mark.parametrize(
    ("enum", "names"),
    [
        ("DeploymentStrategy", ["rolling", "blue_green", "canary", "recreate"]),
        ("ModelProvider", ["local", "huggingface", "openai", "anthropic", "s3", "gcs"]),
        (
            "TrainingStatus",
            ["pending", "running", "completed", "failed", "cancelled", "paused", "preempted"],
        ),
        (
            "HedgingStrategy",
            ["off", "fixed", "percentile", "adaptive", "workload_aware", "exponential_backoff"],
        ),
        ("StatisticalTest", ["ttest", "bootstrap", "anova", "mannwhitney", "wilcoxon", "kruskal"]),
        ("DeploymentHealth", ["unknown", "healthy", "unhealthy", "degraded"]),
        ("CacheControl", ["ephemeral"]),
    ],
)
def test_short_names_are_in_the_documented_order_numbered_from_1(
    enum: str, names: list[str]
) -> None:
    assert vocabulary.numbers(ENUMS[enum]) == dict(zip(names, range(1, 99), strict=False))


@pytest.mark.parametrize("enum", sorted(ENUMS))
def test_a_short_name_with_the_prefix_is_the_full_name(enum: str) -> None:
    type_ = ENUMS[enum]
    for name, number in vocabulary.numbers(type_).items():
        assert vocabulary.prefix(type_) + name.upper() == type_.values_by_number[number].name
        assert vocabulary.names(type_)[number] == name


@pytest.mark.parametrize("enum", sorted(ENUMS))
def test_unspecified_has_no_short_name(enum: str) -> None:
    assert len(vocabulary.names(ENUMS[enum])) == len(ENUMS[enum].values) - 1
    assert 0 not in vocabulary.names(ENUMS[enum])
    assert "unspecified" not in vocabulary.numbers(ENUMS[enum])


@pytest.mark.parametrize(
    ("message", "open_fields", "closed_fields"),
    [
        (v1.ModelRef, {"provider", "framework", "architecture", "task"}, set()),
        (v1.OutputSpec, {"formats", "sink"}, set()),
        (v1.DeploymentStatus, {"health"}, {"state"}),
        (v1.Ensemble, set(), {"strategy", "execution_mode"}),
        (v1.TrainingRun, set(), {"status"}),
        (v1.Message, set(), {"role"}),
    ],
)
def test_a_vocabulary_is_open_if_it_has_a_custom_member(
    message: Any, open_fields: set[str], closed_fields: set[str]
) -> None:
    fields = fields_of(message.DESCRIPTOR)
    members = {name: field.custom for name, field in fields.items() if field.enum is not None}
    assert {name for name, member in members.items() if member is not None} == open_fields
    assert {name for name, member in members.items() if member is None} == closed_fields
    customs = {f"custom_{name}" for name in open_fields}
    assert {name for name, field in fields.items() if field.custom_of is not None} == customs


def test_a_custom_member_shares_the_oneof_and_the_cardinality_of_its_field() -> None:
    pairs = [(field, describe_field(field).custom) for field in FIELDS]
    found = [
        (field, field.containing_type.fields_by_name[custom])
        for field, custom in pairs
        if custom is not None
    ]
    assert len(found) > 20
    for field, custom in found:
        assert custom.type == custom.TYPE_STRING
        assert custom.is_repeated == field.is_repeated
        assert custom.containing_oneof == field.containing_oneof
        if not field.is_repeated:
            assert field.containing_oneof.name == f"{field.name}_kind"


def test_a_field_that_is_not_an_enum_has_no_custom_member() -> None:
    assert fields_of(v1.ModelRef.DESCRIPTOR)["id"].custom is None
