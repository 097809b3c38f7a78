"""Constructors: defaults, vocabularies, rejected values, and copies of arguments."""

from __future__ import annotations

import enum
import json
import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from every_feature import EveryFeature
from google.protobuf import json_format, struct_pb2, timestamp_pb2

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.building.construct import construct
from crucible_ir.v1 import options_pb2


def new(type_: Any, **fields: Any) -> Any:
    """Return a message, whose required fields may be missing; type checkers do not look inside."""
    return ir.new(type_, partial=True, **fields)


CLASSES: dict[str, Any] = {
    name: cls for name in v1.__all__ if hasattr(cls := getattr(v1, name), "FromString")
}
FIELDS: list[Any] = [field for cls in CLASSES.values() for field in cls.DESCRIPTOR.fields]
ENUM_FIELDS = [field for field in FIELDS if field.enum_type is not None]
OPEN_FIELDS = [
    field for field in ENUM_FIELDS if f"custom_{field.name}" in field.containing_type.fields_by_name
]
CLOSED_FIELDS = [field for field in ENUM_FIELDS if field not in OPEN_FIELDS]


def name_of(field: Any) -> str:
    return f"{field.containing_type.name}.{field.name}"


def declared_defaults(message: Any) -> dict[str, Any]:
    """Read the defaults of the schema as the ProtoJSON of a message; nested ones come filled."""
    found: dict[str, Any] = {}
    for field in message.fields:
        if field.GetOptions().HasExtension(options_pb2.default):
            value = json.loads(field.GetOptions().Extensions[options_pb2.default])
            is_message = field.message_type is not None
            found[field.name] = declared_defaults(field.message_type) if is_message else value
    return found


def short_names(enum_type: Any) -> dict[str, int]:
    prefix = enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {
        value.name.removeprefix(prefix).lower(): value.number
        for value in enum_type.values
        if value.number
    }


#: `crucible_ir.new`, called in ways that a type checker cannot follow.
strict_new: Any = ir.new


def required(name: str) -> list[list[str]]:
    """Return the groups of fields of which protovalidate requires one, in the schema's order."""
    descriptor = CLASSES[name].DESCRIPTOR
    paths = {
        violation.path
        for violation in ir.violations(CLASSES[name]())
        if violation.rule_id in ("required", "repeated.min_items")
    }
    groups = []
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if field.name in paths:
            groups.append([field.name])
        elif oneof is not None and oneof.name in paths and oneof.fields[0] == field:
            groups.append([member.name for member in oneof.fields])
    return groups


def some_value(cls: Any, name: str) -> Any:
    """Return a value that fits a field; a message among them may be empty."""
    field = cls.DESCRIPTOR.fields_by_name[name]
    if field.message_type is not None:
        empty = CLASSES[field.message_type.name]()
        return [empty] if field.is_repeated else empty
    return 1 if field.enum_type is not None else "x"


def rejected(type_: str, **fields: object) -> ir.FieldError:
    with pytest.raises(ir.FieldError) as caught:
        new(type_, **fields)
    return caught.value


# Defaults


@pytest.mark.parametrize("name", CLASSES)
def test_a_new_message_has_exactly_the_defaults_that_the_schema_declares(name: str) -> None:
    cls = CLASSES[name]
    expected = json_format.ParseDict(declared_defaults(cls.DESCRIPTOR), cls())
    assert new(name) == expected


def test_the_schema_declares_the_defaults_that_the_test_above_relies_on() -> None:
    assert sum(len(declared_defaults(cls.DESCRIPTOR)) for cls in CLASSES.values()) > 40
    assert declared_defaults(CLASSES["Prompt"].DESCRIPTOR) == {
        "options": {"stream": False, "extended_thinking": False}
    }


@pytest.mark.parametrize("name", CLASSES)
def test_a_type_is_given_by_name_by_full_name_or_by_class_and_has_its_own_constructor(
    name: str,
) -> None:
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    made = new(name)
    assert made == new(f"crucible_ir.v1.{name}") == new(CLASSES[name])
    assert type(made) is CLASSES[name]
    given = {names[0]: some_value(CLASSES[name], names[0]) for names in required(name)}
    made = getattr(ir, f"new_{snake}")(**given)
    assert made == new(name, **given) == ir.new(CLASSES[name], **given)
    assert type(made) is CLASSES[name]


