"""A second implementation of RFC 8785, from the RFC and ECMA-262, to compare the package with."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def canonical(value: Any) -> str:
    """Return the canonical form of a JSON value (RFC 8785, section 3.2)."""
    if isinstance(value, dict):
        # Code units in big-endian order compare as the numbers that they are.
        keys = sorted(value, key=lambda key: str(key).encode("utf-16-be"))
        members = (f"{canonical(key)}:{canonical(value[key])}" for key in keys)
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(canonical, value))}]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(float(value))
    return json.dumps(value, ensure_ascii=False)


def number(value: float) -> str:
    """Return a number as ECMAScript writes it (ECMA-262, Number::toString).

    In the names of the standard, the value is 0.digits times 10 to the power of n.
    """
    if value == 0:
        return "0"
    sign, parts, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, parts))
    n = len(digits) + int(exponent)
    if len(digits) <= n <= 21:
        text = digits + "0" * (n - len(digits))
    elif 0 < n <= 21:
        text = f"{digits[:n]}.{digits[n:]}"
    elif -6 < n <= 0:
        text = f"0.{'0' * -n}{digits}"
    else:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{fraction}e{n - 1:+d}"
    return f"-{text}" if sign else text
