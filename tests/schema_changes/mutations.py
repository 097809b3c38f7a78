"""Versions of the real schema with one known change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import protovalidate
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    timestamp_pb2,
)
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from crucible_ir.schema.comments import descriptor_set
from crucible_ir.schema_changes import SchemaChange, SchemaVersion, compare

PACKAGE = "crucible_ir.v1"

Edit = Callable[[FileDescriptorSet], object]


@cache
def current_files() -> FileDescriptorSet:
    """Return the schema of this package without comments, which are never compared."""
    files = FileDescriptorSet.FromString(descriptor_set())
    for file in files.file:
        file.ClearField("source_code_info")
    return files


@cache
def current() -> SchemaVersion:
    """Return the schema of this package as a version."""
    return version("current", lambda files: None)


def version(name: str, edit: Edit) -> SchemaVersion:
    """Return the schema after an edit."""
    files = FileDescriptorSet()
    files.CopyFrom(current_files())
    edit(files)
    return SchemaVersion.parse(name, files.SerializeToString())


def changes_by(edit: Edit) -> list[SchemaChange]:
    """Return the changes from the schema to the edited version."""
    return compare(current(), version("new", edit))


def changes_undone(edit: Edit) -> list[SchemaChange]:
    """Return the changes from the edited version to the schema."""
    return compare(version("old", edit), current())


def file_of(files: FileDescriptorSet, name: str) -> FileDescriptorProto:
    """Find the file of the IR that declares a message or enum."""
    for file in files.file:
        declared = {message.name for message in file.message_type}
        declared |= {enum.name for enum in file.enum_type}
        if file.package == PACKAGE and name in declared:
            return file
    raise LookupError(name)


def message_of(files: FileDescriptorSet, name: str) -> DescriptorProto:
    """Find a message of the IR."""
    return next(each for each in file_of(files, name).message_type if each.name == name)


def enum_of(files: FileDescriptorSet, name: str) -> EnumDescriptorProto:
    """Find an enum of the IR."""
    return next(each for each in file_of(files, name).enum_type if each.name == name)


def field_of(files: FileDescriptorSet, path: str) -> FieldDescriptorProto:
    """Find a field of the IR by the name of its message, a dot and its name."""
    message, _, name = path.partition(".")
    return next(each for each in message_of(files, message).field if each.name == name)


def messages_of(files: FileDescriptorSet) -> Iterator[DescriptorProto]:
    """Yield every message of the IR."""
    for file in files.file:
        if file.package == PACKAGE:
            yield from file.message_type


@cache
def rule_schema() -> descriptor_pool.DescriptorPool:
    """Return the schema of the rules, from protovalidate."""
    pool = descriptor_pool.DescriptorPool()
    for needed in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        pool.AddSerializedFile(needed.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(protovalidate.ViolationPb.desc().file.proto.to_binary())
    return pool


_EXTENDED = {
    "field": "google.protobuf.FieldOptions",
    "message": "google.protobuf.MessageOptions",
    "oneof": "google.protobuf.OneofOptions",
}


def rules_in(declared: Any, of: str = "field") -> Any:
    """Return a copy of the rules in a declaration's options.

    Args:
        declared: The descriptor of a field, message or oneof.
        of: Which of these it is.
    """
    options = _options(declared, of)
    return options.Extensions[rule_schema().FindExtensionByName(f"buf.validate.{of}")]


def edit_rules(declared: Any, edit: Callable[[Any], object], of: str = "field") -> None:
    """Change the rules in a declaration's options."""
    options = _options(declared, of)
    extension = rule_schema().FindExtensionByName(f"buf.validate.{of}")
    edit(options.Extensions[extension])
    if not options.Extensions[extension].ByteSize():
        options.ClearExtension(extension)
    declared.options.ParseFromString(options.SerializeToString())


def _options(declared: Any, of: str) -> Any:
    type_ = message_factory.GetMessageClass(rule_schema().FindMessageTypeByName(_EXTENDED[of]))
    return type_.FromString(declared.options.SerializeToString())
