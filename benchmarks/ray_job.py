"""Compare a job on one worker of Ray with the same job in one process: `make bench-ray`.

The start of Ray and of its worker are left out, since they do not depend on the size of the job.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from secrets import token_hex

from benchmarks.engines import varied_events

import crucible_ir

#: The events that the file repeats.
VARIED = 200_000


def main() -> None:
    """Print the records a second of both, and their quotient."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="r") as name:
        # Ray reads them when it is imported. Without the last two, it writes to the user's folder.
        os.environ |= {
            # By default, every other process of a busy machine comes before the workers.
            "RAY_worker_niceness": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": token_hex(32),
        }
        measure(Path(name), options.events, options.rounds)


def measure(folder: Path, events: int, rounds: int) -> None:
    """Run both jobs in turn."""
    import ray

    from crucible_ir.bulk import ray as ir_on_ray
    from crucible_ir.bulk.jobs.plan import JobOptions, make_plan
    from crucible_ir.bulk.jobs.running import run_job

    large, small = folder / "large.binpbs", folder / "small.binpbs"
    events = write(large, events)
    write(small, 1000)
    ray.init(
        num_cpus=1,
        include_dashboard=False,
        object_store_memory=80 * 1024 * 1024,
        _temp_dir=str(folder / "s"),
        logging_level=logging.WARNING,
    )
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    ray.data.DataContext.get_current().enable_progress_bars = False

    def local(path: Path) -> None:
        run_job(make_plan([str(path)], JobOptions("FeedbackEvent")), folder / "table")

    def cluster(path: Path) -> None:
        checked = ir_on_ray.validate(ir_on_ray.read_ir(path, "FeedbackEvent"))
        ir_on_ray.write_ir(checked, folder / "table")

    try:
        timed(local, small)
        timed(cluster, small)
        print(f"{events:,} events of {large.stat().st_size / events:.0f} bytes")
        for _ in range(rounds):
            alone = timed(local, large)
            with_ray = timed(cluster, large)
            print(
                f"one process {events / alone:,.0f}/s, one worker of Ray"
                f" {events / with_ray:,.0f}/s: {alone / with_ray:.2f}",
                flush=True,
            )
    finally:
        ray.shutdown()


def timed(job: Callable[[Path], None], path: Path) -> float:
    """Return the seconds of a job, and remove its result."""
    started = time.perf_counter()
    job(path)
    seconds = time.perf_counter() - started
    shutil.rmtree(path.parent / "table")
    return seconds


def write(path: Path, events: int) -> int:
    """Write a file with about as many events, and return their number."""
    varied = min(events, VARIED)
    crucible_ir.write_delimited(path, varied_events(varied))
    data = path.read_bytes()
    with open(path, "ab") as file:
        for _ in range(events // varied - 1):
            file.write(data)
    return events // varied * varied


if __name__ == "__main__":
    main()
