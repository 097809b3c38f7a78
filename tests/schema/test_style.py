"""The conventions of the schema: comments everywhere, one noun per file, and naming."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

NOUNS = {
    "experiment",
    "backend",
    "prompt",
    "completion",
    "dataset",
    "output",
    "model",
    "training",
    "deployment",
    "feedback",
    "evaluation",
    "reliability",
    "document",
    "options",
}
STANDALONE = {
    "Experiment",
    "BackendRef",
    "StageDef",
    "DatasetRef",
    "OutputSpec",
    "ReliabilityConfig",
    "Ensemble",
    "Hedging",
    "Stats",
    "Fairness",
    "Guardrail",
    "ModelRef",
    "ModelVersion",
    "TrainingConfig",
    "TrainingRun",
    "DeploymentConfig",
    "DeploymentStatus",
    "FeedbackEvent",
    "FeedbackConfig",
    "Prompt",
    "GenerationOptions",
    "Completion",
    "Capabilities",
    "EvaluationResult",
}
ALLOWED_IMPORTS = {
    "google/protobuf/descriptor.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
}
ALLOWED_SCALARS = {
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_BYTES,
    FieldDescriptorProto.TYPE_BOOL,
    FieldDescriptorProto.TYPE_INT32,
    FieldDescriptorProto.TYPE_INT64,
    FieldDescriptorProto.TYPE_DOUBLE,
}

FILES: dict[str, FileDescriptorProto] = {
    file.name.removeprefix("crucible_ir/v1/").removesuffix(".proto"): file
    for file in FileDescriptorSet.FromString(
        resources.files("crucible_ir").joinpath("schema", "descriptors.binpb").read_bytes()
    ).file
    if file.package == "crucible_ir.v1"
}
MESSAGES: dict[str, DescriptorProto] = {
    message.name: message for file in FILES.values() for message in file.message_type
}
ENUMS: dict[str, EnumDescriptorProto] = {
    enum.name: enum for file in FILES.values() for enum in file.enum_type
}


def _declared_oneofs(message: DescriptorProto) -> dict[int, str]:
    """Return the declared oneofs, without the synthetic ones of `optional`."""
    synthetic = {field.oneof_index for field in message.field if field.proto3_optional}
    return {i: oneof.name for i, oneof in enumerate(message.oneof_decl) if i not in synthetic}


def _declared(file: FileDescriptorProto) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name and the path in the source info of each declaration in a file."""
    yield "the file", (12,)
    for m, message in enumerate(file.message_type):
        yield message.name, (4, m)
        for f, field in enumerate(message.field):
            yield f"{message.name}.{field.name}", (4, m, 2, f)
        for o, oneof in _declared_oneofs(message).items():
            yield f"{message.name}.{oneof}", (4, m, 8, o)
    for e, enum in enumerate(file.enum_type):
        yield enum.name, (5, e)
        for v, value in enumerate(enum.value):
            yield value.name, (5, e, 2, v)
    for x, extension in enumerate(file.extension):
        yield extension.name, (7, x)


def _comments(file: FileDescriptorProto) -> dict[str, str]:
    at = {
        tuple(location.path): " ".join(location.leading_comments.split())
        for location in file.source_code_info.location
    }
    return {name: at.get(path, "") for name, path in _declared(file)}


def _fields() -> Iterator[tuple[DescriptorProto, FieldDescriptorProto]]:
    for message in MESSAGES.values():
        for field in message.field:
            yield message, field


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _enum_of(field: FieldDescriptorProto) -> str:
    return field.type_name.rpartition(".")[2]


def _is_list(field: FieldDescriptorProto) -> bool:
    return field.label == FieldDescriptorProto.LABEL_REPEATED


def _has_open_comment(enum: str) -> bool:
    return any(
        "Open vocabulary" in _comments(file).get(enum, "")
        for file in FILES.values()
        if enum in {declared.name for declared in file.enum_type}
    )


@pytest.mark.parametrize("noun", FILES)
def test_every_declaration_has_a_comment_that_is_a_sentence(noun: str) -> None:
    for name, comment in _comments(FILES[noun]).items():
        assert re.match(r"[A-Z\"'0-9].*\.$", comment), f"{name}: {comment!r}"


def test_the_files_are_the_nouns_of_the_layout() -> None:
    assert FILES.keys() == NOUNS


@pytest.mark.parametrize("noun", sorted(NOUNS - {"options"}))
def test_a_file_declares_the_message_that_its_noun_names(noun: str) -> None:
    names = [_snake(message.name) for message in FILES[noun].message_type]
    assert any(name == noun or name.startswith(f"{noun}_") for name in names)


def test_the_options_file_declares_only_options_of_scalars_and_enums() -> None:
    file = FILES["options"]
    assert [
        (e.name, e.number, e.extendee.removeprefix(".google.protobuf.")) for e in file.extension
    ] == [
        ("default", 50331, "FieldOptions"),
        ("reference", 50332, "FieldOptions"),
        ("resolution", 50333, "FieldOptions"),
        ("identity", 50334, "FieldOptions"),
        ("immutable", 50335, "FieldOptions"),
        ("since", 50336, "FieldOptions"),
        ("message_since", 50336, "MessageOptions"),
        ("value_since", 50336, "EnumValueOptions"),
    ]
    assert all(e.type != FieldDescriptorProto.TYPE_MESSAGE for e in file.extension)
    assert not file.message_type
    assert [enum.name for enum in file.enum_type] == ["ReferenceResolution"]


