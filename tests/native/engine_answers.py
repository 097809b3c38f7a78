"""What the package's functions on bytes return or raise, in the engine of this process."""

from __future__ import annotations

import json
import sys
from typing import Any

import crucible_ir as ir

#: The formats of single documents and of streams.
FORMATS = ("binary", "json", "crucible-json")
STREAMS = ("delimited", "jsonl", "crucible-jsonl")


def transcoded(name: str, format: str, data: bytes) -> list[str]:
    """Return what `transcode` answers about a document, with and without validation."""
    found = []
    for to in FORMATS:
        for validate in (True, False):
            try:
                made = ir.transcode(data, name, from_=format, to=to, validate=validate)  # type: ignore[arg-type]
                found.append(made.hex())
            except ir.Error as error:
                found.append(f"{type(error).__name__}: {error}")
    return found


def streamed(name: str, format: str, data: bytes) -> list[str]:
    """Return what `validate_many` and `bulk_records` answer about a stream."""
    found = []
    for threads in (1, 2):
        result = ir.validate_many(data, name, format=format, threads=threads)  # type: ignore[arg-type]
        found.append(
            f"{result.records} {result.bad_records} {result.bytes}"
            f" {[str(error) for error in result.errors]} {result.end_error}"
        )
        for to in STREAMS:
            bad: list[str] = []
            content = b""
            try:
                for chunk in ir.bulk_records(
                    data,
                    name,
                    format=format,  # type: ignore[arg-type]
                    to=to,  # type: ignore[arg-type]
                    threads=threads,
                    on_bad=lambda error, bad=bad: bad.append(str(error)),  # type: ignore[misc]
                ):
                    content += chunk.data
            except ir.StreamError as error:
                bad.append(f"raised {error}")
            found.append(f"{content.hex()} {bad}")
    return found


def answers(cases: list[list[str]]) -> list[list[str]]:
    """Return the answers about each case: a type, a format and bytes as hexadecimal digits."""
    functions: dict[str, Any] = dict.fromkeys(FORMATS, transcoded) | dict.fromkeys(
        STREAMS, streamed
    )
    return [
        functions[format](name, format, bytes.fromhex(digits)) for name, format, digits in cases
    ]


if __name__ == "__main__":
    engine = ir.native.status().engine
    print(json.dumps([engine, answers(json.load(sys.stdin))]))
