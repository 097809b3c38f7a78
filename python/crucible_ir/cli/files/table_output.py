"""Conversion of streams into tables: one file, or a folder of parts with a manifest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from crucible_ir.bulk.table_formats import table_format_of
from crucible_ir.cli.files.inputs import (
    STANDARD,
    InputFile,
    any_format_for,
    input_files,
)
from crucible_ir.cli.files.outputs import check_overwriting, open_output
from crucible_ir.cli.files.stream_reader import RecordStream, error_lines, open_records
from crucible_ir.cli.progress import JobProgress
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, print_error, with_options
from crucible_ir.errors import EncodeError
from crucible_ir.extras import MissingExtraError
from crucible_ir.serialization.streams.formats import STREAM_FORMATS, StreamFormat
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from crucible_ir.bulk.jobs.conversion import Report
    from crucible_ir.bulk.jobs.finishing import JobResult
    from crucible_ir.bulk.jobs.parts import PartRecord
    from crucible_ir.bulk.jobs.pieces import Piece
    from crucible_ir.bulk.jobs.plan import JobOptions, Plan
    from crucible_ir.cli.files.stream_conversion import ConversionOptions
    from crucible_ir.serialization.streams.bulk import StreamFormatName

#: The most violations of skipped records that are printed; the others are counted.
_MAX_PRINTED: Final = 20


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The options of a conversion into a table.

    Attributes:
        table_format: ``parquet`` or ``arrow``.
        raw: Whether there is a column ``raw`` with the bytes of each message.
        part_bytes: The uncompressed bytes of input for each part; ``None`` for the default.
        row_group_rows: The most rows of a row group; ``None`` for the default.
        jobs: The number of processes.
    """

    table_format: str
    raw: bool
    part_bytes: int | None
    row_group_rows: int | None
    jobs: int


def write_tables(
    options: ConversionOptions, table: TableOptions, arguments: Sequence[str], target: str
) -> int:
    """Convert streams into a table, and return the exit status.

    The target is one file if it has the extension of a table, else a folder.

    Raises:
        CannotRunError: An input cannot be read, or the target cannot be written.
    """
    sources = list(_streams(options, arguments))
    try:
        if table_format_of(target) is not None:
            if len(sources) != 1:
                raise CannotRunError(
                    f"{target}: is one file for {len(sources)} inputs: give a folder"
                )
            if table.jobs != 1 or table.part_bytes is not None:
                raise CannotRunError(f"{target}: --jobs and --part-bytes need a folder")
            return _TableFile(options, table, sources[0]).write(target)
        return _run_job(options, table, sources, target)
    except MissingExtraError as error:
        raise CannotRunError(str(error)) from None


def _streams(options: ConversionOptions, arguments: Sequence[str]) -> Sequence[InputFile]:
    """Return the inputs; in a folder, documents and the other files of a result are skipped."""
    found = []
    for source in input_files(arguments, options.read_options):
        if source.name not in arguments and os.path.basename(source.name).startswith("_"):
            print_error(f"{source.name}: skipped: its name begins with an underscore")
            continue
        try:
            format_ = any_format_for(source, options.read_options)
        except CannotRunError as error:
            raise CannotRunError(f"{source.name}: {error}") from None
        if isinstance(format_, StreamFormat):
            found.append(source)
        elif source.name in arguments:
            streams = ", ".join(STREAM_FORMATS)
            raise CannotRunError(
                f"{source.name}: {format_.name} is a format of documents; expected a stream:"
                f" {streams}"
            )
        else:
            print_error(f"{source.name}: skipped: a document")
    if not found:
        raise CannotRunError(f"{arguments[0]}: has no streams")
    return found


def _job_options(options: ConversionOptions, table: TableOptions, type_name: str) -> JobOptions:
    from crucible_ir.bulk.jobs.plan import PART_BYTES, ROW_GROUP_ROWS, JobOptions

    return JobOptions(
        type_name,
        table.table_format,
        raw=table.raw,
        validate=options.validate,
        part_bytes=table.part_bytes or PART_BYTES,
        row_group_rows=table.row_group_rows or ROW_GROUP_ROWS,
        limits=options.read_options.limits,
    )


def _run_job(
    options: ConversionOptions, table: TableOptions, sources: Sequence[InputFile], target: str
) -> int:
    from crucible_ir.bulk.jobs.plan import make_plan
    from crucible_ir.bulk.jobs.running import run_job

    if any(source.name == STANDARD for source in sources):
        raise CannotRunError(
            "standard input cannot be read again to continue: write it to a file, or give one"
            f" output with the extension .{table.table_format}"
        )
    job_options = _job_options(options, table, _type_name(options, sources))
    try:
        plan = make_plan(
            [source.name for source in sources],
            job_options,
            format_name=options.read_options.format_name,
        )
    except EncodeError as error:
        raise CannotRunError(f"{error}: omit --raw") from None
    try:
        with closing(_Progress(is_wanted=not options.quiet)) as progress:
            result = run_job(
                plan, target, jobs=table.jobs, force=options.force, begin=progress.begin
            )
    except KeyboardInterrupt:
        command = "the same command without --force" if options.force else "the same command"
        print_error(f"{target}: stopped: {command} continues")
        raise
    for reason in result.errors:
        print_error(with_options(reason))
    if result.errors:
        print_error(f"{target}: not complete: the records before the errors are in the parts")
        return INVALID
    if not options.quiet:
        for line in _summary(result, target, job_options):
            print_error(f"{target}: {line}")
    return INVALID if result.bad else GOOD


