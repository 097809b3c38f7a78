"""Model cards, trainer states, training arguments and evaluation results of Hugging Face."""

from __future__ import annotations

import json
import math
import shutil
from datetime import UTC, datetime, timedelta
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interchange.law import check_law
from interchange.strategies import most_json, wrong_json

from crucible_ir import v1
from crucible_ir.interchange.huggingface import FORMAT, export_eval_result
from crucible_ir.interchange.huggingface.files import parse_card, write_card
from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.values import same

DOCUMENTS = Path(__file__).parent / "documents" / "huggingface"

REVISION = "0123456789abcdef0123456789abcdef01234567"

CARD: dict[str, Any] = parse_card((DOCUMENTS / "README.md").read_text())
ARGUMENTS: dict[str, Any] = json.loads((DOCUMENTS / "training_args.json").read_text())
STATE: dict[str, Any] = json.loads((DOCUMENTS / "trainer_state.json").read_text())
CONFIG: dict[str, Any] = json.loads((DOCUMENTS / "config.json").read_text())


def only(obj: dict[str, Any]) -> Any:
    """Import a record under the law, and return its only document."""
    [document] = check_law(FORMAT, obj).documents
    return document


def test_a_card() -> None:
    imported = check_law(FORMAT, CARD)
    model, result = imported.documents
    assert isinstance(model, v1.ModelRef)
    assert isinstance(result, v1.EvaluationResult)
    assert (model.id, model.name) == ("leaf-vit", "leaf-vit")
    assert model.custom_task == "image-classification"
    assert model.custom_framework == "transformers"
    assert list(model.tags) == ["vision", "generated_from_trainer"]
    kept = json_values(model)["options"]["huggingface"]["data"]
    assert kept["license"] == "apache-2.0"
    assert kept["language"] == ["en", "no"]
    assert kept["base_model"] == "acme/vit-base"
    assert result.task == "image-classification"
    assert (result.model_ref.id, result.model_ref.name) == ("leaf-vit", "leaf-vit")
    assert result.dataset_ref.name == "acme/leaves"
    assert result.dataset_ref.subset == "autumn"
    assert result.dataset_ref.split == v1.DatasetSplit.DATASET_SPLIT_TEST
    assert result.dataset_ref.version == REVISION
    assert result.num_shots == 5
    assert [(each.name, each.value) for each in result.metrics] == [
        ("accuracy", 0.9712),
        ("f1", 0.968),
    ]


def test_a_card_comes_back_with_its_text() -> None:
    text = (DOCUMENTS / "README.md").read_text()
    documents = FORMAT.import_(parse_card(text)).documents
    assert FORMAT.join is not None
    assert FORMAT.write is not None
    written = FORMAT.write(FORMAT.join([FORMAT.export(each).obj for each in documents])).decode()
    assert parse_card(written) == parse_card(text)
    assert written.endswith("---\n\n# leaf-vit\n\nTells leaves apart.\n")


@pytest.mark.parametrize(
    "text",
    [
        "---\nlicense: mit\n---\n# A\n",
        "---\r\nlicense: mit\r\n---\r\n# A\r\n",
        "---\n---\nno metadata",
        "# no front matter\n\n---\n\na rule",
        "---\nlicense: mit\n---",
        "---\nlanguage: no\ntags: ['1.0', \"2026-01-02\", 'null']\n---\n\n---\ntext: x\n---\n",
    ],
)
def test_metadata_and_text_of_a_card(text: str) -> None:
    card = parse_card(text)
    assert parse_card(write_card(card)) == card
    if "\r" not in text and "'1.0'" not in text:
        assert write_card(card) == text if "license" in text and text.endswith("\n") else True


def test_a_card_without_a_name_has_an_id_of_its_content() -> None:
    first = only({"data": {"license": "mit"}, "text": "# A"})
    second = only({"data": {"license": "mit"}, "text": "# B"})
    assert first.id.startswith("huggingface-")
    assert first.id != second.id