def test_a_given_field_replaces_its_default_and_leaves_the_others() -> None:
    made = ir.new("TrainingConfig", partial=True, id="t", epochs=7)
    assert (made.epochs, made.batch_size, made.learning_rate) == (7, 32, 0.001)
    assert list(made.metrics) == ["loss", "accuracy"]


def test_a_mapping_in_place_of_a_message_takes_the_defaults_of_that_message() -> None:
    made = ir.new_training_config(id="t", model_ref={"id": "gpt2"}, dataset_ref={"name": "wiki"})
    assert made.model_ref == ir.new_model_ref(id="gpt2")
    assert made.model_ref.framework == v1.ModelFramework.MODEL_FRAMEWORK_NX
    assert made.dataset_ref.split == v1.DatasetSplit.DATASET_SPLIT_TRAIN


def test_a_message_given_as_a_message_takes_no_defaults() -> None:
    bare = v1.ModelRef(id="gpt2")
    assert ir.new("TrainingConfig", partial=True, id="t", model_ref=bare).model_ref == bare


@pytest.mark.parametrize(
    "field",
    [field for field in FIELDS if field.GetOptions().HasExtension(options_pb2.default)],
    ids=name_of,
)
def test_none_leaves_a_field_with_a_default_unset(field: Any) -> None:
    made = new(field.containing_type.name, **{field.name: None})
    assert field.name not in {set_field.name for set_field, _ in made.ListFields()}
    expected = declared_defaults(field.containing_type)
    del expected[field.name]
    assert made == json_format.ParseDict(expected, CLASSES[field.containing_type.name]())


@pytest.mark.parametrize("name", CLASSES)
def test_none_for_every_field_makes_an_empty_message(name: str) -> None:
    nothing = dict.fromkeys(CLASSES[name].DESCRIPTOR.fields_by_name)
    assert new(name, **nothing) == CLASSES[name]()


def test_an_empty_list_that_is_given_stays_empty() -> None:
    made = ir.new("TrainingConfig", partial=True, id="t", metrics=[])
    assert list(made.metrics) == []
    assert list(ir.new_output_spec(name="o", formats=[]).formats) == []


def test_a_custom_list_that_is_given_completes_the_list_instead_of_its_default() -> None:
    made = ir.new_output_spec(name="o", custom_formats=["pdf"])
    assert (list(made.formats), list(made.custom_formats)) == ([], ["pdf"])


def test_an_empty_map_that_is_given_is_present() -> None:
    assert ir.new_stage_def(name="s", options={}).HasField("options")
    assert not ir.new_stage_def(name="s").HasField("options")


def test_an_empty_message_that_is_given_is_present() -> None:
    empty = v1.ReliabilityConfig()
    assert ir.new("Experiment", partial=True, id="e", reliability=empty).HasField("reliability")
    assert ir.new("Experiment", partial=True, id="e", reliability={}).HasField("reliability")


# Required fields


@pytest.mark.parametrize("name", [name for name in CLASSES if required(name)])
def test_a_message_without_its_required_fields_is_an_error_that_names_them_all(name: str) -> None:
    with pytest.raises(ir.FieldError) as caught:
        strict_new(name)
    assert caught.value.path == name
    groups = [" or ".join(names) for names in required(name)]
    assert caught.value.reason == (
        f"missing required field{'s' if len(groups) > 1 else ''}: {', '.join(groups)};"
        f' ir.new("{name}", ..., partial=True) makes an unfinished message'
    )


@pytest.mark.parametrize("name", [name for name in CLASSES if not required(name)])
def test_a_message_without_required_fields_needs_no_arguments(name: str) -> None:
    assert strict_new(name) == new(name)


