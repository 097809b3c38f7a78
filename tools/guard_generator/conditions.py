"""Translates the rules of one value to Python conditions that imply them."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from guard_generator import patterns
from guard_generator.rules import MisplacedRuleError, UnsupportedRuleError, set_rules

#: The placeholder of the value in a condition, until its variable is known. It cannot occur in
#: generated source otherwise: `repr` escapes it.
VALUE = "\0"

#: The largest number of nanoseconds in a valid Timestamp.
MAX_NANOS = 999_999_999

#: The most whole seconds by which 32-bit nanoseconds can shift a time.
MIN_NANOS_SECONDS, MAX_NANOS_SECONDS = -(2**31) // 10**9, (2**31 - 1) // 10**9

#: The most bytes of a character in UTF-8.
MAX_CHARACTER_BYTES = 4

FLOATS = {"float": FieldDescriptor.TYPE_FLOAT, "double": FieldDescriptor.TYPE_DOUBLE}

NUMBERS = FLOATS | {
    "int32": FieldDescriptor.TYPE_INT32,
    "int64": FieldDescriptor.TYPE_INT64,
    "uint32": FieldDescriptor.TYPE_UINT32,
    "uint64": FieldDescriptor.TYPE_UINT64,
    "sint32": FieldDescriptor.TYPE_SINT32,
    "sint64": FieldDescriptor.TYPE_SINT64,
    "fixed32": FieldDescriptor.TYPE_FIXED32,
    "fixed64": FieldDescriptor.TYPE_FIXED64,
    "sfixed32": FieldDescriptor.TYPE_SFIXED32,
    "sfixed64": FieldDescriptor.TYPE_SFIXED64,
    "enum": FieldDescriptor.TYPE_ENUM,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A Python condition on `VALUE`.

    Attributes:
        holds: An expression that is true only if the rules are certainly satisfied.
        fails: The negation of `holds`, in its most readable form.
    """

    holds: str
    fails: str

    def on(self, value: str) -> Condition:
        """Return the condition on an expression."""
        return Condition(self.holds.replace(VALUE, value), self.fails.replace(VALUE, value))


def truth(expression: str) -> Condition:
    """Return the condition that a bool is true."""
    return Condition(expression, f"not {expression}")


def nonempty(value: str) -> Condition:
    """Return the condition that a string, bytes, list or map is not empty."""
    return Condition(f"len({value}) > 0", f"not {value}")


def either(first: str, second: str) -> Condition:
    """Return the condition that one of two expressions is true."""
    return Condition(f"{first} or {second}", f"not {first} and not {second}")


def equal(value: str, constant: str) -> Condition:
    """Return the condition that a value equals a constant."""
    return Condition(f"{value} == {constant}", f"{value} != {constant}")


def contained(item: str, container: str) -> Condition:
    """Return the condition that an item is in a container."""
    return Condition(f"{item} in {container}", f"{item} not in {container}")


def opposite(condition: Condition) -> Condition:
    """Return the negation of a condition."""
    return Condition(condition.fails, condition.holds)


def attribute(owner: str, name: str) -> str:
    """Return the expression of a field, whose name may be a Python keyword."""
    return f'getattr({owner}, "{name}")' if keyword.iskeyword(name) else f"{owner}.{name}"


def literal(value: Any) -> str:
    """Return the literal of a rule's constant.

    Raises:
        UnsupportedRuleError: The constant is NaN or infinite.
    """
    require_finite(value)
    return repr(value)


