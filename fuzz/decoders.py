"""The fuzzed decoders, and the properties that each must have for every input.

A decoder returns a message or raises an error of this package. Its time and memory are bounded in
proportion to the size of the input.
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
from crucible_ir.interchange.bundle import Bundle, DocumentSet, check_bundle, write_bundle
from crucible_ir.interchange.bundle.limits import BundleLimits
from crucible_ir.serialization.formats import FORMATS, document_format_of
from crucible_ir.serialization.streams.delimited import read_delimited
from crucible_ir.serialization.streams.lines import JsonDialect, read_jsonl
from crucible_ir.serialization.streams.records import StreamError

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

#: The types that inputs are decoded as; together they have every kind of field.
TYPES: tuple[type[Message], ...] = (
    v1.Experiment,
    v1.Prompt,
    v1.TrainingRun,
    v1.FeedbackEvent,
    v1.Document,
)

#: The limits of a decoder. Instrumented code is slow, and reporting errors is the slowest part: the
#: factors are far above the measured ones, and far below those of a decoder that is not linear.
BASE_SECONDS = 2.0
SECONDS_A_BYTE = 1e-3
BASE_BYTES = 8 * 1024 * 1024
BYTES_A_BYTE = 2_000
#: A compressed entry may expand to some megabytes in any case, which these limits prevent.
BUNDLE_LIMITS = BundleLimits(max_bytes=65_536, max_total_bytes=65_536, max_documents=100)
#: Memory is measured for one input in so many, because measuring makes Python several times slower.
MEASURED = 97

Decode = Callable[[bytes, type[Message]], None]


class OverBoundError(AssertionError):
    """A decoder exceeded its limit of time or memory."""


def _document(format_name: str) -> Decode:
    read = FORMATS[format_name].read

    def decode(data: bytes, type_: type[Message]) -> None:
        read(data, type_, True)

    return decode


def _delimited(data: bytes, type_: type[Message]) -> None:
    for _ in read_delimited(io.BytesIO(data), type_, on_bad=_skip):
        continue


def _jsonl(data: bytes, type_: type[Message]) -> None:
    for _ in read_jsonl(io.BytesIO(data), type_, on_bad=_skip):
        continue


def _crucible_jsonl(data: bytes, type_: type[Message]) -> None:
    for _ in read_jsonl(io.BytesIO(data), type_, dialect="crucible", on_bad=_skip):
        continue


def _bundle(data: bytes, type_: type[Message]) -> None:
    with Bundle(io.BytesIO(data), BUNDLE_LIMITS) as bundle:
        check_bundle(bundle)


def _skip(_: StreamError) -> None:
    """Continue with the next record."""


DECODERS: dict[str, Decode] = {
    **{name: _document(name) for name in FORMATS},
    "delimited": _delimited,
    "jsonl": _jsonl,
    "crucible-jsonl": _crucible_jsonl,
    "bundle": _bundle,
}


def check(name: str, data: bytes, *, measured: bool = False) -> None:
    """Run a decoder on an input: the first byte selects the type, and the rest is the document.

    Raises:
        OverBoundError: The decoder took too much time or, if it was measured, memory.
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
            format_ = document_format_of(path.name)
        except ir.Error:
            continue
        for index, type_ in enumerate(TYPES):
            try:
                message = format_.read(path.read_bytes(), type_, False)
                yield bytes([index]) + _written(name, message)
            except ir.Error:
                continue


def _written(name: str, message: Message) -> bytes:
    if name == "bundle":
        documents = DocumentSet()
        documents.add(message)
        write_bundle(stream := io.BytesIO(), documents)
        return stream.getvalue()
    if name in FORMATS:
        return FORMATS[name].write(message, None)
    stream = io.BytesIO()
    if name == "delimited":
        ir.write_delimited(stream, [message, message])
    else:
        dialect: JsonDialect = "crucible" if name == "crucible-jsonl" else "protojson"
        ir.write_jsonl(stream, [message, message], dialect=dialect)
    return stream.getvalue()
