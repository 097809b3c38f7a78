"""The quick ways of JSON give what the careful codecs give, or leave the document to them."""

from __future__ import annotations

import json
import math
import random
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from every_feature import EveryFeature, Legacy
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from json_values import same_json
from message_strategies import messages

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization import quick_protojson, quick_text
from crucible_ir.serialization.binary import reads_back
from crucible_ir.serialization.conversion_error import ConversionError
from crucible_ir.serialization.json import crucible as crucible_json
from crucible_ir.serialization.json import crucible_codec, protojson, protojson_codec
from crucible_ir.serialization.json import parsing as json_text
from crucible_ir.serialization.quick_crucible import (
    crucible_document_reader,
    crucible_reader,
    crucible_writer,
)
from crucible_ir.serialization.quick_protojson import (
    protojson_document_reader,
    protojson_reader,
    protojson_writer,
)

ROOT = Path(__file__).parents[2]
FEATURES = {"EveryFeature": EveryFeature, "Legacy": Legacy}
TYPES: dict[str, type[Message]] = {**ir.MESSAGE_TYPES, **FEATURES}
MUTATIONS = 12

every_type = pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES)
ir_types = pytest.mark.parametrize("type_", ir.MESSAGE_TYPES.values(), ids=ir.MESSAGE_TYPES)


def forms_of(type_: type[Message]) -> list[str]:
    return ["json"] if type_ in FEATURES.values() else ["json", "crucible"]


def quickly_written(message: Message, form: str) -> Iterator[str]:
    """Yield what each quick writer that takes a message gives: under either style of names."""
    descriptor = descriptor_of(message)
    writers = [crucible_writer(descriptor)]
    if form == "json":
        writers = [protojson_writer(descriptor, names) for names in (False, True)]
    for write in writers:
        try:
            text = orjson.dumps(write(message, 0))
        except Exception:
            continue
        yield text.decode()


def carefully_written(message: Message, form: str) -> list[object]:
    """Return what the careful codec gives, under either style of names."""
    if form == "crucible":
        return [crucible_codec.to_plain(message)]
    return [protojson_codec.to_plain(message, original_names=names) for names in (False, True)]


def quickly_read(text: str | bytes, type_: type[Message], form: str) -> Message | None:
    """Read a document, which what reads it as a message inside another has to agree with."""
    descriptor = descriptor_of(type_)
    pairs = [(crucible_document_reader(descriptor), crucible_reader(descriptor))]
    if form == "json":
        pairs = [
            (protojson_document_reader(descriptor, names), protojson_reader(descriptor, names))
            for names in (False, True)
        ]
    try:
        plain = json_text.parse_ordinary(text)
    except Exception:
        return None
    for read_document, read_inner in pairs:
        inner = attempt(partial(_parsed, type_, read_inner, plain))
        message = attempt(partial(read_document, plain))
        if inner is not None:
            assert message is not None
            assert_equal(inner, message)
        if message is not None:
            return message
    return None


def attempt(read: Callable[[], Message]) -> Message | None:
    try:
        return read()
    except Exception:
        return None


def carefully_read(text: str, type_: type[Message], form: str) -> Message:
    message = type_()
    codec = crucible_codec if form == "crucible" else protojson_codec
    codec.fill_from_plain(json_text.parse(text), message)
    return message


def assert_equal(one: Message, other: Message) -> None:
    """Demand equal contents, presence included; `==` alone takes 0 and -0 for equal."""
    assert one == other
    assert one.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True)
    names = [[field.name for field, _ in message.ListFields()] for message in (one, other)]
    assert names[0] == names[1]


def assert_readers_agree(text: str, type_: type[Message], form: str) -> None:
    read = quickly_read(text, type_, form)
    if read is not None:
        # What the careful codec refuses raises here.
        assert_equal(read, carefully_read(text, type_, form))