@pytest.mark.parametrize(
    ("results", "path", "reason"),
    [
        ([{"task": {"type": "t"}, "metrics": []}], "results[0]", '"dataset"'),
        ([{"dataset": {"type": "d", "name": "D"}, "metrics": []}], "results[0]", '"task"'),
        ([{"task": {"type": "t"}, "dataset": {"type": "d", "name": "D"}}], "results[0]", "metrics"),
        (["text"], "results[0]", '"task"'),
        (
            [{"task": {"type": "t"}, "dataset": {"type": "d", "name": "D"}, "metrics": [{}]}],
            "results[0]",
            '"type"',
        ),
        ("none", "", '"results"'),
    ],
)
def test_an_invalid_model_index_is_an_error_and_the_card_is_imported(
    results: Any, path: str, reason: str
) -> None:
    card = {"data": {"license": "mit", "model-index": [{"name": "m", "results": results}]}}
    imported = FORMAT.import_(card)
    [model] = imported.documents
    assert json_values(model)["options"]["huggingface"]["data"]["license"] == "mit"
    [error] = imported.report.errors
    assert error.path == f"data.model-index[0].{path}".rstrip(".")
    assert reason in error.reason
    exported = FORMAT.export(model).obj
    assert FORMAT.import_(exported).documents == imported.documents


def test_one_invalid_result_of_a_model_index_leaves_the_others() -> None:
    good = {
        "task": {"type": "t"},
        "dataset": {"type": "d", "name": "D"},
        "metrics": [{"type": "acc", "value": 1}],
    }
    data = {"model-index": [{"name": "m", "results": [good, {"task": 1}, good]}]}
    imported = FORMAT.import_({"data": data})
    assert len(imported.documents) == 3
    assert len(imported.report.errors) == 1


def test_a_model_index_that_is_no_list() -> None:
    imported = FORMAT.import_({"data": {"model-index": {"name": "m"}}})
    assert len(imported.documents) == 1
    assert [error.path for error in imported.report.errors] == ["data.model-index"]


def test_a_model_index_of_several_models() -> None:
    result = {
        "task": {"type": "t"},
        "dataset": {"type": "d", "name": "D"},
        "metrics": [{"type": "acc", "value": 1}],
    }
    index = [
        {"name": "a", "results": [result], "more": 1},
        {"name": "b", "results": []},
        {"name": "c", "results": [result]},
    ]
    imported = FORMAT.import_({"data": {"model-index": index}})
    _, first, second = imported.documents
    assert [json_values(each)["model_ref"]["id"] for each in (first, second)] == ["a", "c"]
    dropped = {each.path for each in imported.report.entries if each.outcome is Outcome.DROPPED}
    assert dropped == {"data.model-index[0].more", "data.model-index[1].**"}


def test_a_model_of_ones_own_as_a_card() -> None:
    model = v1.ModelRef(
        id="acme/leaf-vit",
        name="leaf-vit",
        task=v1.ModelTask.MODEL_TASK_EMBEDDING,
        custom_framework="timm",
        tags=["vision"],
    )
    model.options.update({"huggingface": {"data": {"license": "mit"}}})
    exported = FORMAT.export(model)
    assert exported.obj == {
        "data": {
            "license": "mit",
            "pipeline_tag": "feature-extraction",
            "library_name": "timm",
            "tags": ["vision"],
            "model-index": [{"name": "leaf-vit", "results": []}],
        }
    }
    dropped = {each.path for each in exported.report.entries if each.outcome is Outcome.DROPPED}
    assert dropped == {"id"}


def test_a_version_of_ones_own_as_a_card() -> None:
    version = v1.ModelVersion(
        id="v", model_id="m", version="1.0.0", description="A model.\n", tags=["a"]
    )
    version.sources.add(
        model_version_id="acme/base", relation=v1.ModelRelation.MODEL_RELATION_QUANTIZED
    )
    assert FORMAT.export(version).obj == {
        "data": {"tags": ["a"], "base_model": "acme/base", "base_model_relation": "quantized"},
        "text": "A model.\n",
    }
    version.sources.add(
        model_version_id="acme/other", relation=v1.ModelRelation.MODEL_RELATION_MERGED
    )
    assert FORMAT.export(version).obj["data"]["base_model"] == ["acme/base", "acme/other"]


