"""Generated guards decide every kind of rule as protovalidate does, or leave it to it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from google.protobuf import (
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    message_factory,
    text_format,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from protovalidate import CompilationError, EvaluationError, collect_violations

import generate_guards
from crucible_ir import violations
from guard_generator.rules import Fallback

PACKAGE = "guard_rules.v1"

#: What every row's message may refer to: enums without and with a gap, and a message with a rule.
SHARED = """
enum_type {
  name: "Plain"
  value { name: "PLAIN_ZERO" number: 0 } value { name: "PLAIN_TWO" number: 2 }
  value { name: "PLAIN_ONE" number: 1 }
}
enum_type {
  name: "Gapped"
  value { name: "GAPPED_ZERO" number: 0 } value { name: "GAPPED_THREE" number: 3 }
}
message_type {
  name: "Inner"
  field {
    name: "size" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32
    options { [buf.validate.field] { int32 { gt: 3 } } }
  }
}
message_type {
  name: "Loose"
  field {
    name: "size" number: 1 label: LABEL_OPTIONAL type: TYPE_INT32
    options { [buf.validate.field] { int32 { gte: 0 } } }
  }
}
"""

IMPORTS = (timestamp_pb2, duration_pb2, wrappers_pb2)
TIMESTAMP = "google.protobuf.Timestamp"

SIGNED = ("int32", "int64", "sint32", "sint64", "sfixed32", "sfixed64")
UNSIGNED = ("uint32", "uint64", "fixed32", "fixed64")
FLOATING = ("float", "double")
NUMBERS = (*SIGNED, *UNSIGNED, *FLOATING)

RANGES = (
    *("gt: 3", "gte: 3", "lt: 3", "lte: 3", "gt: 0", "gte: 0", "gte: 1"),
    *("gt: 3 lt: 5", "gte: 3 lt: 5", "gt: 3 lte: 5", "gte: 3 lte: 5"),
    *("gt: 5 lt: 3", "gte: 5 lt: 3", "gt: 5 lte: 3", "gte: 5 lte: 3"),
    *("gt: 3 lt: 3", "gte: 3 lte: 3", "gte: 3 lt: 3"),
    *("const: 3", "in: [3, 5]", "in: [3]", "not_in: [3, 5]", "not_in: [0]", "gt: 0 not_in: [4]"),
)
WHOLE = (-(2**31), -1, 0, 1, 2, 3, 4, 5, 6, 2**31 - 1)
REAL = (*WHOLE, -0.0, 2.9999999, 3.0000001, math.inf, -math.inf, math.nan, 5e-324)

STRING_RULES = (
    *("len: 3", "len: 0", "min_len: 2", "min_len: 1", "max_len: 3", "min_len: 2 max_len: 3"),
    *("len_bytes: 4", "min_bytes: 4", "min_bytes: 1", "max_bytes: 3", "max_bytes: 8"),
    *("min_bytes: 2 max_bytes: 8", "min_len: 1 max_bytes: 8", "min_len: 2 max_bytes: 9"),
    *("const: 'abc'", "in: ['abc', 'é']", "not_in: ['abc', '']", "prefix: 'ab'", "suffix: 'bc'"),
    *("contains: 'b'", "not_contains: 'b'", "const: ''", "contains: '\"'", 'prefix: "\'"'),
    *("pattern: '^abc$'", "pattern: '^[a-c]+$'", "pattern: 'b|😀'", "pattern: '^(a|b)*c?$'"),
    *("pattern: 'a.c'", "pattern: '^.{2,3}$'", "pattern: '^(?:ab|é)' max_bytes: 3", "email: false"),
)
STRINGS = (
    *("", "a", "ab", "abc", "abcd", "aabbcc", "xabc", "abcx", "abc\n", "\nabc", "a\nc", "a\rc"),
    *("é", "éé", "ééé", "éabc", "€", "€€€", "😀", "😀😀", "😀😀😀", "a😀", "a\u2028c"),
    *("\x00", "'", '"', "aaaaaaaa", "aaaaaaaaa", "éééé", "ééééa"),
)
BYTES_RULES = (
    *("len: 3", "min_len: 2", "min_len: 1", "max_len: 3", "const: 'abc'", "in: ['abc', '\\377']"),
    *("not_in: ['abc']", "prefix: 'ab'", "suffix: 'bc'", "contains: 'b'"),
)
BYTES = (b"", b"a", b"ab", b"abc", b"abcd", b"xabc", b"\xff", b"\xff\x00\xff")
ENUM_RULES = ("defined_only: true", "const: 2", "in: [1, 3]", "not_in: [0, 1]", "in: [1]")
ENUM_NUMBERS = (-1, 0, 1, 2, 3, 4, 99)

INSTANT_RULES = (
    *("gt { seconds: 3 nanos: 5 }", "gte { seconds: 3 }", "gte { seconds: 3 nanos: 5 }"),
    *("lt { seconds: 3 }", "lte { seconds: 3 }", "lte { seconds: 3 nanos: 999999999 }"),
    *("gt { seconds: 3 } lt { seconds: 5 }", "gt { seconds: 5 } lt { seconds: 3 }"),
    "gte { seconds: 3 } lte { seconds: 5 nanos: 999999999 }",
    "gte { seconds: 5 } lte { seconds: 3 nanos: 999999999 }",
    *("const { seconds: 3 nanos: 5 }", "gte {}", "lt { seconds: -1 nanos: 7 }"),
)
TIMES = tuple(
    {"seconds": seconds, "nanos": nanos}
    for seconds in (-(2**40), -2, -1, 0, 2, 3, 4, 5, 6, 2**40)
    for nanos in (0, 4, 5, 6, 7, 999_999_999)
)


@dataclass(frozen=True)
class Row:
    """A message with rules, and the values to test.

    Attributes:
        rules: The rules, for the test's name.
        text: The message's declarations in the text format of descriptors, without its name.
        values: The values by field; every combination is tested, and None leaves the field unset.
        is_decided: Whether guards support the rules.
    """

    rules: str
    text: str
    values: dict[str, tuple[Any, ...]]
    is_decided: bool = True


def field(name: str, number: int, kind: str, rules: str = "", more: str = "") -> str:
    """Describe a field in the text format of descriptors."""
    is_enum = kind in ("Plain", "Gapped")
    is_message = not is_enum and (kind[0].isupper() or "." in kind)
    type_name = f".{kind}" if "." in kind else f".{PACKAGE}.{kind}"
    parts = [f'name: "{name}" number: {number}', more]
    parts.append(f"type: TYPE_{'ENUM' if is_enum else 'MESSAGE' if is_message else kind.upper()}")
    parts.append(f'type_name: "{type_name}"' if is_enum or is_message else "")
    parts.append("" if "label" in more else "label: LABEL_OPTIONAL")
    parts.append(f"options {{ [buf.validate.field] {{ {rules} }} }}" if rules else "")
    return f"field {{ {' '.join(parts)} }}\n"


def implicit(kind: str, rules: str) -> str:
    """Describe a field without presence."""
    return field("v", 1, kind, rules)


def optional(kind: str, rules: str) -> str:
    """Describe a field with the label `optional`."""
    more = "proto3_optional: true oneof_index: 0"
    return field("v", 1, kind, rules, more) + 'oneof_decl { name: "_v" }\n'


def in_oneof(kind: str, rules: str) -> str:
    """Describe a member of a oneof."""
    other = field("w", 2, "int32", "int32 { gt: 3 }", "oneof_index: 0")
    return field("v", 1, kind, rules, "oneof_index: 0") + other + 'oneof_decl { name: "o" }\n'


def in_required_oneof(kind: str, rules: str) -> str:
    """Describe a member of a oneof that must be set."""
    required = "options { [buf.validate.oneof] { required: true } }"
    return in_oneof(kind, rules).replace('name: "o"', f'name: "o" {required}')


def repeated(kind: str, rules: str) -> str:
    """Describe a list."""
    return field("v", 1, kind, rules, "label: LABEL_REPEATED")


def mapped(kind: str, rules: str) -> str:
    """Describe a map from strings."""
    parts = field("key", 1, "string") + field("value", 2, kind)
    entry = f'nested_type {{ name: "VEntry" {parts} options {{ map_entry: true }} }}\n'
    return field("v", 1, "ROW.VEntry", rules, "label: LABEL_REPEATED") + entry


@cache
def rows() -> list[Row]:
    """List every row of the table."""
    decided = [*number_rows(), *text_rows(), *presence_rows(), *list_rows(), *message_rows()]
    return [*decided, *undecided_rows()]


def number_rows() -> Iterator[Row]:
    for kind, rule in itertools.product(NUMBERS, RANGES):
        numbers: tuple[float, ...] = REAL if kind in FLOATING else WHOLE
        values = tuple(number for number in numbers if number >= 0 or kind not in UNSIGNED)
        rules = f"{kind} {{ {rule} }}"
        yield Row(rules, implicit(kind, rules), {"v": values})
    for kind in FLOATING:
        for rule in ("finite: true", "finite: true gt: 0", "finite: true lte: 3", "finite: false"):
            rules = f"{kind} {{ {rule} }}"
            yield Row(rules, implicit(kind, rules), {"v": REAL})
    for kind, rule in itertools.product(("Plain", "Gapped"), ENUM_RULES):
        rules = f"enum {{ {rule} }}"
        yield Row(f"{kind} {rules}", implicit(kind, rules), {"v": ENUM_NUMBERS})
    for rule in ("const: true", "const: false"):
        yield Row(
            f"bool {{ {rule} }}", implicit("bool", f"bool {{ {rule} }}"), {"v": (True, False)}
        )
    for rule in INSTANT_RULES:
        for setting in SETTINGS[:2]:
            rules = f"{setting}timestamp {{ {rule} }}"
            yield Row(rules, implicit(TIMESTAMP, rules), {"v": (None, *TIMES)})


def text_rows() -> Iterator[Row]:
    for rule, prefix in itertools.product(STRING_RULES, ("", "required: true ")):
        rules = f"{prefix}string {{ {rule} }}"
        yield Row(rules, implicit("string", rules), {"v": STRINGS})
    for rule, prefix in itertools.product(BYTES_RULES, ("", "required: true ")):
        rules = f"{prefix}bytes {{ {rule} }}"
        yield Row(rules, implicit("bytes", rules), {"v": BYTES})


#: A field of each kind, with rules that its zero breaks or keeps.
SCALARS: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("int32", "int32 { gt: 3 }", (0, 3, 4)),
    ("int32", "int32 { gte: 0 }", (-1, 0, 1)),
    ("int32", "int32 { gt: -3 lt: 3 }", (-3, 0, 2, 3)),
    ("uint64", "uint64 { lte: 3 }", (0, 3, 4)),
    ("double", "double { gte: 0 lte: 5 }", (-0.0, 0.0, 5.0, 6.0, math.nan)),
    ("double", "double { gt: 3 }", (-0.0, 0.0, 3.0, 4.0, math.nan)),
    ("float", "float { lt: 0 }", (-0.0, 0.0, -1.0, math.nan)),
    ("double", "", (-0.0, 0.0, 1.0, math.nan)),
    ("string", "string { min_len: 2 }", ("", "a", "ab")),
    ("string", "string { max_bytes: 8 }", ("", "a", "éé", "😀😀", "aaaaaaaaa", "😀😀a")),
    ("string", "string { pattern: '^a?$' }", ("", "a", "ab")),
    ("bytes", "bytes { min_len: 2 }", (b"", b"a", b"ab")),
    ("bool", "bool { const: true }", (True, False)),
    ("bool", "", (True, False)),
    ("Plain", "enum { defined_only: true }", (-1, 0, 2, 3)),
    ("Gapped", "enum { defined_only: true }", (-1, 0, 1, 3)),
    ("Gapped", "enum { in: [1, 3] }", (0, 1, 3)),
    ("Plain", "", (0, 1)),
    ("string", "", ("", "a")),
)

SETTINGS = (
    *("", "required: true ", "ignore: IGNORE_IF_ZERO_VALUE ", "ignore: IGNORE_ALWAYS "),
    *("required: true ignore: IGNORE_IF_ZERO_VALUE ", "required: true ignore: IGNORE_ALWAYS "),
)


def presence_rows() -> Iterator[Row]:
    shapes = (implicit, optional, in_oneof, in_required_oneof)
    for shape, (kind, rule, values), setting in itertools.product(shapes, SCALARS, SETTINGS):
        rules = f"{setting}{rule}".strip()
        tried = {"v": (None, *values)}
        if shape in (in_oneof, in_required_oneof):
            tried["w"] = (None, 0, 4)
        yield Row(f"{shape.__name__} {kind} {rules}", shape(kind, rules), tried)


#: How many items, or pairs, a list or map may have.
SIZES = ("min_NN: 1", "min_NN: 2 max_NN: 3", "max_NN: 2", "min_NN: 0 max_NN: 0", "min_NN: 0")


def list_rows() -> Iterator[Row]:
    for kind, rule, values in SCALARS:
        lists = ([], *([value] for value in values), [values[-1], values[0]], list(values[:2]) * 2)
        maps = tuple({str(index): each for index, each in enumerate(items)} for items in lists)
        for setting in SETTINGS[:4]:
            rules = f"repeated {{ items {{ {setting}{rule} }} }}"
            yield Row(f"{kind} {rules}", repeated(kind, rules), {"v": lists})
            rules = f"map {{ values {{ {setting}{rule} }} }}"
            yield Row(f"{kind} {rules}", mapped(kind, rules), {"v": maps})
        rules = "repeated { unique: true }"
        yield Row(f"{kind} {rules}", repeated(kind, rules), {"v": lists})
    for setting, bounds in itertools.product(SETTINGS, SIZES):
        rules = f"{setting}repeated {{ {bounds.replace('NN', 'items')} }}"
        yield Row(rules, repeated("int32", rules), {"v": tuple([7] * count for count in range(5))})
        rules = f"{setting}map {{ {bounds.replace('NN', 'pairs')} }}"
        maps = tuple({str(index): 7 for index in range(count)} for count in range(5))
        yield Row(rules, mapped("int32", rules), {"v": maps})
    rules = "repeated { min_items: 1 unique: true items { int32 { gt: 3 } } }"
    yield Row(rules, repeated("int32", rules), {"v": ([], [4], [4, 5], [4, 4], [3, 4])})
    rules = "map { min_pairs: 1 keys { string { min_len: 2 } } values { int32 { gt: 3 } } }"
    maps = ({}, {"ab": 4}, {"a": 4}, {"ab": 3}, {"ab": 4, "": 4})
    yield Row(rules, mapped("int32", rules), {"v": maps})


def message_rows() -> Iterator[Row]:
    sizes: tuple[Any, ...] = (None, {}, {"size": 3}, {"size": 4}, {"size": -1})
    for setting, kind in itertools.product(SETTINGS, ("Inner", "Loose")):
        yield Row(f"{kind} {setting}", implicit(kind, setting), {"v": sizes})
        tried = {"v": sizes, "w": (None, 0, 4)}
        yield Row(f"oneof {kind} {setting}", in_oneof(kind, setting), tried)
        yield Row(f"required oneof {kind} {setting}", in_required_oneof(kind, setting), tried)
    for kind in ("Inner", "Loose"):
        lists: tuple[Any, ...] = (
            [],
            [{}],
            [{"size": 4}],
            [{"size": 4}, {"size": -1}],
            [{"size": 0}, {"size": 4}],
        )
        for setting in ("", "ignore: IGNORE_ALWAYS", "required: true"):
            rules = f"repeated {{ items {{ {setting} }} }}"
            yield Row(f"{kind} {rules}", repeated(kind, rules), {"v": lists})
        yield Row(f"{kind} repeated", repeated(kind, ""), {"v": lists})
        maps = tuple({str(index): each for index, each in enumerate(items)} for items in lists)
        yield Row(f"{kind} mapped", mapped(kind, ""), {"v": maps})
    yield from exclusive_rows()
    yield from alike_rows()
    for expression in DECIDED_CEL:
        yield Row(expression, cel_message(expression), CEL_VALUES)
    for kind, expression, values in DECIDED_FIELD_CEL:
        for shape in (implicit, optional):
            rules = f'cel {{ id: "x" message: "y" expression: {text_literal(expression)} }}'
            tried = {"v": (None, *values)}
            yield Row(f"{shape.__name__} {kind} {expression}", shape(kind, rules), tried)
    rules = f"cel_expression: {text_literal('size(this) < 3')}"
    yield Row(rules, repeated("int32", rules), {"v": ([], [1], [1, 2], [1, 2, 3])})


def alike_rows() -> Iterator[Row]:
    """Nest fields and messages with the same names, which need different variables in guards."""
    box = repeated("Inner", "") + field("n", 2, "int32", "int32 { gt: 3 }")
    text = repeated("ROW.Box", "") + f'nested_type {{ name: "Box" {box} }}'
    contents: tuple[Any, ...] = ([], [{"size": 4}], [{"size": 3}])
    boxes = tuple([{"v": content, "n": n}] * 2 for content in contents for n in (3, 4))
    yield Row("a list named as the list in its items", text, {"v": boxes})
    for pattern in ("^a$", "^b$"):
        part = implicit("string", f"string {{ pattern: '{pattern}' }}")
        text = implicit("ROW.Part", "") + f'nested_type {{ name: "Part" {part} }}'
        parts: tuple[Any, ...] = ({}, {"v": "a"}, {"v": "b"})
        yield Row(f"{pattern} in a message of a common name", text, {"v": parts})
    rules = "repeated { items { timestamp { gte {} lte { seconds: 9 nanos: 999999999 } } } }"
    lists = ([], *([each] for each in ({}, {"seconds": 9}, {"seconds": 10}, {"seconds": -1})))
    yield Row(rules, repeated(TIMESTAMP, rules), {"v": lists})


def exclusive_rows() -> Iterator[Row]:
    for required in ("false", "true"):
        for rules in ("", "int32 { gt: 3 }", "ignore: IGNORE_UNSPECIFIED int32 { gt: 3 }"):
            option = f'oneof {{ fields: ["a", "b", "c"] required: {required} }}'
            text = field("a", 1, "int32", rules) + field("b", 2, "string")
            text += field("c", 3, "double", "", "label: LABEL_REPEATED")
            text += f"options {{ [buf.validate.message] {{ {option} }} }}"
            values = {"a": (0, 3, 4), "b": ("", "x"), "c": ([], [0.0])}
            yield Row(f"{option} {rules}", text, values)
        option = f'oneof {{ fields: ["v", "b"] required: {required} }}'
        text = mapped("int32", "") + field("b", 2, "string")
        text += f"options {{ [buf.validate.message] {{ {option} }} }}"
        yield Row(f"{option} of a map", text, {"v": ({}, {"a": 1}), "b": ("", "x")})


def text_literal(text: str) -> str:
    """Return a string in the text format."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def cel_message(expression: str) -> str:
    """Describe a message with one rule in CEL over fields of several kinds."""
    rule = f'cel {{ id: "x" message: "y" expression: {text_literal(expression)} }}'
    return (
        field("i", 1, "int32")
        + field("o", 2, "int64", "", "proto3_optional: true oneof_index: 0")
        + field("s", 3, "string")
        + field("l", 4, "int32", "", "label: LABEL_REPEATED")
        + field("m", 5, "Loose")
        + field("u", 6, "uint64")
        + field("d", 7, "double")
        + field("f", 8, "bool")
        + field("e", 9, "Plain")
        + f'oneof_decl {{ name: "_o" }} options {{ [buf.validate.message] {{ {rule} }} }}'
    )


