"""``crucible-ir serve --http`` as a process, called by curl and buf."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cli.command_line import run
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FileDescriptor
from web.api.connect_client import EXCHANGE, FEEDBACK, framed, model
from web.http_servers import LOOPBACK, http_exchange

from crucible_ir.exchange.server.listening import Address
from crucible_ir.exchange.server.options import ServingError
from crucible_ir.exchange.server.services.registration import service_descriptors
from crucible_ir.web.frontend import FrontendOptions

PROGRAM = (sys.executable, "-m", "crucible_ir", "serve")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server as a separate process, and return the URL of its HTTP."""
    process = subprocess.Popen(
        [*PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(2)]
        assert lines[0].startswith("listening on "), process.communicate(timeout=10)[1]
        assert lines[1].startswith("serving HTTP on ")
        yield process, lines[1].split()[-1]
    finally:
        process.kill()
        process.communicate(timeout=10)


def output_of(*command: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(command, input=stdin, capture_output=True, timeout=30, check=True).stdout


def curl(url: str, *options: str, stdin: bytes = b"") -> Any:
    """Call a method by curl, and return its response."""
    command = ("curl", "--silent", "--show-error", "--max-time", "20", *options, url)
    return json.loads(output_of(*command, stdin=stdin))


def write_image(path: Path) -> None:
    """Write the files of all services as one message, for buf."""
    found: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(file: FileDescriptor) -> None:
        if file.name not in found:
            for dependency in file.dependencies:
                add(dependency)
            found[file.name] = descriptor_pb2.FileDescriptorProto()
            file.CopyToProto(found[file.name])

    for service in service_descriptors():
        add(service.file)
    image = descriptor_pb2.FileDescriptorSet(file=found.values())
    path.write_bytes(image.SerializeToString())


def buf(image: Path, url: str, message: Any) -> list[Any]:
    """Call a method by buf with the Connect protocol, and return its responses."""
    program = str(Path(sys.executable).parent / "buf")
    command = (program, "curl", "--protocol", "connect", "--schema", str(image))
    text = output_of(*command, "--data", json.dumps(message), url).decode()
    decoder, responses = json.JSONDecoder(), []
    while text := text.strip():
        response, end = decoder.raw_decode(text)
        responses.append(response)
        text = text[end:]
    return responses


def test_curl_and_buf_call_a_server_with_a_configuration_file(folder: Path) -> None:
    (folder / "exchange.toml").write_text(
        'listen = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\nhttp-prefix = "/ml"\nlog-format = "json"\n'
    )
    image = folder / "image.binpb"
    write_image(image)
    with served("--config", "exchange.toml") as (process, url):
        assert url.endswith("/ml")
        as_json = ("-H", "content-type: application/json")
        message = json.dumps({"document": model("m")})
        assert curl(f"{url}{EXCHANGE}/Publish", *as_json, "-d", message)["created"]
        get = 'message={"type":"ModelRef","id":"m"}'
        found = curl(f"{url}{EXCHANGE}/Get", "-G", "-d", "encoding=json", "--data-urlencode", get)
        assert found["document"] == model("m")
        body = framed(b'{"batchId": "1", "events": [{"id": "e1"}, {"id": "e2"}]}')
        as_stream = ("-H", "content-type: application/connect+json", "--output", "-")
        answers = output_of(
            *("curl", "-s", "--max-time", "20", *as_stream, "--data-binary", "@-"),
            f"{url}{FEEDBACK}/Ingest",
            stdin=body,
        )
        assert answers == framed(b'{"batchId":"1","accepted":2}') + framed(b"{}", flags=2)

        request = {"type": "ModelRef", "id": "m"}
        assert buf(image, f"{url}{EXCHANGE}/Get", request) == [found]
        exported = buf(image, f"{url}{FEEDBACK}/Export", {"batchSize": 1})
        assert [each["events"] for each in exported] == [[{"id": "e1"}], [{"id": "e2"}]]

        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    lines = [json.loads(line) for line in err.splitlines()]
    assert lines[1]["message"] == f"serving HTTP on {url}"
    assert lines[-1]["message"] == "stopped"
    calls = [line for line in lines if line["message"] == "call"]
    assert [call["method"].rpartition("/")[2] for call in calls] == [
        *("Publish", "Get", "Ingest", "Get", "Export")
    ]
    assert {call["protocol"] for call in calls} == {"connect"}
    assert {call["level"] for call in lines} == {"info"}


def test_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = Address("127.0.0.1", other.getsockname()[1])
        with (
            pytest.raises(ServingError, match=f"cannot serve HTTP on {address}: another program"),
            http_exchange(tmp_path, http=FrontendOptions(address)),
        ):
            pass


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--http-prefix", "/x"], "--http-prefix requires --http"),
        (["--http-host", "x.example"], "--http-host requires --http"),
        (["--http", "nowhere"], "invalid address"),
        (["--http", "unix:socket"], "expected HOST:PORT"),
        (["--http", "127.0.0.1:0", "--http-prefix", "x"], "expected a path such as /exchange"),
        (["--http", "127.0.0.1:0", "--http-prefix", "/x/"], "without a slash at the end"),
        (["--http", "127.0.0.1:0", "--http-prefix", "//x"], "expected a path"),
        (["--http", "0.0.0.0:0"], "0.0.0.0:0 is reachable from other machines"),
    ],
)
def test_wrong_options_are_errors(options: list[str], problem: str) -> None:
    result = run("serve", *options)
    assert result.status == 2
    assert problem in result.err
    assert "Traceback" not in result.err


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = run("serve", "--http", str(LOOPBACK))
    assert result.status == 2
    assert "pip install 'crucible-ir[web]'" in result.err
