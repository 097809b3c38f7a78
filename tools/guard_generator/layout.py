"""Formats the generated Python as ruff does, so that generating needs no formatter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from guard_generator.conditions import Condition

LINE_LENGTH = 100


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


def count_checks(statements: Iterable[Statement]) -> int:
    """Count the conditions that statements check."""
    return sum(
        count_checks(each.body) if isinstance(each, Block) else isinstance(each, Check)
        for each in statements
    )


def function_body(statements: list[Statement]) -> list[str]:
    """Return the lines of a guard; the last one returns the verdict."""
    if statements and isinstance(last := statements[-1], Check):
        return [*written(statements[:-1], 1), *wrapped("return", last.condition.holds, "", 1)]
    if UNSURE in statements:
        return list(written(statements, 1))
    return [*written(statements, 1), f"{margin(1)}return True"]


def written(statements: Iterable[Statement], depth: int) -> Iterator[str]:
    """Yield the lines of statements, given their depth in blocks."""
    for each in statements:
        if isinstance(each, Check):
            yield from wrapped("if", each.condition.fails, ":", depth)
            yield f"{margin(depth + 1)}{UNSURE}"
        elif isinstance(each, Block):
            yield f"{margin(depth)}{each.header}"
            yield from written(each.body, depth + 1)
        else:
            yield f"{margin(depth)}{each}"


def margin(depth: int) -> str:
    """Return the indentation of a depth."""
    return "    " * depth


def wrapped(keyword: str, condition: str, end: str, depth: int) -> list[str]:
    """Return the lines of a condition; a long one is broken at its outermost operators."""
    line = f"{margin(depth)}{keyword} {condition}{end}"
    if len(line) <= LINE_LENGTH:
        return [line]
    operator, operands = split(condition)
    head, _, arguments = operands[-1].removesuffix(")").rpartition("(")
    if len(operands) == 2 and operands[-1].endswith(")") and head:
        # If the last of two operands is a call, ruff breaks that.
        return [
            f"{margin(depth)}{keyword} {operands[0]} {operator} {head}(",
            f"{margin(depth + 1)}{arguments}",
            f"{margin(depth)}){end}",
        ]
    parts = [operands[0], *(f"{operator} {operand}" for operand in operands[1:])]
    return [
        f"{margin(depth)}{keyword} (",
        *(f"{margin(depth + 1)}{part}" for part in parts),
        f"{margin(depth)}){end}",
    ]


def split(condition: str) -> tuple[str, list[str]]:
    """Split a condition at its outermost operator.

    >>> split('a and (b or " or ") or c')
    ('or', ['a and (b or " or ")', 'c'])
    """
    for operator in ("or", "and"):
        operands = []
        start = depth = 0
        quote = ""
        for index, character in enumerate(condition):
            if quote:
                quote = "" if character == quote else quote
            elif character in "\"'":
                quote = character
            else:
                depth += (character in "([{") - (character in ")]}")
                if depth == 0 and condition.startswith(f" {operator} ", index):
                    operands.append(condition[start:index])
                    start = index + len(operator) + 2
        if operands:
            return operator, [*operands, condition[start:]]
    return "", [condition]


def pattern_constant(name: str, source: str) -> str:
    """Return the definition of a constant: the search function of a regular expression."""
    is_plain = '"' not in source and not source.endswith("\\") and source.isprintable()
    text = f'r"{source}"' if is_plain else repr(source)
    line = f"{name} = re.compile({text}).search"
    return line if len(line) <= LINE_LENGTH else f"{name} = re.compile(\n    {text}\n).search"
