"""The tracker of a training loop: it takes measurements, and a thread stores them in batches."""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from crucible_ir.building.run_progress import ENDED, add_progress, merge_progress
from crucible_ir.extras import optional_module
from crucible_ir.schema import vocabulary
from crucible_ir.tracking.destinations import (
    Destination,
    TemporaryTrackingError,
    TrackingError,
    steps_of,
)
from crucible_ir.tracking.run_file import RunFile, is_run_file
from crucible_ir.tracking.snapshots import snapshot_of
from crucible_ir.v1 import MetricsSnapshot, TrainingRun, TrainingStatus
from crucible_ir.validation.check import validate

if TYPE_CHECKING:
    from crucible_ir.exchange import ExchangeClient, Tls

#: The most snapshots and bytes that are stored at a time.
_BATCH: Final = 2000
_BATCH_BYTES: Final = 512 * 1024

#: How long `Tracker.log` waits for room, in seconds.
_ROOM_SECONDS: Final = 1.0

#: The delays between attempts to reach the destination, in seconds.
_DELAYS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)

#: The most characters of an error message.
_MESSAGE: Final = 4000

_log: Final = logging.getLogger("crucible_ir.tracking")


class TrackingWarning(UserWarning):
    """Measurements of a run are not stored; training goes on.

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", TrackingWarning)  # raises it
    """


def track(
    run: TrainingRun | str,
    to: str | os.PathLike[str] | ExchangeClient,
    *,
    token: str | None = None,
    tls: Tls | None = None,
    resume: bool | None = None,
    flush_seconds: float = 0.5,
    finish_seconds: float = 60.0,
    max_pending: int = 100_000,
    on_error: Literal["warn", "raise"] = "warn",
) -> Tracker:
    """Return the tracker of a training run, to be used as a context manager.

    The run is created if it does not exist; else it is continued. When the context ends, the run is
    completed; after an exception it is failed, with the exception's message, and after
    `KeyboardInterrupt` paused. Measurements are stored by a thread, so `Tracker.log` takes
    microseconds.

    Args:
        run: The run, or the id of one that exists.
        to: A file for records, such as ``run.crucible.jsonl``, the address of an exchange, such as
            ``exchange.example:7551``, or a client.
        token: The token for the exchange.
        tls: The certificates for the exchange; ``None`` for a connection in plain text.
        resume: Whether the run must exist already; false if it must not. ``None``: either, but a
            completed one is not continued.
        flush_seconds: How long a measurement waits for others.
        finish_seconds: How long the end waits for measurements to be stored.
        max_pending: The most measurements in memory. If there are so many, because the exchange
            cannot be reached, `Tracker.log` waits up to a second for room, and then drops one.
        on_error: What `Tracker.log` does when measurements cannot be stored: ``warn`` once with
            `TrackingWarning`, or ``raise`` `TrackingError`.

    Raises:
        MissingExtraError: The destination is an exchange, and its extra is not installed.
        TrackingError: The file cannot have a run.
        TypeError: The run is neither a run nor an id.

    >>> import os, tempfile
    >>> from crucible_ir import new_model_ref, new_training_config, new_training_run, read_run, v1
    >>> run = new_training_run(
    ...     id="run_007",
    ...     config=new_training_config(
    ...         id="sft", model_ref=new_model_ref(id="gpt2"), dataset_ref=v1.DatasetRef(name="mmlu")
    ...     ),
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "run.jsonl")
    ...     with track(run, to=path) as tracker:
    ...         for step in range(3):
    ...             tracker.log(step=step, loss=1 / (1 + step))
    ...     len(read_run(path).metrics_history)
    3
    """
    if not isinstance(run, str | TrainingRun):
        raise TypeError(f"expected a TrainingRun or the id of one, got {type(run).__name__}")
    destination: Destination
    if isinstance(to, str | os.PathLike) and is_run_file(to):
        destination = RunFile(to)
    else:
        exchange_run = optional_module("crucible_ir.tracking.exchange_run", "exchange")
        destination = exchange_run.ExchangeRun(to, token, tls)
    options = _Options(resume, flush_seconds, finish_seconds, max_pending, on_error)
    return Tracker(destination, run, options)


class _Options:
    """The options of a tracker, as described in `track`."""

    def __init__(
        self,
        resume: bool | None,
        flush_seconds: float,
        finish_seconds: float,
        max_pending: int,
        on_error: str,
    ) -> None:
        self.resume = resume
        self.flush_seconds = flush_seconds
        self.finish_seconds = finish_seconds
        self.max_pending = max_pending
        self.on_error = on_error


