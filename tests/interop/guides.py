"""The model version of the guides for several languages."""

from __future__ import annotations

from crucible_ir import v1


def version_of_the_guides() -> v1.ModelVersion:
    """Return the model version that the programs of the guides write and digest."""
    return v1.ModelVersion(
        id="llama_mmlu_3",
        model_id="llama",
        version="1.0.0",
        stage=v1.ModelStage.MODEL_STAGE_STAGING,
        metrics={"accuracy": 0.684},
    )