@pytest.mark.parametrize("noun", FILES)
def test_a_file_has_the_options_of_other_languages(noun: str) -> None:
    file = FILES[noun]
    assert file.name == f"crucible_ir/v1/{noun}.proto"
    assert file.syntax == "proto3"
    assert file.options.go_package == FILES["experiment"].options.go_package
    assert re.fullmatch(r"github\.com/\S+/crucible_ir/v1;crucibleirv1", file.options.go_package)
    assert file.options.java_package == "org.crucibleir.v1"
    assert file.options.java_multiple_files


@pytest.mark.parametrize("noun", FILES)
def test_a_file_imports_the_schema_and_well_known_types_only(noun: str) -> None:
    outside = {name for name in FILES[noun].dependency if not name.startswith("crucible_ir/v1/")}
    assert outside <= ALLOWED_IMPORTS
    assert not FILES[noun].service


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum_starts_at_unspecified_and_its_values_have_its_prefix(name: str) -> None:
    enum, prefix = ENUMS[name], _snake(name).upper() + "_"
    assert (enum.value[0].name, enum.value[0].number) == (f"{prefix}UNSPECIFIED", 0)
    assert all(re.fullmatch(rf"{prefix}[A-Z][A-Z0-9_]*", value.name) for value in enum.value)
    numbers = [value.number for value in enum.value]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0


@pytest.mark.parametrize("noun", FILES)
def test_the_zero_of_an_enum_is_described_as_unset(noun: str) -> None:
    comments = _comments(FILES[noun])
    for enum in FILES[noun].enum_type:
        assert comments[enum.value[0].name] == "Unset."


@pytest.mark.parametrize("name", MESSAGES)
def test_an_open_vocabulary_is_a_oneof_of_a_name_and_a_custom_name(name: str) -> None:
    message = MESSAGES[name]
    for index, oneof in _declared_oneofs(message).items():
        members = [
            field
            for field in message.field
            if field.HasField("oneof_index") and field.oneof_index == index
        ]
        types = [(field.name, field.type) for field in members]
        custom = [n for n, _ in types if n.startswith("custom_")]
        if oneof.endswith("_kind") or custom:
            field = oneof.removesuffix("_kind")
            assert types == [
                (field, FieldDescriptorProto.TYPE_ENUM),
                (f"custom_{field}", FieldDescriptorProto.TYPE_STRING),
            ]
            assert oneof == f"{field}_kind"
            assert _has_open_comment(_enum_of(members[0]))


@pytest.mark.parametrize("name", MESSAGES)
def test_a_list_of_an_open_vocabulary_has_a_list_of_custom_names_beside_it(name: str) -> None:
    lists = {field.name: field for field in MESSAGES[name].field if _is_list(field)}
    pairs = {n for n, f in lists.items() if f.type == FieldDescriptorProto.TYPE_ENUM}
    assert {f"custom_{n}" for n in pairs} == {n for n in lists if n.startswith("custom_")}
    for known in pairs:
        custom = lists[f"custom_{known}"]
        assert custom.type == FieldDescriptorProto.TYPE_STRING
        assert custom.number == lists[known].number + 1
        assert _has_open_comment(_enum_of(lists[known]))


@pytest.mark.parametrize("name", sorted(ENUMS.keys() - {"ReferenceResolution"}))
def test_an_enum_is_used_as_an_open_or_as_a_closed_vocabulary_throughout(name: str) -> None:
    uses = {
        f"custom_{field.name}" in {other.name for other in message.field}
        for message, field in _fields()
        if field.type == FieldDescriptorProto.TYPE_ENUM and _enum_of(field) == name
    }
    assert uses == {_has_open_comment(name)}


def test_a_document_can_contain_each_standalone_message() -> None:
    document = MESSAGES["Document"]
    (content,) = (i for i, oneof in _declared_oneofs(document).items() if oneof == "content")
    members = {
        field.name: field.type_name
        for field in document.field
        if field.HasField("oneof_index") and field.oneof_index == content
    }
    assert members == {_snake(name): f".crucible_ir.v1.{name}" for name in STANDALONE}
    assert len(members) == 24


@pytest.mark.parametrize("name", MESSAGES)
def test_names_are_snake_case_and_json_names_follow_from_them(name: str) -> None:
    for field in MESSAGES[name].field:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", field.name)
        head, *tail = field.name.split("_")
        assert field.json_name == head + "".join(word[0].upper() + word[1:] for word in tail)


@pytest.mark.parametrize("name", MESSAGES)
def test_numbers_are_int32_seeds_and_sizes_int64_and_rates_double(name: str) -> None:
    for field in MESSAGES[name].field:
        composed = (FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_ENUM)
        assert field.type in ALLOWED_SCALARS or field.type in composed
        if field.name.endswith("_ms"):
            assert field.type == FieldDescriptorProto.TYPE_INT32
        is_wide = field.name in ("seed", "size_bytes")
        assert (field.type == FieldDescriptorProto.TYPE_INT64) is is_wide


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_declares_nothing_inside_itself_but_maps_from_strings(name: str) -> None:
    assert not MESSAGES[name].enum_type
    for entry in MESSAGES[name].nested_type:
        assert entry.options.map_entry
        key, value = (field.type for field in entry.field)
        assert key == FieldDescriptorProto.TYPE_STRING
        assert value in (FieldDescriptorProto.TYPE_DOUBLE, FieldDescriptorProto.TYPE_STRING)


@pytest.mark.parametrize("name", MESSAGES)
def test_numbers_and_flags_have_presence(name: str) -> None:
    for field in MESSAGES[name].field:
        if field.type in ALLOWED_SCALARS - {FieldDescriptorProto.TYPE_STRING} and not (
            _is_list(field) or field.HasField("oneof_index")
        ):
            pytest.fail(f"{name}.{field.name} is neither optional nor in a oneof")
