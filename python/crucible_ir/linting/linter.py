"""The linter: applies the lints to a message and every message nested in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value

from crucible_ir.errors import FieldError, shorten
from crucible_ir.linting.findings import LintFinding
from crucible_ir.linting.registry import LINTS, LintDefinition
from crucible_ir.linting.suppression import ignored_in, is_ignored
from crucible_ir.paths import format_path
from crucible_ir.schema.unknown_fields import show_all_entries
from crucible_ir.schema.walk import messages_in, walk

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from crucible_ir.linting.findings import Problem
    from crucible_ir.schema.walk import Path

    #: Messages directly inside a message, with the steps that lead to them.
    _Inside: TypeAlias = Sequence[tuple[Path, Message]]

#: The messages of opaque JSON.
_OPAQUE = (Struct, Value, ListValue)

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
    return list(findings(message))


def findings(message: Message) -> Iterator[LintFinding]:
    """Yield what `lint` returns, for callers that do not keep every finding of a large message."""
    root = show_all_entries(message)
    for path, message, opaque, ignored in _visit(root):
        entries = _lints_of(message.DESCRIPTOR)
        if ignored:
            entries = tuple(entry for entry in entries if not is_ignored(entry.id, ignored))
        for entry, problem in _problems(message, opaque, entries):
            place = format_path((*path, *problem.path))
            yield LintFinding(entry.id, entry.severity, place, problem.message, problem.fix)


def _problems(
    message: Message, opaque: _Inside, entries: Iterable[LintDefinition]
) -> Iterator[tuple[LintDefinition, Problem]]:
    checks = []
    for entry in entries:
        if entry.check is not None:
            for problem in entry.check(message):
                yield entry, problem
        elif entry.check_opaque is not None:
            checks.append((entry, entry.check_opaque))
    if not checks:
        return
    # One walk for all of these lints, since opaque JSON may be large.
    for start, root in opaque:
        for steps, value in walk(root):
            if isinstance(value, Value):
                for entry, check in checks:
                    found = check(start + steps, value)
                    if found is not None:
                        yield entry, found


def _visit(root: Message) -> Iterator[tuple[Path, Message, _Inside, tuple[str, ...]]]:
    """Yield each message with its path, its opaque JSON and the ignored entries that apply to it.

    No recursion: messages built in memory may be nested deeper than Python's stack allows.
    """
    waiting: list[tuple[Path, Message, tuple[str, ...]]] = [((), root, ())]
    while waiting:
        path, message, ignored = waiting.pop()
        ignored += ignored_in(message)
        inside = messages_in(message)
        yield path, message, [each for each in inside if isinstance(each[1], _OPAQUE)], ignored
        for steps, inner in reversed(inside):
            if _is_own(inner.DESCRIPTOR):
                waiting.append((path + steps, inner, ignored))


@cache
def _lints_of(message: Descriptor) -> tuple[LintDefinition, ...]:
    """Return the lints of a message type: first its own, then those of several types."""
    own: list[LintDefinition] = []
    every: list[LintDefinition] = []
    for _, entry in sorted(LINTS.items()):
        if entry.applies(message):
            (own if entry.message_type is not None else every).append(entry)
    return (*own, *every)


@cache
def _is_own(message: Descriptor) -> bool:
    return message.full_name.startswith(_OWN)
