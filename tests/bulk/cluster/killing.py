"""Watches the parts of a job while they are written, to kill their processes."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: A part that is being written, with the process that writes it.
_TEMPORARY = re.compile(r"(part-[0-9]+-[0-9]+)\.parquet\.([0-9]+)\..*tmp")


@contextmanager
def watching(folder: Path, act: Callable[[str, int], None]) -> Iterator[None]:
    """Call a function with the stem and the process of each part while it is written."""
    ended = threading.Event()
    progress = folder / "_progress"

    def watch() -> None:
        while not ended.wait(0.002):
            with suppress(FileNotFoundError):
                for name in os.listdir(progress):
                    if found := _TEMPORARY.fullmatch(name):
                        act(found[1], int(found[2]))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def kill_process(pid: int, name: bytes) -> bool:
    """Kill a process with a name in its command, and return whether it was alive."""
    with suppress(FileNotFoundError, ProcessLookupError):
        if name in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
            return True
    return False
