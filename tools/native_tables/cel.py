"""Translates CEL rules to clauses of the tables; rejects all other expressions.

It supports ``||`` between ``has(this.field)``, ``size(this.field) > 0`` and comparisons of an
integer or enum field with ``==`` or ``!=``.
"""

from __future__ import annotations

import re

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from guard_generator.cel import SIGNED
from guard_generator.rules import UnsupportedRuleError

_TEST = re.compile(
    r"""\s*(?:
        has\(\s*this\.(?P<has>\w+)\s*\)
      | size\(\s*this\.(?P<size>\w+)\s*\)\s*>\s*0
      | this\.(?P<name>\w+)\s*(?P<operator>==|!=)\s*(?P<value>-?[0-9]+)
    )\s*""",
    re.VERBOSE | re.ASCII,
)


def clause(expression: str, message: Descriptor) -> list[tuple[FieldDescriptor, str, int]]:
    """Return the tests of a CEL rule, one of which must be true.

    Raises:
        UnsupportedRuleError: The expression uses other parts of CEL.
    """
    return [_test(part, expression, message) for part in expression.split("||")]


def _test(part: str, expression: str, message: Descriptor) -> tuple[FieldDescriptor, str, int]:
    match = _TEST.fullmatch(part)
    name = match and (match["has"] or match["size"] or match["name"])
    field = message.fields_by_name.get(name) if name else None
    if match is None or field is None:
        raise UnsupportedRuleError(f"CEL {expression!r}")
    if match["has"]:
        return field, "KIND_SET", 0
    if match["size"] and field.is_repeated:
        return field, "KIND_SET", 0
    if match["name"] and not field.is_repeated and field.type in SIGNED:
        kind = "KIND_EQUAL" if match["operator"] == "==" else "KIND_DIFFERENT"
        return field, kind, int(match["value"])
    raise UnsupportedRuleError(f"CEL {expression!r}")
