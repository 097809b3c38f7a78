"""The short names of enum values."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor


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
