"""Both engines of the package return the same bytes and raise the same errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from effort import examples
from native.cases import Payload, payloads
from native.engine_answers import FORMATS, STREAMS, answers
from native.text_variants import damaged
from validation.message_cases import MESSAGE_CLASSES, damage

import crucible_ir as ir
from crucible_ir.serialization.wire import encode_varint

#: The types whose streams are tried.
STREAMED = ("FeedbackEvent", "Experiment", "MetricsSnapshot", "Message")


def in_native_engine(cases: list[list[str]]) -> list[list[str]]:
    """Return the answers of the native engine, which another process uses."""
    folder = Path(__file__).parents[1]
    found = subprocess.run(
        [sys.executable, "-m", "native.engine_answers"],
        input=json.dumps(cases),
        env=os.environ | {"CRUCIBLE_IR_NATIVE": "1", "PYTHONPATH": python_path(folder)},
        stdout=subprocess.PIPE,
        timeout=300,
        check=True,
        text=True,
    )
    engine, native = json.loads(found.stdout)
    assert engine == "native"
    native_answers: list[list[str]] = native
    return native_answers


def python_path(folder: Path) -> str:
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def compare(cases: list[list[str]]) -> None:
    assert ir.native.status().engine == "python"
    for case, native, python in zip(cases, in_native_engine(cases), answers(cases), strict=True):
        assert native == python, case


@pytest.mark.parametrize("format", FORMATS)
def test_transcoding_gives_the_same_bytes_and_errors(format: str) -> None:
    random = Random(format)
    chosen = random.sample([each for each in payloads() if each.format == format], examples(400))
    cases = []
    for each in chosen:
        cases.append([each.name, format, each.data.hex()])
        if random.random() < 0.5:
            cases.append([each.name, format, altered(each, random).hex()])
    compare(cases)


def altered(payload: Payload, random: Random) -> bytes:
    """Damage a payload in a few places."""
    if payload.format != "binary":
        return damaged(payload.data, random)
    data = bytearray(payload.data)
    damage(data, random)
    return bytes(data)


@pytest.mark.parametrize("name", STREAMED)
def test_streams_give_the_same_records_and_errors(name: str) -> None:
    random = Random(name)
    assert name in MESSAGE_CLASSES
    cases = []
    for document, stream in zip(FORMATS, STREAMS, strict=True):
        every = [each for each in payloads() if (each.name, each.format) == (name, document)]
        for _ in range(examples(10)):
            records = [random.choice(every) for _ in range(random.randrange(40))]
            content = [
                altered(each, random) if random.random() < 0.1 else each.data for each in records
            ]
            data = b"".join(framed(each, stream, random) for each in content)
            if random.random() < 0.2:
                data = data[: random.randrange(len(data) + 1)]
            cases.append([name, stream, data.hex()])
    compare(cases)


def framed(record: bytes, stream: str, random: Random) -> bytes:
    """Return a record as part of a stream."""
    if stream == "delimited":
        return encode_varint(len(record)) + record
    end = random.choice([b"\n", b"\n", b"\r\n", b"\n\n"])
    return record.replace(b"\n", b" ") + end
