"""Certain answers are those of the published cases and vectors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from json_values import same_json
from native.cases import VECTORS, lines_of, payloads, published_cases
from native.core import core
from native.truth import check_binary, check_text
from validation.message_cases import MESSAGE_CLASSES

from crucible_ir.conformance import v1

TOPICS = sorted({named.topic for named in published_cases()})


@pytest.mark.parametrize("topic", TOPICS)
def test_certain_answers_are_those_that_a_published_case_expects(topic: str) -> None:
    for named in published_cases():
        if named.topic == topic:
            check_case(named.name, named.case)


def check_case(name: str, case: v1.Case) -> None:
    of_type, expected = core().type(case.request.message_type), case.expected
    data: bytes | None = case.request.binary
    if case.request.WhichOneof("payload") == "json":
        data = of_type.readers["json"](case.request.json)
        if data is not None:
            assert expected.HasField("evaluation"), f"{name}: read as {data.hex()}"
            assert data == expected.evaluation.binary, name
        elif expected.HasField("evaluation"):
            data = expected.evaluation.binary
    if data is None:
        return
    found = expected.evaluation
    breaks_no_rule = found.HasField("broken_rules") and not found.broken_rules.rules
    if of_type.is_valid(data) or (
        expected.HasField("evaluation") and of_type.satisfies_rules(data)
    ):
        assert breaks_no_rule, name
    written = {format: write(data) for format, write in of_type.writers.items()}
    if not expected.HasField("evaluation"):
        assert written == dict.fromkeys(written), name
    if written["json"] is not None:
        assert found.HasField("json"), name
        assert same_json(json.loads(written["json"]), json.loads(found.json)), name
    if written["digest"] is not None:
        assert written["digest"].decode() == found.digest, name


@pytest.mark.parametrize("name", MESSAGE_CLASSES)
def test_certain_answers_about_every_payload_are_true(name: str) -> None:
    for each in payloads():
        if each.name == name:
            if each.format == "binary":
                check_binary(core(), name, each.data)
            else:
                check_text(core(), each.format, name, each.data)


@pytest.mark.parametrize(
    "path", sorted((VECTORS / "digest").glob("*.jsonl")), ids=lambda path: path.stem
)
def test_digests_are_those_of_the_vectors(path: Path) -> None:
    certain = 0
    for vector in lines_of(path):
        if "canonical" not in vector:
            continue
        of_type = core().type(MESSAGE_CLASSES[vector["type"]].DESCRIPTOR.full_name)
        data = of_type.readers["json"](vector["json"].encode())
        if data is None:
            continue
        digest = of_type.writers["digest"](data)
        assert digest in (None, vector["digest"].encode()), vector["name"]
        certain += digest is not None
    assert certain > 0 or path.stem == "refused"
