"""`crucible-ir explain`: the explanation of an id, and the list of ids."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from cli.command_line import run

from crucible_ir import Limits, is_valid, v1
from crucible_ir.linting import LINTS
from crucible_ir.validation.explain import rule_ids
from crucible_ir.validation.other_ids import OTHER_IDS


def test_a_rule_is_explained_with_its_declarations_and_two_examples() -> None:
    result = run("explain", "double.gte")
    assert result.status == 0
    assert result.lines[:2] == ["double.gte (rule)", "  must be greater than or equal to <gte>"]
    assert any("Hedging.budget_percent" in line for line in result.lines)
    assert [line.split()[:2] for line in result.lines[-4:]] == [
        ["Fails", "Hedging"],
        ["Passes", "Hedging"],
        [],
        ["Documentation:", "rules.html#double-gte"],
    ]


def test_a_lint_is_explained() -> None:
    assert run("explain", "ensemble.weights_sum").lines[0] == "ensemble.weights_sum (lint, info)"


def test_the_page_is_a_link_where_the_address_of_the_site_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRUCIBLE_IR_DOCS", "https://docs.example.com/ir/")
    assert run("explain", "ensemble.weights_sum").lines[-1] == (
        "Documentation: https://docs.example.com/ir/lints.html#ensemble-weights-sum"
    )


def test_without_an_id_every_rule_and_lint_is_listed() -> None:
    listed = {line.split()[0] for line in run("explain").lines if line.startswith("  ")}
    assert listed == {*rule_ids(), *LINTS, *OTHER_IDS}


def test_the_id_of_a_decode_error_is_explained(folder: Path) -> None:
    (folder / "a.json").write_text("[")
    reported = run("validate", "a.json").lines[1]
    assert reported.endswith("[decode]")
    explained = run("explain", "decode")
    assert explained.status == 0
    assert explained.lines[:2] == [
        "decode (error)",
        "  A document must have its format and its type.",
    ]
    assert any(line.startswith("Fails ") for line in explained.lines)


@pytest.mark.parametrize("limit", [each.name for each in fields(Limits)])
def test_every_limit_is_explained_with_its_option(limit: str) -> None:
    assert f"--{limit.replace('_', '-')}" in run("explain", limit).out


def test_an_error_about_a_limit_names_its_option(folder: Path) -> None:
    (folder / "a.json").write_text('{"name": "embedding"}')
    result = run("validate", "--type", "StageDef", "--max-string-bytes", 5, "a.json")
    assert (
        "a.json: name: a string of 9 bytes is over the limit of 5 (--max-string-bytes) [decode]"
        in result.lines
    )


def test_the_rules_of_requests_are_explained() -> None:
    assert run("explain", "publish.id_equal").status == 0
    assert run("explain", "bytes.max_len").lines[:2] == [
        "bytes.max_len (standard rule)",
        "  must be at most <max_len> bytes",
    ]


def test_the_explanation_of_a_pattern_has_examples() -> None:
    lines = run("explain", "string.pattern").lines
    for verdict, words in (("Passes", ["1.2.0", "1.2.0-rc.1"]), ("Fails", ["v1.2.0", "1.2"])):
        line = next(line for line in lines if line.startswith(f"{verdict} ") and words[0] in line)
        for version in words:
            assert version in line.split()
            message = v1.ModelVersion(id="a", model_id="m", version=version)
            assert is_valid(message) is (verdict == "Passes")


def test_an_unknown_id_suggests_the_nearest() -> None:
    result = run("explain", "ensemble.weight_sum")
    assert result.status == 2
    assert 'did you mean "ensemble.weights_sum"?' in result.err
