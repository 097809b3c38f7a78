"""A real offline run of W&B, and the reading of the log that it writes."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

#: Logs values that W&B writes oddly: a whole float as an integer, and NaN as a bare word.
PROGRAM = """
import math
import wandb

run = wandb.init(project="crucible", name="judge", tags=["a"], config={"lr": 0.1, "a": {"b": 1}})
for step in range(3):
    run.log({"loss": 1.0 / (step + 1), "train/acc": step})
run.log({"loss": math.nan, "worst": math.inf})
run.summary["best"] = 0.25
run.finish()
"""

#: The log is written in blocks, each with the chunks of records.
_BLOCK = 32_768
_HEADER = 7


class WandbRun(NamedTuple):
    """What the run logged, as JSON text as the service returns it."""

    id: str
    config: dict[str, str]
    summary: dict[str, str]
    history: list[str]


def run_wandb(folder: Path) -> WandbRun:
    """Run the program in a folder, without a network."""
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env={**os.environ, "WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    [log] = folder.glob("wandb/offline-run-*/run-*.wandb")
    return _parse(log.read_bytes())


def _parse(log: bytes) -> WandbRun:
    from wandb.proto.wandb_internal_pb2 import Record

    run = WandbRun("", {}, {}, [])
    for data in _records(log):
        record = Record.FromString(data)
        if record.HasField("run"):
            config = {item.key: item.value_json for item in record.run.config.update}
            run = run._replace(id=record.run.run_id, config=config)
        for item in record.summary.update:
            if item.key or len(item.nested_key) == 1:
                run.summary[item.key or item.nested_key[0]] = item.value_json
        if record.HasField("history"):
            items = ((_key(item), item.value_json) for item in record.history.item)
            run.history.append(_object(items))
    return run


def _key(item: Any) -> str:
    [key] = item.nested_key or [item.key]
    return str(key)


def _object(items: Iterator[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in items) + "}"


def _records(log: bytes) -> Iterator[bytes]:
    """Yield the records of a log, which is in the format of LevelDB's logs."""
    position, record = _HEADER, b""
    while position + _HEADER <= len(log):
        left = _BLOCK - position % _BLOCK
        if left < _HEADER:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", log, position)
        position += _HEADER
        record += log[position : position + length]
        position += length
        # A record is one full chunk, or ends with a last one.
        if kind in (1, 4):
            yield record
            record = b""