CEL_VALUES: dict[str, tuple[Any, ...]] = {
    "i": (0, 3),
    "o": (None, 0, 3),
    "s": ("", "é or"),
    "l": ([], [1, 2]),
    "m": (None, {}),
    "u": (0, 3),
    "d": (0.0, -0.0),
    "f": (False, True),
    "e": (0, 1),
}

DECIDED_CEL = (
    *("has(this.i)", "has(this.o)", "has(this.s)", "has(this.l)", "has(this.m)", "has(this.d)"),
    *("!has(this.o)", "has(this.f) || has(this.e)", "this.f", "!this.f", "!!this.f"),
    *("this.i == 3", "this.i != 3 || has(this.m)", "this.o >= 3", "3 > this.o", "this.i < -2"),
    *("this.s == 'é or'", "this.s != ''", "size(this.s) == 4", "this.s.size() > 0"),
    *("size(this.l) > 0", "this.l.size() <= 1 && this.i == 0", "size(this.l) == this.i"),
    *("this.u == 3u", "this.u < 3u || this.f", "this.e == 1", "this.e != 0"),
    "(this.i == 3 || this.f) && (has(this.o) || !(this.e == 1 && this.u == 3u))",
    "!(this.i == 3 && this.f) || size(this.l) > 0",
    "this.i == this.e || !(this.f || has(this.m))",
)

