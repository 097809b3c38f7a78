"""From filters and orders, as text, to conditions on the indexed fields of a type."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Final

from lark.exceptions import VisitError

from crucible_ir.errors import Violation, near_miss, shorten
from crucible_ir.exchange.content import (
    MAX_VALUE_BYTES,
    NumberForm,
    indexed_fields,
    number_fields,
)
from crucible_ir.exchange.server.rpc.errors import field_violation, invalid_argument
from crucible_ir.exchange.server.services.search.grammar import (
    Comparing,
    FilterError,
    Joined,
    Negated,
    Tree,
    Value,
    parse,
)
from crucible_ir.exchange.store.records import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
    NumberCondition,
    NumberOrder,
    Predicate,
)
from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import Kind
from crucible_ir.schema.types import descriptor_of, message_type

if TYPE_CHECKING:
    from crucible_ir.schema.fields import Field

_COMPARISONS: Final = {
    "=": Comparison.EQUALS,
    "<": Comparison.LESS,
    "<=": Comparison.AT_MOST,
    ">": Comparison.GREATER,
    ">=": Comparison.AT_LEAST,
}


def predicate_of(text: str, type_: str) -> Predicate:
    """Return the condition of a filter on documents of a type.

    Raises:
        RpcError: The filter is invalid; the error names the column.
    """
    try:
        try:
            tree = parse(text)
        except VisitError as error:
            raise error.orig_exc from None
        return _Compiler(type_).compile(tree)
    except FilterError as error:
        violation = Violation("filter", error.rule_id, str(error))
        raise invalid_argument("invalid request", [violation]) from None


def order_of(text: str, type_: str) -> NumberOrder:
    """Return an order by a number: its field, and ``desc`` for the greatest first.

    Raises:
        RpcError: The order is invalid.
    """
    field, _, direction = text.strip().partition(" ")
    direction = direction.strip()
    if direction not in ("", "asc", "desc"):
        reason = f"expected asc or desc after the field, found {shorten(direction)}"
        raise field_violation("order_by", "order_by.known", reason)
    compiler = _Compiler(type_)
    if compiler.number_form(field) is None:
        needed = compiler.needed_name(field)
        guess = near_miss(field, compiler.number_names())
        unknown = f"{type_} cannot be ordered by {shorten(field)}{guess}; expected a number"
        raise field_violation("order_by", "order_by.known", needed or unknown)
    return NumberOrder(field, direction == "desc")


class _Compiler:
    def __init__(self, type_: str) -> None:
        descriptor = descriptor_of(message_type(type_))
        self._type = type_
        self._indexed = indexed_fields(descriptor)
        # The two members of an open vocabulary are one field.
        self._names = {
            member.name: name for name, members in self._indexed.items() for member in members
        }
        self._numbers = number_fields(descriptor)

    def number_names(self) -> list[str]:
        """Return the names of fields that contain numbers."""
        return list(self._numbers)

    def number_form(self, field: str) -> NumberForm | None:
        """Return how a field contains numbers; ``None`` if it does not, or lacks a name."""
        root, dot, name = field.partition(".")
        form = self._numbers.get(root)
        needs_name = form in (NumberForm.MAP, NumberForm.NAMED)
        return form if needs_name == bool(dot and name) else None

    def needed_name(self, field: str) -> str | None:
        """Return what a field lacks that contains several numbers; ``None`` for other fields."""
        root = field.partition(".")[0]
        if self._numbers.get(root) not in (NumberForm.MAP, NumberForm.NAMED):
            return None
        return f"{root} needs the name of a number, such as {root}.accuracy"

    def compile(self, tree: Tree) -> Predicate:
        """Return the predicate of a tree."""
        if isinstance(tree, Negated):
            return Not(self.compile(tree.part))
        if isinstance(tree, Joined):
            parts = tuple(self.compile(part) for part in tree.parts)
            return AllOf(parts) if tree.word == "AND" else AnyOf(parts)
        found = tuple(self._comparison(tree, value) for value in tree.values)
        predicate = found[0] if len(found) == 1 else AnyOf(found)
        return Not(predicate) if tree.sign == "!=" else predicate

    def _comparison(self, tree: Comparing, value: Value) -> Predicate:
        """Return the comparison with one value; that with = for !=."""
        if tree.field in self._names or tree.field == "id":
            return self._text(tree, value)
        form = self.number_form(tree.field)
        if form is not None:
            return self._number(tree, value, form)
        needed = self.needed_name(tree.field)
        if needed is not None:
            if tree.sign == ":" and not value.is_prefix:
                root = tree.field.partition(".")[0]
                return self._number(
                    Comparing(f"{root}.{value.text}", tree.column, ":", ()), None, NumberForm.MAP
                )
            raise FilterError(f"column {tree.column}: {needed}", "filter.field_known")
        guess = near_miss(tree.field, [*self._names, *self._numbers, "id"])
        raise FilterError(
            f"column {tree.column}: {self._type} cannot be filtered by"
            f" {shorten(tree.field)}{guess}",
            "filter.field_known",
        )

    def _text(self, tree: Comparing, value: Value) -> Predicate:
        name = self._names.get(tree.field, "id")
        members = self._indexed.get(name, ())
        sign = "=" if tree.sign in ("!=", ":") else tree.sign
        is_list = bool(members) and members[0].is_list
        if tree.sign == ":" and value.text == "" and value.is_prefix:
            return Condition(name, Comparison.PREFIX, "")
        if tree.sign == ":" and not is_list:
            raise FilterError(
                f'column {tree.column}: ":" is for lists, and {name} is none; use = or :*',
                "filter.comparison",
            )
        if sign != "=" and (is_list or any(each.kind is not Kind.STRING for each in members)):
            raise FilterError(
                f"column {tree.column}: {name} has no order; expected = or !=", "filter.comparison"
            )
        _check_vocabulary(members, value)
        if value.is_prefix:
            if sign != "=":
                raise FilterError(f"column {value.column}: a prefix is compared with = or !=")
            return Condition(name, Comparison.PREFIX, value.text)
        if len(value.text.encode()) > MAX_VALUE_BYTES:
            raise FilterError(
                f"column {value.column}: a value has at most {MAX_VALUE_BYTES} bytes",
                "filter.limits",
            )
        return Condition(name, _COMPARISONS[sign], value.text)

    def _number(self, tree: Comparing, value: Value | None, form: NumberForm) -> Predicate:
        if value is None or (tree.sign == ":" and value.is_prefix and not value.text):
            return NumberCondition(tree.field, Comparison.AT_LEAST, -math.inf)
        if tree.sign == ":":
            raise FilterError(
                f'column {tree.column}: ":" is for lists, and {tree.field} is a number; use = or'
                " :*",
                "filter.comparison",
            )
        sign = "=" if tree.sign == "!=" else tree.sign
        number = _time(value) if form is NumberForm.TIME else _number(value)
        return NumberCondition(tree.field, _COMPARISONS[sign], number)


def _number(value: Value) -> float:
    try:
        number = float("x" if value.is_prefix or "_" in value.text else value.text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise FilterError(
            f"column {value.column}: found {shorten(value.text)}, expected a number",
            "filter.value_known",
        )
    return number


def _time(value: Value) -> float:
    try:
        time = datetime.fromisoformat(value.text)
        if time.tzinfo is None or value.is_prefix:
            raise ValueError
    except ValueError:
        raise FilterError(
            f"column {value.column}: found {shorten(value.text)}, expected a timestamp in RFC 3339"
            ' and in quotes, such as "2025-01-31T12:00:00Z"',
            "filter.value_known",
        ) from None
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    passed = time - epoch
    return float((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds)


def _check_vocabulary(members: tuple[Field, ...], value: Value) -> None:
    """Check that a value can be one of a closed vocabulary or a flag."""
    if value.is_prefix or not members:
        return
    names: list[str] = []
    if members[0].kind is Kind.BOOL:
        names = ["false", "true"]
    elif members[0].enum is not None and len(members) == 1:
        names = [name for number, name in vocabulary.names(members[0].enum).items() if number]
    if names and value.text not in names and not value.text.isdecimal():
        guess = near_miss(value.text, names)
        raise FilterError(
            f"column {value.column}: {members[0].name} has no value"
            f" {shorten(value.text)}{guess}; expected {', '.join(sorted(names))}",
            "filter.value_known",
        )
