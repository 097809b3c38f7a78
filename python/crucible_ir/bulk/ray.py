"""Ray Data: streams as datasets, and their conversion to tables on a cluster.

The machines of the cluster need the inputs, and `write_ir` also the folder of the result, on a file
system that all of them have, under the same names.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.jobs.pieces import piece_count, pieces_of
from crucible_ir.bulk.jobs.plan import (
    PART_BYTES,
    ROW_GROUP_ROWS,
    JobError,
    JobOptions,
    make_plan,
)
from crucible_ir.bulk.jobs.running import run_job
from crucible_ir.bulk.jobs.tasks import PieceTask, piece_table, report_parts
from crucible_ir.bulk.verdict_tables import (
    RECORDS,
    checked_table,
    messages_table,
    record_tables,
    violations_table,
)
from crucible_ir.extras import optional_module
from crucible_ir.schema.types import descriptor_of, message_type
from crucible_ir.serialization.limits import Limits

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.bulk.jobs.conversion import Report
    from crucible_ir.bulk.jobs.finishing import JobResult
    from crucible_ir.bulk.jobs.folder import JobFolder
    from crucible_ir.bulk.jobs.pieces import Piece
    from crucible_ir.bulk.jobs.plan import Plan
    from crucible_ir.serialization.streams.bulk import StreamFormatName

#: A `ray.data.Dataset`.
Dataset: TypeAlias = Any

#: The plans of the datasets that `read_ir` and `validate` returned.
_plans: WeakKeyDictionary[Dataset, Plan] = WeakKeyDictionary()


def read_ir(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    type: str | type[Message],
    *,
    format: StreamFormatName | None = None,
    limits: Limits | None = None,
    part_bytes: int = PART_BYTES,
) -> Dataset:
    """Return the records of streams as a dataset of Ray, for `validate` and `write_ir`.

    Each row is a record. The columns are ``source`` (its file), ``piece`` (the number of its piece
    of the file), ``record`` (its number in the piece, from 0), ``offset`` (in the uncompressed
    stream), ``format``, and ``data`` (its bytes; null if they are over the limit).

    Args:
        paths: The files.
        type: The class of the messages or its name.
        format: The format of the streams; by default that of each file's extension.
        limits: The limits on records, their messages and compression.
        part_bytes: The uncompressed bytes of a piece, which one task reads. One task reads all
            pieces of a compressed file.

    Raises:
        JobError: A file cannot be read, or is not a stream.
        MissingExtraError: Ray or pyarrow is not installed.
    """
    data = optional_module("ray.data", "ray")
    names = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    options = JobOptions(
        descriptor_of(message_type(type)).name,
        validate=False,
        part_bytes=part_bytes,
        limits=limits or Limits(),
    )
    # Workers have other current folders.
    plan = make_plan([os.path.abspath(name) for name in names], options, format_name=format)
    dataset = data.read_datasource(_datasource(plan), override_num_blocks=_piece_count(plan))
    _plans[dataset] = plan
    return dataset


def _piece_count(plan: Plan) -> int:
    part_bytes = plan.options.part_bytes
    sizes = [0 if each.is_compressed else each.bytes for each in plan.inputs]
    return max(1, sum(piece_count(size, part_bytes) for size in sizes))


def _datasource(plan: Plan) -> Any:
    datasource = optional_module("ray.data.datasource", "ray")
    metadata = optional_module("ray.data.block", "ray").BlockMetadata

    base: Any = datasource.Datasource

    class IrDatasource(base):  # type: ignore[misc]
        """Reads one piece in each task."""

        def estimate_inmemory_data_size(self) -> int:
            return sum(each.bytes for each in plan.inputs)

        def get_read_tasks(
            self,
            parallelism: int,
            per_task_row_limit: int | None = None,
            data_context: Any = None,
        ) -> list[Any]:
            return [
                datasource.ReadTask(
                    partial(record_tables, plan, piece),
                    metadata(
                        num_rows=None,
                        size_bytes=None,
                        input_files=[plan.inputs[piece.input].name],
                        exec_stats=None,
                    ),
                    schema=RECORDS,
                    per_task_row_limit=per_task_row_limit,
                )
                # Only now: `write_ir` needs no tasks, and to find the pieces of a delimited stream,
                # the sizes of all its records are read.
                for index in range(len(plan.inputs))
                for piece in pieces_of(plan, index)
            ]

    return IrDatasource()


def validate(dataset: Dataset, *, raw: bool = False) -> Dataset:
    """Return a dataset with the message of each record of `read_ir`, or with its violations.

    The columns are ``source``, ``piece``, ``record`` and ``offset``, as before; ``message``, a
    struct with the columns of ``arrow_schema(type, complete=True)``, null for a bad record;
    ``violations``, a list, empty for a good record; and ``data``, the bytes of a bad record.
    `messages` and `violations` return them as datasets of their own.

    Args:
        dataset: A dataset of `read_ir`.
        raw: Whether messages have a column ``raw`` with their bytes, which keeps unknown fields.

    Raises:
        ValueError: The dataset is another one.
    """
    plan = _plan_of(dataset)
    plan = replace(plan, options=replace(plan.options, validate=True, raw=raw))
    checked = _mapped(dataset, partial(checked_table, plan.options))
    _plans[checked] = plan
    return checked


def _mapped(dataset: Dataset, function: Any) -> Dataset:
    return dataset.map_batches(function, batch_size=None, batch_format="pyarrow")


def _plan_of(dataset: Dataset) -> Plan:
    plan = next((plan for known, plan in _plans.items() if known is dataset), None)
    if plan is None:
        raise ValueError(
            "expected a dataset that read_ir or validate returned, unchanged; write the rows of"
            " another one with its own methods"
        )
    return plan


def messages(dataset: Dataset) -> Dataset:
    """Return the messages of a dataset of `validate`, in the columns of `arrow_schema`."""
    return _mapped(dataset, messages_table)


def violations(dataset: Dataset) -> Dataset:
    """Return the violations of a dataset of `validate`, each with the place of its record."""
    return _mapped(dataset, violations_table)


def write_ir(
    dataset: Dataset,
    folder: str | os.PathLike[str],
    *,
    to: str = "parquet",
    row_group_rows: int = ROW_GROUP_ROWS,
    force: bool = False,
    concurrency: int | None = None,
) -> JobResult:
    """Convert the streams of a dataset into the parts of a table, as `crucible-ir convert` does.

    The files of the result, their names and the manifest are the same. Each task reads, checks and
    writes one piece, so that no record passes through the object store of Ray. If a run was
    stopped, the next one keeps the parts that it finished.

    Args:
        dataset: A dataset of `validate`; or of `read_ir`, to check no rules.
        folder: The folder for the result.
        to: ``parquet`` or ``arrow``.
        row_group_rows: The most rows of a row group.
        force: Whether to replace the result of another run.
        concurrency: The most tasks at a time; by default, as many as Ray has CPUs.

    Raises:
        ValueError: The dataset is another one.
        JobError: The folder has the result of another run, another run writes to it, an input or
            the folder cannot be read or written, or workers end unexpectedly.
    """
    plan = _plan_of(dataset)
    options = replace(plan.options, table_format=to, row_group_rows=row_group_rows)
    return run_job(
        replace(plan, options=options),
        os.path.abspath(folder),
        force=force,
        runner=partial(_run, concurrency),
    )


def _run(
    concurrency: int | None,
    plan: Plan,
    folder: JobFolder,
    pieces: Iterator[Piece],
    finished: Collection[Piece],
    report: Report,
) -> None:
    """Convert pieces in tasks of Ray."""
    data = optional_module("ray.data", "ray")
    errors = optional_module("ray.exceptions", "ray")
    rows = piece_table(pieces).to_pylist()
    if not rows:
        return
    task = PieceTask(plan, folder, frozenset(finished))
    parts = data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        partial(_convert, task), batch_size=None, batch_format="pyarrow", concurrency=concurrency
    )
    try:
        report_parts(parts.iter_rows(), report)
    except errors.RayError as error:
        reason = next(iter(str(error).split("\n")))
        raise JobError(f"Ray stopped the job, which can be continued: {reason}") from error


def _convert(task: PieceTask, pieces: Any) -> Any:
    return pa.Table.from_batches(task(pieces.to_batches()))
