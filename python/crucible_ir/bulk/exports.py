"""Exports of feedback events into a folder of parts, to which later exports add new events.

The events are one input of the folder, a stream whose parts are numbered over all exports. The
cursor of the exchange after a part is in the part's record, and the one after the last part is in
the manifest: so an export continues there, also one that was killed, and has each event once.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf import json_format

from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.jobs.conversion import framed
from crucible_ir.bulk.jobs.finishing import MANIFEST_VERSION, part_entry
from crucible_ir.bulk.jobs.folder import (
    PLAN,
    QUARANTINE,
    VIOLATIONS,
    JobFolder,
    read_json,
    replacing,
    write_json,
)
from crucible_ir.bulk.jobs.parts import PartFiles, PartRecord, PartWriter, part_records
from crucible_ir.bulk.jobs.pieces import Piece
from crucible_ir.bulk.jobs.plan import JobError, JobOptions, Plan, error_text, make_plan
from crucible_ir.bulk.jobs.ranges import ByteRange
from crucible_ir.bulk.kernel import RECORDS, check_records
from crucible_ir.bulk.kernel import VIOLATIONS as VIOLATIONS_SCHEMA
from crucible_ir.extras import optional_module
from crucible_ir.serialization.streams.formats import STREAM_FORMATS

if TYPE_CHECKING:
    from crucible_ir.exchange import v1
    from crucible_ir.v1 import FeedbackEvent

#: The name and the format of the input.
EXCHANGE: Final = "exchange"
_FORMAT: Final = "delimited"

_PART: Final = re.compile(r"part-[0-9]{5,}-[0-9]{5,}\.[a-z]+")

#: Some events and the cursor after them.
Batch = tuple["list[FeedbackEvent]", str]

#: Called with the number of events that were written since the last call, and of their bytes.
Report = Callable[[int, int], None]


class ExportResult(NamedTuple):
    """The result of an export.

    Attributes:
        records: The number of events of all exports into the folder, the bad ones included.
        bad: The number of bad ones.
        parts: The number of parts.
        new_records: The number of events that this export added.
        new_bad: The number of bad events among them.
    """

    records: int
    bad: int
    parts: int
    new_records: int
    new_bad: int


class EventExport:
    """An export of events into a folder; use `open_export`.

    Args:
        folder: The folder, whose lock the caller has.
        plan: The plan, which has no inputs.
        selection: The request for the events, without what differs between exports.

    Attributes:
        cursor: Where the export begins; empty for the first event.
    """

    def __init__(self, folder: JobFolder, plan: Plan, selection: dict[str, Any]) -> None:
        self._folder = folder
        self._plan = plan
        self._selection = selection
        self._before = _Before({})
        self._records: list[PartRecord] = []
        self.cursor = ""

    def begin(self, *, force: bool) -> None:
        """Prepare the folder, and find where the export continues."""
        folder = self._folder
        if force:
            folder.clear()
        try:
            self._read(force=force)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise JobError(
                f"{folder.path}: has the result of another command or release; give another"
                " folder, or --force to replace the result"
            ) from None
        if not (folder.progress / PLAN).exists():
            folder.progress.mkdir(exist_ok=True)
            folder.write_plan(self._plan, export={"selection": self._selection})
        self._records = self._continued()
        self._remove_other_parts()
        self.cursor = self._records[-1].cursor if self._records else self._before.cursor

    def _read(self, *, force: bool) -> None:
        """Read what an earlier export left."""
        manifest = read_json(self._folder.manifest)
        begun = read_json(self._folder.progress / PLAN) if manifest is None else manifest
        if begun is not None:
            self._check_same(begun)
        elif not force:
            self._folder.check_empty()
        if manifest is not None:
            self._check_manifest(manifest)
            self._before = _Before(manifest)
            self._check_parts()

    def _check_same(self, begun: Any) -> None:
        """Check that the folder has an earlier export of the same events with the same options."""
        plan = Plan.from_json({**begun.get("plan", begun), "inputs": []})
        selection = begun["export"]["selection"]
        # A new release of this package continues what an older one began.
        differences = plan.differences(replace(self._plan, code_version=plan.code_version))
        for name in sorted(selection.keys() | self._selection.keys()):
            old, new = (_shown(each.get(name)) for each in (selection, self._selection))
            if old != new:
                differences.append(f"{name} was {old} and is {new}")
        if differences:
            raise JobError(
                f"{self._folder.path}: has another export: {'; '.join(differences[:3])}; give"
                " another folder, or --force to export everything again"
            )

    def _check_manifest(self, manifest: Any) -> None:
        """Check a manifest: to continue after a wrong one would lose events, or add them twice.

        Raises:
            KeyError, TypeError, ValueError: It is not as this release writes it.
        """
        export, parts, [source] = manifest["export"], manifest["parts"], manifest["inputs"]
        texts = [export["cursor"], manifest["times"]["started"]]
        counts = [source[name] for name in ("bytes", "records", "good", "bad")]
        counts += [part[name] for part in parts for name in ("bytes", "rows")]
        counts += [export["quarantined_bytes"], *manifest["violations"].values()]
        extension = self._plan.options.extension
        names = [Piece(0, number).stem + extension for number in range(len(parts))]
        if (
            manifest["format"] != MANIFEST_VERSION
            or not all(isinstance(each, str) for each in texts)
            or not all(type(each) is int and each >= 0 for each in counts)
            or [part["name"] for part in parts] != names
            or sum(part["rows"] for part in parts) != source["good"]
        ):
            raise ValueError("not the manifest of an export")

    def _check_parts(self) -> None:
        for part in self._before.parts:
            path = self._folder.path / part["name"]
            if not path.is_file() or path.stat().st_size != part["bytes"]:
                raise JobError(
                    f"{path}: is missing or has changed since it was written; give --force to"
                    " export everything again"
                )

    def _continued(self) -> list[PartRecord]:
        """Return the records of the parts after those of the manifest, without a gap."""
        found = part_records(self._folder)
        records: list[PartRecord] = []
        while (piece := Piece(0, len(self._before.parts) + len(records))) in found:
            records.append(found[piece])
        return records

    def _remove_other_parts(self) -> None:
        """Remove the parts and records of an export that was killed before it could record them."""
        known = {part["name"] for part in self._before.parts}
        known.update(record.name for record in self._records)
        for path in self._folder.path.iterdir():
            if _PART.fullmatch(path.name) and path.name not in known:
                path.unlink()
        stems = {os.path.splitext(record.name)[0] for record in self._records}
        for path in self._folder.progress.iterdir():
            if (
                path.name != PLAN and path.name.split(".")[0] not in stems
            ) or path.suffix == ".tmp":
                path.unlink()

    def write(self, batches: Iterable[Batch], report: Report | None = None) -> None:
        """Write events into further parts; those of complete parts are kept if this fails.

        Args:
            batches: The events after the cursor, with the cursors after them.
            report: Called after each batch.
        """
        waiting = iter(batches)
        # A table of no events is a part without rows.
        is_first = not self._before.parts and not self._records
        while (batch := next(waiting, None)) is not None or is_first:
            piece = Piece(0, len(self._before.parts) + len(self._records))
            with PartWriter(self._folder, self._plan, piece) as part:
                contents = _PartContents(self._plan.options, self._total("records"), self._bytes())
                cursor = self.cursor
                while batch is not None:
                    events, cursor = batch
                    size = contents.add(part, events)
                    if report is not None:
                        report(len(events), size)
                    is_full = contents.size >= self._plan.options.part_bytes
                    batch = None if is_full else next(waiting, None)
                record = part.close(
                    contents.records, contents.range(), is_last=False, cursor=cursor
                )
            self._records.append(record)
            self.cursor, is_first = cursor, False

    def finish(self) -> ExportResult:
        """Complete the folder: what is not in the manifest yet is added to it."""
        totals = {name: self._total(name) for name in ("records", "good", "bad")}
        parts = self._before.parts + list(map(part_entry, self._records))
        if self._records:
            violations = Counter(self._before.violations)
            for record in self._records:
                violations.update(record.violations)
            self._merge_violations()
            quarantined = self._merge_quarantine()
            source = {"name": EXCHANGE, "format": _FORMAT, "bytes": self._bytes(), **totals}
            started = self._before.started or self._folder.started()
            values = self._plan.to_json()
            manifest = {
                "format": MANIFEST_VERSION,
                **{name: values[name] for name in ("code_version", "schema_digest", "options")},
                "inputs": [source],
                "parts": parts,
                "violations": dict(sorted(violations.items())),
                "export": {
                    "cursor": self.cursor,
                    "selection": self._selection,
                    "quarantined_bytes": quarantined,
                },
                "times": {
                    "started": started,
                    "finished": datetime.now(UTC).isoformat(),
                    "inputs_modified": [0],
                },
            }
            write_json(self._folder.manifest, manifest)
        self._folder.remove_progress()
        before = self._before
        return ExportResult(
            totals["records"],
            totals["bad"],
            len(parts),
            totals["records"] - before.total("records"),
            totals["bad"] - before.total("bad"),
        )

    def _total(self, name: str) -> int:
        new = {
            "records": sum(record.records for record in self._records),
            "bad": sum(record.bad for record in self._records),
        }
        new["good"] = new["records"] - new["bad"]
        return self._before.total(name) + new[name]

    def _bytes(self) -> int:
        return self._records[-1].range[1] if self._records else self._before.total("bytes")

    def _new_files(self) -> Iterator[PartFiles]:
        for record in self._records:
            if record.bad:
                yield PartFiles(self._folder, self._plan, Piece(0, record.piece).stem)

    def _merge_violations(self) -> None:
        """Add the violations of new parts to those of earlier ones; it can be repeated."""
        new = list(self._new_files())
        if not new:
            return
        parquet = optional_module("pyarrow.parquet", "arrow")
        compute = optional_module("pyarrow.compute", "arrow")
        target = self._folder.path / VIOLATIONS
        before: list[Any] = []
        if target.exists():
            rows = parquet.read_table(target)
            before = [rows.filter(compute.less(rows["record"], self._before.total("records")))]
        with (
            replacing(target, self._folder.progress / VIOLATIONS) as file,
            parquet.ParquetWriter(file, VIOLATIONS_SCHEMA, compression="zstd") as writer,
        ):
            for table in before:
                writer.write_table(table)
            for files in new:
                with pa.ipc.open_stream(files.violations) as reader:
                    for batch in reader:
                        writer.write_batch(batch)

    def _merge_quarantine(self) -> int:
        """Add the bad events of new parts to those of earlier ones; return the size of the file."""
        name = QUARANTINE + STREAM_FORMATS[_FORMAT].extensions[0]
        target = self._folder.path / name
        new = list(self._new_files())
        if not new:
            return self._before.quarantined
        before = b""
        if target.exists():
            with open(target, "rb") as file:
                before = file.read(self._before.quarantined)
        with replacing(target, self._folder.progress / name) as to:
            to.write(before)
            for files in new:
                to.write(files.quarantine.read_bytes())
            return to.tell()


class _Before:
    """The result of the exports before.

    Args:
        manifest: The manifest; empty if there is none.
    """

    def __init__(self, manifest: dict[str, Any]) -> None:
        export = manifest.get("export", {})
        self.cursor: str = export.get("cursor", "")
        self.quarantined: int = export.get("quarantined_bytes", 0)
        self.parts: list[dict[str, Any]] = manifest.get("parts", [])
        self.violations: dict[str, int] = manifest.get("violations", {})
        self.started: str = manifest.get("times", {}).get("started", "")
        [self._input] = manifest.get("inputs", [{}])

    def total(self, name: str) -> int:
        """Return a number of the input."""
        return int(self._input.get(name, 0))


class _PartContents:
    """The events of one part.

    Args:
        options: The options.
        first: The number of the first event.
        start: The offset of the first event in the stream.

    Attributes:
        records: The number of events.
        size: The number of their bytes.
    """

    def __init__(self, options: JobOptions, first: int, start: int) -> None:
        self.records = 0
        self.size = 0
        self._options = options
        self._first = first
        self._start = start
        self._digest = hashlib.sha256()

    def add(self, part: PartWriter, events: Iterable[FeedbackEvent]) -> int:
        """Write events to a part, and return the number of their bytes."""
        data = [event.SerializeToString(deterministic=True) for event in events]
        frames = [framed(_FORMAT, each) for each in data]
        offsets = [self._start + self.size]
        for frame in frames:
            offsets.append(offsets[-1] + len(frame))
            self._digest.update(frame)
        first = self._first + self.records
        columns = {
            "record": range(first, first + len(data)),
            "data": data,
            "source": [EXCHANGE] * len(data),
            "line": [None] * len(data),
            "offset": offsets[:-1],
        }
        options = self._options
        good, violations = check_records(
            pa.RecordBatch.from_pydict(columns, RECORDS),
            options.type_,
            validate=options.validate,
            raw=options.raw,
            limits=options.limits,
        )
        size = offsets[-1] - offsets[0]
        part.add(good, size)
        if bad := sorted(set(violations.column("record").to_pylist())):
            part.reject(violations, len(bad))
            part.quarantine().write(b"".join(frames[number - first] for number in bad))
        self.records += len(data)
        self.size += size
        return size

    def range(self) -> ByteRange:
        """Return the range of the stream that the part has."""
        digest = f"sha256:{self._digest.hexdigest()}"
        return ByteRange(self._start, self._start + self.size, digest, 0)


@contextmanager
def open_export(
    path: str | os.PathLike[str],
    request: v1.ExportRequest,
    options: JobOptions,
    *,
    force: bool = False,
) -> Iterator[EventExport]:
    """Open a folder for an export.

    Args:
        path: The folder. An earlier export in it is continued.
        request: The request for the events.
        options: The options of the table.
        force: Whether to remove an earlier export, and export everything again.

    Raises:
        JobError: The folder has another export or other files, another run writes to it, or it
            cannot be written.
    """
    folder = JobFolder(path)
    plan = make_plan((), options)
    selection = json_format.MessageToDict(request, preserving_proto_field_name=True)
    for name in ("cursor", "batch_size"):
        selection.pop(name, None)
    try:
        with folder.locked():
            export = EventExport(folder, plan, selection)
            export.begin(force=force)
            yield export
    except OSError as error:
        raise JobError(error_text(error)) from None


def _shown(value: object) -> str:
    return "unset" if value is None else str(value)
