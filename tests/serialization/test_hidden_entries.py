"""Map entries with an unknown field, which protobuf's Python library (upb) leaves out of the map.

Every other implementation keeps the entry and drops the unknown field, so that the expected value
is always that of the same message without the unknown field.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from google.protobuf import json_format, text_format
from google.protobuf.message import Message

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.diffing.merging import merge
from crucible_ir.schema.unknown_fields import show_all_entries, show_entries, unknown_fields
from crucible_ir.showing.tree import draw


def field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field, both parts of which are short."""
    assert number < 16
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


#: The field 19 with the value 1.
UNKNOWN = bytes.fromhex("980101")
ONE = bytes.fromhex("11000000000000f03f")
TRUE = field(2, bytes.fromhex("2001"))
VERSION = field(1, b"a") + field(2, b"b") + field(3, b"1.0.0")
RUN = field(1, b"r") + field(
    2, field(1, b"c") + field(2, field(1, b"m")) + field(3, field(1, b"d"))
)


def places(unknown: bytes) -> dict[str, Message]:
    """Return messages with an entry in a map somewhere, to which an unknown field is added."""
    entry, value = field(1, b"k") + ONE + unknown, field(1, b"k") + TRUE + unknown
    nested = field(1, b"o") + field(2, field(5, field(1, value))) + unknown
    return {
        "a map": v1.ModelVersion.FromString(VERSION + field(7, entry)),
        "several": v1.ModelVersion.FromString(
            VERSION + field(7, entry) + field(7, field(1, b"a") + ONE)
        ),
        "a snapshot": v1.TrainingRun.FromString(RUN + field(5, field(1, entry))),
        "another map": v1.TrainingRun.FromString(RUN + field(6, entry)),
        "opaque JSON": v1.StageDef.FromString(field(1, b"s") + field(3, field(1, value))),
        "in opaque JSON": v1.StageDef.FromString(field(1, b"s") + field(3, field(1, nested))),
    }


HIDDEN, PLAIN = places(UNKNOWN), places(b"")
CASES = [pytest.param(HIDDEN[name], PLAIN[name], id=name) for name in HIDDEN]
WRITERS: dict[str, Callable[[Message], object]] = {
    "to_json": ir.to_json,
    "to_json with indent": lambda message: ir.to_json(message, indent=4, original_names=True),
    "to_dict": ir.to_dict,
    "to_crucible_json": ir.to_crucible_json,
    "to_yaml": ir.to_yaml,
    "to_text": ir.to_text,
    "digest": ir.digest,
    "lint": ir.lint,
    "violations": ir.violations,
    "show": lambda message: [str(each.label) for each in draw(message).children],
}


def test_the_entries_are_hidden_without_this_package() -> None:
    # If this fails, upb behaves as every other implementation, and the work can go.
    for name, message in HIDDEN.items():
        written = json_format.MessageToDict(message)
        assert written != json_format.MessageToDict(PLAIN[name]), name


@pytest.mark.parametrize("write", WRITERS.values(), ids=list(WRITERS))
@pytest.mark.parametrize(("hidden", "plain"), CASES)
def test_a_hidden_entry_is_written(
    write: Callable[[Message], object], hidden: Message, plain: Message
) -> None:
    before = hidden.SerializeToString(deterministic=True)
    assert write(hidden) == write(plain)
    assert hidden.SerializeToString(deterministic=True) == before


def test_the_metrics_of_a_model_version_are_written() -> None:
    data = bytes.fromhex("0a01611201621a05312e302e303a0f0a016111000000000000f03f980101")
    version = ir.from_binary(data, v1.ModelVersion)
    assert ir.to_json(version) == ('{"id":"a","modelId":"b","version":"1.0.0","metrics":{"a":1.0}}')
    assert ir.to_binary(version) == data


@pytest.mark.parametrize(("hidden", "plain"), CASES)
def test_the_text_is_that_of_googles_library(hidden: Message, plain: Message) -> None:
    assert ir.to_text(hidden) == text_format.MessageToString(plain)


@pytest.mark.parametrize(("hidden", "plain"), CASES)
def test_a_hidden_entry_is_no_difference(hidden: Message, plain: Message) -> None:
    assert ir.diff(hidden, plain) == []
    assert ir.diff(plain, hidden) == []
    merged = merge(plain, hidden, plain)
    assert (merged.message, merged.conflicts) == (plain, [])


def test_a_change_of_a_hidden_entry_is_a_difference() -> None:
    other = v1.ModelVersion.FromString(PLAIN["a map"].SerializeToString())
    other.metrics["k"] = 2
    changes = ir.diff(HIDDEN["a map"], other)
    assert [(each.path, each.old, each.new) for each in changes] == [('metrics["k"]', 1, 2)]


def test_the_later_of_two_entries_with_one_key_counts() -> None:
    # upb writes unknown fields last, which makes the hidden entry the later one.
    message = v1.ModelVersion(metrics={"k": 2})
    message.MergeFromString(field(7, field(1, b"k") + ONE + UNKNOWN))
    again = v1.ModelVersion.FromString(message.SerializeToString())
    assert dict(show_entries(message).metrics) == dict(show_entries(again).metrics) == {"k": 1}


def test_unknown_fields_beside_a_hidden_entry_are_reported() -> None:
    message = HIDDEN["a map"]
    assert list(unknown_fields(message)) == []
    newer = v1.ModelVersion.FromString(message.SerializeToString() + UNKNOWN)
    assert list(unknown_fields(newer)) == [((), [19])]
    with pytest.raises(ir.EncodeError, match="unknown field 19"):
        ir.digest(newer)
    value = field(1, b"k") + field(2, b"\x20\x01" + UNKNOWN) + UNKNOWN
    stage = v1.StageDef.FromString(field(1, b"s") + field(3, field(1, value)))
    assert list(unknown_fields(stage)) == [(("options", "fields", "k"), [19])]


def test_the_limits_count_hidden_entries() -> None:
    data = VERSION + field(7, field(1, b"key") + ONE + UNKNOWN) + field(7, field(1, b"a") + ONE)
    with pytest.raises(ir.LimitError, match="2 items"):
        ir.from_binary(data, v1.ModelVersion, limits=ir.Limits(max_items=1))


def test_messages_without_hidden_entries_are_returned_themselves() -> None:
    for message in (PLAIN["a map"], v1.ModelVersion.FromString(VERSION + UNKNOWN)):
        assert show_entries(message) is message
        assert show_all_entries(message) is message