def test_an_evaluation_of_ones_own_as_a_card_and_as_an_entry() -> None:
    result = v1.EvaluationResult(id="e", task="mmlu", num_shots=5, model_version_id="m_1_0_0")
    result.metrics.add(name="acc", value=0.5, stderr=0.1, filter="none")
    result.metrics.add(name="ppl")
    exported = FORMAT.export(result)
    assert exported.obj == {
        "data": {
            "model-index": [
                {
                    "name": "m_1_0_0",
                    "results": [
                        {
                            "task": {"type": "mmlu"},
                            "dataset": {
                                "type": "mmlu",
                                "name": "mmlu",
                                "args": {"num_few_shot": 5},
                            },
                            "metrics": [
                                {"type": "acc", "value": 0.5},
                                {"type": "ppl", "value": None},
                            ],
                        }
                    ],
                }
            ]
        }
    }
    assert not FORMAT.import_(exported.obj).report.errors
    del result.metrics[1]
    assert export_eval_result(result).obj == {
        "dataset": {"id": "mmlu", "task_id": "mmlu"},
        "value": 0.5,
    }


def test_a_trainer_state() -> None:
    run = only(STATE)
    assert isinstance(run, v1.TrainingRun)
    assert run.status == v1.TrainingStatus.TRAINING_STATUS_COMPLETED
    assert (run.current_step, run.current_epoch) == (40, 2)
    assert run.best_checkpoint_uri == "leaf-vit/checkpoint-40"
    assert dict(run.best_metrics) == {"eval_accuracy": 0.9712}
    assert (run.config.epochs, run.config.max_steps) == (2, 40)
    assert not run.config.HasField("batch_size")
    assert run.config.id == run.id
    assert (run.config.model_ref.id, run.config.dataset_ref.name) == ("unknown", "unknown")
    first, second, third, fourth, *_ = run.metrics_history
    assert (first.step, first.epoch, first.values["eval_loss"]) == (0, 0, 3.2)
    assert math.isnan(second.values["grad_norm"])
    # A row of an evaluation stays apart from the row of the training at the same step.
    assert (third.step, fourth.step) == (20, 20)
    assert "loss" not in fourth.values


def test_odd_rows_of_a_history() -> None:
    rows: list[Any] = [
        {"step": -1, "epoch": -0.5, "loss": 1},
        {"step": 2**31, "epoch": math.inf},
        {"step": 1.5, "note": "text", "nested": {"a": [1]}, "nothing": None, "flag": True},
        {"big": 2**60},
        "no object",
        {},
    ]
    run = only({"log_history": rows, "global_step": 1})
    history = [json_values(each) for each in run.metrics_history]
    assert history == [
        {"values": {"loss": 1.0}, "other_values": {"epoch": -0.5, "step": -1}},
        {"other_values": {"epoch": "Infinity", "step": 2**31}},
        {"other_values": {"flag": True, "nested": {"a": [1]}, "note": "text", "step": 1.5}},
        {"other_values": {"big": str(2**60)}},
        {},
        {},
    ]
    assert not json_values(run).get("status")


def test_the_best_metric_is_named_if_one_metric_had_its_value_or_the_arguments_name_it() -> None:
    rows = [{"eval_a": 0.5, "eval_b": 0.5, "step": 1}]
    run = only({"log_history": rows, "best_metric": 0.5})
    assert not run.best_metrics
    state = {"log_history": rows, "best_metric": 0.5}
    for wanted in ("b", "eval_b"):
        arguments = {"output_dir": "o", "metric_for_best_model": wanted}
        run = only({"files": {"trainer_state.json": state, "training_args.json": arguments}})
        assert dict(run.best_metrics) == {"eval_b": 0.5}


def test_training_arguments() -> None:
    imported = check_law(FORMAT, ARGUMENTS)
    [config] = imported.documents
    assert isinstance(config, v1.TrainingConfig)
    assert config.batch_size == 32
    assert config.gradient_accumulation_steps == 2
    assert config.learning_rate == 2e-5
    assert config.epochs == 2
    assert not config.HasField("max_steps")
    assert not config.HasField("warmup_steps")
    assert config.optimizer == v1.Optimizer.OPTIMIZER_ADAMW
    assert config.learning_rate_schedule == v1.LearningRateSchedule.LEARNING_RATE_SCHEDULE_COSINE
    assert config.checkpoint_every_steps == 20
    assert config.mixed_precision
    assert config.gradient_clipping == 1
    report = json.dumps(imported.report.as_json())
    assert "HUB_TOKEN" not in report
    assert "HUB_TOKEN" not in str(config)
    entry = imported.report.entry_of(("hub_token",))
    assert entry is not None
    assert entry.outcome is Outcome.DROPPED


