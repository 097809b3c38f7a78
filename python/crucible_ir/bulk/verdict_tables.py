"""Tables of records, and of their messages and violations side by side.

Engines that move tables between machines use them: one row is one record, wherever it goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.jobs.plan import JobError
from crucible_ir.bulk.jobs.records import read_pieces
from crucible_ir.bulk.kernel import check_records
from crucible_ir.bulk.violations import encodable
from crucible_ir.extras import optional_module

if TYPE_CHECKING:
    from crucible_ir.bulk.jobs.pieces import Piece
    from crucible_ir.bulk.jobs.plan import JobOptions, Plan
    from crucible_ir.bulk.jobs.records import Chunk

compute: Any = optional_module("pyarrow.compute", "arrow")

#: The columns that say where a record is.
PLACES: Final = (
    pa.field("source", pa.string(), nullable=False),
    pa.field("piece", pa.int32(), nullable=False),
    pa.field("record", pa.int64(), nullable=False),
    pa.field("offset", pa.int64(), nullable=False),
)
#: The schema of records. The number of a record is counted in its piece, from 0. The bytes are null
#: if they are over the limit.
RECORDS: Final = pa.schema(
    [*PLACES, pa.field("format", pa.string(), nullable=False), pa.field("data", pa.binary())]
)

#: The columns of a violation beside its place.
_FOUND: Final = ("path", "rule_id", "message", "value")
#: The most records that the kernel gets at a time.
_BATCH_ROWS: Final = 8192


def record_tables(plan: Plan, piece: Piece) -> Iterator[Any]:
    """Yield the records of a piece, or of all pieces of a compressed input, as tables.

    Raises:
        JobError: The input is truncated or corrupt; the records before that were yielded.
        OSError: The input cannot be read.
    """
    source = plan.inputs[piece.input]
    for records in read_pieces(plan, piece):
        for chunk in records.chunks():
            batch = chunk.batch()
            columns = {
                "source": pa.repeat(pa.scalar(encodable(source.name)), len(batch)),
                "piece": pa.repeat(pa.scalar(records.piece.number, pa.int32()), len(batch)),
                "record": batch.column("record"),
                "offset": pa.array(_offsets(chunk), pa.int64()),
                "format": pa.repeat(pa.scalar(source.format_name), len(batch)),
                "data": batch.column("data"),
            }
            yield pa.Table.from_pydict(columns, RECORDS)
        if records.error is not None:
            raise JobError(f"{source.name}: {records.error}")


def _offsets(chunk: Chunk) -> Iterator[int]:
    for batch in chunk.batches:
        ends = batch.ends()
        yield batch.base + batch.start
        yield from (batch.base + end for end in ends[:-1])


def checked_table(options: JobOptions, records: Any) -> Any:
    """Return a table with a row for each record: its place, and its message or its violations.

    The column ``message`` is a struct, null for a bad record; ``violations`` is a list, empty for a
    good one; ``data`` has the bytes of a bad record.
    """
    batches = []
    for batch in records.to_batches(_BATCH_ROWS):
        for format_name in batch.column("format").unique().to_pylist():
            same = batch.filter(compute.equal(batch.column("format"), format_name))
            # Numbers of their own: the records of two pieces can have the same.
            numbers = pa.array(range(len(same)), pa.int64())
            good, violations = check_records(
                pa.record_batch({"record": numbers, "data": same.column("data")}),
                options.type_,
                format=format_name,
                validate=options.validate,
                raw=options.raw,
                limits=options.limits,
            )
            batches.append(_joined(same, good, violations))
    return pa.Table.from_batches(batches)


def _joined(records: Any, good: Any, violations: Any) -> Any:
    counts = [0] * len(records)
    for number in violations.column("record").to_pylist():
        counts[number] += 1
    messages = good.to_struct_array()
    data = pa.nulls(len(records), pa.binary())
    if len(violations):
        rows = iter(range(len(good)))
        indexes = [None if count else next(rows) for count in counts]
        messages = messages.take(pa.array(indexes, pa.int64()))
        is_bad = pa.array([count > 0 for count in counts])
        data = compute.if_else(is_bad, records.column("data"), data)
    offsets = pa.array([0, *accumulate(counts)], pa.int32())
    found = violations.select(list(_FOUND)).to_struct_array()
    columns = {field.name: records.column(field.name) for field in PLACES}
    columns |= {"message": messages, "violations": pa.ListArray.from_arrays(offsets, found)}
    return pa.record_batch({**columns, "data": data})


def messages_table(checked: Any) -> Any:
    """Return the messages of a table of `checked_table`, in the columns of `arrow_schema`."""
    column = checked.column("message")
    good = column.filter(column.is_valid())
    return pa.Table.from_arrays(good.flatten(), schema=pa.schema(list(column.type)))


def violations_table(checked: Any) -> Any:
    """Return the violations of a table of `checked_table`, with the place of each record."""
    column = checked.column("violations")
    parents = compute.list_parent_indices(column)
    columns = {field.name: checked.column(field.name).take(parents) for field in PLACES}
    found = compute.list_flatten(column).flatten()
    return pa.table(columns | dict(zip(_FOUND, found, strict=True)))
