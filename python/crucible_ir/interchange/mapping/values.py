"""JSON values of foreign formats: comparing them, and what opaque JSON can hold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.serialization.json.opaque import MAX_EXACT_INTEGER

if TYPE_CHECKING:
    pass

#: The most levels of objects and lists in opaque JSON; deeper values are kept as JSON text.
MAX_OPAQUE_LEVELS = 24


#: Why text with an unpaired surrogate was changed.
SURROGATE: Final = "an unpaired surrogate is not Unicode text"


def same(first: object, second: object) -> bool:
    """Return whether two JSON values are equal; true is not 1, and NaN equals NaN.

    >>> same(1, 1.0), same(True, 1), same([float("nan")], [float("nan")])
    (True, False, True)
    """
    if not isinstance(first, (dict, list)):
        return _same_scalar(first, second)
    waiting: list[tuple[object, object]] = [(first, second)]
    while waiting:
        one, other = waiting.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            waiting += [(one[key], other[key]) for key in one]
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            waiting += zip(one, other, strict=True)
        elif not _same_scalar(one, other):
            return False
    return True


def _same_scalar(first: object, second: object) -> bool:
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    return first == second or (first != first and second != second)


def unicode_text(value: Any) -> Any:
    r"""Return a text, or a list with texts, without unpaired surrogates; other values as they are.

    >>> unicode_text("a\ud800"), unicode_text(["b"]), unicode_text(1)
    ('a?', ['b'], 1)
    """
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-8", "replace").decode()
    elif isinstance(value, list):
        items = [unicode_text(item) if isinstance(item, str) else item for item in value]
        if any(new is not old for new, old in zip(items, value, strict=True)):
            return items
    return value


def opaque_json(
    value: Any, changes: list[tuple[Path, object, object, str]], steps: Path = ()
) -> Any:
    """Return a value as opaque JSON can hold it.

    Args:
        value: The value.
        changes: Gets the path, the value, the new value and the reason of each change.
        steps: The path of the value.

    >>> changes = []
    >>> opaque_json({"a": [2**60, "b"]}, changes)
    {'a': ['1152921504606846976', 'b']}
    >>> changes[0][0], changes[0][3]
    (('a', 0), 'opaque JSON has no integers beyond 2^53: kept as text')
    """
    if type(value) is str:
        cleaned = unicode_text(value)
        if cleaned is not value:
            changes.append((steps, value, cleaned, SURROGATE))
        return cleaned
    if isinstance(value, (dict, list)):
        if len(steps) >= MAX_OPAQUE_LEVELS:
            text = json.dumps(value, ensure_ascii=False)
            changes.append((steps, value, text, "nested too deeply for opaque JSON: kept as text"))
            return text
        if isinstance(value, dict):
            return {
                opaque_json(str(key), changes, steps): opaque_json(
                    item, changes, (*steps, str(key))
                )
                for key, item in value.items()
            }
        return [opaque_json(item, changes, (*steps, at)) for at, item in enumerate(value)]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_EXACT_INTEGER:
        reason = "opaque JSON has no integers beyond 2^53: kept as text"
        changes.append((steps, value, str(value), reason))
        return str(value)
    if isinstance(value, float) and (value - value != 0.0):
        text = "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
        changes.append((steps, value, text, "opaque JSON has only finite numbers: kept as text"))
        return text
    return float(value) if isinstance(value, float) else value


def is_a(value: object, types: Iterable[type]) -> bool:
    """Return whether a JSON value is of one of some types.

    A boolean is not a number. JSON does not distinguish 1.0 from 1, so either is an integer.
    """
    if isinstance(value, bool):
        return bool in types
    if isinstance(value, (int, float)):
        return float in types or (int in types and value == value // 1)
    return isinstance(value, tuple(types))


def children_of(value: Any) -> list[tuple[Any, Any]]:
    """Return the values directly inside an object or list, with their keys or indexes."""
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def value_at(value: Any, path: Path) -> Any:
    """Return the value at a path; ``None`` if there is none."""
    for step in path:
        if isinstance(value, list):
            if not isinstance(step, int) or step >= len(value):
                return None
        elif not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value