def assert_writers_agree(message: Message, form: str) -> None:
    for text in quickly_written(message, form):
        plain = json.loads(text)
        assert any(same_json(plain, careful) for careful in carefully_written(message, form))
        assert reads_back(message)


# Generated messages


@every_type
@settings(max_examples=25)
@given(data=st.data())
def test_the_quick_writers_give_what_the_careful_codecs_give(
    type_: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages(type_, depth=2))
    for form in forms_of(type_):
        assert_writers_agree(message, form)


@every_type
@settings(max_examples=25)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_what_a_quick_reader_accepts_the_careful_codec_reads_alike(
    type_: type[Message], data: st.DataObject, seed: int
) -> None:
    message = data.draw(messages(type_, depth=2))
    source = random.Random(seed)
    for form in forms_of(type_):
        try:
            plain = source.choice(carefully_written(message, form))
        except ConversionError:
            continue
        assert_readers_agree(json.dumps(plain), type_, form)
        for _ in range(MUTATIONS):
            changed = mutated(plain, type_, source)
            for text in spelled(changed, source):
                assert_readers_agree(text, type_, form)


@ir_types
@settings(max_examples=25)
@given(data=st.data())
def test_ordinary_messages_take_the_quick_way_out_and_in(
    type_: type[Message], data: st.DataObject
) -> None:
    message = data.draw(messages(type_, depth=2, named_enums=True))
    assert_takes_the_quick_way(message)


def assert_takes_the_quick_way(message: Message) -> None:
    for form in forms_of(type(message)):
        try:
            careful = json.dumps(carefully_written(message, form))
        except ConversionError:
            continue
        if '"NaN"' in careful or 'Infinity"' in careful:
            continue
        texts = list(quickly_written(message, form))
        assert texts
        for text in texts:
            pretty = orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2)
            for spelled_so in (text, text.encode(), pretty):
                read = quickly_read(spelled_so, type(message), form)
                assert read is not None
                assert_equal(read, carefully_read(text, type(message), form))


# Ordinary documents


def documents() -> Iterator[tuple[str, str, object]]:
    """Yield the type, form and content of every document that is published with the package."""
    lines = (ROOT / "tests/vectors/upstream_examples.jsonl").read_text(encoding="utf-8")
    for line in lines.splitlines():
        made = json.loads(line)
        yield made["type"], "crucible", made["document"]
    for name, type_ in {
        "capabilities.json": "Capabilities",
        "model_version.json": "ModelVersion",
        "completion.crucible.json": "Completion",
        "feedback_event.crucible.json": "FeedbackEvent",
        "training_run.crucible.json": "TrainingRun",
    }.items():
        form = "crucible" if ".crucible." in name else "json"
        document = json.loads((ROOT / "examples" / name).read_text(encoding="utf-8"))
        if type_ != "TrainingRun":
            yield type_, form, document


@pytest.mark.parametrize(("type_", "form", "document"), list(documents()))
def test_published_documents_take_the_quick_way(type_: str, form: str, document: object) -> None:
    for text in (json.dumps(document, ensure_ascii=False), orjson.dumps(document).decode()):
        read = quickly_read(text, ir.MESSAGE_TYPES[type_], form)
        assert read is not None
        assert_equal(read, carefully_read(text, ir.MESSAGE_TYPES[type_], form))
        assert_takes_the_quick_way(read)


@pytest.mark.parametrize("name", ["experiment", "deployment", "model", "prompt", "training"])
def test_the_examples_in_yaml_take_the_quick_way_as_json(name: str) -> None:
    types = {
        "experiment": v1.Experiment,
        "deployment": v1.DeploymentConfig,
        "model": v1.ModelRef,
        "prompt": v1.Prompt,
        "training": v1.TrainingConfig,
    }
    text = (ROOT / "examples" / f"{name}.yaml").read_text(encoding="utf-8")
    assert_takes_the_quick_way(ir.from_yaml(text, types[name]))


# Text outside ASCII

