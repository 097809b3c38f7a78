"""The comments of the schema's declarations: messages, fields, enums, services and others."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf.descriptor import EnumValueDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

if TYPE_CHECKING:
    from google.protobuf.descriptor import (
        Descriptor,
        EnumDescriptor,
        FieldDescriptor,
        MethodDescriptor,
        OneofDescriptor,
        ServiceDescriptor,
    )

    #: A declaration that can have a comment.
    Commented: TypeAlias = (
        Descriptor
        | FieldDescriptor
        | OneofDescriptor
        | EnumDescriptor
        | EnumValueDescriptor
        | ServiceDescriptor
        | MethodDescriptor
    )

#: The end of a comment's first sentence.
_SENTENCE = re.compile(r"(?<=\.)\s")


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
        for location in file.source_code_info.location:
            # A path of an odd length ends with something else than a declaration.
            if location.leading_comments and len(location.path) % 2 == 0:
                name = _name(file, location.path)
                if name is not None:
                    found[name] = _flowing(location.leading_comments)
    return found


def _name(file: FileDescriptorProto, path: Sequence[int]) -> str | None:
    """Return the full name of the declaration at a path of field numbers and indexes, if any."""
    names = [file.package]
    declared: Any = file
    for number, index in zip(path[::2], path[1::2], strict=True):
        field = declared.DESCRIPTOR.fields_by_number[number]
        if not field.is_repeated:
            # The options of a declaration.
            return None
        declared = getattr(declared, field.name)[index]
        names.append(declared.name)
    return ".".join(names)


def _flowing(text: str) -> str:
    """Remove the line breaks inside the paragraphs of a comment."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
