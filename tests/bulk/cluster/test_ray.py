"""Jobs on a cluster of Ray make the result of one process, whatever happens to the cluster."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bulk.cluster.inputs import (
    BAD_BYTES,
    BAD_LINES,
    PART_BYTES,
    Inputs,
    contents,
    manifest,
    write_inputs,
)
from bulk.cluster.killing import kill_process, watching
from pages import ROOT, check_python

import crucible_ir as ir
from crucible_ir.bulk import ray as on_ray
from crucible_ir.bulk.jobs.plan import JobError, JobOptions, make_plan
from crucible_ir.bulk.jobs.running import run_job
from crucible_ir.bulk.jobs.tasks import PieceTask

# A cluster that does not answer must not take the time of the whole run.
pytestmark = pytest.mark.timeout(120)

#: Runs a job as a process of its own, which can be killed.
DRIVER = """
import sys, ray
from crucible_ir.bulk import ray as on_ray
address, folder, part_bytes, *paths = sys.argv[1:]
ray.init(address=address, log_to_driver=False)
records = on_ray.read_ir(paths, "FeedbackEvent", part_bytes=int(part_bytes))
on_ray.write_ir(on_ray.validate(records), folder)
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def expected(inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of one process without Ray."""
    folder = tmp_path_factory.mktemp("expected") / "result"
    options = JobOptions("FeedbackEvent", part_bytes=PART_BYTES)
    result = run_job(make_plan(list(map(str, inputs.paths)), options), folder)
    assert (result.records, result.bad) == (len(inputs.ids) + inputs.bad, inputs.bad)
    return folder


def validated(inputs: Inputs) -> Any:
    return on_ray.validate(on_ray.read_ir(inputs.paths, "FeedbackEvent", part_bytes=PART_BYTES))


def ids(folder: Path) -> list[str]:
    """Return the ids in all parts, in their order."""
    parts = sorted(folder.glob("part-*.parquet"))
    return [id_ for part in parts for id_ in pq.read_table(part)["id"].to_pylist()]


def check(folder: Path, expected: Path, inputs: Inputs) -> None:
    assert ids(folder) == inputs.ids
    assert contents(folder) == contents(expected)
    assert manifest(folder) == manifest(expected)


def finished_parts(folder: Path) -> dict[str, int]:
    """Return the finished parts and the identities of their files."""
    return {
        path.stem: (folder / f"{path.stem}.parquet").stat().st_ino
        for path in (folder / "_progress").glob("part-*.json")
    }


def wait_until(condition: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the process ended too early"
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)


def test_the_result_is_that_of_one_process(
    cluster: str, inputs: Inputs, expected: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "result"
    result = on_ray.write_ir(validated(inputs), folder)
    assert (result.records, result.bad) == (len(inputs.ids) + inputs.bad, inputs.bad)
    check(folder, expected, inputs)
    assert (folder / "_quarantine.jsonl").read_bytes().splitlines() == BAD_LINES * 3
    again = on_ray.write_ir(validated(inputs), folder)
    assert (again.records, again.bad, again.is_new) == (result.records, result.bad, False)
    other = on_ray.read_ir(inputs.paths, "FeedbackEvent", part_bytes=PART_BYTES)
    with pytest.raises(JobError, match="validate was True and is False"):
        on_ray.write_ir(other, folder)


def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    cluster: str, inputs: Inputs, expected: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "result"
    # One worker with the compressed file, and one in the middle of the large one.
    waiting = {"part-00001-00000", "part-00002-00002"}

    def kill(stem: str, pid: int) -> None:
        if stem in waiting and kill_process(pid, b"ray::"):
            waiting.remove(stem)

    with watching(folder, kill):
        on_ray.write_ir(validated(inputs), folder)
    assert not waiting
    check(folder, expected, inputs)


def test_a_driver_that_is_killed_is_resumed(
    cluster: str, inputs: Inputs, expected: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "result"
    options = [cluster, str(folder), str(PART_BYTES), *map(str, inputs.paths)]
    with subprocess.Popen([sys.executable, "-c", DRIVER, *options]) as driver:
        try:
            wait_until(lambda: len(finished_parts(folder)) >= 3, driver)
        finally:
            driver.kill()
    assert not (folder / "_manifest.json").exists()
    before = finished_parts(folder)
    result = on_ray.write_ir(validated(inputs), folder)
    assert result.is_new
    check(folder, expected, inputs)
    after = {path.stem: path.stat().st_ino for path in folder.glob("part-*.parquet")}
    assert len(before) < len(after)
    assert before.items() <= after.items()


def test_a_run_on_one_machine_resumes_a_job_of_a_cluster_that_gave_up(
    cluster: str, inputs: Inputs, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "result"
    monkeypatch.setattr(on_ray, "PieceTask", partial(PieceTask, attempts=2))

    def kill(stem: str, pid: int) -> None:
        if stem == "part-00002-00001":
            kill_process(pid, b"ray::")

    message = "c.jsonl: the process for part-00002-00001 ended unexpectedly 2 times"
    with watching(folder, kill), pytest.raises(JobError, match=message):
        on_ray.write_ir(validated(inputs), folder)
    assert not (folder / "_manifest.json").exists()
    options = JobOptions("FeedbackEvent", part_bytes=PART_BYTES)
    run_job(make_plan(list(map(str, inputs.paths)), options), folder)
    check(folder, expected, inputs)


def test_the_dataset_has_the_messages_and_the_violations(
    cluster: str, inputs: Inputs, expected: Path
) -> None:
    checked = validated(inputs).materialize()
    found = pa.concat_tables(on_ray.messages(checked).iter_batches(batch_format="pyarrow"))
    parts = pq.read_table(expected).sort_by("id")
    assert found.sort_by("id").cast(parts.schema).equals(parts)
    violations = on_ray.violations(checked).to_pandas().sort_values(["source", "offset", "path"])
    local = pq.read_table(expected / "_violations.parquet").to_pandas()
    local = local.sort_values(["source", "offset", "path"])
    for name in ["source", "offset", "path", "rule_id", "message", "value"]:
        assert violations[name].fillna("").tolist() == local[name].fillna("").tolist()
    bad = [data for batch in checked.iter_batches(batch_format="pyarrow") for data in batch["data"]]
    assert sorted(filter(None, pa.array(bad).to_pylist())) == sorted(BAD_LINES * 3 + BAD_BYTES[1:])
    with pytest.raises(ValueError, match="expected a dataset that read_ir or validate returned"):
        on_ray.write_ir(checked.limit(5), "result")


def test_the_recipe_prints_what_the_page_shows(
    cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    # This process is connected already.
    monkeypatch.setattr(ray, "init", lambda address: None)
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    assert check_python(page[: page.index("## Spark")], "cluster.md") == 2


def test_memory_does_not_grow_with_the_file(cluster: str, tmp_path: Path) -> None:
    size = 256 * 1024 * 1024
    line = (
        b'{"id":"%07d","feedbackValue":4.5,"deploymentId":"p","comment":"' + b"x" * 8000 + b'"}\n'
    )
    path = tmp_path / "large.jsonl.gz"
    with gzip.open(path, "wb", 1) as file:
        for number in range(size // len(line)):
            file.write(line % number)
    peaks: dict[int, int] = {}

    def measure(stem: str, pid: int) -> None:
        with suppress(FileNotFoundError):
            status = Path(f"/proc/{pid}/status").read_text()
            if found := re.search(r"VmHWM:\s+([0-9]+) kB", status):
                peaks[pid] = int(found[1]) * 1024

    records = on_ray.read_ir(path, "FeedbackEvent", part_bytes=16 * 1024 * 1024)
    with watching(tmp_path / "result", measure):
        result = on_ray.write_ir(on_ray.validate(records), tmp_path / "result")
    assert (result.records, result.bad) == (size // len(line), 0)
    assert result.parts > 16
    assert 0 < max(peaks.values()) < 350 * 1024 * 1024


def test_a_truncated_file_is_an_error_and_everything_before_it_is_kept(
    cluster: str, tmp_path: Path
) -> None:
    path = tmp_path / "cut.binpbs"
    ir.write_delimited(path, [ir.new_feedback_event(id="a", deployment_id="p", feedback_value=1)])
    path.write_bytes(path.read_bytes() + b"\x7f\x0a")
    records = on_ray.read_ir(path, "FeedbackEvent")
    result = on_ray.write_ir(on_ray.validate(records), tmp_path / "result")
    assert len(result.errors) == 1
    assert "cut.binpbs: record 1" in result.errors[0]
    assert ids(tmp_path / "result") == ["a"]
    assert not (tmp_path / "result" / "_manifest.json").exists()
