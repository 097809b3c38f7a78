"""The wording of findings on fractions where a percentage is meant."""

from __future__ import annotations


def fraction(value: float) -> tuple[str, str]:
    """Return the problem and the fix for a number that may be a fraction or a percentage.

    >>> fraction(0.07)
    ('0.07 may be a fraction or a percentage', 'write 7 if you mean 7 percent')
    """
    percent = round(value * 100, 9)
    return (
        f"{value:g} may be a fraction or a percentage",
        f"write {percent:g} if you mean {percent:g} percent",
    )
