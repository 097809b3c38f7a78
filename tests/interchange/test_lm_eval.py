"""Results of lm-evaluation-harness."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_law
from interchange.strategies import most_json, wrong_json

from crucible_ir import v1
from crucible_ir.interchange.lm_eval import FORMAT
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.report import Outcome

DOCUMENTS = Path(__file__).parent / "documents" / "lm-eval"
RESULTS: dict[str, Any] = json.loads((DOCUMENTS / "results_2026-01-02T03-04-05.json").read_text())
OLD: dict[str, Any] = json.loads((DOCUMENTS / "leaf_names-v0-res.json").read_text())


def only(obj: dict[str, Any]) -> v1.EvaluationResult:
    """Import a file under the law, and return its only result."""
    [document] = check_law(FORMAT, obj).documents
    assert isinstance(document, v1.EvaluationResult)
    return document


def test_a_task_and_its_metrics() -> None:
    names, text, _ = check_law(FORMAT, RESULTS).documents
    assert isinstance(names, v1.EvaluationResult)
    assert isinstance(text, v1.EvaluationResult)
    assert (names.task, names.task_version, names.num_shots, names.sample_count) == (
        "leaf_names",
        "3",
        5,
        40,
    )
    assert [(each.name, each.filter, each.value, each.stderr) for each in names.metrics] == [
        ("exact_match", "strict-match", 0.5, 0.0625),
        ("exact_match", "flexible-extract", 0.75, 0.05),
    ]
    assert all(each.higher_is_better for each in names.metrics)
    assert (names.model_ref.id, names.model_ref.version) == (
        "acme/leaf-lm",
        RESULTS["config"]["model_sha"],
    )
    assert (names.dataset_ref.name, names.dataset_ref.subset) == ("acme/leaves", "names")
    assert names.dataset_ref.split == v1.DatasetSplit.DATASET_SPLIT_TEST
    assert names.started_at.ToJsonString() == "2026-01-02T03:04:05.500Z"
    assert names.completed_at.ToJsonString() == "2026-01-02T03:04:35.750Z"
    assert json_values(names)["config"]["num_fewshot"] == 5
    perplexity, bits = text.metrics
    assert (perplexity.value, perplexity.HasField("stderr")) == (12.5, False)
    assert (bits.name, bits.HasField("value")) == ("bits_per_byte", False)
    assert not bits.higher_is_better
    assert not text.HasField("dataset_ref")


def test_a_group_is_a_result_of_its_own() -> None:
    *tasks, group = map(json_values, FORMAT.import_(RESULTS).documents)
    assert group["task"] == "leaves"
    assert group["metadata"]["group"] == ["leaf_names"]
    assert group["task_version"] == "0.5"
    assert [each["sample_count"] for each in group["metrics"]] == [40]
    assert not any("group" in each["metadata"] for each in tasks)


def test_what_is_about_the_run_is_in_the_first_result_and_the_settings_in_all() -> None:
    kept = [
        json_values(each)["metadata"]["lm-eval"]["run"]
        for each in FORMAT.import_(RESULTS).documents
    ]
    assert [each["config"]["limit"] for each in kept] == [40, 40, 40]
    assert [each["git_hash"] for each in kept] == ["0123abc"] * 3
    assert ["pretty_env_info" in each for each in kept] == [True, False, False]


def test_results_of_the_first_versions() -> None:
    result = only(OLD)
    assert (result.task, result.task_version) == ("leaf_names", "0")
    assert [(each.name, each.value, each.HasField("filter")) for each in result.metrics] == [
        ("acc", 0.25, False),
        ("ppl", 1.5, False),
    ]
    assert result.metrics[0].stderr == 0.125
    assert result.WhichOneof("subject") is None
    assert not result.HasField("num_shots")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_args": "dtype=float16, pretrained=acme/a"}, "acme/a"),
        ({"model_args": {"model": "gpt-x"}, "model": "openai-completions"}, "gpt-x"),
        ({"model_args": "", "model": "dummy"}, "dummy"),
        ({"model_args": None}, None),
        (None, None),
    ],
)
def test_the_model_of_a_run_that_does_not_name_it(config: Any, expected: str | None) -> None:
    result = only({**OLD, "config": config})
    assert (result.model_ref.id or None) == expected


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"acc,none": math.nan, "acc_stderr,none": math.inf}, [("acc", "none")]),
        ({"acc_stderr,none": 0.5}, [("acc_stderr", "none")]),
        ({"acc,": 1, "acc": 2, "acc,a,b": 3}, [("acc", ""), ("acc", ""), ("acc", "a,b")]),
        ({",none": 1, "acc,none": True, "f1,none": "high", " ": " "}, []),
        ({"acc": "N/A", "acc_stderr": 0.5}, [("acc_stderr", "")]),
    ],
)
def test_which_values_are_metrics(metrics: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    result = only({"results": {"t": metrics}})
    assert [(each.name, each.filter) for each in result.metrics] == expected


@pytest.mark.parametrize(
    "groups",
    [
        {"groups": {"t": {"acc,none": 0.5}}},
        {"groups": {"t": {"acc,none": 0.75}}},
        {"groups": {"t": {}}},
        {"groups": {"t": 5}},
        {"groups": {"g": {"acc,none": 1}}, "group_subtasks": {"g": ["t"], "t": []}},
        {"group_subtasks": {"t": ["a"]}},
        {"groups": {}, "group_subtasks": {"other": ["t"]}},
    ],
)
def test_where_groups_are_written(groups: dict[str, Any]) -> None:
    check_law(FORMAT, {"results": {"t": {"acc,none": 0.5}}, **groups})


@pytest.mark.parametrize(
    ("record", "path", "reason"),
    [
        ({"versions": {}}, "", '"results"'),
        ({"results": {}}, "", "no task"),
        ({"results": []}, "", '"results"'),
        ({"results": {"t": 0.5}}, 'results["t"]', "metrics"),
        ({"results": {"": {}}}, 'results[""]', "name of a task"),
        ({"doc_id": 0, "acc": 1.0}, "", "a sample"),
    ],
)
def test_records_that_are_errors(record: dict[str, Any], path: str, reason: str) -> None:
    imported = FORMAT.import_(record)
    assert not imported.documents
    [error] = imported.report.errors
    assert error.path == path
    assert reason in error.reason


def test_one_bad_task_leaves_the_others() -> None:
    imported = FORMAT.import_({"results": {"a": {"acc": 1}, "b": 2, "c": {"acc": 3}}})
    assert len(imported.documents) == 2
    assert [error.path for error in imported.report.errors] == ['results["b"]']


def test_samples_are_not_read_as_results(tmp_path: Path) -> None:
    samples = tmp_path / "samples_t_2026.jsonl"
    samples.write_text('{"doc_id": 0}\n{"doc_id": 1}\n')
    [record] = FORMAT.records(str(samples))
    assert "samples of a task" in str(record.error)
    (tmp_path / "results_2026.json").write_text(json.dumps(OLD))
    [record] = FORMAT.records(str(tmp_path))
    assert record.value == OLD


def test_results_of_ones_own() -> None:
    result = v1.EvaluationResult(
        id="e", task="mmlu", task_version="2", num_shots=5, sample_count=10, model_version_id="m@1"
    )
    result.dataset_ref.name = "cais/mmlu"
    result.started_at.FromJsonString("2026-01-02T03:04:05Z")
    result.metrics.add(name="acc", filter="none", value=0.5, stderr=0.1, higher_is_better=True)
    result.metrics.add(name="f1")
    result.metadata.update({"group": ["mmlu_law"]})
    exported = FORMAT.export(result)
    metrics = {"acc,none": 0.5, "acc_stderr,none": 0.1, "f1": "N/A"}
    assert exported.obj == {
        "results": {"mmlu": metrics},
        "groups": {"mmlu": metrics},
        "group_subtasks": {"mmlu": ["mmlu_law"]},
        "higher_is_better": {"mmlu": {"acc": True}},
        "date": 1767323045,
        "n-shot": {"mmlu": 5},
        "n-samples": {"mmlu": {"effective": 10}},
        "model_name": "m@1",
        "configs": {"mmlu": {"dataset_path": "cais/mmlu"}},
        "versions": {"mmlu": "2"},
    }
    dropped = {each.path for each in exported.report.entries if each.outcome is Outcome.DROPPED}
    assert dropped == {"id"}


def test_results_are_joined_in_a_file_unless_a_task_is_there_twice() -> None:
    documents = FORMAT.import_(RESULTS).documents
    objects = [FORMAT.export(each).obj for each in documents]
    assert FORMAT.join is not None
    assert FORMAT.join(objects) == RESULTS
    twice = FORMAT.join([*objects, objects[0]])
    assert [list(each["results"]) for each in twice] == [
        ["leaf_names", "leaf_text", "leaves"],
        ["leaf_names"],
    ]


def test_a_changed_version_replaces_what_the_import_kept() -> None:
    result = only(OLD)
    result.task_version = "1"
    assert FORMAT.export(result).obj["versions"] == {"leaf_names": "1"}


_VALUES, _ANYTHING = wrong_json, most_json
_TASKS = st.sampled_from(["t", "u", "g"])
_METRIC_KEYS = st.sampled_from(
    ["acc", "acc_stderr", "acc,none", "acc_stderr,none", "f1,a,b", "alias", "sample_len", "x"]
)


def _by_task(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(_TASKS, values, max_size=3)


_METRICS = st.dictionaries(
    _METRIC_KEYS, st.floats() | st.just("N/A") | st.just(0.5) | _ANYTHING, max_size=4
)
_COUNTED = st.builds(
    lambda metrics, counts: {**metrics, **counts},
    _METRICS,
    st.fixed_dictionaries(
        {},
        optional={
            "sample_count": st.dictionaries(_METRIC_KEYS, st.integers(-1, 2**40) | _VALUES)
            | _VALUES
        },
    ),
)
_CONFIG = st.fixed_dictionaries(
    {},
    optional={
        "dataset_path": st.sampled_from(["acme/d", ""]) | _VALUES,
        "dataset_name": st.text(max_size=2) | _VALUES,
        "test_split": st.sampled_from(["test", "dev"]) | _VALUES,
        "more": _ANYTHING,
    },
)
_RUNS = st.builds(
    lambda more, run: {**more, **run},
    st.dictionaries(st.text("xyz", min_size=1, max_size=3), _ANYTHING, max_size=2),
    st.fixed_dictionaries(
        {"results": st.dictionaries(_TASKS, _COUNTED, min_size=1, max_size=3)},
        optional={
            "groups": _by_task(_COUNTED),
            "group_subtasks": _by_task(st.lists(_TASKS, max_size=2) | _VALUES),
            "configs": _by_task(_CONFIG | _VALUES),
            "versions": _by_task(st.sampled_from([0, 1.0, 2.5, "2.0"]) | _VALUES),
            "n-shot": _by_task(st.integers(-1, 5) | _VALUES),
            "higher_is_better": _by_task(
                st.dictionaries(st.sampled_from(["acc", "f1"]), st.booleans() | _VALUES) | _VALUES
            ),
            "n-samples": _by_task(
                st.fixed_dictionaries(
                    {},
                    optional={"original": _VALUES, "effective": st.integers(-1, 9) | _VALUES},
                )
                | _VALUES
            ),
            "task_hashes": _by_task(_ANYTHING) | _VALUES,
            "config": st.fixed_dictionaries(
                {},
                optional={
                    "model": st.sampled_from(["hf", ""]) | _VALUES,
                    "model_args": st.sampled_from(["pretrained=a/b", "x"]) | _VALUES,
                    "model_sha": st.text(max_size=3) | _VALUES,
                    "api_key": st.just("k3y-of-the-run"),
                    "more": _ANYTHING,
                },
            )
            | _VALUES,
            "model_name": st.sampled_from(["acme/m", ""]) | _VALUES,
            "date": st.floats(0, 2e9) | _VALUES,
            "total_evaluation_time_seconds": st.sampled_from(["1.5", "x", "nan"]) | _VALUES,
            "git_hash": _ANYTHING,
        },
    ),
)


@given(_RUNS)
def test_the_law_holds_for_any_results(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@pytest.mark.parametrize("groups", [True, 3, None])
def test_results_are_joined_whatever_the_groups_are(groups: object) -> None:
    record = {"results": {"a": {"acc": 0.5}, "b": {"acc": 0.25}}, "groups": groups}
    objects = [FORMAT.export(each).obj for each in FORMAT.import_(record).documents]
    assert FORMAT.join is not None
    assert FORMAT.join(objects)["results"] == record["results"]
