"""The conformance cases of every release keep their results, except for those in a table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from compat.released import RELEASES, number_of
from pages import ROOT

from crucible_ir.conformance.comparison import OFFERED_ASPECTS, compare
from crucible_ir.conformance.executor import evaluate
from crucible_ir.conformance.suites import select_cases
from snapshot_release import suites_file

GUIDE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")

#: The rows of the table: the case, the release with the new result, the broken rules before and
#: now, and the reason.
CHANGED: dict[str, list[str]] = {
    name: cells
    for name, *cells in re.findall(
        r"^\| `(\w+/[\w.]+)` \| (\S+) \| (.+?) \| (.+?) \| (.+?) \|$", GUIDE, re.MULTILINE
    )
}


def shown(rules: list[str]) -> str:
    """Return broken rules as the table shows them."""
    return ", ".join(f"`{rule}`" for rule in rules) or "valid"


@pytest.mark.parametrize("image", RELEASES, ids=lambda image: image.stem)
def test_every_case_of_a_release_has_its_result_unless_the_guide_lists_it(image: Path) -> None:
    cases = select_cases(suites_file(image))
    assert len(cases) > 3_600
    changed = {}
    for named in cases:
        found = evaluate(named.case.request)
        if list(compare(named.case, found, set(OFFERED_ASPECTS.values()))):
            changed[named.name] = tuple(
                shown([rule.rule_id for rule in answer.evaluation.broken_rules.rules])
                for answer in (named.case.expected, found)
            )
    assert changed == {
        name: (before, now)
        for name, (since, before, now, _) in CHANGED.items()
        if parts(since) > parts(number_of(image))
    }


def test_the_table_of_the_guide_gives_a_release_and_a_reason_for_each_case() -> None:
    assert len(CHANGED) == len(re.findall(r"^\| `\w+/", GUIDE, re.MULTILINE)) > 0
    for since, *_, reason in CHANGED.values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", since)
        assert reason


def parts(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))