#: Of one, two, three and four bytes a character; the last are what others read as byte text.
WORDS = ["plain", "größe", "模型", "🧪 x", "\x80\xff", "Ã©", "\u2028", "x" * 55 + "é", "é" * 300]


@pytest.mark.parametrize("word", WORDS)
def test_text_outside_ascii_takes_the_quick_way(word: str) -> None:
    experiment = v1.Experiment(id=word, tags=[word, "a", word], custom_experiment_type=word)
    experiment.backend.id = word
    experiment.backend.fallback.id = word
    experiment.pipeline.add(name=word, module=word)
    experiment.metadata.update({word: word, "list": [word, {word: 1.5}], "n": {word: {word: word}}})
    experiment.reliability.ensemble.weights[word] = 0.5
    experiment.reliability.stats.custom_tests.append(word)
    run = v1.TrainingRun(id="r", best_metrics={word: 1.0}, checkpoint_uris=[word])
    run.metrics_history.add().values[word] = 0.25
    event = v1.FeedbackEvent(id=word, custom_feedback_type=word)
    event.feedback_value.string_value = word
    prompt = v1.Prompt()
    said = prompt.messages.add(role="MESSAGE_ROLE_USER", text=word, name=word)
    said.tool_calls.add(id=word, name=word).map.update({word: [word]})
    said.tool_calls.add(name=word, raw=word)
    prompt.messages.add(role="MESSAGE_ROLE_USER").parts.parts.add(text=word)
    for message in (experiment, run, event, prompt):
        assert_takes_the_quick_way(message)
        for text in quickly_written(message, "json"):
            assert_equal(ir.from_json(text, type(message), validate=False), message)
            assert_equal(ir.from_json(text.encode(), type(message), validate=False), message)
        dialect = ir.to_crucible_json(message)
        assert_equal(ir.from_crucible_json(dialect, type(message), validate=False), message)


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xc3(", b"\xed\xa0\x80", b"\xc0\xaf", b"\x80"])
@pytest.mark.parametrize(
    ("type_", "document"),
    [
        (v1.FeedbackEvent, b'{"id":"?"}'),
        (v1.FeedbackEvent, b'{"id":"e","metadata":{"?":1}}'),
        (v1.FeedbackEvent, b'{"id":"e","metadata":{"a":["?"]}}'),
        (v1.FeedbackEvent, '{"id":"é","metadata":{"a":"?"}}'.encode()),
        (Legacy, b'{"note":"?"}'),
        (Legacy, b'{"?":1}'),
    ],
)
def test_what_is_not_utf_8_is_refused(type_: type[Message], document: bytes, bad: bytes) -> None:
    text = document.replace(b"?", bad)
    assert quickly_read(text, type_, "json") is None
    reads: list[Callable[..., Message]] = [ir.from_json]
    if type_ is v1.FeedbackEvent:
        reads.append(ir.from_crucible_json)
    for read in reads:
        with pytest.raises(ir.DecodeError, match="is not UTF-8") as caught:
            read(text, type_, validate=False)
        assert caught.value.position == ir.Position(
            1, len(document.partition(b"?")[0].decode()) + 1
        )


# Documents that differ from what a writer gives


def nested(depth: int, inner: object = 1) -> object:
    for level in range(depth):
        inner = [inner] if level % 2 else {"a": inner}
    return inner


_BORDERS = [0, 2**31, 2**32, 2**53, 2**63, 2**64]
NUMBERS: list[object] = [
    *(sign * border + step for border in _BORDERS for sign in (1, -1) for step in (-1, 0, 1)),
    *(-0.0, 0.5, 1.0, 1e22, 1e300, 1.7976931348623157e308, 5e-324),
]
MOMENTS = [
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "0000-12-31T23:59:59Z"),
    *("2024-02-30T00:00:00Z", "2024-01-01T24:00:00Z", "2016-12-31T23:59:60Z"),
    *("2024-01-01t00:00:00z", "2024-01-01T00:00:00+01:00", "2024-01-01T00:00:00.Z"),
    *("2024-01-01T00:00:00.1Z", "2024-01-01T00:00:00.1234567890Z", "2024-01-01T00:00:00.\u0661Z"),
    *("2024-01-01T00:00:00.123456789Z", "2024-01-01T00:00:00", "2024-01-01 00:00:00Z"),
    *("2024-01-01T00:00:\u0661\u0661Z", "2024-01-01T00:00:00.+12Z", "2024-01-01T00:00:00.123z"),
]
VALUES: list[object] = [
    *(None, True, False, "", "text", [], {}, [None], [[]], {"a": None}, {"": 1}),
    *("1", "01", "-0", "+1", "1.0", "1e2", " 1", "1_0", "\u0661", "NaN", "-Infinity", "Infinity"),
    *(str(number) for number in NUMBERS),
    *("AAE=", "AAE", "_-8=", "rating", "thumbs", "FEEDBACK_TYPE_RATING", "true", "user"),
    *(nested(depth) for depth in (7, 12, 30, 60, 120)),
]


