"""The reference of the lints is current and complete."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import generate_lint_docs
from crucible_ir.linting import LINTS, LintDefinition

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "lints.md"


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    _, *texts = re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {text.partition("\n")[0]: text for text in texts}


def test_the_committed_page_is_up_to_date() -> None:
    [text] = generate_lint_docs.files().values()
    assert PAGE.read_text(encoding="utf-8") == text, "run `make generate`"


def test_the_page_has_exactly_the_lints_of_the_registry(sections: dict[str, str]) -> None:
    assert list(sections) == sorted(LINTS)


@pytest.mark.parametrize("entry", LINTS.values(), ids=LINTS.keys())
def test_a_section_shows_severity_summary_and_both_examples(
    sections: dict[str, str], entry: LintDefinition
) -> None:
    text = sections[entry.id]
    assert f"Severity: {entry.severity}. {entry.summary}\n" in text
    assert f"`{entry.example_type.DESCRIPTOR.name}`" in text
    shown = re.findall(r"```json\n(.*?)\n```", text, flags=re.DOTALL)
    assert [json.loads(example) for example in shown] == [entry.bad, entry.good]


def test_the_page_documents_every_setting() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for word in ("select", "ignore", "fail-on", "crucible_ir_lint_ignore", "crucible-ir.toml"):
        assert word in text
