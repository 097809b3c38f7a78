"""Runs in files: every format, resumed after every kind of crash."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from tracking.test_tracker import new_run, steps_of

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.cli.program import program
from crucible_ir.tracking import TrackingError
from crucible_ir.tracking.run_file import RunFile, parts_of

FORMATS = ["run.crucible.jsonl", "run.jsonl", "run.ndjson", "run.binpbs"]


def tracked(path: Path, steps: range, run: v1.TrainingRun | None = None) -> None:
    with ir.track(run or new_run(), to=path, resume=None, flush_seconds=0) as tracker:
        for step in steps:
            tracker.log(step=step, loss=step / 2, bad=math.nan, note="warm")
            if step % 5 == 0:
                tracker.checkpoint(f"s3://c/{step}")
                tracker.flush()
        tracker.finish("paused")


@pytest.mark.parametrize("name", FORMATS)
def test_a_tracked_run_is_read_as_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    tracked(path, range(20))
    tracked(path, range(10, 30))
    run = ir.read_run(path)
    assert steps_of(run) == list(range(30))
    assert run.metrics_history[3].values["loss"] == 1.5
    assert math.isnan(run.metrics_history[3].values["bad"])
    assert dict(run.metrics_history[3].other_values) == {"note": "warm"}
    assert list(dict.fromkeys(run.checkpoint_uris)) == [f"s3://c/{n}" for n in range(0, 30, 5)]
    assert (run.current_step, run.status) == (29, v1.TrainingStatus.TRAINING_STATUS_PAUSED)
    assert ir.is_valid(run)
    # Each record is a valid run by itself.
    parts = list(parts_of(path))
    assert len(parts) > 4 and all(ir.is_valid(part) for part in parts)
    with pytest.raises(SystemExit) as ended:
        program(["validate", str(path), "--type", "TrainingRun"])
    assert ended.value.code == 0


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_end_is_cut_off(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    tracked(path, range(6))
    good = path.read_bytes()
    tracked(path, range(6, 8))
    grown = path.read_bytes()
    assert grown.startswith(good)
    first = len(good)
    # A crash may leave any part of the record that was written last.
    for end in {first + 1, first + 2, (first + len(grown)) // 2, len(grown) - 2}:
        path.write_bytes(grown[:end])
        cut = ir.read_run(path)
        assert steps_of(cut)[:6] == list(range(6))
        tracked(path, range(6, 8))
        assert steps_of(ir.read_run(path)) == list(range(8)), end
    if name != "run.binpbs":
        path.write_bytes(good + b"\0" * 4096)
        assert steps_of(ir.read_run(path)) == list(range(6))
        tracked(path, range(6, 8))
        assert steps_of(ir.read_run(path)) == list(range(8))


@pytest.mark.parametrize("name", FORMATS)
def test_the_first_record_may_be_cut_off(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    run = new_run()
    file = RunFile(path)
    file.open(run, run.id)
    file.close()
    first = path.read_bytes()
    for end in (1, len(first) // 2, len(first) - 2):
        path.write_bytes(first[:end])
        tracked(path, range(3), run)
        assert steps_of(ir.read_run(path)) == [0, 1, 2]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("content", [b'{"text":"of others"}', b"hello", b"\xff" * 4000])
def test_a_file_of_others_is_not_changed(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for run in (new_run(), new_run().id):
        with (
            pytest.raises(ir.Error, match=r"is not a file of a run|record 0"),
            ir.track(run, to=path),
        ):
            pass
        assert path.read_bytes() == content


def test_only_a_valid_run_is_tracked(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with pytest.raises(ir.ValidationError, match="id: must not be empty"):
        ir.track(v1.TrainingRun(), to=path).start()
    with pytest.raises(TypeError, match="expected a TrainingRun or the id of one, got dict"):
        ir.track({"id": "run_007"}, to=path)  # type: ignore[arg-type]
    assert not path.exists()


def test_damage_inside_a_file_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "run.crucible.jsonl"
    tracked(path, range(8))
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = lines[0] + b"{}\n" + b"".join(lines[1:])
    path.write_bytes(damaged)
    with pytest.raises(ir.StreamError, match="record 1"):
        ir.read_run(path)
    with pytest.raises(ir.StreamError, match="record 1"):
        ir.track(new_run(), to=path).start()
    assert path.read_bytes() == damaged


def test_a_last_line_without_a_line_break_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    tracked(path, range(3))
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    tracked(path, range(3, 5))
    assert steps_of(ir.read_run(path)) == list(range(5))


def test_the_history_of_the_given_run_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    others = {"note": "warm"}
    values = {"loss": 1.0, "bad": 1.0}
    history = [v1.MetricsSnapshot(step=n, values=values, other_values=others) for n in range(3)]
    tracked(path, range(6), new_run(metrics_history=history, checkpoint_uris=["s3://c/old"]))
    run = ir.read_run(path)
    assert steps_of(run) == list(range(6))
    assert list(run.checkpoint_uris) == ["s3://c/old", "s3://c/0", "s3://c/5"]


def test_a_file_has_one_run(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    tracked(path, range(2))
    with pytest.raises(TrackingError, match='has the run "r1", not "r2"'):
        ir.track(new_run("r2"), to=path).start()
    ir.write_jsonl(tmp_path / "two.jsonl", [new_run("r1"), new_run("r2")])
    with pytest.raises(TrackingError, match='has the runs "r1" and "r2"'):
        ir.read_run(tmp_path / "two.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(TrackingError, match="has no run"):
        ir.read_run(tmp_path / "empty.jsonl")


def test_a_full_disk_leaves_a_complete_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.jsonl"
    destination = RunFile(path)
    destination.open(new_run(), "r1")
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrackingError, match="No space left"):
        destination.append(0, [v1.MetricsSnapshot(step=1)], v1.TrainingRun())
    destination.close()
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_opened_is_an_error_of_tracking(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "run.jsonl"
    with pytest.raises(TrackingError, match=r"cannot open .*run\.jsonl: No such file"):
        ir.track(new_run(), to=path).start()


def test_the_id_of_a_run_that_does_not_exist_creates_no_file(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    with pytest.raises(TrackingError, match="give the run, not its id"):
        ir.track("run_007", to=path).start()
    assert not path.exists()