def test_the_schema_requires_fields_of_most_types() -> None:
    assert required("ModelVersion") == [["id"], ["model_id"], ["version"]]
    assert required("Experiment") == [["id"], ["backend"], ["pipeline"]]
    assert required("ImageContent") == [["url", "base64"]]
    assert sum(bool(required(name)) for name in CLASSES) > 20


def test_a_required_field_of_none_is_missing_and_any_other_value_is_given() -> None:
    with pytest.raises(ir.FieldError, match="missing required field: id;"):
        ir.new("ModelRef", id=None)
    assert ir.new_model_ref(id="").id == ""
    assert not ir.new_experiment(id="e", backend=v1.BackendRef(), pipeline=[]).pipeline


def test_missing_fields_of_mappings_are_named_with_their_paths() -> None:
    with pytest.raises(ir.FieldError) as caught:
        ir.new(
            "TrainingRun",
            config={"id": "c", "dataset_ref": {}, "model_ref": v1.ModelRef()},
        )
    assert str(caught.value).startswith(
        "TrainingRun: missing required fields: id, config.dataset_ref.name;"
    )
    with pytest.raises(ir.FieldError) as caught:
        ir.new(
            "Message",
            role="user",
            parts={"parts": [{"text": "hi"}, {"image": {}}, {}]},
        )
    assert "parts.parts[1].image.url or parts.parts[1].image.base64" in caught.value.reason
    assert "parts.parts[2].text or parts.parts[2].image" in caught.value.reason


def test_a_partial_message_may_lack_fields_at_every_depth() -> None:
    made = ir.new("TrainingRun", partial=True, config={"dataset_ref": {"split": "test"}})
    assert made.config.dataset_ref.split == v1.DatasetSplit.DATASET_SPLIT_TEST
    assert made.config.epochs == 1
    assert not ir.is_valid(made)


def test_an_unknown_field_is_reported_before_missing_ones() -> None:
    with pytest.raises(ir.FieldError, match='did you mean "epochs"'):
        strict_new("TrainingConfig", epoch=3)


def test_no_field_has_the_name_of_an_option_of_the_constructors() -> None:
    assert {"partial", "type"}.isdisjoint(field.name for field in FIELDS)


# Vocabularies


@pytest.mark.parametrize("field", ENUM_FIELDS, ids=name_of)
def test_every_short_name_full_name_and_number_gives_its_enum_value(
    field: Any,
) -> None:
    for short, number in short_names(field.enum_type).items():
        for value in (short, field.enum_type.values_by_number[number].name, number):
            given = [value] if field.is_repeated else value
            made = new(field.containing_type.name, **{field.name: given})
            assert getattr(made, field.name) == ([number] if field.is_repeated else number)


@pytest.mark.parametrize("field", OPEN_FIELDS, ids=name_of)
def test_a_name_outside_an_open_vocabulary_goes_to_the_custom_member(
    field: Any,
) -> None:
    for name in (field.name, f"custom_{field.name}"):
        given = ["in_house"] if field.is_repeated else "in_house"
        made = new(field.containing_type.name, **{name: given})
        assert getattr(made, f"custom_{field.name}") == given
        assert getattr(made, field.name) == ([] if field.is_repeated else 0)


@pytest.mark.parametrize("field", OPEN_FIELDS, ids=name_of)
def test_a_documented_name_given_as_custom_becomes_the_enum_value(field: Any) -> None:
    short, number = next(iter(short_names(field.enum_type).items()))
    given = [short, "in_house"] if field.is_repeated else short
    made = new(field.containing_type.name, **{f"custom_{field.name}": given})
    assert getattr(made, field.name) == ([number] if field.is_repeated else number)
    assert getattr(made, f"custom_{field.name}") == (["in_house"] if field.is_repeated else "")


@pytest.mark.parametrize("field", OPEN_FIELDS, ids=name_of)
def test_a_documented_name_in_another_spelling_is_an_error_unless_it_is_given_as_custom(
    field: Any,
) -> None:
    short = next(iter(short_names(field.enum_type)))
    given = [short.upper()] if field.is_repeated else short.upper()
    error = rejected(field.containing_type.name, **{field.name: given})
    shown = f'["{short.upper()}"]' if field.is_repeated else f'"{short.upper()}"'
    assert error.reason == (
        f'{field.enum_type.name} has no value "{short.upper()}"; did you mean "{short}"? To keep it'
        f" as a custom name, write custom_{field.name}={shown}"
    )
    made = new(field.containing_type.name, **{f"custom_{field.name}": given})
    assert getattr(made, f"custom_{field.name}") == given


