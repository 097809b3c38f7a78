"""Pieces and parts as rows of tables, for engines that run a function on each batch of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.jobs.conversion import convert_pieces
from crucible_ir.bulk.jobs.pieces import Piece
from crucible_ir.bulk.jobs.plan import JobError, error_text
from crucible_ir.bulk.violations import encodable
from crucible_ir.errors import Error

if TYPE_CHECKING:
    from crucible_ir.bulk.jobs.conversion import Report
    from crucible_ir.bulk.jobs.folder import JobFolder
    from crucible_ir.bulk.jobs.plan import Plan

#: The columns of pieces, and of what a task reports about the parts that it wrote.
PIECES: Final = pa.schema([("input", pa.int32()), ("number", pa.int32()), ("start", pa.int64())])
PARTS: Final = pa.schema([("records", pa.int64()), ("bytes", pa.int64()), ("error", pa.string())])

#: How often a piece is tried whose process ends unexpectedly. Some engines never stop trying.
ATTEMPTS: Final = 5


def piece_table(pieces: Iterable[Piece]) -> Any:
    """Return a table with a row for each piece, each of which a task of its own may convert.

    >>> piece_table([Piece(0, 1, 64)]).to_pylist()
    [{'input': 0, 'number': 1, 'start': 64}]
    """
    rows = [{"input": each.input, "number": each.number, "start": each.start} for each in pieces]
    return pa.Table.from_pylist(rows, PIECES)


@dataclass(frozen=True, slots=True)
class PieceTask:
    """Converts the pieces of the rows of record batches; it is pickled, and sent to workers.

    It can be called again for a piece, also while another process converts it.

    Attributes:
        plan: The plan of the job.
        folder: The folder of the job.
        finished: The pieces of compressed inputs whose parts are finished.
        attempts: How often a piece is tried whose process ends unexpectedly.
    """

    plan: Plan
    folder: JobFolder
    finished: frozenset[Piece]
    attempts: int = ATTEMPTS

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Convert the pieces of batches, and yield a batch about their parts for each."""
        for batch in batches:
            rows = [row for piece in batch.to_pylist() for row in self._convert(Piece(**piece))]
            yield pa.RecordBatch.from_pylist(rows, PARTS)

    def _convert(self, piece: Piece) -> Iterator[dict[str, Any]]:
        try:
            with self._attempt(piece):
                finished = self.finished
                for part in convert_pieces(self.folder, self.plan, piece, finished=finished):
                    start, end = part.range
                    yield {"records": part.records, "bytes": end - start, "error": ""}
        except (Error, OSError) as error:
            text = error_text(error) if isinstance(error, OSError) else str(error)
            yield {"records": 0, "bytes": 0, "error": encodable(text)}

    @contextmanager
    def _attempt(self, piece: Piece) -> Iterator[None]:
        """Count the attempts: each that its process did not survive leaves a byte in a file."""
        # The next run removes the files with this extension, and so begins to count anew.
        path = self.folder.progress / f"{piece.stem}.attempts.tmp"
        with open(path, "ab") as file:
            file.write(b"x")
            attempt = file.tell()
        if attempt > self.attempts:
            raise JobError(
                f"{self.plan.inputs[piece.input].name}: the process for {piece.stem} ended"
                f" unexpectedly {self.attempts} times; perhaps memory is short: try smaller"
                " part_bytes"
            )
        yield
        path.unlink(missing_ok=True)


def report_parts(rows: Iterable[Mapping[str, Any]], report: Report) -> None:
    """Report the parts that tasks wrote.

    Raises:
        JobError: A piece cannot be converted.
    """
    for row in rows:
        if row["error"]:
            raise JobError(row["error"])
        report(row["records"], row["bytes"])
