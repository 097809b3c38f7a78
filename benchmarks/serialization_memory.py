"""Prints the size of a large message as JSON, and the peak memory of writing it, in bytes."""

from __future__ import annotations

import sys
import tracemalloc

from benchmarks.serialization import training_run

import crucible_ir


def main() -> None:
    """Write a run with the number of rows in the argument."""
    run = training_run(int(sys.argv[1]))
    # The tables of the codec are made first, and not measured.
    crucible_ir.to_json(training_run(1))
    tracemalloc.start()
    written = crucible_ir.to_json(run)
    _, peak = tracemalloc.get_traced_memory()
    print(len(written.encode()), peak)


if __name__ == "__main__":
    main()
