"""The layout of a file of cases: readable text format with comments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from google.protobuf import text_format

from crucible_ir.conformance import v1

_HEADER = (
    "# proto-file: crucible_ir/conformance/v1/conformance.proto",
    "# proto-message: crucible_ir.conformance.v1.Suite",
)

_ESCAPES = {
    ord("\\"): "\\\\",
    ord("'"): "\\'",
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}


@dataclass
class Comments:
    """The comments of a file, which the parser of the text format drops.

    Attributes:
        top: The comment lines at the top of the file, without the header.
        cases: The comment lines before a case, by the name of the case.
    """

    top: list[str] = field(default_factory=list)
    cases: Mapping[str, list[str]] = field(default_factory=dict)


def read(text: str) -> tuple[v1.Suite, Comments]:
    """Read a file of cases and its comments, which are on separate lines before a case."""
    suite = text_format.Parse(text, v1.Suite())
    waiting: list[str] = []
    groups: list[list[str]] = []
    top: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            if line not in _HEADER:
                waiting.append(line)
        elif line.startswith("topic:"):
            top, waiting = waiting, []
        elif line.startswith("cases"):
            groups.append(waiting)
            waiting = []
    by_name = {case.name: group for case, group in zip(suite.cases, groups, strict=True) if group}
    return suite, Comments(top, by_name)


def write(suite: v1.Suite, comments: Comments) -> str:
    """Return the text of a file of cases."""
    lines = [*_HEADER, "", *comments.top, f"topic: {_quoted(suite.topic)}"]
    for case in suite.cases:
        lines += ["", *comments.cases.get(case.name, ()), *_case(case)]
    return "\n".join(lines) + "\n"


def _case(case: v1.Case) -> Iterator[str]:
    request, expected = case.request, case.expected
    yield "cases {"
    yield f"  name: {_quoted(case.name)}"
    if case.reason:
        yield f"  reason: {_quoted(case.reason)}"
    yield "  request {"
    yield f"    message_type: {_quoted(request.message_type)}"
    payload = request.WhichOneof("payload")
    if payload == "binary":
        yield f"    binary: {_quoted_bytes(request.binary)}"
    elif payload == "json":
        yield f"    json: {_quoted_text_of(request.json)}"
    yield "  }"
    yield "  expected {"
    if expected.WhichOneof("outcome") == "evaluation":
        yield from _evaluation(expected.evaluation)
    elif expected.WhichOneof("outcome") is not None:
        yield f"    decode_error: {_quoted(expected.decode_error)}"
    yield "  }"
    yield "}"


def _evaluation(evaluation: v1.Evaluation) -> Iterator[str]:
    yield "    evaluation {"
    if evaluation.binary:
        yield f"      binary: {_quoted_bytes(evaluation.binary)}"
    for oneof in ("json_outcome", "rules_outcome", "digest_outcome"):
        name = evaluation.WhichOneof(oneof)
        if name == "broken_rules":
            yield from _broken_rules(evaluation.broken_rules)
        elif name is not None:
            yield f"      {name}: {_quoted(getattr(evaluation, name))}"
    yield "    }"


def _broken_rules(broken: v1.BrokenRules) -> Iterator[str]:
    if not broken.rules:
        yield "      broken_rules {}"
        return
    yield "      broken_rules {"
    for rule in broken.rules:
        path = f"path: {_quoted(rule.path)} " if rule.path else ""
        yield f"        rules {{ {path}rule_id: {_quoted(rule.rule_id)} }}"
    yield "      }"


def _quoted(text: str) -> str:
    """Quote text: with double quotes if nothing needs escaping, otherwise with single quotes."""
    if text.isprintable() and not set(text) & set("'\"\\"):
        return f'"{text}"'
    return f"'{''.join(map(_character, text))}'"


def _quoted_text_of(value: bytes) -> str:
    """Quote bytes, as text if they are UTF-8."""
    try:
        return _quoted(value.decode())
    except UnicodeDecodeError:
        return _quoted_bytes(value)


def _quoted_bytes(value: bytes) -> str:
    return f'"{"".join(map(_byte, value))}"'


def _byte(byte: int) -> str:
    if byte in b'"\\':
        return f"\\{chr(byte)}"
    return chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}"


def _character(character: str) -> str:
    if ord(character) in _ESCAPES:
        return _ESCAPES[ord(character)]
    if character.isprintable():
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode())


def compact(value: object) -> bytes:
    """Return a JSON value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
