"""The effect of a change of a rule's parameters on the values that the rule accepts."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

if TYPE_CHECKING:
    from crucible_ir.schema.rules import Parameter, Rule

#: A number; for a timestamp or duration, that of nanoseconds.
_Value: TypeAlias = Any
#: An inclusive range; ``None`` for an open end.
_Range: TypeAlias = tuple[_Value | None, _Value | None]


class Effect(StrEnum):
    """The relation of the values that a rule accepts to those that it accepted before."""

    SAME = "same"
    WIDER = "wider"
    NARROWER = "narrower"
    OTHER = "other"
    """Some values were added and some removed, or the rules are not comparable."""


#: The parameters of lower and upper bounds.
BOUNDS: Final = frozenset({"gt", "gte", "lt", "lte"})


def effect(old: Rule, new: Rule) -> Effect:
    """Compare the values that two versions of a rule accept.

    If parameters without an order differ, such as expressions, the effect is `Effect.OTHER`.
    """
    before, after = old.parameters, new.parameters
    if before.keys() | after.keys() <= BOUNDS:
        was, is_ = _accepted(old), _accepted(new)
        return _effect(wider=_within(was, is_), narrower=_within(is_, was))
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
    return _effect(wider=accepts_all_of(is_, was), narrower=accepts_all_of(was, is_))


def _effect(*, wider: bool, narrower: bool) -> Effect:
    """Return the effect, given whether each version accepts all values of the other one."""
    if wider and narrower:
        return Effect.SAME
    if wider:
        return Effect.WIDER
    return Effect.NARROWER if narrower else Effect.OTHER


#: For each comparable parameter, a function that returns whether a rule with the first value
#: accepts everything that a rule with the second value accepts.
_COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    **dict.fromkeys(("max_len", "max_bytes", "max_items", "max_pairs", "within"), operator.ge),
    **dict.fromkeys(("min_len", "min_bytes", "min_items", "min_pairs"), operator.le),
    # Of the rule for several fields: whether one of them must be set.
    "required": operator.le,
    "in": lambda one, other: set(one) >= set(other),
    "not_in": lambda one, other: set(one) <= set(other),
    "prefix": lambda one, other: other.startswith(one),
    "suffix": lambda one, other: other.endswith(one),
    "contains": lambda one, other: one in other,
    "not_contains": operator.contains,
}


def _accepted(rule: Rule) -> list[_Range]:
    """Return the ranges of the values that a rule of bounds accepts, in ascending order.

    If the lower bound is above the upper one, the rule accepts the values outside of the two.
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
    """Return the next greater or next smaller value of the same type."""
    if isinstance(value, float):
        return math.nextafter(value, step * math.inf)
    return value + step


def _within(inner: list[_Range], outer: list[_Range]) -> bool:
    return all(any(_contains(large, small) for large in outer) for small in inner)


def _contains(large: _Range, small: _Range) -> bool:
    low = large[0] is None or (small[0] is not None and small[0] >= large[0])
    high = large[1] is None or (small[1] is not None and small[1] <= large[1])
    return low and high


def _ordered(rule: Rule, value: Parameter) -> _Value:
    """Return a parameter as a value with the order of the rule's values."""
    if not isinstance(value, str):
        return value
    kind = rule.rule_id.partition(".")[0]
    if kind == "duration" or rule.rule_id == "timestamp.within":
        return _nanoseconds(Duration(), value)
    return _nanoseconds(Timestamp(), value) if kind == "timestamp" else value


def _nanoseconds(time: Timestamp | Duration, text: str) -> int:
    time.FromJsonString(text)
    return time.ToNanoseconds()
