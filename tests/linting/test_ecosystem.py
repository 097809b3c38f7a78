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


@pytest.mark.parametrize(("type_name", "document"), documents())
def test_a_published_example_has_no_findings(type_name: str, document: dict[str, Any]) -> None:
    assert lint(from_crucible_json(json.dumps(document), type_name)) == []
