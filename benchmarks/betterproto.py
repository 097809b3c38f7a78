"""Measures what betterproto2's dataclasses cost beside protobuf's messages."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.serialization import MESSAGES
from benchmarks.validation import Ratio, measure, report
from google.protobuf import json_format

import crucible_ir
from crucible_ir.betterproto import from_betterproto, to_betterproto

ROUNDS = 101
IMPORT_ROUNDS = 21

#: Imports one module in a fresh interpreter; prints the nanoseconds and the bytes that it took.
#: betterproto2 imports pydantic where that is installed, which these messages do not need.
IMPORT = """\
import resource, sys, time
sys.modules["pydantic"] = None

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()

before = resident()
started = time.perf_counter_ns()
import {module}
print(time.perf_counter_ns() - started, resident() - before)
"""

IMPORTED = ("crucible_ir", "crucible_ir.betterproto", "crucible_ir.betterproto.exchange")

#: What is done with each message: the figure's name, by betterproto2 and by protobuf or by us.
COMPARED = {
    "parse": ("{0}_dataclass.parse({0}_data)", "{0}_class.FromString({0}_data)"),
    "serialize": ("bytes({0}_converted)", "{0}.SerializeToString()"),
    "to JSON": ("{0}_converted.to_json()", "MessageToJson({0}, indent=None)"),
    "to JSON, ours": ("{0}_converted.to_json()", "to_json({0})"),
    "from JSON": ("{0}_dataclass.from_json({0}_json)", "Parse({0}_json, {0}_class())"),
    "from JSON, ours": (
        "{0}_dataclass.from_json({0}_json)",
        "from_json({0}_json, {0}_class, validate=False)",
    ),
    "to_betterproto / parse": ("to_betterproto({0})", "{0}_dataclass.parse({0}_data)"),
    "from_betterproto / serialize": (
        "from_betterproto({0}_converted, validate=False)",
        "bytes({0}_converted)",
    ),
}


def main() -> None:
    """Check that both agree, measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"default: {ROUNDS}")
    arguments = parser.parse_args()
    report_imports()
    names = subject_names()
    subjects: dict[str, str] = {}
    ratios: list[Ratio] = []
    for message in MESSAGES:
        for figure, (dataclass, base) in COMPARED.items():
            above, below = dataclass.format(message), base.format(message)
            subjects |= {above: above, below: below}
            ratios.append(Ratio(f"{figure}, {message}", above, below))
    report(measure(subjects, names, arguments.rounds), ratios)


def subject_names() -> dict[str, Any]:
    """Prepare the names that the subjects use, and check that both runtimes agree on them."""
    names: dict[str, Any] = {
        "MessageToJson": json_format.MessageToJson,
        "Parse": json_format.Parse,
        "from_betterproto": from_betterproto,
        "from_json": crucible_ir.from_json,
        "to_betterproto": to_betterproto,
        "to_json": crucible_ir.to_json,
    }
    for name, message in MESSAGES.items():
        converted = to_betterproto(message)
        assert from_betterproto(converted, validate=False) == message
        assert json.loads(converted.to_json()) == json.loads(crucible_ir.to_json(message))
        names |= {
            name: message,
            f"{name}_class": type(message),
            f"{name}_data": message.SerializeToString(),
            f"{name}_json": crucible_ir.to_json(message),
            f"{name}_converted": converted,
            f"{name}_dataclass": type(converted),
        }
    return names


def report_imports() -> None:
    """Print the median time and memory of each import, taken in turn in fresh interpreters."""
    taken: dict[str, list[tuple[int, int]]] = {module: [] for module in IMPORTED}
    for _ in range(IMPORT_ROUNDS):
        for module in IMPORTED:
            command = [sys.executable, "-c", IMPORT.format(module=module)]
            time, memory = map(int, subprocess.check_output(command, text=True).split())
            taken[module].append((time, memory))
    for module, runs in taken.items():
        time, memory = map(statistics.median, zip(*runs, strict=True))
        print(f"import {module:<34} {time / 1e6:6.1f} ms  {memory / 2**20:5.1f} MiB")
    print()


if __name__ == "__main__":
    main()
