"""Translates a small part of CEL to Python; rejects all other expressions.

It supports comparisons of integers and strings, bools, ``&&``, ``||``, ``!``, ``has(this.field)``,
``size(...)``, ``this.field`` and literals. None of these can fail at evaluation, so CEL's rules for
errors do not matter. The types of operands are known from the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from guard_generator.conditions import Condition, attribute
from guard_generator.rules import UnsupportedRuleError

TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>[0-9]+(?![0-9.eExX]))(?P<unsigned>[uU]?)
      | (?P<string>"[^"\\\n]*"|'[^'\\\n]*')
      | (?P<name>[a-zA-Z_][a-zA-Z0-9_]*)
      | (?P<symbol>&&|\|\||==|!=|<=|>=|[<>!().-])
    )""",
    re.VERBOSE,
)

LARGEST = {"int": 2**63 - 1, "uint": 2**64 - 1}

#: The comparisons and their opposites.
COMPARISONS = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}

SIGNED = (
    FieldDescriptor.TYPE_INT32,
    FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_SINT32,
    FieldDescriptor.TYPE_SINT64,
    FieldDescriptor.TYPE_SFIXED32,
    FieldDescriptor.TYPE_SFIXED64,
    FieldDescriptor.TYPE_ENUM,
)
UNSIGNED = (
    FieldDescriptor.TYPE_UINT32,
    FieldDescriptor.TYPE_UINT64,
    FieldDescriptor.TYPE_FIXED32,
    FieldDescriptor.TYPE_FIXED64,
)


@dataclass(frozen=True, slots=True)
class Operand:
    """A translated part of an expression.

    Attributes:
        type: `int`, `uint`, `string`, `bytes`, `bool`, or `collection` for lists and maps.
        source: The Python expression.
        opposite: The negation of a bool.
    """

    type: str
    source: str
    opposite: str = ""

    @property
    def condition(self) -> Condition:
        """The operand, a bool, and its negation."""
        return Condition(self.source, self.opposite)


def translate(
    expression: str,
    this: str,
    scope: Descriptor | FieldDescriptor,
    has: Callable[[FieldDescriptor, str], Condition],
) -> Condition:
    """Return a CEL rule as a Python condition.

    Args:
        expression: The rule's CEL, of type bool.
        this: The Python expression of the value that the rule applies to.
        scope: The message that declares the rule, or the field.
        has: Returns the condition that a field of a message is present.

    Raises:
        UnsupportedRuleError: The expression uses unsupported parts of CEL.
    """
    parser = _Parser(expression, this, scope, has)
    result = parser.either()
    parser.expect_end()
    if result.type != "bool":
        raise UnsupportedRuleError(expression)
    return result.condition


def grouped(source: str) -> str:
    """Return an expression, in parentheses if it joins others."""
    return f"({source})" if " or " in source or " and " in source else source