def mutated(plain: object, type_: type[Message], source: random.Random) -> object:
    """Return plain values with something changed, somewhere."""
    copy = json.loads(json.dumps(plain))
    spots = list(places(copy))
    if not spots:
        return source.choice(VALUES)
    holder, key = source.choice(spots)
    change = source.randrange(6)
    if change < 2:
        holder[key] = source.choice([*VALUES, *NUMBERS, *MOMENTS])
    elif change == 2:
        holder[key] = nested(source.choice([1, 2, 40]), holder[key])
    elif isinstance(holder, list):
        holder.insert(key, source.choice([holder[key], *VALUES]))
    elif change == 3:
        # A name spelled the other way, alone or beside the first.
        value = holder[key] if source.random() < 0.5 else holder.pop(key)
        holder[respelled(key)] = value
    else:
        field = source.choice(list(descriptor_of(type_).fields))
        target = copy if isinstance(copy, dict) and source.random() < 0.7 else holder
        name = source.choice([field.name, field.json_name])
        target[name] = source.choice([holder[key], *VALUES])
    return copy


def respelled(key: str) -> str:
    if "_" in key:
        return re.sub("_(.)", lambda match: match[1].upper(), key)
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", key)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value) if _is_list(value) else 0)
    for key in keys:
        yield value, key
        yield from places(value[key])


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def spelled(plain: object, source: random.Random) -> Iterator[str]:
    """Yield texts of plain values: as they are, and in one other way."""
    text = orjson.dumps(plain).decode() if fits(plain) else json.dumps(plain)
    yield text
    other = source.randrange(5)
    if other == 0:
        yield json.dumps(plain, indent=3)
    elif other == 1:
        yield re.sub("[a-z]", lambda match: f"\\u{ord(match[0]):04x}", json.dumps(plain), count=1)
    elif other == 2:
        yield re.sub(r"(?<=[:\[])(-?\d+)(?=[,}\]])", r"\1e0", text)
    elif other == 3:
        yield re.sub(r"(?<=[:\[])(-?\d+)(?=[,}\]])", r"\1.0", text)
    elif text.startswith("{") and text != "{}":
        assert isinstance(plain, dict)
        key = source.choice(list(plain))
        value = source.choice([json.dumps(plain[key]), "null", "1"])
        yield f"{{{json.dumps(key)}:{value},{text[1:]}"


def fits(plain: object) -> bool:
    try:
        orjson.dumps(plain)
    except TypeError:
        return False
    return True


