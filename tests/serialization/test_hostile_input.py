"""Whatever a decoder is given, it returns a message or raises one of this package's own errors."""

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
#: The forms that a JSON document can be given to: YAML takes JSON too.
JSON_FORMS = ["json", "crucible", "yaml"]
TEXT_FORMS = [*JSON_FORMS, "text"]

MEGABYTE = 2**20
#: An error is for people and logs, however large the input.
LONGEST_ERROR = 10_000


def refusal(
    form: str, data: str | bytes, type_: str = "StageDef"
) -> ir.DecodeError | ir.ValidationError:
    with pytest.raises(ir.Error) as caught:
        READERS[form](data, type_)
    error = caught.value
    assert isinstance(error, (ir.DecodeError, ir.ValidationError))
    assert len(str(error)) < LONGEST_ERROR
    return error


@pytest.mark.parametrize("form", READERS)
def test_every_truncation_is_a_message_or_an_error(form: str) -> None:
    whole = WRITERS[form](
        ir.new(
            "TrainingConfig",
            id="é",
            model_ref=v1.ModelRef(id="gpt2", custom_provider="x"),
            dataset_ref=v1.DatasetRef(name="数据集"),
            options={"a": [1, None, {"b": "c"}]},
        )
    )
    data = whole.encode() if isinstance(whole, str) else whole
    for end in range(len(data)):
        try:
            READERS[form](data[:end], "TrainingConfig")
        except (ir.DecodeError, ir.ValidationError):
            continue
        # What is cut off can be a line break, or fields that need not be there.
        assert form in ("binary", "yaml", "text")


@pytest.mark.parametrize("form", READERS)
def test_random_bytes_are_refused(form: str) -> None:
    source = random.Random(20261122)
    for length in (1, 2, 3, 10, 100, 1_000, 10_000):
        data = source.randbytes(length)
        try:
            READERS[form](data, "StageDef")
        except (ir.DecodeError, ir.ValidationError):
            continue
        pytest.fail(f"{data!r} was read as a StageDef")