DECIDED_FIELD_CEL: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    ("int32", "this > 3", (0, 3, 4)),
    ("int32", "this == 0 || this >= 3", (0, 1, 3)),
    ("string", "size(this) < 3 && this != 'x'", ("", "x", "ééé")),
    ("string", "this.size() > 1", ("", "x", "éé")),
    ("bytes", "size(this) == 2", (b"", "é".encode())),
    ("bool", "!this", (True, False)),
    ("Plain", "this != 1", (0, 1, 99)),
    ("uint32", "this <= 3u", (0, 3, 4)),
)

#: Rules that guards leave to protovalidate.
LEFT: tuple[tuple[str, str, tuple[Any, ...]], ...] = (
    *(
        ("string", f"string {{ {rule}: true }}", ("", "a@b.c", "x y"))
        for rule in ("email", "uuid", "uri")
    ),
    ("string", "string { well_known_regex: KNOWN_REGEX_HTTP_HEADER_NAME }", ("", "x", "x y")),
    *(
        (
            "string",
            f"string {{ pattern: {text_literal(pattern)} }}",
            ("", "a", "1", "٣", "ab", "a\n"),
        )
        for pattern in (r"^\d$", r"\w+", "[^a]", "(?i)A", "[[:alpha:]]", r"\bab", "(?P<n>a)", "a**")
    ),
    ("bytes", "bytes { pattern: 'a' }", (b"", b"a", b"b")),
    ("bytes", "bytes { ip: true }", (b"", b"abcd")),
    ("double", "double { gt: inf }", (0.0, math.inf, math.nan)),
    ("double", "double { in: [nan, 1] }", (0.0, 1.0, math.nan)),
    ("double", "double { not_in: [nan, 1] }", (0.0, 1.0, math.nan)),
    (TIMESTAMP, "timestamp { lt_now: true }", ({"seconds": 1}, {"seconds": 2**37})),
    (TIMESTAMP, "timestamp { within { seconds: 9 } }", ({"seconds": 1}, {"seconds": 2**37})),
    (TIMESTAMP, "timestamp { gt { nanos: -1 } }", ({"seconds": 1}, {"seconds": -1})),
    ("google.protobuf.Duration", "duration { gt {} }", ({"seconds": 1}, {"seconds": -1})),
    ("google.protobuf.Int32Value", "int32 { gt: 3 }", ({"value": 3}, {"value": 4})),
    # Rules that do not fit the field.
    ("google.protobuf.Duration", "timestamp { gt {} }", ({"seconds": 1},)),
    ("google.protobuf.Int32Value", "int64 { gt: 3 }", ({"value": 4},)),
    ("int32", "string { min_len: 1 }", (0, 3)),
    *(
        ("int32", f"cel {{ id: 'x' expression: {text_literal(text)} }}", (0, 3, 4))
        for text in (
            "this > 3.5",
            "this > 3 ? '' : 'too small'",
            "this in [3, 4]",
            "this + 1 > 4",
            "this > 3u",
            "uint(this) > 3u",
            "this > 3 == true",
        )
    ),
    ("string", "cel { id: 'x' expression: 'this < \"b\"' }", ("", "a", "b")),
    ("string", "cel { id: 'x' expression: 'this.matches(\"a\")' }", ("", "a", "b")),
    ("Inner", "cel { id: 'x' expression: 'this.size > 3' }", ({"size": 3}, {"size": 4})),
)


