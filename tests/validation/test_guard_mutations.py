"""Mutation tests of the guards: the tests detect a change of any condition."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from protovalidate import collect_violations
from validation.guard_soundness import is_odd
from validation.message_cases import MESSAGE_CLASSES, bases, edited, edits

from crucible_ir.validation import guards

pytestmark = pytest.mark.slow

MODULE = ast.parse(Path(guards.__file__).read_text(encoding="utf-8"))
FUNCTIONS = {node.name: node for node in MODULE.body if isinstance(node, ast.FunctionDef)}

#: The message type of each guard, by the guard's name.
GUARDED = {guard.__name__: name.rpartition(".")[2] for name, guard in guards.GUARDS.items()}

COMPARISONS: dict[type[ast.cmpop], tuple[ast.cmpop, ...]] = {
    ast.Lt: (ast.LtE(), ast.GtE()),
    ast.LtE: (ast.Lt(), ast.Gt()),
    ast.Gt: (ast.GtE(), ast.LtE()),
    ast.GtE: (ast.Gt(), ast.Lt()),
    ast.Eq: (ast.NotEq(),),
    ast.NotEq: (ast.Eq(),),
    ast.In: (ast.NotIn(),),
    ast.NotIn: (ast.In(),),
    ast.Is: (ast.IsNot(),),
    ast.IsNot: (ast.Is(),),
}

Verdict = Callable[[Message], bool]

#: How many valid messages are tried first: they detect a guard that rejects too much.
FIRST_VALID = 20


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_change_of_any_condition_of_a_guard_is_detected(function: str) -> None:
    tried, undetected = 0, []
    for description, mutant in mutants(FUNCTIONS[function]):
        tried += 1
        if not is_detected(function, mutant):
            undetected.append(description)
    assert undetected == []
    assert tried > 0


def is_detected(function: str, mutant: ast.FunctionDef) -> bool:
    """Return whether a mutant gives a wrong verdict, or needs the slow path for a right one."""
    if function in CALLERS:
        return any(is_detected_by(guard, mutant, corpus(guard)) for guard in CALLERS[function])
    return is_detected_by(function, mutant, corpus(function)) or is_detected_by(
        function, mutant, accepted_by_fast_checks(function), FAST_CHECKS_ONLY
    )


#: The functions that do an exact check where the fast one does not decide, with their callers.
CALLERS = {
    "_fits": ("guard_stage_def", "guard_audio_content"),
    "_is_within": ("guard_feedback_event",),
}

#: Replaces these functions, so that a guard has its fast checks only.
FAST_CHECKS_ONLY = dict.fromkeys(CALLERS, lambda *_: False)


def is_detected_by(
    function: str,
    mutant: ast.FunctionDef,
    messages: list[tuple[Message, bool]],
    names: dict[str, Any] | None = None,
) -> bool:
    """Return whether a guard with a mutant gives a wrong verdict on one of the messages."""
    guard = compiled(function, mutant, names or {})
    return any(verdict(guard, message) != expected for message, expected in messages)


@cache
def corpus(function: str) -> list[tuple[Message, bool]]:
    """Return every single edit of the bases of a guard's type, each with the expected verdict."""
    name = GUARDED[function]
    messages = [edited(name, base, [edit]) for base in bases(name) for edit in edits(name, base)]
    checked = [(each, not collect_violations(each) and not is_odd(each)) for each in messages]
    valid = [case for case in checked if case[1]]
    invalid = [case for case in checked if not case[1]]
    return [*valid[:FIRST_VALID], *invalid, *valid[FIRST_VALID:]]


@cache
def accepted_by_fast_checks(function: str) -> list[tuple[Message, bool]]:
    """Return the messages that a guard accepts by its fast checks alone."""
    guard = compiled(function, FUNCTIONS[function], FAST_CHECKS_ONLY)
    return [case for case in corpus(function) if verdict(guard, case[0])]


def compiled(function: str, mutant: ast.FunctionDef, names: dict[str, Any]) -> Verdict:
    """Compile a guard in a module with one function replaced."""
    namespace = vars(guards) | names
    bodies: list[ast.stmt] = [mutant]
    if mutant.name != function:
        bodies.append(FUNCTIONS[function])
    exec(compile(ast.Module(bodies, []), mutant.name, "exec"), namespace)
    guard: Verdict = namespace[function]
    return guard


