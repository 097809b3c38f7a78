"""YAML as people write it: short names, one key for an open vocabulary, numbers as numbers."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
import yaml
from effort import examples
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from message_strategies import messages

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema.fields import Field
from crucible_ir.schema.spelling import open_vocabularies
from crucible_ir.schema.types import message_types
from crucible_ir.schema.walk import walk
from crucible_ir.serialization.yaml import parse_yaml

TYPES = [pytest.param(type_, id=name) for name, type_ in message_types().items()]


def read(text: str, type_: str) -> Message:
    """Read YAML without warnings about its spelling."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ir.SpellingWarning)
        return ir.from_yaml(text, type_, validate=False)


def error_of(text: str, type_: str) -> str:
    with pytest.raises(ir.DecodeError) as caught:
        read(text, type_)
    return str(caught.value)


#: Messages, and their documents as section "YAML" of the specification says.
WRITTEN: list[tuple[Message, str]] = [
    (
        v1.DeploymentConfig(
            id="d",
            environment="DEPLOYMENT_ENVIRONMENT_PRODUCTION",
            strategy="DEPLOYMENT_STRATEGY_BLUE_GREEN",
        ),
        "id: d\nenvironment: production\nstrategy: blue_green\n",
    ),
    (
        v1.DatasetRef(
            name="d", provider="DATASET_PROVIDER_HUGGINGFACE", custom_split="train[:10%]"
        ),
        "name: d\nprovider: huggingface\nsplit: train[:10%]\n",
    ),
    (
        v1.OutputSpec(formats=["OUTPUT_FORMAT_MARKDOWN"], custom_formats=["pptx", "odt"]),
        "formats:\n- markdown\n- pptx\n- odt\n",
    ),
    (v1.OutputSpec(custom_formats=["pptx"]), "formats:\n- pptx\n"),
    (v1.TrainingConfig(seed=2**60), "seed: 1152921504606846976\n"),
    (v1.Hedging(strategy="HEDGING_STRATEGY_OFF"), "strategy: 'off'\n"),
    (v1.TrainingRun(best_metrics={"loss": math.nan}), "best_metrics:\n  loss: NaN\n"),
    (
        v1.Prompt(messages=[v1.Message(role="MESSAGE_ROLE_USER", text="hi")]),
        "messages:\n- role: user\n  text: hi\n",
    ),
    # What would not be read back as a custom name stays under the custom key.
    (v1.ModelVersion(custom_stage="production"), "custom_stage: production\n"),
    (v1.ModelVersion(custom_stage="Production"), "custom_stage: Production\n"),
    (v1.ModelVersion(custom_stage="MODEL_STAGE_STAGING"), "custom_stage: MODEL_STAGE_STAGING\n"),
    (v1.ModelVersion(custom_stage="MODEL_STAGE_X"), "custom_stage: MODEL_STAGE_X\n"),
    (v1.ModelVersion(custom_stage="un specified"), "custom_stage: un specified\n"),
    (v1.ModelVersion(custom_stage="producton"), "stage: producton\n"),
    (v1.ModelVersion(custom_stage="1"), "stage: '1'\n"),
    (v1.ModelVersion(custom_stage=""), "stage: ''\n"),
    (v1.ModelVersion(stage="MODEL_STAGE_UNSPECIFIED"), "stage: MODEL_STAGE_UNSPECIFIED\n"),
    (v1.ModelVersion(stage=99), "stage: 99\n"),  # type: ignore[arg-type]  # an unknown number
    (
        v1.OutputSpec(formats=["OUTPUT_FORMAT_JSON"], custom_formats=["odt", "Markdown"]),
        "formats:\n- json\ncustom_formats:\n- odt\n- Markdown\n",
    ),
    (v1.OutputSpec(formats=[0, 99]), "formats:\n- OUTPUT_FORMAT_UNSPECIFIED\n- 99\n"),  # type: ignore[list-item]
]


