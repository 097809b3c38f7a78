"""Reads protovalidate's rules from the options of descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    timestamp_pb2,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

RULES_FILE = "buf/validate/validate.proto"

#: What `RULES_FILE` imports.
IMPORTS = (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2)


class UnsupportedRuleError(Exception):
    """Guards do not support a rule; the message names it."""


class MisplacedRuleError(UnsupportedRuleError):
    """A rule does not fit the type of its field, so that protovalidate rejects the schema."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """A rule that guards leave to protovalidate.

    Attributes:
        place: The full name of the message, field or oneof that declares the rule.
        rule: The rule, as ``string.email``, or the expression of a CEL rule.
    """

    place: str
    rule: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}"


class RuleReader:
    """Reads rules with a private copy of their schema, so that descriptors need not import it."""

    def __init__(self, rules_file: FileDescriptorProto) -> None:
        """Prepare the schema of the rules.

        Args:
            rules_file: `buf/validate/validate.proto`, compiled.
        """
        self._pool = DescriptorPool()
        for module in IMPORTS:
            self._pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
        self._pool.AddSerializedFile(rules_file.SerializeToString())

    def of_message(self, message: Descriptor) -> Any:
        """Read the `buf.validate.MessageRules` of a message."""
        return self._read(message.GetOptions(), "buf.validate.message")

    def of_field(self, field: FieldDescriptor) -> Any:
        """Read the `buf.validate.FieldRules` of a field."""
        return self._read(field.GetOptions(), "buf.validate.field")

    def of_oneof(self, oneof: OneofDescriptor) -> Any:
        """Read the `buf.validate.OneofRules` of a oneof."""
        return self._read(oneof.GetOptions(), "buf.validate.oneof")

    def _read(self, options: Message, extension_name: str) -> Any:
        options_type = self._pool.FindMessageTypeByName(options.DESCRIPTOR.full_name)
        parsed: Any = message_factory.GetMessageClass(options_type)()
        parsed.ParseFromString(options.SerializeToString())
        return parsed.Extensions[self._pool.FindExtensionByName(extension_name)]


def set_rules(rules: Message) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of the rules that are set, without examples, which are no rules.

    Raises:
        UnsupportedRuleError: A predefined or unknown rule is set.
    """
    if len(UnknownFieldSet(rules)):
        raise UnsupportedRuleError(f"{rules.DESCRIPTOR.name} with a rule of an unknown schema")
    for field, value in rules.ListFields():
        if field.is_extension:
            raise UnsupportedRuleError(field.full_name)
        if field.name != "example":
            yield field.name, value
