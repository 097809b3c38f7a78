"""Equality of parsed JSON values, in which 1 and 1.0 are equal but 1 and true are not."""

from __future__ import annotations


def same_json(one: object, other: object) -> bool:
    """Return whether two parsed JSON values are equal; the order of keys is ignored."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and one == other
