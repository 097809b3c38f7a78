"""Runs of Weights & Biases."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_law

from crucible_ir import v1
from crucible_ir.interchange.mapping.report import Outcome, Recorder
from crucible_ir.interchange.wandb import FORMAT

RUN: dict[str, Any] = {
    "id": "abc123",
    "state": "crashed",
    "config": {
        "_wandb": {"value": {"cli_version": "0.30.1", "t": {"1": [1, 5]}}},
        "lr": {"desc": None, "value": 3e-4},
        "epochs": {"desc": None, "value": 2},
        "optimizer": {"desc": None, "value": "lion"},
        "batch_size": {"value": 0},
        "layers": {"desc": None, "value": [64, 64]},
    },
    "summary": {"_step": 20, "_runtime": 1.2, "loss": 0.9, "_wandb": {"runtime": 1}},
    "metadata": {"startedAt": "2026-01-02T03:04:05.678901Z", "gpu": "none"},
    "history": [
        {"loss": 2.3, "grad.norm": 0, "val/acc": 0, "epoch": 0, "_timestamp": 1767323045.0792725},
        {"loss": 1.1, "grad.max": -math.inf, "_step": 10, "_runtime": 1.187},
        {"loss": math.nan, "epoch": 1, "_step": 20, "note": "warm", "image": {"_type": "image"}},
        {"_step": -1, "epoch": -0.5, "loss": None},
    ],
}


@pytest.mark.parametrize("more", [{}, {"desc": None}])
def test_the_name_of_a_setting_is_kept(more: dict[str, Any]) -> None:
    run = {"id": "a", "config": {"lr": {"value": 0.1, **more}}}
    [document] = check_law(FORMAT, run).documents
    assert FORMAT.export(document).obj["config"] == run["config"]


def test_a_run() -> None:
    imported = check_law(FORMAT, RUN)
    [run] = imported.documents
    assert isinstance(run, v1.TrainingRun)
    assert run.id == "abc123"
    assert run.status == v1.TrainingStatus.TRAINING_STATUS_FAILED
    assert run.current_step == 20
    assert run.config.learning_rate == 3e-4
    assert run.config.epochs == 2
    assert run.config.custom_optimizer == "lion"
    assert not run.config.HasField("batch_size")
    first, second, third, fourth = run.metrics_history
    assert dict(first.values) == {"loss": 2.3, "grad.norm": 0, "val/acc": 0}
    assert first.epoch == 0
    assert first.time.ToNanoseconds() == 1767323045079272509
    assert (second.step, second.values["grad.max"]) == (10, -math.inf)
    assert math.isnan(third.values["loss"])
    assert third.other_values["note"] == "warm"
    assert not fourth.HasField("step")
    assert fourth.values["epoch"] == -0.5
    outcomes = {entry.path: entry.outcome for entry in imported.report.entries}
    assert outcomes["config.batch_size.value"] is Outcome.CONVERTED
    assert outcomes["config.lr.value"] is Outcome.RENAMED
    assert outcomes["history[*].loss"] is Outcome.KEPT if "history[*].loss" in outcomes else True


def test_plain_settings_are_converted() -> None:
    imported = check_law(FORMAT, {"id": "r", "config": {"lr": 0.1, "seed": 7, "other": [1]}})
    [run] = imported.documents
    assert isinstance(run, v1.TrainingRun)
    assert (run.config.learning_rate, run.config.seed) == (0.1, 7)
    assert FORMAT.export(run).obj["config"] == {
        "lr": {"value": 0.1},
        "seed": {"value": 7},
        "other": [1],
    }


def test_a_folder_of_runs(tmp_path: Path) -> None:
    for name in ("abc", "def"):
        files = tmp_path / f"offline-run-20260102_030405-{name}" / "files"
        files.mkdir(parents=True)
        (files / "config.yaml").write_text("lr:\n  desc: null\n  value: 0.1\n")
        (files / "history.jsonl").write_text('{"loss": NaN, "_step": 0}\n{"loss": 1, "_step": 1}\n')
    (tmp_path / "offline-run-20260102_030405-def" / "files" / "wandb-summary.json").write_text("{")
    recorder = Recorder()
    found = list(FORMAT.import_records(FORMAT.records(str(tmp_path)), recorder))
    assert [len(documents) for documents in found] == [1, 0]
    [[run], _] = found
    assert isinstance(run, v1.TrainingRun)
    assert run.id == "abc"
    assert [snapshot.step for snapshot in run.metrics_history] == [0, 1]
    [error] = recorder.report().errors
    assert error.source.endswith("wandb-summary.json")


@pytest.mark.parametrize("record", [{}, {"id": "r"}, {"config": {}}, {"id": 3, "history": []}])
def test_what_is_no_run(record: dict[str, Any]) -> None:
    imported = FORMAT.import_(record)
    assert not imported.documents
    assert imported.report.errors


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
_SETTING = st.fixed_dictionaries({"value": _ANY}, optional={"desc": st.none() | st.text()}) | _ANY
_ROWS = st.lists(
    st.dictionaries(
        st.sampled_from(["loss", "grad.norm", "epoch", "_step", "_timestamp", "_runtime"]), _ANY
    )
    | _ANY,
    max_size=3,
)
_RUNS = st.fixed_dictionaries(
    {"id": st.text("abc1", min_size=1, max_size=3), "history": _ROWS},
    optional={
        "config": st.dictionaries(
            st.sampled_from(["lr", "learning_rate", "epochs", "optimizer", "seed", "x"]), _SETTING
        )
        | _ANY,
        "summary": st.dictionaries(st.sampled_from(["_step", "loss"]), _ANY) | _ANY,
        "metadata": st.dictionaries(st.sampled_from(["startedAt", "gpu"]), _ANY) | _ANY,
        "state": st.sampled_from(["finished", "crashed", "sleeping"]) | _ANY,
        "name": _ANY,
    },
)


@given(_RUNS)
def test_the_law_holds_for_any_run(record: dict[str, Any]) -> None:
    if not any(record.get(key) is not None for key in ("config", "summary", "history", "metadata")):
        return
    check_law(FORMAT, record)


def test_the_report_is_json() -> None:
    json.dumps(FORMAT.import_(RUN).report.as_json(), allow_nan=False)


def test_a_status_that_wandb_does_not_have_is_dropped() -> None:
    exported = FORMAT.export(
        v1.TrainingRun(id="r", status=v1.TrainingStatus.TRAINING_STATUS_PAUSED)
    )
    assert exported.obj == {"id": "r"}
    [entry] = [entry for entry in exported.report.entries if entry.path == "status"]
    assert (entry.outcome, entry.reason) == (Outcome.DROPPED, "no counterpart for 'paused'")


def test_secrets_in_the_configuration_are_dropped() -> None:
    secret = "hf_" + "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zC"
    config = {"hub_token": {"desc": None, "value": secret}, "api_key": secret, "lr": {"value": 0.5}}
    record = {**RUN, "config": config, "metadata": {"args": {"token": secret}}}
    imported = check_law(FORMAT, record)
    assert imported.report.counts["dropped"] == 3
    assert secret not in str(imported.documents)
    assert secret not in str(imported.report)


@pytest.mark.parametrize(
    "started", ["2026-01-02T03:04:05.000000Z", "2026-01-02T03:04:05", "2026-01-02T04:04:05+01:00"]
)
def test_a_start_that_is_written_in_another_way_comes_back(started: str) -> None:
    record = {**RUN, "metadata": {"startedAt": started}}
    imported = check_law(FORMAT, record)
    [run] = imported.documents
    assert isinstance(run, v1.TrainingRun)
    assert run.started_at.ToJsonString() == "2026-01-02T03:04:05Z"
    entry = imported.report.entry_of(("metadata", "startedAt"))
    assert entry is not None
    assert entry.outcome is Outcome.CONVERTED
    assert FORMAT.export(run).obj["metadata"]["startedAt"] == started