class Tracker:
    """Stores the measurements of a training run while it trains; `track` makes one.

    It may be used from several threads, but not after a fork.

    Attributes:
        run: The run as it was opened, without its metrics history.
        last_step: The last step that was stored before; ``None`` for a new run. Measurements of
            earlier steps are taken for repetitions, and are not stored again.
        dropped: The number of measurements that were lost.
    """

    def __init__(self, destination: Destination, run: TrainingRun | str, options: _Options) -> None:
        self.run = TrainingRun()
        self.last_step: int | None = None
        self.dropped = 0
        self._destination = destination
        self._given = None if isinstance(run, str) else run
        self._id = run if isinstance(run, str) else run.id
        self._options = options
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._pending: deque[MetricsSnapshot] = deque()
        self._changes = TrainingRun()
        self._stored = 0
        self._is_new = True
        self._last_keys: frozenset[str] = frozenset()
        self._is_busy = False
        self._is_urgent = False
        self._give_up: float | None = None
        self._failure: TrackingError | None = None
        self._has_warned = False
        self._thread: threading.Thread | None = None

    @property
    def count(self) -> int:
        """The number of snapshots that are stored."""
        return self._stored

    @property
    def is_resumed(self) -> bool:
        """Whether the run existed before."""
        return not self._is_new

    def start(self) -> None:
        """Open the run, and begin to store measurements; entering the context does it.

        Raises:
            TrackingError: The run cannot be opened, or `resume` excludes it.
            ValidationError: The run is not valid.
        """
        name = f'the run "{self._id}"'
        try:
            if self._given is not None:
                validate(self._given)
            opened = self._destination.open(self._given, self._id)
            if opened.is_new and self._options.resume:
                raise TrackingError(f"{name} does not exist: there is nothing to resume")
            if not opened.is_new:
                self._check_resumable(opened.run.status, name)
        except BaseException:
            self._destination.close()
            raise
        self.run = opened.run
        self._is_new = opened.is_new
        self._stored = opened.count
        self.last_step, self._last_keys = steps_of(opened.tail)
        self._changes.status = TrainingStatus.TRAINING_STATUS_RUNNING
        if not opened.run.HasField("started_at"):
            self._changes.started_at.FromDatetime(datetime.now(UTC))
        self._is_urgent = True
        self._thread = threading.Thread(target=self._store, name="crucible-ir-tracker", daemon=True)
        self._thread.start()

    def _check_resumable(self, status: int, name: str) -> None:
        if self._options.resume is False:
            raise TrackingError(f"{name} exists already: choose another id, or resume it")
        is_completed = status == TrainingStatus.TRAINING_STATUS_COMPLETED
        if is_completed and self._options.resume is None:
            raise TrackingError(
                f"{name} is completed: choose another id, or continue it with resume=True"
            )

    def log(
        self,
        values: Mapping[str, object] | None = None,
        /,
        *,
        step: object = None,
        epoch: object = None,
        time: datetime | None = None,
        **metrics: object,
    ) -> None:
        """Take the measurements of one point of the run.

        Args:
            values: The values by the names of the metrics, for names that are no identifiers.
            step: The optimizer step. Give it, so that a resumed loop stores nothing twice.
            epoch: The epoch; a fraction is a point inside it.
            time: The time of the measurement; ``None`` for now.
            **metrics: More values: numbers, scalars of NumPy or PyTorch, NaN included, or text and
                other JSON values.

        Raises:
            FieldError: The step, the epoch or the time is not valid.
            TypeError: A value is neither a number nor another JSON value.
            TrackingError: Measurements cannot be stored, and the tracker is to raise that.
        """
        snapshot = snapshot_of({**(values or {}), **metrics}, step, epoch, time)
        self._check_open()
        if self._is_repeated(snapshot):
            return
        with self._changed:
            if len(self._pending) >= self._options.max_pending:
                self._changed.wait_for(self._has_room, _ROOM_SECONDS)
            if self._failure is not None or not self._has_room():
                self.dropped += 1
            else:
                self._pending.append(snapshot)
                if len(self._pending) in (1, _BATCH):
                    self._changed.notify_all()
        if self.dropped:
            self._report()

    def checkpoint(self, uri: str, *, best: bool = False) -> None:
        """Add the URI of a checkpoint.

        Args:
            uri: The URI.
            best: Whether it is the best one so far.
        """
        changes = TrainingRun(checkpoint_uris=[uri])
        if best:
            changes.best_checkpoint_uri = uri
        self._change(changes)

    def set(self, **fields: Any) -> None:
        """Set fields of the run, such as ``best_metrics`` or ``final_model_version``.

        Args:
            **fields: The fields, by their names in `TrainingRun`. ``config``, ``options``, ``tags``
                and ``experiment_id`` belong to the run that is given to `track`.
        """
        self._change(TrainingRun(**fields))

    def _change(self, changes: TrainingRun) -> None:
        self._check_open()
        with self._changed:
            merge_progress(self._changes, changes)
            self._changed.notify_all()

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything so far is stored, and return whether it is.

        Args:
            timeout: How long to wait, in seconds; ``None`` for ``finish_seconds``.
        """
        self._check_open()
        with self._changed:
            self._is_urgent = True
            self._changed.notify_all()
            seconds = self._options.finish_seconds if timeout is None else timeout
            self._changed.wait_for(lambda: self._is_idle() or self._failure is not None, seconds)
            return self._is_idle() and self._failure is None and not self.dropped

    def finish(self, status: str = "completed", error_message: str | None = None) -> None:
        """Store everything, and end the run; leaving the context does it.

        Args:
            status: The state of the run, such as ``completed``, ``paused`` or ``preempted``.
            error_message: The reason for a failure.

        Raises:
            TrackingError: Measurements could not be stored, and the tracker is to raise that.
        """
        thread = self._thread
        if thread is None or os.getpid() != self._process:
            return
        changes = TrainingRun(status=_status(status), error_message=error_message)
        if changes.status in ENDED:
            changes.completed_at.FromDatetime(datetime.now(UTC))
        with self._changed:
            merge_progress(self._changes, changes)
            self._give_up = time.monotonic() + self._options.finish_seconds
            self._changed.notify_all()
        thread.join()
        self._thread = None
        self._destination.close()
        if self.dropped or self._failure is not None:
            self._report()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.finish()
            return
        if isinstance(error, KeyboardInterrupt):
            status, message = "paused", None
        else:
            status, message = "failed", f"{type(error).__name__}: {error}"[:_MESSAGE]
        try:
            self.finish(status, message)
        except TrackingError as failure:
            # The exception of the training loop is the one to raise.
            _log.warning("%s", failure)

    def _check_open(self) -> None:
        if os.getpid() != self._process:
            raise TrackingError("the tracker was opened before a fork: log in one process only")
        if self._thread is None:
            raise TrackingError("the tracker is not open: use it as a context manager")

    def _is_repeated(self, snapshot: MetricsSnapshot) -> bool:
        """Return whether a resumed loop repeats a step that was stored before."""
        if self.last_step is None or not snapshot.HasField("step"):
            return False
        if snapshot.step != self.last_step:
            return snapshot.step < self.last_step
        return self._last_keys >= {*snapshot.values, *snapshot.other_values.fields}

    def _has_room(self) -> bool:
        return self._failure is not None or len(self._pending) < self._options.max_pending

    def _is_idle(self) -> bool:
        has_changes = bool(self._changes.ListFields())
        return not (self._pending or has_changes or self._is_busy)

    def _report(self) -> None:
        """Warn once, or raise, that measurements are lost."""
        reason = self._failure or "the destination is too slow, or cannot be reached"
        what = f"{self.dropped} measurements" if self.dropped else "the end"
        lost = f'{what} of the run "{self._id}" could not be stored: {reason}'
        if self._options.on_error == "raise":
            raise TrackingError(lost) from self._failure
        if not self._has_warned or self._thread is None:
            self._has_warned = True
            warnings.warn(lost, TrackingWarning, stacklevel=3)

    def _store(self) -> None:
        """Store measurements until the tracker ends; runs on its own thread."""
        while (batch := self._next_batch()) is not None:
            snapshots, changes = batch
            add_progress(changes, snapshots)
            failure = self._append(snapshots, changes)
            with self._changed:
                self._is_busy = False
                if failure is None:
                    self._stored += len(snapshots)
                else:
                    self._failure = failure
                    self.dropped += len(snapshots) + len(self._pending)
                    self._pending.clear()
                    self._changes.Clear()
                self._changed.notify_all()

    def _next_batch(self) -> tuple[list[MetricsSnapshot], TrainingRun] | None:
        """Wait for something to store; return ``None`` at the end."""
        with self._changed:
            while self._is_idle():
                if self._give_up is not None:
                    return None
                self._is_urgent = False
                self._changed.wait()
            self._changed.wait_for(self._is_due, self._options.flush_seconds)
            snapshots: list[MetricsSnapshot] = []
            size = 0
            while self._pending and len(snapshots) < _BATCH and size < _BATCH_BYTES:
                snapshots.append(self._pending.popleft())
                size += snapshots[-1].ByteSize()
            changes = TrainingRun()
            if not self._pending:
                # The state after the measurements that came before it.
                changes, self._changes = self._changes, changes
            self._is_busy = True
            self._changed.notify_all()
            return snapshots, changes

    def _is_due(self) -> bool:
        return self._is_urgent or self._give_up is not None or len(self._pending) >= _BATCH

    def _append(
        self, snapshots: list[MetricsSnapshot], changes: TrainingRun
    ) -> TrackingError | None:
        """Store a batch, however long the destination cannot be reached; return the failure."""
        attempt = 0
        while True:
            try:
                self._destination.append(self._stored, snapshots, changes)
                return None
            except TemporaryTrackingError as error:
                if self._give_up is not None and time.monotonic() >= self._give_up:
                    return error
                if attempt == 0:
                    _log.warning("cannot store measurements, retrying: %s", error)
                delay = _DELAYS[min(attempt, len(_DELAYS) - 1)]
                attempt += 1
            except Exception as error:
                return error if isinstance(error, TrackingError) else TrackingError(str(error))
            with self._changed:
                # The end of the training is worth an attempt at once.
                self._changed.wait_for(self._is_ending if self._give_up is None else _never, delay)

    def _is_ending(self) -> bool:
        return self._give_up is not None


def _never() -> bool:
    return False


def _status(name: str) -> Any:
    numbers = vocabulary.numbers(TrainingStatus.DESCRIPTOR)
    if name not in numbers:
        raise TrackingError(f'unknown status "{name}"; expected one of {", ".join(numbers)}')
    return numbers[name]
