"""`crucible-ir explain`: the explanation of an id, and the list of ids."""

from __future__ import annotations

from cli.command_line import run

from crucible_ir.linting import LINTS
from crucible_ir.validation.explain import rule_ids


def test_a_rule_is_explained_with_its_declarations_and_two_examples() -> None:
    result = run("explain", "double.gte")
    assert result.status == 0
    assert result.lines[:2] == ["double.gte (rule)", "  must be greater than or equal to <gte>"]
    assert any("Hedging.budget_percent" in line for line in result.lines)
    assert [line.split()[:2] for line in result.lines[-2:]] == [
        ["Fails", "Hedging"],
        ["Passes", "Hedging"],
    ]


def test_a_lint_is_explained() -> None:
    assert run("explain", "ensemble.weights_sum").lines[0] == "ensemble.weights_sum (lint, info)"


def test_without_an_id_every_rule_and_lint_is_listed() -> None:
    listed = {line.split()[0] for line in run("explain").lines if line.startswith("  ")}
    assert listed == {*rule_ids(), *LINTS}


def test_an_unknown_id_suggests_the_nearest() -> None:
    result = run("explain", "ensemble.weight_sum")
    assert result.status == 2
    assert 'did you mean "ensemble.weights_sum"?' in result.err
