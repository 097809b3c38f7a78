"""Binary: protobuf's wire format, with the offset and the path in errors."""

from __future__ import annotations

import pytest

import crucible_ir as ir
from crucible_ir import v1

#: Types, bytes, the path of the error and its reason. In the wire format, a tag is the number of
#: the field times eight plus 0 for a varint, 1 for eight bytes, 2 for a length and bytes, and 5 for
#: four bytes. StageDef: name = 1 (tag 0x0a), options = 3 (0x1a), enabled = 4 (0x20).
BROKEN: list[tuple[str, bytes, str, str]] = [
    ("StageDef", b"\x0a", "name", "truncated at byte 1, in the middle of a varint"),
    ("StageDef", b"\x0a\x05ab", "name", "truncated at byte 4: 3 more bytes expected"),
    ("StageDef", b"\x0a\x02a\xff", "name", "byte 3 (0xff) is not UTF-8"),
    ("StageDef", b"\x20", "enabled", "truncated at byte 1, in the middle of a varint"),
    (
        "StageDef",
        b"\x20" + b"\xff" * 11,
        "enabled",
        "the varint at byte 1 is longer than ten bytes",
    ),
    ("StageDef", b"\x00", "", "invalid field number 0 at byte 0"),
    ("StageDef", b"\x0b", "name", "truncated at byte 1, in the middle of a group 1"),
    ("StageDef", b"\x7b\x7b\x84\x01", "", "byte 2 ends a group 16 that was not begun"),
    ("StageDef", b"\x0f", "name", "invalid wire type 7 at byte 0"),
    ("StageDef", b"\x7d\x01\x02", "", "truncated at byte 3: 2 more bytes expected"),
    ("StageDef", b"\x79\x01\x02", "", "truncated at byte 3: 6 more bytes expected"),
    # options { fields { key: <a length of two, and no bytes> } }
    (
        "StageDef",
        b"\x1a\x04\x0a\x02\x0a\x02",
        "options.fields.key",
        "truncated at byte 6: 2 more bytes expected",
    ),
    # Experiment: pipeline = 3 (0x1a); the second stage's name is not UTF-8
    (
        "Experiment",
        b"\x1a\x03\x0a\x01a\x1a\x03\x0a\x01\xff",
        "pipeline[1].name",
        "byte 9 (0xff) is not UTF-8",
    ),
]


@pytest.mark.parametrize(
    ("type_", "data", "path", "reason"), BROKEN, ids=[data.hex() for _, data, *_ in BROKEN]
)
def test_errors_have_the_offset_and_the_path(
    type_: str, data: bytes, path: str, reason: str
) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_binary(data, type_)
    assert caught.value.path == path
    assert caught.value.reason == f"not a crucible_ir.v1.{type_}: {reason}"


@pytest.mark.parametrize("data", ["text", 3, None, ["a"]], ids=repr)
def test_rejects_data_that_is_not_bytes(data: bytes) -> None:
    with pytest.raises(ir.DecodeError, match=f"expected bytes, got {type(data).__name__}"):
        ir.from_binary(data, "StageDef")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_reads_every_type_of_bytes(kind: type) -> None:
    data = kind(v1.StageDef(name="a").SerializeToString())
    assert ir.from_binary(data, v1.StageDef) == v1.StageDef(name="a")


def test_a_field_of_another_wire_type_is_unknown_and_kept() -> None:
    # enabled as a length-delimited field, as in a schema that has changed its type.
    data = b"\x0a\x01a\x22\x02hi"
    stage = ir.from_binary(data, v1.StageDef)
    assert stage == v1.StageDef.FromString(data)
    assert not stage.HasField("enabled")
    assert ir.to_binary(stage) == data


def test_the_last_value_of_a_field_wins() -> None:
    assert ir.from_binary(b"\x0a\x01a\x0a\x01b", v1.StageDef).name == "b"


def test_rules_are_checked_by_default() -> None:
    with pytest.raises(ir.ValidationError) as caught:
        ir.from_binary(b"", "StageDef")
    assert [violation.path for violation in caught.value.violations] == ["name"]
    assert ir.from_binary(b"", v1.StageDef, validate=False) == v1.StageDef()


def test_a_decoder_is_a_from_binary_for_one_type() -> None:
    decode = ir.decoder(v1.StageDef)
    assert decode(b"\x0a\x01a") == v1.StageDef(name="a")
    with pytest.raises(ir.ValidationError):
        decode(b"")
    with pytest.raises(ir.DecodeError):
        decode(b"\x0a")
    assert ir.decoder("StageDef", validate=False)(b"") == v1.StageDef()


def chain(levels: int) -> v1.BackendRef:
    """Return a reference with this many fallbacks, one inside another."""
    root = v1.BackendRef(id="b")
    lowest = root
    for _ in range(levels):
        lowest = lowest.fallback
        lowest.id = "b"
    return root


def nested_map(objects: int) -> v1.StageDef:
    """Return a stage with this many objects inside one another, including its options."""
    stage = v1.StageDef(name="a")
    lowest = stage.options
    for _ in range(objects - 1):
        lowest = lowest.fields["a"].struct_value
    lowest.fields["a"].bool_value = True
    return stage


FORMATS = [
    (ir.to_binary, ir.from_binary),
    (ir.to_json, ir.from_json),
    (ir.to_crucible_json, ir.from_crucible_json),
    (ir.to_yaml, ir.from_yaml),
    (ir.to_text, ir.from_text),
]


# The limit is a hundred levels below the root: see "Limits" in proto/README.md. An object inside an
# opaque map has three levels, and its field one.
@pytest.mark.parametrize(("write", "read"), FORMATS, ids=[write.__name__ for write, _ in FORMATS])
@pytest.mark.parametrize("deepest", [chain(100), nested_map(33)], ids=["fallbacks", "objects"])
def test_every_format_keeps_the_deepest_message(write, read, deepest) -> None:  # type: ignore[no-untyped-def]
    again = read(write(deepest), type(deepest))
    assert write(again) == write(deepest)


@pytest.mark.parametrize("write", [write for write, _ in FORMATS], ids=lambda write: write.__name__)
@pytest.mark.parametrize(
    "too_deep", [chain(101), nested_map(34), chain(2000)], ids=["fallbacks", "objects", "many"]
)
def test_no_format_writes_a_message_that_is_too_deep_to_read(write, too_deep) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ir.EncodeError, match="nested deeper than 100 levels"):
        write(too_deep)
