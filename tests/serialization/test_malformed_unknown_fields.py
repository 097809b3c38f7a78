"""Unknown fields that protobuf's Python library keeps and other implementations cannot read."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import protovalidate
import pytest
from google.protobuf import __version__ as protobuf_version
from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema.unknown_fields import reject_unreadable

#: A group with the number 61: tags of two bytes begin and end it.
BEGIN, END = bytes.fromhex("eb03"), bytes.fromhex("ec03")
#: What must not be in it: the field number 0 with each wire type, and with a tag of three bytes.
BAD = {
    "varint": b"\x00\x00",
    "eight bytes": b"\x01" + bytes(8),
    "length": b"\x02\x01a",
    "group": b"\x03\x04",
    "four bytes": b"\x05" + bytes(4),
    "long tag": b"\x80\x80\x00\x00",
    "after other fields": b"\x08\x01\x12\x02hi\x00\x00",
    "in a group inside": b"\x0b\x00\x00\x0c",
}
GROUPS = {name: BEGIN + bad + END for name, bad in BAD.items()}


def field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field, both parts of which are short."""
    assert number < 16
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


GROUP = GROUPS["varint"]
#: ModelVersion: id = 1, model_id = 2, version = 3, metrics = 7.
VERSION = field(1, b"a") + field(2, b"b") + field(3, b"1.0.0")
#: StageDef: name = 1, options = 3; Struct: fields = 1; an entry: key = 1, value = 2.
STAGE = field(1, b"s")
#: Bytes with the group at some place, their type, and the path of the message that has it.
PLACES: dict[str, tuple[str, bytes, str]] = {
    "the message": ("ModelVersion", VERSION + GROUP, ""),
    "a message inside": (
        "Experiment",
        field(1, b"e") + field(2, field(1, b"b") + GROUP) + field(3, STAGE),
        "backend",
    ),
    "an item": (
        "Experiment",
        field(1, b"e") + field(2, field(1, b"b")) + field(3, STAGE) + field(3, STAGE + GROUP),
        "pipeline[1]",
    ),
    "opaque JSON": ("StageDef", STAGE + field(3, GROUP), "options"),
    "a value of opaque JSON": (
        "StageDef",
        STAGE + field(3, field(1, field(1, b"k") + field(2, b"\x20\x01" + GROUP))),
        "options.fields",
    ),
    "a map entry": (
        "ModelVersion",
        VERSION + field(7, field(1, b"m") + b"\x11" + bytes(8) + GROUP),
        "metrics",
    ),
}


def parsed(type_: str, data: bytes) -> list[Message]:
    """Return the message in a list, which is empty on protobuf 6: its parser rejects the bytes."""
    try:
        return [getattr(v1, type_).FromString(data)]
    except ProtobufDecodeError:
        assert int(protobuf_version.split(".")[0]) < 7
        return []


def unreadable_to_protovalidate(group: bytes) -> bool:
    # It parses the messages that have rules in CEL, of which this is one.
    messages = parsed("GenerationOptions", group)
    try:
        for message in messages:
            protovalidate.collect_violations(message)
    except ValueError:
        return True
    return not messages


@pytest.mark.parametrize("group", GROUPS.values(), ids=list(GROUPS))
def test_the_field_number_0_in_an_unknown_group_is_a_decode_error(group: bytes) -> None:
    data = VERSION + group
    assert unreadable_to_protovalidate(group)
    readers: list[Callable[[], object]] = [
        lambda: ir.from_binary(data, v1.ModelVersion),
        lambda: ir.from_binary(data, v1.ModelVersion, validate=False),
        lambda: ir.decoder(v1.ModelVersion)(data),
        lambda: ir.decoder(v1.ModelVersion, validate=False)(data),
    ]
    for message in parsed("ModelVersion", data):
        readers += [
            partial(check, message)
            for check in (ir.is_valid, ir.violations, ir.validate, reject_unreadable)
        ]
    for read in readers:
        with pytest.raises(ir.DecodeError, match=r"^not a .*ModelVersion: invalid field number 0"):
            read()