UNDECIDED_CEL = (
    *("this.d > 1.5", "this.l.all(x, x > 1)", "this.m.size > 0", "this.i > 0 ? true : false"),
    *("has(this.nope)", "this.i > ", "this.i", "this.b", "'x' == this.s + ''", "this.u > 3"),
)


def undecided_rows() -> Iterator[Row]:
    for kind, rules, values in LEFT:
        tried = {"v": (None, *values)}
        yield Row(rules, implicit(kind, rules), tried, is_decided=False)
        if kind[0].islower() and "." not in kind:
            yield Row(f"optional {rules}", optional(kind, rules), tried, is_decided=False)
            yield Row(f"oneof {rules}", in_oneof(kind, rules), tried, is_decided=False)
        else:
            required = f"required: true {rules}"
            yield Row(required, implicit(kind, required), tried, is_decided=False)
        items = f"repeated {{ items {{ {rules} }} }}"
        lists = ([], *([value] for value in values))
        yield Row(items, repeated(kind, items), {"v": lists}, is_decided=False)
    for expression in UNDECIDED_CEL:
        yield Row(expression, cel_message(expression), CEL_VALUES, is_decided=False)
    for required in ("false", "true"):
        option = f"oneof {{ required: {required} }}"
        text = field("a", 1, "int32") + f"options {{ [buf.validate.message] {{ {option} }} }}"
        yield Row(f"{option} without fields", text, {"a": (0, 3)}, is_decided=False)
    rules = "repeated { unique: true }"
    lists = ([], [{"size": 4}], [{"size": 4}, {"size": 4}])
    yield Row(f"Inner {rules}", repeated("Inner", rules), {"v": lists}, is_decided=False)


