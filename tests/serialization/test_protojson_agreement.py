"""ProtoJSON agrees with google's implementation on generated messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from effort import examples
from every_feature import EveryFeature, Legacy
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given, settings
from hypothesis import strategies as st
from json_values import same_json
from message_strategies import messages

import crucible_ir as ir
from crucible_ir.schema.walk import messages_in
from crucible_ir.serialization.wire import encode_varint

#: The messages in an Any: ordinary messages, messages with a special JSON, another Any.
PACKED = (EveryFeature, Struct, Value, AnyMessage, ir.v1.Hedging)
FEATURES = {"EveryFeature": EveryFeature, "Legacy": Legacy}
TYPES: dict[str, type[Message]] = {**ir.MESSAGE_TYPES, **FEATURES}

every_type = pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES)
feature_types = pytest.mark.parametrize("type_", FEATURES.values(), ids=FEATURES)


def generated(type_: type[Message], data: st.DataObject) -> Message:
    depth = 2 if type_ in FEATURES.values() else 3
    return data.draw(messages(type_, depth=depth, packed=PACKED))


def comparable(message: Message) -> Message:
    """Return a copy in which every Any with equal content has equal bytes."""
    copy = type(message)()
    copy.CopyFrom(message)
    _repack(copy)
    return copy


def _repack(message: Message) -> None:
    if isinstance(message, AnyMessage):
        if message.type_url:
            name = message.type_url.rpartition("/")[2]
            descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
            inner = message_factory.GetMessageClass(descriptor)()
            message.Unpack(inner)
            _repack(inner)
            message.Pack(inner, deterministic=True)
        return
    for _, inner in messages_in(message):
        _repack(inner)


def assert_agrees_with_google(message: Message) -> None:
    for original_names in (False, True):
        theirs = json_format.MessageToJson(message, preserving_proto_field_name=original_names)
        ours = ir.to_json(message, original_names=original_names)
        assert same_json(json.loads(ours), json.loads(theirs))
        read = ir.from_json(theirs, type(message), validate=False)
        assert comparable(read) == comparable(message)
        assert comparable(json_format.Parse(ours, type(message)())) == comparable(message)


@every_type
@settings(max_examples=examples(20))
@given(data=st.data())
def test_reads_and_writes_every_message_as_google_does(
    type_: type[Message], data: st.DataObject
) -> None:
    assert_agrees_with_google(generated(type_, data))


@feature_types
@settings(max_examples=examples(100))
@given(data=st.data())
def test_reads_and_writes_every_feature_of_protobuf_as_google_does(
    type_: type[Message], data: st.DataObject
) -> None:
    assert_agrees_with_google(generated(type_, data))


@every_type
@settings(max_examples=examples(10))
@given(data=st.data())
def test_reads_back_messages_written_as_text_and_as_json_values(
    type_: type[Message], data: st.DataObject
) -> None:
    message = generated(type_, data)
    for indent in (None, 2):
        read = ir.from_json(ir.to_json(message, indent=indent), type_, validate=False)
        assert comparable(read) == comparable(message)
    read = ir.from_dict(ir.to_dict(message), type_, validate=False)
    assert comparable(read) == comparable(message)


@every_type
@settings(max_examples=examples(10))
@given(data=st.data())
def test_yaml_and_text_format_keep_every_message(type_: type[Message], data: st.DataObject) -> None:
    message = generated(type_, data)
    for write, read in ((ir.to_yaml, ir.from_yaml), (ir.to_text, ir.from_text)):
        assert comparable(read(write(message), type_, validate=False)) == comparable(message)


@every_type
@settings(max_examples=examples(10))
@given(data=st.data(), number=st.integers(20_000, 2**29 - 1), value=st.binary(max_size=20))
def test_binary_keeps_every_message_and_unknown_fields(
    type_: type[Message], data: st.DataObject, number: int, value: bytes
) -> None:
    message = generated(type_, data)
    assert ir.from_binary(ir.to_binary(message), type_, validate=False) == message
    newer = ir.to_binary(message) + length_delimited(number, value)
    kept: Any = ir.from_binary(
        ir.to_binary(ir.from_binary(newer, type_, validate=False)), type_, validate=False
    )
    unknown: Any = UnknownFieldSet(kept)
    (field,) = unknown
    assert (field.field_number, field.data) == (number, value)
    kept.DiscardUnknownFields()
    assert kept == message


def length_delimited(number: int, value: bytes) -> bytes:
    """Return a field in the wire format: its number and type 2, its length and its bytes."""
    return encode_varint(number << 3 | 2) + encode_varint(len(value)) + value


@pytest.mark.parametrize("original_names", [False, True])
def test_the_largest_float_is_written_as_google_writes_it_and_read_back(
    original_names: bool,
) -> None:
    # 2^128 - 2^104. google's library writes 3.4028235e+38, which is larger, and does not read it.
    largest = EveryFeature(one_float=2.0**128 - 2.0**104)
    theirs = json_format.MessageToJson(largest, preserving_proto_field_name=original_names)
    ours = ir.to_json(largest, original_names=original_names)
    assert json.loads(ours) == json.loads(theirs)
    assert ir.from_json(theirs, EveryFeature, validate=False) == largest