def test_the_builder_rejects_a_documented_name_in_another_spelling() -> None:
    builder = ir.experiment("e")
    with pytest.raises(ir.FieldError, match="To keep it as a custom name"):
        builder.with_experiment_type("Ablation")
    with pytest.raises(ir.FieldError, match="To keep it as a custom name"):
        builder.with_stats(tests=["ttest", "Mann-Whitney"])
    with pytest.raises(ir.FieldError, match="To keep it as a custom name"):
        builder.add_output("o", formats=["Markdown"])


def test_a_name_one_edit_away_is_kept_with_a_warning_at_the_line_of_the_caller() -> None:
    with pytest.warns(ir.SpellingWarning) as caught:
        made = ir.new("ModelVersion", partial=True, stage="producton")
    assert made == v1.ModelVersion(custom_stage="producton")
    assert [str(each.message) for each in caught] == [
        'ModelVersion.stage: the custom name "producton" is one edit away from "production"'
    ]
    assert caught[0].filename == __file__


def test_a_custom_name_that_is_given_as_custom_has_no_warning(
    recwarn: pytest.WarningsRecorder,
) -> None:
    ir.new("ModelVersion", partial=True, custom_stage="producton")
    ir.new("ModelVersion", partial=True, stage="experiment")
    assert not list(recwarn)


@pytest.mark.parametrize("field", OPEN_FIELDS, ids=name_of)
def test_a_custom_name_must_be_a_string(field: Any) -> None:
    custom = f"custom_{field.name}"
    error = rejected(field.containing_type.name, **{custom: [1] if field.is_repeated else 1})
    assert error.path == f"{name_of(field).replace('.', '.custom_')}" + (
        "[0]" if field.is_repeated else ""
    )
    assert error.reason == "expected a string, got int 1"


def test_a_list_of_an_open_vocabulary_is_split_and_keeps_order_and_duplicates() -> None:
    made = ir.new_output_spec(name="o", formats=["pdf", "html", "docx", "html", "json"])
    assert list(made.formats) == [
        v1.OutputFormat.OUTPUT_FORMAT_HTML,
        v1.OutputFormat.OUTPUT_FORMAT_HTML,
        v1.OutputFormat.OUTPUT_FORMAT_JSON,
    ]
    assert list(made.custom_formats) == ["pdf", "docx"]


def test_both_members_of_an_open_vocabulary_cannot_be_given() -> None:
    error = rejected("ModelRef", id="m", provider="s3", custom_provider="minio")
    assert error.path == "ModelRef.custom_provider"
    assert error.reason == "provider is already set; only one member of provider_kind may be set"


def test_an_unknown_number_of_an_open_vocabulary_is_kept() -> None:
    newer: Any = 99
    assert ir.new_model_ref(id="m", provider=newer).provider == newer


def test_none_for_one_member_of_an_open_vocabulary_leaves_the_other_set() -> None:
    made = ir.new_model_ref(id="m", provider=None, custom_provider="minio")
    assert made.WhichOneof("provider_kind") == "custom_provider"


@pytest.mark.parametrize("field", CLOSED_FIELDS, ids=name_of)
def test_an_unknown_name_of_a_closed_vocabulary_is_rejected_with_the_known_names(
    field: Any,
) -> None:
    error = rejected(field.containing_type.name, **{field.name: "xyzzy"})
    assert error.path == name_of(field)
    assert error.reason == (
        f'{field.enum_type.name} has no value "xyzzy"; '
        f"expected one of {', '.join(short_names(field.enum_type))}"
    )


