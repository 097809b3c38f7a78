"""A selection determines which findings are kept and which of them fail a check."""

from __future__ import annotations

import pytest

from crucible_ir import v1
from crucible_ir.linting import LINTS, Selection, SelectionError, Severity, lint

MESSAGE = v1.Ensemble(models=["a"], weights={"b": 0.5})
BOTH = ["ensemble.weight_without_model", "ensemble.weights_sum"]


def kept(selection: Selection) -> list[str]:
    return [finding.id for finding in selection.filter(lint(MESSAGE))]


@pytest.mark.parametrize(
    ("select", "ignore", "expected"),
    [
        ((), (), BOTH),
        (("ensemble",), (), BOTH),
        (("hedging",), (), []),
        (("ensemble.weights_sum",), (), BOTH[1:]),
        ((), ("ensemble.weights_sum",), BOTH[:1]),
        ((), ("ensemble",), []),
        (("ensemble",), ("ensemble.weights_sum",), BOTH[:1]),
        (("ensemble.weights_sum",), ("ensemble",), BOTH[1:]),
        (("ensemble",), ("ensemble",), []),
        (("ensemble.weights_sum",), ("ensemble.weights_sum",), []),
        (("hedging", "ensemble.weights_sum"), ("stats",), BOTH[1:]),
    ],
)
def test_the_longest_entry_applies_and_ignore_precedes_select(
    select: tuple[str, ...], ignore: tuple[str, ...], expected: list[str]
) -> None:
    assert kept(Selection(select=select, ignore=ignore)) == expected


def test_without_entries_every_lint_is_selected() -> None:
    assert all(map(Selection().selects, LINTS))


@pytest.mark.parametrize(
    ("entry", "near"),
    [
        ("ensemble.no_model", "ensemble.no_models"),
        ("Ensemble.no_models", "ensemble.no_models"),
        ("ensembel", "ensemble"),
    ],
)
def test_an_unknown_entry_is_an_error_that_suggests_the_nearest_lint(entry: str, near: str) -> None:
    with pytest.raises(SelectionError, match=f'^select: unknown lint .*"{near}"'):
        Selection(select=(entry,))
    with pytest.raises(SelectionError, match=f'^ignore: unknown lint .*"{near}"'):
        Selection(ignore=(entry,))


def test_part_of_a_subject_is_not_an_entry() -> None:
    with pytest.raises(SelectionError):
        Selection(select=("ens",))


@pytest.mark.parametrize(
    ("fail_on", "warned", "informed"),
    [
        (Severity.INFO, True, True),
        (Severity.WARNING, True, False),
        (None, False, False),
    ],
)
def test_findings_of_at_least_a_severity_fail_a_check(
    fail_on: Severity | None, warned: bool, informed: bool
) -> None:
    selection = Selection(fail_on=fail_on)
    warning, info = lint(MESSAGE)
    assert (warning.severity, info.severity) == (Severity.WARNING, Severity.INFO)
    assert selection.fails([info, warning]) == warned
    assert selection.fails([info]) == informed
    assert not selection.fails([])


def test_warnings_fail_by_default() -> None:
    assert Selection().fail_on is Severity.WARNING
