"""Digests, compared with the published vectors and with other implementations of RFC 8785."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from effort import examples
from every_feature import EveryFeature
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st
from message_strategies import messages

import crucible_ir as ir
import jcs
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.json.canonical import canonical_json, digest

v1 = ir.v1
VECTORS = Path(__file__).parent.parent / "vectors" / "digest"
NODE = shutil.which("node")

Vector = dict[str, str]


def read(path: Path) -> list[Vector]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


ALL = [
    vector
    for path in sorted(VECTORS.glob("*.jsonl"))
    if path.stem != "refused"
    for vector in read(path)
]
REJECTED = read(VECTORS / "refused.jsonl")


def label(vector: Vector) -> str:
    return f"{vector['type']}: {vector['name']}"


# Vectors


@pytest.mark.parametrize("vector", ALL, ids=map(label, ALL))
def test_a_message_has_the_canonical_json_and_the_digest_of_its_vector(vector: Vector) -> None:
    message = ir.from_json(vector["json"], vector["type"], validate=False)
    assert canonical_json(message).decode() == vector["canonical"]
    assert digest(message) == vector["digest"]


@pytest.mark.parametrize("vector", ALL, ids=map(label, ALL))
def test_other_libraries_compute_the_vectors(vector: Vector) -> None:
    message = json_format.Parse(vector["json"], ir.MESSAGE_TYPES[vector["type"]]())
    assert jcs.canonical(json_format.MessageToDict(message)) == vector["canonical"]
    assert f"sha256:{hashlib.sha256(vector['canonical'].encode()).hexdigest()}" == vector["digest"]


def test_javascript_computes_the_vectors() -> None:
    values = [json.loads(vector["canonical"]) for vector in ALL]
    reordered = [json.dumps(value) for value in map(reverse_keys, values)]
    if NODE is not None:
        script = Path(__file__).parent / "jcs.mjs"
        lines = "\n".join(reordered).encode()
        output = subprocess.run([NODE, script], input=lines, stdout=subprocess.PIPE, check=True)
        canonical = output.stdout.decode().split("\n")[:-1]
    else:
        # Without Node, the implementation in Python takes its place.
        canonical = [jcs.canonical(json.loads(line)) for line in reordered]
    assert canonical == [vector["canonical"] for vector in ALL]


def reverse_keys(value: Any) -> Any:
    """Return a value with the keys of its objects in reverse order."""
    if isinstance(value, dict):
        return {key: reverse_keys(value[key]) for key in reversed(value)}
    return [reverse_keys(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("vector", REJECTED, ids=map(label, REJECTED))
def test_the_error_for_a_message_without_a_digest_has_the_path(vector: Vector) -> None:
    message = ir.from_binary(base64.b64decode(vector["binary"]), vector["type"], validate=False)
    with pytest.raises(ir.EncodeError) as caught:
        digest(message)
    assert caught.value.path == vector["path"]


def test_there_are_vectors_for_every_type_with_every_field() -> None:
    for name, cls in ir.MESSAGE_TYPES.items():
        values = [json.loads(vector["canonical"]) for vector in ALL if vector["type"] == name]
        assert {} in values
        assert {key for value in values for key in value} == json_names(descriptor_of(cls))


def json_names(descriptor: Descriptor) -> set[str]:
    """Return the JSON names of all fields, but only the first and the last member of each oneof."""
    inner = {field.json_name for oneof in descriptor.oneofs for field in list(oneof.fields)[1:-1]}
    names = {field.json_name for field in descriptor.fields}
    return names - inner


# Canonical JSON


#: RFC 8785, appendix B: the bits of a double and its text.
APPENDIX_B = """
0000000000000000 0
8000000000000000 0
0000000000000001 5e-324
8000000000000001 -5e-324
7fefffffffffffff 1.7976931348623157e+308
ffefffffffffffff -1.7976931348623157e+308
4340000000000000 9007199254740992
c340000000000000 -9007199254740992
4430000000000000 295147905179352830000
44b52d02c7e14af5 9.999999999999997e+22
44b52d02c7e14af6 1e+23
44b52d02c7e14af7 1.0000000000000001e+23
444b1ae4d6e2ef4e 999999999999999700000
444b1ae4d6e2ef4f 999999999999999900000
444b1ae4d6e2ef50 1e+21
3eb0c6f7a0b5ed8c 9.999999999999997e-7
3eb0c6f7a0b5ed8d 0.000001
41b3de4355555553 333333333.3333332
41b3de4355555554 333333333.33333325
41b3de4355555555 333333333.3333333
41b3de4355555556 333333333.3333334
41b3de4355555557 333333333.33333343
becbf647612f3696 -0.0000033333333333333333
43143ff3c1cb0959 1424953923781206.2
"""


@pytest.mark.parametrize(
    ("bits", "text"), [line.split() for line in APPENDIX_B.split("\n") if line]
)
def test_numbers_are_written_like_the_samples_of_the_rfc(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    in_field = v1.MetricsSnapshot(values={"m": number})
    assert canonical_json(in_field).decode() == f'{{"values":{{"m":{text}}}}}'
    in_map = v1.StageDef(options={"m": number})
    assert canonical_json(in_map).decode() == f'{{"options":{{"m":{text}}}}}'


@pytest.mark.parametrize("cls", ir.MESSAGE_TYPES.values(), ids=ir.MESSAGE_TYPES)
@settings(max_examples=examples(15))
@given(data=st.data())
def test_other_libraries_compute_the_same_digest_of_any_message(
    cls: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages(cls))
    expected = jcs.canonical(json_format.MessageToDict(message))
    assert canonical_json(message).decode() == expected
    assert digest(message) == f"sha256:{hashlib.sha256(expected.encode()).hexdigest()}"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_other_libraries_write_any_number_alike(number: float) -> None:
    canonical = canonical_json(v1.MetricsSnapshot(values={"m": number})).decode()
    assert canonical == f'{{"values":{{"m":{jcs.number(number)}}}}}'


#: Doubles where the text or the code that writes it changes: the largest exact integer, the ends of
#: the range in which orjson writes fractions, the first number with an exponent, and subnormals.
BORDERS = [2.0**53, 1e-5, 1e-6, 1e15, 1e16, 1e21, 2.0**-1022, 5e-324, 1.7976931348623157e308]
NEAR_BORDERS = sorted(
    {
        sign * near
        for border in BORDERS
        for near in (border, math.nextafter(border, 0), math.nextafter(border, math.inf))
        for sign in (1, -1)
        if math.isfinite(near)
    }
    | {0.5, 1e20, 123456789012345680000.0, 2.0**53 + 2, 2.0**53 - 1.0, 999999999999999.9}
)


@pytest.mark.parametrize("number", [*NEAR_BORDERS, 0.0, -0.0])
def test_numbers_near_borders_are_written_like_other_libraries(number: float) -> None:
    expected = jcs.number(number)
    assert rfc8785.dumps(number).decode() == expected
    in_map = canonical_json(v1.MetricsSnapshot(values={"m": number}))
    assert in_map.decode() == f'{{"values":{{"m":{expected}}}}}'
    in_opaque_map = canonical_json(v1.StageDef(options={"m": [number]}))
    assert in_opaque_map.decode() == f'{{"options":{{"m":[{expected}]}}}}'
    # With another number that orjson writes in the same message.
    in_both = canonical_json(v1.StageDef(options={"a": 0.25, "m": number}))
    assert in_both.decode() == f'{{"options":{{"a":0.25,"m":{expected}}}}}'


def float32(bits: int) -> float:
    (number,) = struct.unpack(">f", bits.to_bytes(4, "big"))
    return float(number)


@pytest.mark.parametrize(
    "number",
    [
        *(float32(bits) for bits in (1, 2, 0x007FFFFF, 0x00800000, 0x7F7FFFFE)),
        *(float32(bits) for bits in (0x3727C5AB, 0x3727C5AC, 0x3727C5AD)),  # Near 1e-5.
        *(float32(bits) for bits in (0x58635FA8, 0x58635FA9, 0x58635FAA)),  # Near 1e15.
        *(float32(bits) for bits in (0x6258D726, 0x6258D727, 0x6258D728)),  # Near 1e21.
        *(2.0**24, 2.0**53, -0.0, 0.1, -1.5, 16777216.0, math.inf, math.nan),
    ],
)
def test_32_bit_floats_are_written_like_other_libraries(number: float) -> None:
    message = EveryFeature(one_float=number, list_of_float=[number, 1.0])
    expected = json_format.MessageToDict(message)
    assert canonical_json(message).decode() == jcs.canonical(expected)
    if math.isfinite(number):
        assert canonical_json(message) == rfc8785.dumps(expected)


def test_keys_beyond_the_bmp_are_sorted_like_utf_16() -> None:
    keys = ["\ufb03", "\U0001f600", "\uffff", "z", "\U00010000", "\ud7ff", "\ue000"]
    snapshot = v1.MetricsSnapshot(values=dict.fromkeys(keys, 0.5))
    stage = v1.StageDef(options={"a": [dict.fromkeys(keys, 1e21)], "b": "\U0001f600"})
    for message in (snapshot, stage):
        value = json_format.MessageToDict(message)
        canonical = canonical_json(message)
        assert canonical.decode() == jcs.canonical(value)
        assert canonical == rfc8785.dumps(value)
    order = ["z", "\ud7ff", "\U00010000", "\U0001f600", "\ue000", "\ufb03", "\uffff"]
    written = json.loads(canonical_json(snapshot))["values"]
    assert list(written) == order


# The content of a digest


def test_setting_a_field_to_its_default_changes_the_digest() -> None:
    message = v1.BackendRef(id="gpt4")
    assert digest(message) != digest(ir.with_defaults(message))


def test_the_digest_is_the_same_after_conversion_to_every_format() -> None:
    message = v1.Experiment(
        id="e", pipeline=[v1.StageDef(name="s", options={"rate": 1e21, "größe": [1, 2.5]})]
    )
    converted = [
        ir.from_binary(ir.to_binary(message), v1.Experiment, validate=False),
        ir.from_json(ir.to_json(message), v1.Experiment, validate=False),
        ir.from_yaml(ir.to_yaml(message), v1.Experiment, validate=False),
        ir.from_text(ir.to_text(message), v1.Experiment, validate=False),
    ]
    assert {digest(each) for each in converted} == {digest(message)}


def test_unknown_fields_are_rejected_unless_they_are_allowed() -> None:
    newer = v1.BackendRef.FromString(b"\xf8\x07\x01\xfa\x07\x01a\xf0\x07\x02")
    prompt = v1.Experiment(id="e", backend=v1.BackendRef(fallback=newer))
    with pytest.raises(ir.EncodeError) as caught:
        digest(prompt)
    assert str(caught.value) == (
        "backend.fallback: unknown fields 126, 127, which a newer schema may have, would be left"
        " out of the digest; allow_unknown_fields permits that"
    )
    without = v1.Experiment(id="e", backend=v1.BackendRef(fallback=v1.BackendRef()))
    assert digest(prompt, allow_unknown_fields=True) == digest(without)


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda newer: v1.Prompt(messages=[v1.Message(), newer]), "messages[1]"),
        (
            lambda newer: v1.Document(completion=v1.Completion(choices=[v1.Choice(message=newer)])),
            "completion.choices[0].message",
        ),
    ],
)
def test_unknown_fields_are_found_wherever_they_are(make: Any, path: str) -> None:
    with pytest.raises(ir.EncodeError) as caught:
        digest(make(v1.Message.FromString(b"\xf8\x07\x01")))
    assert caught.value.path == path


def test_unknown_fields_are_found_in_opaque_maps() -> None:
    stage = v1.StageDef(options={"a": ["x", {"b c": "y"}]})
    inner = stage.options.fields["a"].list_value.values[1].struct_value.fields["b c"]
    inner.MergeFromString(b"\xf8\x07\x01")
    with pytest.raises(ir.EncodeError) as caught:
        digest(stage)
    assert caught.value.path == 'options["a"][1]["b c"]'


def test_nan_has_a_digest_in_a_double_and_none_in_an_opaque_map() -> None:
    expected = hashlib.sha256(b'{"values":{"loss":"NaN"}}').hexdigest()
    assert digest(v1.MetricsSnapshot(values={"loss": math.nan})) == f"sha256:{expected}"
    with pytest.raises(ir.EncodeError, match=r'^options\["loss"\]: .* must be finite, got nan$'):
        digest(v1.StageDef(options={"loss": math.nan}))