@dataclass(frozen=True)
class Compiled:
    """The table's messages and guards."""

    classes: list[Any]
    guards: list[Callable[[Message], bool]]
    fallbacks: list[Fallback]


@cache
def compiled() -> Compiled:
    """Compile the rows, and generate their guards."""
    file = schema(rows())
    guards = generate_guards.write([*imports(), file], PACKAGE)
    names: dict[str, Any] = {}
    exec(compile(guards.source, "guards", "exec"), names)
    pool = DescriptorPool()
    for each in (*imports(), file):
        pool.AddSerializedFile(each.SerializeToString())
    found = [pool.FindMessageTypeByName(name_of(index)) for index in range(len(rows()))]
    return Compiled(
        [message_factory.GetMessageClass(each) for each in found],
        [names["GUARDS"][each.full_name] for each in found],
        guards.fallbacks,
    )


def imports() -> list[FileDescriptorProto]:
    """Return copies of the files that the table's file imports."""
    return [FileDescriptorProto.FromString(each.DESCRIPTOR.serialized_pb) for each in IMPORTS]


def name_of(index: int) -> str:
    """Return the full name of a row's message."""
    return f"{PACKAGE}.Row{index:04}"


def schema(table: list[Row]) -> FileDescriptorProto:
    """Build the file of the table's messages."""
    pool = DescriptorPool()
    for module in (descriptor_pb2, field_mask_pb2, *IMPORTS):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(generate_guards.protovalidate_file().SerializeToString())
    text = [f'name: "guard_rules.proto" package: "{PACKAGE}" syntax: "proto3"']
    text += [f'dependency: "{module.DESCRIPTOR.name}"' for module in IMPORTS]
    text.append(SHARED)
    for index, row in enumerate(table):
        name = name_of(index)
        parts = row.text.replace(f".{PACKAGE}.ROW", f".{name}").replace(".ROW.", f".{name}.")
        text.append(f'message_type {{ name: "{name.removeprefix(f"{PACKAGE}.")}" {parts} }}')
    file_type = pool.FindMessageTypeByName("google.protobuf.FileDescriptorProto")
    file = message_factory.GetMessageClass(file_type)()
    text_format.Parse("\n".join(text), file, descriptor_pool=pool)
    return FileDescriptorProto.FromString(file.SerializeToString())


