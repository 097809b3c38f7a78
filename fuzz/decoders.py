"""The decoders that are fuzzed, and what must hold of each for every input there is.

A decoder returns a message, or raises one of this package's own errors. It does so in time and in
memory that are bounded in proportion to the input.
"""

from __future__ import annotations

import io
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.formats import FORMATS, format_of
from crucible_ir.serialization.streams.delimited import read_delimited
from crucible_ir.serialization.streams.lines import read_jsonl
from crucible_ir.serialization.streams.records import StreamError

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

#: The types that inputs are read as: between them they have every kind of field.
TYPES: tuple[type[Message], ...] = (
    v1.Experiment,
    v1.Prompt,
    v1.TrainingRun,
    v1.FeedbackEvent,
    v1.Document,
)

#: What a decoder may take at most. Instrumented code is slow, and reports of errors cost the most:
#: the factors are far above what is measured, and far below what is not linear.
BASE_SECONDS = 2.0
SECONDS_A_BYTE = 1e-3
BASE_BYTES = 8 * 1024 * 1024
BYTES_A_BYTE = 2_000
#: Memory is measured for one input in so many: that makes Python several times slower.
MEASURED = 97

Decode = Callable[[bytes, type[Message]], None]


class OverBoundError(AssertionError):
    """A decoder took more time or memory than its input justifies."""


def _document(form: str) -> Decode:
    read = FORMATS[form].read

    def decode(data: bytes, type_: type[Message]) -> None:
        read(data, type_, True)

    return decode


def _delimited(data: bytes, type_: type[Message]) -> None:
    for _ in read_delimited(io.BytesIO(data), type_, on_bad=_leave_out):
        continue


def _jsonl(data: bytes, type_: type[Message]) -> None:
    for _ in read_jsonl(io.BytesIO(data), type_, on_bad=_leave_out):
        continue


def _leave_out(_: StreamError) -> None:
    """Go on with the next record."""


DECODERS: dict[str, Decode] = {
    **{form: _document(form) for form in FORMATS},
    "delimited": _delimited,
    "jsonl": _jsonl,
}


def check(name: str, data: bytes, *, measured: bool = False) -> None:
    """Give an input to a decoder; the first byte picks the type, and the rest is the document.

    Raises:
        OverBoundError: The decoder took too much time or, where that is measured, memory.
    """
    type_ = TYPES[data[0] % len(TYPES)] if data else TYPES[0]
    document = data[1:]
    if measured:
        tracemalloc.start()
    started = time.process_time()
    try:
        DECODERS[name](document, type_)
    except ir.Error as error:
        str(error)
    finally:
        seconds = time.process_time() - started
        peak = tracemalloc.get_traced_memory()[1] if measured else 0
        if measured:
            tracemalloc.stop()
    if seconds > BASE_SECONDS + SECONDS_A_BYTE * len(data):
        raise OverBoundError(f"{seconds:.1f} s for {len(data)} bytes")
    if peak > BASE_BYTES + BYTES_A_BYTE * len(data):
        raise OverBoundError(f"{peak} bytes of memory for {len(data)} bytes")


def seeds(name: str) -> Iterator[bytes]:
    """Yield the examples of this repository as inputs of a decoder."""
    for path in sorted(EXAMPLES.iterdir()):
        try:
            form = format_of(path.name)
        except ir.Error:
            continue
        for index, type_ in enumerate(TYPES):
            try:
                message = form.read(path.read_bytes(), type_, False)
                yield bytes([index]) + _written(name, message)
            except ir.Error:
                continue


def _written(name: str, message: Message) -> bytes:
    if name in FORMATS:
        return FORMATS[name].write(message, None)
    stream = io.BytesIO()
    write = ir.write_delimited if name == "delimited" else ir.write_jsonl
    write(stream, [message, message])
    return stream.getvalue()
