"""C++, with the protobuf of Debian, agrees in binary and JSON, and its guide runs."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from interop import executors
from interop.cpp import project
from interop.cpp.project import GUIDE, INSTALLING, SETTINGS, run
from interop.guides import follow, version_of_the_guides
from interop.programs import ROOT, TIMEOUT
from interop.toolchains import CPP, require
from pages import blocks, command_of, commands, files

import crucible_ir as ir
from crucible_ir.conformance.frames import frame
from crucible_ir.conformance.process import Executor
from crucible_ir.conformance.results import CaseVerdict
from crucible_ir.conformance.v1 import EvaluateRequest, EvaluateResponse, Request

pytestmark = pytest.mark.toolchain


@pytest.fixture(scope="session")
def build() -> Path:
    """The executor."""
    return project.build()


def test_cpp_conforms_in_binary_and_json_except_for_known_failures(
    build: Path,
) -> None:
    result = executors.check_conformance("cpp", offered={"binary", "json"})
    assert re.fullmatch(r"protobuf for C\+\+ 3\.21\.\d+", result.implementation)
    assert result.cases[CaseVerdict.PASSED] > 4_200
    for aspect in ("violations", "digest"):
        assert set(result.aspects[aspect]) == {CaseVerdict.NOT_OFFERED}


def test_every_known_failure_has_a_link_to_its_reason() -> None:
    entries = executors.known_failures("cpp")
    assert [entry for entry in entries if "https://" not in entry.reason] == []


def test_cpp_writes_other_bytes_only_for_numbers_that_its_json_reader_rounds() -> None:
    entries = [entry for entry in executors.known_failures("cpp") if entry.matches_aspect("binary")]
    assert {entry.pattern for entry in entries} == {"json_numbers/int64_*beyond_double_with_*"}


def test_cpp_reads_the_bytes_that_python_writes(build: Path, written_by_python: Path) -> None:
    known = executors.known_failures("cpp")
    # A document too deep for the JSON reader is read as binary, then too deep for the JSON writer.
    [unread] = [entry for entry in known if entry.pattern == "limits_nesting/fallbacks_100_in_json"]
    written = [entry for entry in known if not entry.matches_aspect("decode")]
    executors.check_reading("cpp", written_by_python, [*written, replace(unread, aspect="json")])


def test_the_oldest_supported_tools_are_those_of_the_project() -> None:
    oldest = {program.name: program.oldest for program in CPP.programs}
    assert f"cmake_minimum_required(VERSION {oldest['cmake']})" in SETTINGS
    assert f"find_package(Protobuf {oldest['protoc']} REQUIRED)" in SETTINGS


def test_ci_installs_what_the_guide_installs() -> None:
    assert INSTALLING.removeprefix("apt-get install").strip() in (ROOT / ".ci" / "run").read_text()


def test_every_file_of_the_schema_is_compiled() -> None:
    [names] = re.findall(r"^set\(protos\s([^)]*)\)", SETTINGS, flags=re.MULTILINE)
    schema = ROOT / "proto" / "crucible_ir" / "v1"
    assert sorted(names.split()) == sorted(file.stem for file in schema.glob("*.proto"))


# Payloads


def evaluated(name: str, **payload: bytes) -> EvaluateResponse:
    """Return the executor's response to a payload of a message type of `crucible_ir.v1`."""
    request = Request(evaluate=EvaluateRequest(message_type=f"crucible_ir.v1.{name}", **payload))
    with Executor(executors.command("cpp"), timeout=executors.TIMEOUT) as executor:
        response = executor.ask(request)
        assert executor.finish() is None
    assert response.WhichOneof("response") == "evaluate", response
    return response.evaluate


#: For each way in which C++ reads more than ProtoJSON, in the words of the guide: a message's type,
#: such a text, and the ProtoJSON of the message that C++ reads.
LENIENCES = {
    "drops a `null` in a list": (
        "GenerationOptions",
        '{"stop": ["a", null, "b"]}',
        '{"stop": ["a", "b"]}',
    ),
    "replaces one in a map by the default": (
        "MetricsSnapshot",
        '{"values": {"a": null}}',
        '{"values": {"a": 0}}',
    ),
    "keeps the last of two equal keys": ("BackendRef", '{"id": "a", "id": "b"}', '{"id": "b"}'),
    "one value for a list of one": ("GenerationOptions", '{"stop": "a"}', '{"stop": ["a"]}'),
    '`"yes"` for a bool': ("Fairness", '{"enabled": "yes"}', '{"enabled": true}'),
    "integers beyond 2^53": (
        "BackendRef",
        '{"id": "a", "options": {"a": 9007199254740993}}',
        '{"id": "a", "options": {"a": 9007199254740992}}',
    ),
    "after the ninth": (
        "ModelVersion",
        '{"createdAt": "2025-12-26T12:00:00.1234567891Z"}',
        '{"createdAt": "2025-12-26T12:00:00.123456789Z"}',
    ),
    "trailing commas": ("BackendRef", '{"id": "a",}', '{"id": "a"}'),
    "single quotes": ("BackendRef", "{\"id\": 'a'}", '{"id": "a"}'),
    "keys without quotes": ("BackendRef", '{id: "a"}', '{"id": "a"}'),
}


