"""JSON documents with every kind of value in every field, and what the reader says about them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from google.protobuf import json_format
from hypothesis import strategies as st
from validation.message_cases import MESSAGE_CLASSES, bases

import crucible_ir as ir
from crucible_ir.schema.fields import Field, Kind, fields_of

#: Stands for a value that is inserted as text.
_PLACEHOLDER = "@value"

#: Numbers as JSON writes them, most of them near the limits of a type or a rule.
NUMBERS = [
    *("0", "-0", "1", "-1", "2", "77", "100.5", "3.0", "1e3", "1E+3", "1.5", "1e-3", "10e-1"),
    *("1e20", "1e300", "1e400", "-1e400", "1e-400", "1.00000000000000000001"),
    *("2147483647", "2147483648", "-2147483648", "-2147483649"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *(
        "9007199254740993",
        "9007199254740993.0",
        "9223372036854775807.0",
        "NaN",
        "Infinity",
        "-Infinity",
    ),
]
_TIMESTAMPS = [
    *("2000-01-01T00:00:00Z", "2000-01-01T00:00:00.5+01:00", "2000-01-01T00:00:00-00:00"),
    *("2000-01-01t00:00:00Z", "2000-01-01T00:00:00z", "2000-01-01T00:00:00"),
    *("2000-01-01", "2000-02-30T00:00:00Z", "2001-02-29T00:00:00Z", "2000-04-31T00:00:00Z"),
    *("2000-02-29T00:00:00Z", "2000-12-31T00:00:00Z", "2000-01-32T00:00:00Z"),
    *("2000-13-01T00:00:00Z", "2000-00-01T00:00:00Z", "2000-01-00T00:00:00Z"),
    *("2000-01-01T24:00:00Z", "2000-01-01T23:60:00Z", "2000-01-01T23:59:60Z"),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:01"),
    *("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z"),
    *("2000-01-01T00:00:00.1234567890Z", "2000-01-01T00:00:00.Z", "2000-01-01T00:00:00Z\n"),
    *("2000-01-01T00:00:00+24:00", "2000-01-01T00:00:00+23:59", "2000-01-01T00:00:00+00:60"),
    *("2000-01-01T00:00:00+0100", "\u0662000-01-01T00:00:00Z", "2000-01-01 00:00:00Z"),
]
_BASE64 = [
    *("aGk=", "aGk", "aG k=", "aGk==", "-_8=", "+/8", "a", "=", "==", "aGl=", "YQ==", "YQ==\n"),
    *("YQ", "YQ=", "YQ===", "YWJj", "YWJj=", "YWJj====", "YWJjZA", "YWJjZGU", "aGk=aGk=", "!!!!"),
]
_TEXTS = [
    *("", " ", "abc", "true", "null", "\0", "1.2.3", "1.2.3\n", "v1.2.3", "1.2", "1.\u0662.3"),
    *("a" * 512, "a" * 513, "é" * 256, "é" * 257, "a" * 8193, "1" * 64, "1" * 65, "1." + "0" * 70),
    *(
        "+1",
        "01",
        " 1",
        "1 ",
        "1.",
        "1e",
        "1\n",
        "inf",
        "nan",
        "+Infinity",
        "0x1f",
        "1_0",
        "\u0663",
    ),
]
#: JSON values of every type, as text.
VALUES = [
    *NUMBERS,
    *(json.dumps(text) for text in [*NUMBERS, *_TEXTS, _TIMESTAMPS[0], _BASE64[0]]),
    *('"\\ud800"', '"\\ud83d\\ude00"', "true", "false", "null"),
    *("[]", "[null]", "[1]", '["a"]', "[1.0, 1]", "[[]]", "[{}]"),
    *("{}", '{"": 1}', '{"a": null}', '{"a": 1}', '{"a": "1"}', '{"a": [1, null, {"b": []}]}'),
    *('{"a": 9007199254740993}', '{"a": 1e400}', '{"a": NaN}', '{"a": 1, "a": 2}'),
    *('{"\\ud800": 1}', "[" * 30 + "]" * 30, "[" * 60 + "]" * 60, '{"a":' * 40 + "1" + "}" * 40),
]


def documents(name: str) -> Iterator[str]:
    """Generate the smallest valid document of a type with every value in every field."""
    smallest = base_documents(name)[0]
    fields = fields_of(MESSAGE_CLASSES[name].DESCRIPTOR)
    for field in fields.values():
        # Another member of a oneof would make every value of this one an error.
        replaced = {fields[member].json_name for member in (field.name, *field.members)}
        others = [(key, json.dumps(smallest[key])) for key in smallest if key not in replaced]
        valid = json.dumps(smallest.get(field.json_name))
        yield _object(others)
        yield _object([*others, (field.name, valid)])
        yield _object([*others, (field.name, valid), (field.json_name, valid)])
        for value in _values_of(field):
            yield _object([*others, (field.json_name, value)])


def _values_of(field: Field) -> Iterator[str]:
    """Generate values of a field, as text; for a list or a map also as an item."""
    texts: list[str] = []
    if field.enum is not None:
        names = [value.name for value in field.enum.values]
        short = [name.removeprefix(names[0].removesuffix("UNSPECIFIED")) for name in names]
        texts = [*names, *(name.lower() for name in (*names, *short)), *short]
    elif field.kind is Kind.BYTES:
        texts = _BASE64
    elif field.kind is Kind.MESSAGE:
        texts = _TIMESTAMPS
    for value in [*VALUES, *map(json.dumps, texts)]:
        yield value
        if field.is_list:
            yield f"[{value}]"
        elif field.is_map:
            yield _object([("key", value)])


def _object(members: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in members) + "}"


@cache
def base_documents(name: str) -> list[dict[str, object]]:
    """Return valid documents of a type, the smallest first; each field is in one of them."""
    messages = [MESSAGE_CLASSES[name].FromString(base) for base in bases(name)]
    return [json_format.MessageToDict(message) for message in messages]


@st.composite
def changed_documents(draw: st.DrawFn, name: str) -> str:
    """Generate valid documents of a type with a few values replaced, at any depth."""
    original = draw(st.booleans())
    messages = [MESSAGE_CLASSES[name].FromString(base) for base in bases(name)]
    document = json_format.MessageToDict(
        draw(st.sampled_from(messages)), preserving_proto_field_name=original
    )
    inserted: list[str] = []
    for _ in range(draw(st.integers(0, 2))):
        places = list(_places(document))
        if places:
            owner, step = draw(st.sampled_from(places))
            owner[step] = f"{_PLACEHOLDER}{len(inserted)}"
            inserted.append(draw(st.sampled_from(VALUES)))
    text = json.dumps(document)
    for number, value in enumerate(inserted):
        text = text.replace(f'"{_PLACEHOLDER}{number}"', value)
    return text


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each object or list in a JSON value, with each of its keys or indexes."""
    if isinstance(value, (dict, list)):
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, step
            yield from _places(item)


def findings(
    name: str, text: str, *, validate: bool = True, read: Callable[..., object] = ir.from_json
) -> list[str]:
    """Return why a reader rejects a document, and where; nothing if it accepts the document.

    An example is ``int32.gte at "-1"}``. A number that is an integer as a double is replaced.
    """
    try:
        read(text, name, validate=validate)
    except ir.ValidationError as error:
        found = [(each.rule_id, each.position) for each in error.violations]
    except ir.DecodeError as error:
        found = [(each.reason, each.position) for each in error.errors]
    else:
        return []
    return [f"{reason} at {_value_at(text, position)}" for reason, position in found]


def _value_at(text: str, position: ir.Position | None) -> str:
    assert position is not None
    assert position.line == 1
    rest = text[position.column - 1 :]
    number = re.match(r"-?[0-9][-0-9.eE+]*", rest)
    return "whole double" if number and float(number[0]).is_integer() else rest
