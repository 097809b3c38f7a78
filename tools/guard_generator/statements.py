"""The statements of a guard, and their source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from guard_generator.conditions import Condition


@dataclass(frozen=True, slots=True)
class Check:
    """A check of a condition: the guard returns False if it fails."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Block:
    """Statements under a header, such as an ``if`` or a ``for``."""

    header: str
    body: list[Statement]


#: A `Check`, a block, or a line of code.
Statement = Check | Block | str

#: Ends the guard without certainty.
UNSURE = "return False"

INDENT = " " * 4


def count_checks(statements: Iterable[Statement]) -> int:
    """Count the conditions that statements check."""
    return sum(
        count_checks(each.body) if isinstance(each, Block) else isinstance(each, Check)
        for each in statements
    )


def function_body(statements: list[Statement]) -> list[str]:
    """Return the lines of a guard, not yet formatted; the last one returns the verdict."""
    if statements and isinstance(last := statements[-1], Check):
        return [*lines(statements[:-1], 1), f"{INDENT}return {last.condition.holds}"]
    if UNSURE in statements:
        return list(lines(statements, 1))
    return [*lines(statements, 1), f"{INDENT}return True"]


def lines(statements: Iterable[Statement], depth: int) -> Iterator[str]:
    """Yield the lines of statements, given their depth in blocks."""
    margin = INDENT * depth
    for each in statements:
        if isinstance(each, Check):
            yield f"{margin}if {each.condition.fails}:"
            yield f"{margin}{INDENT}{UNSURE}"
        elif isinstance(each, Block):
            yield f"{margin}{each.header}"
            yield from lines(each.body, depth + 1)
        else:
            yield f"{margin}{each}"


def pattern_constant(name: str, source: str) -> str:
    """Return the definition of a constant: the search function of a regular expression."""
    is_plain = '"' not in source and not source.endswith("\\") and source.isprintable()
    text = f'r"{source}"' if is_plain else repr(source)
    return f"{name} = re.compile({text}).search"
