"""Stores the run of a file in an exchange."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from crucible_ir.building.run_progress import merge_progress
from crucible_ir.errors import plural
from crucible_ir.extras import optional_module
from crucible_ir.tracking.destinations import OtherSnapshotsError, TrackingError
from crucible_ir.tracking.run_file import parts_of
from crucible_ir.v1 import MetricsSnapshot, TrainingRun

if TYPE_CHECKING:
    from crucible_ir.exchange import ExchangeClient, Tls

#: How many snapshots are sent at a time.
_BATCH: Final = 2000

#: The fields that cannot be appended: they are published.
_PUBLISHED: Final = ("id", "config", "options", "tags", "experiment_id", "metrics_history")


def upload_run(
    path: str | os.PathLike[str],
    to: str | ExchangeClient,
    *,
    token: str | None = None,
    tls: Tls | None = None,
) -> int:
    """Store the run of a file that a tracker wrote in an exchange.

    Repeating it, or continuing it after an interruption, stores nothing twice.

    Args:
        path: The file.
        to: The address of the exchange, or a client.
        token: The token that authenticates the caller.
        tls: The certificates; ``None`` for a connection in plain text.

    Returns:
        The number of snapshots of the run.

    Raises:
        TrackingError: The exchange has other snapshots of the run, or cannot be reached.
        StreamError: A record of the file is bad.
        OSError: The file cannot be read.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "run.jsonl")
    ...     open(path, "w").close()
    ...     try:
    ...         upload_run(path, to="127.0.0.1:7551")
    ...     except TrackingError as error:
    ...         print(str(error).replace(folder, ""))
    /run.jsonl has no run
    """
    exchange_run = optional_module("crucible_ir.tracking.exchange_run", "exchange")
    destination = exchange_run.ExchangeRun(to, token, tls)
    try:
        first = 0
        head = TrainingRun()
        latest: TrainingRun | None = None
        known: set[str] = set()
        checkpoints: list[str] = []
        for part in parts_of(path):
            history: list[MetricsSnapshot] = list(part.metrics_history)
            if latest is None:
                head.CopyFrom(part)
                del head.metrics_history[:], head.checkpoint_uris[:]
                known = set(destination.open(head, part.id).run.checkpoint_uris)
            latest = part
            checkpoints += (uri for uri in part.checkpoint_uris if uri not in known)
            for start in range(0, len(history), _BATCH):
                batch = history[start : start + _BATCH]
                destination.append(first, batch, TrainingRun())
                first += len(batch)
        if latest is None:
            raise TrackingError(f"{os.fspath(path)} has no run")
        changes = TrainingRun()
        merge_progress(changes, latest)
        for name in _PUBLISHED:
            changes.ClearField(name)
        del changes.checkpoint_uris[:]
        changes.checkpoint_uris.extend(checkpoints)
        destination.append(first, [], changes)
    except OtherSnapshotsError as error:
        raise TrackingError(_difference(os.fspath(path), head.id, error)) from error
    finally:
        destination.close()
    return first


def _difference(path: str, id_: str, error: OtherSnapshotsError) -> str:
    """Describe how the run in an exchange differs from that of a file."""
    count = plural(error.count, "snapshot")
    if error.count > error.first:
        how = f"its snapshots from position {error.first} on differ from those of {path}"
    else:
        how = f"{path} has more, which were stored before: somebody published the run again"
    return (
        f'the run "{id_}" in the exchange is not the one of {path}: it has {count}, and {how};'
        f" nothing of it was replaced. To keep both, give the run of the file another id"
    )