@pytest.mark.parametrize("words", LENIENCES)
def test_cpp_reads_more_than_protojson_as_the_guide_says(build: Path, words: str) -> None:
    assert words in " ".join(GUIDE.split())
    name, text, meant = LENIENCES[words]
    response = evaluated(name, json=text.encode())
    read = ir.from_binary(response.evaluation.binary, name, validate=False)
    assert read == ir.from_json(meant, name, validate=False)
    with pytest.raises(ir.DecodeError):
        ir.from_json(text, name, validate=False)


def test_a_number_that_is_not_finite_in_opaque_json_is_written_as_a_word(build: Path) -> None:
    message = ir.v1.BackendRef(id="a")
    message.options.update({"low": float("-inf"), "none": float("nan")})
    response = evaluated("BackendRef", binary=message.SerializeToString())
    read = ir.from_json(response.evaluation.json, ir.v1.BackendRef, validate=False)
    assert dict(read.options) == {"low": "-Infinity", "none": "NaN"}
    assert 'the words `"NaN"` and `"Infinity"`' in " ".join(GUIDE.split())


@pytest.mark.parametrize("levels", [64, 65])
def test_the_json_writer_supports_as_many_levels_as_the_guide_says(
    build: Path, levels: int
) -> None:
    message = nested(levels)
    evaluation = evaluated("BackendRef", binary=message.SerializeToString()).evaluation
    assert ir.from_binary(evaluation.binary, ir.v1.BackendRef, validate=False) == message
    assert evaluation.WhichOneof("json_outcome") == ("json" if levels <= 64 else "json_error")
    assert "deeper than 64 levels" in GUIDE


def nested(levels: int) -> ir.v1.BackendRef:
    """Return a message that nests a number of levels."""
    message = ir.v1.BackendRef(id="innermost")
    for _ in range(levels):
        message = ir.v1.BackendRef(fallback=message)
    return message


DEEP = 100_000


@pytest.mark.parametrize(
    "payload",
    [
        {"json": b'{"options": {"a": ' + b"[" * DEEP + b"]" * DEEP + b"}}"},
        {"json": b'{"fallback": ' * DEEP},
        {"json": b'{"options": {"a": ' + b"[" * DEEP},
        {"json": b'"' + b"\xff" * DEEP},
        {"binary": b"\x83\x3e" * DEEP},
        {"binary": b"\x0a\xff\xff\xff\xff\x07"},
    ],
    ids=["lists", "messages", "open lists", "no UTF-8", "groups", "length"],
)
def test_a_hostile_payload_gets_a_response(build: Path, payload: dict[str, bytes]) -> None:
    assert evaluated("BackendRef", **payload).decode_error


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (
            Request(evaluate=EvaluateRequest(message_type="crucible_ir.v1.Nothing", binary=b"")),
            "there is no message type crucible_ir.v1.Nothing",
        ),
        (
            Request(evaluate=EvaluateRequest(message_type="crucible_ir.v1.BackendRef")),
            "the format of the payload is not supported",
        ),
        (Request(), "the request is not supported"),
    ],
    ids=["type", "payload", "request"],
)
def test_an_unsupported_request_gets_a_response(
    build: Path, request_: Request, reason: str
) -> None:
    with Executor(executors.command("cpp"), timeout=executors.TIMEOUT) as executor:
        assert executor.ask(request_).executor_error == reason
        assert executor.ask(Request(describe={})).describe.implementation


@pytest.mark.parametrize(
    "broken",
    [
        frame(Request(describe={}))[:-1],
        b"\xff\xff\xff\xff\x07",
        b"\xff\xff\xff\xff\x0f",
        b"\xff" * 20,
        b"\xff\xff\xff\xff\x07\x12\xfa\xff\xff\xff\x07\x1a\xf0\xff\xff\xff\x07{",
        b"\x01\x00",
    ],
    ids=["cut off", "2 GiB", "4 GiB", "endless", "2 GiB of JSON", "no request"],
)
def test_a_broken_frame_ends_the_executor_with_a_status(build: Path, broken: bytes) -> None:
    ran = subprocess.run(
        executors.command("cpp"), input=broken, capture_output=True, timeout=TIMEOUT, check=False
    )
    assert (ran.returncode, ran.stdout) == (1, b"")


# The guide


def test_the_guide_works_from_an_empty_folder(tmp_path: Path) -> None:
    require(CPP)

    follow(GUIDE, tmp_path, lambda command: run(command, tmp_path), {})

    programs = [Path(name).stem for name in files(GUIDE) if name.endswith(".cc")]
    assert len(programs) == len(blocks(GUIDE, "cpp"))
    lines = [command.line.split()[0] for command in commands(GUIDE)]
    assert lines == [*(f"build/{name}" for name in programs), "crucible-ir", "crucible-ir"]
    version = version_of_the_guides()
    shown = command_of(GUIDE, "build/write_version").shown
    assert ir.from_json(shown, ir.v1.ModelVersion) == version
    written = (tmp_path / "version.binpb").read_bytes()
    assert ir.from_binary(written, ir.v1.ModelVersion) == version