class _Parser:
    """A recursive-descent parser that writes Python as it reads CEL."""

    def __init__(
        self,
        expression: str,
        this: str,
        scope: Descriptor | FieldDescriptor,
        has: Callable[[FieldDescriptor, str], Condition],
    ) -> None:
        self._expression = expression
        self._this = this
        self._scope = scope
        self._has = has
        self._tokens = self._split()
        self._next = 0

    def either(self) -> Operand:
        """Read operands joined by ``||``."""
        operands = [self._both()]
        while self._take("||"):
            operands.append(self._both())
        return self._joined(operands, "or", "and")

    def expect_end(self) -> None:
        """Raise unless the expression ends here."""
        if self._next != len(self._tokens):
            raise self._unsupported()

    def _both(self) -> Operand:
        operands = [self._relation()]
        while self._take("&&"):
            operands.append(self._relation())
        return self._joined(operands, "and", "or")

    def _joined(self, operands: list[Operand], word: str, opposite: str) -> Operand:
        if len(operands) == 1:
            return operands[0]
        if any(operand.type != "bool" for operand in operands):
            raise self._unsupported()
        holds = f" {word} ".join(grouped(operand.source) for operand in operands)
        fails = f" {opposite} ".join(grouped(operand.opposite) for operand in operands)
        return Operand("bool", holds, fails)

    def _relation(self) -> Operand:
        left = self._unary()
        operator = next((symbol for symbol in COMPARISONS if self._take(symbol)), None)
        if operator is None:
            return left
        right = self._unary()
        ordered = operator not in ("==", "!=")
        comparable = ("int", "uint") if ordered else ("int", "uint", "string")
        if left.type != right.type or left.type not in comparable:
            raise self._unsupported()
        holds = f"{left.source} {operator} {right.source}"
        fails = f"{left.source} {COMPARISONS[operator]} {right.source}"
        return Operand("bool", holds, fails)

    def _unary(self) -> Operand:
        if self._take("!"):
            operand = self._unary()
            if operand.type != "bool":
                raise self._unsupported()
            return Operand("bool", operand.opposite, operand.source)
        if self._take("-"):
            kind, text = self._advance()
            if kind != "int":
                raise self._unsupported()
            return Operand("int", f"-{text}")
        return self._atom()

    def _atom(self) -> Operand:
        kind, text = self._advance()
        if kind in ("int", "uint", "string"):
            return Operand(kind, text)
        if text == "(":
            inner = self.either()
            self._expect(")")
            return inner
        if text == "has":
            self._expect("(")
            field = self._field()
            self._expect(")")
            present = self._has(field, self._this)
            return Operand("bool", present.holds, present.fails)
        if text == "size":
            self._expect("(")
            measured = self._value()
            self._expect(")")
            return self._size(measured)
        if text == "this":
            self._next -= 1
            return self._value()
        raise self._unsupported()

    def _value(self) -> Operand:
        """Read ``this`` or ``this.field``, with or without ``.size()``."""
        if isinstance(self._scope, Descriptor):
            field = self._field()
            source = attribute(self._this, field.name)
        else:
            self._expect("this")
            field, source = self._scope, self._this
        value = Operand(self._type_of(field), source, f"not {source}")
        if self._take("."):
            for part in ("size", "(", ")"):
                self._expect(part)
            return self._size(value)
        return value

    def _field(self) -> FieldDescriptor:
        """Read ``this.field`` of a message."""
        self._expect("this")
        self._expect(".")
        _, name = self._advance()
        if not isinstance(self._scope, Descriptor) or name not in self._scope.fields_by_name:
            raise self._unsupported()
        return self._scope.fields_by_name[name]

    def _size(self, operand: Operand) -> Operand:
        if operand.type not in ("string", "bytes", "collection"):
            raise self._unsupported()
        return Operand("int", f"len({operand.source})")

    def _type_of(self, field: FieldDescriptor) -> str:
        if field.is_repeated:
            return "collection"
        if field.type in SIGNED:
            return "int"
        if field.type in UNSIGNED:
            return "uint"
        if field.type == FieldDescriptor.TYPE_STRING:
            return "string"
        if field.type == FieldDescriptor.TYPE_BYTES:
            return "bytes"
        if field.type == FieldDescriptor.TYPE_BOOL:
            return "bool"
        raise self._unsupported()

    def _split(self) -> list[tuple[str, str]]:
        """Return the kinds and texts of the expression's tokens."""
        tokens = []
        position = 0
        while position < len(self._expression.rstrip()):
            token = TOKEN.match(self._expression, position)
            if token is None:
                raise self._unsupported()
            position = token.end()
            if token["number"]:
                kind = "uint" if token["unsigned"] else "int"
                number = int(token["number"])
                if number > LARGEST[kind]:
                    raise self._unsupported()
                tokens.append((kind, str(number)))
            elif token["string"]:
                tokens.append(("string", repr(token["string"][1:-1])))
            else:
                tokens.append(("other", token["name"] or token["symbol"]))
        return tokens

    def _advance(self) -> tuple[str, str]:
        if self._next == len(self._tokens):
            raise self._unsupported()
        self._next += 1
        return self._tokens[self._next - 1]

    def _take(self, text: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next] == ("other", text):
            self._next += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._unsupported()

    def _unsupported(self) -> UnsupportedRuleError:
        return UnsupportedRuleError(f"CEL {self._expression!r}")