@pytest.mark.parametrize("group", GROUPS.values(), ids=list(GROUPS))
def test_the_error_comes_before_the_violations_of_the_message(group: bytes) -> None:
    data = v1.GenerationOptions(max_tokens=-1).SerializeToString() + group
    readers: list[Callable[[], object]] = [
        lambda: ir.from_binary(data, v1.GenerationOptions),
        lambda: ir.decoder(v1.GenerationOptions)(data),
    ]
    for message in parsed("GenerationOptions", data):
        readers += [partial(check, message) for check in (ir.is_valid, ir.violations, ir.validate)]
    for read in readers:
        with pytest.raises(ir.DecodeError, match="invalid field number 0"):
            read()


@pytest.mark.parametrize(("type_", "data", "path"), PLACES.values(), ids=list(PLACES))
def test_the_field_number_0_is_found_in_every_message_inside(
    type_: str, data: bytes, path: str
) -> None:
    with pytest.raises(ir.DecodeError, match="invalid field number 0 at byte") as caught:
        ir.from_binary(data, type_)
    assert caught.value.path.startswith(path)
    for message in parsed(type_, data):
        with pytest.raises(ir.DecodeError, match="invalid field number 0"):
            reject_unreadable(message)


def test_the_path_of_the_error_is_that_of_the_message_with_the_group() -> None:
    expected = ["", "backend", "pipeline[1]", "options", 'options["k"]', 'metrics["m"]']
    for (type_, data, _), path in zip(PLACES.values(), expected, strict=True):
        for message in parsed(type_, data):
            with pytest.raises(ir.DecodeError) as caught:
                reject_unreadable(message)
            assert caught.value.path == path


@pytest.mark.parametrize("fields", ["", "0801", "1202cafe", "0b0c", "1b0b0c1c", "e88380800000"])
def test_unknown_groups_that_are_well_formed_are_kept(fields: str) -> None:
    data = VERSION + BEGIN + bytes.fromhex(fields) + END
    message = ir.from_binary(data, v1.ModelVersion)
    assert not unreadable_to_protovalidate(BEGIN + bytes.fromhex(fields) + END)
    assert ir.is_valid(message)
    assert ir.to_binary(message) == data


groups = st.recursive(
    st.sampled_from([b"\x08\x01", b"\x12\x01\x00", b"\x1d\x00\x00\x00\x00", b"\x00\x00", b""]),
    lambda inside: st.lists(inside, max_size=3).map(
        lambda parts: b"\x0b" + b"".join(parts) + b"\x0c"
    ),
)


@given(groups.map(lambda inside: BEGIN + inside + END))
def test_what_is_rejected_is_what_protovalidate_cannot_read(group: bytes) -> None:
    try:
        ir.from_binary(VERSION + group, v1.ModelVersion)
    except ir.DecodeError:
        rejected = True
    else:
        rejected = False
    assert rejected == unreadable_to_protovalidate(group)


def stream_of(*records: bytes) -> bytes:
    return b"".join(bytes([len(record)]) + record for record in records)


def test_a_stream_skips_the_record() -> None:
    bad: list[ir.StreamError] = []
    stream = stream_of(VERSION, VERSION + GROUP, VERSION)
    read = list(ir.read_delimited(io.BytesIO(stream), v1.ModelVersion, on_bad=bad.append))
    assert [message.id for message in read] == ["a", "a"]
    assert [error.record for error in bad] == [1]
    assert "invalid field number 0" in bad[0].reason
    with pytest.raises(ir.StreamError, match=r"record 1 at byte 14: .*invalid field number 0"):
        list(ir.read_delimited(io.BytesIO(stream), v1.ModelVersion))


def test_a_stream_skips_an_invalid_record_with_the_group_inside() -> None:
    bad: list[ir.StreamError] = []
    data = field(3, GROUP)
    stream = stream_of(data, STAGE)
    read = list(ir.read_delimited(io.BytesIO(stream), v1.StageDef, on_bad=bad.append))
    assert [message.name for message in read] == ["s"]
    assert "invalid field number 0 at byte" in bad[0].reason


def test_a_stream_keeps_records_with_readable_unknown_fields() -> None:
    data = VERSION + BEGIN + END
    (read,) = ir.read_delimited(io.BytesIO(stream_of(data)), v1.ModelVersion)
    assert read.SerializeToString() == data
