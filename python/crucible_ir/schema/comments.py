"""The comments of the schema's messages, fields, oneofs, enums and enum values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, TypeAlias

from google.protobuf.descriptor import EnumValueDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import (
        Descriptor,
        EnumDescriptor,
        FieldDescriptor,
        OneofDescriptor,
    )

    #: A declaration that can have a comment.
    Commented: TypeAlias = (
        Descriptor | FieldDescriptor | OneofDescriptor | EnumDescriptor | EnumValueDescriptor
    )

# The field numbers in the path of a source location.
_MESSAGES = FileDescriptorProto.MESSAGE_TYPE_FIELD_NUMBER
_ENUMS = FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER
_NESTED_MESSAGES = DescriptorProto.NESTED_TYPE_FIELD_NUMBER
_NESTED_ENUMS = DescriptorProto.ENUM_TYPE_FIELD_NUMBER
_FIELDS = DescriptorProto.FIELD_FIELD_NUMBER
_ONEOFS = DescriptorProto.ONEOF_DECL_FIELD_NUMBER
_VALUES = EnumDescriptorProto.VALUE_FIELD_NUMBER

#: The end of a comment's first sentence.
_SENTENCE = re.compile(r"(?<=\.)\s")

_Path: TypeAlias = tuple[int, ...]


def comment(described: Commented) -> str:
    """Return the comment of a declaration, with one line per paragraph; empty if it has none.

    >>> from crucible_ir import v1
    >>> comment(v1.StageDef.DESCRIPTOR)
    "One stage of an experiment's pipeline."
    """
    if isinstance(described, EnumValueDescriptor):
        return _comments().get(f"{described.type.full_name}.{described.name}", "")
    return _comments().get(described.full_name, "")


def summary(described: Commented) -> str:
    """Return the first sentence of the comment of a declaration."""
    return _SENTENCE.split(comment(described), maxsplit=1)[0]


def descriptor_set() -> bytes:
    """Return the schema as a serialized ``FileDescriptorSet``, with comments and rules."""
    return resources.files(__package__).joinpath("descriptors.binpb").read_bytes()


@cache
def _comments() -> dict[str, str]:
    """Return every comment of the schema by the full name of its declaration."""
    found: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(descriptor_set()).file:
        texts = {
            tuple(location.path): location.leading_comments
            for location in file.source_code_info.location
            if location.leading_comments
        }
        for path, name in _declarations(file):
            if path in texts:
                found[name] = _flowing(texts[path])
    return found


def _declarations(file: FileDescriptorProto) -> Iterator[tuple[_Path, str]]:
    for index, message in enumerate(file.message_type):
        yield from _in_message(message, (_MESSAGES, index), file.package)
    for index, enum in enumerate(file.enum_type):
        yield from _in_enum(enum, (_ENUMS, index), file.package)


def _in_message(message: DescriptorProto, path: _Path, scope: str) -> Iterator[tuple[_Path, str]]:
    name = f"{scope}.{message.name}"
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, _FIELDS, index), f"{name}.{field.name}"
    for index, oneof in enumerate(message.oneof_decl):
        yield (*path, _ONEOFS, index), f"{name}.{oneof.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _in_message(nested, (*path, _NESTED_MESSAGES, index), name)
    for index, enum in enumerate(message.enum_type):
        yield from _in_enum(enum, (*path, _NESTED_ENUMS, index), name)


def _in_enum(enum: EnumDescriptorProto, path: _Path, scope: str) -> Iterator[tuple[_Path, str]]:
    name = f"{scope}.{enum.name}"
    yield path, name
    for index, value in enumerate(enum.value):
        yield (*path, _VALUES, index), f"{name}.{value.name}"


def _flowing(text: str) -> str:
    """Remove the line breaks inside the paragraphs of a comment."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
