"""What engines of clusters call: tasks that convert pieces, and tables of checked records."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bulk.cluster.inputs import (
    BAD_BYTES,
    BAD_LINES,
    Inputs,
    contents,
    manifest,
    write_inputs,
)

from crucible_ir.bulk import ray as on_ray
from crucible_ir.bulk.jobs.conversion import Report
from crucible_ir.bulk.jobs.folder import JobFolder
from crucible_ir.bulk.jobs.pieces import Piece, pieces_of
from crucible_ir.bulk.jobs.plan import JobError, JobOptions, Plan, make_plan
from crucible_ir.bulk.jobs.running import run_job
from crucible_ir.bulk.jobs.tasks import PieceTask, piece_table, report_parts
from crucible_ir.bulk.verdict_tables import (
    checked_table,
    messages_table,
    record_tables,
    violations_table,
)
from crucible_ir.extras import MissingExtraError


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return write_inputs(tmp_path_factory.mktemp("inputs"), small=20)


@pytest.fixture(scope="module")
def plan(inputs: Inputs) -> Plan:
    options = JobOptions("FeedbackEvent", part_bytes=32 * 1024)
    return make_plan(list(map(str, inputs.paths)), options)


@pytest.fixture(scope="module")
def expected(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("expected") / "result"
    run_job(plan, folder)
    return folder


def run(
    plan: Plan,
    folder: JobFolder,
    pieces: Iterator[Piece],
    finished: Collection[Piece],
    report: Report,
    attempts: int = 5,
) -> None:
    """Run the tasks in this process, each twice, as an engine may."""
    task = PieceTask(plan, folder, frozenset(finished), attempts)
    for batch in piece_table(pieces).to_batches(max_chunksize=1):
        for _ in range(2):
            for parts in task([batch]):
                report_parts(parts.to_pylist(), report)


def test_tasks_make_the_result_of_one_process(
    plan: Plan, inputs: Inputs, expected: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "result"
    result = run_job(plan, folder, runner=run)
    assert (result.records, result.bad) == (len(inputs.ids) + inputs.bad, inputs.bad)
    parts = sorted(folder.glob("part-*.parquet"))
    assert [id_ for part in parts for id_ in pq.read_table(part)["id"].to_pylist()] == inputs.ids
    assert contents(folder) == contents(expected)
    assert manifest(folder) == manifest(expected)


def test_a_piece_whose_process_always_ends_stops_the_job(
    plan: Plan, tmp_path: Path, expected: Path
) -> None:
    folder = tmp_path / "result"

    def killed(
        plan: Plan,
        folder: JobFolder,
        pieces: Iterator[Piece],
        finished: Collection[Piece],
        report: Report,
    ) -> None:
        (folder.progress / "part-00002-00001.attempts.tmp").write_bytes(b"xx")
        run(plan, folder, pieces, finished, report, attempts=2)

    message = "c.jsonl: the process for part-00002-00001 ended unexpectedly 2 times"
    with pytest.raises(JobError, match=message):
        run_job(plan, folder, runner=killed)
    run_job(plan, folder, runner=partial(run, attempts=2))
    assert contents(folder) == contents(expected)


def test_a_task_reports_what_cannot_be_read_or_written(plan: Plan, tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "result")
    missing = replace(plan, inputs=(replace(plan.inputs[0], name=str(tmp_path / "missing.jsonl")),))
    folder.progress.mkdir(parents=True)
    [batch] = PieceTask(missing, folder, frozenset())(piece_table([Piece(0)]).to_batches())
    reason = "missing.jsonl: no such file or directory"
    assert batch["error"].to_pylist() == [f"{tmp_path}/{reason}"]


def test_a_row_has_the_message_or_the_violations_of_its_record(
    plan: Plan, inputs: Inputs, expected: Path
) -> None:
    records = [
        table
        for index in range(len(plan.inputs))
        for piece in pieces_of(plan, index)
        for table in record_tables(plan, piece)
    ]
    # Whatever an engine does with the rows: here, one table with the records of all inputs.
    checked = checked_table(plan.options, pa.concat_tables(records).combine_chunks())
    parts = pq.read_table(expected)
    messages = messages_table(checked).sort_by("id")
    assert messages.cast(parts.schema).equals(parts.sort_by("id"))
    found = violations_table(checked).sort_by([("source", "ascending"), ("offset", "ascending")])
    local = pq.read_table(expected / "_violations.parquet")
    local = local.sort_by([("source", "ascending"), ("offset", "ascending")])
    for name in ["source", "offset", "path", "rule_id", "message", "value"]:
        assert found[name].to_pylist() == local[name].to_pylist()
    bad = checked.filter(checked["message"].is_null())
    assert sorted(bad["data"].to_pylist()) == sorted(BAD_LINES * 3 + BAD_BYTES)
    assert checked["data"].null_count == len(inputs.ids)


def test_without_ray_the_error_names_the_extra(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'crucible-ir\[ray\]'"):
        on_ray.read_ir(tmp_path / "a.jsonl", "FeedbackEvent")
    with pytest.raises(ValueError, match="expected a dataset that read_ir or validate returned"):
        on_ray.write_ir([], tmp_path / "result")


def test_records_before_a_truncated_one_are_yielded(tmp_path: Path) -> None:
    path = tmp_path / "cut.binpbs"
    path.write_bytes(b"\x03\x0a\x01a\x7f\x0a")
    plan = make_plan([str(path)], JobOptions("FeedbackEvent"))
    tables = record_tables(plan, Piece(0))
    assert next(tables)["data"].to_pylist() == [b"\x0a\x01a"]
    with pytest.raises(JobError, match=r"cut\.binpbs: record 1 at byte 4"):
        next(tables)