def messages(row: Row, message_class: Any) -> Iterator[Any]:
    """Yield a message for every combination of a row's values."""
    for combination in itertools.product(*row.values.values()):
        chosen = dict(zip(row.values, combination, strict=True))
        yield message_class(**{name: value for name, value in chosen.items() if value is not None})


def is_certain(guard: Callable[[Message], bool], message: Message) -> bool:
    """Call a guard as its callers do: any result but True means that it is not certain."""
    try:
        return guard(message) is True
    except Exception:
        return False


DECIDED = [index for index, row in enumerate(rows()) if row.is_decided]
UNDECIDED = [index for index, row in enumerate(rows()) if not row.is_decided]


@pytest.mark.parametrize("index", DECIDED, ids=lambda index: rows()[index].rules)
def test_a_guard_accepts_exactly_the_messages_that_protovalidate_accepts(index: int) -> None:
    row, guard = rows()[index], compiled().guards[index]
    for message in messages(row, compiled().classes[index]):
        broken = [violation.proto.rule_id for violation in collect_violations(message)]
        certain = is_certain(guard, message)
        assert certain == (not broken) or is_required_zero(row, message), f"{message!r} {broken}"


def is_required_zero(row: Row, message: Any) -> bool:
    """Return whether a required value is a negative zero, of which no guard is certain."""
    return "required: true" in row.rules and str(message.v) == "-0.0"


