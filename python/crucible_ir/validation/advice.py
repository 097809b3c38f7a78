"""The likely fix of a violation, for mistakes that are common."""

from __future__ import annotations

import re

#: The start of the pattern of semantic versions, in the text of its rule.
_SEMANTIC_VERSION = r"`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)("
_FRACTION = "must be greater than or equal to 0 and less than or equal to 1"
_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+){0,2}")


def with_advice(rule_id: str, text: str, value: object) -> str:
    """Return the text of a violation, with the likely fix if one is known.

    Args:
        rule_id: The id of the rule.
        text: The text of protovalidate.
        value: The value that breaks the rule.

    >>> with_advice("double.gte_lte", _FRACTION, 20.0).partition("; ")[2]
    'write 0.2 for 20%'
    """
    if rule_id == "string.pattern" and _SEMANTIC_VERSION in text:
        fix = _version_fix(value) if isinstance(value, str) else ""
        return f"must be a semantic version such as 1.2.0{fix}"
    if text == _FRACTION and isinstance(value, float) and 1 < value <= 100:
        return f"{text}; write {fraction(value)} for {value:.12g}%"
    return text


def fraction(percent: float) -> str:
    """Return a percentage as a fraction, in as few digits as it needs.

    >>> fraction(12.5)
    '0.125'
    """
    return f"{percent / 100:.12g}"


def _version_fix(version: str) -> str:
    bare = version[1:] if version[:1] in ("v", "V") else version
    fixes = ["remove the v"] if bare != version else []
    if _NUMBERS.fullmatch(bare):
        numbers = bare.split(".")
        if any(number != "0" and number.startswith("0") for number in numbers):
            fixes.append("remove the leading zeros")
        if len(numbers) < 3:
            fixes.append("give all three numbers")
    return f"; {', '.join(fixes)}" if fixes else ""
