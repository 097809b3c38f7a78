"""A client of another project, buf curl, publishes, gets, lists and watches over gRPC."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from exchange.client.served import Served

import crucible_ir

BUF = Path(sys.executable).with_name("buf")
SCHEMA = Path(crucible_ir.__file__).parent / "schema" / "descriptors.binpb"
SERVICE = "crucible_ir.exchange.v1.ExchangeService"
TIMEOUT = 60


@pytest.fixture(scope="module", params=["schema", "reflection"])
def curl(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Curl]:
    """Run buf curl with the schema from the packaged descriptor set, or from the server."""
    options = ["--reflection"] if request.param == "reflection" else []
    served = Served(tmp_path_factory.mktemp("curl"), *options)
    schema_options = ["--reflect"] if options else ["--schema", str(SCHEMA)]
    yield Curl(served.address, schema_options)
    served.stop()


class Curl:
    def __init__(self, address: str, schema_options: list[str]) -> None:
        self.address = address
        self.schema_options = schema_options

    def command(self, method: str, request: object) -> list[str]:
        return [
            str(BUF),
            "curl",
            *self.schema_options,
            "--protocol",
            "grpc",
            "--http2-prior-knowledge",
            "--data",
            json.dumps(request),
            f"http://{self.address}/{SERVICE}/{method}",
        ]

    def __call__(self, method: str, request: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(method, request),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )

    def answer(self, method: str, request: object) -> dict[str, object]:
        result = self(method, request)
        assert result.returncode == 0, result.stderr
        answer: dict[str, object] = json.loads(result.stdout)
        return answer


def publication(id_: str) -> dict[str, object]:
    version = {"id": id_, "modelId": "gpt2", "version": "1.0.0"}
    return {"document": {"irVersion": "0.2.0", "modelVersion": version}}


def test_buf_curl_publishes_gets_lists_and_watches(curl: Curl) -> None:
    id_ = str(uuid.uuid4())
    published = curl.answer("Publish", publication(id_))
    assert published["created"] is True
    record = published["record"]
    assert isinstance(record, dict)
    assert (record["type"], record["id"], record["revision"]) == ("ModelVersion", id_, 1)

    got = curl.answer("Get", {"type": "ModelVersion", "id": id_})
    assert got == {"record": record, **publication(id_)}

    request = {"type": "ModelVersion", "filters": [{"field": "id", "equals": id_}]}
    listed = curl.answer("List", request)
    assert listed["entries"] == [{"record": record}]
    assert listed["epoch"]

    watching = subprocess.Popen(
        curl.command("Watch", {"afterSequence": int(record["sequence"]) - 1}),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert watching.stdout is not None
        assert first_value(watching.stdout) == {"change": {"record": record}}
    finally:
        watching.kill()
        watching.communicate()


def first_value(lines: Iterator[str]) -> object:
    """Return the first JSON value of a stream of lines."""
    text = ""
    for line in lines:
        text += line
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            continue
    raise AssertionError(f"the stream ended after {text!r}")


def test_buf_curl_reports_errors_with_their_details(curl: Curl) -> None:
    missing = curl("Get", {"type": "ModelVersion", "id": "never-published"})
    assert missing.returncode != 0
    error = json.loads(missing.stderr)
    assert error["code"] == "not_found"
    assert "never-published" in error["message"]

    broken = publication("m")
    broken["document"] = {"irVersion": "0.2.0", "modelVersion": {"id": "m", "version": "1"}}
    error = json.loads(curl("Publish", broken).stderr)
    assert error["code"] == "invalid_argument"
    [detail] = error["details"]
    assert detail["type"] == "google.rpc.BadRequest"
