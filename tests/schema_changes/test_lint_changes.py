"""A lint that became a rule is reported; any release may add and remove lints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from schema_changes.mutations import current, edit_rules, field_of, message_of, version

import crucible_ir as ir
from crucible_ir.linting import LINTS
from crucible_ir.schema_changes import Release, SchemaChange, SchemaChangeKind, SchemaError, compare
from crucible_ir.schema_changes.sources import installed_lints, read_lints, write_lints
from crucible_ir.schema_changes.versions import ReleasedLint


def about_lints(
    edit: Callable[[FileDescriptorSet], object], *, without: str = ""
) -> list[SchemaChange]:
    """Compare the schema with an edited version, which may lack a lint."""
    lints = installed_lints()
    kept = {lint_id: lint for lint_id, lint in lints.items() if lint_id != without}
    old = replace(current(), lints=lints)
    new = replace(version("new", edit), lints=kept)
    changes = compare(old, new)
    return [change for change in changes if change.kind.startswith("lint")]


def limit_alpha(most: float) -> Callable[[FileDescriptorSet], object]:
    def edit(files: FileDescriptorSet) -> None:
        edit_rules(field_of(files, "Stats.alpha"), lambda rules: setattr(rules.double, "lte", most))

    return edit


def reject(message: str, expression: str) -> Callable[[FileDescriptorSet], object]:
    def edit(files: FileDescriptorSet) -> None:
        edit_rules(
            message_of(files, message),
            lambda rules: rules.cel.add(id="new.rule", message="no", expression=expression),
            "message",
        )

    return edit


def test_unchanged_lints_are_not_reported() -> None:
    assert about_lints(lambda files: None) == []


def test_any_release_may_add_or_remove_a_lint() -> None:
    (gone,) = about_lints(lambda files: None, without="stats.large_alpha")
    assert (gone.kind, gone.place) == (SchemaChangeKind.LINT_REMOVED, "stats.large_alpha")
    assert gone.release is Release.ANY
    lints = installed_lints()
    fewer = {each: lint for each, lint in lints.items() if each != "uri.password"}
    (new,) = compare(replace(current(), lints=fewer), replace(current(), lints=lints))
    assert (new.kind, new.place) == (SchemaChangeKind.LINT_ADDED, "uri.password")
    assert new.release is Release.ANY


def test_a_lint_whose_example_is_invalid_became_a_rule() -> None:
    alpha = float(LINTS["stats.large_alpha"].bad["alpha"])
    for without in ("", "stats.large_alpha"):
        (change,) = about_lints(limit_alpha(alpha / 2), without=without)
        assert (change.kind, change.place) == (
            SchemaChangeKind.LINT_BECAME_RULE,
            "stats.large_alpha",
        )
        assert change.new == "alpha [double.gte_lte]"
        assert change.is_breaking


def test_a_lint_replaced_by_a_milder_rule_of_its_field_became_that_rule() -> None:
    alpha = float(LINTS["stats.large_alpha"].bad["alpha"])
    milder = limit_alpha((1 + alpha) / 2)
    assert about_lints(milder) == []
    (change,) = about_lints(milder, without="stats.large_alpha")
    assert change.kind is SchemaChangeKind.LINT_BECAME_RULE
    assert change.new is not None
    assert "double.gte_lte" in change.new


def test_a_lint_of_a_message_can_become_an_expression() -> None:
    never = reject("Ensemble", "size(this.models) > 0")
    (change,) = about_lints(never, without="ensemble.no_models")
    assert (change.kind, change.new) == (SchemaChangeKind.LINT_BECAME_RULE, "[new.rule]")


def test_lints_are_not_compared_if_the_old_version_has_none_recorded() -> None:
    assert compare(current(), replace(current(), lints=installed_lints())) == []


@pytest.mark.parametrize("lint_id", LINTS)
def test_a_lint_is_recorded_with_a_valid_message_that_it_reports(lint_id: str) -> None:
    recorded = read_lints("table", write_lints(installed_lints()).encode())[lint_id]
    message: Any = LINTS[lint_id].example_type()
    json_format.ParseDict(dict(recorded.example), message)
    assert ir.is_valid(message)
    assert (lint_id, recorded.path) in {(each.id, each.path) for each in ir.lint(message)}
    assert message.DESCRIPTOR.full_name == recorded.type


@pytest.mark.parametrize(
    "content", [b"", b"{}x", b"[1]", b'[{"id": "a"}]', b"[" * 100_000, b"\xff"]
)
def test_an_invalid_table_of_lints_is_an_error(content: bytes) -> None:
    with pytest.raises(SchemaError, match=r"^t: is not the table of lints of a release$"):
        read_lints("t", content)


def test_a_lint_of_a_removed_message_is_not_reported_separately(
    tmp_path: Path,
) -> None:
    lint = ReleasedLint("a.b", "info", "It.", "crucible_ir.v1.Gone", "f", {"f": 1})
    old = replace(current(), lints={"a.b": lint})
    assert compare(old, current()) == []
