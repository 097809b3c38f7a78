"""Runs in an exchange, which are appended to while they train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange import (
    EtagMismatchError,
    ExchangeClient,
    ExchangeError,
    NotFoundError,
    QuotaExceededError,
    SnapshotCountError,
    UnavailableError,
)
from crucible_ir.tracking.destinations import (
    Opened,
    OtherSnapshotsError,
    TemporaryTrackingError,
    TrackingError,
)
from crucible_ir.v1 import MetricsSnapshot, TrainingRun

if TYPE_CHECKING:
    from crucible_ir.exchange import RunMetrics, Tls

#: The number of the last snapshots that are read when a run is opened.
_TAIL: Final = 200

#: A position after all snapshots.
_END: Final = 2**62


class ExchangeRun:
    """A run in an exchange.

    Args:
        target: The address of the exchange, or a client, which stays open.
        token: The token that authenticates the caller.
        tls: The certificates; ``None`` for a connection in plain text.
    """

    def __init__(
        self, target: str | ExchangeClient, token: str | None = None, tls: Tls | None = None
    ) -> None:
        self._is_own = isinstance(target, str)
        self._client = (
            ExchangeClient(target, token=token, tls=tls) if isinstance(target, str) else target
        )
        self._id = ""

    def open(self, run: TrainingRun | None, id_: str) -> Opened:
        """Open the run, or publish it if it does not exist."""
        self._id = id_
        try:
            metrics = self._find()
            if metrics is None:
                if run is None:
                    raise TrackingError(
                        f'the exchange has no run "{id_}": give the run, not its id'
                    )
                try:
                    self._client.publish(run, etag="")
                except EtagMismatchError:
                    # Another process was faster, or a retry of this one.
                    metrics = self._find()
            if metrics is None:
                opened = TrainingRun()
                opened.CopyFrom(run or TrainingRun())
                tail = list(opened.metrics_history)
                del opened.metrics_history[:]
                return Opened(opened, len(tail), tail)
            first = max(0, metrics.count - _TAIL)
            last = self._client.read_metrics(id_, first=first, limit=metrics.count - first or 1)
        except ExchangeError as error:
            raise TrackingError(f'cannot open the run "{id_}": {error}') from error
        tail = [point.snapshot for point in last.points]
        return Opened(metrics.run, metrics.count, tail, is_new=False)

    def _find(self) -> RunMetrics | None:
        try:
            return self._client.read_metrics(self._id, first=_END, limit=1)
        except NotFoundError:
            return None

    def append(
        self, first: int, snapshots: Sequence[MetricsSnapshot], changes: TrainingRun
    ) -> None:
        """Append to the run."""
        try:
            self._client.append_metrics(self._id, snapshots, changes=changes, expected_count=first)
        except SnapshotCountError as error:
            known = error.count - first
            if not 0 < known < len(snapshots):
                raise OtherSnapshotsError(str(error), first, error.count) from error
            # The exchange has the first of them: an earlier append ended elsewhere.
            self.append(first, snapshots[:known], TrainingRun())
            self.append(error.count, snapshots[known:], changes)
        except (UnavailableError, QuotaExceededError) as error:
            raise TemporaryTrackingError(str(error)) from error
        except ExchangeError as error:
            raise TrackingError(str(error)) from error

    def close(self) -> None:
        """Close the client, unless it is the caller's."""
        if self._is_own:
            self._client.close()
