"""Fuzz the entry points of the native core with cargo-fuzz; ``make fuzz-native`` runs this.

The targets are in ``native/fuzz``. Each starts from the cases of the conformance tests. The first
run installs cargo-fuzz in ``.fuzz/native/``. The corpus is saved there and reused by the next run;
inputs that break a target are saved there, too.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import crucible_ir as ir
from crucible_ir.conformance.suites import select_cases, suite_folder
from crucible_ir.schema.types import message_types
from crucible_ir.serialization.streams.lines import JsonDialect
from native_tables.format import message_classes

ROOT = Path(__file__).resolve().parents[1]
CRATE = ROOT / "native" / "fuzz"
TABLES = ROOT / "native" / "core" / "tables.binpb"
WORK = ROOT / ".fuzz" / "native"
CARGO_FUZZ = WORK / "cargo"
CARGO_FUZZ_VERSION = "0.13.2"

#: Link-time optimization takes minutes for each target.
FAST_BUILD = {"CARGO_PROFILE_RELEASE_LTO": "false", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16"}

#: The maximum length of an input in bytes, but for the tables.
MAX_LENGTH = 4_096
#: The memory limit of the process in MiB.
MEMORY = 2_048


class Seeds(NamedTuple):
    """Inputs to start from: a byte with the index of the message type, and a document.

    Before records there is another byte, which selects their formats.
    """

    binary: set[bytes]
    json: set[bytes]
    crucible_json: set[bytes]
    records: set[bytes]
    tables: set[bytes]


def seeds(tables: Any) -> Seeds:
    """Return the cases of the conformance tests, in each format that has them."""
    indexes = {table.name: index for index, table in enumerate(tables.messages)}
    found = Seeds(set(), set(), set(), set(), {TABLES.read_bytes()})
    for named in select_cases(suite_folder()):
        request = named.case.request
        short_name = request.message_type.removeprefix("crucible_ir.v1.")
        if request.message_type not in indexes or short_name not in message_types():
            continue
        prefix = bytes([indexes[request.message_type]])
        is_binary = request.WhichOneof("payload") == "binary"
        (found.binary if is_binary else found.json).add(
            prefix + (request.binary if is_binary else request.json)
        )
        read = ir.from_binary if is_binary else ir.from_json
        try:
            message = read(
                request.binary if is_binary else request.json, short_name, validate=False
            )
            found.binary.add(prefix + ir.to_binary(message))
            found.crucible_json.add(prefix + ir.to_crucible_json(message).encode())
            found.json.add(prefix + ir.to_json(message).encode())
        except ir.Error:
            continue
        for mode in range(3):
            stream = io.BytesIO()
            if mode == 0:
                ir.write_delimited(stream, [message, message])
            else:
                dialect: JsonDialect = "protojson" if mode == 1 else "crucible"
                ir.write_jsonl(stream, [message, message], dialect=dialect)
            # Each of the formats to write, in turn.
            formats = mode + 3 * (len(found.records) % 4)
            found.records.add(prefix + bytes([formats]) + stream.getvalue())
    return found


def words(tables: Any) -> str:
    """Return the dictionary of libFuzzer: every key and name of the JSON formats."""
    keys = {
        name
        for message in tables.messages
        for field in message.fields
        for name in (field.name, field.json_name)
    }
    names = {value.name for enum in tables.enums for value in enum.values}
    literals = ["null", "true", "false", "{}", "[]", "NaN", "2025-01-01T00:00:00Z", "\\\\ud83d"]
    return "".join(f'"\\"{name}\\""\n' for name in sorted(keys | names)) + "".join(
        f'"{literal}"\n' for literal in literals
    )


def targets() -> list[str]:
    """Return the names of the fuzz targets."""
    manifest = tomllib.loads((CRATE / "Cargo.toml").read_text(encoding="utf-8"))
    return [program["name"] for program in manifest["bin"]]


def prepare() -> None:
    """Install cargo-fuzz unless it is there, and write the seeds."""
    if not (CARGO_FUZZ / "bin" / "cargo-fuzz").exists():
        package = ("cargo-fuzz", "--version", CARGO_FUZZ_VERSION)
        run("cargo", "install", "--quiet", "--locked", *package, "--root", str(CARGO_FUZZ))
    tables = message_classes()["Tables"].FromString(TABLES.read_bytes())
    found = seeds(tables)
    for target in targets():
        corpus = WORK / target
        corpus.mkdir(parents=True, exist_ok=True)
        for seed in getattr(found, input_of(target)):
            (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    (WORK / "words.dict").write_text(words(tables), encoding="utf-8")


def input_of(target: str) -> str:
    """Return the input of a target, as an attribute of `Seeds`."""
    if target in ("tables", "records"):
        return target
    if target.startswith("from_"):
        return "json" if target == "from_protojson" else "crucible_json"
    return "binary"


def fuzz(target: str, seconds: int, sanitizer: str) -> bool:
    """Fuzz a target, and return whether no input broke it."""
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_LENGTH if target != 'tables' else 4 * TABLES.stat().st_size}",
        f"-rss_limit_mb={MEMORY}",
        f"-dict={WORK / 'words.dict'}",
        f"-artifact_prefix={WORK}/{target}-",
        "-timeout=10",
        "-print_final_stats=1",
    ]
    command = ["cargo", "fuzz", "run", "--fuzz-dir", str(CRATE), "--target-dir"]
    command += [str(WORK / "target"), "--sanitizer", sanitizer, target, str(WORK / target)]
    path = f"{CARGO_FUZZ / 'bin'}{os.pathsep}{os.environ['PATH']}"
    started = time.monotonic()
    result = subprocess.run(
        [*command, "--", *options],
        cwd=CRATE,
        env={**os.environ, **FAST_BUILD, "PATH": path},
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    tried = re.search(r"number_of_executed_units: (\d+)", result.stderr)
    covered = re.findall(r" cov: (\d+)", result.stderr)
    verdict = "FAILED" if result.returncode else "ok"
    print(
        f"{target:18} {tried[1] if tried else '?':>12} inputs"
        f" {covered[-1] if covered else '?':>6} edges"
        f" in {time.monotonic() - started:.0f} s  {verdict}"
    )
    if result.returncode:
        print(result.stderr[-4_000:])
    sys.stdout.flush()
    return result.returncode == 0


def run(*command: str) -> None:
    """Run a command, and fail if it does."""
    subprocess.run(command, check=True)


def main() -> int:
    """Run the command line, and return the exit status."""
    known = targets()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TARGET", help=", ".join(known))
    parser.add_argument("--time", type=int, default=60, help="seconds for each target")
    parser.add_argument(
        "--sanitizer", default="none", help="a sanitizer of rustc, such as address; needs nightly"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(known):
        parser.error(f"unknown target: {', '.join(sorted(unknown))}")
    prepare()
    verdicts = [fuzz(name, options.time, options.sanitizer) for name in options.names or known]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