@pytest.mark.parametrize(
    ("arguments", "field", "expected"),
    [
        ({"learning_rate": 0}, "learning_rate", None),
        ({"learning_rate": "1e-4"}, "learning_rate", 1e-4),
        ({"num_train_epochs": 0.5}, "epochs", None),
        ({"num_train_epochs": "3"}, "epochs", 3),
        ({"num_epochs": 4}, "epochs", 4),
        ({"epochs": 5.0}, "epochs", 5),
        ({"max_steps": -1}, "max_steps", None),
        ({"max_steps": 100, "num_train_epochs": 3.0}, "max_steps", 100),
        ({"optim": "paged_adamw_8bit"}, "optimizer", "paged_adamw_8bit"),
        ({"optim": "adamw"}, "optimizer", "adamw"),
        ({"optimizer": "adam"}, "optimizer", "adam"),
        ({"lr_scheduler_type": "constant_with_warmup"}, "learning_rate_schedule", None),
        ({"per_gpu_train_batch_size": 4}, "batch_size", 4),
        ({"batch_size": 8, "gradient_accumulation_steps": 2}, "batch_size", 8),
        ({"grad_accum_steps": 4}, "gradient_accumulation_steps", 4),
        ({"model_id": "t5", "dataset_id": "d"}, "dataset_ref", {"name": "d"}),
        ({"warmup_steps": 0.1}, "warmup_steps", None),
        ({"warmup_steps": 7, "warmup_ratio": 0.0}, "warmup_steps", 7),
        ({"save_strategy": "epoch", "save_steps": 500}, "checkpoint_every_steps", None),
        ({"max_grad_norm": 0}, "gradient_clipping", None),
        ({"fp16": False, "bf16": False}, "mixed_precision", False),
        ({"model_name": "t5", "model_name_or_path": ""}, "model_ref", {"id": "t5"}),
        (
            {"dataset_name": "d", "dataset_config_name": "en"},
            "dataset_ref",
            {"name": "d", "subset": "en"},
        ),
        ({"dataset_config_name": "en"}, "dataset_ref", {"name": "unknown", "subset": "en"}),
    ],
)
def test_settings_of_training(arguments: dict[str, Any], field: str, expected: object) -> None:
    config = only({"output_dir": "out", **arguments})
    found = json_values(config).get(field)
    if field == "learning_rate_schedule":
        assert found == "constant_with_warmup"
    else:
        assert found == expected


def test_other_secrets_are_dropped() -> None:
    arguments = {"output_dir": "o", "env": {"api_key": "k3y"}, "note": "hf_" + "a1" * 16}
    imported = check_law(FORMAT, arguments)
    assert imported.report.counts["dropped"] == 2
    assert "k3y" not in json.dumps(imported.report.as_json())


def test_a_configuration_of_ones_own_as_arguments() -> None:
    config = v1.TrainingConfig(
        id="c",
        model_ref=v1.ModelRef(id="acme/vit-base"),
        dataset_ref=v1.DatasetRef(name="acme/leaves"),
        epochs=3,
        batch_size=32,
        gradient_accumulation_steps=4,
        optimizer=v1.Optimizer.OPTIMIZER_ADAMW,
        mixed_precision=True,
    )
    assert FORMAT.export(config).obj == {
        "num_train_epochs": 3,
        "gradient_accumulation_steps": 4,
        "optim": "adamw_torch",
        "model_name_or_path": "acme/vit-base",
        "dataset_name": "acme/leaves",
        "per_device_train_batch_size": 8,
        "bf16": True,
    }
    config.gradient_accumulation_steps = 0  # breaks a rule, and must not divide
    assert FORMAT.export(config).obj["per_device_train_batch_size"] == 32
    config.gradient_accumulation_steps = 4
    config.batch_size = 3
    config.optimizer = v1.Optimizer.OPTIMIZER_ADAM
    exported = FORMAT.export(config)
    assert "optim" not in exported.obj
    dropped = {each.path for each in exported.report.entries if each.outcome is Outcome.DROPPED}
    assert dropped == {"id", "batch_size", "optimizer"}


