"""How fast histories of metrics are imported from MLflow, and in how much memory."""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from typing import Any

from crucible_ir.interchange.mapping.reading import Record
from crucible_ir.interchange.mapping.report import Recorder
from crucible_ir.interchange.mlflow import FORMAT

STEPS = 10_000


def run(number: int) -> Any:
    """Return a run with one metric of many steps."""
    points = [
        {
            "key": "loss",
            "value": 1.0 / (step + 1),
            "timestamp": 1_764_500_000_000 + step,
            "step": step,
        }
        for step in range(STEPS)
    ]
    info = {"run_id": f"{number:032x}", "status": "FINISHED", "start_time": 1_764_500_000_000}
    data = {"metrics": points[-1:], "metric_history": {"loss": points}}
    return {"run": {"info": info, "data": data}}


def records(count: int) -> Iterator[Record]:
    """Yield runs one after another."""
    for number in range(count):
        yield Record(run(number), f"run {number}", number)


def peak_megabytes() -> float:
    """Return the largest amount of memory that the process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Import the rows and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    count = parser.parse_args().rows // STEPS
    recorder = Recorder()
    imported = FORMAT.import_records(records(1), Recorder())
    assert sum(map(len, imported)) == 1
    first = peak_megabytes()
    rows = 0
    start = time.process_time()
    for documents in FORMAT.import_records(records(count), recorder):
        [document] = documents
        rows += len(document.metrics_history)  # type: ignore[attr-defined]
    elapsed = time.process_time() - start
    assert rows == count * STEPS
    counts = recorder.report().counts
    speed = rows / elapsed
    print(f"mlflow: {rows:,} rows of {count} runs in {elapsed:.1f} s of processor time")
    print(f"{speed:,.0f} rows/s")
    print(f"peak memory: {first:.0f} MB after one run, {peak_megabytes():.0f} MB after all")
    assert counts["dropped"] == 0, counts


if __name__ == "__main__":
    main()
