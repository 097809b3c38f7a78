"""Inputs of jobs, with everything that can be wrong with a record."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crucible_ir import v1
from crucible_ir.serialization.wire import encode_varint

PART_BYTES = 512 * 1024

#: Lines of which none is an event.
BAD_LINES = [
    b'{"id":"a","latencyMs":-5,"feedbackValue":"1"}',
    b'{"id":"a","id":"b"}',
    b'{"id":"\xff"}',
    b'{"input":' * 5000,
    b'{"metadata":{"a":' + b"[" * 200 + b"]" * 200 + b"}}",
    b"null",
]
#: Binary records of which none is an event; the last one has an unknown field.
BAD_BYTES = [b"", b"\x0a\x05a", b"\xff" * 30, b"\x0a\x01n\xf8\x07\x01"]


@dataclass(frozen=True)
class Inputs:
    """Files, the ids of their good records in order, and the number of bad ones."""

    paths: list[Path]
    ids: list[str]
    bad: int


def write_inputs(folder: Path, small: int = 200) -> Inputs:
    """Write a large file among small ones, in several formats, each with bad records.

    Args:
        folder: Their folder.
        small: The good records of the small files; the large one has a hundred times as many.
    """
    paths, ids, bad = [], [], 0
    for name, count in [("a.jsonl", small), ("b.jsonl.gz", 20 * small), ("c.jsonl", 100 * small)]:
        names = [f"{name}-{index}" for index in range(count)]
        lines = _scattered([_line(each) for each in names], BAD_LINES)
        data = b"\n".join(lines) + b"\n"
        paths.append(folder / name)
        paths[-1].write_bytes(gzip.compress(data, 1) if name.endswith(".gz") else data)
        ids += names
        bad += len(BAD_LINES)
    names = [f"d-{index}" for index in range(small)]
    records = [_event(each).SerializeToString() for each in names]
    frames = [encode_varint(len(each)) + each for each in _scattered(records, BAD_BYTES)]
    paths.append(folder / "d.binpbs")
    paths[-1].write_bytes(b"".join(frames))
    paths.append(folder / "empty.jsonl")
    paths[-1].write_bytes(b"")
    return Inputs(paths, ids + names, bad + len(BAD_BYTES))


def _line(name: str) -> bytes:
    return (
        f'{{"id":"{name}","deploymentId":"prod","feedbackType":"FEEDBACK_TYPE_RATING",'
        '"feedbackValue":4.5,"timestamp":"2026-01-02T03:04:05Z"}'
    ).encode()


def _event(name: str) -> v1.FeedbackEvent:
    event = v1.FeedbackEvent(id=name, deployment_id="prod", feedback_type="FEEDBACK_TYPE_RATING")
    event.feedback_value.number_value = 4.5
    event.timestamp.FromJsonString("2026-01-02T03:04:05Z")
    return event


def _scattered(good: Sequence[bytes], bad: Sequence[bytes]) -> list[bytes]:
    """Return the good records with the bad ones in between, at equal distances."""
    found = list(good)
    for index, each in enumerate(bad):
        found.insert((index + 1) * len(good) // (len(bad) + 1), each)
    return found


def manifest(folder: Path) -> object:
    """Return the manifest of a result without its times."""
    values = json.loads((folder / "_manifest.json").read_bytes())
    del values["times"]
    return values


def contents(folder: Path) -> dict[str, bytes]:
    """Return the contents of the files of a result but its manifest."""
    return {
        path.name: path.read_bytes() for path in folder.iterdir() if path.name != "_manifest.json"
    }
