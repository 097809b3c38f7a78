"""Jobs write every good record exactly once, and every bad one beside them."""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import record_streams
from effort import examples
from hypothesis import given, settings
from hypothesis import strategies as st

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.bulk.jobs import finishing
from crucible_ir.bulk.jobs import folder as folders
from crucible_ir.bulk.jobs import lines as job_lines
from crucible_ir.bulk.jobs import records as job_records
from crucible_ir.bulk.jobs.finishing import JobResult
from crucible_ir.bulk.jobs.folder import JobFolder
from crucible_ir.bulk.jobs.plan import JobError, JobOptions, Plan, make_plan
from crucible_ir.bulk.jobs.running import run_job

EXTENSIONS = {"delimited": ".binpbs", "jsonl": ".jsonl", "crucible-jsonl": ".crucible.jsonl"}
OPTIONS = JobOptions("FeedbackEvent", part_bytes=1000, row_group_rows=3)


def events(count: int, start: int = 0) -> list[v1.FeedbackEvent]:
    return [
        record_streams.event(number, feedback_type=1 + number % 4)
        for number in range(start, start + count)
    ]


def plan_of(*paths: Path, format_name: str | None = None, **changes: Any) -> Plan:
    return make_plan(map(str, paths), replace(OPTIONS, **changes), format_name=format_name)


def rows(folder: Path) -> list[Any]:
    """Return the messages of all parts in the order of their names."""
    parts = sorted(folder.glob("part-*"))
    format_ = "parquet" if parts[0].suffix == ".parquet" else "ipc"
    # Readers of folders find the parts, and nothing else.
    assert sorted(ds.dataset(folder, format=format_).files) == list(map(str, parts))
    table = ds.dataset(list(map(str, parts)), format=format_).to_table()
    return list(ir.from_arrow(table, "FeedbackEvent", validate=False))


def manifest(folder: Path) -> Any:
    return json.loads((folder / "_manifest.json").read_bytes())


def contents(folder: Path) -> dict[str, Any]:
    """Return the files of a result; the manifest without what differs between equal jobs."""
    found: dict[str, Any] = {path.name: path.read_bytes() for path in folder.iterdir()}
    found["_manifest.json"] = manifest(folder)
    del found["_manifest.json"]["times"]
    return found


def violations(folder: Path) -> list[dict[str, Any]]:
    path = folder / "_violations.parquet"
    return pq.read_table(path).to_pylist() if path.exists() else []


@st.composite
def jobs(draw: st.DrawFn) -> tuple[str, bytes, ir.Limits, int]:
    format_ = draw(st.sampled_from(list(EXTENSIONS)))
    limits = draw(st.sampled_from([ir.Limits(), ir.Limits(max_frame_bytes=1000)]))
    part_bytes = draw(st.sampled_from([40, 1000, 10**6]))
    return format_, draw(record_streams.streams(format_)), limits, part_bytes


@settings(max_examples=examples(80), deadline=None)
@given(jobs())
def test_each_record_is_in_the_result_once(
    tmp_path_factory: pytest.TempPathFactory, job: tuple[str, bytes, ir.Limits, int]
) -> None:
    format_, data, limits, part_bytes = job
    path = tmp_path_factory.mktemp("job")
    source, target = path / f"in{EXTENSIONS[format_]}", path / "out"
    source.write_bytes(data)
    # NaN in opaque JSON has no JSON, and so no cell.
    expected = record_streams.expected(data, format_, "jsonl", limits, validate=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_records, "_CHUNK_RECORDS", 5)
        patch.setattr(job_lines, "_BLOCK_BYTES", 500)
        plan = plan_of(source, limits=limits, part_bytes=part_bytes, raw=True)
        result = run_job(plan, target)
    assert record_streams.stream_of(rows(target), "jsonl") == expected.data
    found = {each["record"]: (each["offset"], each["line"]) for each in violations(target)}
    lines = format_ != "delimited"
    assert list(found.items()) == [
        (record, (offset, data[: int(str(offset))].count(b"\n") + 1 if lines else None))
        for record, offset, *_ in expected.errors
    ]
    assert result.bad == len(expected.errors)
    assert result.records == expected.count.records + len(expected.errors)
    quarantine = target / f"_quarantine{EXTENSIONS[format_]}"
    written = quarantine.read_bytes() if quarantine.exists() else b""
    assert written == bad_records(format_, data, limits, [offset for offset, _ in found.values()])
    if expected.end_error is None:
        assert manifest(target)["inputs"][0]["good"] == expected.count.records
        assert not (target / "_progress").exists()
    else:
        assert result.errors == (f"{source}: {expected.end_error[2]}",)
        assert not (target / "_manifest.json").exists()


