"""An estimate of the memory that it takes to read, validate, lint and write a content.

It counts bytes that begin or separate values, which takes milliseconds. The factors are measured on
contents that consist of as many values as possible, with some room.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crucible_ir.exchange.v1 import Form
from crucible_ir.serialization.limits import MAX_ALIASED_VALUES

#: The most characters of a content that is converted to the text format. Its indentation takes more
#: space than the values if these are nested deeply.
MAX_TEXT_LENGTH: Final = 8 * 1024 * 1024

#: The bytes of memory for each byte of a content that has few values.
_BYTE: Final = 20
_BINARY_BYTE: Final = 24

#: The bytes of memory for a value, and for an object or the key of a member in addition.
_JSON_VALUE: Final = 450
_JSON_OBJECT: Final = 450
_JSON_KEY: Final = 300
_YAML_VALUE: Final = 1000
_ALIASED_VALUE: Final = 650
_TEXT_VALUE: Final = 450

#: For a byte in binary that is not text, such as a tag or a length, and for an empty message.
_STRUCTURE: Final = 160
_EMPTY: Final = 550

#: protobuf's parser of the text format keeps a place to return to for each escape in a string, and
#: for each character of a run of whitespace; it keeps adjacent strings apart until the last one.
_ESCAPE: Final = 700
_QUOTE: Final = 56
_WHITESPACE: Final = 160

#: Shorter runs of whitespace take little memory, since they follow one another.
_LONG_RUN: Final = 64

_PRINTABLE: Final = bytes(range(0x20, 0x100))

#: The bytes of whitespace characters other than the line break, which ends a run.
_BLANKS: Final = (
    "\t\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
).encode()
_TO_SPACES: Final = bytes.maketrans(_BLANKS, b" " * len(_BLANKS))


def memory_cost(content: bytes, form: Form, target: Form | None = None) -> int:
    """Return about how many bytes of memory it takes to read and validate a content.

    Args:
        content: The content.
        form: Its format.
        target: The format to convert it to, if it is to be converted.
    """
    cost = _COSTS[form](content)
    if target == Form.FORM_YAML:
        cost += len(content) * _BYTE * 2 + content.count(b":") * _JSON_KEY
    elif target == Form.FORM_TEXT:
        # A character takes four bytes until the text is complete, and then those of copies.
        cost += min(len(content) * _BYTE * 4, MAX_TEXT_LENGTH * 8)
    return cost


def _binary_cost(content: bytes) -> int:
    # A zero is an empty message; but two in a row are inside a number, such as a double.
    structure = content.replace(b"\0\0", b"").translate(None, _PRINTABLE)
    values = max(len(structure) * _STRUCTURE, structure.count(b"\0") * _EMPTY)
    return len(content) * _BINARY_BYTE + values


def _json_cost(content: bytes) -> int:
    values = content.count(b",") + _containers(content)
    return (
        len(content) * _BYTE
        + values * _JSON_VALUE
        + content.count(b"{") * _JSON_OBJECT
        + content.count(b":") * _JSON_KEY
    )


def _yaml_cost(content: bytes) -> int:
    block = max(content.count(b"\n"), content.count(b"- "))
    values = content.count(b",") + _containers(content) + block
    aliased = min(content.count(b"*") * (values + 1), MAX_ALIASED_VALUES)
    return (
        len(content) * _BYTE
        + values * _YAML_VALUE
        + content.count(b":") * _JSON_KEY
        + aliased * _ALIASED_VALUE
    )


def _text_cost(content: bytes) -> int:
    runs = content.translate(_TO_SPACES).count(b" " * _LONG_RUN)
    return (
        len(content) * _BYTE
        + (content.count(b"{") + content.count(b"<")) * _TEXT_VALUE
        + content.count(b"\\") * _ESCAPE
        + (content.count(b'"') + content.count(b"'")) * _QUOTE
        + runs * _LONG_RUN * _WHITESPACE
    )


def _containers(content: bytes) -> int:
    """Return how many arrays and objects have a first value, or none after whitespace."""
    return sum(
        content.count(first) - content.count(empty)
        for first, empty in ((b"[", b"[]"), (b"{", b"{}"))
    )


_COSTS: Final[dict[Form, Callable[[bytes], int]]] = {
    Form.FORM_BINARY: _binary_cost,
    Form.FORM_JSON: _json_cost,
    Form.FORM_CRUCIBLE_JSON: _json_cost,
    Form.FORM_YAML: _yaml_cost,
    Form.FORM_TEXT: _text_cost,
}
