"""Files of evaluation results in the schema of EvalEval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_law
from interchange.strategies import most_json, wrong_json

from crucible_ir import v1
from crucible_ir.interchange.every_eval_ever import FORMAT
from crucible_ir.interchange.mapping.dialect import json_values

DOCUMENTS = Path(__file__).parent / "documents" / "every-eval-ever"
FILE: dict[str, Any] = json.loads((DOCUMENTS / "leaf-lm.json").read_text())


def _item(name: str = "e", **more: Any) -> dict[str, Any]:
    return {"evaluation_name": name, "score_details": {"score": 0.5}, **more}


def test_a_file() -> None:
    names, shapes = check_law(FORMAT, FILE).documents
    assert isinstance(names, v1.EvaluationResult)
    assert isinstance(shapes, v1.EvaluationResult)
    assert names.id == "leaves/acme_leaf-lm/1767323045#leaves/names/acc"
    assert shapes.id == "leaves/acme_leaf-lm/1767323045#leaf shapes"
    assert (names.task, names.sample_count) == ("leaf names", 40)
    assert (names.model_ref.id, names.model_ref.name) == ("acme/leaf-lm", "Leaf LM")
    assert names.dataset_ref.name == "acme/leaves"
    assert names.dataset_ref.provider == v1.DatasetProvider.DATASET_PROVIDER_HUGGINGFACE
    assert shapes.dataset_ref.name == "Shapes"
    assert names.started_at.ToJsonString() == "2026-01-02T03:04:05Z"
    accuracy, perplexity = names.metrics
    assert (accuracy.name, accuracy.value, accuracy.stderr) == ("acc", 0.75, 0.0625)
    assert (accuracy.sample_count, accuracy.higher_is_better) == (40, True)
    assert (perplexity.name, perplexity.higher_is_better) == ("Perplexity", False)
    assert [each.name for each in shapes.metrics] == ["score"]
    assert json_values(names)["config"] == {"generation_args": {"max_tokens": 16, "temperature": 0}}
    kept = json_values(shapes)["metadata"]["every-eval-ever"]["file"]
    assert kept["eval_library"] == {"name": "lm_eval", "version": "0.4.13"}
    assert kept["model_info"]["developer"] == "acme"


def test_the_evaluations_of_a_file_are_joined() -> None:
    objects = [FORMAT.export(each).obj for each in FORMAT.import_(FILE).documents]
    assert FORMAT.join is not None
    assert FORMAT.join(objects) == FILE
    other = {**objects[0], "evaluation_id": "other"}
    assert [each["evaluation_id"] for each in FORMAT.join([*objects, other])] == [
        FILE["evaluation_id"],
        "other",
    ]


@pytest.mark.parametrize(
    "items",
    [
        [_item(), _item("f"), _item()],
        [_item(), _item()],
        [_item(generation_config={}), _item(generation_config={})],
        [_item(source_data={"hf_repo": "a/b"}), _item(source_data={"hf_repo": 5})],
        [_item(source_data={}), _item(source_data={})],
        [_item(metric_config={}), _item(metric_config=None), _item(evaluation_result_id="r")],
    ],
)
def test_evaluations_that_are_alike(items: list[dict[str, Any]]) -> None:
    check_law(FORMAT, {"evaluation_id": "x", "evaluation_results": items})
    check_law(FORMAT, {"evaluation_results": items})


@pytest.mark.parametrize(
    ("record", "path", "reason"),
    [
        ({"schema_version": "0.2.0"}, "", "evaluation_results"),
        ({"evaluation_results": []}, "", "no evaluation"),
        ({"evaluation_id": "a", "sample_id": 1}, "", "a sample"),
        ({"evaluation_results": [{}]}, "evaluation_results[0]", "evaluation_name"),
        ({"evaluation_results": [5]}, "evaluation_results[0]", "evaluation_name"),
        (
            {"evaluation_results": [{"evaluation_name": "e", "score_details": {"score": "1"}}]},
            "evaluation_results[0]",
            "score",
        ),
    ],
)
def test_records_that_are_errors(record: dict[str, Any], path: str, reason: str) -> None:
    imported = FORMAT.import_(record)
    assert not imported.documents
    [error] = imported.report.errors
    assert error.path == path
    assert reason in error.reason


def test_one_bad_evaluation_leaves_the_others() -> None:
    imported = FORMAT.import_({"evaluation_results": [_item("a"), {}, _item("b")]})
    assert len(imported.documents) == 2
    assert [error.path for error in imported.report.errors] == ["evaluation_results[1]"]


@pytest.mark.parametrize("time", ["2026-01-02T03:04:05Z", "1767323045", "1767323045.5", "soon"])
def test_times(time: str) -> None:
    check_law(FORMAT, {"evaluation_timestamp": time, "evaluation_results": [_item()]})


def test_samples_are_not_read_as_results(tmp_path: Path) -> None:
    samples = tmp_path / "leaf-lm_samples.jsonl"
    samples.write_text('{"sample_id": "1"}\n')
    [record] = FORMAT.records(str(samples))
    assert "samples of an evaluation" in str(record.error)
    assert not list(FORMAT.records(str(tmp_path)))


def test_an_evaluation_of_ones_own() -> None:
    result = v1.EvaluationResult(id="e", task="mmlu", model_version_id="m@1", sample_count=10)
    result.dataset_ref.name = "cais/mmlu"
    result.dataset_ref.provider = v1.DatasetProvider.DATASET_PROVIDER_HUGGINGFACE
    result.completed_at.FromJsonString("2026-01-02T03:04:05Z")
    result.metrics.add(name="acc", value=0.5, stderr=0.1, higher_is_better=True)
    exported = FORMAT.export(result)
    assert exported.obj["evaluation_results"] == [
        {
            "evaluation_name": "mmlu",
            "source_data": {
                "hf_repo": "cais/mmlu",
                "source_type": "hf_dataset",
                "dataset_name": "cais/mmlu",
                "samples_number": 10,
            },
            "metric_config": {"metric_id": "acc", "lower_is_better": False},
            "score_details": {
                "score": 0.5,
                "uncertainty": {"standard_error": {"value": 0.1}},
            },
        }
    ]
    assert exported.obj["evaluation_id"] == "e"
    assert exported.obj["retrieved_timestamp"] == "1767323045"
    assert exported.obj["model_info"] == {"id": "m@1", "name": "m@1"}
    assert not exported.report.counts["dropped"]


_VALUES, _ANYTHING = wrong_json, most_json
_NAMES = st.sampled_from(["a", "b/c", ""])


def _some(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda more, own: {**more, **own},
        st.dictionaries(st.text("xyz", min_size=1, max_size=2), _ANYTHING, max_size=1),
        st.fixed_dictionaries(required, optional=optional),
    )


_ITEMS = _some(
    {
        "evaluation_name": st.sampled_from(["e", "f"]),
        "score_details": _some(
            {"score": st.floats() | st.integers(-(2**53), 2**53)},
            {
                "uncertainty": _some(
                    {},
                    {
                        "num_samples": st.integers(-1, 2**33) | _VALUES,
                        "standard_error": _some({}, {"value": st.floats() | _VALUES}) | _VALUES,
                    },
                )
                | _VALUES
            },
        ),
    },
    {
        "evaluation_result_id": _NAMES | _VALUES,
        "source_data": _some(
            {},
            {
                "hf_repo": _NAMES | _VALUES,
                "hf_split": _NAMES | _VALUES,
                "dataset_name": _NAMES | _VALUES,
                "samples_number": st.integers(-1, 9) | _VALUES,
            },
        )
        | _VALUES,
        "metric_config": _some(
            {},
            {
                "metric_id": _NAMES | _VALUES,
                "metric_name": _NAMES | _VALUES,
                "lower_is_better": st.booleans() | _VALUES,
            },
        )
        | _VALUES,
        "generation_config": _ANYTHING,
    },
)
_FILES = _some(
    {"evaluation_results": st.lists(_ITEMS, min_size=1, max_size=3)},
    {
        "evaluation_id": _NAMES | _VALUES,
        "evaluation_timestamp": st.sampled_from(["1767323045", "2026-01-02", "x"]) | _VALUES,
        "model_info": _some({}, {"id": _NAMES | _VALUES, "name": _NAMES | _VALUES}) | _VALUES,
        "source_metadata": _ANYTHING,
    },
)


@given(_FILES)
def test_the_law_holds_for_any_file(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


def test_metrics_without_a_value_are_dropped() -> None:
    result = v1.EvaluationResult(
        id="r",
        task="t",
        metrics=[{"name": "latency"}, {"name": "acc", "value": 0.5}, {"name": "size"}],
    )
    exported = FORMAT.export(result)
    assert [each["score_details"] for each in exported.obj["evaluation_results"]] == [
        {"score": 0.5}
    ]
    dropped = exported.report.entry_of(("metrics", 0, "name"))
    assert dropped is not None
    assert (dropped.outcome.value, dropped.reason) == ("dropped", "a result needs a score")
    [again] = FORMAT.import_(exported.obj).documents
    assert [each["name"] for each in json_values(again)["metrics"]] == ["acc"]

    del result.metrics[1]
    [error] = FORMAT.export(result).report.errors
    assert error.reason == "expected a metric with a value"
