"""The release that may make each change is the one in proto/README.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crucible_ir.schema_changes import Release, SchemaChange, SchemaChangeKind
from crucible_ir.schema_changes.changes import IN_DEVELOPMENT

ROOT = Path(__file__).resolve().parents[2]
SPECIFICATION = (ROOT / "proto" / "README.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table below a heading, before the next one, without its header."""
    section = re.split(r"\n##+ ", SPECIFICATION.split(f"\n## {heading}\n")[1])[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def release_of(cell: str) -> Release:
    found = re.match(r"any release|minor release|`v2`", cell)
    assert found, cell
    return Release(found[0].strip("`"))


@pytest.mark.parametrize("kind", SchemaChangeKind)
def test_the_promise_of_every_kind_is_in_the_row_of_its_release(kind: SchemaChangeKind) -> None:
    rows = {row[0]: release_of(row[1]) for row in table("Versioning")}
    promising = [row for row in rows if kind.promise in row]
    assert kind.release in [rows[row] for row in promising], kind.promise


def test_every_row_of_the_promises_is_used() -> None:
    words = [kind.promise for kind in SchemaChangeKind]
    missed = [row[0] for row in table("Versioning") if not any(each in row[0] for each in words)]
    assert missed == []


def test_the_packages_in_development_are_those_in_the_table_of_stability() -> None:
    packages = {
        name
        for row in table("Stability")
        for name in re.findall(r"`(crucible_ir[\w.]*v\d+)`", row[0])
        if "in development" in row[1]
    }
    assert packages == IN_DEVELOPMENT


def test_only_v2_may_break_a_stable_package() -> None:
    for kind in SchemaChangeKind:
        for package in IN_DEVELOPMENT:
            assert SchemaChange(kind, package, "place").release is Release.ANY
        stable = SchemaChange(kind, "crucible_ir.v1", "place")
        assert (stable.release, stable.is_breaking) == (kind.release, kind.release is Release.V2)
