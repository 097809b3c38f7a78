"""Translates the rules of protovalidate to those of the tables; other rules are not supported."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from guard_generator import patterns
from guard_generator.conditions import FLOATS, NUMBERS, fits
from guard_generator.rules import MisplacedRuleError, UnsupportedRuleError, set_rules

#: The largest number of nanoseconds in a valid Timestamp or Duration.
MAX_NANOS = 999_999_999

#: The integers that the tables can express.
LARGEST = 2**63 - 1

IGNORE_IF_ZERO_VALUE = 1
IGNORE_ALWAYS = 3


def add_field_rules(field: FieldDescriptor, rules: Any, target: Any) -> None:
    """Add the rules of a field to its table.

    Args:
        field: The field.
        rules: Its `buf.validate.FieldRules`.
        target: The table of the field.

    Raises:
        UnsupportedRuleError: The tables cannot express a rule.
    """
    _reject_unknown(rules)
    if rules.cel or rules.cel_expression:
        raise UnsupportedRuleError(f"CEL of {field.name}")
    if rules.ignore == IGNORE_ALWAYS:
        return
    if rules.ignore == IGNORE_IF_ZERO_VALUE and not field.has_presence:
        raise UnsupportedRuleError(f"ignore of {field.name}")
    if rules.required:
        target.required = True
    kind = rules.WhichOneof("type")
    if kind is None:
        return
    typed = getattr(rules, kind)
    if kind == "repeated":
        if not field.is_repeated or target.cardinality == _MAP:
            raise MisplacedRuleError(f"repeated of {field.name}")
        _add_list_rules(field, typed, target)
    elif kind == "map":
        raise UnsupportedRuleError(f"map of {field.name}")
    elif field.is_repeated:
        raise MisplacedRuleError(f"{kind} of {field.name}")
    else:
        add_rules(field, kind, typed, target.rules)
        if not field.has_presence and not accepts_zero(field, target.rules):
            # A field without presence is checked even if it is unset.
            target.required = True


_MAP = 2


def _add_list_rules(field: FieldDescriptor, rules: Any, target: Any) -> None:
    given = dict(set_rules(rules))
    target.min_items = given.pop("min_items", 0)
    if "max_items" in given:
        target.max_items = given.pop("max_items")
    items = given.pop("items", None)
    if items is not None:
        _reject_unknown(items)
        if items.ignore == IGNORE_ALWAYS and field.message_type is not None:
            # The core checks the messages inside all the same: it is unsure about more.
            pass
        elif items.cel or items.cel_expression or items.ignore:
            raise UnsupportedRuleError(f"items of {field.name}")
        kind = items.WhichOneof("type")
        if items.required:
            raise UnsupportedRuleError(f"items.required of {field.name}")
        if kind is not None:
            add_rules(field, kind, getattr(items, kind), target.rules)
    _require_none_left("repeated", given)


def add_rules(field: FieldDescriptor, kind: str, rules: Any, target: Any) -> None:
    """Add the rules of one value, such as those of ``int32``, to a table.

    Raises:
        UnsupportedRuleError: The table cannot express a rule.
    """
    if not fits(kind, field):
        raise MisplacedRuleError(f"{kind} of {field.name}")
    given = dict(set_rules(rules))
    if kind in FLOATS:
        _add_numbers(given, target)
    elif kind in NUMBERS:
        _add_integers(given, target)
    elif kind in ("string", "bytes"):
        _add_lengths(kind, given, target)
    elif kind in ("timestamp", "duration"):
        _add_times(kind, given, target)
    _require_none_left(kind, given)


def _add_numbers(given: dict[str, Any], target: Any) -> None:
    low = [(given.pop(rule), rule == "gt") for rule in ("gt", "gte") if rule in given]
    high = [(given.pop(rule), rule == "lt") for rule in ("lt", "lte") if rule in given]
    for bound, is_open in low:
        target.min_number, target.above_min = bound, is_open
    for bound, is_open in high:
        target.max_number, target.below_max = bound, is_open
    _require_range([bound for bound, _ in low], [bound for bound, _ in high])
    target.finite = given.pop("finite", False)


def _add_integers(given: dict[str, Any], target: Any) -> None:
    low = [given.pop(rule) + (rule == "gt") for rule in ("gt", "gte") if rule in given]
    high = [given.pop(rule) - (rule == "lt") for rule in ("lt", "lte") if rule in given]
    if any(abs(bound) > LARGEST for bound in low + high):
        raise UnsupportedRuleError("an integer beyond 64 bits")
    for bound in low:
        target.min_integer = bound
    for bound in high:
        target.max_integer = bound
    _require_range(low, high)
    target.defined_only = given.pop("defined_only", False)


def _require_range(low: list[Any], high: list[Any]) -> None:
    """Raise for NaN, infinities, and crossed bounds, which require a value outside of them."""
    if any(isinstance(bound, float) and not math.isfinite(bound) for bound in low + high):
        raise UnsupportedRuleError("a bound that is not finite")
    if low and high and high[0] < low[0]:
        raise UnsupportedRuleError("crossed bounds")


def _add_lengths(kind: str, given: dict[str, Any], target: Any) -> None:
    prefix = "bytes" if kind == "string" else "len"
    if f"min_{prefix}" in given:
        target.min_bytes = given.pop(f"min_{prefix}")
    if f"max_{prefix}" in given:
        target.max_bytes = given.pop(f"max_{prefix}")
    if kind == "string":
        # A string of at least one character has at least one byte.
        if given.get("min_len") == 1:
            target.min_bytes = max(target.min_bytes, given.pop("min_len"))
        if "pattern" in given:
            pattern = given.pop("pattern")
            # Raises for what regular expression engines may read differently.
            patterns.translate(pattern)
            target.pattern = pattern


def _add_times(kind: str, given: dict[str, Any], target: Any) -> None:
    low, high = given.pop("gte", None), given.pop("lte", None)
    if low is not None:
        if low.nanos:
            raise UnsupportedRuleError(f"{kind}.gte with nanoseconds")
        target.min_seconds = low.seconds
    if high is not None:
        target.max_seconds, target.max_nanos = high.seconds, high.nanos
    if kind == "duration" and target.min_seconds < 0:
        raise UnsupportedRuleError("duration.gte below 0")


def accepts_zero(field: FieldDescriptor, rules: Any) -> bool:
    """Return whether rules accept the zero value of a scalar field."""
    if rules.HasField("min_integer") and rules.min_integer > 0:
        return False
    if rules.HasField("max_integer") and rules.max_integer < 0:
        return False
    if rules.HasField("min_number") and (0, not rules.above_min) < (rules.min_number, True):
        return False
    if rules.HasField("max_number") and (rules.max_number, not rules.below_max) < (0, True):
        return False
    if rules.defined_only and field.enum_type and 0 not in field.enum_type.values_by_number:
        return False
    # No pattern is tried here: an empty string that it accepts is only left to protovalidate.
    return not rules.min_bytes and not rules.pattern


def _reject_unknown(rules: Any) -> None:
    for _ in set_rules(rules):
        pass


def _require_none_left(kind: str, given: dict[str, Any]) -> None:
    unknown = ", ".join(f"{kind}.{rule}" for rule, value in given.items() if value is not False)
    if unknown:
        raise UnsupportedRuleError(unknown)


def exclusive_clauses(
    indexes: list[int], *, required: bool
) -> Iterator[list[tuple[int, str, int]]]:
    """Yield the clauses of a rule that at most, or exactly, one of some fields is set."""
    for position, first in enumerate(indexes):
        for second in indexes[position + 1 :]:
            yield [(first, "KIND_UNSET", 0), (second, "KIND_UNSET", 0)]
    if required:
        yield [(index, "KIND_SET", 0) for index in indexes]
