"""Measures how much memory writing a large message takes; prints bytes written and the peak."""

from __future__ import annotations

import sys
import tracemalloc

from benchmarks.serialization import training_run

import crucible_ir


def main() -> None:
    """Write a run of as many rows as the argument says."""
    run = training_run(int(sys.argv[1]))
    # What is made once, such as the writer of the type, is not part of it.
    crucible_ir.to_json(training_run(1))
    tracemalloc.start()
    written = crucible_ir.to_json(run)
    _, peak = tracemalloc.get_traced_memory()
    print(len(written.encode()), peak)


if __name__ == "__main__":
    main()
