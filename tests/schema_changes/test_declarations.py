"""Changes of declarations are found, and classified as buf does."""

from __future__ import annotations

import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
)
from schema_changes.mutations import (
    PACKAGE,
    Edit,
    changes_by,
    changes_undone,
    current,
    current_files,
    enum_of,
    field_of,
    file_of,
    message_of,
    messages_of,
    version,
)

from crucible_ir.schema_changes import Release, SchemaChangeKind, SchemaVersion, compare
from crucible_ir.v1 import options_pb2

DEFAULT: Any = options_pb2.default
OPTIONAL_INT = {
    "label": FieldDescriptorProto.LABEL_OPTIONAL,
    "type": FieldDescriptorProto.TYPE_INT32,
}
BUF = Path(sysconfig.get_path("scripts")) / "buf"


def add_field(files: FileDescriptorSet, message: str, name: str, **facts: Any) -> Any:
    declared = message_of(files, message)
    number = max((field.number for field in declared.field), default=0) + 1
    given = {"number": number, "json_name": name, **OPTIONAL_INT, **facts}
    return declared.field.add(name=name, **given)


def add_optional(files: FileDescriptorSet) -> None:
    declared = message_of(files, "StageDef")
    index = len(declared.oneof_decl)
    add_field(files, "StageDef", "retries", proto3_optional=True, oneof_index=index)
    declared.oneof_decl.add(name="_retries")


def oneof_index(files: FileDescriptorSet, message: str, oneof: str) -> int:
    return [each.name for each in message_of(files, message).oneof_decl].index(oneof)


def add_member(files: FileDescriptorSet) -> None:
    index = oneof_index(files, "ToolChoice", "choice")
    add_field(files, "ToolChoice", "limit", oneof_index=index)


def remove_field(files: FileDescriptorSet) -> None:
    lose_presence(files)
    fields = message_of(files, "Usage").field
    del fields[list(fields).index(field_of(files, "Usage.total_tokens"))]


def remove_value(files: FileDescriptorSet) -> None:
    values = enum_of(files, "Optimizer").value
    del values[next(i for i, value in enumerate(values) if value.name == "OPTIMIZER_ADAMW")]


def value_of(files: FileDescriptorSet, enum: str, name: str) -> Any:
    return next(value for value in enum_of(files, enum).value if value.name == name)


def remove_message(files: FileDescriptorSet) -> None:
    fields = message_of(files, "Choice").field
    del fields[list(fields).index(field_of(files, "Choice.thinking"))]
    messages = file_of(files, "Thinking").message_type
    del messages[list(messages).index(message_of(files, "Thinking"))]


def move_message(files: FileDescriptorSet) -> None:
    moved = DescriptorProto()
    moved.CopyFrom(message_of(files, "Artifact"))
    messages = file_of(files, "Artifact").message_type
    del messages[list(messages).index(message_of(files, "Artifact"))]
    # The old file imports the new one.
    new_file = next(file for file in files.file if file.name.endswith("v1/output.proto"))
    new_file.message_type.append(moved)
    file_of(files, "ModelRef").dependency.append(new_file.name)


def out_of_its_oneof(files: FileDescriptorSet) -> None:
    field_of(files, "ToolChoice.name").ClearField("oneof_index")


def into_a_oneof(files: FileDescriptorSet) -> None:
    index = oneof_index(files, "ToolCall", "arguments")
    field_of(files, "ToolCall.name").oneof_index = index
    field_of(files, "ToolCall.name").ClearField("options")


def set_attribute(path: str, name: str, value: object) -> Edit:
    return lambda files: setattr(field_of(files, path), name, value)


def retype(path: str, type_: int) -> Edit:
    def edit(files: FileDescriptorSet) -> None:
        field = field_of(files, path)
        field.ClearField("options")
        field.type = type_  # type: ignore[assignment]

    return edit


def lose_presence(files: FileDescriptorSet) -> None:
    field = field_of(files, "Usage.total_tokens")
    field.ClearField("options")
    index = field.oneof_index
    field.ClearField("oneof_index")
    field.proto3_optional = False
    message = message_of(files, "Usage")
    del message.oneof_decl[index]
    for each in message.field:
        if each.HasField("oneof_index") and each.oneof_index > index:
            each.oneof_index -= 1