def verdict(guard: Verdict, message: Message) -> bool:
    """Call a guard as its callers do: any result but True means that it is not certain."""
    try:
        return guard(message) is True
    except Exception:
        return False


def mutants(function: ast.FunctionDef) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield copies of a function, each with one condition changed, and a description."""
    for index, node in enumerate(ast.walk(function)):
        for number, (how, _) in enumerate(replacements(node)):
            copy = deepcopy(function)
            target = list(ast.walk(copy))[index]
            replacement = list(replacements(target))[number][1]
            mutant = Replace(target, replacement).visit(copy)
            yield f"line {getattr(node, 'lineno', '?')}: {how}", ast.fix_missing_locations(mutant)


class Replace(ast.NodeTransformer):
    """Replaces one node of a tree."""

    def __init__(self, target: ast.AST, replacement: Any) -> None:
        self._target = target
        self._replacement = replacement

    def visit(self, node: ast.AST) -> Any:
        return self._replacement if node is self._target else self.generic_visit(node)


def replacements(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Yield the replacements of a node that change a condition."""
    match node:
        case ast.Compare(left, operators, comparators):
            for index, operator in enumerate(operators):
                for other in COMPARISONS[type(operator)]:
                    changed = [*operators[:index], other, *operators[index + 1 :]]
                    name = type(other).__name__
                    yield f"comparison {index} is {name}", ast.Compare(left, changed, comparators)
        case ast.Constant(bool()):
            pass
        case ast.Constant(int(value)):
            yield f"{value} + 1", ast.Constant(value + 1)
            yield f"{value} - 1", ast.Constant(value - 1)
        case ast.Constant(float(value)):
            yield f"just above {value}", ast.Constant(math.nextafter(value, math.inf))
            yield f"just below {value}", ast.Constant(math.nextafter(value, -math.inf))
        case ast.Name("INFINITY"):
            yield "the largest double", ast.Constant(math.nextafter(math.inf, 0))
        case ast.BoolOp(operator, values):
            swapped = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield "and or swapped", ast.BoolOp(swapped, values)
            for index in range(len(values)):
                rest = [*values[:index], *values[index + 1 :]]
                # A call of a guard that would accept the unset message may be redundant.
                if all(passes_unset(value) for value in rest):
                    continue
                yield f"without operand {index}", joined(operator, rest)
        case ast.UnaryOp(ast.Not(), operand):
            yield "without not", operand
        case ast.If(_, body):
            yield "never", ast.If(ast.Constant(False), body, [])
            # The presence check of a block may only save time, so it is not dropped.
            if isinstance(body[0], ast.Return):
                yield "always", ast.If(ast.Constant(True), body, [])
        case ast.For():
            yield "without the loop", ast.Pass()
        case ast.Slice():
            yield "without the first", ast.Slice(lower=ast.Constant(1))
            yield "without the last", ast.Slice(upper=ast.Constant(-1))
        case ast.Match(subject, match_cases):
            for index, dropped in enumerate(match_cases):
                kept = [*match_cases[:index], *match_cases[index + 1 :]]
                yield f"without case {ast.unparse(dropped.pattern)}", ast.Match(subject, kept)
        case ast.Call(ast.Name(name)) if name in FUNCTIONS:
            yield f"without {name}", ast.Constant(True)
        case ast.Return(value) if value:
            yield "the opposite", ast.Return(ast.UnaryOp(ast.Not(), value))


def passes_unset(condition: ast.expr) -> bool:
    """Return whether a condition calls a guard that accepts the value of an unset field."""
    match condition:
        case ast.UnaryOp(ast.Not(), call):
            return passes_unset(call)
        case ast.Call(ast.Name(name)) if name in GUARDED:
            return verdict(getattr(guards, name), MESSAGE_CLASSES[GUARDED[name]]())
    return False


def joined(operator: ast.boolop, values: list[ast.expr]) -> ast.expr:
    """Join one or more conditions."""
    return values[0] if len(values) == 1 else ast.BoolOp(operator, values)