# What is out of the ordinary


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("rest", [{}, {"options": {"a": None}}, {"error_message": "null"}])
def test_a_number_that_is_not_finite_is_written_by_name_and_never_as_null(
    number: float, rest: dict[str, Any]
) -> None:
    run = v1.TrainingRun(id="r", **rest)
    run.best_metrics["loss"] = number
    run.metrics_history.add().values["loss"] = number
    name = "NaN" if math.isnan(number) else str(number).replace("inf", "Infinity")
    written, dialect = json.loads(ir.to_json(run)), json.loads(ir.to_crucible_json(run))
    assert written["bestMetrics"] == {"loss": name}
    assert written["metricsHistory"] == [{"values": {"loss": name}}]
    assert dialect["best_metrics"] == {"loss": name}
    assert dialect["metrics_history"] == [{"loss": name}]
    assert ir.from_json(ir.to_json(run), v1.TrainingRun, validate=False) == run


def test_a_large_list_is_written_like_a_small_one() -> None:
    rows = quick_text.MAX_ITEMS_AT_ONCE * 2 + 3
    run = v1.TrainingRun(id="r\n\0é")
    for row in range(rows):
        run.metrics_history.add().values["loss\n"] = float(row)
    document = v1.Document(ir_version="1", training_run=run)
    for indent in (None, 2):
        text = ir.to_json(document, indent=indent)
        option = orjson.OPT_INDENT_2 if indent else None
        plain = protojson_codec.to_plain(document)
        assert json.loads(text) == plain
        # The layout is that of a text written at once.
        assert sorted(text) == sorted(orjson.dumps(plain, option=option).decode())
        dialect = json.loads(ir.to_crucible_json(document, indent=indent))
        assert dialect == crucible_codec.to_plain(document)
    run.metrics_history[rows - 1].values["loss\n"] = math.nan
    written = json.loads(ir.to_json(run))["metricsHistory"]
    assert written[-1] == {"values": {"loss\n": "NaN"}}
    assert len(written) == rows


def test_minus_zero_and_nulls_in_opaque_json_survive() -> None:
    event = v1.FeedbackEvent(id="e")
    event.input.update({"zero": -0.0, "null": None, "list": [None, -0.0, 0], "empty": {}})
    for form in ("json", "crucible"):
        assert_writers_agree(event, form)
        (text, *_) = list(quickly_written(event, form))
        assert '"zero":-0.0' in text
        read = quickly_read(text, v1.FeedbackEvent, form)
        assert read is not None
        assert_equal(read, event)


@pytest.mark.parametrize("number", [7, -1, 2**31 - 1])
def test_an_enum_number_without_a_name_is_left_to_the_careful_codec(number: int) -> None:
    message = EveryFeature(one_colour=number)
    assert json.loads(ir.to_json(message)) == {"oneColour": "NEGATIVE" if number == -1 else number}
    assert ir.from_json(ir.to_json(message), EveryFeature, validate=False) == message


@pytest.mark.parametrize("seconds", [-62_135_596_800, -62_135_596_741, -1, 0, 59, 253_402_300_799])
@pytest.mark.parametrize("nanos", [0, 1, 999, 1_000, 120_000, 250_000_000, 10**6, 999_999_999])
def test_timestamps_are_as_googles_library_writes_them(seconds: int, nanos: int) -> None:
    event = v1.FeedbackEvent(id="e", timestamp=Timestamp(seconds=seconds, nanos=nanos))
    (text, *_) = list(quickly_written(event, "json"))
    assert json.loads(text)["timestamp"] == event.timestamp.ToJsonString()
    for form in ("json", "crucible"):
        assert_writers_agree(event, form)
        (text, *_) = list(quickly_written(event, form))
        read = quickly_read(text, v1.FeedbackEvent, form)
        assert read is not None
        assert_equal(read, event)


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [(-62_135_596_801, 0), (253_402_300_800, 0), (0, -1), (0, 10**9), (2**62, 0), (-(2**62), 1)],
)
def test_a_timestamp_that_rfc_3339_cannot_write_is_refused(seconds: int, nanos: int) -> None:
    event = v1.FeedbackEvent(id="e", timestamp=Timestamp(seconds=seconds, nanos=nanos))
    for write in (ir.to_json, ir.to_crucible_json):
        with pytest.raises(ir.Error, match="timestamp"):
            write(event)


