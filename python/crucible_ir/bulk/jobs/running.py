"""Jobs on one machine, in one process or in a pool of processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Protocol

from crucible_ir.bulk.jobs.conversion import convert_pieces
from crucible_ir.bulk.jobs.finishing import JobResult, finish, missing_inputs, result_before
from crucible_ir.bulk.jobs.folder import JobFolder
from crucible_ir.bulk.jobs.parts import part_records
from crucible_ir.bulk.jobs.pieces import Piece, pieces_of
from crucible_ir.bulk.jobs.plan import MEMORY_IS_SHORT, JobError, error_text
from crucible_ir.bulk.jobs.pool import run_pool

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from crucible_ir.bulk.jobs.conversion import Report
    from crucible_ir.bulk.jobs.parts import PartRecord
    from crucible_ir.bulk.jobs.plan import Plan

#: Called with the plan and the parts that are finished, and returns what reports further progress.
Begin = Callable[["Plan", "Mapping[Piece, PartRecord]"], "Report"]


class Runner(Protocol):
    """Converts the pieces of a job."""

    def __call__(
        self,
        plan: Plan,
        folder: JobFolder,
        pieces: Iterator[Piece],
        finished: Collection[Piece],
        report: Report,
        /,
    ) -> None:
        """Convert pieces.

        Args:
            plan: The plan of the job.
            folder: The folder of the job.
            pieces: The pieces: of a compressed input the first, with which all are converted.
            finished: The pieces of compressed inputs whose parts are finished.
            report: Called with the number of records that were converted since the last call, and
                of bytes of files that were read.

        Raises:
            JobError: A piece cannot be converted.
            OSError: A file cannot be read or written.
        """


def run_job(
    plan: Plan,
    path: str | os.PathLike[str],
    *,
    jobs: int = 1,
    force: bool = False,
    begin: Begin | None = None,
    runner: Runner | None = None,
) -> JobResult:
    """Convert the inputs of a plan into the parts of a table, and continue a job that was stopped.

    Args:
        plan: The plan.
        path: The folder for the result. Parts of a job with the same plan are kept.
        jobs: The number of processes; 1 for this one.
        force: Whether to replace the result of another job.
        begin: Called when the job begins; what it returns reports the progress.
        runner: Converts the pieces, in place of processes on this machine.

    Raises:
        JobError: The folder has the result of another job, another run writes to it, an input or
            the folder cannot be read or written, or processes end unexpectedly.
        MissingExtraError: The package for a compression is not installed.
    """
    if runner is None:
        runner = _run_here if jobs == 1 else partial(run_pool, jobs=jobs)
    folder = JobFolder(path)
    try:
        with folder.locked():
            if folder.begin(plan, force=force):
                return result_before(folder)
            records = part_records(folder)
            finished = {piece: each for piece, each in records.items() if not each.error}
            report = begin(plan, finished) if begin is not None else _no_report
            runner(plan, folder, remaining(plan, finished), finished, report)
            return finish(folder, plan)
    except OSError as error:
        raise JobError(error_text(error)) from None
    except MemoryError:
        raise JobError(f"{folder.path}: {MEMORY_IS_SHORT}") from None


def _run_here(
    plan: Plan,
    folder: JobFolder,
    pieces: Iterator[Piece],
    finished: Collection[Piece],
    report: Report,
) -> None:
    """Convert pieces in this process."""
    for piece in pieces:
        for _ in convert_pieces(folder, plan, piece, finished=finished, report=report):
            pass


def _no_report(records: int, size: int) -> None:
    pass


def remaining(plan: Plan, records: Mapping[Piece, PartRecord]) -> Iterator[Piece]:
    """Yield the pieces whose parts are not finished; of a compressed input at most the first.

    Raises:
        OSError: An input cannot be read.
    """
    for index in missing_inputs(plan, records):
        for piece in pieces_of(plan, index):
            if plan.inputs[index].is_compressed or piece not in records:
                yield piece