@pytest.mark.parametrize("index", UNDECIDED, ids=lambda index: rows()[index].rules)
def test_a_guard_never_accepts_a_message_that_may_break_an_unsupported_rule(index: int) -> None:
    row, guard = rows()[index], compiled().guards[index]
    assert any(fallback.place.startswith(name_of(index)) for fallback in compiled().fallbacks)
    for message in messages(row, compiled().classes[index]):
        try:
            broken = bool(collect_violations(message))
        except CompilationError as error:
            # A guard need not notice an invalid pattern or bound of a field that is unset.
            broken = "expected rule" in str(error)
        except EvaluationError:
            broken = True
        assert not (is_certain(guard, message) and broken), repr(message)


#: A field with the number 19, which no message has.
UNKNOWN = bytes.fromhex("980101")

MAPS = [index for index, row in enumerate(rows()) if "map_entry: true" in row.text]


def with_hidden_entries(message: Any) -> Any:
    """Return a message whose maps have an unknown field in each entry, which upb leaves out."""
    data = bytearray()
    rest = type(message).FromString(message.SerializeToString())
    for each in message.DESCRIPTOR.fields:
        if each.message_type is None or not each.message_type.GetOptions().map_entry:
            continue
        entry_class = message_factory.GetMessageClass(each.message_type)
        for key, value in getattr(message, each.name).items():
            entry = entry_class(key=key, value=value).SerializeToString() + UNKNOWN
            assert len(entry) < 128
            data += bytes([each.number << 3 | 2, len(entry)]) + entry
        rest.ClearField(each.name)
    return type(message).FromString(rest.SerializeToString() + bytes(data))


