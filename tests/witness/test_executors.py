"""The executors of `make witness` answer the runners of protobuf and of protovalidate.

The runners themselves are not here, so the tests speak their protocols.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

import generate_guards
from crucible_ir import v1

FOLDER = Path(__file__).parent
TOOLS = FOLDER.parents[1] / "tools"
BUF = Path(sys.executable).with_name("buf")

#: The parts of conformance.proto that the executor uses.
CONFORMANCE = """
syntax = "proto3";
package conformance;
enum WireFormat { UNSPECIFIED = 0; PROTOBUF = 1; JSON = 2; JSPB = 3; TEXT_FORMAT = 4; }
message ConformanceRequest {
  oneof payload { bytes protobuf_payload = 1; string json_payload = 2; string text_payload = 8; }
  WireFormat requested_output_format = 3;
  string message_type = 4;
}
message ConformanceResponse {
  oneof result {
    string parse_error = 1;
    string runtime_error = 2;
    bytes protobuf_payload = 3;
    string json_payload = 4;
    string skipped = 5;
    string serialize_error = 6;
    string text_payload = 8;
  }
}
"""

#: The parts of protovalidate's harness.proto that the executor uses.
HARNESS = """
syntax = "proto3";
package buf.validate.conformance.harness;
import "google/protobuf/any.proto";
import "google/protobuf/descriptor.proto";
message TestConformanceRequest {
  google.protobuf.FileDescriptorSet fdset = 2;
  map<string, google.protobuf.Any> cases = 3;
}
message TestConformanceResponse { map<string, TestResult> results = 1; }
message TestResult {
  message Violations { repeated Violation violations = 1; }
  message Violation { string rule_id = 2; }
  oneof result {
    bool success = 1;
    Violations validation_error = 2;
    string compilation_error = 3;
    string runtime_error = 4;
    string unexpected_error = 5;
  }
}
"""


def compiled(proto: str, folder: Path) -> Path:
    (folder / "protocol.proto").write_text(proto)
    output = folder / "protocol.binpb"
    subprocess.run(
        [str(BUF), "build", str(folder), "--as-file-descriptor-set", "-o", str(output)], check=True
    )
    return output


def message_class(schema: Path, name: str) -> Any:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(schema.read_bytes()).file:
        pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(name))


def asked(executor: str, schema: Path, data: bytes) -> bytes:
    """Return the output of an executor."""
    command = [sys.executable, str(FOLDER / executor / "executor.py"), str(schema)]
    environment = {"PYTHONPATH": str(TOOLS)}
    ran = subprocess.run(command, input=data, capture_output=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


def asked_protobuf(schema: Path, **fields: object) -> Any:
    """Return the response to a request about a StageDef."""
    request = message_class(schema, "conformance.ConformanceRequest")
    data = request(message_type="crucible_ir.v1.StageDef", **fields).SerializeToString()
    output = asked("protobuf", schema, struct.pack("<I", len(data)) + data)
    assert struct.unpack("<I", output[:4]) == (len(output) - 4,)
    return message_class(schema, "conformance.ConformanceResponse").FromString(output[4:])


@pytest.mark.parametrize("payload", ["protobuf", "json", "text"])
@pytest.mark.parametrize("wanted", ["PROTOBUF", "JSON", "TEXT_FORMAT"])
def test_protobufs_runner_is_answered_in_each_format(
    payload: str, wanted: str, tmp_path: Path
) -> None:
    written: dict[str, Any] = {
        "protobuf": b"\x0a\x01s",
        "json": '{"name":"s"}',
        "text": 'name: "s"\n',
    }
    response = asked_protobuf(
        compiled(CONFORMANCE, tmp_path),
        **{f"{payload}_payload": written[payload]},
        requested_output_format=wanted,
    )
    name = wanted.removesuffix("_FORMAT").lower()
    assert response.WhichOneof("result") == f"{name}_payload"
    assert getattr(response, f"{name}_payload") == written[name]


def test_protobufs_runner_is_told_which_payloads_cannot_be_read(tmp_path: Path) -> None:
    schema = compiled(CONFORMANCE, tmp_path)
    response = asked_protobuf(schema, json_payload="[]", requested_output_format="JSON")
    assert response.parse_error == "1:1: expected an object, got a list"
    response = asked_protobuf(schema, json_payload="{}", requested_output_format="JSPB")
    assert response.WhichOneof("result") == "skipped"


def test_protovalidates_runner_is_answered_with_violations(tmp_path: Path) -> None:
    schema = compiled(HARNESS, tmp_path)
    harness = "buf.validate.conformance.harness.TestConformance"
    request = message_class(schema, f"{harness}Request")()
    for file in generate_guards.installed_files():
        request.fdset.file.add().MergeFromString(file.SerializeToString())
    for name in ("valid", "invalid"):
        stage = v1.StageDef(name="s" if name == "valid" else "")
        request.cases[name].type_url = f"type.googleapis.com/{stage.DESCRIPTOR.full_name}"
        request.cases[name].value = stage.SerializeToString()
    output = asked("protovalidate", schema, request.SerializeToString())
    response = message_class(schema, f"{harness}Response").FromString(output)
    assert response.results["valid"].success
    [violation] = response.results["invalid"].validation_error.violations
    assert violation.rule_id == "required"