def _summary(result: JobResult, target: str, options: JobOptions) -> Iterator[str]:
    """Yield the lines about a complete result."""
    before = "" if result.is_new else "up to date: "
    bad = f", {result.bad:,} of them bad" if result.bad else ""
    yield f"{before}{_counted(result.records, 'record')} in {_counted(result.parts, 'part')}{bad}"
    for rule_id, count in sorted(result.violations.items(), key=lambda item: (-item[1], item[0])):
        yield f"{rule_id} {count:,}"
    for name in result.quarantines:
        path = os.path.join(target, name)
        yield (
            f"the bad records are in {path}: mend them, and run `crucible-ir convert --to"
            f" {options.table_format} --type {options.type_name} {path} FOLDER`"
        )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _type_name(options: ConversionOptions, sources: Sequence[InputFile]) -> str:
    """Return the name of the type: that of ``--type``, or of the first record of all."""
    if options.read_options.type_name is not None:
        return options.read_options.type_name
    for source in sources:
        format_ = any_format_for(source, options.read_options)
        assert isinstance(format_, StreamFormat)
        try:
            with open_records(source, format_, options.read_options) as records:
                if records.type_ is not None:
                    name: str = records.type_.DESCRIPTOR.name
                    return name
        except CannotRunError as error:
            raise CannotRunError(f"{source.name}: {error}") from None
    raise CannotRunError("the message type is unknown, since all inputs are empty; give --type")


class _Progress:
    """The progress of a job on the terminal."""

    def __init__(self, *, is_wanted: bool) -> None:
        self._is_wanted = is_wanted
        self._line: JobProgress | None = None

    def begin(self, plan: Plan, finished: Mapping[Piece, PartRecord]) -> Report:
        total = sum(each.bytes for each in plan.inputs)
        done = sum(
            record.range[1] - record.range[0]
            for piece, record in finished.items()
            if not plan.inputs[piece.input].is_compressed
        )
        self._line = JobProgress(total - done, is_wanted=self._is_wanted)
        return self._line.add

    def close(self) -> None:
        if self._line is not None:
            self._line.clear()


class _TableFile:
    """The conversion of one stream into one file."""

    def __init__(self, options: ConversionOptions, table: TableOptions, source: InputFile) -> None:
        self._options = options
        self._table = table
        self._source = source
        self._printed = 0

    def write(self, target: str) -> int:
        """Write the file, and return the exit status."""
        options = self._options
        check_overwriting([target], force=options.force)
        format_ = any_format_for(self._source, options.read_options)
        assert isinstance(format_, StreamFormat)
        with open_records(self._source, format_, options.read_options) as records:
            try:
                self._write(records, target)
            except StreamError as error:
                records.progress.clear()
                for line in error_lines(self._source.name, error):
                    print_error(line)
                return INVALID
            except _BadRecordError:
                return INVALID
            count = records.count
            if not count.skipped:
                return GOOD
            if not options.quiet:
                total = count.records + count.skipped
                print_error(f"{self._source.name}: skipped {count.skipped} of {total} records")
            return INVALID

    def _write(self, records: RecordStream, target: str) -> None:
        from crucible_ir.bulk.jobs.conversion import check_chunk
        from crucible_ir.bulk.jobs.lines import split_records
        from crucible_ir.bulk.jobs.records import chunks_of
        from crucible_ir.bulk.jobs.table_files import TableWriter
        from crucible_ir.bulk.schemas import arrow_schema

        if records.type_ is None:
            raise CannotRunError(f"{self._source.name}: is empty; give --type")
        job = _job_options(self._options, self._table, records.type_.DESCRIPTOR.name)
        format_name = cast("StreamFormatName", records.format_.name)
        schema = arrow_schema(records.type_, raw=job.raw, complete=True)
        with (
            open_output(target, force=self._options.force) as file,
            TableWriter(file, schema, job.table_format, job.row_group_rows) as writer,
        ):
            for chunk in chunks_of(split_records(records.format_, records.source, job.limits)):
                checked = check_chunk(job, self._source.name, format_name, chunk)
                if checked.bad:
                    self._reject(checked.violations, records)
                writer.add(checked.good, chunk.size)
                records.count.records += len(checked.good)
                records.count.skipped += chunk.records - len(checked.good)
                records.count.bytes += chunk.size
                records.progress.show(records.count, chunk.records)

    def _reject(self, violations: Any, records: RecordStream) -> None:
        """Print violations.

        Raises:
            _BadRecordError: Bad records are not skipped.
        """
        records.progress.clear()
        rows = violations.to_pylist()
        if not self._options.skip_bad:
            rows = [row for row in rows if row["record"] == rows[0]["record"]]
        for row in rows:
            self._printed += 1
            if self._printed <= _MAX_PRINTED:
                print_error(_violation_line(row))
        if self._printed > _MAX_PRINTED >= self._printed - len(rows):
            print_error(f"{self._source.name}: further violations are not printed")
        if not self._options.skip_bad:
            raise _BadRecordError


class _BadRecordError(Exception):
    """A record is bad, and was printed."""


def _violation_line(row: dict[str, Any]) -> str:
    place = f"record {row['record']}" if row["line"] is None else f"{row['line']}"
    path = f"{row['path']}: " if row["path"] else ""
    return f"{row['source']}:{place}: {path}{row['message']} [{row['rule_id']}]"