@pytest.mark.parametrize("index", MAPS, ids=lambda index: rows()[index].rules)
def test_rules_apply_to_map_entries_that_upb_hides(index: int) -> None:
    row, guard = rows()[index], compiled().guards[index]
    for message in messages(row, compiled().classes[index]):
        hidden = with_hidden_entries(message)
        broken, found = violations(message), violations(hidden)
        assert not (is_certain(guard, hidden) and broken), repr(message)
        # protovalidate reports the entries of a map in any order.
        assert sorted(map(str, found)) == sorted(map(str, broken)), repr(message)


def test_only_unsupported_rules_are_left_to_protovalidate() -> None:
    places = {fallback.place.split(".")[2] for fallback in compiled().fallbacks}
    assert places == {name_of(index).rpartition(".")[2] for index in UNDECIDED}


def test_a_rule_of_a_newer_protovalidate_is_left_to_it() -> None:
    file = schema([Row("int32 { gt: 3 }", implicit("int32", "int32 { gt: 3 }"), {})])
    # In `FieldOptions`, `FieldRules` with `Int32Rules { gt: 3 }`; then also a rule of number 1001,
    # which makes each of the two lengths three bytes more.
    options = file.message_type[-1].field[0].options
    known, unknown = bytes.fromhex("ba48041a022003"), bytes.fromhex("ba48071a052003c83e01")
    assert options.SerializeToString() == known
    options.ParseFromString(unknown)
    written = generate_guards.write([*imports(), file], PACKAGE)
    assert [fallback.place for fallback in written.fallbacks] == [f"{name_of(0)}.v"]


def test_rules_of_a_message_of_another_package_are_left_to_protovalidate() -> None:
    many = "".join(
        field(f"v{number}", number, "int32", "int32 { gt: 3 }") for number in range(1, 9)
    )
    file = schema([Row("", many, {})])
    holder = FileDescriptorProto(name="other.proto", package="other.v1", syntax="proto3")
    holder.dependency.append(file.name)
    held = holder.message_type.add(name="Holder").field.add(name="held", number=1, label=1, type=11)
    held.type_name = f".{name_of(0)}"
    written = generate_guards.write([*imports(), file, holder], "other.v1")
    assert [fallback.place for fallback in written.fallbacks] == ["other.v1.Holder.held"]


def test_messages_whose_guards_would_have_the_same_name_are_rejected() -> None:
    file = schema([])
    file.message_type.add(name="InnerPart")
    file.message_type[0].nested_type.add(name="Part")
    with pytest.raises(ValueError, match="same name"):
        generate_guards.write([*imports(), file], PACKAGE)