def test_changed_settings_replace_what_the_import_kept() -> None:
    config = only({"num_epochs": 4, "fp16": True, "batch_size": 8, "learning_rate": "1e-4"})
    config.epochs = 6
    config.mixed_precision = False
    config.batch_size = 16
    config.learning_rate = 0.5
    exported = FORMAT.export(config).obj
    assert exported["num_epochs"] == 6
    assert exported["learning_rate"] == 0.5
    assert not exported["bf16"]


def test_a_model_configuration() -> None:
    model = only(CONFIG)
    assert model.custom_architecture == "ViTForImageClassification"
    model.custom_architecture = "SwinForImageClassification"
    exported = FORMAT.export(model).obj
    assert exported == {**CONFIG, "architectures": ["SwinForImageClassification"]}


def test_results_of_the_trainer() -> None:
    result = only(json.loads((DOCUMENTS / "all_results.json").read_text()))
    assert isinstance(result, v1.EvaluationResult)
    assert result.task == "unknown"
    assert result.sample_count == 320
    assert {each.name: each.value for each in result.metrics} == {"accuracy": 0.9712, "loss": 0.5}


def test_entries_of_the_hub() -> None:
    records = list(FORMAT.records(str(DOCUMENTS / "leaves.yaml")))
    first, second = (only(record.value) for record in records)
    assert (first.task, first.dataset_ref.name) == ("autumn", "acme/leaves")
    assert [each.value for each in first.metrics] == [97.1]
    assert first.completed_at.ToJsonString() == "2026-01-02T03:04:05Z"
    assert second.completed_at.ToJsonString() == "2026-01-02T00:00:00Z"
    assert FORMAT.write is not None
    written = FORMAT.write(FORMAT.export(second).obj).decode()
    assert written == (
        "- dataset:\n    id: acme/needles\n    task_id: default\n  value: 0.41\n"
        "  date: '2026-01-02'\n"
    )


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "expected a model card"),
        ({"dataset": {"id": "d"}, "value": 1}, '"task_id"'),
        ({"dataset": {"id": "d", "task_id": "t"}, "value": "high"}, '"value"'),
        ({"text": ""}, "the card is empty"),
        ({"data": [1]}, "expected a model card"),
        ({"data": {"dataset": {}, "value": 1}, "filename": "a.yaml"}, "expected a model card"),
        ({"train_loss": 1.0}, "no model, training run or evaluation"),
        ({"files": {"vocab.json": {}}}, "no file of a model"),
        ({"name": "", "files": {"config.json": {}}}, "expected a name"),
    ],
)
def test_records_that_are_errors(record: dict[str, Any], reason: str) -> None:
    imported = FORMAT.import_(record)
    assert not imported.documents
    [error] = imported.report.errors
    assert reason in error.reason


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a repository, and a checkpoint inside."""
    repository = tmp_path / "acme" / "leaf-vit"
    (repository / "checkpoint-20").mkdir(parents=True)
    (repository / ".eval_results").mkdir()
    for path in DOCUMENTS.glob("*.json"):
        shutil.copy(path, repository)
    shutil.copy(DOCUMENTS / "README.md", repository)
    shutil.copy(DOCUMENTS / "leaves.yaml", repository / ".eval_results")
    rows = STATE["log_history"][:3]
    state = {**STATE, "global_step": 20, "log_history": rows, "best_metric": None}
    (repository / "checkpoint-20" / "trainer_state.json").write_text(json.dumps(state))
    return tmp_path


def test_a_folder(folder: Path) -> None:
    records = {each.value["name"]: each for each in FORMAT.records(str(folder))}
    checkpoint, whole = records["acme/leaf-vit/checkpoint-20"], records["acme/leaf-vit"]
    imported = check_law(FORMAT, whole.value)
    kinds = [type(document).__name__ for document in imported.documents]
    assert kinds == ["ModelRef", "EvaluationResult", "TrainingRun", *["EvaluationResult"] * 3]
    model, _, run, *results = map(json_values, imported.documents)
    assert model["id"] == run["id"] == "acme/leaf-vit"
    assert model["architecture"] == "ViTForImageClassification"
    assert run["config"]["batch_size"] == 32
    assert run["config"]["epochs"] == 2
    assert run["config"]["model_ref"] == {"id": "acme/vit-base"}
    assert run["config"]["dataset_ref"] == {"name": "acme/leaves"}
    assert [each["model_ref"]["id"] for each in results] == ["acme/leaf-vit"] * 3
    check_law(FORMAT, checkpoint.value)
    assert [error.path for error in imported.report.errors] == []


def test_a_folder_that_is_read_itself_gives_the_name(folder: Path) -> None:
    records = list(FORMAT.records(str(folder / "acme" / "leaf-vit")))
    assert {record.value["name"] for record in records} == {"leaf-vit", "leaf-vit/checkpoint-20"}
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert not list(FORMAT.records(str(folder), soon))
    assert not list(FORMAT.records(str(DOCUMENTS / "README.md"), soon))


def test_a_repository_in_the_cache_of_the_hub(tmp_path: Path) -> None:
    folder = tmp_path / "models--acme--leaf-vit" / "snapshots" / REVISION
    (folder / "checkpoint-20").mkdir(parents=True)
    (folder / "README.md").write_text((DOCUMENTS / "README.md").read_text())
    (folder / "checkpoint-20" / "config.json").write_text('{"model_type": "vit"}')
    (folder / "trainer_state.json").write_text("{")
    records = list(FORMAT.records(str(folder)))
    [bad] = [record for record in records if record.error is not None]
    assert bad.name.endswith("trainer_state.json")
    good = [record.value for record in records if record.error is None]
    by_name = {each["name"]: each for each in good}
    assert set(by_name) == {"acme/leaf-vit", "acme/leaf-vit/checkpoint-20"}
    imported = check_law(FORMAT, by_name["acme/leaf-vit"])
    version = imported.documents[-1]
    model = imported.documents[0]
    assert isinstance(version, v1.ModelVersion)
    assert isinstance(model, v1.ModelRef)
    assert model.provider == v1.ModelProvider.MODEL_PROVIDER_HUGGINGFACE
    assert version.id == "acme/leaf-vit@0123456789ab"
    assert (version.model_id, version.version) == ("acme/leaf-vit", "0.0.0+git.0123456789ab")
    [source] = version.sources
    assert source.model_version_id == "acme/vit-base"
    assert source.relation == v1.ModelRelation.MODEL_RELATION_FINE_TUNED


def test_the_version_and_the_run_of_a_repository_refer_to_each_other() -> None:
    files = {"README.md": CARD, "trainer_state.json": STATE}
    documents = check_law(FORMAT, {"name": "a/m", "revision": REVISION, "files": files}).documents
    [version] = [each for each in documents if isinstance(each, v1.ModelVersion)]
    [run] = [each for each in documents if isinstance(each, v1.TrainingRun)]
    assert run.final_model_version == version.id
    assert version.training_run_id == run.id


@pytest.mark.parametrize(
    "data",
    [
        {"base_model": ["a/b"]},
        {"base_model": ["a/b", "a/c"], "base_model_relation": "merge"},
        {"base_model": "a/b", "base_model_relation": "adapter"},
        {"base_model": "a/b", "base_model_relation": "fine_tuned"},
        {"base_model": [1]},
        {"base_model": []},
        {"base_model_relation": "merge"},
        None,
    ],
)
def test_the_base_models_of_a_version(data: Any) -> None:
    files = {"README.md": {"data": data, "text": ""}}
    check_law(FORMAT, {"name": "a/m", "revision": REVISION, "files": files})
    check_law(FORMAT, {"name": "a/m", "revision": "main", "files": files})
    check_law(FORMAT, {"name": "a/m", "revision": "?", "files": files})


def test_steps_of_a_run_whose_arguments_have_a_fraction_of_an_epoch() -> None:
    files = {
        "trainer_state.json": {"log_history": [], "max_steps": 50, "num_train_epochs": 1},
        "training_args.json": {"num_train_epochs": 0.5, "max_steps": -1},
    }
    run = only({"name": "m", "files": files})
    assert not run.config.HasField("epochs")
    assert run.config.max_steps == 50


def test_several_results_are_joined_in_a_folder() -> None:
    assert FORMAT.join is not None
    assert FORMAT.write is not None
    run = FORMAT.export(only(STATE)).obj
    config = FORMAT.export(only(ARGUMENTS)).obj
    entry = {"dataset": {"id": "d", "task_id": "t"}, "value": 1}
    joined = FORMAT.join([run, config, entry])
    assert set(joined["files"]) == {"trainer_state.json", "training_args.json", ".eval_results/"}
    assert FORMAT.import_(joined).documents
    assert same(json.loads(FORMAT.write(joined)), joined)
    assert FORMAT.join([entry, entry]) == [entry, entry]
    assert FORMAT.write([entry, entry]).startswith(b"- dataset:")
    assert FORMAT.write({"files": {"README.md": {"data": {}, "text": "x"}}}) == b"---\n---\nx"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("---\n- a\n---\n", "mapping"),
        ("---\nlicense: mit\nlicense: other\n---\n", "3:1: duplicate key"),
        ("\n---\ntags:\n\t- a\n---\n", "4:1"),
    ],
)
def test_cards_that_are_not_read(tmp_path: Path, text: str, error: str) -> None:
    card = tmp_path / "card.md"
    card.write_text(text)
    [record] = FORMAT.records(str(card))
    assert error in str(record.error)


@pytest.mark.parametrize("history", [None, {}, "text", 5, [None]])
def test_a_trainer_state_without_a_history(history: Any) -> None:
    assert not only({"log_history": history, "global_step": 3}).metrics_history or history


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DOCUMENTS / "README.md").read_bytes()
    for content, expected in ((text, CARD), (json.dumps(CONFIG).encode(), CONFIG)):
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(content)))
        [record] = FORMAT.records("-")
        assert record.value == expected


_VALUES, _ANYTHING = wrong_json, most_json
_NAMES = st.text("abc/-", min_size=1, max_size=5)
_NUMBERS = st.sampled_from([0, -1, 1, 3.0, 0.5, 2**40, "1e-3", "4", "x"]) | _VALUES
_MORE = st.dictionaries(st.text("xyz", min_size=1, max_size=3), _ANYTHING, max_size=2)


def _some(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy of objects that may have other keys too, or values of wrong types."""
    known = st.fixed_dictionaries(required, optional=optional)
    return st.builds(lambda more, own: {**more, **own}, _MORE, known)


