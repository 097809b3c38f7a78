"""Compares both engines, pure Python and native, with google's json_format, pydantic and msgspec.

Each engine runs in a process of its own. Every round measures every statement in both of them, so
that a change of the machine's speed affects all times alike. Figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import IO, cast

from benchmarks.validation import EVENT, Ratio, event_message

import crucible_ir
from crucible_ir import v1

ROUNDS, STREAM_ROUNDS = 51, 7
#: The events of the file that is read and converted.
RECORDS = 50_000

ENGINES = {"python": "0", "native": "1"}

#: The times of the rounds, in nanoseconds, by engine and statement.
Times = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: A description.
        above: The statement whose time is divided.
        below: The statement whose time is the divisor; empty for the time itself in microseconds.
        goal: The goal of the native engine, such as ``>= 18``; empty if there is none.
        above_engine: The engine of ``above`` where it is always the same.
    """

    name: str
    above: str
    below: str
    goal: str = ""
    above_engine: str | None = None

    def figure(self, times: Times, engine: str) -> float:
        """Return the median of the ratios of all rounds."""
        above = times[self.above_engine or engine][self.above]
        if not self.below:
            return statistics.median(above) / 1000
        below = times[engine][self.below]
        return statistics.median(one / other for one, other in zip(above, below, strict=True))


def rows() -> Iterator[Row]:
    """Yield the rows of the table, each with the goal of the native engine."""
    goals = {"event": (1.25, 18, 28, 1.1, 3), "experiment": (1.7, 18, 35, 1.3, 6)}
    for name, (decode, out, in_, crucible, digest) in goals.items():
        yield Row(
            f"decoder / FromString, {name}", f"{name} decode", f"{name} parse", f"<= {decode}"
        )
        yield Row(
            f"json_format / to_json, {name}", f"{name} out, google", f"{name} out", f">= {out}"
        )
        yield Row(
            f"json_format / from_json validated, {name}",
            f"{name} in, google",
            f"{name} in",
            f">= {in_}",
        )
        for way in ("out", "in"):
            yield Row(
                f"Crucible JSON / ProtoJSON, {name} {way}",
                f"{name} {way}, crucible",
                f"{name} {way}",
                f"<= {crucible}",
            )
            yield Row(
                f"protobuf-py / ours, {name} {way}", f"{name} {way}, protobuf-py", f"{name} {way}"
            )
        yield Row(f"digest, {name}, us", f"{name} digest", "", f"<= {digest}")
    yield Row("pydantic / ours, event out", "event out, pydantic", "event out", ">= 1.6")
    yield Row("pydantic / ours, event in validated", "event in, pydantic", "event in", ">= 1.8")
    yield Row(
        "msgspec / transcoder, event out", "event out, msgspec", "event transcode out", ">= 0.9"
    )
    yield Row(
        "msgspec / transcoder, event in validated",
        "event in, msgspec",
        "event transcode in",
        ">= 1.8",
    )
    yield Row("json_format / ours, run of 1,000 rows out", "run out, google", "run out", ">= 18")
    yield Row("json_format / ours, run of 1,000 rows in", "run in, google", "run in", ">= 28")
    yield Row(
        "invalid event / protovalidate alone", "invalid decode", "invalid protovalidate", "<= 1.1"
    )


def stream_rows() -> Iterator[Row]:
    """Yield the rows about a whole file."""
    yield Row(
        "read_delimited in Python / validate_many",
        "read_delimited",
        "validate_many",
        ">= 4",
        "python",
    )
    yield Row(
        "validate_many, wall time, 1 thread / 2 threads",
        "validate_many, 1 thread, wall",
        "validate_many, 2 threads, wall",
        ">= 1.3",
    )
    yield Row(
        "binary to JSON lines: messages in Python / bulk",
        "read_delimited, write_jsonl",
        "bulk to lines",
        ">= 10",
        "python",
    )
    yield Row(
        "JSON lines to binary: messages in Python / bulk",
        "read_jsonl, write_delimited",
        "bulk to binary",
        ">= 16",
        "python",
    )


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_events(Path(folder))
        workers = {
            engine: stack.enter_context(Worker(engine, Path(folder))) for engine in engines()
        }
        documents = measure(workers, "documents", arguments.rounds)
        streams = measure(workers, "streams", min(arguments.rounds, STREAM_ROUNDS))
    print(f"\n{'':<50} {'python':>8} {'native':>8} {'goal':>8}  met")
    for times, table in ((documents, rows()), (streams, stream_rows())):
        for row in table:
            print_row(row, times)
    for name, nanoseconds in streams["native" if "native" in streams else "python"].items():
        rate = RECORDS / statistics.median(nanoseconds) * 1e9
        print(f"{name:<50} {rate:12,.0f} events a second")


