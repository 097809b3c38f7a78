"""Measures tables of messages: streams to Arrow and Parquet, in both engines, and with ptars.

ptars fills Arrow arrays from protobuf's bytes as the native engine does, but checks no rules, and
its cells have no names of enum values and no JSON. Times are those of the processor, so that other
programs on the machine matter less. Each round measures every engine in a process of its own;
figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ptars
import pyarrow as pa
import pyarrow.parquet as pq
from benchmarks.engines import ENGINES, engines, varied_events
from benchmarks.validation import Ratio

import crucible_ir
from crucible_ir import v1
from crucible_ir.bulk.kernel import check_records

ROUNDS = 5
EVENTS = 200_000
#: The rows of a record batch.
BATCH = 8192

#: The goals in millions of events a second, by engine and statement.
GOALS = {
    ("native", "stream to Arrow"): ">= 1",
    ("native", "stream to Parquet"): ">= 0.6",
    ("python", "stream to Arrow"): ">= 0.06",
}


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    parser.add_argument("--events", type=int, default=EVENTS, help=f"default: {EVENTS}")
    parser.add_argument("--measure", metavar="FILE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measured(Path(arguments.measure))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.binpbs")
        crucible_ir.write_delimited(path, varied_events(arguments.events))
        print(f"{arguments.events:,} events of {path.stat().st_size / arguments.events:.0f} bytes")
        found: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines()}
        for _ in range(arguments.rounds):
            for engine, rounds in found.items():
                rounds.append(times_of(engine, path))
    for engine, rounds in found.items():
        print(f"\n{engine}")
        for name in rounds[0]:
            rate = arguments.events / statistics.median(each[name] for each in rounds) / 1e6
            print_row(name, rate, GOALS.get((engine, name), ""))
    if "native" in found:
        ratio = statistics.median(
            each["ptars, batches to Arrow"] / each["batches to Arrow"] for each in found["native"]
        )
        print()
        print_row("ptars / native, batches to Arrow", ratio, ">= 1.5")


def print_row(name: str, figure: float, goal: str) -> None:
    """Print a figure, and whether it meets its goal."""
    met = Ratio(name, "", "", goal).meets(figure) if goal else ""
    print(f"{name:<40} {figure:8.3f} {goal:>8}  {met}")


def times_of(engine: str, path: Path) -> dict[str, float]:
    """Return the seconds of each statement in a process with an engine."""
    command = [sys.executable, "-m", "benchmarks.bulk", "--measure", str(path)]
    environment = os.environ | {"CRUCIBLE_IR_NATIVE": ENGINES[engine]}
    process = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, check=True, timeout=600
    )
    times: dict[str, float] = json.loads(process.stdout)
    return times


def measured(path: Path) -> dict[str, float]:
    """Return the seconds of each statement in this process."""
    messages = list(crucible_ir.read_delimited(path, v1.FeedbackEvent, validate=False))
    batches = list(record_batches([message.SerializeToString() for message in messages]))
    pool = ptars.HandlerPool([v1.FeedbackEvent.DESCRIPTOR.file])
    peer = pool.get_for_message(v1.FeedbackEvent.DESCRIPTOR)
    target = path.with_suffix(f".{os.getpid()}.parquet")

    def to_arrow() -> Any:
        return crucible_ir.to_arrow(path, v1.FeedbackEvent, complete=True)

    statements: dict[str, Callable[[], object]] = {
        "stream to Arrow": to_arrow,
        "stream to Parquet": lambda: pq.write_table(to_arrow(), target, compression="zstd"),
        "messages to Arrow": lambda: crucible_ir.to_arrow(messages, v1.FeedbackEvent),
        "batches to Arrow": lambda: [check_records(each, v1.FeedbackEvent) for each in batches],
        "ptars, batches to Arrow": lambda: [
            peer.array_to_record_batch(each.column("data")) for each in batches
        ],
        "ptars, stream to Arrow": lambda: peer.read_size_delimited_file(str(path)),
    }
    # What is loaded and made once does not count.
    check_records(batches[0], v1.FeedbackEvent)
    peer.array_to_record_batch(batches[0].column("data"))
    times = {}
    for name, statement in statements.items():
        # The second time, most memory is that of the first.
        for _ in range(2):
            start = time.process_time()
            statement()
            times[name] = time.process_time() - start
    target.unlink()
    return times


def record_batches(data: list[bytes]) -> Any:
    """Yield record batches with the bytes of messages, as jobs pass them to the kernel."""
    for start in range(0, len(data), BATCH):
        some = data[start : start + BATCH]
        numbers = pa.array(range(start, start + len(some)), pa.int64())
        yield pa.record_batch({"record": numbers, "data": pa.array(some, pa.binary())})


if __name__ == "__main__":
    main()
