"""The registry of lints: small pure functions, each for one message type or for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.linting.findings import Problem, Severity

    MessageT = TypeVar("MessageT", bound=Message)

    #: The function of a lint: yields the problems of one message and does not modify it.
    Check: TypeAlias = Callable[[MessageT], Iterator[Problem]]

#: A message as ProtoJSON with the original field names.
Example: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LintDefinition:
    """One lint of the registry.

    Attributes:
        id: The stable id: the message name in snake case or a subject, a dot, and a name.
        severity: The severity of its findings.
        summary: A one-sentence description.
        message_type: The message type that it checks; ``None`` for every type.
        check: The function that checks a message.
        example_type: The message type of the two examples.
        bad: A valid message for which this lint reports one finding, and no other lint any.
        good: The same message, corrected.
    """

    id: str
    severity: Severity
    summary: str
    message_type: type[Message] | None
    check: Check[Any]
    example_type: type[Message]
    bad: Example
    good: Example


_registry: dict[str, LintDefinition] = {}

#: Every lint by its id.
LINTS: Mapping[str, LintDefinition] = MappingProxyType(_registry)


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
        _add(
            LintDefinition(lint_id, severity, summary, message_type, check, message_type, bad, good)
        )
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
    """Register the decorated function as a lint of every message type."""

    def register(check: Check[Message]) -> Check[Message]:
        _add(LintDefinition(lint_id, severity, summary, None, check, example_type, bad, good))
        return check

    return register


def _add(lint: LintDefinition) -> None:
    if lint.id in _registry:
        raise ValueError(f'duplicate lint id "{lint.id}"')
    _registry[lint.id] = lint
