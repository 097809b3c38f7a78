"""Fuzz decoders with atheris; ``make fuzz`` runs this.

Each decoder is fuzzed in a separate process. The corpus is saved in ``.fuzz/`` and reused by the
next run; inputs that break a decoder are saved there, too.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".fuzz"

#: The maximum length of an input in bytes.
MAX_LENGTH = 16_384
#: The memory limit of the process in MiB.
MEMORY = 2_048


def fuzz(name: str, seconds: int) -> None:
    """Fuzz a decoder in this process, and exit."""
    import atheris

    with atheris.instrument_imports(include=["crucible_ir", "yaml", "google.protobuf"]):
        import decoders

    tried = 0

    def one_input(data: bytes) -> None:
        nonlocal tried
        tried += 1
        decoders.check(name, data, measured=tried % decoders.MEASURED == 0)

    corpus = WORK / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(decoders.seeds(name)):
        (corpus / f"seed_{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_LENGTH}",
        f"-rss_limit_mb={MEMORY}",
        "-timeout=30",
        f"-artifact_prefix={WORK}/{name}-",
        "-print_final_stats=1",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *options], one_input)
    atheris.Fuzz()


def fuzz_all(names: list[str], seconds: int) -> int:
    """Fuzz decoders one after the other, and return the number of failures."""
    failed = 0
    for name in names:
        command = [sys.executable, __file__, "--here", name, "--time", str(seconds)]
        run = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace")
        tried = re.search(r"number_of_executed_units: (\d+)", run.stderr)
        verdict = "ok" if run.returncode == 0 else "FAILED"
        print(f"{name:14} {tried[1] if tried else '?':>10} inputs in {seconds} s  {verdict}")
        if run.returncode:
            failed += 1
            print(run.stderr[-4_000:])
        sys.stdout.flush()
    return failed


def main() -> None:
    """Run the command line."""
    names = ["binary", "delimited", "json", "jsonl", "crucible-json", "crucible-jsonl"]
    names += ["yaml", "text", "bundle"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="DECODER", help=", ".join(names))
    parser.add_argument("--time", type=int, default=60, help="seconds for each decoder")
    parser.add_argument("--here", metavar="DECODER", help="fuzz this decoder in this process")
    options = parser.parse_args()
    if options.here:
        fuzz(options.here, options.time)
    elif unknown := set(options.names) - set(names):
        parser.error(f"unknown decoder: {', '.join(sorted(unknown))}")
    else:
        sys.exit(1 if fuzz_all(options.names or names, options.time) else 0)


if __name__ == "__main__":
    main()