def become_repeated(files: FileDescriptorSet) -> None:
    field = field_of(files, "StageDef.name")
    field.ClearField("options")
    field.label = FieldDescriptorProto.LABEL_REPEATED


def rename_value(files: FileDescriptorSet) -> None:
    value_of(files, "Optimizer", "OPTIMIZER_SGD").name = "OPTIMIZER_MOMENTUM"


def renumber_value(files: FileDescriptorSet) -> None:
    value_of(files, "Optimizer", "OPTIMIZER_SGD").number = 99


def add_value(enum: str) -> Edit:
    return lambda files: enum_of(files, enum).value.add(name="NEW", number=99)


def remove_enum(files: FileDescriptorSet) -> None:
    retype("GenerationOptions.cache_control", FieldDescriptorProto.TYPE_INT32)(files)
    field_of(files, "GenerationOptions.cache_control").ClearField("type_name")
    enums = file_of(files, "CacheControl").enum_type
    del enums[list(enums).index(enum_of(files, "CacheControl"))]


def change_map(files: FileDescriptorSet) -> None:
    (entry,) = message_of(files, "MetricsSnapshot").nested_type
    entry.field[1].type = FieldDescriptorProto.TYPE_FLOAT


def change_package_of_java(files: FileDescriptorSet) -> None:
    file_of(files, "StageDef").options.java_package = "org.example"


#: Breaking edits and the kinds of the changes; buf must report each of them, too.
BREAKING: dict[str, tuple[Edit, set[SchemaChangeKind]]] = {
    "a field is removed": (remove_field, {SchemaChangeKind.FIELD_REMOVED}),
    "a field is renamed": (
        set_attribute("Usage.total_tokens", "name", "tokens"),
        {SchemaChangeKind.FIELD_RENAMED},
    ),
    "a field is renumbered": (
        set_attribute("Usage.total_tokens", "number", 90),
        {SchemaChangeKind.FIELD_RENUMBERED},
    ),
    "a field has another type": (
        retype("Usage.total_tokens", FieldDescriptorProto.TYPE_INT64),
        {SchemaChangeKind.FIELD_RETYPED, SchemaChangeKind.RULE_REMOVED},
    ),
    "a field loses its presence": (
        lose_presence,
        {SchemaChangeKind.FIELD_RETYPED, SchemaChangeKind.RULE_REMOVED},
    ),
    "a field becomes a list": (
        become_repeated,
        {SchemaChangeKind.FIELD_RETYPED, SchemaChangeKind.RULE_REMOVED},
    ),
    "the values of a map have another type": (change_map, {SchemaChangeKind.FIELD_RETYPED}),
    "a field leaves its oneof": (out_of_its_oneof, {SchemaChangeKind.FIELD_MOVED}),
    "a field goes into a oneof": (
        into_a_oneof,
        {SchemaChangeKind.FIELD_MOVED, SchemaChangeKind.RULE_REMOVED},
    ),
    "a field has another name in JSON": (
        set_attribute("Usage.total_tokens", "json_name", "tokens"),
        {SchemaChangeKind.JSON_NAME_CHANGED},
    ),
    "an enum value is removed": (remove_value, {SchemaChangeKind.ENUM_VALUE_REMOVED}),
    "an enum value is renamed": (rename_value, {SchemaChangeKind.ENUM_VALUE_RENAMED}),
    "an enum value is renumbered": (renumber_value, {SchemaChangeKind.ENUM_VALUE_RENUMBERED}),
    "an enum is removed": (
        remove_enum,
        {
            SchemaChangeKind.ENUM_REMOVED,
            SchemaChangeKind.FIELD_RETYPED,
            SchemaChangeKind.VOCABULARY_OPENED,
        },
    ),
    "a message is removed": (
        remove_message,
        {SchemaChangeKind.MESSAGE_REMOVED, SchemaChangeKind.FIELD_REMOVED},
    ),
    "a message is in another file": (move_message, {SchemaChangeKind.MESSAGE_MOVED}),
    "generated code is elsewhere": (change_package_of_java, {SchemaChangeKind.FILE_OPTION_CHANGED}),
}

