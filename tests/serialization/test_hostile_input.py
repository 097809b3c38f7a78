"""For every input, a reader returns a message or raises an error of this package."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from effort import examples
from every_feature import EveryFeature
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.serialization.wire import encode_varint

Read = Callable[..., Message]
Write = Callable[[Message], str | bytes]

READERS: dict[str, Read] = {
    "binary": ir.from_binary,
    "json": ir.from_json,
    "crucible": ir.from_crucible_json,
    "yaml": ir.from_yaml,
    "text": ir.from_text,
}
WRITERS: dict[str, Write] = {
    "binary": ir.to_binary,
    "json": ir.to_json,
    "crucible": ir.to_crucible_json,
    "yaml": ir.to_yaml,
    "text": ir.to_text,
}
#: The formats that read JSON documents, which YAML does, too.
JSON_FORMATS = ["json", "crucible", "yaml"]
TEXT_FORMATS = [*JSON_FORMATS, "text"]

MEGABYTE = 2**20
#: The most characters of an error, however large the input is.
LONGEST_ERROR = 10_000


def error_of(
    format_name: str, data: str | bytes, type_: str = "StageDef"
) -> ir.DecodeError | ir.ValidationError:
    with pytest.raises(ir.Error) as caught:
        READERS[format_name](data, type_)
    error = caught.value
    assert isinstance(error, (ir.DecodeError, ir.ValidationError))
    assert len(str(error)) < LONGEST_ERROR
    return error


@pytest.mark.filterwarnings("ignore::crucible_ir.SpellingWarning")
@pytest.mark.parametrize("format_name", READERS)
def test_every_truncation_is_a_message_or_an_error(format_name: str) -> None:
    written = WRITERS[format_name](
        ir.new(
            "TrainingConfig",
            id="é",
            model_ref=v1.ModelRef(id="gpt2", custom_provider="x"),
            dataset_ref=v1.DatasetRef(name="数据集"),
            options={"a": [1, None, {"b": "c"}]},
        )
    )
    data = written.encode() if isinstance(written, str) else written
    for end in range(len(data)):
        try:
            READERS[format_name](data[:end], "TrainingConfig")
        except (ir.DecodeError, ir.ValidationError):
            continue
        # The missing part may be a line break or optional fields.
        assert format_name in ("binary", "yaml", "text")


@pytest.mark.parametrize("format_name", READERS)
def test_random_bytes_are_rejected(format_name: str) -> None:
    source = random.Random(20261122)
    for length in (1, 2, 3, 10, 100, 1_000, 10_000):
        data = source.randbytes(length)
        try:
            READERS[format_name](data, "StageDef")
        except (ir.DecodeError, ir.ValidationError):
            continue
        pytest.fail(f"{data!r} was read as a StageDef")


#: Bytes and text that are not a document in any text format.
NOT_A_DOCUMENT: dict[str, str | bytes] = {
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "bad UTF-8": b'{"name": "\xc3("}',
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
    "an encoded surrogate": b'{"name": "\xed\xa0\x80"}',
    "an unpaired surrogate in text": '{"name": "\ud800"}',
    "NUL bytes": b"\0" * 1000,
    "NUL in a string": b'{"name": "a\0b"}',
    "brackets": "[" * MEGABYTE,
    "braces": '{"a":' * (MEGABYTE // 5),
    "closing brackets": "]" * MEGABYTE,
    "quotes": '"' * (MEGABYTE + 1),
    "backslashes": '"' + "\\" * MEGABYTE,
    "commas": "," * MEGABYTE,
    "colons": ":" * MEGABYTE,
    "a million letters": "x" * MEGABYTE,
    "a million digits": "9" * MEGABYTE,
}


@pytest.mark.parametrize("format_name", TEXT_FORMATS)
@pytest.mark.parametrize("data", NOT_A_DOCUMENT.values(), ids=NOT_A_DOCUMENT)
def test_input_that_is_not_a_document_is_rejected(format_name: str, data: str | bytes) -> None:
    assert isinstance(error_of(format_name, data), ir.DecodeError)


@pytest.mark.parametrize("format_name", JSON_FORMATS)
def test_an_empty_document_is_rejected(format_name: str) -> None:
    for data in ("", " ", "\n", "\ufeff"):
        assert isinstance(error_of(format_name, data), ir.DecodeError)


def objects(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def lists(depth: int) -> str:
    return "[" * depth + "]" * depth


LONG_KEY = "k" * 1_000
#: Fewer digits than the 4300 that Python converts to an integer.
MANY_DIGITS = "9" * 4_000
MILLION_ONES = "1" * MEGABYTE

#: Types, documents, the path of the error and words of it.
HOSTILE: dict[str, tuple[str, str, str, str]] = {
    "an unknown key": ("StageDef", '{"nmae": "a"}', "nmae", 'did you mean "name"?'),
    "a long unknown key": ("StageDef", f'{{"{LONG_KEY}": 1}}', LONG_KEY, "has no field"),
    "a wrong type": ("StageDef", '{"name": {"a": 1}}', "name", "expected a string, got an object"),
    "a list for a message": ("Experiment", '{"backend": []}', "backend", "expected an object"),
    "a string for a list": ("Experiment", '{"tags": "a"}', "tags", "expected a list"),
    "a wrong closed enum": ("Hedging", '{"strategy": "sometimes"}', "strategy", "has no value"),
    "a number for an enum's name": ("Hedging", '{"strategy": [1]}', "strategy", "expected"),
    "NaN in an opaque map": ("StageDef", '{"options": {"a": 1e999}}', 'options["a"]', "finite"),
    "NaN by name in an int": ("TrainingConfig", '{"epochs": "NaN"}', "epochs", "an integer"),
    "1e999999 for a double": (
        "TrainingConfig",
        '{"learning_rate": 1e999999}',
        "learning_rate",
        "range",
    ),
    "1e999999 for an int": ("TrainingConfig", '{"epochs": 1e999999}', "epochs", "integer"),
    "1e999999 in quotes": ("TrainingConfig", '{"epochs": "1e999999"}', "epochs", "integer"),
    "a number of 4000 digits": (
        "TrainingConfig",
        f'{{"epochs": {MANY_DIGITS}}}',
        "epochs",
        "out of range",
    ),
    "a number of 4000 digits in an opaque map": (
        "StageDef",
        f'{{"options": {{"a": {MANY_DIGITS}}}}}',
        'options["a"]',
        "beyond 2^53",
    ),
    "a million digits in quotes": (
        "TrainingConfig",
        f'{{"epochs": "{MILLION_ONES}"}}',
        "epochs",
        "integer",
    ),
    "a million digits after the point": (
        "TrainingConfig",
        f'{{"epochs": 0.{MILLION_ONES}}}',
        "epochs",
        "integer",
    ),
    "null in a list": ("Experiment", '{"tags": ["a", null]}', "tags[1]", "null"),
    "null in a map": ("Ensemble", '{"weights": {"a": null}}', 'weights["a"]', "null"),
    "an integer beyond 2^53": (
        "StageDef",
        '{"options": {"a": [9007199254740993]}}',
        'options["a"][0]',
        "beyond 2^53",
    ),
    "an offset that does not exist": (
        "FeedbackEvent",
        '{"timestamp": "2025-01-01T00:00:00+99:99"}',
        "timestamp",
        "offset",
    ),
    "a timestamp before year 1": (
        "FeedbackEvent",
        '{"timestamp": "0001-01-01T00:00:00+00:01"}',
        "timestamp",
        "years 1 to 9999",
    ),
    "objects 34 deep": (
        "StageDef",
        f'{{"options": {objects(34)}}}',
        "options" + '["a"]' * 33,
        "nested",
    ),
    "lists 50 deep": (
        "StageDef",
        f'{{"options": {{"a": {lists(50)}}}}}',
        # The value of the object has three levels, and each list inside another has two.
        'options["a"]' + "[0]" * 48,
        "nested",
    ),
    "messages 102 deep": (
        "BackendRef",
        '{"fallback":' * 101 + "{}" + "}" * 101,
        ".".join(["fallback"] * 101),
        "nested",
    ),
}


@pytest.mark.parametrize("format_name", JSON_FORMATS)
@pytest.mark.parametrize(("type_", "text", "path", "words"), HOSTILE.values(), ids=HOSTILE)
def test_errors_have_a_path_and_a_position(
    format_name: str, type_: str, text: str, path: str, words: str
) -> None:
    error = error_of(format_name, text, type_)
    assert isinstance(error, ir.DecodeError)
    assert (error.path, words in error.reason) == (path, True), error
    assert error.position is not None


@pytest.mark.parametrize("format_name", JSON_FORMATS)
@pytest.mark.parametrize("depth", [1_000, 100_000])
@pytest.mark.parametrize(
    "document",
    [
        lambda depth: f'{{"options": {objects(depth)}}}',
        lambda depth: f'{{"options": {{"a": {lists(depth)}}}}}',
        lambda depth: '{"options": ' + '{"a":' * depth,
        lambda depth: lists(depth),
    ],
    ids=["objects", "lists", "unclosed objects", "only lists"],
)
def test_deep_nesting_is_rejected(
    format_name: str, depth: int, document: Callable[[int], str]
) -> None:
    error = error_of(format_name, document(depth))
    assert isinstance(error, ir.DecodeError)
    assert error.position is not None


@pytest.mark.parametrize("depth", [101, 1_000, 100_000])
def test_deep_nesting_in_text_format_is_rejected(depth: int) -> None:
    for opening, closing in (("{", "}"), ("<", ">")):
        text = f"fallback {opening}" * depth + closing * depth
        error = error_of("text", text, "BackendRef")
        assert "nested deeper than 100 levels" in str(error)


@pytest.mark.parametrize("depth", [1_000, 100_000])
@pytest.mark.parametrize(
    "document",
    [
        lambda depth: "- " * depth + "a",
        lambda depth: "? " * depth + "a",
        lambda depth: "\n".join(" " * level + "a:" for level in range(min(depth, 2_000))),
        lambda depth: "[" * depth,
        lambda depth: "{a: " * depth,
    ],
    ids=["sequences", "keys", "mappings", "flow sequences", "flow mappings"],
)
def test_deep_nesting_in_yaml_is_rejected(depth: int, document: Callable[[int], str]) -> None:
    assert isinstance(error_of("yaml", document(depth)), ir.DecodeError)


def nested_bytes(tag: int, depth: int) -> bytes:
    """Return length-delimited fields inside one another in the wire format."""
    data = b""
    for _ in range(depth):
        data = bytes([tag]) + encode_varint(len(data)) + data
    return data


@pytest.mark.parametrize("depth", [101, 1_000])
def test_deep_nesting_in_binary_is_rejected(depth: int) -> None:
    # BackendRef.fallback = 7, so its tag is 7 * 8 + 2.
    error = error_of("binary", nested_bytes(7 * 8 + 2, depth), "BackendRef")
    assert isinstance(error, ir.DecodeError)
    assert error.path == ".".join(["fallback"] * 101)


@pytest.mark.parametrize("tag", [3, 7 * 8 + 3, 1000 * 8 + 3], ids=["id", "fallback", "unknown"])
def test_unclosed_groups_are_rejected(tag: int) -> None:
    start = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
    assert isinstance(error_of("binary", start * 100_000, "BackendRef"), ir.DecodeError)


def test_an_invalid_escape_is_rejected_if_warnings_are_errors() -> None:
    assert isinstance(error_of("text", r'name: "\o"'), ir.DecodeError)


LARGE = "x" * (10 * MEGABYTE)


@pytest.mark.parametrize("format_name", JSON_FORMATS)
@pytest.mark.parametrize(
    ("type_", "text", "path"),
    [
        ("StageDef", '{"name": "%s"}', "name"),
        ("Hedging", '{"strategy": "%s"}', "strategy"),
        ("TrainingConfig", '{"epochs": "%s"}', "epochs"),
        ("FeedbackEvent", '{"timestamp": "%s"}', "timestamp"),
        ("StageDef", '{"enabled": "%s"}', "enabled"),
    ],
)
def test_ten_megabytes_in_a_value_give_a_short_error(
    format_name: str, type_: str, text: str, path: str
) -> None:
    error = error_of(format_name, text % LARGE, type_)
    if isinstance(error, ir.ValidationError):
        assert path in {violation.path for violation in error.violations}
    else:
        assert error.path == path


@pytest.mark.parametrize("format_name", ["json", "crucible"])
def test_ten_megabytes_in_a_key_give_a_short_error(format_name: str) -> None:
    assert "has no field" in str(error_of(format_name, f'{{"{LARGE}": 1}}'))
    nested = f'{{"options": {{"{LARGE}": 9007199254740993}}}}'
    assert "beyond 2^53" in str(error_of(format_name, nested))
    twice = f'{{"options": {{"{LARGE}": 1, "{LARGE}": 1}}}}'
    assert "duplicate key" in str(error_of(format_name, twice))


@pytest.mark.parametrize("text", ['name: "%s"', "%s", "epochs: %s", '%s: "a"'])
def test_ten_megabytes_of_text_format_give_a_short_error(text: str) -> None:
    error_of("text", text % LARGE)


def test_ten_megabytes_of_binary_give_a_short_error() -> None:
    data = ir.to_binary(v1.StageDef(name=LARGE))
    assert isinstance(error_of("binary", data), ir.ValidationError)
    assert isinstance(error_of("binary", data[:-1]), ir.DecodeError)
    assert isinstance(error_of("binary", data[:-1] + b"\xff"), ir.DecodeError)


@pytest.mark.parametrize("format_name", JSON_FORMATS)
def test_a_duplicate_among_many_keys_is_found(format_name: str) -> None:
    keys = ", ".join(f'"k{number}": {number}' for number in range(20_000))
    text = f'{{"name": "a", "options": {{{keys}, "k5": 1}}}}'
    error = error_of(format_name, text)
    assert isinstance(error, ir.DecodeError)
    first, second = text.index('"k5"') + 1, text.rindex('"k5"') + 1
    assert str(error) == f'1:{second}: options: duplicate key "k5", first given at 1:{first}'


@pytest.mark.parametrize("format_name", JSON_FORMATS)
def test_many_values_are_read(format_name: str) -> None:
    keys = ", ".join(f'"k{number}": {number}' for number in range(20_000))
    read: Any = READERS[format_name](f'{{"name": "a", "options": {{{keys}}}}}', "StageDef")
    assert len(read.options.fields) == 20_000


def laughs(levels: int) -> str:
    lines = ["options:", "  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"  a{level}: &a{level} [{aliases}]")
    return "\n".join(lines)


@pytest.mark.parametrize("levels", [6, 10, 100])
def test_a_billion_laughs_document_is_rejected(levels: int) -> None:
    error = error_of("yaml", laughs(levels))
    assert "aliases expand to more than 100000 values" in str(error)
    # a0 has 10 values, and each of the next has one more than nine times as many: a0 to a3 give
    # 9 * (10 + 91 + 820 + 7381) = 74718 values, and the first a4 of a5 gives 66430 more.
    assert isinstance(error, ir.DecodeError)
    assert error.path == "options.a5[0]"


def test_a_quadratic_number_of_aliased_values_is_rejected() -> None:
    anchored = ", ".join(["1"] * 5_000)
    aliases = ", ".join(["*a"] * 5_000)
    assert "aliases expand to more" in str(
        error_of("yaml", f"options: {{a: &a [{anchored}], b: [{aliases}]}}")
    )


def test_a_nested_any_is_rejected_at_the_limit() -> None:
    url = "type.googleapis.com/google.protobuf.Any"
    for depth in (99, 1_000):
        text = f'{{"@type": "{url}", "value": ' * depth + "{}" + "}" * depth
        with pytest.raises(ir.DecodeError, match="nested deeper"):
            ir.from_json(f'{{"oneAny": {text}}}', EveryFeature)


# Generated input


def read_or_reject(format_name: str, data: str | bytes, type_: type[Message]) -> Message | None:
    """Return the message, or ``None`` if the input is rejected."""
    try:
        return READERS[format_name](data, type_, validate=False)
    except ir.DecodeError as error:
        assert len(str(error)) < LONGEST_ERROR
        return None


def assert_reads_back(format_name: str, message: Message) -> None:
    """Check that a message can be written in a format and read back."""
    assert (
        READERS[format_name](WRITERS[format_name](message), type(message), validate=False)
        == message
    )


@pytest.mark.parametrize("format_name", READERS)
@settings(max_examples=examples(100))
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(format_name: str, data: bytes) -> None:
    for type_ in (v1.Experiment, v1.MetricsSnapshot, EveryFeature):
        if type_ is EveryFeature and format_name == "crucible":
            continue
        message = read_or_reject(format_name, data, type_)
        if message is not None:
            assert_reads_back(format_name, message)


@pytest.mark.parametrize("format_name", TEXT_FORMATS)
@settings(max_examples=examples(100))
@given(
    text=st.text(
        st.sampled_from("{}[]<>:,;\"'\\ \n\t-?&*!|>%@`#.+0123456789eEnulltrueNaN"), max_size=60
    )
)
def test_any_punctuation_is_a_message_or_an_error(format_name: str, text: str) -> None:
    for type_ in (v1.MetricsSnapshot, v1.StageDef):
        message = read_or_reject(format_name, text, type_)
        if message is not None:
            assert_reads_back(format_name, message)


EXAMPLES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "vectors" / "upstream_examples.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """Return a document in which pieces are removed, repeated, replaced and inserted."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 20)))
        piece = draw(
            st.sampled_from(
                [b"", data[start:end] * 2, b"null", b"{}", b"[]", b'""', b"-1", b"1e400"]
            )
            | st.binary(max_size=4)
        )
        data = data[:start] + piece + data[end:]
    return data