#: What is no document in any text form: bytes or text.
NO_DOCUMENT: dict[str, str | bytes] = {
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


@pytest.mark.parametrize("form", TEXT_FORMS)
@pytest.mark.parametrize("data", NO_DOCUMENT.values(), ids=NO_DOCUMENT)
def test_what_is_no_document_is_refused(form: str, data: str | bytes) -> None:
    assert isinstance(refusal(form, data), ir.DecodeError)


@pytest.mark.parametrize("form", JSON_FORMS)
def test_an_empty_document_is_refused(form: str) -> None:
    for data in ("", " ", "\n", "\ufeff"):
        assert isinstance(refusal(form, data), ir.DecodeError)


def objects(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def lists(depth: int) -> str:
    return "[" * depth + "]" * depth


LONG_KEY = "k" * 1_000
#: Python itself takes no more than 4300 digits for an integer.
MANY_DIGITS = "9" * 4_000
MILLION_ONES = "1" * MEGABYTE

#: A type, a document, where the error points, and words of it.
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
    "a moment before year 1": (
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
        # Three levels for the object's value, two for each list inside another.
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


@pytest.mark.parametrize("form", JSON_FORMS)
@pytest.mark.parametrize(("type_", "text", "path", "words"), HOSTILE.values(), ids=HOSTILE)
def test_names_the_place_of_what_is_wrong(
    form: str, type_: str, text: str, path: str, words: str
) -> None:
    error = refusal(form, text, type_)
    assert isinstance(error, ir.DecodeError)
    assert (error.path, words in error.reason) == (path, True), error
    assert error.position is not None


@pytest.mark.parametrize("form", JSON_FORMS)
@pytest.mark.parametrize("depth", [1_000, 100_000])
@pytest.mark.parametrize(
    "document",
    [
        lambda depth: f'{{"options": {objects(depth)}}}',
        lambda depth: f'{{"options": {{"a": {lists(depth)}}}}}',
        lambda depth: '{"options": ' + '{"a":' * depth,
        lambda depth: lists(depth),
    ],
    ids=["objects", "lists", "objects without end", "just lists"],
)
def test_deep_nesting_is_refused(form: str, depth: int, document: Callable[[int], str]) -> None:
    error = refusal(form, document(depth))
    assert isinstance(error, ir.DecodeError)
    assert error.position is not None


@pytest.mark.parametrize("depth", [101, 1_000, 100_000])
def test_deep_nesting_in_text_format_is_refused(depth: int) -> None:
    for opening, closing in (("{", "}"), ("<", ">")):
        text = f"fallback {opening}" * depth + closing * depth
        error = refusal("text", text, "BackendRef")
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
def test_deep_nesting_in_yaml_is_refused(depth: int, document: Callable[[int], str]) -> None:
    assert isinstance(refusal("yaml", document(depth)), ir.DecodeError)


def nested_bytes(tag: int, depth: int) -> bytes:
    """Write length-delimited fields inside one another on the wire."""
    data = b""
    for _ in range(depth):
        length, size = len(data), bytearray()
        while length > 127:
            size.append(length & 127 | 128)
            length >>= 7
        data = bytes([tag, *size, length]) + data
    return data


@pytest.mark.parametrize("depth", [101, 1_000])
def test_deep_nesting_in_binary_is_refused(depth: int) -> None:
    # BackendRef.fallback = 7, so its tag is 7 * 8 + 2.
    error = refusal("binary", nested_bytes(7 * 8 + 2, depth), "BackendRef")
    assert isinstance(error, ir.DecodeError)
    assert error.path == ".".join(["fallback"] * 101)


@pytest.mark.parametrize("tag", [3, 7 * 8 + 3, 1000 * 8 + 3], ids=["id", "fallback", "unknown"])
def test_groups_without_end_are_refused(tag: int) -> None:
    start = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
    assert isinstance(refusal("binary", start * 100_000, "BackendRef"), ir.DecodeError)


def test_an_escape_that_there_is_not_is_refused_where_warnings_are_errors() -> None:
    assert isinstance(refusal("text", r'name: "\o"'), ir.DecodeError)


LARGE = "x" * (10 * MEGABYTE)


@pytest.mark.parametrize("form", JSON_FORMS)
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
def test_ten_megabytes_in_one_value_make_a_short_error(
    form: str, type_: str, text: str, path: str
) -> None:
    error = refusal(form, text % LARGE, type_)
    if isinstance(error, ir.ValidationError):
        assert path in {violation.path for violation in error.violations}
    else:
        assert error.path == path


@pytest.mark.parametrize("form", ["json", "crucible"])
def test_ten_megabytes_in_one_key_make_a_short_error(form: str) -> None:
    assert "has no field" in str(refusal(form, f'{{"{LARGE}": 1}}'))
    nested = f'{{"options": {{"{LARGE}": 9007199254740993}}}}'
    assert "beyond 2^53" in str(refusal(form, nested))
    twice = f'{{"options": {{"{LARGE}": 1, "{LARGE}": 1}}}}'
    assert "duplicate key" in str(refusal(form, twice))


@pytest.mark.parametrize("text", ['name: "%s"', "%s", "epochs: %s", '%s: "a"'])
def test_ten_megabytes_of_text_format_make_a_short_error(text: str) -> None:
    refusal("text", text % LARGE)


def test_ten_megabytes_of_binary_make_a_short_error() -> None:
    data = ir.to_binary(v1.StageDef(name=LARGE))
    assert isinstance(refusal("binary", data), ir.ValidationError)
    assert isinstance(refusal("binary", data[:-1]), ir.DecodeError)
    assert isinstance(refusal("binary", data[:-1] + b"\xff"), ir.DecodeError)


@pytest.mark.parametrize("form", JSON_FORMS)
def test_a_key_given_again_among_many_is_found(form: str) -> None:
    keys = ", ".join(f'"k{number}": {number}' for number in range(20_000))
    text = f'{{"name": "a", "options": {{{keys}, "k5": 1}}}}'
    error = refusal(form, text)
    assert isinstance(error, ir.DecodeError)
    first, second = text.index('"k5"') + 1, text.rindex('"k5"') + 1
    assert str(error) == f'1:{second}: options: duplicate key "k5", first given at 1:{first}'


@pytest.mark.parametrize("form", JSON_FORMS)
def test_many_values_are_read(form: str) -> None:
    keys = ", ".join(f'"k{number}": {number}' for number in range(20_000))
    read: Any = READERS[form](f'{{"name": "a", "options": {{{keys}}}}}', "StageDef")
    assert len(read.options.fields) == 20_000


def laughs(levels: int) -> str:
    lines = ["options:", "  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for level in range(1, levels):
        aliases = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"  a{level}: &a{level} [{aliases}]")
    return "\n".join(lines)


@pytest.mark.parametrize("levels", [6, 10, 100])
def test_a_billion_laughs_are_refused(levels: int) -> None:
    error = refusal("yaml", laughs(levels))
    assert "aliases expand to more than 100000 values" in str(error)
    # a0 stands for 10 values and each next one for one more than nine times as many: with a0 to
    # a3 there are 9 * (10 + 91 + 820 + 7381) = 74718, and 66430 more with the first a4 of a5.
    assert isinstance(error, ir.DecodeError)
    assert error.path == "options.a5[0]"


def test_a_quadratic_number_of_aliases_is_refused() -> None:
    anchored = ", ".join(["1"] * 5_000)
    aliases = ", ".join(["*a"] * 5_000)
    assert "aliases expand to more" in str(
        refusal("yaml", f"options: {{a: &a [{anchored}], b: [{aliases}]}}")
    )


def test_a_nested_any_is_refused_at_the_limit() -> None:
    url = "type.googleapis.com/google.protobuf.Any"
    for depth in (99, 1_000):
        text = f'{{"@type": "{url}", "value": ' * depth + "{}" + "}" * depth
        with pytest.raises(ir.DecodeError, match="nested deeper"):
            ir.from_json(f'{{"oneAny": {text}}}', EveryFeature)


# Whatever bytes there are


def outcome(form: str, data: str | bytes, type_: type[Message]) -> Message | None:
    """Return what was read, or ``None`` where it was refused."""
    try:
        return READERS[form](data, type_, validate=False)
    except ir.DecodeError as error:
        assert len(str(error)) < LONGEST_ERROR
        return None


def assert_reads_back(form: str, message: Message) -> None:
    """Whatever a form was read as can be written in it, and is then read as the same."""
    assert READERS[form](WRITERS[form](message), type(message), validate=False) == message


@pytest.mark.parametrize("form", READERS)
@settings(max_examples=examples(100))
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(form: str, data: bytes) -> None:
    for type_ in (v1.Experiment, v1.MetricsSnapshot, EveryFeature):
        if type_ is EveryFeature and form == "crucible":
            continue
        message = outcome(form, data, type_)
        if message is not None:
            assert_reads_back(form, message)


@pytest.mark.parametrize("form", TEXT_FORMS)
@settings(max_examples=examples(100))
@given(
    text=st.text(
        st.sampled_from("{}[]<>:,;\"'\\ \n\t-?&*!|>%@`#.+0123456789eEnulltrueNaN"), max_size=60
    )
)
def test_any_punctuation_is_a_message_or_an_error(form: str, text: str) -> None:
    for type_ in (v1.MetricsSnapshot, v1.StageDef):
        message = outcome(form, text, type_)
        if message is not None:
            assert_reads_back(form, message)


EXAMPLES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "vectors" / "upstream_examples.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


@st.composite
def mutations(draw: st.DrawFn, data: bytes) -> bytes:
    """Cut, repeat, replace and insert pieces of a document."""
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


@pytest.mark.parametrize("form", READERS)
@settings(max_examples=examples(150))
@given(draws=st.data())
def test_a_damaged_document_is_a_message_or_an_error(form: str, draws: st.DataObject) -> None:
    example = draws.draw(st.sampled_from(EXAMPLES))
    type_ = ir.MESSAGE_TYPES[example["type"]]
    whole = ir.from_crucible_json(json.dumps(example["document"]), type_)
    written = WRITERS[form](whole)
    data = draws.draw(mutations(written.encode() if isinstance(written, str) else written))
    message = outcome(form, data, type_)
    if message is not None:
        try:
            READERS[form](data, type_)
        except ir.ValidationError as error:
            assert error.violations
        assert_reads_back(form, message)


# Streams

ReadStream = Callable[..., Iterator[Message]]
STREAM_READERS: list[ReadStream] = [ir.read_delimited, ir.read_jsonl]


def stream_outcome(read: ReadStream, data: bytes) -> tuple[list[Message], list[ir.StreamError]]:
    """Return what was read of a stream, and the errors of what was left out."""
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
def test_any_bytes_are_a_stream_or_an_error_with_its_record(data: bytes) -> None:
    for read in STREAM_READERS:
        good, bad = stream_outcome(read, data)
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
        whole = file.getvalue()
        at = draws.draw(st.integers(0, len(whole) - 1))
        data = whole[:at] + draws.draw(st.binary(max_size=20)) + whole[at + 1 :]
        file = io.BytesIO()
        ends = []
        for stage in stages:
            write(file, [stage])
            ends.append(file.tell())
        before = sum(end <= at for end in ends)
        good, _ = stream_outcome(read, data)
        assert good[:before] == stages[:before]


@pytest.mark.parametrize("record", [b"\0", b"{}\n"], ids=["delimited", "jsonl"])
def test_a_stream_of_bad_records_is_left_out_whole(record: bytes) -> None:
    read = STREAM_READERS[record.endswith(b"\n")]
    count = ir.StreamCount()
    stream = io.BytesIO(record * 20_000)
    assert list(read(stream, v1.StageDef, on_bad=lambda _: None, count=count)) == []
    assert (count.records, count.skipped) == (0, 20_000)
