"""Compares the certain answers of the core with those of other programs.

Google's protobuf decides what can be read, protovalidate what is valid, json_format and rfc8785
what is written. The text or the bytes are those of this package in pure Python.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from json_values import same_json
from native.core import Core
from validation.message_cases import MESSAGE_CLASSES

import crucible_ir as ir
from conformance_cases import oracle
from crucible_ir.conformance import v1 as conformance_v1

#: What the package writes in pure Python, by the name of the format.
_WRITE: dict[str, Callable[[Message], bytes]] = {
    "json": lambda message: ir.to_json(message).encode(),
    "crucible-json": lambda message: ir.to_crucible_json(message).encode(),
    "json-original-names": lambda message: ir.to_json(message, original_names=True).encode(),
    "digest": lambda message: ir.digest(message).encode(),
}
#: Numbers in quotes that google's reader rounds to a double first.
_ROUNDED_BY_GOOGLE = (b"9223372036854775807.0", b"9007199254740993.0")

_READ: dict[str, Callable[..., Message]] = {
    "json": ir.from_json,
    "crucible-json": ir.from_crucible_json,
}


def check_binary(core: Core, name: str, data: bytes) -> set[str]:
    """Check every certain answer about bytes that may be a message.

    Args:
        core: The core.
        name: The name of the message type, as `Experiment`.
        data: The bytes.

    Returns:
        The answers that the package gives and the core does not: ``valid``, ``rules`` or the name
        of a format.
    """
    type_ = MESSAGE_CLASSES[name]
    of_type = core.type(type_.DESCRIPTOR.full_name)
    where = f"{name} {data.hex()}"
    message = _message(type_, data)
    google = None if message is None else _by_google(name, data)
    broken = None if google is None else oracle.broken_rules(google)
    unsure: set[str] = set()
    for answer, certain in (
        ("valid", of_type.is_valid(data)),
        # Its callers pass only what protobuf can read.
        ("rules", message is not None and of_type.satisfies_rules(data)),
    ):
        assert broken == set() or not certain, f"{where}: certainly {answer}, but {broken}"
        if broken == set() and not certain:
            unsure.add(answer)
    value = None
    for format, write in of_type.writers.items():
        found = write(data)
        expected = None if message is None else _answer(_WRITE[format], message)
        if found is None:
            if expected is not None:
                unsure.add(format)
            continue
        assert expected is not None, f"{where}: wrote {format} {found!r}"
        assert found == expected, f"{where}: wrote {format} {found!r}, not {expected!r}"
        if format in ("json", "digest"):
            assert google is not None
            value = value or json_format.MessageToDict(google)
            assert _agrees_with_google(format, found, value), f"{where}: {found!r}, not {value}"
    return unsure


def check_text(core: Core, format: str, name: str, text: bytes) -> set[str]:
    """Check the certain answer about bytes that may be a message in a format of JSON.

    Args:
        core: The core.
        format: The name of the format.
        name: The name of the message type.
        text: The bytes.

    Returns:
        As `check_binary`; here ``read`` or ``rules``.
    """
    type_ = MESSAGE_CLASSES[name]
    full_name = type_.DESCRIPTOR.full_name
    of_type = core.type(full_name)
    where = f"{name} {format} {text!r}"
    found = of_type.readers[format](text)
    expected = _answer(lambda: ir.to_binary(_READ[format](text, type_, validate=False)))
    if found is None:
        return set() if expected is None else {"read"}
    assert expected is not None, f"{where}: read as {found.hex()}"
    assert found == expected, f"{where}: read as {found.hex()}, not {expected.hex()}"
    google = _by_google(name, found)
    if format == "json" and not any(number in text for number in _ROUNDED_BY_GOOGLE):
        request = conformance_v1.EvaluateRequest(
            message_type=full_name, json=text.removeprefix(codecs.BOM_UTF8)
        )
        assert oracle.decode(request) == google, where
    broken = oracle.broken_rules(google)
    certain = of_type.satisfies_rules(found)
    assert not broken or not certain, f"{where}: certain of the rules, but {broken}"
    return {"rules"} if not broken and not certain else set()


def _by_google(name: str, data: bytes) -> Message:
    full_name = MESSAGE_CLASSES[name].DESCRIPTOR.full_name
    return oracle.decode(conformance_v1.EvaluateRequest(message_type=full_name, binary=data))


def _message(type_: type[Message], data: bytes) -> Message | None:
    """Return the message of some bytes; ``None`` if a reader rejects them."""
    try:
        type_.FromString(data)
    except Exception:
        return None
    # Google's Python library reads malformed groups, which the package rejects.
    message: Message | None = _answer(lambda: ir.from_binary(data, type_, validate=False))
    return message


def _answer(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except ir.Error:
        return None


def _agrees_with_google(format: str, found: bytes, value: Any) -> bool:
    """Return whether a text or digest is that of a value of json_format."""
    if format == "digest":
        return found.decode() == oracle.digest(value)
    return same_json(json.loads(found), value)
