"""A pool of processes that convert pieces.

Each process has a pipe of its own, so that one that is killed takes nothing but its piece with it,
and one whose parent is killed finds its pipe closed and ends.
"""

from __future__ import annotations

import signal
import traceback
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.jobs.conversion import convert_pieces
from crucible_ir.bulk.jobs.plan import MEMORY_IS_SHORT, JobError, error_text
from crucible_ir.errors import Error

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from crucible_ir.bulk.jobs.conversion import Report
    from crucible_ir.bulk.jobs.folder import JobFolder
    from crucible_ir.bulk.jobs.pieces import Piece
    from crucible_ir.bulk.jobs.plan import Plan

#: How often a piece is tried whose process ends unexpectedly.
_ATTEMPTS: Final = 3
#: The seconds that a process has to end after it was terminated.
_TERMINATION_SECONDS: Final = 5.0


class _WorkerError(Exception):
    """An unexpected error in a process, with its traceback."""


@dataclass(slots=True, eq=False)
class _Worker:
    """A process of the pool.

    Attributes:
        process: The process.
        pipe: The pipe to it.
        piece: The piece that it converts; ``None`` if it is free.
    """

    process: Any
    pipe: Connection
    piece: Piece | None = None


def run_pool(
    plan: Plan,
    folder: JobFolder,
    pieces: Iterator[Piece],
    finished: Collection[Piece],
    report: Report,
    *,
    jobs: int,
) -> None:
    """Convert pieces in processes.

    Args:
        plan: The plan of the job.
        folder: The folder of the job.
        pieces: The pieces. They are taken when processes need them.
        finished: The pieces of compressed inputs whose parts are finished.
        report: Called after each chunk.
        jobs: The number of processes.

    Raises:
        JobError: A piece cannot be converted, or its process ends unexpectedly again and again.
        OSError: An input cannot be read.
    """
    pool = _Pool(plan, folder, pieces, frozenset(finished), report)
    try:
        pool.run(jobs)
    finally:
        pool.end()


class _Pool:
    def __init__(
        self,
        plan: Plan,
        folder: JobFolder,
        pieces: Iterator[Piece],
        finished: frozenset[Piece],
        report: Report,
    ) -> None:
        self._work = (folder, plan, finished)
        self._plan = plan
        self._pieces = pieces
        self._report = report
        self._waiting: deque[Piece] = deque()
        self._attempts: dict[Piece, int] = {}
        self._workers: list[_Worker] = []

    def run(self, jobs: int) -> None:
        self._waiting.extend(islice(self._pieces, jobs))
        for _ in range(len(self._waiting)):
            self._start()
        while self._give():
            # The starts of the next pieces are found while the processes work.
            self._waiting.extend(islice(self._pieces, max(jobs - len(self._waiting), 0)))
            for ready in wait([each.pipe for each in self._workers]):
                self._take(next(each for each in self._workers if each.pipe is ready))

    def _start(self) -> None:
        context = get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, *self._work), daemon=True)
        # The start of the first process would start it, which unblocks interrupts.
        resource_tracker.ensure_running()
        with _without_interrupts():
            process.start()
        # Only the process may have its end of the pipe, so that the pipe is closed when it ends.
        there.close()
        self._workers.append(_Worker(process, here))

    def _give(self) -> bool:
        """Give pieces to free processes, and return whether any process has one."""
        for worker in self._workers:
            if worker.piece is None and self._waiting:
                worker.piece = self._waiting.popleft()
                # If the process has ended, that is found when its pipe is read.
                with suppress(OSError):
                    worker.pipe.send(worker.piece)
        return any(each.piece is not None for each in self._workers)

    def _take(self, worker: _Worker) -> None:
        try:
            kind, value = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        if kind == "read":
            self._report(*value)
        elif kind == "error":
            raise JobError(value)
        elif kind == "unexpected":
            raise _WorkerError(value)
        else:
            worker.piece = None

    def _replace(self, worker: _Worker) -> None:
        """Replace a process that ended, and try its piece again."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        piece = worker.piece
        if piece is not None:
            attempts = self._attempts[piece] = self._attempts.get(piece, 0) + 1
            if attempts == _ATTEMPTS:
                raise JobError(
                    f"{self._plan.inputs[piece.input].name}: the process for {piece.stem} ended"
                    f" unexpectedly {attempts} times ({_reason(worker.process.exitcode)}); perhaps"
                    " memory is short: try fewer --jobs or smaller --part-bytes"
                )
            self._waiting.appendleft(piece)
        self._start()

    def end(self) -> None:
        """End all processes."""
        for worker in self._workers:
            if worker.piece is None:
                # A free process ends when its pipe is closed.
                worker.pipe.close()
            else:
                worker.process.terminate()
        for worker in self._workers:
            worker.process.join(_TERMINATION_SECONDS)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.pipe.close()


def _reason(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit status {exit_code}"
    with suppress(ValueError):
        return signal.Signals(-exit_code).name
    return f"signal {-exit_code}"


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Block interrupts, also in a process that is started: this process ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection, folder: JobFolder, plan: Plan, finished: frozenset[Piece]) -> None:
    """Convert the pieces that arrive; the main function of a process."""
    # The processes are the threads: one more in each of them makes nothing faster.
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)

    def report(records: int, size: int) -> None:
        pipe.send(("read", (records, size)))

    # The pipe is closed when the parent has ended, however it ended.
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            piece = pipe.recv()
            try:
                for _ in convert_pieces(folder, plan, piece, finished=finished, report=report):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                raise
            except Error as error:
                pipe.send(("error", str(error)))
            except OSError as error:
                pipe.send(("error", error_text(error)))
            except MemoryError:
                pipe.send(("error", f"{folder.path}: {MEMORY_IS_SHORT}"))
            except Exception:
                pipe.send(("unexpected", traceback.format_exc()))
            else:
                pipe.send(("done", None))