#: Edits allowed in a minor release and the kind of the change; buf must not report them.
ALLOWED: dict[str, tuple[Edit, SchemaChangeKind]] = {
    "a field is added": (
        lambda files: add_field(files, "StageDef", "x"),
        SchemaChangeKind.FIELD_ADDED,
    ),
    "an optional field is added": (add_optional, SchemaChangeKind.FIELD_ADDED),
    "a member is added to a oneof": (add_member, SchemaChangeKind.ONEOF_MEMBER_ADDED),
    "a message is added": (
        lambda files: file_of(files, "StageDef").message_type.add(name="New"),
        SchemaChangeKind.MESSAGE_ADDED,
    ),
    "an enum is added": (
        lambda files: (
            file_of(files, "StageDef")
            .enum_type.add(name="New")
            .value.add(name="NEW_UNSPECIFIED", number=0)
        ),
        SchemaChangeKind.ENUM_ADDED,
    ),
    "a name is added to an open vocabulary": (
        add_value("Optimizer"),
        SchemaChangeKind.ENUM_VALUE_ADDED,
    ),
    "a name is added to a closed vocabulary": (
        add_value("TrainingStatus"),
        SchemaChangeKind.CLOSED_ENUM_VALUE_ADDED,
    ),
    "a field is deprecated": (
        lambda files: setattr(field_of(files, "Usage.total_tokens").options, "deprecated", True),
        SchemaChangeKind.DEPRECATED,
    ),
    "a message is deprecated": (
        lambda files: setattr(message_of(files, "Usage").options, "deprecated", True),
        SchemaChangeKind.DEPRECATED,
    ),
}


@pytest.fixture(scope="module")
def buf_finds_breaking(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Edit], bool]:
    """Run buf with the category that `make breaking` uses, without the project's configuration."""
    folder = tmp_path_factory.mktemp("buf")
    (folder / "old.binpb").write_bytes(current_files().SerializeToString())
    (folder / "buf.yaml").write_text("version: v2\nbreaking:\n  use:\n    - FILE\n")

    def ask(edit: Edit) -> bool:
        (folder / "new.binpb").write_bytes(version("new", edit).files.SerializeToString())
        command = [str(BUF), "breaking", "new.binpb", "--against", "old.binpb"]
        asked = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert asked.returncode in (0, 100), asked.stderr
        return asked.returncode == 100

    return ask


@pytest.mark.parametrize("name", BREAKING)
def test_a_change_that_breaks_names_or_the_wire_format_is_breaking_for_buf_too(
    name: str, buf_finds_breaking: Callable[[Edit], bool]
) -> None:
    edit, kinds = BREAKING[name]
    changes = changes_by(edit)
    assert {change.kind for change in changes if change.package == PACKAGE} >= kinds
    assert any(change.is_breaking for change in changes)
    assert buf_finds_breaking(edit)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_change_allowed_in_a_minor_release_is_not_breaking_for_buf_either(
    name: str, buf_finds_breaking: Callable[[Edit], bool]
) -> None:
    edit, kind = ALLOWED[name]
    (change,) = changes_by(edit)
    assert (change.kind, change.release) == (kind, Release.MINOR)
    assert not buf_finds_breaking(edit)


@pytest.mark.parametrize("name", ALLOWED)
def test_undoing_an_addition_is_breaking(name: str) -> None:
    edit, kind = ALLOWED[name]
    changes = changes_undone(edit)
    breaks = kind is not SchemaChangeKind.DEPRECATED
    assert any(change.is_breaking for change in changes) == breaks
    assert changes


def test_a_version_equals_itself() -> None:
    assert changes_by(lambda files: None) == []


def test_comments_are_not_compared() -> None:
    def comment(files: FileDescriptorSet) -> None:
        location = file_of(files, "StageDef").source_code_info.location.add(path=[4, 0])
        location.leading_comments = "Another comment."

    assert changes_by(comment) == []


