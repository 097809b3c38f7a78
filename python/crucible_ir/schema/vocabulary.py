"""Vocabularies: the short names of enum values, and the fields of open vocabularies."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

#: What the name of the string field of an open vocabulary begins with.
CUSTOM_PREFIX = "custom_"


@cache
def prefix(enum: EnumDescriptor) -> str:
    """Return the prefix that the names of an enum's values share, as ``DEPLOYMENT_STRATEGY_``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"


@cache
def numbers(enum: EnumDescriptor) -> dict[str, int]:
    """Return the numbers of an enum by short name, without ``UNSPECIFIED``.

    A value's short name is its name without the enum's prefix, in lower case.

    >>> from crucible_ir import v1
    >>> numbers(v1.DeploymentStrategy.DESCRIPTOR)["blue_green"]
    2
    """
    skip = len(prefix(enum))
    return {value.name[skip:].lower(): value.number for value in enum.values if value.number}


@cache
def names(enum: EnumDescriptor) -> dict[int, str]:
    """Return the short names of an enum by number, without ``UNSPECIFIED``."""
    return {number: name for name, number in numbers(enum).items()}


@cache
def custom_member(field: FieldDescriptor) -> FieldDescriptor | None:
    """Return the string field for names outside the vocabulary of an enum field, if there is one.

    An enum field with such a field is an open vocabulary; any other is closed.
    """
    if field.enum_type is None:
        return None
    owner = cast("Descriptor", field.containing_type)
    return owner.fields_by_name.get(CUSTOM_PREFIX + field.name)


@cache
def custom_members(message: Descriptor) -> frozenset[str]:
    """Return the names of a message's fields that are the custom member of an open vocabulary."""
    found = (custom_member(field) for field in message.fields)
    return frozenset(field.name for field in found if field is not None)
