"""Lints of times that stand in the wrong order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from crucible_ir import v1
from crucible_ir.linting.advice import Finding, Severity
from crucible_ir.linting.table import lint_for_all

if TYPE_CHECKING:
    from google.protobuf.message import Message


def is_before(message: Message, name: str, other: str) -> bool:
    """Tell whether one timestamp of a message is before another; not if either is unset."""
    if not (message.HasField(name) and message.HasField(other)):
        return False
    time, later = getattr(message, name), getattr(message, other)
    return bool((time.seconds, time.nanos) < (later.seconds, later.nanos))


@lint_for_all(
    "timestamp.updated_before_created",
    Severity.WARNING,
    "Something was updated before it was created.",
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
def updated_before_created(message: Message) -> Iterator[Finding]:
    """Report ``updated_at`` before ``created_at``, in any message that has the two."""
    fields = message.DESCRIPTOR.fields_by_name
    if "created_at" not in fields or "updated_at" not in fields:
        return
    if is_before(message, "updated_at", "created_at"):
        yield Finding(
            ("updated_at",),
            "the last update is before the creation",
            "check the two times, and their time zones",
        )