def engines() -> list[str]:
    """Return the engines that are installed."""
    if crucible_ir.native.status().version is not None:
        return list(ENGINES)
    print("the native engine is not installed; `make native` builds and installs it")
    return ["python"]


def print_row(row: Row, times: Times) -> None:
    """Print a row with the figure of each engine."""
    figures = {engine: row.figure(times, engine) for engine in times}
    cells = [f"{figures[each]:8.2f}" if each in figures else f"{'-':>8}" for each in ENGINES]
    met = Ratio(row.name, "", "", row.goal).meets(figures["native"]) if "native" in figures else ""
    print(f"{row.name:<50} {' '.join(cells)} {row.goal:>8}  {met}")


class Worker:
    """A process that measures statements in one engine."""

    def __init__(self, engine: str, folder: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.engine_worker", str(folder)]
        environment = os.environ | {"CRUCIBLE_IR_NATIVE": ENGINES[engine], "PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        found = self._line()
        assert found == engine, found

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        cast("IO[str]", self._process.stdin).close()
        self._process.wait(timeout=60)

    def measure(self, group: str) -> dict[str, float]:
        """Return the time of each statement of a group, measured once."""
        stdin = cast("IO[str]", self._process.stdin)
        stdin.write(f"{group}\n")
        stdin.flush()
        times: dict[str, float] = json.loads(self._line())
        return times

    def _line(self) -> str:
        line = cast("IO[str]", self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"a worker ended with status {self._process.wait(timeout=60)}")
        return line.rstrip()


def measure(workers: dict[str, Worker], group: str, rounds: int) -> Times:
    """Measure a group of statements in every engine, in rounds."""
    times: Times = {engine: {} for engine in workers}
    for _ in range(rounds):
        for engine, worker in workers.items():
            for name, nanoseconds in worker.measure(group).items():
                times[engine].setdefault(name, []).append(nanoseconds)
    return times


def write_events(folder: Path) -> None:
    """Write varied events as a delimited file and as JSON lines."""
    events = list(varied_events(RECORDS))
    crucible_ir.write_delimited(folder / "events.binpbs", events)
    crucible_ir.write_jsonl(folder / "events.jsonl", events)


def varied_events(count: int) -> Iterator[v1.FeedbackEvent]:
    """Generate events with other values in every field, each field in nine of ten."""
    random = Random(0)
    template = event_message(EVENT)
    words = ["Paris", "Лондон", "the capital of France", "two\nlines", "東京", 'a "quoted" word']
    changes: list[Callable[[v1.FeedbackEvent, int], None]] = [
        lambda event, _: setattr(event, "deployment_id", f"prod-eu-{random.randrange(9)}"),
        lambda event, number: setattr(event, "user_id", f"u-{number % 997}"),
        lambda event, _: setattr(event, "latency_ms", random.randrange(5_000)),
        lambda event, number: setattr(event.timestamp, "seconds", 1_740_000_000 + 7 * number),
        lambda event, _: setattr(
            event.timestamp, "nanos", random.choice((0, 250_000_000, 123_456_789))
        ),
        lambda event, _: event.output.update(
            {"text": random.choice(words), "score": random.random()}
        ),
        lambda event, _: event.input.update({"prompt": f"{random.choice(words)}?"}),
        lambda event, number: event.metadata.update({"page": number, "ratio": number / 7}),
        lambda event, _: event.ClearField("session_id"),
        lambda event, _: event.ClearField("model_version"),
    ]
    for number in range(count):
        event = v1.FeedbackEvent()
        event.CopyFrom(template)
        event.id = f"fb-{number:08x}"
        for change in changes:
            if random.random() < 0.9:
                change(event, number)
        yield event


if __name__ == "__main__":
    main()
