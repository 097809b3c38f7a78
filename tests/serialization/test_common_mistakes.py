"""Common mistakes in documents, and the fix that each error suggests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import pytest
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir import v1

READERS = {
    "json": ir.from_json,
    "crucible": ir.from_crucible_json,
    "yaml": ir.from_yaml,
    "text": ir.from_text,
}

UTF8 = "save as UTF-8"
PRODUCTION = "DEPLOYMENT_ENVIRONMENT_PRODUCTION"

#: Formats, types, documents and errors; lines and columns were counted by hand.
MISTAKES: list[tuple[str, str, str | bytes, str]] = [
    # Other encodings, with byte order marks (the Unicode standard, 23.8) and without.
    ("json", "StageDef", '{"name": "a"}'.encode("utf-16"), f"1:1: UTF-16 byte order mark: {UTF8}"),
    ("yaml", "StageDef", "name: a".encode("utf-16"), f"1:1: UTF-16 byte order mark: {UTF8}"),
    ("yaml", "StageDef", b"\xfe\xff\x00n", f"1:1: UTF-16 byte order mark: {UTF8}"),
    ("text", "StageDef", "name: 'a'".encode("utf-16"), f"1:1: UTF-16 byte order mark: {UTF8}"),
    ("json", "StageDef", "{}".encode("utf-32"), f"1:1: UTF-32 byte order mark: {UTF8}"),
    ("json", "StageDef", "{}".encode("utf-16-le"), f"1:1: this looks like UTF-16: {UTF8}"),
    ("yaml", "StageDef", "a: b".encode("utf-16-be"), f"1:1: this looks like UTF-16: {UTF8}"),
    # Empty documents.
    ("json", "StageDef", "", "1:1: the document is empty"),
    ("crucible", "StageDef", " \n\t", "1:1: the document is empty"),
    ("yaml", "StageDef", b"\xef\xbb\xbf\n", "1:1: the document is empty"),
    ("yaml", "StageDef", "# to do\n", "1:1: the document is empty"),
    ("yaml", "StageDef", "---\n# to do\n", "1:1: the document is empty"),
    ("yaml", "StageDef", "null", "1:1: expected an object, got null"),
    # Syntax of other languages and formats.
    ("json", "StageDef", '{"name": "a",}', "1:13: not JSON: trailing comma"),
    ("json", "StageDef", '{\n  "name": "a" ,\n}', "2:15: not JSON: trailing comma"),
    ("crucible", "OutputSpec", '{"formats": ["csv",\n\n]}', "1:19: not JSON: trailing comma"),
    ("json", "StageDef", "name: a\n", "1:1: not JSON: this looks like YAML, *"),
    ("json", "StageDef", "# a stage\n\nname: a\n", "1:1: not JSON: this looks like YAML, *"),
    ("crucible", "StageDef", "---\nname: a\n", "1:1: not JSON: this looks like YAML, *"),
    ("json", "StageDef", "- a\n- b\n", "1:1: not JSON: this looks like YAML, *"),
    ("json", "StageDef", '{"name": "a" // b\n}', "1:14: *; JSON has no comments"),
    ("json", "StageDef", '# b\n{"name": "a"}', "1:1: *; JSON has no comments"),
    ("json", "StageDef", "{'name': 'a'}", "1:2: *; strings need double quotes"),
    ("json", "StageDef", '{"enabled": True}', "1:13: *; write true"),
    ("json", "StageDef", '{"options": None}', "1:13: *; write null"),
    ("json", "StageDef", '{"name": "a"}\n{"name": "b"}', "2:1: *; this looks like JSON lines, *"),
    # Tabs.
    ("yaml", "Experiment", "backend:\n\tid: b\n", "2:1: not YAML: a tab in the indentation; *"),
    ("yaml", "Experiment", "pipeline:\n  - name: a\n \t- name: b\n", "3:2: not YAML: a tab *"),
    ("yaml", "Experiment", "\tid: e\n", "1:1: not YAML: a tab in the indentation; *"),
    ("yaml", "StageDef", "options: [1,\n\t2", "3:1: not YAML: did not find expected ',' or ']'"),
    # Numbers and booleans instead of strings, and the reverse.
    ("yaml", "ModelVersion", "version: 1.2", "1:10: version: *the number 1.2; put it in quotes"),
    ("yaml", "ModelVersion", "id: 42", "1:5: id: *got the number 42; put it in quotes"),
    ("yaml", "ModelVersion", "id: true", "1:5: id: *got true; put it in quotes"),
    ("json", "Experiment", '{"tags": ["a", 1]}', "1:16: tags[1]: *; put it in quotes"),
    ("crucible", "ModelVersion", '{"id": 42}', "1:8: id: *got the number 42; put it in quotes"),
    ("json", "StageDef", '{"name": ["a"]}', "1:10: name: expected a string, got a list"),
    ("crucible", "TrainingConfig", '{"epochs": "3"}', "1:12: epochs: *; remove the quotes"),
    ("yaml", "StageDef", "enabled: 'true'", "1:10: enabled: *; remove the quotes"),
    # YAML 1.1 has more words for booleans (https://yaml.org/type/bool.html).
    ("yaml", "StageDef", "enabled: Off", "1:10: enabled: *the string 'Off'; write false"),
    ("yaml", "StageDef", "enabled: y", "1:10: enabled: *the string 'y'; write true"),
    ("yaml", "StageDef", "enabled: maybe", "1:10: enabled: *the string 'maybe'"),
    # Percentages for a rate from 0 to 1, for a field in percent, and for other numbers.
    ("yaml", "TrainingConfig", "validation_split: 20%", "1:19: validation_split: *; write 0.2"),
    ("crucible", "Stats", '{"alpha": "5 %"}', "1:11: alpha: *; write 0.05"),
    ("json", "DeploymentStatus", '{"trafficPercent": "12.5%"}', "1:20: *; write 12.5"),
    ("yaml", "Hedging", "budget_percent: 5%", "1:17: budget_percent: *; write 5"),
    ("yaml", "TrainingConfig", "learning_rate: 1%", "*; write a number without %"),
    # Timestamps without a time zone.
    ("yaml", "ModelVersion", "created_at: 2025-12-26T12:00:00", "*; add a time zone, e.g. Z"),
    ("json", "ModelVersion", '{"createdAt": "2025-12-26 12:00:00.5"}', "*; add a time zone, *"),
    ("crucible", "ModelVersion", '{"created_at": "2025-12-26T12:00"}', "*; add a time zone, *"),
    # Names of enum values.
    (
        "json",
        "DeploymentConfig",
        '{"environment": "production"}',
        f'1:17: environment: "production" is the short name of {PRODUCTION}; short names are read'
        " with from_crucible_json",
    ),
    (
        "json",
        "OutputSpec",
        '{"formats": ["OUTPUT_FORMAT_CSV", "markdown"]}',
        '1:35: formats[1]: "markdown" is the short name of OUTPUT_FORMAT_MARKDOWN; *',
    ),
    (
        "json",
        "DeploymentConfig",
        '{"environment": "Production"}',
        f'*did you mean "{PRODUCTION}"?*',
    ),
    ("json", "DeploymentConfig", '{"environment": "prod"}', f'*did you mean "{PRODUCTION}"?*'),
    ("json", "DeploymentConfig", '{"strategy": "blue-green"}', "*STRATEGY_BLUE_GREEN*"),
    (
        "json",
        "ModelRef",
        '{"provider": "in_house"}',
        '1:14: provider: *; any other name is written as "customProvider"',
    ),
    ("json", "Hedging", '{"strategy": "adaptiv"}', '*did you mean "HEDGING_STRATEGY_ADAPTIVE"?'),
    ("crucible", "Hedging", '{"strategy": "HEDGING_STRATEGY_OFF"}', '*; write "off"'),
]


@pytest.mark.parametrize(
    ("reader", "type_", "document", "error"),
    MISTAKES,
    ids=[f"{reader} {document!r}" for reader, _, document, _ in MISTAKES],
)
def test_the_error_suggests_the_fix(
    reader: str, type_: str, document: str | bytes, error: str
) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        READERS[reader](document, type_, validate=False)
    pattern = ".*".join(map(re.escape, error.split("*")))
    assert re.fullmatch(pattern, str(caught.value)), str(caught.value)


@pytest.mark.parametrize("read", [ir.from_json, ir.from_yaml])
def test_the_error_for_the_name_of_a_oneof_lists_its_members(read: Callable[..., Message]) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        read('{"role": 2, "content": "hi"}', "Message")
    assert (
        str(caught.value)
        == '1:13: content: Message has no field "content"; give one of text, parts'
    )
    with pytest.raises(ir.DecodeError) as caught:
        read('{"source": {"url": "https://a"}}', "FileContent")
    assert str(caught.value).endswith("; give one of url, base64, file_id")


SHA1, SHA256 = "da39a3ee5e6b4b0d3255bfef95601890afd80709", hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("digest", "fix"),
    [
        (SHA1, f"; write sha1:{SHA1}"),
        (SHA256, f"; write sha256:{SHA256}"),
        ("d41d8cd9", "; write mlflow:d41d8cd9"),
        (f"SHA-256:{SHA256.upper()}", f"; write sha256:{SHA256.upper()}"),
        (f" sha256:{SHA256} ", ""),
        ("sha256:", ""),
        ("Blake3:abc", ""),
        ("latest", ""),
        ("abc", ""),
        ("", ""),
    ],
)
def test_the_violation_of_a_digest_has_an_example_and_the_fix(digest: str, fix: str) -> None:
    for message in (
        v1.Artifact(uri="file:///a", digest=digest),
        v1.DatasetRef(name="d", digest=digest),
    ):
        [found] = ir.violations(message)
        assert (found.path, found.rule_id) == ("digest", "string.pattern")
        expected = "must be a digest as algorithm:encoded, such as sha256:… or sha1:…"
        assert found.message == expected + fix


def test_the_error_for_an_unknown_name_in_json_names_the_custom_field() -> None:
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_json('{"sink": "moon"}', "OutputSpec")
    assert str(caught.value).endswith('any other name is written as "customSink"')


@pytest.mark.parametrize(
    ("message", "fix"),
    [
        (v1.ModelVersion(version="v1.2.0"), "; write 1.2.0"),
        (v1.ModelVersion(version="3"), "; write 3.0.0"),
        (v1.ModelVersion(version="1.2"), "; write 1.2.0"),
        (v1.ModelVersion(version="1.02.00"), "; write 1.2.0"),
        (v1.ModelVersion(version="V1"), "; write 1.0.0"),
        (v1.ModelVersion(version="v1.2.0-rc.01"), "; remove the v"),
        (v1.ModelVersion(version="1.2.3.4"), ""),
        (v1.ModelVersion(version="latest"), ""),
    ],
)
def test_the_violation_of_a_version_has_an_example_and_the_fix(
    message: v1.ModelVersion, fix: str
) -> None:
    found = {violation.path: violation for violation in ir.violations(message)}["version"]
    assert found.rule_id == "string.pattern"
    assert found.message == f"must be a semantic version such as 1.2.0{fix}"


@pytest.mark.parametrize(
    ("message", "path", "advice"),
    [
        (v1.TrainingConfig(epochs=0), "epochs", ", or unset (the trainer chooses)"),
        (v1.TrainingConfig(epochs=-1), "epochs", ", or unset (the trainer chooses)"),
        (
            v1.TrainingRun(config=v1.TrainingConfig(learning_rate=0)),
            "config.learning_rate",
            ", or unset (the trainer chooses)",
        ),
        (
            v1.TrainingConfig(gradient_clipping=0),
            "gradient_clipping",
            ", or unset (gradients are not clipped)",
        ),
        (v1.FeedbackConfig(retention_days=-1), "retention_days", ", or unset (forever)"),
        (
            v1.DeploymentConfig(replicas=0),
            "replicas",
            "; to scale to zero, leave it unset and set scaling",
        ),
        (v1.DeploymentConfig(replicas=-1), "replicas", ", or unset (the deployer chooses)"),
    ],
    ids=str,
)
def test_the_violation_of_a_number_above_zero_says_what_to_write_instead(
    message: Message, path: str, advice: str
) -> None:
    found = {violation.path: violation for violation in ir.violations(message)}[path]
    assert found.message == f"must be greater than 0{advice}"


def test_the_violation_of_a_percentage_has_the_fraction() -> None:
    def fixes(message: v1.TrainingConfig | v1.Stats | v1.Ensemble) -> list[str]:
        found = [each for each in ir.violations(message) if each.rule_id == "double.gte_lte"]
        return [each.message.partition("; ")[2] for each in found]

    assert fixes(v1.TrainingConfig(validation_split=20)) == ["write 0.2 for 20%"]
    assert fixes(v1.Stats(alpha=5, confidence_level=95)) == [
        "write 0.05 for 5%",
        "write 0.95 for 95%",
    ]
    assert fixes(v1.Ensemble(min_agreement=100)) == ["write 1 for 100%"]
    assert fixes(v1.TrainingConfig(validation_split=100.5)) == [""]
    assert fixes(v1.TrainingConfig(validation_split=-0.5)) == [""]
