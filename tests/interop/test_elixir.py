"""The Python of the page for Elixir runs, and the test for Elixir has every message."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from pages import ROOT, check_commands, check_links, check_python

import crucible_ir as ir
from crucible_ir.schema.fields import fields_of
from crucible_ir.schema.types import document_members

DOCS = ROOT / "docs"
PAGE = (DOCS / "elixir.md").read_text(encoding="utf-8")
ELIXIR_TEST = ROOT / "tests" / "vectors" / "crucible_vectors_test.exs"
VECTORS = ROOT / "tests" / "vectors"


def test_the_python_blocks_run_in_sequence_and_print_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The blocks write files.
    monkeypatch.chdir(tmp_path)
    assert check_python(PAGE, "docs/elixir.md") == 6


def test_the_commands_run_in_sequence_and_print_what_is_shown(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    assert check_commands(PAGE, tmp_path, {"crucible-ir", "cat"}) == 4


def test_every_link_to_a_file_has_a_target() -> None:
    check_links(PAGE, DOCS)


def test_the_test_for_elixir_has_a_struct_for_every_member_of_a_document() -> None:
    """Messages that are newer than 0.2.0 have no struct in the Elixir package."""
    members = {
        name
        for name in document_members()
        if not all(field.since for field in fields_of(ir.MESSAGE_TYPES[name].DESCRIPTOR).values())
    }
    modules = re.findall(r'"(\w+)" => ([\w.]+)', ELIXIR_TEST.read_text(encoding="utf-8"))
    assert {name for name, _ in modules} == members
    assert len({module for _, module in modules}) == len(modules)


def test_the_figures_of_the_page_are_those_of_the_vectors() -> None:
    text = (VECTORS / "upstream_cases.jsonl").read_text(encoding="utf-8")
    cases = [json.loads(line) for line in text.splitlines()]
    assert f"has {len(cases)} documents" in PAGE
    more = (VECTORS / "upstream_documents.jsonl").read_text(encoding="utf-8").count("\n")
    assert f"has {more:,} more" in PAGE
    assert f"The {sum(case['valid'] for case in cases)} documents that are valid" in PAGE
