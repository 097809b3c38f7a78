"""The steps of a story: who did what to an exchange, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from crucible_ir import v1

if TYPE_CHECKING:
    from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Publish:
    """The publication of a document.

    Attributes:
        at: The time.
        by: The name of the publisher.
        document: The document.
        id: Its id, if its content has none.
    """

    at: datetime
    by: str
    document: Message
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Append:
    """Records that are appended to a training run.

    Attributes:
        at: The time.
        by: The name of the publisher.
        run: The id of the run.
        snapshots: Returns the records: a run may have many.
        status: The state of the run afterwards; ``None`` for the one before.
        changes: What else changes; ``None`` for nothing.
        checkpoint_uris: The checkpoints that were written.
    """

    at: datetime
    by: str
    run: str
    snapshots: Callable[[], Iterable[v1.MetricsSnapshot]]
    status: str | None = None
    changes: v1.TrainingRun | None = None
    checkpoint_uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """The deletion of a document.

    Attributes:
        at: The time.
        by: The name of the caller.
        type: The type of the document.
        id: Its id.
    """

    at: datetime
    by: str
    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Ingest:
    """Feedback that is handed in.

    Attributes:
        at: The time.
        by: The name of the caller.
        events: The events.
    """

    at: datetime
    by: str
    events: Sequence[v1.FeedbackEvent]


@dataclass(frozen=True, slots=True)
class Configure:
    """A configuration of feedback that the exchange follows.

    Attributes:
        at: The time.
        by: The name of the caller.
        config: The configuration.
        deployment_id: The deployment that it is for.
    """

    at: datetime
    by: str
    config: v1.FeedbackConfig
    deployment_id: str


Step: TypeAlias = Publish | Append | Delete | Ingest | Configure


@dataclass(frozen=True, slots=True)
class Timeline:
    """The times of a story, relative to its end.

    Attributes:
        now: The end.

    >>> Timeline(datetime(2026, 1, 3, 12, tzinfo=UTC)).ago(days=2, hours=1).isoformat()
    '2026-01-01T11:00:00+00:00'
    """

    now: datetime

    def ago(self, days: float = 0, hours: float = 0, minutes: float = 0) -> datetime:
        """Return a time before the end, in whole seconds."""
        time = self.now.astimezone(UTC) - timedelta(days=days, hours=hours, minutes=minutes)
        return time.replace(microsecond=0)
