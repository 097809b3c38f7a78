"""The linter: applies the lints to a message and every message nested in it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from crucible_ir.errors import FieldError, shorten
from crucible_ir.linting.findings import LintFinding
from crucible_ir.linting.registry import LINTS, LintDefinition
from crucible_ir.linting.suppression import ignored_in, is_ignored
from crucible_ir.paths import format_path
from crucible_ir.schema.walk import messages_in

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from crucible_ir.schema.walk import Path

#: The prefix of the packages whose messages are visited; well-known types have no lints.
_OWN = "crucible_ir."


def lint(message: Message) -> list[LintFinding]:
    """Return the findings on a message and every nested message, in field order.

    The list ``crucible_ir_lint_ignore`` in a message's metadata disables lints for that message
    and the messages nested in it. The message does not have to be valid.

    Args:
        message: A message of the IR. It is not modified.

    Raises:
        FieldError: The argument is not a message of the IR.

    >>> from crucible_ir import v1
    >>> hedging = v1.Hedging(percentile=0.95)
    >>> [finding.id for finding in lint(v1.ReliabilityConfig(hedging=hedging))]
    ['hedging.fractional_percentile']
    """
    if not isinstance(message, Message) or not _is_own(message.DESCRIPTOR):
        raise FieldError(f"expected a message of the IR, got {shorten(message)}")
    return [
        LintFinding(
            entry.id,
            entry.severity,
            format_path((*path, *problem.path)),
            problem.message,
            problem.fix,
        )
        for path, visited, ignored in _visit(message)
        for entry in _lints_of(visited.DESCRIPTOR)
        if not (ignored and is_ignored(entry.id, ignored))
        for problem in entry.check(visited)
    ]


def _visit(root: Message) -> Iterator[tuple[Path, Message, tuple[str, ...]]]:
    """Yield each message with its path and the ignored entries that apply to it.

    No recursion: messages built in memory may be nested deeper than Python's stack allows.
    """
    waiting: list[tuple[Path, Message, tuple[str, ...]]] = [((), root, ())]
    while waiting:
        path, message, ignored = waiting.pop()
        ignored += ignored_in(message)
        yield path, message, ignored
        nested = [
            ((*path, *steps), inner, ignored)
            for steps, inner in messages_in(message)
            if _is_own(inner.DESCRIPTOR)
        ]
        waiting += reversed(nested)


@cache
def _lints_of(message: Descriptor) -> tuple[LintDefinition, ...]:
    """Return the lints of a message type: first its own, then those for every type."""
    own, every = [], []
    for _, entry in sorted(LINTS.items()):
        if entry.message_type is None:
            every.append(entry)
        elif entry.message_type.DESCRIPTOR.full_name == message.full_name:
            own.append(entry)
    return (*own, *every)


@cache
def _is_own(message: Descriptor) -> bool:
    return message.full_name.startswith(_OWN)
