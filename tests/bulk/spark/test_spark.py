"""The recipe for Spark makes the result of one process, also if a worker is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from bulk.cluster.inputs import PART_BYTES, contents, manifest, write_inputs
from bulk.cluster.killing import kill_process, watching
from pages import ROOT, blocks, check_python

from crucible_ir.bulk.jobs.plan import JobOptions, make_plan
from crucible_ir.bulk.jobs.running import run_job

PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## Spark") :]


def test_the_recipe_prints_what_the_page_shows(spark: Any) -> None:
    assert check_python(SECTION, "cluster.md") == 2


def test_the_result_is_that_of_one_process(spark: Any, tmp_path: Path) -> None:
    recipe: dict[str, Any] = {}
    exec(blocks(SECTION, "python")[0], recipe)
    inputs = write_inputs(tmp_path)
    options = JobOptions("FeedbackEvent", part_bytes=PART_BYTES)
    plan = make_plan(list(map(str, inputs.paths)), options)
    run_job(plan, tmp_path / "expected")
    killed: list[str] = []

    def kill(stem: str, pid: int) -> None:
        if not killed and stem == "part-00002-00001" and kill_process(pid, b"pyspark"):
            killed.append(stem)

    folder = tmp_path / "result"
    with watching(folder, kill):
        result = run_job(plan, folder, runner=recipe["on_spark"])
    assert killed
    assert (result.records, result.bad) == (len(inputs.ids) + inputs.bad, inputs.bad)
    assert contents(folder) == contents(tmp_path / "expected")
    assert manifest(folder) == manifest(tmp_path / "expected")
    rows = spark.read.parquet(str(folder)).select("id").collect()
    assert sorted(row.id for row in rows) == sorted(inputs.ids)
    parts = sorted(folder.glob("part-*.parquet"))
    assert [id_ for part in parts for id_ in pq.read_table(part)["id"].to_pylist()] == inputs.ids
