"""Lints of timestamps in the wrong order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import lint_for_all
from crucible_ir.schema.fields import fields_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message


def is_before(message: Message, name: str, other: str) -> bool:
    """Return whether one timestamp of a message is before another; false if either is unset."""
    if not (message.HasField(name) and message.HasField(other)):
        return False
    time, later = getattr(message, name), getattr(message, other)
    return bool((time.seconds, time.nanos) < (later.seconds, later.nanos))


def _has_both(message: Descriptor) -> bool:
    return {"created_at", "updated_at"} <= fields_of(message).keys()


@lint_for_all(
    "timestamp.updated_before_created",
    Severity.WARNING,
    "The update time is before the creation time.",
    applies=_has_both,
    example_type=v1.DeploymentStatus,
    bad={
        "id": "status_1",
        "deployment_id": "deploy_prod",
        "created_at": "2025-12-26T12:00:00Z",
        "updated_at": "2025-12-26T11:00:00Z",
    },
    good={
        "id": "status_1",
        "deployment_id": "deploy_prod",
        "created_at": "2025-12-26T12:00:00Z",
        "updated_at": "2025-12-26T12:00:00Z",
    },
)
def updated_before_created(message: Message) -> Iterator[Problem]:
    """Report ``updated_at`` before ``created_at``, in any message that has both."""
    if is_before(message, "updated_at", "created_at"):
        yield Problem(
            ("updated_at",),
            "the update time is before the creation time",
            "check both times and their time zones",
        )
