"""The parts of the result: a table file for each piece, and a record of its contents."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Any, Self

from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.jobs.folder import JobFolder, read_json, replacing, write_json
from crucible_ir.bulk.jobs.pieces import Piece
from crucible_ir.bulk.jobs.table_files import TableWriter
from crucible_ir.bulk.kernel import VIOLATIONS
from crucible_ir.bulk.schemas import arrow_schema

if TYPE_CHECKING:
    from types import TracebackType

    from crucible_ir.bulk.jobs.plan import Plan
    from crucible_ir.bulk.jobs.ranges import ByteRange


@dataclass(frozen=True, slots=True)
class PartRecord:
    """What a finished part has; the records of all parts make the manifest.

    Attributes:
        name: The name of the file.
        input: The index of the input.
        piece: The number of the piece.
        rows: The number of rows.
        bytes: The size of the file.
        digest: The SHA-256 of the file.
        records: The number of records, the bad ones included.
        bad: The number of bad records.
        violations: The number of violations by rule id.
        range: The offset of the range in the uncompressed input, and the offset after it.
        range_digest: The SHA-256 of the range.
        newlines: The number of line breaks in the range.
        is_last: Whether the input has no further part.
        error: The offset and the reason of the error after which the input has no record that can
            be found; empty if there is none.
        cursor: The cursor of the exchange after the part; empty for a part of a file.
    """

    name: str
    input: int
    piece: int
    rows: int
    bytes: int
    digest: str
    records: int
    bad: int
    violations: dict[str, int]
    range: tuple[int, int]
    range_digest: str
    newlines: int
    is_last: bool
    error: str = ""
    cursor: str = ""


class PartFiles:
    """The names of the files of a part.

    Args:
        folder: The folder of the job.
        plan: The plan of the job.
        stem: The name of the part without extension.
    """

    def __init__(self, folder: JobFolder, plan: Plan, stem: str) -> None:
        self.table = folder.path / (stem + plan.options.extension)
        self.record = folder.progress / f"{stem}.json"
        self.violations = folder.progress / f"{stem}.violations"
        self.quarantine = folder.progress / f"{stem}.quarantine"


class PartWriter:
    """Writes a part, which appears when it is complete; a context manager.

    Two writers of one part can run at the same time: both write the same files.

    Args:
        folder: The folder of the job.
        plan: The plan of the job.
        piece: The piece.
    """

    def __init__(self, folder: JobFolder, plan: Plan, piece: Piece) -> None:
        self._plan = plan
        self._piece = piece
        self._files = PartFiles(folder, plan, piece.stem)
        self._counts: Counter[str] = Counter()
        self._bad = 0
        self._stack = ExitStack()
        self._temporary = folder.progress / self._files.table.name
        self._table: TableWriter
        self._violations: Any = None
        self._quarantine: IO[bytes] | None = None

    def __enter__(self) -> Self:
        options = self._plan.options
        file = self._stack.enter_context(replacing(self._files.table, self._temporary))
        schema = arrow_schema(options.type_name, raw=options.raw, complete=True)
        self._table = self._stack.enter_context(
            TableWriter(file, schema, options.table_format, options.row_group_rows)
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, traceback)

    def add(self, good: Any, input_bytes: int) -> None:
        """Add the good rows of a chunk.

        Args:
            good: The rows, a record batch.
            input_bytes: The number of bytes of the input of the chunk.
        """
        self._table.add(good, input_bytes)

    def reject(self, violations: Any, records: int) -> None:
        """Add the violations of bad records.

        Args:
            violations: The violations, a record batch. Their records are counted from the start of
                the piece, and their lines from the start of its range.
            records: The number of bad records.
        """
        if self._violations is None:
            file = self._stack.enter_context(replacing(self._files.violations))
            self._violations = self._stack.enter_context(pa.ipc.new_stream(file, VIOLATIONS))
        self._violations.write_batch(violations)
        self._counts.update(violations.column("rule_id").to_pylist())
        self._bad += records

    def quarantine(self) -> IO[bytes]:
        """Return the file to which bad records are written."""
        if self._quarantine is None:
            self._quarantine = self._stack.enter_context(replacing(self._files.quarantine))
        return self._quarantine

    def close(
        self, records: int, range_: ByteRange, *, is_last: bool, error: str = "", cursor: str = ""
    ) -> PartRecord:
        """Complete the part, and write its record.

        Args:
            records: The number of records of the piece.
            range_: The range of the piece.
            is_last: Whether the input has no further piece.
            error: The error after the last record, as in `PartRecord`.
            cursor: The cursor of the exchange after the part, as in `PartRecord`.
        """
        self._stack.close()
        with open(self._files.table, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.fstat(file.fileno()).st_size
        record = PartRecord(
            self._files.table.name,
            self._piece.input,
            self._piece.number,
            self._table.rows,
            size,
            f"sha256:{digest}",
            records,
            self._bad,
            dict(sorted(self._counts.items())),
            (range_.start, range_.end),
            range_.digest,
            range_.newlines,
            is_last,
            error,
            cursor,
        )
        write_json(self._files.record, asdict(record))
        return record


def part_records(folder: JobFolder) -> dict[Piece, PartRecord]:
    """Return the records of the parts that were written, in the order of their pieces.

    A part whose file is missing or has another size is left out, and so is one whose record is not
    as this release writes it: such a part is written again.
    """
    found = {}
    for path in folder.progress.glob("part-*.json"):
        with suppress(FileNotFoundError, KeyError, TypeError, ValueError):
            record = _record(read_json(path))
            piece = Piece(record.input, record.piece)
            is_own = path.stem == piece.stem == os.path.splitext(record.name)[0]
            if is_own and (folder.path / record.name).stat().st_size == record.bytes:
                found[piece] = record
    return dict(sorted(found.items()))


def _record(values: Any) -> PartRecord:
    """Return the record of a part.

    Raises:
        KeyError, TypeError, ValueError: The values are not those of a record.
    """
    start, end = values["range"]
    record = PartRecord(**{**values, "range": (start, end)})
    counts = (record.rows, record.records, record.bad, record.newlines, start, end)
    if not all(type(each) is int and each >= 0 for each in (*counts, *record.violations.values())):
        raise ValueError("a number is not a count")
    return record