@pytest.mark.filterwarnings("ignore::crucible_ir.SpellingWarning")
@pytest.mark.parametrize("format_name", READERS)
@settings(max_examples=examples(150))
@given(draws=st.data())
def test_a_damaged_document_is_a_message_or_an_error(
    format_name: str, draws: st.DataObject
) -> None:
    example = draws.draw(st.sampled_from(EXAMPLES))
    type_ = ir.MESSAGE_TYPES[example["type"]]
    original = ir.from_crucible_json(json.dumps(example["document"]), type_)
    written = WRITERS[format_name](original)
    data = draws.draw(mutations(written.encode() if isinstance(written, str) else written))
    message = read_or_reject(format_name, data, type_)
    if message is not None:
        try:
            READERS[format_name](data, type_)
        except ir.ValidationError as error:
            assert error.violations
        assert_reads_back(format_name, message)


# Streams

ReadStream = Callable[..., Iterator[Message]]
STREAM_READERS: list[ReadStream] = [ir.read_delimited, ir.read_jsonl]


def read_stream(read: ReadStream, data: bytes) -> tuple[list[Message], list[ir.StreamError]]:
    """Return the messages of a stream, and the errors of the records that were skipped."""
    bad: list[ir.StreamError] = []
    good: list[Message] = []
    try:
        good.extend(read(io.BytesIO(data), v1.StageDef, on_bad=bad.append))
    except ir.StreamError as error:
        assert error.ends_stream
        bad.append(error)
    assert all(len(str(error)) < LONGEST_ERROR for error in bad)
    return good, bad