@pytest.mark.parametrize(
    ("type_", "field", "name", "meant"),
    [
        ("TrainingRun", "status", "complete", "completed"),
        ("TrainingRun", "status", "Pending", "pending"),
        ("DeploymentStatus", "state", "deploy", "deploying"),
        ("Hedging", "strategy", "exponential-backoff", "exponential_backoff"),
        ("Ensemble", "strategy", "majorty", "majority"),
        ("Message", "role", "asistant", "assistant"),
    ],
)
def test_an_unknown_name_of_a_closed_vocabulary_is_rejected_with_a_suggestion(
    type_: str, field: str, name: str, meant: str
) -> None:
    error = rejected(type_, **{field: name})
    assert error.path == f"{type_}.{field}"
    assert f'"{name}"; did you mean "{meant}"?' in error.reason


def test_unspecified_is_not_a_name() -> None:
    assert "has no value" in rejected("TrainingRun", status="unspecified").reason


# Names of types and fields


@pytest.mark.parametrize(
    ("type_", "field", "hint"),
    [
        ("TrainingConfig", "epoch", '; did you mean "epochs"?'),
        ("TrainingConfig", "learningRate", '; did you mean "learning_rate"?'),
        ("ModelRef", "providr", '; did you mean "provider"?'),
        ("Experiment", "stages", '; did you mean "tags"?'),
        ("Message", "content", "; give one of text, parts"),
        ("ModelRef", "provider_kind", "; give one of provider, custom_provider"),
        ("StageDef", "xyzzy", ""),
        ("StageDef", "name\ud800", '; did you mean "name"?'),
    ],
)
def test_an_unknown_field_is_rejected_with_a_suggestion(type_: str, field: str, hint: str) -> None:
    error = rejected(type_, **{field: 1})
    assert error.path == f"{type_}." + field.replace("\ud800", "\\ud800")
    assert error.reason == f"{type_} has no such field{hint}"


def test_an_unknown_field_of_a_mapping_is_rejected_with_its_path() -> None:
    error = rejected("Experiment", pipeline=[{"name": "a"}, {"name": "b", "moduel": "M"}])
    assert str(error) == (
        'Experiment.pipeline[1].moduel: StageDef has no such field; did you mean "module"?'
    )


def test_a_mapping_whose_key_is_not_a_string_is_rejected() -> None:
    assert rejected("Experiment", backend={3: "x"}).path == "Experiment.backend.3"


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("TrainingConfg", "unknown message type 'TrainingConfg'; did you mean \"TrainingConfig\"?"),
        ("trainingconfig", 'did you mean "TrainingConfig"?'),
        ("google.protobuf.Struct", "unknown message type 'google.protobuf.Struct'"),
        ("", "unknown message type ''"),
        ("x" * 10_000, "unknown message type 'xxx"),
        (3, "3 is neither a message class nor the name of one"),
        (dict, "<class 'dict'> is neither a message class nor the name of one"),
        (None, "None is neither a message class nor the name of one"),
        (v1.Optimizer, "is neither a message class nor the name of one"),
        (v1.ModelRef(id="m"), 'id: "m" is neither a message class nor the name of one'),
    ],
)
def test_an_unknown_type_is_rejected_with_a_suggestion(type_: Any, expected: str) -> None:
    with pytest.raises(ir.UnknownTypeError) as caught:
        new(type_)
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 200


# Values that do not fit


