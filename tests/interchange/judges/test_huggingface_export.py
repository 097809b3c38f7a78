"""The Hub's own library reads the cards that we write."""

from __future__ import annotations

from pathlib import Path

from interchange.judges.documents import model_card

from crucible_ir import v1
from crucible_ir.interchange.huggingface import FORMAT, export_eval_result
from crucible_ir.interchange.huggingface.files import parse_card

CARD = Path(__file__).parents[1] / "documents" / "huggingface" / "README.md"


def test_a_card_that_was_imported() -> None:
    text = CARD.read_text()
    documents = FORMAT.import_(parse_card(text)).documents
    assert FORMAT.join is not None
    assert FORMAT.write is not None
    written = FORMAT.write(FORMAT.join([FORMAT.export(each).obj for each in documents])).decode()
    before, after = model_card(text), model_card(written)
    assert after.data.to_dict() == before.data.to_dict()
    assert after.text == before.text
    assert after.data.license == "apache-2.0"
    assert after.data.language == ["en", "no"]
    assert after.data.base_model == "acme/vit-base"
    [accuracy, f1] = after.data.eval_results
    assert (accuracy.task_type, accuracy.dataset_type, accuracy.metric_type) == (
        "image-classification",
        "acme/leaves",
        "accuracy",
    )
    assert accuracy.metric_value == 0.9712
    assert f1.metric_value == "0.968"


def test_documents_of_ones_own_as_a_card() -> None:
    model = v1.ModelRef(id="acme/m", name="m", tags=["no", "1.0", "2026-01-02", "a: b"])
    model.task = v1.ModelTask.MODEL_TASK_TEXT_GENERATION
    version = v1.ModelVersion(id="v", model_id="acme/m", version="1.0.0", description="# M\n")
    version.sources.add(
        model_version_id="acme/base", relation=v1.ModelRelation.MODEL_RELATION_FINE_TUNED
    )
    result = v1.EvaluationResult(id="e", task="mmlu", num_shots=5, model_ref=model)
    result.metrics.add(name="acc", value=0.5)
    result.metrics.add(name="unmeasured")
    assert FORMAT.join is not None
    assert FORMAT.write is not None
    joined = FORMAT.join([FORMAT.export(each).obj for each in (model, version, result)])
    card = model_card(FORMAT.write(joined).decode())
    assert card.data.tags == ["no", "1.0", "2026-01-02", "a: b"]
    assert card.data.pipeline_tag == "text-generation"
    assert (card.data.base_model, card.data.base_model_relation) == ("acme/base", "finetune")
    assert card.text == "# M\n"
    assert card.data.model_name == "m"
    [accuracy, unmeasured] = card.data.eval_results
    assert (accuracy.metric_type, accuracy.metric_value) == ("acc", 0.5)
    assert accuracy.dataset_args == {"num_few_shot": 5}
    assert unmeasured.metric_value is None


def test_entries_of_evaluation_results() -> None:
    from huggingface_hub import parse_eval_result_entries

    result = v1.EvaluationResult(id="e", task="gpqa_diamond")
    result.dataset_ref.name = "acme/gpqa"
    result.dataset_ref.version = "0123456789abcdef"
    result.completed_at.FromJsonString("2026-01-02T03:04:05Z")
    result.metrics.add(name="accuracy", value=0.5)
    own = export_eval_result(result).obj
    leaves = CARD.parent / "leaves.yaml"
    imported = [
        FORMAT.export(document).obj
        for record in FORMAT.records(str(leaves))
        for document in FORMAT.import_(record.value).documents
    ]
    mine, first, second = parse_eval_result_entries([own, *imported])
    assert (mine.dataset_id, mine.task_id, mine.value) == ("acme/gpqa", "gpqa_diamond", 0.5)
    assert (mine.dataset_revision, mine.date) == ("0123456789abcdef", "2026-01-02T03:04:05Z")
    assert (first.value, first.source_url) == (97.1, "https://leaves.example/board")
    assert (first.notes, second.date) == ("five shots", "2026-01-02")