def fields_with_defaults() -> list[str]:
    return [
        f"{message.name}.{field.name}"
        for message in messages_of(current_files())
        for field in message.field
        if field.options.HasExtension(DEFAULT)
    ]


#: Another default, by the JSON type of the current one.
OTHER = {"true": "false", "false": "true"}


@pytest.mark.parametrize("path", fields_with_defaults())
def test_changing_removing_or_adding_a_default_is_breaking(path: str) -> None:
    declared = str(field_of(current_files(), path).options.Extensions[DEFAULT])
    other = OTHER.get(declared, "7")

    def change(files: FileDescriptorSet) -> None:
        field_of(files, path).options.Extensions[DEFAULT] = other

    def remove(files: FileDescriptorSet) -> None:
        field_of(files, path).options.ClearExtension(DEFAULT)

    place = f"{PACKAGE}.{path}"
    expected = [
        (changes_by(change), SchemaChangeKind.DEFAULT_CHANGED, declared, other),
        (changes_by(remove), SchemaChangeKind.DEFAULT_REMOVED, declared, None),
        (changes_undone(remove), SchemaChangeKind.DEFAULT_ADDED, None, declared),
    ]
    for (change_found,), kind, old, new in expected:
        assert (change_found.kind, change_found.place) == (kind, place)
        assert (change_found.old, change_found.new) == (old, new)
        assert change_found.is_breaking


def test_an_equivalent_default_is_not_a_change() -> None:
    def rewrite(files: FileDescriptorSet) -> None:
        field_of(files, "TrainingConfig.learning_rate").options.Extensions[DEFAULT] = " 1e-3"
        rewritten = ' [ "loss" ,"accuracy" ]'
        field_of(files, "TrainingConfig.metrics").options.Extensions[DEFAULT] = rewritten

    assert changes_by(rewrite) == []


def having(default: str) -> SchemaVersion:
    """Return a version in which one field has a default, which may be invalid."""

    def edit(files: FileDescriptorSet) -> None:
        field_of(files, "StageDef.enabled").options.Extensions[DEFAULT] = default

    return version("having", edit)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("true", "1"),
        ("[true]", "[1]"),
        ('{"a": 0}', '{"a": false}'),
        ("[1]", "[1, 1]"),
        ("{}", "[]"),
    ],
)
def test_defaults_that_are_equal_only_in_python_differ(before: str, after: str) -> None:
    changes = compare(having(before), having(after))
    assert [change.kind for change in changes] == [SchemaChangeKind.DEFAULT_CHANGED]
    assert compare(having(before), having(f" {before}")) == []


def test_a_default_that_is_not_json_is_compared_as_text() -> None:
    assert compare(having("["), having("[")) == []
    assert len(compare(having("["), having("[" * 100_000))) == 1


def test_renaming_any_field_of_the_schema_is_reported() -> None:
    def rename_all(files: FileDescriptorSet) -> None:
        for message in messages_of(files):
            # Expressions that use the name of a field would not compile.
            message.ClearField("options")
            for field in message.field:
                field.name += "_"

    expected = {
        f"{PACKAGE}.{message.name}.{field.name}"
        for message in messages_of(current_files())
        for field in message.field
    }
    renamed = {c.place for c in changes_by(rename_all) if c.kind is SchemaChangeKind.FIELD_RENAMED}
    assert renamed == expected


def test_renaming_any_name_of_a_vocabulary_is_reported() -> None:
    def rename_all(files: FileDescriptorSet) -> None:
        for file in files.file:
            for enum in file.enum_type if file.package == PACKAGE else ():
                for value in enum.value:
                    value.name += "_"

    expected = {
        f"{PACKAGE}.{enum.name}.{value.name}"
        for file in current_files().file
        if file.package == PACKAGE
        for enum in file.enum_type
        for value in enum.value
    }
    changes = changes_by(rename_all)
    assert {c.place for c in changes if c.kind is SchemaChangeKind.ENUM_VALUE_RENAMED} == expected