def require_finite(value: Any) -> None:
    """Raise `UnsupportedRuleError` for a constant that is NaN or infinite."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UnsupportedRuleError(f"a constant of {value}")


def listing(values: Any) -> str:
    """Return the tuple of some constants."""
    literals = [literal(value) for value in values]
    return f"({', '.join(literals)}{',' if len(literals) == 1 else ''})"


@dataclass
class Interval:
    """The numbers between two bounds, each of them open, closed or missing.

    Attributes:
        is_whole: Whether the numbers are integers, so that none of them is NaN.
    """

    low: Any = None
    high: Any = None
    low_is_open: bool = False
    high_is_open: bool = False
    is_whole: bool = True

    def at_least(self, bound: Any, *, is_open: bool = False) -> None:
        """Raise the lower bound to this one if that is narrower."""
        if self.low is None or (bound, is_open) > (self.low, self.low_is_open):
            self.low, self.low_is_open = bound, is_open

    def at_most(self, bound: Any, *, is_open: bool = False) -> None:
        """Lower the upper bound to this one if that is narrower."""
        if self.high is None or (-bound, is_open) > (-self.high, self.high_is_open):
            self.high, self.high_is_open = bound, is_open

    def has_zero(self) -> bool:
        """Return whether zero is in the interval."""
        below = self.low is not None and (self.low > 0 or (self.low_is_open and self.low == 0))
        above = self.high is not None and (self.high < 0 or (self.high_is_open and self.high == 0))
        return not below and not above

    def conditions(self, value: str = VALUE) -> list[Condition]:
        """Return the comparisons of a value with the bounds, if there are any."""
        rising = "<" if self.low_is_open else "<="
        capped = "<" if self.high_is_open else "<="
        if self.low is None and self.high is None:
            return []
        if self.low is None:
            holds = f"{value} {capped} {bound_literal(self.high)}"
            fails = f"{value} {'>=' if self.high_is_open else '>'} {bound_literal(self.high)}"
        elif self.high is None:
            holds = f"{value} {'>' if self.low_is_open else '>='} {bound_literal(self.low)}"
            fails = f"{value} {'<=' if self.low_is_open else '<'} {bound_literal(self.low)}"
        elif self.is_whole and self.low == self.high and rising == capped == "<=":
            return [equal(value, bound_literal(self.low))]
        else:
            low, high = bound_literal(self.low), bound_literal(self.high)
            return [truth(f"{low} {rising} {value} {capped} {high}")]
        # Every comparison with NaN is false, so the condition on a float is not inverted.
        return [Condition(holds, fails if self.is_whole else f"not {holds}")]


def bound_literal(bound: Any) -> str:
    """Return the literal of a bound; infinities, from the rule `finite`, have a name."""
    if bound in (math.inf, -math.inf):
        return "INFINITY" if bound > 0 else "-INFINITY"
    return repr(bound)


def conditions(
    field: FieldDescriptor, rules: Any, *, nonzero: bool, name_pattern: Callable[[str], str]
) -> list[Condition]:
    """Return the conditions for the rules of one value, of a field or an element.

    Args:
        field: The field of the value.
        rules: Its `buf.validate.FieldRules`.
        nonzero: Whether the value must also differ from its type's zero.
        name_pattern: Returns the name of the search function of a regular expression.

    Raises:
        UnsupportedRuleError: Guards do not support a rule.
    """
    kind = rules.WhichOneof("type")
    if kind is None:
        return [differs_from_zero(field)] if nonzero else []
    typed: Any = getattr(rules, kind)
    names = ", ".join(f"{kind}.{rule}" for rule, _ in set_rules(typed)) or kind
    if not fits(kind, field):
        raise MisplacedRuleError(f"{names} of {field.name}")
    if field.message_type and kind != "timestamp":
        raise UnsupportedRuleError(names)
    if kind in NUMBERS:
        return list(number_conditions(field, kind, typed, nonzero=nonzero))
    if kind == "string":
        return list(string_conditions(typed, nonzero=nonzero, name_pattern=name_pattern))
    if kind == "bytes":
        return list(bytes_conditions(typed, nonzero=nonzero))
    if kind == "bool":
        return list(bool_conditions(typed, nonzero=nonzero))
    return list(timestamp_conditions(typed))


def fits(kind: str, field: FieldDescriptor) -> bool:
    """Return whether rules such as ``int32`` or ``timestamp`` may be on a value of a field."""
    if field.message_type:
        name = kind.replace("_", "")
        known = (f"google.protobuf.{name}", f"google.protobuf.{name}value")
        return field.message_type.full_name.lower() in known
    return field.type == getattr(FieldDescriptor, f"TYPE_{kind.upper()}", None)


def differs_from_zero(field: FieldDescriptor) -> Condition:
    """Return the condition that a value is not its type's zero; a negative zero is a zero."""
    if field.type in NUMBERS.values():
        return opposite(equal(VALUE, "0"))
    return truth(VALUE) if field.type == FieldDescriptor.TYPE_BOOL else nonempty(VALUE)


