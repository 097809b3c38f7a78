"""The errors for text that is not JSON, with the probable mistake."""

from __future__ import annotations

import json
import re

from crucible_ir.errors import DecodeError, Position
from crucible_ir.serialization.positions import position_at

_TRAILING_COMMA = re.compile(r",(?=[ \t\r\n]*[\]}])")
#: The start of a YAML document in block style: a key, an item, a directive or a marker.
_YAML_LINE = re.compile(r"[A-Za-z_][\w.-]*:(?:\s|$)|- |---(?:\s|$)|%YAML ", re.ASCII)
_WHITE_SPACE = " \t\r\n"

#: Text at the position of an error, and the advice for it.
_MISTAKES = (
    (re.compile(r"//|/\*|#"), "JSON has no comments"),
    (re.compile("'"), "strings need double quotes"),
    (re.compile(r"True\b"), "write true"),
    (re.compile(r"False\b"), "write false"),
    (re.compile(r"(?:None|nil|undefined)\b"), "write null"),
)


def syntax_error(text: str, error: json.JSONDecodeError) -> DecodeError:
    """Return the error for a text that is not JSON.

    Args:
        text: The text.
        error: The error of Python's parser.

    >>> syntax_error("id: m1", json.JSONDecodeError("Expecting value", "id: m1", 0)).reason
    'not JSON: this looks like YAML, which is read with from_yaml'
    """
    if not text.strip(_WHITE_SPACE):
        return DecodeError("the document is empty", position=Position(1, 1))
    if _looks_like_yaml(text):
        reason = "this looks like YAML, which is read with from_yaml"
        return DecodeError(f"not JSON: {reason}", position=position_at(text, error.pos))
    comma = _trailing_comma(text, error.pos)
    if comma is not None:
        return DecodeError("not JSON: trailing comma", position=position_at(text, comma))
    reason = f"not JSON: {error.msg[0].lower()}{error.msg[1:]}"
    for found, advice in _MISTAKES:
        if found.match(text, error.pos):
            reason += f"; {advice}"
    if error.msg == "Extra data" and text.startswith("{", error.pos):
        reason += "; this looks like JSON lines, which are read with read_jsonl"
    return DecodeError(reason, position=position_at(text, error.pos))


def _looks_like_yaml(text: str) -> bool:
    """Return whether the first line with content looks like YAML."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start : min(end, start + 256)].strip()
        if line and not line.startswith("#"):
            return bool(_YAML_LINE.match(line))
        start = end + 1
    return False


def _trailing_comma(text: str, offset: int) -> int | None:
    """Return the offset of a comma before a closing bracket, if the error is at one of them."""
    if offset < len(text) and text[offset] in "]}":
        offset -= 1
        while offset > 0 and text[offset] in _WHITE_SPACE:
            offset -= 1
    return offset if _TRAILING_COMMA.match(text, offset) else None