_ROWS = _some(
    {},
    {
        "step": st.integers(-2, 2**33) | _ANYTHING,
        "epoch": st.floats() | st.integers(0, 3) | _ANYTHING,
        "loss": st.floats() | _ANYTHING,
        "eval_loss": st.sampled_from([0.5, 1]),
        "eval_f1": st.sampled_from([0.5, 2]),
    },
)
_STATES = _some(
    {"log_history": st.lists(_ROWS | _VALUES, max_size=4)},
    {
        "global_step": st.integers(-1, 5) | _VALUES,
        "max_steps": st.integers(-1, 5) | _VALUES,
        "num_train_epochs": _NUMBERS,
        "epoch": st.floats() | _VALUES,
        "best_metric": st.sampled_from([0.5, 1, 2]) | _VALUES,
        "best_model_checkpoint": _NAMES | _VALUES,
    },
)
_ARGUMENTS = _some(
    {"output_dir": _VALUES},
    {
        "learning_rate": _NUMBERS,
        "num_train_epochs": _NUMBERS,
        "num_epochs": _NUMBERS,
        "epochs": _NUMBERS,
        "max_steps": _NUMBERS,
        "per_device_train_batch_size": _NUMBERS,
        "per_gpu_train_batch_size": _NUMBERS,
        "batch_size": _NUMBERS,
        "gradient_accumulation_steps": _NUMBERS,
        "warmup_steps": _NUMBERS,
        "warmup_ratio": _NUMBERS,
        "save_steps": _NUMBERS,
        "save_strategy": st.sampled_from(["steps", "epoch", "no"]) | _VALUES,
        "optim": st.sampled_from(["adamw_torch", "adamw_hf", "adamw", "adam", "lion"]) | _VALUES,
        "optimizer": st.sampled_from(["adam", "sgd"]) | _VALUES,
        "lr_scheduler_type": st.sampled_from(["linear", "cosine_with_restarts"]) | _VALUES,
        "fp16": st.booleans() | _VALUES,
        "bf16": st.booleans() | _VALUES,
        "model_name": _NAMES | _VALUES,
        "model_name_or_path": _NAMES | _VALUES,
        "dataset_name": _NAMES | _VALUES,
        "dataset_config_name": _NAMES | _VALUES,
        "hub_token": st.just("secret") | _VALUES,
        "seed": st.integers(-(2**65), 2**65) | _VALUES,
    },
)
_RESULT = _some(
    {
        "task": _some({"type": _NAMES}, {"name": _NAMES | _VALUES}),
        "dataset": _some(
            {"type": _NAMES, "name": _NAMES},
            {
                "config": _NAMES | _VALUES,
                "split": st.sampled_from(["test", "train[:10%]"]) | _VALUES,
                "revision": _NAMES | _VALUES,
                "args": _some({}, {"num_few_shot": _NUMBERS}) | _VALUES,
            },
        ),
        "metrics": st.lists(
            _some({"type": _NAMES, "value": _NUMBERS}, {"name": _NAMES | _VALUES}), max_size=3
        ),
    },
    {"source": _VALUES},
)
_CARD_DATA = _some(
    {},
    {
        "license": _VALUES,
        "tags": st.lists(_NAMES, max_size=2) | _VALUES,
        "pipeline_tag": st.sampled_from(["text-generation", "sentence-similarity", "qa", "x"])
        | _VALUES,
        "library_name": st.sampled_from(["transformers", "pytorch", "PyTorch"]) | _VALUES,
        "base_model": _NAMES | st.lists(_NAMES, max_size=2) | _VALUES,
        "base_model_relation": st.sampled_from(["merge", "adapter", "merged"]) | _VALUES,
        "datasets": st.lists(_NAMES, max_size=2) | _VALUES,
        "model-index": st.lists(
            _some({"name": _NAMES, "results": st.lists(_RESULT, max_size=2)}, {}), max_size=1
        ),
    },
)
_CARDS = _some({"data": _CARD_DATA, "text": st.text(max_size=5)}, {})
_CONFIGS = _some({"model_type": _VALUES}, {"architectures": st.lists(_NAMES, max_size=2) | _VALUES})
_RESULTS = _some(
    {"eval_loss": st.floats()}, {"eval_samples": _NUMBERS, "eval_f1": _NUMBERS, "epoch": _NUMBERS}
)
_ENTRIES = _some(
    {
        "dataset": _some({"id": _NAMES, "task_id": _NAMES}, {"revision": _NAMES | _VALUES}),
        "value": st.floats() | st.integers(-(2**70), 2**70),
    },
    {"date": st.sampled_from(["2026-01-02", "2026-01-02T03:04:05+01:00", "soon"]) | _VALUES},
)
_FOLDERS = _some(
    {
        "files": st.builds(
            lambda model, others: {**model, **others},
            st.sampled_from([{"config.json": {"model_type": "vit"}}, {"README.md": {"text": ""}}]),
            st.fixed_dictionaries(
                {},
                optional={
                    "README.md": _CARDS,
                    "config.json": _CONFIGS | st.just({}),
                    "trainer_state.json": _STATES,
                    "training_args.json": _ARGUMENTS | st.just({}),
                    "eval_results.json": _RESULTS,
                    "all_results.json": _RESULTS | _VALUES,
                    ".eval_results/a.yaml": st.lists(_ENTRIES, max_size=2),
                    "other.json": _VALUES,
                },
            ),
        )
    },
    {"name": _NAMES, "revision": st.just(REVISION) | _NAMES | _VALUES},
)


@given(st.one_of(_STATES, _ARGUMENTS, _CARDS, _CONFIGS, _RESULTS, _ENTRIES))
def test_the_law_holds_for_any_file(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)


@given(_FOLDERS)
def test_the_law_holds_for_any_folder(record: dict[str, Any]) -> None:
    check_law(FORMAT, record)
