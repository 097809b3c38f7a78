"""Values that google's parser of the text format changes or drops without an error."""

from __future__ import annotations

import math
import time
import tracemalloc
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import DoubleValue, FloatValue
from hypothesis import given
from hypothesis import strategies as st

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.text import ParsedText
from crucible_ir.serialization.text_checks import check_text

VALUE = 'options {{ fields {{ key: "a" value {{ number_value: {} }} }} }}'


#: A type, a text, and its error with line, column and path.
REJECTED: dict[str, tuple[type[Message], str, str]] = {
    "map": (
        v1.ModelVersion,
        'metrics { key: "a" value: 1 }\nmetrics { key: "a" value: 2 }',
        '2:16: metrics: duplicate key "a", first given at 1:16',
    ),
    "map in a list": (
        v1.ModelVersion,
        'metrics: [{ key: "a" value: 1 }, < value: 2 key: "a" >]',
        '1:50: metrics: duplicate key "a", first given at 1:18',
    ),
    "key with escapes": (
        v1.Ensemble,
        """weights { key: "\\x61b" } weights { key: 'a' "b" }""",
        '1:41: weights: duplicate key "ab", first given at 1:16',
    ),
    "empty key": (
        v1.ModelVersion,
        'metrics {} metrics { key: "" }',
        '1:27: metrics: duplicate key "", first given at 1:9',
    ),
    "snapshot in a list": (
        v1.TrainingRun,
        'metrics_history {} metrics_history { values { key: "l" } values { key: "l" } }',
        '1:72: metrics_history[1].values: duplicate key "l", first given at 1:52',
    ),
    "opaque JSON": (
        v1.StageDef,
        'options { fields { key: "a" value { null_value: 0 } } # {\n fields { key: "a" } }',
        '2:16: options: duplicate key "a", first given at 1:25',
    ),
    "list in opaque JSON": (
        v1.FeedbackEvent,
        "feedback_value { list_value { values { bool_value: true } values { struct_value {"
        ' fields { key: "k" } fields { key: "k" } } } } }',
        '1:117: feedback_value[1]: duplicate key "k", first given at 1:97',
    ),
    "integer": (
        v1.StageDef,
        VALUE.format("9007199254740993"),
        '1:51: options["a"]: the integer 9007199254740993 is beyond 2^53, the limit of exact'
        " integers in opaque JSON; write it as a string",
    ),
    "negative integer": (
        v1.StageDef,
        VALUE.format("-9007199254740993"),
        '1:51: options["a"]: the integer -9007199254740993 is beyond 2^53, the limit of exact'
        " integers in opaque JSON; write it as a string",
    ),
    "overflow": (
        v1.TrainingConfig,
        "learning_rate: 1e400",
        '1:16: learning_rate: the number 1e400 is out of range; write "inf" if that is meant',
    ),
    "negative overflow": (
        v1.ModelVersion,
        "metrics { key: 'a' value: -1E+400f }",
        '1:27: metrics["a"]: the number -1E+400f is out of range; write "inf" if that is meant',
    ),
    "overflow in opaque JSON": (
        v1.StageDef,
        VALUE.format("1e400"),
        '1:51: options["a"]: the number 1e400 is out of range; write "inf" if that is meant',
    ),
    "Python's integers": (v1.TrainingConfig, "epochs: 1_000", "1:9: epochs: invalid integer 1_000"),
    "Python's octal": (v1.TrainingConfig, "epochs: 0o10", "1:9: epochs: invalid integer 0o10"),
    "plus": (v1.TrainingConfig, "epochs: +1", "1:9: epochs: invalid integer +1"),
    "Python's floats": (
        v1.TrainingConfig,
        "learning_rate: 1_0.5",
        "1:16: learning_rate: invalid number 1_0.5",
    ),
}


@pytest.mark.parametrize(("type_", "text", "error"), REJECTED.values(), ids=list(REJECTED))
def test_the_text_is_rejected_with_its_position(
    type_: type[Message], text: str, error: str
) -> None:
    # google's parser accepts it.
    text_format.Parse(text, type_())
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_text(text, type_, validate=False)
    assert str(caught.value) == error


def test_every_error_of_a_text_is_reported_in_its_order() -> None:
    text = "\n".join(
        ['metrics { key: "a" value: 1e999 }', 'metrics { key: "b" }', 'metrics { key: "a" }'] * 2
    )
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_text(text, v1.ModelVersion)
    found = [str(error).splitlines()[-1].partition(": ")[0] for error in caught.value.errors[1:]]
    assert [str(caught.value).partition(": ")[0], *found] == [
        *("1:27", "3:16", "4:16", "4:27", "5:16", "6:16")
    ]


#: Texts that are accepted, and the value.
ACCEPTED: dict[str, float] = {
    "9007199254740992": 2.0**53,
    "-9007199254740992": -(2.0**53),
    "9007199254740993.0": 2.0**53,
    "1e23": 1e23,
    "1e-400": 0.0,
    "1.7976931348623157e308": 1.7976931348623157e308,
    "inf": math.inf,
    "-Infinity": -math.inf,
    "INFINITY": math.inf,
    "-0": -0.0,
    ".5f": 0.5,
    "5.": 5.0,
}