def test_removing_reserved_numbers_and_names_is_breaking() -> None:
    def reserve(files: FileDescriptorSet) -> None:
        declared = message_of(files, "StageDef")
        declared.reserved_range.add(start=100, end=110)
        declared.reserved_name.append("old_name")
        enum = enum_of(files, "Optimizer")
        enum.reserved_range.add(start=50, end=50)

    def narrow(files: FileDescriptorSet) -> None:
        reserve(files)
        message_of(files, "StageDef").reserved_range[0].end = 105

    def split(files: FileDescriptorSet) -> None:
        narrow(files)
        message_of(files, "StageDef").reserved_range.add(start=105, end=120)

    reserved = version("reserved", reserve)
    given_back = compare(reserved, current())
    assert {change.old for change in given_back} == {"50 to 50", '"old_name"', "100 to 109"}
    assert {change.kind for change in given_back} == {SchemaChangeKind.RESERVATION_REMOVED}
    assert len(compare(reserved, version("narrow", narrow))) == 1
    assert compare(reserved, version("split", split)) == []
    assert compare(current(), reserved) == []


def test_adding_or_removing_a_package_is_one_change() -> None:
    def without_exchange(files: FileDescriptorSet) -> None:
        kept = [file for file in files.file if not file.package.startswith("crucible_ir.exchange")]
        del files.file[:]
        files.file.extend(kept)

    (added,) = changes_undone(without_exchange)
    (removed,) = changes_by(without_exchange)
    assert (added.kind, removed.kind) == (
        SchemaChangeKind.PACKAGE_ADDED,
        SchemaChangeKind.PACKAGE_REMOVED,
    )
    assert {added.place, removed.place} == {"crucible_ir.exchange.v1"}


def test_any_release_may_change_a_package_in_development() -> None:
    def edit(files: FileDescriptorSet) -> None:
        for file in files.file:
            if file.package == "crucible_ir.exchange.v1":
                for service in file.service:
                    if len(service.method) < 2:
                        continue
                    del service.method[0]
                    service.method[0].server_streaming ^= True

    changes = changes_by(edit)
    assert {change.kind for change in changes} == {
        SchemaChangeKind.METHOD_REMOVED,
        SchemaChangeKind.METHOD_CHANGED,
    }
    assert {change.release for change in changes} == {Release.ANY}


def test_services_and_methods_of_a_stable_package_are_compared() -> None:
    def serve(files: FileDescriptorSet) -> None:
        service = file_of(files, "StageDef").service.add(name="Stages")
        names = {"input_type": f".{PACKAGE}.StageDef", "output_type": f".{PACKAGE}.StageDef"}
        service.method.add(name="Get", **names)

    def serve_more(files: FileDescriptorSet) -> None:
        serve(files)
        (service,) = file_of(files, "StageDef").service
        names = {"input_type": f".{PACKAGE}.StageDef", "output_type": f".{PACKAGE}.StageDef"}
        service.method.add(name="List", **names)

    less, more = version("less", serve), version("more", serve_more)
    for old, new, kind in (
        (current(), less, SchemaChangeKind.SERVICE_ADDED),
        (less, current(), SchemaChangeKind.SERVICE_REMOVED),
        (less, more, SchemaChangeKind.METHOD_ADDED),
        (more, less, SchemaChangeKind.METHOD_REMOVED),
    ):
        assert [change.kind for change in compare(old, new)] == [kind]


def test_the_number_of_the_option_for_defaults_is_fixed() -> None:
    def renumber(files: FileDescriptorSet) -> None:
        for file in files.file:
            for extension in file.extension:
                extension.number += 1

    kinds = {change.kind for change in changes_by(renumber)}
    assert SchemaChangeKind.EXTENSION_CHANGED in kinds


def test_fields_are_paired_by_name_before_number() -> None:
    """Two fields swap their names: neither is renamed, both are renumbered."""

    def swap(files: FileDescriptorSet) -> None:
        one, two = field_of(files, "Usage.total_tokens"), field_of(files, "Usage.prompt_tokens")
        one.number, two.number = two.number, one.number

    assert {change.kind for change in changes_by(swap)} == {SchemaChangeKind.FIELD_RENUMBERED}
