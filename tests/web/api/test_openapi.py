"""The OpenAPI document has every method of the schema, and schemas that fit its messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.command_line import run
from google.protobuf import json_format
from jsonschema import Draft202012Validator

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.web.api.openapi import openapi

PROTOS = Path(__file__).parents[3] / "proto" / "crucible_ir" / "exchange" / "v1"
DOCUMENT = openapi()

#: A method, with what it takes, returns, and its options.
METHOD = re.compile(r"rpc (\w+)\((stream )?(\w+)\) returns \((stream )?(\w+)\)(;| \{[^}]*\})")


def declared() -> Iterator[tuple[str, re.Match[str]]]:
    """Yield the service and the declaration of each method, from the text of the schema."""
    for file in sorted(PROTOS.glob("*.proto")):
        text = file.read_text(encoding="utf-8")
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.DOTALL | re.M):
            for method in METHOD.finditer(body):
                yield service, method


def test_every_method_is_a_path() -> None:
    expected: dict[str, set[str]] = {"/v1/feedback": {"post"}, "/openapi.json": {"get"}}
    for service, method in declared():
        name, request_stream, _, response_stream, _, options = method.groups()
        is_read = "NO_SIDE_EFFECTS" in options and request_stream is response_stream is None
        path = f"/crucible_ir.exchange.v1.{service}/{name}"
        expected[path] = {"get", "post"} if is_read else {"post"}
    assert len(expected) > 20
    assert {path: set(item) for path, item in DOCUMENT["paths"].items()} == expected


def test_every_operation_has_an_id_of_its_own_and_a_summary() -> None:
    operations = [each for item in DOCUMENT["paths"].values() for each in item.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["summary"].endswith(".") for each in operations)


def test_every_reference_leads_to_a_component() -> None:
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(DOCUMENT)))
    assert len(references) > 100
    for reference in references:
        target = DOCUMENT
        for part in reference.split("/"):
            target = target[part]


def schema_of(name: str) -> Any:
    Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])
    return Draft202012Validator({**DOCUMENT, "$ref": f"#/components/schemas/{name}"})


def test_the_schemas_of_messages_accept_what_protobuf_writes() -> None:
    request = v1.SummarizeRequest(
        deployment_id="d", group_by=["SUMMARY_GROUPING_NAME"], feedback_types=["thumbs"]
    )
    request.bucket.FromMilliseconds(1500)
    request.start_time.FromSeconds(0)
    publish = v1.PublishRequest(etag="", request_id="r")
    publish.document.ir_version = "0.3.0"
    publish.document.model_version.CopyFrom(
        ir_v1.ModelVersion(id="m", model_id="llama", version="1.0.0", metrics={"f1": float("nan")})
    )
    convert = v1.ConvertRequest(
        content=b"\xff\0", type="Prompt", source_form="FORM_YAML", target_form="FORM_TEXT"
    )
    for message in (request, publish, convert):
        for original in (False, True):
            document = json_format.MessageToDict(message, preserving_proto_field_name=original)
            schema_of(message.DESCRIPTOR.name).validate(document)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("SummarizeRequest", {"bucket": "1.5"}),
        ("SummarizeRequest", {"bucket": {"seconds": 1}}),
        ("GetRequest", {"type": "ModelVersion"}),
        ("GetRequest", {"type": "model-version", "id": "m"}),
        ("PublishRequest", {"document": {"modelVersion": {"id": "m"}}}),
        ("PublishRequest", {"documnet": {}}),
        ("FeedbackEvent", {"id": "e", "latencyMs": -1}),
    ],
)
def test_the_schemas_of_messages_reject_what_breaks_rules(name: str, document: object) -> None:
    assert not schema_of(name).is_valid(document)


def test_the_command_writes_the_document_with_an_address(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    assert run("openapi", "--url", "https://ir.example.com/x", "-o", file).status == 0
    written = json.loads(file.read_text(encoding="utf-8"))
    assert written == {**DOCUMENT, "servers": [{"url": "https://ir.example.com/x"}]}
    again = run("openapi", "-o", file)
    assert (again.status, "--force" in again.err) == (2, True)