def number_conditions(
    field: FieldDescriptor, kind: str, rules: Any, *, nonzero: bool
) -> Iterator[Condition]:
    """Yield the comparisons of a number or enum value with the constants of its rules."""
    interval = Interval(is_whole=kind not in FLOATS)
    given = dict(set_rules(rules))
    yield from range_conditions(given, interval)
    if given.pop("finite", False):
        interval.at_least(-math.inf, is_open=True)
        interval.at_most(math.inf, is_open=True)
    if given.pop("defined_only", False) and field.enum_type:
        yield from defined_only_conditions(field.enum_type, interval)
    if nonzero and interval.low == 0:
        interval.at_least(0, is_open=True)
    elif nonzero and interval.has_zero():
        yield differs_from_zero(field)
    yield from interval.conditions()
    yield from constant_conditions(given)
    require_none_left(kind, given)


def range_conditions(given: dict[str, Any], interval: Interval) -> Iterator[Condition]:
    """Move the bounds from the rules to the interval.

    Crossed bounds require a value outside of them and yield a condition instead.
    """
    low_rule = next((rule for rule in ("gt", "gte") if rule in given), None)
    high_rule = next((rule for rule in ("lt", "lte") if rule in given), None)
    low = given.pop(low_rule) if low_rule else None
    high = given.pop(high_rule) if high_rule else None
    require_finite(low)
    require_finite(high)
    if low is not None and high is not None and high < low:
        below = f"{VALUE} {'<' if high_rule == 'lt' else '<='} {high!r}"
        above = f"{VALUE} {'>' if low_rule == 'gt' else '>='} {low!r}"
        yield either(below, above)
        return
    if low is not None:
        interval.at_least(low, is_open=low_rule == "gt")
    if high is not None:
        interval.at_most(high, is_open=high_rule == "lt")


def defined_only_conditions(enum: EnumDescriptor, interval: Interval) -> Iterator[Condition]:
    """Limit the interval to an enum's numbers; yield a condition if they have gaps."""
    numbers = sorted({value.number for value in enum.values})
    if len(numbers) == numbers[-1] - numbers[0] + 1:
        interval.at_least(numbers[0])
        interval.at_most(numbers[-1])
    else:
        yield contained(VALUE, listing(numbers))


def constant_conditions(given: dict[str, Any]) -> Iterator[Condition]:
    """Remove the rules that list values, and yield their conditions."""
    if "const" in given:
        yield equal(VALUE, literal(given.pop("const")))
    if "in" in given:
        yield contained(VALUE, listing(given.pop("in")))
    if "not_in" in given:
        yield opposite(contained(VALUE, listing(given.pop("not_in"))))


def require_none_left(kind: str, given: dict[str, Any]) -> None:
    """Raise `UnsupportedRuleError` for remaining rules that are not switched off."""
    unknown = ", ".join(f"{kind}.{rule}" for rule, value in given.items() if value is not False)
    if unknown:
        raise UnsupportedRuleError(unknown)


def string_conditions(
    rules: Any, *, nonzero: bool, name_pattern: Callable[[str], str]
) -> Iterator[Condition]:
    """Yield the conditions on a string's lengths in characters and bytes, and on its content."""
    given = dict(set_rules(rules))
    characters = take_lengths(given, "min_len", "max_len", "len")
    encoded = take_lengths(given, "min_bytes", "max_bytes", "len_bytes")
    pattern = patterns.translate(given.pop("pattern")) if "pattern" in given else None
    if nonzero and (pattern is None or re.search(pattern, "")):
        characters.at_least(1)
    if pattern is None:
        yield from string_size_conditions(characters, encoded)
    else:
        # The search takes longer than encoding. The limit comes first since it bounds the search.
        yield from encoded.conditions(f"len({VALUE}.encode())")
        yield from length_conditions(characters)
        search = name_pattern(pattern)
        yield Condition(f"{search}({VALUE}) is not None", f"{search}({VALUE}) is None")
    yield from content_conditions(given)
    if "not_contains" in given:
        yield opposite(contained(literal(given.pop("not_contains")), VALUE))
    require_none_left("string", given)