@pytest.mark.parametrize(("message", "text"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_writes_what_the_specification_says_and_reads_it_back(message: Message, text: str) -> None:
    assert ir.to_yaml(message) == text
    assert read(text, message.DESCRIPTOR.name) == message


def test_proto_names_are_protojson_with_the_names_of_the_schema() -> None:
    for message, _ in WRITTEN:
        text = ir.to_yaml(message, names="proto")
        expected = json_format.MessageToDict(message, preserving_proto_field_name=True)
        assert yaml.safe_load(text) == expected
        assert read(text, message.DESCRIPTOR.name) == message
    with pytest.raises(ValueError, match='expected names "short" or "proto"'):
        ir.to_yaml(v1.StageDef(), names="full")  # type: ignore[arg-type]  # the error is tested


#: Documents and what they mean.
READ: list[tuple[str, Message]] = [
    ("strategy: off\n", v1.Hedging(strategy="HEDGING_STRATEGY_OFF")),
    ("strategy: HEDGING_STRATEGY_OFF\n", v1.Hedging(strategy="HEDGING_STRATEGY_OFF")),
    ("strategy: 1\n", v1.Hedging(strategy="HEDGING_STRATEGY_OFF")),
    ("stage: production\n", v1.ModelVersion(stage="MODEL_STAGE_PRODUCTION")),
    ("stage: MODEL_STAGE_PRODUCTION\n", v1.ModelVersion(stage="MODEL_STAGE_PRODUCTION")),
    ("stage: shadow\n", v1.ModelVersion(custom_stage="shadow")),
    ("customStage: production\n", v1.ModelVersion(custom_stage="production")),
    ("stage: null\ncustom_stage: shadow\n", v1.ModelVersion(custom_stage="shadow")),
    (
        "custom_formats: [odt]\nformats: [json, pptx, OUTPUT_FORMAT_HTML]\n",
        v1.OutputSpec(
            formats=["OUTPUT_FORMAT_JSON", "OUTPUT_FORMAT_HTML"], custom_formats=["odt", "pptx"]
        ),
    ),
    (
        "modelRef: {id: m, provider: MODEL_PROVIDER_LOCAL}\ndataset_ref: {name: d, split: test}\n",
        v1.TrainingConfig(
            model_ref=v1.ModelRef(id="m", provider="MODEL_PROVIDER_LOCAL"),
            dataset_ref=v1.DatasetRef(name="d", split="DATASET_SPLIT_TEST"),
        ),
    ),
    ("seed: 9007199254740993.0\n", v1.TrainingConfig(seed=2**53 + 1)),
    ("seed: '9007199254740993'\n", v1.TrainingConfig(seed=2**53 + 1)),
    ("seed: 1e3\n", v1.TrainingConfig(seed=1000)),
    (
        "values: {a: .inf, b: -.INF, c: +.Inf, d: Infinity}\n",
        v1.MetricsSnapshot(values={"a": math.inf, "b": -math.inf, "c": math.inf, "d": math.inf}),
    ),
    ("learning_rate: .nan\n", v1.TrainingConfig(learning_rate=math.nan)),
    ("learning_rate: !!float .nan\n", v1.TrainingConfig(learning_rate=math.nan)),
]


@pytest.mark.parametrize(("text", "message"), READ, ids=[text for text, _ in READ])
def test_reads_short_and_full_names_and_numbers(text: str, message: Message) -> None:
    assert read(text, message.DESCRIPTOR.name) == message


#: Documents and errors; lines and columns were counted by hand.
REJECTED: list[tuple[str, str, str]] = [
    (
        "ModelVersion",
        "stage: Production",
        '1:8: stage: ModelStage has no value "Production"; did you mean "production"? To keep it'
        ' as a custom name, write custom_stage: "Production"',
    ),
    (
        "DeploymentConfig",
        "id: d\nstrategy: blue-green\n",
        '2:11: strategy: DeploymentStrategy has no value "blue-green"; did you mean "blue_green"?',
    ),
    (
        "OutputSpec",
        "formats:\n- json\n- Mark down\n",
        '3:3: formats[1]: OutputFormat has no value "Mark down"; did you mean "markdown"? To keep'
        ' it as a custom name, write custom_formats: ["Mark down"]',
    ),
    (
        "ModelVersion",
        "stage: Unspecified",
        '1:8: stage: ModelStage has no value "Unspecified"; leave the field out; to keep it as a'
        ' custom name, write custom_stage: "Unspecified"',
    ),
    (
        "ModelVersion",
        "stage: MODEL_STAGE_PRODUCTON",
        '1:8: stage: ModelStage has no value "MODEL_STAGE_PRODUCTON"; did you mean'
        ' "MODEL_STAGE_PRODUCTION"? To keep it as a custom name, write custom_stage:'
        ' "MODEL_STAGE_PRODUCTON"',
    ),
    (
        "Hedging",
        "strategy: Fixed\n",
        '1:11: strategy: HedgingStrategy has no value "Fixed"; did you mean "fixed"?',
    ),
    (
        "Hedging",
        "strategy: HEDGING_STRATEGY_FIXD\n",
        '1:11: strategy: HedgingStrategy has no value "HEDGING_STRATEGY_FIXD"; did you mean'
        ' "HEDGING_STRATEGY_FIXED"?',
    ),
    (
        "Hedging",
        "strategy: sometimes\n",
        '1:11: strategy: HedgingStrategy has no value "sometimes"; expected one of off, fixed,'
        " percentile, adaptive, workload_aware, exponential_backoff",
    ),
    (
        "ModelVersion",
        "stage: shadow\ncustom_stage: shadow\n",
        '2:15: custom_stage: "stage" is already set; only one member of ModelVersion.stage_kind may'
        " be set",
    ),
    (
        "ModelVersion",
        "customStage: shadow\nstage: shadow\n",
        '2:8: stage: "customStage" is already set; only one member of ModelVersion.stage_kind may'
        " be set",
    ),
    (
        "ModelVersion",
        "custom_stage: a\ncustomStage: b\n",
        'duplicate field, given as "custom_stage" and as "customStage"',
    ),
    (
        "ModelVersion",
        "stage: 1.5\n",
        "1:8: stage: expected an integer, got the number 1.5",
    ),
    (
        "TrainingConfig",
        "seed: .inf\n",
        "1:7: seed: expected an integer, got the number inf",
    ),
    (
        "TrainingConfig",
        "learning_rate: 1e999\n",
        '1:16: learning_rate: the number 1e999 is out of range; for infinity, write "Infinity"',
    ),
    (
        "TrainingConfig",
        "id: .nan\n",
        "1:5: id: expected a string, got the number nan; put it in quotes",
    ),
]


@pytest.mark.parametrize(("type_", "text", "error"), REJECTED, ids=[each[1] for each in REJECTED])
def test_the_error_says_what_was_probably_meant(type_: str, text: str, error: str) -> None:
    assert error in error_of(text, type_)


def test_reports_every_error_of_a_document() -> None:
    error = error_of("strategy: Fixed\npercentile: x\nformats: []\n", "Hedging")
    assert [line.split(": ")[0] for line in error.splitlines()] == ["1:11", "2:13", "3:1"]


def test_violations_and_lints_have_the_position_of_a_name_under_the_shared_key() -> None:
    text = "name: x\nformats:\n- json\n- markdwn\n- htm\ncustom_formats:\n- markdwn\n"
    with pytest.warns(ir.SpellingWarning) as caught:
        ir.from_yaml(text, v1.OutputSpec)
    assert [str(each.message) for each in caught] == [
        '4:3: custom_formats[0]: the custom name "markdwn" is one edit away from "markdown"'
    ]
    assert caught[0].filename == __file__


def test_lints_have_the_position_of_a_name_under_either_key() -> None:
    text = "id: x\noutputs:\n- customFormats: [htm]\n  formats: [json, htm, html]\n"
    document = parse_yaml(text)
    find = document.field_finder(v1.Experiment)
    found = {
        str(find(("outputs", 0, name, index)))
        for name, index in [("custom_formats", 0), ("custom_formats", 1), ("formats", 1)]
    }
    assert found == {"3:19", "4:19", "4:24"}
    assert str(find(("outputs", 0, "custom_formats", 7))) == "3:18"
    for text, position in [("stage: ''", "1:8"), ("stage: null\ncustom_stage: x", "2:15")]:
        find = parse_yaml(text).field_finder(v1.ModelVersion)
        assert str(find(("custom_stage",))) == position


def awkward_names(field: Field) -> st.SearchStrategy[str]:
    """Return a strategy for custom names that a reader may take for something else."""
    assert field.enum is not None
    full = [value.name for value in field.enum.values]
    short = list(field.short_names)
    prefix = full[0].removesuffix("UNSPECIFIED")
    documented = st.sampled_from([*full, *short, "unspecified"])
    return st.one_of(
        documented,
        documented.map(str.upper),
        documented.map(str.title),
        documented.map(lambda name: name.replace("_", "-")),
        documented.map(lambda name: f" {name}_"),
        documented.map(lambda name: name[1:]),
        documented.map(lambda name: prefix + name),
        st.sampled_from([prefix, prefix.lower(), "off", "no", "1", "-1", "0x1", ".nan", "null"]),
        st.sampled_from(["", "-", "~", "[]", "2025-01-01", "!x", "\u212a", "\x85", "a\nb"]),
        st.text(max_size=5),
    )


NUMBERS = st.sampled_from([0, 1, 2, 99, -1, 2**31 - 1, -(2**31)])


@st.composite
def with_awkward_names(draw: st.DrawFn, type_: type[Message]) -> Message:
    message = draw(messages(type_, depth=2))
    for _, inside in walk(message):
        for field, custom in open_vocabularies(inside.DESCRIPTOR):
            target: Any = inside
            if field.is_list:
                getattr(target, field.name)[:] = draw(st.lists(NUMBERS, max_size=3))
                getattr(target, custom)[:] = draw(st.lists(awkward_names(field), max_size=3))
            elif draw(st.booleans()):
                setattr(target, custom, draw(awkward_names(field)))
            elif draw(st.booleans()):
                setattr(target, field.name, draw(NUMBERS))
    return message


@pytest.mark.parametrize("type_", TYPES)
def test_every_message_is_read_back(type_: type[Message]) -> None:
    @settings(
        max_examples=examples(40),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        deadline=None,
    )
    @given(message=with_awkward_names(type_))
    def is_read_back(message: Message) -> None:
        short = ir.to_yaml(message)
        proto = ir.to_yaml(message, names="proto")
        name = type_.DESCRIPTOR.name
        assert read(short, name) == message
        assert read(proto, name) == message

    is_read_back()
