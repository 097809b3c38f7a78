"""Runs in a stream file, one record after another while they train.

Each record is a valid ``TrainingRun``: the run as it was then, with the snapshots and checkpoints
that came since the record before. So the file can be read, validated and converted like any other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from crucible_ir.building.run_progress import merge_progress
from crucible_ir.errors import EncodeError, plural
from crucible_ir.serialization.formats import UnknownFormatError
from crucible_ir.serialization.limits import Limits
from crucible_ir.serialization.streams.formats import STREAM_EXTENSIONS, StreamFormat, format_of
from crucible_ir.serialization.streams.records import StreamCount, StreamError, read_records
from crucible_ir.tracking.destinations import Opened, TrackingError
from crucible_ir.v1 import MetricsSnapshot, TrainingRun

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The number of the last snapshots that are kept when a file is opened.
_TAIL: Final = 200


def is_run_file(destination: str | os.PathLike[str]) -> bool:
    """Return whether a destination is a file and not an address, which has a colon.

    >>> is_run_file("run.crucible.jsonl"), is_run_file("exchange.example:7551")
    (True, False)
    """
    if not isinstance(destination, str):
        return True
    has_extension = destination.lower().endswith(tuple(STREAM_EXTENSIONS))
    return "://" not in destination and (has_extension or ":" not in destination)


def read_run(path: str | os.PathLike[str]) -> TrainingRun:
    """Return the run in a file that a tracker wrote.

    A last record that a crash cut off is left out.

    Args:
        path: The file; its extension gives the format, such as ``.crucible.jsonl``.

    Raises:
        TrackingError: The file has no run, or more than one.
        StreamError: A record is bad.
        OSError: The file cannot be read.

    >>> import os, tempfile
    >>> from crucible_ir import new_model_ref, new_training_config, new_training_run, track, v1
    >>> run = new_training_run(
    ...     id="run_007",
    ...     config=new_training_config(
    ...         id="sft", model_ref=new_model_ref(id="gpt2"), dataset_ref=v1.DatasetRef(name="mmlu")
    ...     ),
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "run.jsonl")
    ...     with track(run, to=path) as tracker:
    ...         tracker.log(step=1, loss=0.5)
    ...     read_run(path).metrics_history[0].values["loss"]
    0.5
    """
    run: TrainingRun | None = None
    history: list[MetricsSnapshot] = []
    checkpoints: list[str] = []
    for part in parts_of(path):
        run = part
        history += part.metrics_history
        checkpoints += part.checkpoint_uris
    if run is None:
        raise TrackingError(f"{os.fspath(path)} has no run")
    whole = TrainingRun()
    whole.CopyFrom(run)
    del whole.metrics_history[:], whole.checkpoint_uris[:]
    whole.metrics_history.extend(history)
    whole.checkpoint_uris.extend(checkpoints)
    return whole


def parts_of(path: str | os.PathLike[str]) -> Iterator[TrainingRun]:
    """Yield the records of a file that a tracker wrote, but no last one that is cut off.

    Raises:
        TrackingError: The records are of several runs.
        StreamError: A record is bad.
        OSError: The file cannot be read.
    """
    with open(path, "rb") as file:
        yield from _parts(file, os.fspath(path), StreamCount())


def _parts(file: BinaryIO, name: str, count: StreamCount) -> Iterator[TrainingRun]:
    """Yield the complete records of a file; then ``count.bytes`` is where they end."""
    format_ = _format(name)
    reader = format_.reading(cast("type[Message]", TrainingRun), True)
    id_: str | None = None
    end = 0
    try:
        for part in read_records(file, format_.split, reader, Limits(), None, count):
            run = cast("TrainingRun", part)
            if id_ is not None and run.id != id_:
                raise TrackingError(f'{name} has the runs "{id_}" and "{run.id}"')
            id_ = run.id
            end = count.bytes
            yield run
    except StreamError as error:
        if not _is_last(file, error.offset, format_):
            raise
        end = error.offset
    count.bytes = end


def _is_last(file: BinaryIO, offset: int, format_: StreamFormat) -> bool:
    """Return whether a bad record is the last one of a file, which a crash may have cut off."""
    file.seek(offset)
    rest = file.read()
    if format_.name == "delimited":
        return len(rest) < _record_size(rest)
    return b"\n" not in rest.rstrip(b"\n\0")


def _record_size(data: bytes) -> float:
    """Return the size of the delimited record at the start of some bytes."""
    size = 0
    for index, byte in enumerate(data[:10]):
        size |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return index + 1 + size
    return float("inf")


def _format(path: str) -> StreamFormat:
    try:
        format_ = format_of(path)
    except UnknownFormatError:
        raise _unusable(path) from None
    is_compressed = path.lower().endswith((".gz", ".zst"))
    if not isinstance(format_, StreamFormat) or is_compressed:
        raise _unusable(path)
    return format_


def _unusable(path: str) -> TrackingError:
    expected = ", ".join(STREAM_EXTENSIONS)
    return TrackingError(
        f'"{path}" is not a destination: expected a file that ends in {expected}, or the address of'
        " an exchange, such as exchange.example:7551"
    )


class RunFile:
    """A run in a file.

    Args:
        path: The file, which is created if it does not exist.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._format = _format(os.fspath(path))
        self._file: BinaryIO | None = None
        self._run = TrainingRun()
        self._count = 0

    def open(self, run: TrainingRun | None, id_: str) -> Opened:
        """Open the run; a record at the end that a crash cut off is removed."""
        tail: list[MetricsSnapshot] = []
        checkpoints: list[str] = []
        latest: TrainingRun | None = None
        if run is None and not self._path.exists():
            raise self._missing(id_)
        try:
            file = open(self._path, "a+b")  # noqa: SIM115  # it stays open
        except OSError as error:
            raise TrackingError(f"cannot open {self._path}: {error.strerror}") from error
        try:
            file.seek(0)
            read = StreamCount()
            for part in _parts(file, os.fspath(self._path), read):
                latest = part
                self._count += len(part.metrics_history)
                tail = [*tail, *part.metrics_history][-_TAIL:]
                checkpoints += part.checkpoint_uris
            if latest is not None and latest.id != id_:
                raise TrackingError(f'{self._path} has the run "{latest.id}", not "{id_}"')
            if latest is None:
                self._check_cut_off(file, run)
            file.truncate(read.bytes)
            file.seek(0, os.SEEK_END)
            if read.bytes and self._format.name != "delimited":
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
        except BaseException:
            file.close()
            raise
        self._file = file
        if latest is None:
            if run is None:
                raise self._missing(id_)
            self._run.CopyFrom(run)
            self._write(self._run)
            self._count = len(run.metrics_history)
            tail = list(run.metrics_history)
            checkpoints = list(run.checkpoint_uris)
        else:
            self._run.CopyFrom(latest)
        del self._run.metrics_history[:], self._run.checkpoint_uris[:]
        opened = TrainingRun()
        opened.CopyFrom(self._run)
        opened.checkpoint_uris.extend(checkpoints)
        return Opened(opened, self._count, tail, is_new=latest is None)

    def _missing(self, id_: str) -> TrackingError:
        return TrackingError(f'{self._path} has no run "{id_}": give the run, not its id')

    def _check_cut_off(self, file: BinaryIO, run: TrainingRun | None) -> None:
        """Check that a file without a record is empty, or has the start of the first record.

        Anything else is not what a tracker wrote, and must not be removed.
        """
        file.seek(0)
        content = file.read().rstrip(b"\0")
        if content and (run is None or not self._encoded(run).startswith(content)):
            raise TrackingError(
                f"{self._path} is not a file of a run: it has {len(content):,} bytes, and no record"
                " of a TrainingRun. Give another file, or remove this one"
            )

    def append(
        self, first: int, snapshots: Sequence[MetricsSnapshot], changes: TrainingRun
    ) -> None:
        """Append a record, and wait until it is on the disk."""
        if first != self._count:
            raise TrackingError(f"{self._path} has {plural(self._count, 'snapshot')}, not {first}")
        new = TrainingRun()
        new.CopyFrom(self._run)
        merge_progress(new, changes)
        new.metrics_history.extend(snapshots)
        self._write(new)
        self._count += len(snapshots)
        del new.metrics_history[:], new.checkpoint_uris[:]
        self._run = new

    def _write(self, record: TrainingRun) -> None:
        file: Any = self._file
        encoded = self._encoded(record)
        start = file.seek(0, os.SEEK_END)
        try:
            file.write(encoded)
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            try:
                # A part of the record may be written.
                file.truncate(start)
            finally:
                raise TrackingError(f"cannot write {self._path}: {error.strerror}") from error

    def _encoded(self, record: TrainingRun) -> bytes:
        try:
            return self._format.encode(record)
        except EncodeError as error:
            raise TrackingError(str(error)) from error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