@pytest.mark.parametrize(("number", "value"), ACCEPTED.items())
def test_numbers_that_a_double_represents_or_names_are_read(number: str, value: float) -> None:
    stage = ir.from_text(VALUE.format(number), v1.StageDef, validate=False)
    read = stage.options.fields["a"].number_value
    assert (read, math.copysign(1, read)) == (value, math.copysign(1, value))


@pytest.mark.parametrize("number", ["123456789012345678901234567890", "9007199254740993"])
def test_a_double_field_takes_the_nearest_double_of_an_integer(number: str) -> None:
    config = ir.from_text(f"learning_rate: {number}", v1.TrainingConfig, validate=False)
    assert config.learning_rate == float(number)


def test_integer_fields_are_read_exactly() -> None:
    text = "seed: 9007199254740993 epochs: 0x1F batch_size: 017"
    config = ir.from_text(text, v1.TrainingConfig, validate=False)
    assert (config.seed, config.epochs, config.batch_size) == (9007199254740993, 31, 15)


def test_one_key_in_different_maps_is_no_duplicate() -> None:
    text = """
    metrics_history { values { key: "a" value: 1 } values { key: "b" value: 1 } }
    metrics_history { values { key: "a" value: 1 } }
    best_metrics { key: "a" }
    options { fields { key: "a" value { struct_value { fields { key: "a" } } } } }
    """
    run = ir.from_text(text, v1.TrainingRun, validate=False)
    assert [len(each.values) for each in run.metrics_history] == [2, 1]


def test_brackets_in_strings_and_comments_are_no_structure() -> None:
    text = 'name: "}" # { metrics\nmodule: \'"{\' options { fields { key: "}" } }'
    assert ir.from_text(text, v1.StageDef).module == '"{'


def test_a_float_out_of_the_range_of_its_32_bits_is_rejected() -> None:
    check_text("value: 3e38", descriptor_of(FloatValue))
    check_text("value: 1e39", descriptor_of(DoubleValue))
    with pytest.raises(ir.DecodeError, match="1e39 is out of range"):
        check_text("value: 1e39", descriptor_of(FloatValue))


def test_the_message_inside_an_any_is_checked() -> None:
    text = "[type.googleapis.com/crucible_ir.v1.ModelVersion] {{ metrics {{ value: {} }} }}"
    check_text(text.format("1e300"), descriptor_of(AnyMessage))
    with pytest.raises(ir.DecodeError, match="1e400 is out of range"):
        check_text(text.format("1e400"), descriptor_of(AnyMessage))
    # A type that is not known here is not looked into.
    check_text("[example.org/no.Such] { a: 1e400 }", descriptor_of(AnyMessage))


keys = st.text(st.sampled_from("ab\"'\\\n{é\x00"), max_size=3)


def quoted(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


@given(st.lists(st.tuples(keys, st.booleans()), max_size=6))
def test_a_text_is_rejected_exactly_if_two_keys_are_equal(pairs: list[tuple[str, bool]]) -> None:
    message: Any = v1.ModelVersion
    text = ""
    for key, escaped in pairs:
        entry = message(metrics={key: 1})
        written = text_format.MessageToString(entry) if not escaped else ""
        text += written or f'metrics {{ value: 1 key: "{quoted(key)}" }}\n'
    names = [key for key, _ in pairs]
    if len(set(names)) == len(names):
        assert set(ir.from_text(text, v1.ModelVersion, validate=False).metrics) == set(names)
    else:
        with pytest.raises(ir.DecodeError, match="duplicate key"):
            ir.from_text(text, v1.ModelVersion, validate=False)


def test_the_checks_take_linear_time() -> None:
    def seconds(count: int) -> float:
        text = "".join(f'metrics {{ key: "k{number}" value: 1 }}\n' for number in range(count))
        start = time.process_time()
        check_text(text, descriptor_of(v1.ModelVersion))
        return time.process_time() - start

    seconds(100)
    assert (
        min(seconds(16_000) for _ in range(3)) < 12 * min(seconds(2_000) for _ in range(5)) + 0.05
    )


def opaque(values: str) -> str:
    return f'options {{ fields {{ key: "a" value {{ list_value {{ {values} }} }} }} }}'


#: Texts of about 300,000 bytes that consist of as many parts as they can.
LARGE: dict[str, str] = {
    "string": f'name: "{"x" * 300_000}"',
    "escapes": "name: '" + r"\n" * 150_000 + "'",
    "literals": "name: " + "''" * 150_000,
    "comments": '#"\n' * 100_000,
    "spaces": " " * 300_000,
    "values": opaque("values{}" * 37_000),
    "lists": opaque("values{list_value{}}" * 15_000),
    "numbers": opaque("values{number_value:1}" * 14_000),
    "keys": "options {" + "".join(f"fields{{key:'{n}'value{{}}}}" for n in range(11_000)) + "}",
    "nested": opaque("values{list_value{" * 20 + "}}" * 20) * 1_000,
}


@pytest.mark.parametrize("shape", LARGE)
def test_checks_take_little_memory(shape: str) -> None:
    text = LARGE[shape]
    descriptor = descriptor_of(v1.StageDef)
    check_text("", descriptor)
    tracemalloc.start()
    try:
        ParsedText(text).keys()
        check_text(text, descriptor)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * len(text)
