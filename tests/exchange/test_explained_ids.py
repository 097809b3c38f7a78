"""Every rule id that the server puts into an error can be explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import crucible_ir
from crucible_ir.exchange import v1
from crucible_ir.schema.rules import rules_of
from crucible_ir.validation.explain import explain

SERVER = Path(crucible_ir.__file__).parent / "exchange" / "server"

#: A call that makes a violation, with its rule id; `{field}` stands for the fields that use it.
MADE = re.compile(
    r'(?:field_violation|_invalid_content)\(\s*(?:[^"()]*,\s*|f?"[^"]*",\s*)?f?"([^"]+)"'
)
FIELDS = {
    "known": ["type", "types", "page_token", "cursor"],
    "same_query": ["page_token", "cursor"],
}


def ids_of_the_server() -> set[str]:
    found: set[str] = set()
    for path in SERVER.rglob("*.py"):
        for rule_id in MADE.findall(path.read_text()):
            prefix, _, name = rule_id.rpartition(".")
            found |= (
                {f"{field}.{name}" for field in FIELDS[name]} if prefix == "{field}" else {rule_id}
            )
    return found


def ids_of_requests() -> set[str]:
    messages = [each for each in vars(v1).values() if hasattr(each, "DESCRIPTOR")]
    return {
        rule.rule_id
        for message in messages
        if hasattr(message.DESCRIPTOR, "oneofs")
        for rule in rules_of(message.DESCRIPTOR)
    }


def test_the_search_finds_the_ids_of_the_server() -> None:
    assert {"publish.id_equal", "content.readable", "cursor.known"} <= ids_of_the_server()


@pytest.mark.parametrize("rule_id", sorted(ids_of_the_server() | ids_of_requests()))
def test_the_id_is_explained(rule_id: str) -> None:
    assert explain(rule_id).meaning
