"""The linter reports nothing on the example documents of the Elixir packages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crucible_ir.linting import lint
from crucible_ir.serialization.json.crucible import from_crucible_json

EXAMPLES = Path(__file__).resolve().parents[1] / "vectors" / "upstream_examples.jsonl"


def documents() -> list[Any]:
    records = map(json.loads, EXAMPLES.read_text(encoding="utf-8").splitlines())
    return [
        pytest.param(record["type"], record["document"], id=f"{index}-{record['type']}")
        for index, record in enumerate(records)
    ]


#: Documents as the Elixir packages write them, with the defaults that the author did not choose.
WRITTEN_BY_ELIXIR: list[tuple[str, dict[str, Any]]] = [
    (
        "DeploymentConfig",
        {
            "id": "deploy_prod",
            "model_version_id": "v1_0_0",
            "environment": "production",
            "replicas": 1,
            "strategy": "rolling",
        },
    ),
    (
        "FeedbackConfig",
        {"enabled": True, "sampling_rate": 1.0, "storage": "postgres", "anonymize_pii": True},
    ),
    (
        "Experiment",
        {
            "id": "my_exp",
            "backend": {"id": "gpt4", "profile": "default"},
            "pipeline": [{"name": "inference", "enabled": True}],
            "reliability": {
                "ensemble": {"strategy": "majority", "execution_mode": "parallel"},
                "stats": {"tests": ["ttest"], "alpha": 0.01},
            },
        },
    ),
    ("Ensemble", {"strategy": "weighted", "execution_mode": "parallel", "models": ["a", "b"]}),
]


@pytest.mark.parametrize(("type_name", "document"), [*documents(), *WRITTEN_BY_ELIXIR])
def test_a_published_example_has_no_findings(type_name: str, document: dict[str, Any]) -> None:
    assert lint(from_crucible_json(json.dumps(document), type_name)) == []
