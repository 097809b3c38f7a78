"""betterproto2 and google's runtime agree on binary and ProtoJSON, both ways, for every type."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import betterproto2
import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st
from json_values import same_json
from message_strategies import messages

import crucible_ir as ir
from crucible_ir.betterproto import from_betterproto, to_betterproto
from crucible_ir.conformance.suites import select_cases, suite_folder

pytestmark = pytest.mark.slow

VECTORS = Path(__file__).parents[1] / "vectors"
#: A timestamp with nanoseconds, which a datetime cannot represent: ProtoJSON then has nine digits.
NINE_DIGITS = re.compile(r'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"')


def lines_of(name: str) -> Iterator[dict[str, Any]]:
    for line in (VECTORS / name).read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def upstream_documents() -> Iterator[Message]:
    for case in lines_of("upstream_cases.jsonl"):
        try:
            yield ir.from_crucible_json(json.dumps(case["input"]), case["type"], validate=False)
        except ir.DecodeError:
            # Not a message in any runtime.
            assert not case["valid"]
    for example in lines_of("upstream_examples.jsonl"):
        yield ir.from_crucible_json(json.dumps(example["document"]), example["type"])


def digest_documents() -> Iterator[Message]:
    for path in sorted((VECTORS / "digest").glob("*.jsonl")):
        for vector in lines_of(f"digest/{path.name}"):
            if "json" in vector:
                yield ir.from_json(vector["json"], vector["type"], validate=False)


def conformance_documents() -> Iterator[Message]:
    """Yield the messages of the published cases, except those that ProtoJSON cannot represent."""
    for named in select_cases(suite_folder()):
        evaluation = named.case.expected.evaluation
        if evaluation.WhichOneof("json_outcome") == "json":
            yield ir.from_binary(
                evaluation.binary,
                named.case.request.message_type,
                validate=False,
            )


def messages_of(package: str) -> list[type[Message]]:
    module = import_module(package)
    exported = (getattr(module, name) for name in module.__all__)
    return [value for value in exported if hasattr(value, "FromString")]


def agree_in_binary(message: Message) -> betterproto2.Message | None:
    """Check that binary is lossless; return the dataclass, or ``None`` if conversion failed."""
    type_ = type(message)
    try:
        converted = to_betterproto(message)
        assert from_betterproto(converted, type_, validate=False) == message
    except (ir.EncodeError, ir.DecodeError) as error:
        assert "betterproto2" in error.reason
        # The root has an empty path.
        assert error.path or re.search("with the number of|unknown field", error.reason)
        return None
    assert type_.FromString(bytes(converted)) == message
    return converted


def agree(message: Message) -> None:
    """Check both formats; conversion may fail only for nanoseconds and unknown fields."""
    # JSON has no unknown fields; betterproto2 preserves them in binary.
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    text = json_format.MessageToJson(message)
    converted = agree_in_binary(message)
    if known.ByteSize() == message.ByteSize():
        assert (converted is None) is bool(NINE_DIGITS.search(text)), message
    if converted is not None:
        assert same_json(json.loads(converted.to_json()), json.loads(text))
        read = ir.from_json(text, type(message), validate=False)
        assert type(message).FromString(bytes(type(converted).from_json(text))) == read


@pytest.mark.parametrize("source", [upstream_documents, digest_documents, conformance_documents])
def test_every_vector_agrees_in_binary_and_in_json(source: Any) -> None:
    found = list(source())
    assert len(found) > 300
    for message in found:
        agree(message)


def test_messages_without_json_agree_in_binary_unless_a_datetime_cannot_represent_them() -> None:
    failed = []
    for vector in lines_of("digest/refused.jsonl"):
        data = base64.b64decode(vector["binary"])
        message = ir.from_binary(data, vector["type"], validate=False)
        try:
            assert from_betterproto(to_betterproto(message), validate=False) == message
        except ir.EncodeError as error:
            failed.append((vector["name"], error.path))
    assert failed == [("a time in the year 10000", "created_at")]


@pytest.mark.parametrize("type_", messages_of("crucible_ir.v1"), ids=lambda type_: type_.__name__)
def test_generated_messages_agree_except_for_nanoseconds(type_: type[Message]) -> None:
    @given(messages(type_))
    def check(message: Message) -> None:
        agree(message)

    check()


@pytest.mark.parametrize(
    "type_",
    messages_of("crucible_ir.exchange.v1") + messages_of("crucible_ir.conformance.v1"),
    ids=lambda type_: type_.__name__,
)
def test_messages_of_the_services_agree_in_binary_or_are_rejected(type_: type[Message]) -> None:
    @given(messages(type_))
    def check(message: Message) -> None:
        agree_in_binary(message)

    check()


@pytest.mark.parametrize("type_", [ir.v1.Experiment, ir.v1.Document, ir.v1.FeedbackEvent])
def test_any_bytes_that_protobuf_decodes_agree_or_are_rejected(type_: type[Message]) -> None:
    @given(messages(type_), st.data())
    def check(message: Message, data: st.DataObject) -> None:
        written = bytearray(message.SerializeToString())
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(written)))
            written[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=6))
        try:
            read = type_.FromString(bytes(written))
        except DecodeError:
            return
        agree_in_binary(read)

    check()
