"""What a real run of lm-evaluation-harness wrote is imported, and it reads what we write."""

from __future__ import annotations

import json
from typing import Any

from interchange.judges.lm_eval_run import LmEvalRun
from interchange.law import check_law

from crucible_ir import v1
from crucible_ir.interchange.lm_eval import FORMAT


def table(results: dict[str, Any]) -> str:
    """Return the table that the harness prints of results."""
    from lm_eval.utils import make_table

    return str(make_table(results))


def test_a_run(lm_eval_run: LmEvalRun) -> None:
    written = json.loads(lm_eval_run.results.read_text())
    [result] = check_law(FORMAT, written).documents
    assert isinstance(result, v1.EvaluationResult)
    assert (result.task, result.task_version, result.num_shots) == ("yes_no", "1", 0)
    assert result.sample_count == 8
    by_name = {each.name: each for each in result.metrics}
    assert set(by_name) == {"acc", "acc_norm"}
    assert by_name["acc"].value == written["results"]["yes_no"]["acc,none"]
    assert by_name["acc"].stderr == written["results"]["yes_no"]["acc_stderr,none"]
    assert by_name["acc"].higher_is_better
    assert result.started_at.seconds == int(written["date"])
    assert table(FORMAT.export(result).obj) == table(written)


def test_the_samples_of_a_run_are_no_results(lm_eval_run: LmEvalRun) -> None:
    [record] = FORMAT.records(str(lm_eval_run.samples))
    assert record.error is not None
    folder = str(lm_eval_run.results.parent)
    assert [record.name for record in FORMAT.records(folder)] == [str(lm_eval_run.results)]


def test_a_result_of_ones_own() -> None:
    result = v1.EvaluationResult(id="e", task="leaves", task_version="2", num_shots=3)
    result.metrics.add(name="acc", filter="none", value=0.5, stderr=0.25, higher_is_better=True)
    rows = table(FORMAT.export(result).obj).splitlines()
    cells = [cell.strip() for cell in rows[-1].strip("|").split("|")]
    assert cells[:4] == ["leaves", "2", "none", "3"]
    assert cells[4] == "acc"
    assert [float(cell) for cell in cells[5:] if cell.replace(".", "").isdigit()] == [0.5, 0.25]