@pytest.mark.parametrize("text", MOMENTS)
@pytest.mark.parametrize("form", ["json", "crucible"])
def test_odd_timestamps_are_read_alike_or_left(text: str, form: str) -> None:
    document = json.dumps({"id": "e", "timestamp": text}, ensure_ascii=False)
    read = quickly_read(document, v1.FeedbackEvent, form)
    try:
        careful = carefully_read(document, v1.FeedbackEvent, form)
    except ConversionError:
        assert read is None
    else:
        assert read is None or read == careful


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 2**53 + 1, 0])
def test_the_borders_of_int64_pass_both_ways(number: int) -> None:
    message: Any = EveryFeature(one_int64=number, optional_int64=number, list_of_int64=[number, 1])
    message.map_to_int64["a"] = number
    assert_writers_agree(message, "json")
    for text in quickly_written(message, "json"):
        read = quickly_read(text, EveryFeature, "json")
        assert read is None or read == message
        assert_readers_agree(text, EveryFeature, "json")


def test_keys_of_maps_are_written_as_text_of_every_kind() -> None:
    message: Any = EveryFeature()
    message.map_from_bool[True] = 1
    message.map_from_int64[-(2**63)] = 2
    message.map_from_uint64[2**64 - 1] = 3
    message.map_from_string["null"] = 4
    written = json.loads(ir.to_json(message))
    assert written == {
        "mapFromBool": {"true": 1},
        "mapFromInt64": {str(-(2**63)): 2},
        "mapFromUint64": {str(2**64 - 1): 3},
        "mapFromString": {"null": 4},
    }
    assert_writers_agree(message, "json")


def test_bytes_take_the_quick_way_both_ways() -> None:
    part = v1.ContentPart()
    part.image.base64 = bytes(range(256))
    part.image.media_type = "image/png"
    texts = list(quickly_written(part, "json"))
    assert texts
    for text in texts:
        assert quickly_read(text, v1.ContentPart, "json") == part


# Nesting


def chain(levels: int) -> v1.BackendRef:
    made = inner = v1.BackendRef(id="0")
    for level in range(levels):
        inner = inner.fallback
        inner.id = str(level)
    return made


def opaque(levels: int) -> v1.StageDef:
    made = v1.StageDef(name="a")
    options: Any = Struct()
    for level in range(levels):
        outer = Struct()
        target = outer.fields["a"]
        if level % 3 == 2:
            target = target.list_value.values.add()
        target.struct_value.CopyFrom(options)
        options = outer
    made.options.CopyFrom(options)
    return made


@pytest.mark.parametrize("make", [chain, opaque])
def test_what_cannot_be_read_back_is_refused_and_the_rest_is_kept(
    make: Callable[[int], Message],
) -> None:
    verdicts = []
    for levels in range(0, 110):
        message = make(levels)
        for write, read in (
            (ir.to_json, ir.from_json),
            (ir.to_crucible_json, ir.from_crucible_json),
        ):
            try:
                text = write(message)
            except ir.EncodeError:
                assert not reads_back(message)
                verdicts.append(False)
            else:
                assert_equal(read(text, type(message), validate=False), message)
                verdicts.append(True)
    # Deeper is never better, and both ends were met.
    assert verdicts == sorted(verdicts, reverse=True)
    assert verdicts[0] and not verdicts[-1]


# Threads


