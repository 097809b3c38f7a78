"""The end of a job: the violations and bad records of all parts, and the manifest."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.bulk.contents import pa
from crucible_ir.bulk.jobs.folder import (
    QUARANTINE,
    VIOLATIONS,
    read_json,
    replacing,
    unreadable,
    write_json,
)
from crucible_ir.bulk.jobs.parts import PartFiles, PartRecord, part_records
from crucible_ir.bulk.jobs.plan import ROW_GROUP_ROWS, JobError
from crucible_ir.bulk.jobs.table_files import TableWriter
from crucible_ir.bulk.kernel import VIOLATIONS as VIOLATIONS_SCHEMA
from crucible_ir.extras import optional_module

if TYPE_CHECKING:
    from crucible_ir.bulk.jobs.folder import JobFolder
    from crucible_ir.bulk.jobs.pieces import Piece
    from crucible_ir.bulk.jobs.plan import Plan

#: The version of the structure of manifests.
MANIFEST_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class JobResult:
    """The result of a job.

    Attributes:
        records: The number of records, the bad ones included.
        bad: The number of bad records.
        parts: The number of parts.
        errors: The errors of the inputs that could not be read to their end. If there are any, the
            result is not complete, and there is no manifest.
        is_new: Whether this run made it; ``False`` if it was complete before.
        violations: The number of violations by rule id.
        quarantines: The names of the files with the bad records.
    """

    records: int
    bad: int
    parts: int
    errors: tuple[str, ...] = ()
    is_new: bool = True
    violations: dict[str, int] = field(default_factory=dict)
    quarantines: tuple[str, ...] = ()


def result_before(folder: JobFolder) -> JobResult:
    """Return the result of a complete job.

    Raises:
        JobError: The manifest is not as this release writes it, or a part is not as the manifest
            says.
        OSError: A file cannot be read.
    """
    try:
        manifest = read_json(folder.manifest)
        if manifest["format"] != MANIFEST_VERSION:
            raise ValueError("another version")
        parts = {str(each["name"]): _count(each["bytes"]) for each in manifest["parts"]}
        result = JobResult(
            sum(_count(each["records"]) for each in manifest["inputs"]),
            sum(_count(each["bad"]) for each in manifest["inputs"]),
            len(parts),
            is_new=False,
            violations={str(name): _count(n) for name, n in manifest["violations"].items()},
            quarantines=tuple(folder.quarantines()),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise unreadable(folder.manifest) from None
    for name, size in parts.items():
        path = folder.path / name
        if not path.is_file() or path.stat().st_size != size:
            raise JobError(
                f"{path}: is missing or has changed since it was written; give --force to replace"
                " the result"
            )
    return result


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def missing_inputs(plan: Plan, records: Mapping[Piece, PartRecord]) -> list[int]:
    """Return the inputs of which parts are missing."""
    ends = dict.fromkeys(range(len(plan.inputs)), -1)
    counts: Counter[int] = Counter()
    for piece, record in records.items():
        counts[piece.input] += 1
        if record.is_last:
            ends[piece.input] = piece.number
    return [index for index, end in ends.items() if counts[index] != end + 1 or end < 0]


def finish(folder: JobFolder, plan: Plan) -> JobResult:
    """Complete the result of a job all of whose parts were written; it can be repeated.

    Args:
        folder: The folder, whose lock the caller has.
        plan: The plan.

    Raises:
        JobError: An input has changed since the plan was made.
        ValueError: A part is missing.
        OSError: A file cannot be read or written.
    """
    records = part_records(folder)
    if missing := missing_inputs(plan, records):
        raise ValueError(f"a part of {plan.inputs[missing[0]].name} is missing")
    plan.check_inputs()
    _merge_violations(folder, plan, records)
    _merge_quarantine(folder, plan, records)
    errors = tuple(
        f"{plan.inputs[piece.input].name}: record {before + record.records} {record.error}"
        for piece, record, before, _ in _counted(records)
        if record.error
    )
    if not errors:
        write_json(folder.manifest, _manifest(folder, plan, list(records.values())))
        folder.remove_progress()
    return JobResult(
        sum(each.records for each in records.values()),
        sum(each.bad for each in records.values()),
        len(records),
        errors,
        violations=_violations_by_rule(records.values()),
        quarantines=tuple(folder.quarantines()),
    )


def _violations_by_rule(records: Iterable[PartRecord]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for record in records:
        counts.update(record.violations)
    return dict(sorted(counts.items()))


def _merge_violations(folder: JobFolder, plan: Plan, records: Mapping[Piece, PartRecord]) -> None:
    """Write the violations of all parts to one file, with numbers counted in whole inputs."""
    target = folder.path / VIOLATIONS
    if not any(each.bad for each in records.values()):
        target.unlink(missing_ok=True)
        return
    with (
        replacing(target, folder.progress / VIOLATIONS) as file,
        TableWriter(file, VIOLATIONS_SCHEMA, "parquet", ROW_GROUP_ROWS) as writer,
    ):
        for piece, record, before, newlines in _counted(records):
            if not record.bad:
                continue
            with pa.ipc.open_stream(PartFiles(folder, plan, piece.stem).violations) as reader:
                for batch in reader:
                    writer.add(_moved(batch, before, newlines), batch.nbytes)


def _counted(
    records: Mapping[Piece, PartRecord],
) -> Iterator[tuple[Piece, PartRecord, int, int]]:
    """Yield each part with the number of records and of line breaks of its input before it."""
    index = -1
    before = newlines = 0
    for piece, record in records.items():
        if piece.input != index:
            index, before, newlines = piece.input, 0, 0
        yield piece, record, before, newlines
        before += record.records
        newlines += record.newlines


def _moved(batch: Any, records: int, newlines: int) -> Any:
    compute = optional_module("pyarrow.compute", "arrow")
    for name, number in (("record", records), ("line", newlines)):
        index = batch.schema.get_field_index(name)
        moved = compute.add(batch.column(index), number)
        batch = batch.set_column(index, batch.schema.field(index), moved)
    return batch


def _merge_quarantine(folder: JobFolder, plan: Plan, records: Mapping[Piece, PartRecord]) -> None:
    """Write the bad records of all parts to one file for each stream format."""
    bad: dict[str, list[Piece]] = {}
    for piece, record in records.items():
        if record.bad:
            extension = plan.inputs[piece.input].format_.extensions[0]
            bad.setdefault(extension, []).append(piece)
    for name in folder.quarantines():
        (folder.path / name).unlink()
    for extension, pieces in bad.items():
        name = QUARANTINE + extension
        with replacing(folder.path / name, folder.progress / name) as target:
            for piece in pieces:
                with open(PartFiles(folder, plan, piece.stem).quarantine, "rb") as file:
                    shutil.copyfileobj(file, target)


def _manifest(folder: JobFolder, plan: Plan, records: list[PartRecord]) -> dict[str, Any]:
    values = plan.to_json()
    of_inputs: list[list[PartRecord]] = [[] for _ in plan.inputs]
    for record in records:
        of_inputs[record.input].append(record)
    return {
        "format": MANIFEST_VERSION,
        "code_version": values["code_version"],
        "schema_digest": values["schema_digest"],
        "options": values["options"],
        "inputs": [
            {
                "name": source.name,
                "format": source.format_name,
                "bytes": source.bytes,
                **_totals(of_input),
            }
            for source, of_input in zip(plan.inputs, of_inputs, strict=True)
        ],
        "parts": list(map(part_entry, records)),
        "violations": _violations_by_rule(records),
        "times": {
            "started": folder.started(),
            "finished": datetime.now(UTC).isoformat(),
            "inputs_modified": [each.modified for each in plan.inputs],
        },
    }


def part_entry(record: PartRecord) -> dict[str, Any]:
    """Return what the manifest has of a part."""
    return {
        "name": record.name,
        "rows": record.rows,
        "bytes": record.bytes,
        "digest": record.digest,
        "input": record.input,
        "range": list(record.range),
        "range_digest": record.range_digest,
    }


def _totals(records: list[PartRecord]) -> dict[str, int]:
    total = sum(each.records for each in records)
    bad = sum(each.bad for each in records)
    return {"records": total, "good": total - bad, "bad": bad}
