"""The core is certain of nearly every valid payload, so that it does not silently do nothing."""

from __future__ import annotations

from collections import defaultdict
from functools import cache

import pytest
from native.cases import payloads
from native.core import core
from native.truth import check_binary, check_text
from validation.message_cases import MESSAGE_CLASSES

from crucible_ir.serialization.formats import FORMATS

#: The least share of valid payloads of a format that the core is certain of, for each answer.
LEAST = 0.98

#: The answers about a payload, by its format.
ANSWERS = {
    "binary": ("valid", "rules", "json", "json-original-names", "crucible-json", "digest"),
    "json": ("read", "rules"),
    "crucible-json": ("read", "rules"),
}


@cache
def uncertain(format: str) -> tuple[int, dict[str, list[str]]]:
    """Return how many payloads of a format are valid, and those that the core is not certain of."""
    valid = 0
    unsure: dict[str, list[str]] = defaultdict(list)
    for each in payloads():
        if each.format != format or not is_valid(format, each.name, each.data):
            continue
        valid += 1
        if format == "binary":
            found = check_binary(core(), each.name, each.data)
        else:
            found = check_text(core(), format, each.name, each.data)
        for answer in found:
            unsure[answer].append(f"{each.name}, {each.label}")
    return valid, unsure


def is_valid(format: str, name: str, data: bytes) -> bool:
    """Return whether a payload is a valid message, as the package says in pure Python."""
    try:
        FORMATS[format].read(data, MESSAGE_CLASSES[name], True)
    except Exception:
        return False
    return True


@pytest.mark.parametrize(
    ("format", "answer"), [(format, answer) for format in ANSWERS for answer in ANSWERS[format]]
)
def test_nearly_every_answer_about_a_valid_payload_is_certain(format: str, answer: str) -> None:
    valid, unsure = uncertain(format)
    assert valid > 1000
    rate = 1 - len(unsure[answer]) / valid
    listed = "\n".join(unsure[answer])
    assert rate >= LEAST, f"{answer} of {format}: certain of {rate:.2%}, but not of\n{listed}"
