"""Custom names that are another word for a known one, and the words for a health."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from crucible_ir import v1
from crucible_ir.linting import lint
from crucible_ir.linting.lints.aliases import _ALIASES, _HEALTH
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.types import descriptor_of, message_types

OPEN_VOCABULARIES: list[tuple[type[Message], Field]] = [
    (cls, field)
    for cls in message_types().values()
    for field in fields_of(descriptor_of(cls)).values()
    if field.custom is not None
]


def with_custom(cls: type[Message], field: Field, name: str) -> Message:
    message = cls()
    assert field.custom is not None
    if field.is_list:
        getattr(message, field.custom).append(name)
    else:
        setattr(message, field.custom, name)
    return message


def words_for(field: Field) -> dict[str, tuple[str, ...]]:
    assert field.enum is not None
    if field.enum.name == "DeploymentHealth":
        return dict(_HEALTH)
    return dict(_ALIASES.get(field.enum.name, {}))


@pytest.mark.parametrize(
    ("cls", "field"),
    [
        pytest.param(cls, field, id=f"{cls.DESCRIPTOR.name}.{field.name}")
        for cls, field in OPEN_VOCABULARIES
    ],
)
def test_every_alias_has_this_finding_only_and_names_known_values(
    cls: type[Message], field: Field
) -> None:
    expected = {"health": "deployment_status.near_health"}.get(field.name, "vocabulary.alias")
    for alias, known in words_for(field).items():
        assert set(known) <= field.short_names.keys()
        for written in (alias, alias.upper(), alias.replace("_", "-")):
            [finding] = lint(with_custom(cls, field, written))
            assert finding.id == expected


def test_every_table_belongs_to_an_open_vocabulary() -> None:
    enums = {field.enum.name for _, field in OPEN_VOCABULARIES if field.enum is not None}
    assert _ALIASES.keys() <= enums


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            v1.DeploymentConfig(custom_environment="prod"),
            'custom_environment: "prod" may mean "production" [vocabulary.alias]; '
            "use DEPLOYMENT_ENVIRONMENT_PRODUCTION in environment if you mean that",
        ),
        (
            v1.TrainingConfig(custom_device="gpu"),
            'custom_device: "gpu" may mean "cuda" or "mps" [vocabulary.alias]; '
            "use DEVICE_CUDA or DEVICE_MPS in device if you mean that",
        ),
        (
            v1.OutputSpec(custom_formats=["xml", "MD"]),
            'custom_formats[1]: "MD" may mean "markdown" [vocabulary.alias]; '
            "use OUTPUT_FORMAT_MARKDOWN in formats if you mean that",
        ),
        (
            v1.DeploymentStatus(custom_health="OK"),
            'custom_health: "OK" may mean "healthy" [deployment_status.near_health]; '
            "use DEPLOYMENT_HEALTH_HEALTHY in health if you mean that",
        ),
    ],
)
def test_the_finding_names_the_value_and_its_field(message: Message, text: str) -> None:
    [finding] = lint(message)
    assert str(finding) == text


@pytest.mark.parametrize(
    "message",
    [
        v1.DeploymentConfig(custom_environment="qa"),
        v1.DeploymentConfig(custom_environment="production_eu"),
        v1.TrainingConfig(custom_device="npu"),
        v1.TrainingConfig(custom_device="gpu:1"),
        v1.DatasetRef(custom_split="dev"),
        v1.DeploymentStatus(custom_health="starting"),
        v1.DeploymentStatus(custom_health="maintenance"),
    ],
)
def test_a_name_of_its_own_is_fine(message: Message) -> None:
    assert lint(message) == []
