"""Jobs survive killed processes, and stay within their memory."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.dataset as ds
import pytest

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.bulk.jobs import pool
from crucible_ir.bulk.jobs.plan import JobError, JobOptions, make_plan
from crucible_ir.bulk.jobs.running import run_job

COUNT = 6000
SECONDS = 60.0


def start(source: Path, target: Path) -> subprocess.Popen[bytes]:
    options = ("--to", "parquet", "--part-bytes", "15000", "--jobs", "2")
    return subprocess.Popen(
        [sys.executable, "-m", "crucible_ir", "convert", source, target, *options],
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def finished(target: Path) -> set[str]:
    return {path.stem for path in target.glob("_progress/part-*.json")}


def workers(process: subprocess.Popen[bytes]) -> list[int]:
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [
        int(each) for each in found if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()
    ]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ignores_interrupts(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    [blocked] = [line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:")]
    return bool(int(blocked, 16) >> (signal.SIGINT - 1) & 1)


def test_every_row_is_there_once_whatever_is_killed(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out"
    sent = [v1.FeedbackEvent(id=f"e{number}", user_id="u" * 100) for number in range(COUNT)]
    for event in sent:
        event.feedback_type = v1.FeedbackType.FEEDBACK_TYPE_RATING
        event.output["text"] = event.id
    ir.write_jsonl(source, sent)

    # Ctrl-C reaches all processes of the terminal.
    with start(source, target) as process:
        until(lambda: len(finished(target)) > 1)
        found = workers(process)
        assert all(map(ignores_interrupts, found))
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert err.strip() == f"crucible-ir: {target}: stopped: the same command continues".encode()
    assert found
    until(lambda: not any(map(is_running, found)))
    after_interrupt = finished(target)

    # Processes whose parent is killed end by themselves.
    with start(source, target) as process:
        until(lambda: len(finished(target)) > len(after_interrupt) + 1)
        found = workers(process)
        process.kill()
        until(lambda: not any(map(is_running, found)))
    after_kill = finished(target)
    assert after_interrupt < after_kill
    assert not (target / "_manifest.json").exists()
    kept = {name: (target / f"{name}.parquet").stat().st_mtime_ns for name in after_kill}

    # A process that is killed is replaced.
    with start(source, target) as process:
        until(lambda: len(finished(target)) > len(after_kill) + 1)
        os.kill(workers(process)[0], signal.SIGKILL)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    assert {name: (target / f"{name}.parquet").stat().st_mtime_ns for name in kept} == kept
    ids = ds.dataset(target, format="parquet").to_table(columns=["id"]).column("id")
    assert ids.to_pylist() == [event.id for event in sent]


def test_a_piece_that_ends_its_process_again_and_again_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "in.jsonl"
    ir.write_jsonl(source, [v1.FeedbackEvent(id="e")])
    # The process ends before it reads its piece.
    monkeypatch.setattr(pool, "_work", sys.exit)
    plan = make_plan([str(source)], JobOptions("FeedbackEvent"))
    with pytest.raises(JobError, match=r"in\.jsonl: .*part-00000-00000 ended unexpectedly 3 times"):
        run_job(plan, tmp_path / "out", jobs=2)
    assert not list((tmp_path / "out").glob("part-*"))


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl.gz"
    event = v1.FeedbackEvent(id="e", feedback_type=v1.FeedbackType.FEEDBACK_TYPE_RATING)
    event.output["text"] = "word " * 2000
    line = ir.to_json(event).encode() + b"\n"
    source.write_bytes(gzip.compress(line * (150 * 2**20 // len(line)), 1))
    script = """
import pathlib, re, sys
from crucible_ir.cli.program import program
try:
    program()
except SystemExit as end:
    assert not end.code
print(re.search(r"VmHWM:\\s*(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1])
"""
    arguments = ["convert", str(source), str(tmp_path / "out.parquet")]
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        stdout=subprocess.PIPE,
        check=True,
        timeout=SECONDS,
    )
    assert int(ran.stdout) < 300 * 1024
