"""What a tracker writes to, and what a run has when it is opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from crucible_ir.errors import Error

if TYPE_CHECKING:
    from crucible_ir.v1 import MetricsSnapshot, TrainingRun


class TrackingError(Error):
    """A run cannot be tracked, or not completely.

    >>> from crucible_ir import track
    >>> try:
    ...     track("run_007", to="run.yaml")
    ... except TrackingError as error:
    ...     print(str(error).split(":")[0])
    "run.yaml" is not a destination
    """


class TemporaryTrackingError(TrackingError):
    """The destination cannot be reached at present; the same write may succeed later."""


class OtherSnapshotsError(TrackingError):
    """The destination has other snapshots than those that are to be stored.

    Attributes:
        first: The number of snapshots that were to be before them.
        count: The number of snapshots that the destination has.
    """

    def __init__(self, message: str, first: int, count: int) -> None:
        super().__init__(message)
        self.first = first
        self.count = count


@dataclass(slots=True)
class Opened:
    """A run that was opened.

    Attributes:
        run: The run without its metrics history.
        count: The number of snapshots that it has.
        tail: The last of them, at least those of the last step.
        is_new: Whether it did not exist before.
    """

    run: TrainingRun
    count: int = 0
    tail: Sequence[MetricsSnapshot] = field(default_factory=list)
    is_new: bool = True


class Destination(Protocol):
    """Where a run is stored."""

    def open(self, run: TrainingRun | None, id_: str) -> Opened:
        """Open a run, or create it if it does not exist.

        Args:
            run: The run to create; ``None`` if it must exist.
            id_: Its id.

        Raises:
            TrackingError: The run cannot be opened.
        """

    def append(
        self, first: int, snapshots: Sequence[MetricsSnapshot], changes: TrainingRun
    ) -> None:
        """Append to the run. Repeating an append changes nothing.

        Args:
            first: The number of snapshots that the run has before.
            snapshots: The snapshots.
            changes: The fields of the run to set.

        Raises:
            TemporaryTrackingError: It may succeed later.
            TrackingError: It cannot succeed.
        """

    def close(self) -> None:
        """Release what is open."""


def steps_of(snapshots: Iterable[MetricsSnapshot]) -> tuple[int | None, frozenset[str]]:
    """Return the last step of some snapshots, and the names of the values that it has."""
    last: int | None = None
    keys: set[str] = set()
    for snapshot in snapshots:
        if not snapshot.HasField("step"):
            continue
        if last is None or snapshot.step > last:
            last, keys = snapshot.step, set()
        if snapshot.step == last:
            keys.update(snapshot.values, snapshot.other_values.fields)
    return last, frozenset(keys)
