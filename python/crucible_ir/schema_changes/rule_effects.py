"""What a change of a rule's parameters does to the values that the rule accepts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

if TYPE_CHECKING:
    from crucible_ir.schema.rules import Parameter, Rule

#: A number, or the seconds and nanoseconds of a timestamp or duration.
_Value: TypeAlias = Any
#: The values from the first to the second, both included; ``None`` where there is no end.
_Range: TypeAlias = tuple[_Value | None, _Value | None]

_NANOS_PER_SECOND: Final = 1_000_000_000


class Effect(StrEnum):
    """How the values that a rule accepts compare with those that it accepted."""

    SAME = "same"
    WIDER = "wider"
    NARROWER = "narrower"
    OTHER = "other"
    """Some are new and some are gone, or nobody can tell."""


#: The parameters that together bound a value from below and above.
BOUNDS: Final = frozenset({"gt", "gte", "lt", "lte"})


def effect(old: Rule, new: Rule) -> Effect:
    """Compare what two forms of one rule accept.

    A rule whose parameters have no order, such as an expression, accepts `Effect.OTHER` values as
    soon as they differ.
    """
    before, after = old.parameters, new.parameters
    if before.keys() | after.keys() <= BOUNDS:
        return _effect_of_bounds(old, new)
    if before == after:
        return Effect.SAME
    differing = [
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    ]
    if len(differing) > 1 or differing[0] not in _COMPARED:
        return Effect.OTHER
    (name,) = differing
    accepts_all_of = _COMPARED[name]
    was, is_ = _ordered(old, before[name]), _ordered(new, after[name])
    wider, narrower = accepts_all_of(is_, was), accepts_all_of(was, is_)
    if wider and narrower:
        return Effect.SAME
    if wider:
        return Effect.WIDER
    return Effect.NARROWER if narrower else Effect.OTHER


def _at_least(one: Any, other: Any) -> bool:
    return bool(one >= other)


def _at_most(one: Any, other: Any) -> bool:
    return bool(one <= other)


def _superset(one: Any, other: Any) -> bool:
    return set(one) >= set(other)


def _subset(one: Any, other: Any) -> bool:
    return set(one) <= set(other)


def _start_of(one: Any, other: Any) -> bool:
    return bool(other.startswith(one))


def _end_of(one: Any, other: Any) -> bool:
    return bool(other.endswith(one))


def _part_of(one: Any, other: Any) -> bool:
    return one in other


def _containing(one: Any, other: Any) -> bool:
    return other in one


#: For each parameter that can be compared: whether a rule with the first value accepts everything
#: that one with the second accepts.
_COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "max_len": _at_least,
    "max_bytes": _at_least,
    "max_items": _at_least,
    "max_pairs": _at_least,
    "within": _at_least,
    "min_len": _at_most,
    "min_bytes": _at_most,
    "min_items": _at_most,
    "min_pairs": _at_most,
    "in": _superset,
    "not_in": _subset,
    "prefix": _start_of,
    "suffix": _end_of,
    "contains": _part_of,
    "not_contains": _containing,
    # Of a rule about which of some fields may be set: whether one must be.
    "required": _at_most,
}


def _effect_of_bounds(old: Rule, new: Rule) -> Effect:
    before, after = _accepted(old), _accepted(new)
    if before == after:
        return Effect.SAME
    if _within(before, after):
        return Effect.WIDER
    return Effect.NARROWER if _within(after, before) else Effect.OTHER


def _accepted(rule: Rule) -> list[_Range]:
    """Return the ranges of the values that a rule of bounds accepts, in rising order.

    A lower bound above the upper one asks for values outside of the two.
    """
    given = {name: _ordered(rule, value) for name, value in rule.parameters.items()}
    low = given.get("gte")
    high = given.get("lte")
    if "gt" in given:
        low = _next(rule, given["gt"], +1)
    if "lt" in given:
        high = _next(rule, given["lt"], -1)
    lower, upper = (given.get(a, given.get(b)) for a, b in (("gt", "gte"), ("lt", "lte")))
    if lower is None or upper is None or lower <= upper:
        return [(low, high)] if low is None or high is None or low <= high else []
    if _next(rule, high, +1) >= low:
        return [(None, None)]
    return [(None, high), (low, None)]


def _next(rule: Rule, value: _Value, step: int) -> _Value:
    """Return the value beside one, of its type."""
    if isinstance(value, float):
        return math.nextafter(value, step * math.inf)
    if isinstance(value, tuple):
        seconds, nanos = divmod(value[0] * _NANOS_PER_SECOND + value[1] + step, _NANOS_PER_SECOND)
        return seconds, nanos
    return value + step


def _within(inner: list[_Range], outer: list[_Range]) -> bool:
    return all(any(_holds(large, small) for large in outer) for small in inner)


def _holds(large: _Range, small: _Range) -> bool:
    low = large[0] is None or (small[0] is not None and small[0] >= large[0])
    high = large[1] is None or (small[1] is not None and small[1] <= large[1])
    return low and high


def _ordered(rule: Rule, value: Parameter) -> _Value:
    """Return a parameter as something that compares as the rule's values do."""
    if not isinstance(value, str):
        return value
    kind = rule.rule_id.partition(".")[0]
    if kind == "duration" or rule.rule_id == "timestamp.within":
        duration = Duration()
        duration.FromJsonString(value)
        total = duration.seconds * _NANOS_PER_SECOND + duration.nanos
        return divmod(total, _NANOS_PER_SECOND)
    if kind == "timestamp":
        timestamp = Timestamp()
        timestamp.FromJsonString(value)
        return timestamp.seconds, timestamp.nanos
    return value
