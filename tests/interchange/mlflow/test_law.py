"""The law of interchange for MLflow, with generated records in the shape of its REST API."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_law

from crucible_ir.interchange.mlflow import FORMAT

_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
#: Values of other types that opaque JSON keeps as they are.
_ODD = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3) | st.just({"a": [1]})
_SHORT = st.sampled_from(["a", "b", "", "train", "loss"]) | st.text(max_size=6)
_TIMES = st.integers(1_700_000_000_000, 1_700_000_000_003) | st.integers(-(2**62), 2**62)
_STEPS = st.integers(0, 3) | st.integers(-(2**62), 2**62)
_NUMBERS = (
    st.floats() | st.integers(-3, 3) | st.sampled_from(["NaN", "Infinity", "-Infinity", -0.0])
)
_METRICS = st.sampled_from(["loss", "eval/f1 macro", "epoch"]) | st.text(max_size=4)


def _object(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[Any]:
    """Return objects whose optional keys may be absent or of any type."""
    odd = {key: value | _ODD for key, value in optional.items()}
    return st.fixed_dictionaries(required, optional={**odd, "other": _ANY})


def _point(name: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    plain = st.fixed_dictionaries(
        {"key": name, "value": _NUMBERS, "timestamp": _TIMES, "step": _STEPS}
    )
    odd = _object({"key": name}, value=_NUMBERS, timestamp=_TIMES, step=_STEPS, model_id=_SHORT)
    return plain | plain | plain | odd


_HISTORY = st.dictionaries(_METRICS, st.none(), max_size=3).flatmap(
    lambda names: st.fixed_dictionaries(
        {name: st.lists(_point(st.just(name)), max_size=5) for name in names}
    )
)
_PARAM_NAMES = st.sampled_from(
    [
        "lr",
        "learning_rate",
        "epochs",
        "num_train_epochs",
        "batch_size",
        "optimizer",
        "fp16",
        "bf16",
        "model_name",
        "seed",
        "max_steps",
        "x",
    ]
)
_PARAM_VALUES = st.sampled_from(
    ["0.1", "1e-05", "0", "3.0", "0.5", "-1", "AdamW", "adam", "True", "False", "None", "inf", "1"]
)
_OUR_TAGS = st.sampled_from(
    [
        "crucible_ir.id",
        "crucible_ir.tags",
        "crucible_ir.status",
        "crucible_ir.options.a",
        "crucible_ir.config.epochs",
        "crucible_ir.config.model_ref",
        "crucible_ir.config.id",
        "crucible_ir.best_metrics",
        "crucible_ir.current_epoch",
        "crucible_ir.aliases",
        "crucible_ir.version",
        "crucible_ir.metrics",
        "crucible_ir.split",
        "crucible_ir.uri",
        "crucible_ir.experiment_id",
        "crucible_ir.name",
        "crucible_ir.config.dataset_ref",
    ]
)
_OUR_VALUES = st.sampled_from(
    [
        '"x"',
        "3",
        '["a=b", "c"]',
        '{"id": "m"}',
        '{"name": "d"}',
        '{"a": 1.5}',
        "{}",
        "[]",
        "null",
        '"1.2.0"',
        '"completed"',
    ]
)


def _pairs(names: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> Any:
    pair = st.fixed_dictionaries({"key": names, "value": values})
    unique = st.lists(pair, max_size=5, unique_by=lambda each: each["key"])
    return unique | unique | unique | st.lists(pair | _object({}, key=names), max_size=4)


_TAG = st.tuples(
    st.sampled_from(["team", "mlflow.note.content", "mlflow.parentRunId", "a=b"]) | _SHORT, _SHORT
)
_TAGS = (
    st.lists(_TAG | st.tuples(_OUR_TAGS, _OUR_VALUES), max_size=5, unique_by=lambda each: each[0])
    .map(lambda pairs: [{"key": key, "value": value} for key, value in pairs])
    .flatmap(lambda pairs: st.just(pairs) | st.just(pairs) | _ANY)
)
_DATASET = _object(
    {},
    name=_SHORT,
    digest=st.sampled_from(["a1b2c3d4", "sha1:ab", "?", "mlflow:ab", "a" * 40]),
    source_type=st.sampled_from(["local", "hugging_face", "huggingface"]),
    source=st.sampled_from(['{"uri": "s3://b"}', '{"config_name": "en"}', "text", '{"uri": 3}']),
    schema=st.sampled_from(['{"a": 1}', "[]", '{"a":  1.0}', '{"a": NaN}']),
    profile=_SHORT,
)
_INPUT_TAGS = _pairs(
    st.sampled_from(["mlflow.data.context", "x", "crucible_ir.split", "crucible_ir.uri"]),
    st.sampled_from(["training", "train", "eval", '"y"', ""]),
)
RUNS = st.fixed_dictionaries(
    {
        "run": _object(
            {
                "info": _object(
                    {"run_id": st.sampled_from(["r1", "r2"]) | st.text(min_size=1, max_size=4)},
                    run_uuid=st.sampled_from(["r1", ""]),
                    experiment_id=_SHORT,
                    run_name=_SHORT,
                    status=st.sampled_from(
                        ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED", "completed", "?"]
                    ),
                    start_time=_TIMES | st.sampled_from(["1700000000000", "", 0]),
                    end_time=_TIMES | st.just(0),
                    lifecycle_stage=st.sampled_from(["active", "deleted"]),
                )
            },
            data=_object(
                {},
                metrics=st.lists(_point(_METRICS), max_size=4),
                metric_history=_HISTORY,
                params=_pairs(_PARAM_NAMES, _PARAM_VALUES | _SHORT),
                tags=_TAGS,
            ),
            inputs=_object(
                {},
                dataset_inputs=st.lists(
                    _object({}, dataset=_DATASET, tags=_INPUT_TAGS), max_size=3
                ),
            ),
            outputs=_ANY,
            tags=_ANY,
            order=_ANY,
        )
    }
)

_VERSION = _object(
    {"name": st.just("spam"), "version": st.sampled_from(["1", "2.1", "x", "1.0.0", 3])},
    creation_timestamp=_TIMES,
    current_stage=st.sampled_from(["None", "Staging", "Production", "production", "odd"]),
    description=_SHORT,
    source=_SHORT,
    run_id=_SHORT,
    user_id=_SHORT,
    status=_SHORT,
    aliases=st.lists(_SHORT, max_size=2),
    model_metrics=st.lists(_point(_METRICS), max_size=3),
    tags=_TAGS,
)
VERSIONS = st.fixed_dictionaries({"model_version": _VERSION})
_ALIASES = st.lists(
    st.fixed_dictionaries({"alias": _SHORT, "version": st.sampled_from(["1", "12"])}), max_size=3
)
MODELS = st.fixed_dictionaries(
    {
        "registered_model": _object(
            {"name": st.just("spam")},
            aliases=_ALIASES,
            description=_SHORT,
            tags=_TAGS,
            creation_timestamp=_TIMES,
        )
    }
)
LOGGED_MODELS = st.fixed_dictionaries(
    {
        "model": _object(
            {
                "info": _object(
                    {"model_id": st.just("m-1")},
                    name=_SHORT,
                    artifact_uri=_SHORT,
                    status=_SHORT,
                    tags=_TAGS,
                )
            },
            data=_ANY,
        )
    }
)
MLMODELS = _object(
    {
        "flavors": st.fixed_dictionaries(
            {},
            optional={
                "python_function": _object(
                    {},
                    loader_module=st.sampled_from(
                        ["mlflow.sklearn", "mlflow.pytorch", "mlflow.pyfunc.model", "x"]
                    ),
                ),
                "sklearn": _ANY,
            },
        )
    },
    model_id=st.sampled_from(["m-1", "", "m-2"]),
    model_uuid=st.sampled_from(["m-1", ""]),
    artifact_path=st.sampled_from(["model", "s3://bucket/model"]),
    run_id=_SHORT,
    signature=_ANY,
)

_ASSESSMENT = _object(
    {"assessment_id": st.sampled_from(["a-1", "a-2"])},
    assessment_name=_SHORT,
    trace_id=st.just("tr-1"),
    source=_object(
        {}, source_type=st.sampled_from(["HUMAN", "LLM_JUDGE", "AI_JUDGE", "x"]), source_id=_SHORT
    ),
    create_time=st.sampled_from(["2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05+01:00", "?"]),
    feedback=_object({}, value=_SHORT, error=_ANY),
    expectation=_object(
        {},
        value=_SHORT,
        serialized_value=_object({}, value=st.sampled_from(['{"a": [1]}', "2", "x", '"y"', "NaN"])),
    ),
    rationale=_SHORT,
    overrides=_SHORT,
    valid=st.booleans(),
    metadata=st.dictionaries(
        st.sampled_from(
            [
                "k",
                "crucible_ir.feedback_type",
                "crucible_ir.latency_ms",
                "crucible_ir.id",
                "crucible_ir.metadata.k",
                "crucible_ir.metadata.mlflow",
                "crucible_ir.comment",
            ]
        ),
        _OUR_VALUES | st.sampled_from(['"thumbs"', '"label"', '"correction"']),
        max_size=3,
    ),
)
ASSESSMENTS = st.fixed_dictionaries({"assessment": _ASSESSMENT})
TRACES = st.fixed_dictionaries(
    {
        "trace": _object(
            {
                "trace_info": _object(
                    {"assessments": st.lists(_ASSESSMENT, min_size=1, max_size=2)},
                    trace_id=st.just("tr-1"),
                    tags=_ANY,
                )
            },
            spans=_ANY,
        )
    }
)


@given(RUNS)
def test_runs(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(VERSIONS | MODELS | LOGGED_MODELS | MLMODELS)
def test_models(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(MODELS, st.lists(_VERSION, max_size=2, unique_by=lambda each: each["version"]))
def test_registered_models_with_their_versions(
    record: dict[str, Any], versions: list[dict[str, Any]]
) -> None:
    record = {"registered_model": {**record["registered_model"], "latest_versions": versions}}

    def rejoin(objects: list[Any]) -> Any:
        found = copy.deepcopy(objects[0])
        if versions:
            found["registered_model"]["latest_versions"] = [
                each["model_version"] for each in objects[1:]
            ]
        else:
            found["registered_model"].setdefault("latest_versions", [])
        return found

    check_law(FORMAT, record, rejoin=rejoin)


@given(ASSESSMENTS)
def test_assessments(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(TRACES)
def test_traces(record: dict[str, Any]) -> None:
    def rejoin(objects: list[Any]) -> Any:
        trace = copy.deepcopy(objects[0].get("trace", {}))
        trace.setdefault("trace_info", {})["assessments"] = [each["assessment"] for each in objects]
        return {"trace": trace}

    check_law(FORMAT, record, rejoin=rejoin)