def string_size_conditions(characters: Interval, encoded: Interval) -> Iterator[Condition]:
    """Yield the conditions on a string's lengths; short strings are not encoded."""
    few = (encoded.high or 0) // MAX_CHARACTER_BYTES
    if encoded.low is not None or few == 0:
        yield from encoded.conditions(f"len({VALUE}.encode())")
    elif (characters.low, characters.high) == (1, None):
        yield either(f"0 < len({VALUE}) <= {few}", f"_fits({VALUE}, {encoded.high})")
        return
    else:
        yield either(f"len({VALUE}) <= {few}", f"len({VALUE}.encode()) <= {encoded.high}")
    yield from length_conditions(characters)


def length_conditions(lengths: Interval, value: str = VALUE) -> list[Condition]:
    """Return the conditions on a length; for one or more, the truth of the value."""
    if (lengths.low, lengths.high) == (1, None):
        return [nonempty(value)]
    return lengths.conditions(f"len({value})")


def take_lengths(given: dict[str, Any], least: str, most: str, exact: str = "") -> Interval:
    """Remove the bounds of a length from the rules, and return them."""
    lengths = Interval()
    if least in given:
        lengths.at_least(given.pop(least))
    if most in given:
        lengths.at_most(given.pop(most))
    if exact in given:
        lengths.at_least(given[exact])
        lengths.at_most(given.pop(exact))
    return lengths


def content_conditions(given: dict[str, Any]) -> Iterator[Condition]:
    """Remove the rules on the content of a string or bytes, and yield their conditions."""
    yield from constant_conditions(given)
    if "prefix" in given:
        yield truth(f"{VALUE}.startswith({literal(given.pop('prefix'))})")
    if "suffix" in given:
        yield truth(f"{VALUE}.endswith({literal(given.pop('suffix'))})")
    if "contains" in given:
        yield contained(literal(given.pop("contains")), VALUE)


def bytes_conditions(rules: Any, *, nonzero: bool) -> Iterator[Condition]:
    """Yield the conditions on the length and content of bytes."""
    given = dict(set_rules(rules))
    lengths = take_lengths(given, "min_len", "max_len", "len")
    if nonzero:
        lengths.at_least(1)
    yield from length_conditions(lengths)
    yield from content_conditions(given)
    require_none_left("bytes", given)


def bool_conditions(rules: Any, *, nonzero: bool) -> Iterator[Condition]:
    """Yield the conditions on a bool."""
    given = dict(set_rules(rules))
    if nonzero:
        yield truth(VALUE)
    if "const" in given:
        yield truth(VALUE) if given.pop("const") else opposite(truth(VALUE))
    require_none_left("bool", given)


def timestamp_conditions(rules: Any) -> Iterator[Condition]:
    """Yield the comparisons of a Timestamp with the constants of its rules.

    Invalid nanoseconds shift the time; if that matters, the guard is not certain.
    """
    bounds = {}
    for rule, constant in set_rules(rules):
        if rule not in ("const", "gt", "gte", "lt", "lte") or not 0 <= constant.nanos <= MAX_NANOS:
            raise UnsupportedRuleError(f"timestamp.{rule}")
        bounds[rule] = (constant.seconds, constant.nanos)
    seconds, times = Interval(), Interval()
    outside = list(range_conditions(bounds, times))
    # A bound at the very start or end of a second is a bound of the seconds alone.
    if times.low and times.low[1] == 0 and not times.low_is_open:
        seconds.at_least(times.low[0])
        times.low = None
    if times.high and times.high[1] == MAX_NANOS and not times.high_is_open:
        seconds.at_most(times.high[0])
        times.high = None
    exact = [*outside, *times.conditions(), *constant_conditions(bounds)]
    if seconds.low is not None and seconds.high is not None and not exact:
        yield second_condition(seconds)
        return
    yield from seconds.conditions(f"{VALUE}.seconds")
    yield from Interval(0, MAX_NANOS).conditions(f"{VALUE}.nanos")
    for condition in exact:
        yield condition.on(f"({VALUE}.seconds, {VALUE}.nanos)")


def second_condition(seconds: Interval) -> Condition:
    """Return the comparison of a Timestamp with a first and last second, mostly by its seconds."""
    exact = f"_is_within({VALUE}, {seconds.low}, {seconds.high})"
    inner = Interval(seconds.low - MIN_NANOS_SECONDS, seconds.high - MAX_NANOS_SECONDS)
    if inner.low > inner.high:
        return truth(exact)
    return either(inner.conditions(f"{VALUE}.seconds")[0].holds, exact)
