"""The conversion of one piece of an input into a part."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from crucible_ir.bulk.jobs.parts import PartRecord, PartWriter
from crucible_ir.bulk.jobs.records import read_pieces
from crucible_ir.bulk.kernel import kernel_of
from crucible_ir.bulk.schemas import arrow_schema, widened
from crucible_ir.bulk.violations import Place, violations_batch
from crucible_ir.serialization.streams.compression import open_source
from crucible_ir.serialization.streams.formats import STREAM_FORMATS
from crucible_ir.serialization.wire import encode_varint

if TYPE_CHECKING:
    from crucible_ir.bulk.jobs.folder import JobFolder
    from crucible_ir.bulk.jobs.pieces import Piece
    from crucible_ir.bulk.jobs.plan import JobInput, JobOptions, Plan
    from crucible_ir.bulk.jobs.records import Chunk
    from crucible_ir.serialization.streams.bulk import StreamFormatName
    from crucible_ir.serialization.streams.records import StreamError

#: The bytes of a record that are copied at a time.
_BLOCK_BYTES: Final = 1024 * 1024

#: Called with the number of records that were converted since the last call, and of bytes of files
#: that were read.
Report = Callable[[int, int], None]


class CheckedChunk(NamedTuple):
    """The good rows of a chunk, and its violations.

    Attributes:
        good: The rows, a record batch.
        violations: The violations, a record batch with their places.
        bad: The numbers of the bad records.
    """

    good: Any
    violations: Any
    bad: list[int]


def convert_pieces(
    folder: JobFolder,
    plan: Plan,
    piece: Piece,
    *,
    finished: Collection[Piece] = (),
    report: Report | None = None,
) -> Iterator[PartRecord]:
    """Convert a piece of an uncompressed input, or all pieces of a compressed one.

    Args:
        folder: The folder of the job.
        plan: The plan of the job.
        piece: The piece.
        finished: The pieces of a compressed input whose parts are finished.
        report: Called after each chunk.

    Yields:
        The records of the parts that were written.

    Raises:
        OSError: The input cannot be read, or the part cannot be written.
        MissingExtraError: The package for the compression is not installed.
    """
    source = plan.inputs[piece.input]
    for records in read_pieces(plan, piece):
        chunks = _named(records.chunks(), source.name)
        if records.piece in finished:
            for chunk in chunks:
                if report is not None:
                    report(0, chunk.file_bytes)
            continue
        with PartWriter(folder, plan, records.piece) as part:
            for chunk in chunks:
                _convert(plan, source, chunk, part)
                if report is not None:
                    report(chunk.records, chunk.file_bytes)
            record = part.close(
                records.records,
                records.range(),
                is_last=records.is_last,
                error=_reason(records.error),
            )
        yield record


def _named(chunks: Iterator[Chunk], name: str) -> Iterator[Chunk]:
    """Yield chunks; an error of the operating system gets the name of the input."""
    try:
        yield from chunks
    except OSError as error:
        error.filename = error.filename or name
        raise


def _reason(error: StreamError | None) -> str:
    """Return an error without the number of its record, which is not known in a piece."""
    return "" if error is None else f"at byte {error.offset}: {error.reason}"


def _convert(plan: Plan, source: JobInput, chunk: Chunk, part: PartWriter) -> None:
    checked = check_chunk(plan.options, source.name, source.format_name, chunk)
    part.add(checked.good, chunk.size)
    if checked.bad:
        part.reject(checked.violations, len(checked.bad))
        write_records(source, chunk, checked.bad, part.quarantine())


def check_chunk(
    options: JobOptions, name: str, format_name: StreamFormatName, chunk: Chunk
) -> CheckedChunk:
    """Check the records of a chunk.

    Args:
        options: The options of the job.
        name: The name of the input.
        format_name: The name of its stream format.
        chunk: The records.
    """
    kernel = kernel_of(
        options.type_,
        STREAM_FORMATS[format_name],
        validate=options.validate,
        raw=options.raw,
        limits=options.limits,
    )
    good, errors = kernel.rows(chunk.record_list())
    good = widened(good, arrow_schema(options.type_, raw=options.raw, complete=True))
    numbers = [chunk.first + index for index in errors]
    places = []
    for number in numbers:
        place = chunk.place(number)
        places.append(Place(name, number, place.line, place.offset))
    violations = violations_batch(zip(places, errors.values(), strict=True))
    return CheckedChunk(good, violations, numbers)


def write_records(source: JobInput, chunk: Chunk, numbers: list[int], target: IO[bytes]) -> None:
    """Write records of a chunk of an input as they are in it."""
    for number in numbers:
        data = chunk.data(number)
        if data is None:
            place = chunk.place(number)
            _copy(source, place.offset, place.end, target)
        else:
            target.write(framed(source.format_name, data))


def framed(format_name: str, data: bytes) -> bytes:
    """Return a record with its frame: its size before it, or a line break after it."""
    if format_name == "delimited":
        return encode_varint(len(data)) + data
    return data + b"\n"


def _copy(source: JobInput, start: int, end: int, target: IO[bytes]) -> None:
    """Copy a record that is over a limit, for which memory may not suffice."""
    with open_source(source.name) as opened:
        at = 0
        last = b""
        while at < end and (data := opened.read(min(_BLOCK_BYTES, end - at))):
            last = data[max(start - at, 0) :]
            target.write(last)
            at += len(data)
    if source.format_.record.is_text and not last.endswith(b"\n"):
        target.write(b"\n")
