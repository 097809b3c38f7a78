"""Custom names of open vocabularies: empty, already known, misspelled, or new names."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from crucible_ir import v1
from crucible_ir.linting import lint
from crucible_ir.schema.spelling import within_one_edit
from crucible_ir.schema.types import message_types

CUSTOM_FIELDS = [
    pytest.param(cls, field.name, id=f"{name}.{field.name}")
    for name, cls in message_types().items()
    for field in cls.DESCRIPTOR.fields
    if field.name.startswith("custom_")
]


def with_custom(cls: type[Message], field: str, name: str) -> Message:
    message = cls()
    if message.DESCRIPTOR.fields_by_name[field].is_repeated:
        getattr(message, field).append(name)
    else:
        setattr(message, field, name)
    return message


def ids(message: Message) -> list[str]:
    return [finding.id for finding in lint(message)]


@pytest.mark.parametrize(("cls", "field"), CUSTOM_FIELDS)
def test_every_open_vocabulary_of_the_schema_is_checked(cls: type[Message], field: str) -> None:
    enum = cls.DESCRIPTOR.fields_by_name[field.removeprefix("custom_")].enum_type
    assert enum is not None
    unspecified, first = (enum.values_by_number[number].name for number in (0, 1))
    short = first.removeprefix(unspecified.removesuffix("UNSPECIFIED")).lower()
    assert ids(with_custom(cls, field, "")) == ["vocabulary.empty_custom"]
    assert ids(with_custom(cls, field, short)) == ["vocabulary.known_value"]
    assert ids(with_custom(cls, field, first)) == ["vocabulary.known_value"]
    assert ids(with_custom(cls, field, short.upper())) == ["vocabulary.near_known"]
    assert ids(with_custom(cls, field, "in_house_v2")) == []


@pytest.mark.parametrize(
    ("cls", "field", "name", "known"),
    [
        (v1.Stats, "custom_tests", "mann_whitney", "mannwhitney"),
        (v1.Stats, "custom_tests", "t_test", "ttest"),
        (v1.Stats, "custom_tests", "wilcoxen", "wilcoxon"),
        (v1.ModelRef, "custom_provider", "huggingfase", "huggingface"),
        (v1.ModelRef, "custom_provider", "HuggingFace", "huggingface"),
        (v1.ModelRef, "custom_task", "text-classification", "text_classification"),
        (v1.ModelRef, "custom_task", "Text Generation", "text_generation"),
        (v1.ModelRef, "custom_framework", "pytroch", "pytorch"),
        (v1.TrainingConfig, "custom_optimizer", "rmsprp", "rmsprop"),
        (v1.Stats, "custom_tests", "mann_whitney_u", "mannwhitney"),
        (v1.TrainingConfig, "custom_optimizer", "rms_prop", "rmsprop"),
        (v1.TrainingConfig, "custom_loss_function", "crossentropy", "cross_entropy"),
        (v1.DeploymentConfig, "custom_strategy", "bluegreen", "blue_green"),
        (v1.DeploymentConfig, "custom_environment", "productoin", "production"),
        (v1.FeedbackConfig, "custom_feedback_types", "thumb", "thumbs"),
    ],
)
def test_a_misspelling_is_reported_with_the_known_name(
    cls: type[Message], field: str, name: str, known: str
) -> None:
    [finding] = lint(with_custom(cls, field, name))
    assert finding.id == "vocabulary.near_known"
    assert finding.message == f'"{name}" is close to "{known}"'


@pytest.mark.parametrize(
    ("cls", "field", "name"),
    [
        (v1.OutputSpec, "custom_formats", "jsonl"),
        (v1.DatasetRef, "custom_provider", "local"),
        (v1.DatasetRef, "custom_format", "tsv"),
        (v1.Guardrail, "custom_profiles", "lora_finetune"),
        (v1.ModelVersion, "custom_stage", "experiment"),
        (v1.TrainingConfig, "custom_device", "NPU"),
        (v1.TrainingConfig, "custom_device", "cuda:0"),
        (v1.TrainingConfig, "custom_device", "cpus"),
        (v1.TrainingConfig, "custom_optimizer", "adma"),
        (v1.TrainingConfig, "custom_optimizer", "nadam"),
        (v1.TrainingConfig, "custom_optimizer", "lion"),
        (v1.TrainingConfig, "custom_loss_function", "rmse"),
        (v1.ModelRef, "custom_architecture", "rnn"),
        (v1.ModelRef, "custom_task", "vqa"),
        (v1.ModelRef, "custom_provider", "gemini"),
        (v1.Stats, "custom_tests", "manova"),
        (v1.Stats, "custom_effect_size_type", "hedges_g"),
        (v1.DatasetRef, "custom_provider", "数据集"),
    ],
)
def test_a_new_name_is_not_a_misspelling(cls: type[Message], field: str, name: str) -> None:
    assert ids(with_custom(cls, field, name)) == []


def test_the_fix_names_the_enum_value_and_its_field() -> None:
    [finding] = lint(v1.Stats(custom_tests=["permutation", "mann_whitney"]))
    assert finding.path == "custom_tests[1]"
    assert finding.fix == "use STATISTICAL_TEST_MANNWHITNEY in tests if you mean that"
    [finding] = lint(v1.ModelRef(id="m", custom_provider="openai"))
    assert finding.fix == "use MODEL_PROVIDER_OPENAI in provider"


def test_unspecified_is_not_a_known_name() -> None:
    assert ids(v1.ModelRef(id="m", custom_provider="unspecified")) == []


@given(
    word=st.text("abcd", max_size=6),
    edit=st.sampled_from(["insert", "delete", "replace", "swap", "none"]),
    at=st.integers(0, 6),
    letter=st.sampled_from("abcde"),
)
def test_an_edited_word_is_within_one_edit_in_both_directions(
    word: str, edit: str, at: int, letter: str
) -> None:
    before, after = word[:at], word[at:]
    edited = {
        "insert": before + letter + after,
        "delete": before + after[1:],
        "replace": before + letter + after[1:],
        "swap": before + after[1:2] + after[:1] + after[2:],
        "none": word,
    }[edit]
    assert within_one_edit(word, edited)
    assert within_one_edit(edited, word)


@given(left=st.text("ab", max_size=5), right=st.text("ab", max_size=5))
def test_words_are_within_one_edit_if_and_only_if_an_edit_turns_one_into_the_other(
    left: str, right: str
) -> None:
    edits = {left}
    for at in range(len(left) + 1):
        before, after = left[:at], left[at:]
        edits.add(before + after[1:])
        edits.add(before + after[1:2] + after[:1] + after[2:])
        for letter in "ab":
            edits |= {before + letter + after, before + letter + after[1:]}
    assert within_one_edit(left, right) == (right in edits)
