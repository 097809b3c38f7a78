"""ProtoJSON, compared with its specification and with google's reader.

Every text is also read by google's reader, to check where the two differ.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from every_feature import RENAMED, RENAMED_JSON, EveryFeature, NullValues
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import Int32Value

import crucible_ir as ir

TYPES = "type.googleapis.com/"
INT32_VALUE = TYPES + "google.protobuf.Int32Value"
NULL = Value(null_value=0)  # type: ignore[arg-type]  # the stub wants the enum's own type


def google_reads(text: str) -> Message | None:
    try:
        return json_format.Parse(text, EveryFeature())
    except json_format.ParseError:
        return None


def read(text: str | bytes) -> Message:
    return ir.from_json(text, EveryFeature, validate=False)


def error_of(text: str) -> ir.DecodeError:
    with pytest.raises(ir.DecodeError) as caught:
        read(text)
    return caught.value


def packed(inner: Message) -> AnyMessage:
    result = AnyMessage()
    result.Pack(inner)
    return result


#: Texts and the fields that they set.
ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    # An object; white space around it
    ("{}", {}),
    (" \t\r\n{ } ", {}),
    # Both names of a field, and a JSON name set in the schema
    ('{"oneInt32": 1}', {"one_int32": 1}),
    ('{"one_int32": 1}', {"one_int32": 1}),
    (f'{{"{RENAMED_JSON}": "x"}}', {RENAMED: "x"}),
    (f'{{"{RENAMED}": "x"}}', {RENAMED: "x"}),
    ('{"Leading": "x"}', {"_leading": "x"}),
    ('{"doubleUnder": "x"}', {"double__under": "x"}),
    # Integers: numbers and strings, with a zero fraction or an exponent
    ('{"oneInt32": 1.0}', {"one_int32": 1}),
    ('{"oneInt32": 1e2}', {"one_int32": 100}),
    ('{"oneInt32": "1"}', {"one_int32": 1}),
    ('{"oneInt32": "1.0"}', {"one_int32": 1}),
    ('{"oneInt32": "1e2"}', {"one_int32": 100}),
    ('{"oneInt32": "1E+2"}', {"one_int32": 100}),
    ('{"oneInt32": "10e-1"}', {"one_int32": 1}),
    ('{"oneInt32": -0}', {}),
    ('{"oneInt32": 2147483647}', {"one_int32": 2**31 - 1}),
    ('{"oneInt32": 2147483647.0}', {"one_int32": 2**31 - 1}),
    ('{"oneInt32": -2147483648}', {"one_int32": -(2**31)}),
    ('{"oneUint32": 4294967295}', {"one_uint32": 2**32 - 1}),
    ('{"oneInt64": "9223372036854775807"}', {"one_int64": 2**63 - 1}),
    ('{"oneInt64": 9223372036854775807}', {"one_int64": 2**63 - 1}),
    ('{"oneInt64": "-9223372036854775808"}', {"one_int64": -(2**63)}),
    ('{"oneInt64": 1e18}', {"one_int64": 10**18}),
    ('{"oneUint64": "18446744073709551615"}', {"one_uint64": 2**64 - 1}),
    ('{"oneUint64": 18446744073709551615}', {"one_uint64": 2**64 - 1}),
    # Numbers with a fraction
    ('{"oneDouble": 1}', {"one_double": 1.0}),
    ('{"oneDouble": "1.5"}', {"one_double": 1.5}),
    ('{"oneDouble": "1e3"}', {"one_double": 1000.0}),
    ('{"oneDouble": 1.7976931348623157e308}', {"one_double": 1.7976931348623157e308}),
    ('{"oneDouble": 1e-400}', {}),
    ('{"oneDouble": "NaN"}', {"one_double": float("nan")}),
    ('{"oneDouble": "Infinity"}', {"one_double": float("inf")}),
    ('{"oneDouble": "-Infinity"}', {"one_double": -float("inf")}),
    ('{"oneFloat": 1.5}', {"one_float": 1.5}),
    ('{"oneFloat": "-Infinity"}', {"one_float": -float("inf")}),
    ('{"oneFloat": 1e-50}', {}),
    # Text and bytes; base64 in both alphabets, with and without padding
    ('{"oneString": "\\u0000"}', {"one_string": "\0"}),
    ('{"oneString": "\\ud83d\\ude00"}', {"one_string": "\U0001f600"}),
    ('{"oneBytes": "aGk="}', {"one_bytes": b"hi"}),
    ('{"oneBytes": "aGk"}', {"one_bytes": b"hi"}),
    ('{"oneBytes": "-_8="}', {"one_bytes": b"\xfb\xff"}),
    ('{"oneBytes": "-_8"}', {"one_bytes": b"\xfb\xff"}),
    ('{"oneBytes": "+/8="}', {"one_bytes": b"\xfb\xff"}),
    ('{"oneBytes": "+/8"}', {"one_bytes": b"\xfb\xff"}),
    ('{"oneBytes": ""}', {}),
    # Enums: any name of a value, any number
    ('{"oneColour": "RED"}', {"one_colour": 1}),
    ('{"oneColour": "CRIMSON"}', {"one_colour": 1}),
    ('{"oneColour": "blue"}', {"one_colour": 2}),
    ('{"oneColour": -1}', {"one_colour": -1}),
    ('{"oneColour": 1.0}', {"one_colour": 1}),
    ('{"oneColour": 99}', {"one_colour": 99}),
    ('{"listOfColour": ["RED", 1, 99]}', {"list_of_colour": [1, 1, 99]}),
    ('{"mapToColour": {"a": 77}}', {"map_to_colour": {"a": 77}}),
    # null leaves a field unset, except where it is a value
    ('{"oneInt32": null, "oneString": null, "oneBytes": null, "oneBool": null}', {}),
    ('{"oneColour": null, "oneItself": null, "oneTimestamp": null, "oneAny": null}', {}),
    ('{"oneStruct": null, "oneListvalue": null, "oneInt32value": null, "oneEmpty": null}', {}),
    ('{"listOfInt32": null, "listOfItself": null, "mapToInt32": null}', {}),
    ('{"optionalInt32": null}', {}),
    ('{"optionalInt32": 0}', {"optional_int32": 0}),
    ('{"oneValue": null}', {"one_value": NULL}),
    ('{"listOfValue": [null]}', {"list_of_value": [NULL]}),
    ('{"oneListvalue": [null]}', {"one_listvalue": ListValue(values=[NULL])}),
    ('{"oneStruct": {"a": null}}', {"one_struct": Struct(fields={"a": NULL})}),
    ('{"choiceValue": null}', {"choice_value": NULL}),
    ('{"choiceNullValue": null}', {"choice_null_value": 0}),
    ('{"choiceNullValue": "NULL_VALUE"}', {"choice_null_value": 0}),
    ('{"choiceInt32": null, "choiceInt64": "1"}', {"choice_int64": 1}),
    ('{"choiceInt64": "1", "choiceInt32": null}', {"choice_int64": 1}),
    # Maps
    ('{"mapFromInt32": {"1": 1, "-2": 2}}', {"map_from_int32": {1: 1, -2: 2}}),
    ('{"mapFromInt64": {"9223372036854775807": 1}}', {"map_from_int64": {2**63 - 1: 1}}),
    ('{"mapFromBool": {"true": 1, "false": 2}}', {"map_from_bool": {True: 1, False: 2}}),
    ('{"mapFromString": {"": 1, "null": 2}}', {"map_from_string": {"": 1, "null": 2}}),
    # Timestamps: any offset, no to nine digits. 946684800 is the first second of 2000 in UTC.
    ('{"oneTimestamp": "2000-01-01T00:00:00Z"}', {"one_timestamp": Timestamp(seconds=946684800)}),
    (
        '{"oneTimestamp": "2000-01-01T08:00:00+08:00"}',
        {"one_timestamp": Timestamp(seconds=946684800)},
    ),
    (
        '{"oneTimestamp": "1999-12-31T19:15:00.5-04:45"}',
        {"one_timestamp": Timestamp(seconds=946684800, nanos=500_000_000)},
    ),
    (
        '{"oneTimestamp": "2000-01-01T00:00:00.123456789Z"}',
        {"one_timestamp": Timestamp(seconds=946684800, nanos=123_456_789)},
    ),
    (
        '{"oneTimestamp": "0001-01-01T00:00:00Z"}',
        {"one_timestamp": Timestamp(seconds=-62135596800)},
    ),
    (
        '{"oneTimestamp": "9999-12-31T23:59:59.999999999Z"}',
        {"one_timestamp": Timestamp(seconds=253402300799, nanos=999_999_999)},
    ),
    (
        '{"oneTimestamp": "1969-12-31T23:59:59.5Z"}',
        {"one_timestamp": Timestamp(seconds=-1, nanos=500_000_000)},
    ),
    # Durations: no to nine digits and an s
    ('{"oneDuration": "1s"}', {"one_duration": Duration(seconds=1)}),
    ('{"oneDuration": "-0.5s"}', {"one_duration": Duration(nanos=-500_000_000)}),
    ('{"oneDuration": "1.000000001s"}', {"one_duration": Duration(seconds=1, nanos=1)}),
    ('{"oneDuration": "-315576000000s"}', {"one_duration": Duration(seconds=-315576000000)}),
    # Field masks, wrappers, Empty
    ('{"oneFieldmask": "a.fooBar,c"}', {"one_fieldmask": FieldMask(paths=["a.foo_bar", "c"])}),
    ('{"oneFieldmask": ""}', {"one_fieldmask": FieldMask()}),
    ('{"oneInt32value": 0}', {"one_int32value": Int32Value()}),
    ('{"oneInt32value": "1"}', {"one_int32value": Int32Value(value=1)}),
    ('{"oneEmpty": {}}', {"one_empty": Empty()}),
    # Any: the type first or last; types with a special JSON under "value"
    ('{"oneAny": {}}', {"one_any": AnyMessage()}),
    (
        f'{{"oneAny": {{"@type": "{TYPES}every_feature.EveryFeature", "oneInt32": 1}}}}',
        {"one_any": packed(EveryFeature(one_int32=1))},
    ),
    (
        f'{{"oneAny": {{"oneInt32": 1, "@type": "{TYPES}every_feature.EveryFeature"}}}}',
        {"one_any": packed(EveryFeature(one_int32=1))},
    ),
    (
        f'{{"oneAny": {{"@type": "{INT32_VALUE}", "value": 1}}}}',
        {"one_any": packed(Int32Value(value=1))},
    ),
    (
        f'{{"oneAny": {{"@type": "{TYPES}google.protobuf.Empty"}}}}',
        {"one_any": packed(Empty())},
    ),
    (
        f'{{"oneAny": {{"@type": "{TYPES}google.protobuf.Any", "value":'
        f' {{"@type": "{TYPES}google.protobuf.Duration", "value": "1s"}}}}}}',
        {"one_any": packed(packed(Duration(seconds=1)))},
    ),
]


@pytest.mark.parametrize(("text", "fields"), ACCEPTED, ids=[text for text, _ in ACCEPTED])
def test_accepts_text_that_the_specification_allows(text: str, fields: dict[str, Any]) -> None:
    expected = EveryFeature(**fields)
    assert google_reads(text) == expected
    assert read(text) == expected


#: Texts that the specification allows and google's reader rejects: their fields, and the reason.
ONLY_GOOGLE_REJECTS: list[tuple[str, dict[str, Any], str]] = [
    ("\ufeff{}", {}, "a reader may ignore a byte order mark (RFC 8259, 8.1)"),
    ('{"listOfValue": null}', {}, "null is accepted for every field; google's reader crashes"),
    (
        '{"oneFloat": 3.4028235e38}',
        {"one_float": 2.0**128 - 2.0**104},
        "it rounds to the largest float, and google's own writer writes it",
    ),
    (
        '{"oneInt64": "9223372036854775807.0"}',
        {"one_int64": 2**63 - 1},
        "a zero fraction is allowed; google's reader goes through a double",
    ),
    (
        '{"oneInt64": "9.223372036854775807e18"}',
        {"one_int64": 2**63 - 1},
        "an exponent is allowed; google's reader goes through a double",
    ),
]


@pytest.mark.parametrize(
    ("text", "fields", "reason"),
    ONLY_GOOGLE_REJECTS,
    ids=[reason for *_, reason in ONLY_GOOGLE_REJECTS],
)
def test_accepts_text_that_only_google_rejects(
    text: str, fields: dict[str, Any], reason: str
) -> None:
    assert google_reads(text) is None, reason
    assert read(text) == EveryFeature(**fields)


def test_reads_a_quoted_integer_to_its_last_digit() -> None:
    # 2^53 + 1 is not a double: google's reader returns 9007199254740992.
    text = '{"oneInt64": "9007199254740993.0"}'
    assert google_reads(text) == EveryFeature(one_int64=2**53)
    assert read(text) == EveryFeature(one_int64=2**53 + 1)


@pytest.mark.parametrize("field", ["null_list", "null_map"])
def test_lists_and_maps_of_null_values_contain_null(field: str) -> None:
    values = {"null_list": [0, 0], "null_map": {"a": 0}}[field]
    message = NullValues(**{field: values})
    assert json.loads(ir.to_json(message, original_names=True)) == {
        field: [None, None] if field == "null_list" else {"a": None}
    }
    assert ir.from_json(ir.to_json(message), NullValues, validate=False) == message


#: Texts that both readers reject.
REJECTED = [
    # Not JSON (RFC 8259), or not an object
    *("", " ", "{", "{}}", "{} {}", "{},", '{"oneInt32": 1,}', "{'oneInt32': 1}", "{oneInt32: 1}"),
    *('{"oneInt32": 01}', '{"oneInt32": +1}', '{"oneDouble": .5}', '{"oneDouble": 5.}'),
    *('{"oneInt32": 1 // no\n}', '{"oneBool": TRUE}', "\x0c{}", "\xa0{}"),
    *('{"oneString": "\t"}', '{"oneString": "\\x41"}', '{"oneString": "\\u00"}'),
    *("null", "1", '"x"', "true"),
    # Names
    *('{"nope": 1}', '{"OneInt32": 1}', '{"ONE_INT32": 1}', '{"oneInt32 ": 1}', '{"": 1}'),
    '{"[every_feature.nope]": 1}',
    '{"oneItself": {"nope": 1}}',
    '{"oneInt32": 1, "oneInt32": 1}',
    '{"mapToInt32": {"a": 1, "a": 2}}',
    '{"choiceInt32": 1, "choiceInt64": "1"}',
    # Integers
    *('{"oneInt32": 1.5}', '{"oneInt32": "1.5"}', '{"oneInt32": 1e-1}', '{"oneInt32": "10e-2"}'),
    *('{"oneInt32": ""}', '{"oneInt32": " 1"}', '{"oneInt32": "1 "}', '{"oneInt32": "0x10"}'),
    *('{"oneInt32": true}', '{"oneInt32": "true"}', '{"oneInt32": []}', '{"oneInt32": "NaN"}'),
    *('{"oneInt32": NaN}', '{"oneInt32": 2147483648}', '{"oneInt32": "-2147483649"}'),
    *('{"oneInt32": 1e10}', '{"oneUint32": -1}', '{"oneUint32": 4294967296}'),
    *('{"oneInt64": 9223372036854775808}', '{"oneInt64": "-9223372036854775809"}'),
    *('{"oneUint64": -1}', '{"oneUint64": "18446744073709551616"}'),
    '{"oneInt64": "1e999999999"}',
    # Numbers with a fraction
    *('{"oneDouble": NaN}', '{"oneDouble": Infinity}', '{"oneDouble": -Infinity}'),
    *('{"oneDouble": 1e400}', '{"oneDouble": -1e400}', '{"oneDouble": ""}', '{"oneDouble": "x"}'),
    *('{"oneDouble": "nan"}', '{"oneDouble": "0x1p3"}', '{"oneDouble": []}'),
    f'{{"oneDouble": {"9" * 400}}}',
    *('{"oneFloat": 1e39}', '{"oneFloat": -3.4028236e38}', '{"oneFloat": 3.4028236e38}'),
    # Other scalars
    *('{"oneBool": 1}', '{"oneBool": 0}', '{"oneBool": "true"}', '{"oneBool": "1"}'),
    *('{"oneString": 1}', '{"oneString": true}', '{"oneString": []}', '{"oneString": "\\ud800"}'),
    *('{"oneBytes": 1}', '{"oneBytes": [1]}', '{"oneBytes": "a"}'),
    *('{"oneColour": "red"}', '{"oneColour": ""}', '{"oneColour": 2147483648}'),
    *('{"oneColour": []}', '{"oneColour": "1.0"}', '{"mapToColour": {"a": "PUCE"}}'),
    '{"oneNullValue": "x"}',
    # Lists, maps and messages
    *('{"listOfInt32": 1}', '{"listOfInt32": "1"}', '{"listOfInt32": {}}', '{"listOfInt32": [[]]}'),
    *('{"listOfInt32": [null]}', '{"listOfItself": [null]}', '{"listOfStruct": [null]}'),
    *('{"listOfListvalue": [null]}', '{"listOfInt32value": [null]}', '{"listOfColour": [null]}'),
    *('{"mapToInt32": []}', '{"mapToInt32": {"a": null}}', '{"mapToItself": {"a": null}}'),
    *('{"mapToColour": {"a": null}}', '{"mapToListvalue": {"a": null}}'),
    *('{"mapFromInt32": {"": 1}}', '{"mapFromInt32": {"x": 1}}', '{"mapFromInt32": {" 1": 1}}'),
    *('{"mapFromInt32": {"2147483648": 1}}', '{"mapFromInt32": {"true": 1}}'),
    *('{"mapFromInt64": {"9223372036854775808": 1}}', '{"mapFromUint64": {"-1": 1}}'),
    *('{"mapFromBool": {"True": 1}}', '{"mapFromBool": {"1": 1}}', '{"mapFromBool": {"": 1}}'),
    '{"oneItself": {"oneInt32": "x"}}',
    # The well-known types
    *(
        f'{{"oneTimestamp": "{wrong}"}}'
        for wrong in [
            "2000-01-01t00:00:00Z",
            "2000-01-01T00:00:00z",
            "2000-01-01T00:00:00",
            "2000-01-01",
            "2000-01-01T00:00Z",
            "0000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "2000-02-30T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2000-01-01T24:00:00Z",
            "2000-01-01T23:59:60Z",
            "2000-01-01T00:00:00+0800",
            "2000-01-01T00:00:00+08",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59.999999999-00:01",
            "2000-01-01T00:00:00,5Z",
            "2000-01-01T00:00:00.1234567890Z",
        ]
    ),
    *('{"oneTimestamp": ""}', '{"oneTimestamp": "2000-01-01 00:00:00Z"}', '{"oneTimestamp": 1}'),
    *(
        f'{{"oneDuration": "{wrong}"}}'
        for wrong in ["1", "s", "1m", "1S", ".5s", "1e3s", "-s", "--1s", "-.5s"]
    ),
    *('{"oneDuration": ""}', '{"oneDuration": 1}', '{"oneDuration": "1.0 0s"}'),
    *('{"oneDuration": "315576000001s"}', '{"oneDuration": "-315576000001s"}'),
    *('{"oneFieldmask": "foo_bar"}', '{"oneFieldmask": 1}'),
    *('{"oneStruct": []}', '{"oneStruct": 1}', '{"oneListvalue": {}}', '{"oneEmpty": {"a": 1}}'),
    *('{"oneEmpty": true}', '{"oneInt32value": {}}', '{"oneInt32value": {"value": 1}}'),
    *('{"oneInt32value": 2147483648}', '{"oneBoolvalue": "true"}', '{"oneFloatvalue": 1e39}'),
    *('{"oneAny": []}', '{"oneAny": {"value": 1}}', '{"oneAny": {"@type": 1}}'),
    *('{"oneAny": {"@type": null}}', '{"oneAny": {"@type": ""}}'),
    *(f'{{"oneAny": {{"@type": "{TYPES}"}}}}', f'{{"oneAny": {{"@type": "{TYPES}x.Nope"}}}}'),
    f'{{"oneAny": {{"@type": "{TYPES}every_feature.EveryFeature", "nope": 1}}}}',
    f'{{"oneAny": {{"@type": "{INT32_VALUE}"}}}}',
    f'{{"oneAny": {{"@type": "{INT32_VALUE}", "value": null}}}}',
    f'{{"oneAny": {{"@type": "{TYPES}google.protobuf.Struct", "a": 1}}}}',
    f'{{"oneAny": {{"@type": "{TYPES}google.protobuf.Empty", "value": {{}}}}}}',
]


@pytest.mark.parametrize("text", REJECTED, ids=[text[:60] for text in REJECTED])
def test_rejects_text_that_google_rejects(text: str) -> None:
    assert google_reads(text) is None
    assert error_of(text).position is not None


#: Texts that google's reader accepts and the specification rejects, by reason.
ONLY_GOOGLE_ACCEPTS: dict[str, list[str]] = {
    "a number in quotes is a JSON number": [
        *('{"oneInt32": "+1"}', '{"oneInt32": "01"}', '{"oneInt32": "1_0"}', '{"oneInt32": "1."}'),
        *('{"oneInt32": "\uff11"}', '{"oneDouble": " 1"}', '{"oneDouble": "1_0"}'),
        *('{"oneDouble": "5."}', '{"mapFromInt32": {"01": 1}}'),
    ],
    "the names of numbers that are not finite are NaN, Infinity and -Infinity": [
        *('{"oneDouble": "inf"}', '{"oneDouble": "+Infinity"}', '{"oneDouble": "infinity"}'),
    ],
    "a number out of range is not infinite": [
        *('{"oneDouble": "1e400"}', '{"oneFloat": "3.4028236e38"}'),
    ],
    "a boolean is not a number": [
        *('{"oneDouble": true}', '{"oneColour": true}', '{"oneNullValue": false}'),
    ],
    "an enum is a name or an integer": [
        *('{"oneColour": 1.5}', '{"oneColour": "1"}', '{"oneColour": "99"}'),
        '{"oneNullValue": "0"}',
    ],
    "base64 has no other characters, and padding only at its end": [
        *('{"oneBytes": "aGk=="}', '{"oneBytes": "aGk=aGk="}', '{"oneBytes": "aG k="}'),
        *('{"oneBytes": "aG\\nk="}', '{"oneBytes": "!!!!"}', '{"oneBytes": "="}'),
        *(
            '{"oneBytes": "YWJj="}',
            '{"oneBytes": "YQ=a"}',
            '{"oneBytes": "YQ==="}',
            '{"oneBytes": "===="}',
        ),
    ],
    "a timestamp is RFC 3339": [
        *('{"oneTimestamp": "2000-01-01T00:00:00.Z"}', '{"oneTimestamp": "2000-1-1T00:00:00Z"}'),
        '{"oneTimestamp": "2000-01-01T00:00:00+24:00"}',
        '{"oneTimestamp": "2000-01-01T00:00:00+08:60"}',
        '{"oneTimestamp": "\uff12000-01-01T00:00:00Z"}',
    ],
    "a duration is a decimal number of at most nine places": [
        *('{"oneDuration": "1_0s"}', '{"oneDuration": " 1s"}', '{"oneDuration": "1 s"}'),
        *('{"oneDuration": "+1s"}', '{"oneDuration": "1.s"}', '{"oneDuration": "1.5_0s"}'),
        *('{"oneDuration": "1.5 s"}', '{"oneDuration": "\uff11s"}'),
        *('{"oneDuration": "0.0000000001s"}', '{"oneDuration": "1.1234567890s"}'),
    ],
    "a message is an object": ["[]", '{"oneItself": []}', '{"oneEmpty": []}'],
    "a type URL has a slash after the host": [
        '{"oneAny": {"@type": "every_feature.EveryFeature"}}',
        '{"oneAny": {"@type": "/every_feature.EveryFeature"}}',
    ],
    "an Any of a type with a special JSON has no other keys": [
        f'{{"oneAny": {{"@type": "{INT32_VALUE}", "value": 1, "x": 2}}}}',
    ],
}

#: Texts that google's reader accepts and this one rejects on purpose, by reason.
STRICTER_BY_CHOICE: dict[str, list[str]] = {
    "a field given under both names is a duplicate": [
        '{"one_int32": 1, "oneInt32": 1}',
        '{"one_int32": null, "oneInt32": 1}',
    ],
    "two texts of the same map key are duplicates": [
        '{"mapFromInt32": {"1": 1, "1.0": 2}}',
        '{"mapFromInt32": {"-0": 1, "0": 2}}',
    ],
    "null sets a member of a oneof if it is a value, so no other member may be set": [
        '{"choiceNullValue": null, "choiceInt32": 1}',
        '{"choiceValue": null, "choiceInt32": 1}',
    ],
    "opaque JSON has no integers that are not doubles": [
        '{"oneValue": 9007199254740993}',
        '{"oneStruct": {"a": [-9007199254740993]}}',
        '{"oneListvalue": [12345678901234567890]}',
    ],
    "opaque JSON has finite numbers only": [
        *('{"oneValue": 1e400}', '{"oneValue": NaN}', '{"oneStruct": {"a": -Infinity}}'),
    ],
}
REJECTED_HERE_ONLY = [
    (text, reason)
    for table in (ONLY_GOOGLE_ACCEPTS, STRICTER_BY_CHOICE)
    for reason, texts in table.items()
    for text in texts
]


@pytest.mark.parametrize(
    ("text", "reason"),
    REJECTED_HERE_ONLY,
    ids=[f"{reason}: {text}" for text, reason in REJECTED_HERE_ONLY],
)
def test_rejects_text_that_only_google_accepts(text: str, reason: str) -> None:
    assert google_reads(text) is not None
    assert error_of(text).position is not None, reason


def test_accepts_every_integer_up_to_2_53_in_opaque_json() -> None:
    text = '{"oneListvalue": [9007199254740992, -9007199254740992]}'
    assert read(text) == google_reads(text)


#: Texts and their errors. Columns were counted by hand.
ERRORS = [
    (
        '{"oneInt23": 1}',
        '1:2: oneInt23: EveryFeature has no field "oneInt23"; did you mean "oneInt32"?',
    ),
    (
        '{"oneColour": "BLUR"}',
        '1:15: oneColour: Colour has no value "BLUR"; did you mean "blue"?',
    ),
    (
        '{"oneColour": "x"}',
        '1:15: oneColour: Colour has no value "x"; expected one of COLOUR_UNSPECIFIED, RED,'
        " CRIMSON, blue, NEGATIVE",
    ),
    ('{"oneInt32": "x"}', "1:14: oneInt32: expected an integer, got the string 'x'"),
    ('{"oneBool": 1}', "1:13: oneBool: expected true or false, got the number 1"),
    ('{"one_bool": 1}', "1:14: one_bool: expected true or false, got the number 1"),
    ("[]", "1:1: expected an object, got a list"),
    (
        '{"listOfInt32": [1,\n 2147483648]}',
        "2:2: listOfInt32[1]: 2147483648 is out of range; expected -2147483648 to 2147483647",
    ),
    (
        '{"mapToItself": {"a.b": {"oneBool": 0}}}',
        '1:37: mapToItself["a.b"].oneBool: expected true or false, got the number 0',
    ),
    (
        '{"oneStruct": {"a": [1, 9007199254740993]}}',
        '1:25: oneStruct["a"][1]: the integer 9007199254740993 is beyond 2^53, the limit of exact'
        " integers in opaque JSON; write it as a string",
    ),
    (
        '{"choiceInt32": 1, "choice_bool": true}',
        '1:35: choice_bool: "choiceInt32" is already set; only one member of'
        " EveryFeature.choice may be set",
    ),
    (
        '{"one_int32": 1, "oneInt32": 1}',
        '1:30: oneInt32: duplicate field, given as "one_int32" and as "oneInt32"',
    ),
    (
        f'{{"oneAny": {{"@type": "{INT32_VALUE}", "value": "x"}}}}',
        "1:81: oneAny.value: expected an integer, got the string 'x'",
    ),
]


@pytest.mark.parametrize(("text", "error"), ERRORS, ids=[text for text, _ in ERRORS])
def test_errors_have_the_position_the_path_and_the_most_similar_name(text: str, error: str) -> None:
    assert str(error_of(text)) == error


# A message is a level, and so is the entry of a map; the limit is a hundred levels below the root.
@pytest.mark.parametrize(
    ("before", "after", "most"),
    [
        ('{"oneItself": ', "}", 100),
        ('{"listOfItself": [', "]}", 100),
        ('{"mapToItself": {"a": ', "}}", 50),
    ],
    ids=["messages", "lists", "maps"],
)
def test_reads_messages_as_deep_as_protobuf_does(before: str, after: str, most: int) -> None:
    deepest = read(before * most + "{}" + after * most)
    assert EveryFeature.FromString(deepest.SerializeToString()) == deepest
    error = error_of(before * (most + 1) + "{}" + after * (most + 1))
    assert error.reason == "nested deeper than 100 levels below the root"


def test_reads_bytes_like_text() -> None:
    assert read('{"oneString": "é"}'.encode()) == read('{"oneString": "é"}')


def test_errors_of_json_values_have_a_path_and_no_position() -> None:
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_dict({"oneItself": {"listOfInt32": [1, "x"]}}, EveryFeature)
    assert caught.value.path == "oneItself.listOfInt32[1]"
    assert caught.value.position is None


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({1: 2}, ""),
        ({"oneStruct": {1: 2}}, "oneStruct"),
        ({"oneStruct": {"a": {None: 2}}}, 'oneStruct["a"]'),
        ({"mapToInt32": {1: 2}}, 'mapToInt32["1"]'),
        ({"listOfInt32": (1, 2)}, "listOfInt32"),
        ({"oneString": b"x"}, "oneString"),
        ({"oneValue": {1, 2}}, "oneValue"),
        pytest.param({"oneValue": object()}, "oneValue", id="object"),
        ({"oneDouble": 10**400}, "oneDouble"),
    ],
    ids=str,
)
def test_values_of_other_python_types_are_rejected(value: object, path: str) -> None:
    with pytest.raises(ir.DecodeError) as caught:
        ir.from_dict(value, EveryFeature, validate=False)
    assert caught.value.path == path


#: Messages that ProtoJSON cannot write, and the path of the error.
UNWRITABLE: list[tuple[Message, str]] = [
    (EveryFeature(one_value=Value(number_value=float("nan"))), "one_value"),
    (
        EveryFeature(one_struct=Struct(fields={"a.b": Value(number_value=float("inf"))})),
        'one_struct["a.b"]',
    ),
    (
        EveryFeature(list_of_itself=[EveryFeature(), EveryFeature(list_of_value=[Value()])]),
        "list_of_itself[1].list_of_value[0]",
    ),
    (EveryFeature(one_timestamp=Timestamp(seconds=253402300800)), "one_timestamp"),
    (EveryFeature(one_timestamp=Timestamp(seconds=-62135596801)), "one_timestamp"),
    (EveryFeature(one_timestamp=Timestamp(nanos=10**9)), "one_timestamp"),
    (EveryFeature(one_timestamp=Timestamp(nanos=-1)), "one_timestamp"),
    (EveryFeature(one_duration=Duration(seconds=1, nanos=-1)), "one_duration"),
    (EveryFeature(one_duration=Duration(seconds=315576000001)), "one_duration"),
    (EveryFeature(one_fieldmask=FieldMask(paths=["fooBar"])), "one_fieldmask"),
    (EveryFeature(one_any=AnyMessage(type_url=TYPES + "x.Nope")), "one_any"),
    (EveryFeature(one_any=AnyMessage(type_url="x/", value=b"")), "one_any"),
    (EveryFeature(one_any=AnyMessage(value=b"x")), "one_any"),
    (EveryFeature(one_any=AnyMessage(type_url=INT32_VALUE, value=b"\xff")), "one_any"),
]


@pytest.mark.parametrize(("message", "path"), UNWRITABLE, ids=[str(m) for m, _ in UNWRITABLE])
def test_errors_of_writing_have_the_path_of_the_field(message: Message, path: str) -> None:
    with pytest.raises(ir.EncodeError) as caught:
        ir.to_json(message)
    assert caught.value.path == path


def test_writes_the_first_name_of_a_number_with_several() -> None:
    assert ir.to_json(EveryFeature(one_colour=1)) == '{"oneColour":"RED"}'


def test_writes_fields_with_presence_if_set_and_others_if_not_zero() -> None:
    message = EveryFeature(one_int32=0, optional_int32=0, choice_bool=False, one_empty=Empty())
    assert json.loads(ir.to_json(message)) == {
        "optionalInt32": 0,
        "choiceBool": False,
        "oneEmpty": {},
    }