def test_threads_that_meet_at_a_new_writer_all_get_what_they_ask_for() -> None:
    message = chain(3)
    experiment = v1.Experiment(id="e", backend=message, tags=["a"])
    expected = ir.to_json(experiment), ir.to_crucible_json(experiment)
    caches = (
        *(protojson._quick_writer, protojson._quick_way),
        *(crucible_json._quick_writer, crucible_json._quick_way),
        *(protojson_writer, protojson_reader, protojson_document_reader),
        *(crucible_writer, crucible_reader, crucible_document_reader),
    )
    for cache in caches:
        cache.cache_clear()
    wrong: list[object] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(50):
            got = ir.to_json(experiment), ir.to_crucible_json(experiment)
            again = ir.from_json(got[0], v1.Experiment, validate=False)
            if got != expected or again != experiment:
                wrong.append(got)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# Field names that Python keeps for itself


def test_a_field_named_as_a_keyword_is_left_to_the_careful_codec() -> None:
    from google.protobuf import descriptor_pool, message_factory
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    file = FileDescriptorProto(name="keywords.proto", package="keywords", syntax="proto3")
    made = file.message_type.add(name="Keywords")
    for number, name in enumerate(["class", "from", "None", "plain"], 1):
        made.field.add(name=name, number=number, type=9, label=1, json_name=name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    type_ = message_factory.GetMessageClass(pool.FindMessageTypeByName("keywords.Keywords"))
    message = type_(**{"class": "a", "None": "b", "plain": "c"})
    assert json.loads(ir.to_json(message)) == {"class": "a", "None": "b", "plain": "c"}
    assert ir.from_json(ir.to_json(message), type_, validate=False) == message


# The checks themselves


REFUSED = {
    v1.FeedbackEvent: [
        *('{"id":"e","surprise":1}', "[]", '{"latencyMs":true}', '{"latencyMs":1.5}'),
        '{"feedbackType":"FEEDBACK_TYPE_RATING","customFeedbackType":"x"}',
    ],
    v1.TrainingRun: [
        *('{"checkpointUris":"abc"}', '{"metricsHistory":{}}', '{"metricsHistory":[[]]}'),
        *('{"bestMetrics":[]}', '{"bestMetrics":{"a":true}}', '{"currentEpoch":true}'),
        *('{"metricsHistory":[{"values":{"a":true}}]}', '{"metricsHistory":[{"values":[]}]}'),
    ],
}
REFUSED_TEXTS = [(type_, text) for type_, texts in REFUSED.items() for text in texts]


@pytest.mark.parametrize(("type_", "text"), REFUSED_TEXTS)
def test_documents_that_the_checks_are_for_are_refused(type_: type[Message], text: str) -> None:
    assert quickly_read(text, type_, "json") is None
    with pytest.raises(ir.DecodeError):
        ir.from_json(text, type_, validate=False)


def readers_without_a_check(
    type_: type[Message],
) -> Iterator[tuple[str, Callable[[object], Message]]]:
    """Yield readers that differ from a quick one in that a check of theirs does nothing."""
    descriptor = descriptor_of(type_)
    for is_document in (True, False):
        whole = quick_protojson.ProtoJsonReaderSource(descriptor, False)
        name = (whole.document_reader() if is_document else whole.reader()).__name__
        for number, line in enumerate(whole.lines):
            if line.endswith(f": {whole.stop}()") and "depth" not in line:
                lines = whole.lines.copy()
                lines[number] = line[: len(line) - len(line.lstrip())] + "pass"
                names: dict[str, Any] = dict(whole.values)
                exec("\n".join(lines), names)
                read = names[name]
                if not is_document:
                    read = partial(_parsed, type_, read)
                yield line.strip(), read


def _parsed(type_: type[Message], read: Callable[[object, int], str], plain: object) -> Message:
    return type_.FromString(read(plain, 0).encode("latin-1"))


def test_no_check_of_a_reader_can_be_left_out_unnoticed() -> None:
    kept = []
    for text, read in readers_without_a_check(v1.FeedbackEvent):
        accepted = []
        for document in REFUSED[v1.FeedbackEvent]:
            try:
                read(orjson.loads(document))
            except Exception:
                continue
            accepted.append(document)
        if not accepted:
            kept.append(text)
    assert kept == []
