"""The registry of lints: small pure functions, each for one message type or for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from crucible_ir.schema.fields import fields_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message
    from google.protobuf.struct_pb2 import Value

    from crucible_ir.linting.findings import Problem, Severity
    from crucible_ir.schema.walk import Path

    MessageT = TypeVar("MessageT", bound=Message)

    #: The function of a lint: yields the problems of one message and does not modify it.
    Check: TypeAlias = Callable[[MessageT], Iterator[Problem]]

    #: The function of a lint of opaque JSON: checks one value, given its path and itself.
    OpaqueCheck: TypeAlias = Callable[[Path, Value], Problem | None]

    #: A function that returns something true for the message types that a lint checks.
    Applies: TypeAlias = Callable[[Descriptor], object]

#: A message as ProtoJSON with the original field names.
Example: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LintDefinition:
    """One lint of the registry.

    Attributes:
        id: The stable id: the message name in snake case or a subject, a dot, and a name.
        severity: The severity of its findings.
        summary: A one-sentence description.
        applies: Whether it checks a message type.
        message_type: The message type that it checks; ``None`` if it checks several.
        check: The function that checks a message; ``None`` for a lint of opaque JSON.
        check_opaque: The function that checks a value of opaque JSON; ``None`` for other lints.
        example_type: The message type of the two examples.
        bad: A valid message for which this lint reports one finding, and no other lint any.
        good: The same message, corrected.
    """

    id: str
    severity: Severity
    summary: str
    applies: Applies
    message_type: type[Message] | None = None
    check: Check[Any] | None = None
    check_opaque: OpaqueCheck | None = None
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
    name = message_type.DESCRIPTOR.full_name

    def applies(message: Descriptor) -> bool:
        return message.full_name == name

    def register(check: Check[MessageT]) -> Check[MessageT]:
        _add(
            LintDefinition(
                id=lint_id,
                severity=severity,
                summary=summary,
                message_type=message_type,
                applies=applies,
                check=check,
                example_type=message_type,
                bad=bad,
                good=good,
            )
        )
        return check

    return register


def lint_for_all(
    lint_id: str,
    severity: Severity,
    summary: str,
    *,
    applies: Applies,
    example_type: type[Message],
    bad: Example,
    good: Example,
) -> Callable[[Check[Message]], Check[Message]]:
    """Register the decorated function as a lint of every message type for which ``applies``."""

    def register(check: Check[Message]) -> Check[Message]:
        _add(
            LintDefinition(
                id=lint_id,
                severity=severity,
                summary=summary,
                applies=applies,
                check=check,
                example_type=example_type,
                bad=bad,
                good=good,
            )
        )
        return check

    return register


def lint_for_opaque(
    lint_id: str,
    severity: Severity,
    summary: str,
    *,
    example_type: type[Message],
    bad: Example,
    good: Example,
) -> Callable[[OpaqueCheck], OpaqueCheck]:
    """Register the decorated function as a lint of the opaque JSON of every message type."""

    def register(check: OpaqueCheck) -> OpaqueCheck:
        _add(
            LintDefinition(
                id=lint_id,
                severity=severity,
                summary=summary,
                applies=has_opaque_fields,
                check_opaque=check,
                example_type=example_type,
                bad=bad,
                good=good,
            )
        )
        return check

    return register


@cache
def has_opaque_fields(message: Descriptor) -> bool:
    """Return whether a message type has fields of opaque JSON."""
    return any(field.is_opaque for field in fields_of(message).values())


def _add(lint: LintDefinition) -> None:
    if lint.id in _registry:
        raise ValueError(f'duplicate lint id "{lint.id}"')
    _registry[lint.id] = lint