@pytest.mark.parametrize(
    ("type_", "fields", "path", "reason"),
    [
        ("TrainingConfig", {"id": 5}, "id", "expected a string, got int 5"),
        ("TrainingConfig", {"id": b"a"}, "id", "expected a string, got bytes b'a'"),
        ("TrainingConfig", {"epochs": "3"}, "epochs", "expected an integer, got str '3'"),
        ("TrainingConfig", {"epochs": 3.0}, "epochs", "expected an integer, got float 3.0"),
        ("TrainingConfig", {"epochs": True}, "epochs", "expected an integer, got bool True"),
        (
            "TrainingConfig",
            {"epochs": 2**31},
            "epochs",
            "2147483648 is out of range; expected -2147483648 to 2147483647",
        ),
        (
            "TrainingConfig",
            {"seed": -(2**63) - 1},
            "seed",
            "-9223372036854775809 is out of range;"
            " expected -9223372036854775808 to 9223372036854775807",
        ),
        ("TrainingConfig", {"seed": 10**5000}, "seed", "of 16610 bits is out of range"),
        (
            "TrainingConfig",
            {"learning_rate": "fast"},
            "learning_rate",
            "expected a number, got str 'fast'",
        ),
        (
            "TrainingConfig",
            {"learning_rate": True},
            "learning_rate",
            "expected a number, got bool True",
        ),
        (
            "TrainingConfig",
            {"learning_rate": 10**400},
            "learning_rate",
            "int of 1329 bits is too large for a double",
        ),
        (
            "TrainingConfig",
            {"mixed_precision": 1},
            "mixed_precision",
            "expected True or False, got int 1",
        ),
        ("TrainingConfig", {"metrics": "loss"}, "metrics", "expected a list, got str 'loss'"),
        ("TrainingConfig", {"metrics": 3}, "metrics", "expected a list, got int 3"),
        ("TrainingConfig", {"metrics": ["a", 3]}, "metrics[1]", "expected a string, got int 3"),
        (
            "TrainingConfig",
            {"metrics": ["a", None]},
            "metrics[1]",
            "expected a string, got NoneType None",
        ),
        (
            "TrainingConfig",
            {"optimizer": 1.5},
            "optimizer",
            "expected a name or number of Optimizer, got float 1.5",
        ),
        (
            "TrainingConfig",
            {"optimizer": True},
            "optimizer",
            "expected a name or number of Optimizer, got bool True",
        ),
        ("TrainingConfig", {"optimizer": 2**31}, "optimizer", "2147483648 is out of range"),
        (
            "TrainingConfig",
            {"model_ref": "gpt2"},
            "model_ref",
            "expected a crucible_ir.v1.ModelRef or a mapping of its fields, got str 'gpt2'",
        ),
        (
            "TrainingConfig",
            {"model_ref": v1.StageDef()},
            "model_ref",
            "expected a crucible_ir.v1.ModelRef, got a crucible_ir.v1.StageDef",
        ),
        (
            "Experiment",
            {"pipeline": {"name": "a"}},
            "pipeline",
            "expected a list, got dict {'name': 'a'}",
        ),
        (
            "Experiment",
            {"pipeline": [v1.StageDef(name="a"), 3]},
            "pipeline[1]",
            "expected a crucible_ir.v1.StageDef or a mapping of its fields, got int 3",
        ),
        (
            "OutputSpec",
            {"formats": ["html", None]},
            "formats[1]",
            "expected a name or number of OutputFormat, got NoneType None",
        ),
        ("ModelVersion", {"metrics": [1]}, "metrics", "expected a mapping, got list [1]"),
        ("ModelVersion", {"metrics": {3: 1}}, "metrics", "a key must be a string, got int 3"),
        (
            "ModelVersion",
            {"metrics": {"f1.macro": "x"}},
            'metrics["f1.macro"]',
            "expected a number, got str 'x'",
        ),
        ("ImageContent", {"base64": "aGk="}, "base64", "expected bytes, got str 'aGk='"),
        ("StageDef", {"options": "x"}, "options", "expected a mapping, got str 'x'"),
        ("Prompt", {"tools": [{}, 3]}, "tools[1]", "expected a mapping, got int 3"),
        (
            "BackendRef",
            {"fallback": {"fallback": {"profile": 3}}},
            "fallback.fallback.profile",
            "expected a string, got int 3",
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_rejected_with_its_path(
    type_: str, fields: dict[str, object], path: str, reason: str
) -> None:
    error = rejected(type_, **fields)
    assert error.path == f"{type_}.{path}"
    assert reason in error.reason
    assert str(error) == f"{error.path}: {error.reason}"
    assert isinstance(error, (ir.Error, TypeError, ValueError))


@pytest.mark.parametrize(
    ("type_", "fields", "path"),
    [
        ("StageDef", {"name": "\ud800"}, "name"),
        ("Experiment", {"tags": ["a", "\udfff"]}, "tags[1]"),
        ("OutputSpec", {"formats": ["\ud800"]}, "formats[0]"),
        ("ModelRef", {"provider": "\ud800"}, "provider"),
        ("ModelRef", {"custom_provider": "\ud800"}, "custom_provider"),
        ("TrainingRun", {"status": "\ud800"}, "status"),
        ("ModelVersion", {"metrics": {"\ud800": 1}}, "metrics"),
        ("StageDef", {"options": {"a": ["\ud800"]}}, 'options["a"][0]'),
        ("StageDef", {"options": {"\ud800": 1}}, r'options["\\ud800"]'),
    ],
)
def test_text_that_utf_8_cannot_carry_is_rejected(
    type_: str, fields: dict[str, object], path: str
) -> None:
    error = rejected(type_, **fields)
    assert error.path == f"{type_}.{path}"
    assert error.reason == "the string contains an unpaired surrogate, which UTF-8 cannot encode"


def test_an_offending_value_is_shown_on_one_line_and_cut() -> None:
    error = rejected("TrainingConfig", epochs="a\n" * 5000)
    assert "\n" not in str(error)
    assert len(str(error)) < 200


# Values that fit


@pytest.mark.parametrize("limit", [-(2**31), 2**31 - 1])
def test_the_limits_of_an_int32_are_accepted(limit: int) -> None:
    assert ir.new("TrainingConfig", partial=True, epochs=limit).epochs == limit


@pytest.mark.parametrize("limit", [-(2**63), 2**63 - 1])
def test_the_limits_of_an_int64_are_accepted(limit: int) -> None:
    assert ir.new("TrainingConfig", partial=True, seed=limit).seed == limit


def test_a_double_takes_integers_nan_and_infinities() -> None:
    made = ir.new_metrics_snapshot(
        values={"whole": 3, "nan": float("nan"), "up": float("inf"), "big": 2**60}
    )
    expected = v1.MetricsSnapshot(
        values={"whole": 3.0, "nan": float("nan"), "up": float("inf"), "big": 2.0**60}
    )
    assert made.SerializeToString(deterministic=True) == expected.SerializeToString(
        deterministic=True
    )


@pytest.mark.parametrize(
    "values",
    [["b", "a"], ("b", "a"), (letter for letter in "ba"), v1.TrainingConfig(metrics="ba").metrics],
    ids=["list", "tuple", "generator", "repeated field"],
)
def test_any_iterable_is_a_list(values: Any) -> None:
    assert list(ir.new("TrainingConfig", partial=True, metrics=values).metrics) == ["b", "a"]


def test_a_map_field_is_a_mapping() -> None:
    recorded = v1.ModelVersion(metrics={"f1": 0.5})
    assert ir.new("ModelVersion", partial=True, metrics=recorded.metrics).metrics == {"f1": 0.5}


def test_bytes_like_values_are_bytes() -> None:
    for value in (b"hi", bytearray(b"hi"), memoryview(b"hi")):
        assert new("ImageContent", base64=value) == v1.ImageContent(base64=b"hi")


def test_string_and_integer_enums_of_python_are_accepted() -> None:
    class Choice(enum.StrEnum):
        SGD = "sgd"

    class Size(enum.IntEnum):
        SMALL = 8

    made = ir.new(
        "TrainingConfig",
        partial=True,
        optimizer=Choice.SGD,
        batch_size=Size.SMALL,
        options={"choice": Choice.SGD, "size": Size.SMALL},
    )
    assert made.optimizer == v1.Optimizer.OPTIMIZER_SGD
    assert made.batch_size == 8
    assert json_format.MessageToDict(made.options) == {"choice": "sgd", "size": 8.0}


# Timestamps


def test_a_naive_datetime_is_rejected() -> None:
    error = rejected("ModelVersion", created_at=datetime(2025, 1, 1))
    assert error.path == "ModelVersion.created_at"
    assert error.reason == (
        "the datetime is naive; give it a time zone,"
        " for example 2025-01-01T00:00:00 with tzinfo=datetime.UTC"
    )


def test_an_aware_datetime_is_converted_to_utc_with_its_microseconds() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    time = datetime(2025, 12, 26, 17, 30, 0, 250_001, tzinfo=east)
    made = ir.new("ModelVersion", partial=True, created_at=time)
    expected = timestamp_pb2.Timestamp()
    expected.FromJsonString("2025-12-26T12:00:00.250001Z")
    assert made.created_at == expected


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), -1),
        (datetime(1, 1, 1, tzinfo=UTC), -62_135_596_800),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), 253_402_300_799),
    ],
)
def test_every_datetime_is_converted_exactly(time: datetime, seconds: int) -> None:
    made = ir.new("ModelVersion", partial=True, created_at=time)
    assert (made.created_at.seconds, made.created_at.nanos) == (seconds, time.microsecond * 1000)


