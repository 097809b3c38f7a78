"""Compares the dataclasses of betterproto2 with protobuf messages."""

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

#: Imports a module in a new interpreter; prints the nanoseconds and the bytes that it took. Without
#: pydantic, which betterproto2 imports if it is installed, but these messages do not need.
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

#: The operations on each message: the name, then betterproto2's and protobuf's or our own variant.
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
    """Check that both runtimes agree, measure, and print the figures."""
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
    """Return the names that the operations use, after checking that both runtimes agree."""
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
    """Print the median time and memory of each import in new interpreters."""
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
