"""The table of lints: small pure functions, registered by the message type that they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.linting.advice import Finding, Severity

    MessageT = TypeVar("MessageT", bound=Message)

    #: A lint's function: it looks at one message and reports on it, and changes nothing.
    Check: TypeAlias = Callable[[MessageT], Iterator[Finding]]

#: A message as ProtoJSON, with the schema's own field names.
Example: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lint:
    """One entry of the table.

    Attributes:
        id: The stable id: the message in snake case or a subject, a dot, and a name.
        severity: How much its advice matters.
        summary: What it looks for, as one sentence.
        message_type: The message type that it looks at; ``None`` if it looks at every type.
        check: The function that looks.
        example_type: The message type of the two examples.
        bad: A valid message to which this lint, and no other, gives advice once.
        good: The same message put right.
    """

    id: str
    severity: Severity
    summary: str
    message_type: type[Message] | None
    check: Check[Any]
    example_type: type[Message]
    bad: Example
    good: Example


_table: dict[str, Lint] = {}

#: Every lint by its id.
LINTS: Mapping[str, Lint] = MappingProxyType(_table)


def lint_for(
    message_type: type[MessageT],
    lint_id: str,
    severity: Severity,
    summary: str,
    *,
    bad: Example,
    good: Example,
) -> Callable[[Check[MessageT]], Check[MessageT]]:
    """Register the decorated function as a lint of one message type."""

    def register(check: Check[MessageT]) -> Check[MessageT]:
        _add(Lint(lint_id, severity, summary, message_type, check, message_type, bad, good))
        return check

    return register


def lint_for_all(
    lint_id: str,
    severity: Severity,
    summary: str,
    *,
    example_type: type[Message],
    bad: Example,
    good: Example,
) -> Callable[[Check[Message]], Check[Message]]:
    """Register the decorated function as a lint of every message type; it reads descriptors."""

    def register(check: Check[Message]) -> Check[Message]:
        _add(Lint(lint_id, severity, summary, None, check, example_type, bad, good))
        return check

    return register


def _add(lint: Lint) -> None:
    if lint.id in _table:
        raise ValueError(f'two lints have the id "{lint.id}"')
    _table[lint.id] = lint
