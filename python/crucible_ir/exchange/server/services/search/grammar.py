"""The grammar of filters, a subset of AIP-160, and the trees of valid filters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from crucible_ir.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The limits of a filter: how deep its parentheses are nested, and the number of its comparisons.
MAX_DEPTH: Final = 16
MAX_COMPARISONS: Final = 64

# OR binds more tightly than AND, as AIP-160 has it.
_GRAMMAR: Final = r"""
    start: _all
    _all: all
    all: any ("AND" any)*
    any: term ("OR" term)*
    ?term: "NOT" simple -> negated
         | simple
    ?simple: "(" all ")" | comparison
    comparison: member COMPARATOR argument
    member: WORD TEXT?
    ?argument: value | "(" value ("OR" value)* ")" -> values
    value: WORD | TEXT

    COMPARATOR: "<=" | ">=" | "!=" | "=" | "<" | ">" | ":"
    WORD: /(?!(AND|OR|NOT)(?![^\s()]))[^\s()"'=!<>:]+/
    TEXT: /"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/s
    %import common.WS
    %ignore WS
"""

#: The names of terminals in errors.
_NAMES: Final = {
    "AND": "AND",
    "OR": "OR",
    "NOT": "NOT",
    "LPAR": '"("',
    "RPAR": '")"',
    "COMPARATOR": "a comparison such as =",
    "WORD": "a word",
    "TEXT": "a text in quotes",
    "$END": "the end",
}


class FilterError(ValueError):
    """A filter is invalid.

    Attributes:
        rule_id: The id of the rule that it breaks.
    """

    def __init__(self, message: str, rule_id: str = "filter.syntax") -> None:
        super().__init__(message)
        self.rule_id = rule_id


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a comparison, and its column."""

    text: str
    column: int
    is_quoted: bool
    is_prefix: bool


@dataclass(frozen=True, slots=True)
class Comparing:
    """A comparison of a field with a value, or with any of several."""

    field: str
    column: int
    sign: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """Several conditions, all of which or any of which must be satisfied."""

    word: str
    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    """A condition that must not be satisfied."""

    part: Tree


Tree = Comparing | Joined | Negated


def parse(text: str) -> Tree:
    """Return the tree of a filter.

    Raises:
        FilterError: The filter is invalid, or exceeds a limit.

    >>> tree = parse("NOT stage = (production OR staging)")
    >>> tree.part.field, [value.text for value in tree.part.values]
    ('stage', ['production', 'staging'])
    """
    if "\0" in text:
        raise FilterError(f"column {text.index(chr(0)) + 1}: a filter must not contain NUL")
    try:
        tokens = list(_parser().lex(text))
        _check_limits(tokens)
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        raise FilterError(_explained(text, error)) from None
    built: Tree = _Builder().transform(tree)
    return built


def _check_limits(tokens: Iterable[Token]) -> None:
    depth = comparisons = 0
    for token in tokens:
        depth += {"LPAR": 1, "RPAR": -1}.get(token.type, 0)
        # Each value of a set is a comparison of its own.
        comparisons += token.type in ("COMPARATOR", "OR")
        if depth > MAX_DEPTH:
            raise FilterError(
                f"column {token.column}: parentheses are nested more than {MAX_DEPTH} deep",
                "filter.limits",
            )
        if comparisons > MAX_COMPARISONS:
            raise FilterError(
                f"column {token.column}: more than {MAX_COMPARISONS} comparisons", "filter.limits"
            )


def _explained(text: str, error: UnexpectedInput) -> str:
    column = error.column if error.column and error.column > 0 else len(text) + 1
    if isinstance(error, UnexpectedCharacters):
        found, names = repr(text[error.pos_in_stream or 0]), error.allowed or set()
    else:
        assert isinstance(error, UnexpectedToken)
        is_end = error.token.type == "$END"
        found = "the end" if is_end else shorten(str(error.token))
        column = len(text) + 1 if is_end else column
        names = error.accepts or error.expected
    if found in ("'\"'", '"\'"'):
        return f"column {column}: a text in quotes has no end"
    expected = sorted(_NAMES[name] for name in names if name in _NAMES)
    return f"column {column}: found {found}, expected {' or '.join(expected)}"


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="basic")


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):
    """Builds the tree of a filter from that of the parser."""

    def start(self, tree: Tree) -> Tree:
        return tree

    def all(self, *parts: Tree) -> Tree:
        return parts[0] if len(parts) == 1 else Joined("AND", parts)

    def any(self, *parts: Tree) -> Tree:
        return parts[0] if len(parts) == 1 else Joined("OR", parts)

    def negated(self, part: Tree) -> Tree:
        return Negated(part)

    def comparison(self, member: tuple[str, int], sign: Token, argument: Any) -> Tree:
        name, column = member
        values = argument if isinstance(argument, tuple) else (argument,)
        if name.startswith("-"):
            return Negated(Comparing(name[1:], column + 1, str(sign), values))
        return Comparing(name, column, str(sign), values)

    def member(self, word: Token, text: Token | None = None) -> tuple[str, int]:
        name = str(word) if text is None else str(word) + _unquoted(text)
        return name, word.column or 1

    def values(self, *values: Value) -> tuple[Value, ...]:
        return values

    def value(self, token: Token) -> Value:
        is_quoted = token.type == "TEXT"
        text = str(token)[1:-1] if is_quoted else str(token)
        column = token.column or 1
        is_prefix = text.endswith("*") and not text.endswith("\\*")
        if is_prefix:
            text = text[:-1]
        parts = text.split("\\*")
        if any("*" in part for part in parts):
            raise FilterError(
                f"column {column}: a * is allowed only at the end of a text, or after \\"
            )
        text = "*".join(parts)
        return Value(_unescaped(text) if is_quoted else text, column, is_quoted, is_prefix)


def _unquoted(token: Token) -> str:
    return _unescaped(str(token)[1:-1])


def _unescaped(text: str) -> str:
    parts = text.split("\\\\")
    return "\\".join(part.replace("\\", "") for part in parts)
