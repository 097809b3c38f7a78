"""The fields that the rules of a message type require, read without protovalidate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

#: The field numbers of buf/validate/validate.proto that make a field required: the extension that
#: contains the rules of a field or a oneof, and in it `required` and `repeated.min_items`.
_RULES, _FIELD_REQUIRED, _ONEOF_REQUIRED, _REPEATED, _MIN_ITEMS = 1159, 25, 1, 18, 1


@cache
def required_fields(message: Descriptor) -> tuple[frozenset[str], ...]:
    """Return the fields that the rules require, in groups of which at least one must be set.

    They are read from the bytes of the options: `crucible_ir.schema.rules.rules_of` imports
    protovalidate, which takes longer than everything else that reading a valid document needs.

    >>> from crucible_ir import v1
    >>> required_fields(v1.BackendRef.DESCRIPTOR)
    (frozenset({'id'}),)
    """
    fields = [
        frozenset([field.name])
        for field in message.fields
        for number, value in _rule_fields(field)
        if (number == _FIELD_REQUIRED and value)
        or (number == _REPEATED and dict(_wire_fields(value)).get(_MIN_ITEMS))
    ]
    oneofs = [
        frozenset(field.name for field in oneof.fields)
        for oneof in message.oneofs
        for number, value in _rule_fields(oneof)
        if number == _ONEOF_REQUIRED and value
    ]
    return (*oneofs, *fields)


def _rule_fields(declared: Any) -> Iterator[tuple[int, Any]]:
    """Yield the numbers and values of the rules of a field or a oneof."""
    if declared.has_options:
        for number, value in _wire_fields(declared.GetOptions().SerializeToString()):
            if number == _RULES:
                yield from _wire_fields(value)


def _wire_fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the numbers and values of the fields of a message whose schema is not at hand."""
    fields: Any = UnknownFieldSet(Empty.FromString(data))
    for each in fields:
        yield each.field_number, each.data