def bad_records(format_: str, data: bytes, limits: ir.Limits, bad: list[int]) -> bytes:
    """Return the bytes of records at offsets; another reader finds where they end."""
    offsets: list[int] = []
    options: Any = {"format": format_, "limits": limits}
    with suppress(ir.StreamError):
        for chunk in ir.bulk_records(data, "FeedbackEvent", on_bad=lambda error: None, **options):
            offsets += [*chunk.offsets, chunk.end]
    found = []
    for offset in bad:
        part = data[offset : next(each for each in offsets if each > offset)]
        if format_ != "delimited":
            part = part.partition(b"\n")[0].rstrip(b"\r") + b"\n"
        found.append(part)
    return b"".join(found)


def test_parts_depend_on_the_records_alone(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    lines = [ir.to_json(each).encode() + b"\n" for each in events(60)]
    source.write_bytes(b"".join([*lines[:30], b"{}\n", b"\n", *lines[30:], b"{", b"\n"]))
    compressed = tmp_path / "in.jsonl.gz"
    compressed.write_bytes(gzip.compress(source.read_bytes()))
    expected = run_job(plan_of(source), tmp_path / "one")
    assert (expected.records, expected.bad) == (62, 2)
    assert expected.parts > 5
    one = contents(tmp_path / "one")
    assert run_job(plan_of(compressed), tmp_path / "three") == expected
    three = contents(tmp_path / "three")
    assert three["_manifest.json"].pop("inputs")[0]["bytes"] == compressed.stat().st_size
    assert one["_manifest.json"].pop("inputs")[0]["bytes"] == source.stat().st_size
    # The violations name their sources.
    assert three.pop("_violations.parquet") != one.pop("_violations.parquet")
    assert three == one


def test_the_manifest_describes_the_result(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    ir.write_jsonl(source, events(10))
    with source.open("ab") as file:
        file.write(b'{"id": ""}\n')
    run_job(plan_of(source), tmp_path / "out")
    found = manifest(tmp_path / "out")
    data = source.read_bytes()
    assert found["inputs"] == [
        {"name": str(source), "format": "jsonl", "bytes": len(data)}
        | {"records": 11, "good": 10, "bad": 1}
    ]
    assert sum(part["rows"] for part in found["parts"]) == 10
    for number, part in enumerate(found["parts"]):
        content = (tmp_path / "out" / part["name"]).read_bytes()
        assert part["bytes"] == len(content)
        assert part["digest"] == f"sha256:{sha256(content).hexdigest()}"
        start, end = part["range"]
        assert (start, end) == (number * 1000, min((number + 1) * 1000, len(data)))
        assert part["range_digest"] == f"sha256:{sha256(data[start:end]).hexdigest()}"
        groups = pq.ParquetFile(tmp_path / "out" / part["name"]).metadata
        rows_of_groups = [
            groups.row_group(index).num_rows for index in range(groups.num_row_groups)
        ]
        assert sum(rows_of_groups) == part["rows"]
        assert all(count <= 3 for count in rows_of_groups)
    assert sum(found["violations"].values()) == len(violations(tmp_path / "out"))
    assert found["code_version"] == ir.__version__
    assert found["options"]["type_name"] == "FeedbackEvent"


def test_the_quarantine_can_be_mended_and_run(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(b'{"id":"a","latencyMs":-1}\n{"id":"b","latencyMs":1}')
    assert run_job(plan_of(source), tmp_path / "out").bad == 1
    mended = tmp_path / "mended.jsonl"
    bad = (tmp_path / "out" / "_quarantine.jsonl").read_bytes()
    mended.write_bytes(bad.replace(b"-1", b"1"))
    assert run_job(plan_of(mended), tmp_path / "out2").bad == 0
    assert [each.id for each in rows(tmp_path / "out2")] == ["a"]


def test_arrow_parts_have_the_same_rows(tmp_path: Path) -> None:
    # Each group of rows has values that the dictionaries before do not have.
    found = [
        record_streams.event(number, custom_feedback_type=f"kind {number // 2}")
        for number in range(30)
    ]
    source = tmp_path / "in.binpbs"
    ir.write_delimited(source, found)
    run_job(plan_of(source, table_format="arrow"), tmp_path / "out")
    assert rows(tmp_path / "out") == found


def test_one_input_may_be_much_larger_than_others(tmp_path: Path) -> None:
    sources = []
    for number, count in enumerate([2, 400, 0, 3]):
        sources.append(tmp_path / f"{number}.binpbs")
        ir.write_delimited(sources[-1], events(count, 1000 * number))
    with sources[3].open("ab") as file:
        file.write(record_streams.delimited(b"\x0a\x01\xff"))
    plan = plan_of(*sources, part_bytes=10_000)
    result = run_job(plan, tmp_path / "out", jobs=2)
    assert result.records == 406
    assert result.bad == 1
    expected = [*events(2), *events(400, 1000), *events(3, 3000)]
    assert rows(tmp_path / "out") == expected
    assert run_job(plan, tmp_path / "sequential") == result
    assert contents(tmp_path / "sequential") == contents(tmp_path / "out")
    [bad] = violations(tmp_path / "out")
    assert (bad["source"], bad["record"]) == (str(sources[3]), 3)


class _Killed(BaseException):
    """Ends a job as a signal does."""


def test_a_job_that_is_stopped_anywhere_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.jsonl"
    lines = [ir.to_json(each).encode() + b"\n" for each in events(8)]
    source.write_bytes(b"".join([lines[0], b"{\n", *lines[1:]]))
    plan = plan_of(source)
    expected = run_job(plan, tmp_path / "expected")
    replace_ = os.replace
    for allowed in range(100):
        target = tmp_path / f"stopped{allowed}"
        left = allowed

        def counted(old: Path, new: Path) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise _Killed
            replace_(old, new)

        monkeypatch.setattr(os, "replace", counted)
        stopped = False
        try:
            run_job(plan, target)
        except _Killed:
            stopped = True
            assert not (target / "_manifest.json").exists()
        monkeypatch.setattr(os, "replace", replace_)
        before = {path.name: path.stat().st_mtime_ns for path in target.glob("part-*")}
        again = run_job(plan, target)
        assert again.is_new == stopped
        assert contents(target) == contents(tmp_path / "expected")
        # At most the part that was being written is written again.
        after = {path.name: path.stat().st_mtime_ns for path in target.glob("part-*")}
        assert sum(after[name] != time for name, time in before.items()) <= 1
        if not stopped:
            break
    assert allowed > 5
    assert again == replace(expected, is_new=False)


def test_a_part_that_is_lost_or_cut_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.jsonl.gz"
    ir.write_jsonl(source, events(20))
    plan = plan_of(source)
    target = tmp_path / "out"

    def stop(path: Path, values: Any) -> None:
        if path.name == "_manifest.json":
            raise _Killed
        write_json(path, values)

    write_json = folders.write_json
    monkeypatch.setattr(finishing, "write_json", stop)
    with pytest.raises(_Killed):
        run_job(plan, target)
    monkeypatch.undo()
    parts = sorted(target.glob("part-*"))
    parts[0].unlink()
    parts[1].write_bytes(parts[1].read_bytes()[:-1])
    run_job(plan, target)
    assert rows(target) == events(20)


def test_other_jobs_do_not_mix_with_a_result(tmp_path: Path) -> None:
    source, other = tmp_path / "in.jsonl", tmp_path / "other.jsonl"
    for path in (source, other):
        ir.write_jsonl(path, events(20))
    target = tmp_path / "out"
    run_job(plan_of(source), target)
    assert run_job(plan_of(source), target) == JobResult(
        20, 0, len(rows_of_parts(target)), (), False
    )
    for plan, reason in (
        (plan_of(source, part_bytes=999), "part bytes was 1000 and is 999"),
        (plan_of(source, limits=ir.Limits(max_items=1)), "max items was None and is 1"),
        (plan_of(source, other), "the input .*other.jsonl is new"),
        (plan_of(other), "the input .*other.jsonl is new"),
        (replace(plan_of(source), code_version="0"), "code version was .* and is 0"),
        (replace(plan_of(source), schema_digest="0"), "the schema is another one"),
    ):
        with pytest.raises(JobError, match=f"{reason}.*--force"):
            run_job(plan, target)
    before = contents(target)
    with source.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(JobError, match=r"the input .*in\.jsonl has changed"):
        run_job(plan_of(source), target)
    assert contents(target) == before
    (target / "notes.txt").write_text("mine")
    run_job(plan_of(other, part_bytes=10**6), target, force=True)
    assert sorted(path.name for path in target.iterdir()) == [
        *("_manifest.json", "notes.txt", "part-00000-00000.parquet")
    ]
    assert rows_of_parts(target) == [20]


def rows_of_parts(folder: Path) -> list[int]:
    return [pq.read_metadata(path).num_rows for path in sorted(folder.glob("part-*"))]


def test_folders_with_other_files_and_locked_folders_are_left_alone(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    ir.write_jsonl(source, events(2))
    with pytest.raises(JobError, match=r"has files that are not of a run, such as in\.jsonl"):
        run_job(plan_of(source), tmp_path)
    with JobFolder(tmp_path / "out").locked(), pytest.raises(JobError, match="another run writes"):
        run_job(plan_of(source), tmp_path / "out")
    (tmp_path / "out" / "_manifest.json").write_text('{"format": 2}')
    with pytest.raises(JobError, match="cannot be read by this release"):
        run_job(plan_of(source), tmp_path / "out")
    with pytest.raises(JobError, match=r"in\.jsonl/out: not a directory"):
        run_job(plan_of(source), source / "out")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("parts",), None),
        (("parts", 0, "bytes"), "1"),
        (("inputs", 0, "bad"), -1),
        (("inputs", 0, "records"), "20"),
        (("violations",), [1]),
        (("violations",), {"a": "b"}),
        ((), "[" * 100_000),
    ],
)
def test_a_manifest_that_was_edited_is_an_error(
    tmp_path: Path, path: tuple[Any, ...], value: object
) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out"
    ir.write_jsonl(source, events(20))
    run_job(plan_of(source), target)
    values = at = manifest(target)
    for step in path[:-1]:
        at = at[step]
    text = str(value)
    if path:
        at[path[-1]] = value
        text = json.dumps(values)
    (target / "_manifest.json").write_text(text)
    with pytest.raises(JobError, match=r"_manifest\.json: cannot be read .* --force"):
        run_job(plan_of(source), target)
    assert run_job(plan_of(source), target, force=True).records == 20


def test_a_complete_result_must_have_its_parts(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out"
    ir.write_jsonl(source, events(20))
    run_job(plan_of(source), target)
    part = min(target.glob("part-*"))
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(JobError, match=rf"{part.name}: is missing or has changed .*--force"):
        run_job(plan_of(source), target)
    part.unlink()
    with pytest.raises(JobError, match=rf"{part.name}: is missing or has changed .*--force"):
        run_job(plan_of(source), target)


@pytest.mark.parametrize("change", [{"rows": -1}, {"range": 5}, {"piece": 99}, {"name": "../x"}])
def test_a_part_whose_record_was_edited_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out"
    ir.write_jsonl(source, events(20))
    monkeypatch.setattr(finishing, "missing_inputs", lambda *_: [0])
    with pytest.raises(ValueError, match="is missing"):
        run_job(plan_of(source), target)
    monkeypatch.undo()
    record = min((target / "_progress").glob("part-*.json"))
    record.write_text(json.dumps(json.loads(record.read_bytes()) | change))
    max((target / "_progress").glob("part-*.json")).write_text("[" * 100_000)
    run_job(plan_of(source), target)
    assert rows(target) == events(20)


def test_names_of_inputs_need_not_be_unicode(tmp_path: Path) -> None:
    source = tmp_path / os.fsdecode(b"a\xff.jsonl")
    source.write_text('{"id": "e1"}\n{"id": "e2", "latencyMs": -1}\n')
    assert run_job(plan_of(source), tmp_path / "out").bad == 1
    [found] = violations(tmp_path / "out")
    assert found["source"] == str(tmp_path / r"a\udcff.jsonl")
    assert ir.checked_tables(source, "FeedbackEvent").violations["source"].to_pylist() == [
        found["source"]
    ]


def test_inputs_that_cannot_be_read_to_their_end_give_no_manifest(tmp_path: Path) -> None:
    stream = io.BytesIO()
    ir.write_delimited(stream, events(50))
    truncated, corrupt, fine = (tmp_path / name for name in ("a.binpbs", "b.jsonl.gz", "c.binpbs"))
    truncated.write_bytes(stream.getvalue()[:-3])
    fine.write_bytes(stream.getvalue())
    lines = io.BytesIO()
    ir.write_jsonl(lines, events(50))
    corrupt.write_bytes(gzip.compress(lines.getvalue())[:-20])
    plan = plan_of(truncated, corrupt, fine)
    for _ in range(2):
        result = run_job(plan, tmp_path / "out")
        first, second = result.errors
        assert first.startswith(f"{truncated}: record 49 at byte ")
        assert first.endswith("the stream ends 3 bytes before the end of the record")
        assert second.startswith(f"{corrupt}: record ")
        assert "truncated" in second
        found = rows(tmp_path / "out")
        assert found[:49] == events(49)
        assert found[-50:] == events(50)
        assert not (tmp_path / "out" / "_manifest.json").exists()


def test_a_full_disk_leaves_a_result_that_can_be_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in.jsonl"
    ir.write_jsonl(source, events(20))
    sync, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(JobError, match=r"out/.*: no space left on device; make room, .* continue"):
        run_job(plan_of(source), tmp_path / "out")
    monkeypatch.undo()
    assert list((tmp_path / "out").glob("part-*"))
    assert not list((tmp_path / "out").glob("**/*.tmp"))
    run_job(plan_of(source), tmp_path / "out")
    assert rows(tmp_path / "out") == events(20)


def test_short_memory_is_no_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> Any:
        raise MemoryError

    source = tmp_path / "in.jsonl"
    ir.write_jsonl(source, events(2))
    monkeypatch.setattr(job_records, "chunks_of", failing)
    with pytest.raises(JobError, match=r"out: memory is short: .*--jobs, and run it again"):
        run_job(plan_of(source), tmp_path / "out")
    monkeypatch.undo()
    run_job(plan_of(source), tmp_path / "out")
    assert rows(tmp_path / "out") == events(2)


def test_an_input_that_cannot_be_read_further_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> Any:
        raise OSError(errno.EIO, "Input/output error")

    source = tmp_path / "in.jsonl"
    ir.write_jsonl(source, events(2))
    monkeypatch.setattr(job_records, "chunks_of", failing)
    with pytest.raises(JobError, match=r"in\.jsonl: input/output error$"):
        run_job(plan_of(source), tmp_path / "out")


def test_an_input_that_changes_during_the_job_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    ir.write_jsonl(source, events(2))
    plan = plan_of(source)
    with source.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(JobError, match="changed while it was read"):
        run_job(plan, tmp_path / "out")
    with pytest.raises(JobError, match="not a regular file"):
        plan_of(Path("/dev/null"), format_name="jsonl")
    with pytest.raises(JobError, match="format of documents"):
        plan_of(source, format_name="yaml")