def test_a_datetime_that_leaves_the_calendar_in_utc_is_rejected() -> None:
    east = timezone(timedelta(hours=2))
    error = rejected("ModelVersion", created_at=datetime(1, 1, 1, tzinfo=east))
    assert error.reason == "0001-01-01T00:00:00+02:00 is outside the years 1 to 9999 in UTC"


def test_a_timestamp_is_also_given_as_a_message_or_as_rfc_3339_text() -> None:
    text = "2025-12-26T12:00:00.000000001Z"
    stamp = timestamp_pb2.Timestamp()
    stamp.FromJsonString(text)
    assert ir.new("ModelVersion", partial=True, created_at=text).created_at == stamp
    assert ir.new("ModelVersion", partial=True, created_at=stamp).created_at == stamp


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2025-01-01", "expected an RFC 3339 timestamp such as 2025-12-26T12:00:00Z"),
        (date(2025, 1, 1), "expected a datetime with a time zone, got date 2025-01-01"),
        (1_700_000_000, "expected a datetime with a time zone, got int 1700000000"),
    ],
)
def test_other_values_are_not_timestamps(value: object, reason: str) -> None:
    assert rejected("ModelVersion", created_at=value).reason.startswith(reason)


# Arguments are copied


def test_messages_and_containers_that_are_given_are_copied_and_never_changed() -> None:
    backend = v1.BackendRef(id="gpt4")
    stage = v1.StageDef(name="run")
    options = struct_pb2.Struct()
    options["n"] = 1
    given: dict[str, Any] = {"k": [1, {"deep": True}]}
    tags = ["a"]
    before = [message.SerializeToString() for message in (backend, stage, options)]

    made = ir.new_experiment(
        id="e",
        backend=backend,
        pipeline=[stage, {"name": "report", "options": options}],
        metadata=given,
        tags=tags,
    )
    made.backend.id = "changed"
    made.pipeline[0].name = "changed"
    made.pipeline[1].options["n"] = 2
    made.metadata["k"] = None
    made.tags.append("b")

    assert [message.SerializeToString() for message in (backend, stage, options)] == before
    assert given == {"k": [1, {"deep": True}]}
    assert tags == ["a"]


def test_changing_a_given_message_later_does_not_change_the_one_that_was_made() -> None:
    backend = v1.BackendRef(id="gpt4")
    given: dict[str, Any] = {"k": [1]}
    made = ir.new("Experiment", partial=True, id="e", backend=backend, metadata=given)
    before = made.SerializeToString()
    backend.id = "changed"
    given["k"].append(2)
    assert made.SerializeToString() == before


def test_two_new_messages_share_no_defaults() -> None:
    first, second = ir.new_prompt(), ir.new_prompt()
    first.options.stream = True
    assert not second.options.stream
    assert not ir.new_prompt().options.stream


def test_constructing_does_not_validate() -> None:
    made = ir.new("TrainingConfig", partial=True, epochs=-1)
    assert not ir.is_valid(made)


# Schemas with fields that the IR does not have


def test_a_map_of_messages_takes_messages_and_mappings_of_fields() -> None:
    given = {"a": {"one_int32": 1}, "b": EveryFeature(one_int32=2)}
    made: Any = construct(EveryFeature, {"map_to_itself": given})
    assert {key: value.one_int32 for key, value in made.map_to_itself.items()} == {"a": 1, "b": 2}