@settings(max_examples=examples(300))
@given(data=st.binary(max_size=300))
def test_any_bytes_are_a_stream_or_errors_with_their_records(data: bytes) -> None:
    for read in STREAM_READERS:
        good, bad = read_stream(read, data)
        numbers = [error.record for error in bad]
        assert numbers == sorted(set(numbers))
        assert all(error.offset < max(len(data), 1) for error in bad)
        assert all(number < len(good) + len(bad) for number in numbers)


@settings(max_examples=examples(300))
@given(draws=st.data())
def test_a_damaged_stream_keeps_the_records_before_the_damage(draws: st.DataObject) -> None:
    stages = [v1.StageDef(name="x" * length) for length in (1, 130, 5)]
    for write, read in zip((ir.write_delimited, ir.write_jsonl), STREAM_READERS, strict=True):
        file = io.BytesIO()
        write(file, stages)
        data = file.getvalue()
        at = draws.draw(st.integers(0, len(data) - 1))
        data = data[:at] + draws.draw(st.binary(max_size=20)) + data[at + 1 :]
        file = io.BytesIO()
        ends = []
        for stage in stages:
            write(file, [stage])
            ends.append(file.tell())
        before = sum(end <= at for end in ends)
        good, _ = read_stream(read, data)
        assert good[:before] == stages[:before]


@pytest.mark.parametrize("record", [b"\0", b"{}\n"], ids=["delimited", "jsonl"])
def test_all_records_of_a_bad_stream_are_skipped(record: bytes) -> None:
    read = STREAM_READERS[record.endswith(b"\n")]
    count = ir.StreamCount()
    stream = io.BytesIO(record * 20_000)
    assert list(read(stream, v1.StageDef, on_bad=lambda _: None, count=count)) == []
    assert (count.records, count.skipped) == (0, 20_000)
