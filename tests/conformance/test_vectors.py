"""The published cases cover every rule, are well formed, and agree with the oracle."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from google.protobuf import __version__ as protobuf_version

import generate_conformance_cases
from conformance_cases import fields, layout, oracle, rules, unknown_fields
from conformance_cases.partial_cases import GOOGLE_READS_IT
from conformance_cases.samples import types
from crucible_ir.conformance import v1
from crucible_ir.conformance.comparison import compare
from crucible_ir.conformance.suites import NamedCase, read_suites, select_cases, suite_folder
from crucible_ir.schema.fields import message_since
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import descriptor_of, message_types
from generated_files import ROOT

CASES = select_cases(suite_folder())
FILES = sorted(suite_folder().glob("*.txtpb"))
IS_PROTOBUF_7 = int(protobuf_version.split(".")[0]) >= 7


#: Every rule of the schema: the type that declares it, the field or oneof, and the rule id.
RULES = {
    (name, rule.field_path, rule.rule_id)
    for name, cls in message_types().items()
    for rule in rules_of(descriptor_of(cls))
}


def detect_type(case: v1.Case) -> str:
    return case.request.message_type.rpartition(".")[2]


def is_decodable(case: v1.Case) -> bool:
    return case.expected.HasField("evaluation")


def set_fields(case: v1.Case) -> set[str]:
    """Return the names of the set fields of a case's message, and of their oneofs.

    The empty name represents the whole message.
    """
    fields = [field for field, _ in oracle.decode(case.request).ListFields()]
    oneofs = [field.containing_oneof.name for field in fields if field.containing_oneof]
    return {"", *oneofs, *(field.name for field in fields)}


def test_every_rule_of_every_field_has_a_failing_case() -> None:
    assert len(RULES) > 100
    failing = {
        (detect_type(named.case), rule.path, rule.rule_id)
        for named in CASES
        for rule in named.case.expected.evaluation.broken_rules.rules
    }
    assert RULES - failing == set()
    assert {rule_id for _, _, rule_id in failing} == {rule_id for _, _, rule_id in RULES}


def test_every_rule_of_every_field_has_a_passing_case_with_the_field_set() -> None:
    passing = set()
    for named in CASES:
        if is_decodable(named.case):
            wrong = {rule.path for rule in named.case.expected.evaluation.broken_rules.rules}
            passing |= {(detect_type(named.case), name) for name in set_fields(named.case) - wrong}
    assert {(name, path) for name, path, _ in RULES} - passing == set()


def test_newer_messages_rename_no_case_of_older_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    older = {name: each for name, each in types().items() if message_since(each) is None}
    assert 0 < len(older) < len(types())
    for module in (fields, rules, unknown_fields):
        monkeypatch.setattr(module, "types", lambda: older)
    names = {
        f"{topic}/{case.name}"
        for topic, cases in generate_conformance_cases.DERIVED.items()
        for case in cases()
    }
    assert len(names) > 3000
    assert names - {named.name for named in CASES} == set()


def test_names_are_unique_and_valid_in_a_file_of_expected_failures() -> None:
    names = Counter(named.name for named in CASES)
    assert [name for name, count in names.items() if count > 1] == []
    assert [name for name in names if not re.fullmatch(r"[a-z_0-9]+/[\w.]+", name)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_named_after_its_topic_and_has_the_layout_of_the_tool(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    suite, comments = layout.read(text)
    assert suite.topic == path.stem
    assert layout.write(suite, comments) == text


def test_every_file_of_cases_is_up_to_date() -> None:
    fresh = generate_conformance_cases.files()
    assert sorted(ROOT / path for path in fresh) == FILES
    stale = [path for path, text in fresh.items() if (ROOT / path).read_text("utf-8") != text]
    assert stale == [], "run `make generate`"


@pytest.mark.parametrize("suite", read_suites(suite_folder()), ids=lambda suite: suite.topic)
def test_every_expected_value_agrees_with_the_oracle(suite: v1.Suite) -> None:
    for case in suite.cases:
        name = NamedCase(suite.topic, case).name
        found = oracle.expected(case.request)
        if case.expected.WhichOneof("outcome") == "evaluation":
            assert case.expected == found, name
        else:
            is_read = found.WhichOneof("outcome") == "evaluation"
            # The parser of protobuf 6 looks into unknown groups.
            reads_it = IS_PROTOBUF_7 or suite.topic != "unknown_fields_malformed"
            google_reads_it = case.expected.decode_error.endswith(GOOGLE_READS_IT)
            assert is_read == (reads_it and google_reads_it), name


def test_violations_in_another_order_pass_every_case() -> None:
    several = 0
    for named in CASES:
        answer = v1.EvaluateResponse.FromString(named.case.expected.SerializeToString())
        broken = list(answer.evaluation.broken_rules.rules)
        if len(broken) > 1:
            several += 1
            del answer.evaluation.broken_rules.rules[:]
            answer.evaluation.broken_rules.rules.extend(reversed(broken))
            assert list(compare(named.case, answer, {"violations"})) == [], named.name
    assert several > 20


def test_there_are_enough_cases_and_handwritten_ones_have_a_reason() -> None:
    assert len(CASES) >= 1500
    written = [case for case in CASES if case.topic not in generate_conformance_cases.DERIVED]
    assert len(written) >= 200
    assert [case.name for case in written if not re.fullmatch(r"\S+ .*\.", case.case.reason)] == []
