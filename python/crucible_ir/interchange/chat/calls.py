"""Tool calls: arguments as a JSON object where that is exact, and as text where it is not."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.values import opaque_json

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

#: The most bytes of a tool's name.
MAX_NAME_BYTES = 512

_TEXT = "JSON text"
_OBJECT = "an object where the format has JSON text"


class _InexactError(ValueError):
    """A JSON text says more than its values."""


def exact_object(text: str) -> dict[str, Any] | None:
    """Parse the text of a JSON object if its values say all that the text says.

    Returns:
        The object; ``None`` if the text is something else, has a key twice, or has a number that
        opaque JSON would change.

    >>> exact_object('{"city": "Boston"}')
    {'city': 'Boston'}
    >>> exact_object('{"a": 1, "a": 2}'), exact_object('{"id": 9007199254740993}')
    (None, None)
    """
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_float=_float, parse_constant=_constant
        )
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and is_exact(value) else None


def is_exact(value: Any) -> bool:
    """Return whether opaque JSON holds a value as it is."""
    changes: list[Any] = []
    opaque_json(value, changes)
    return not changes


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _InexactError("a key is there twice")
    return result


def _float(text: str) -> float:
    number = float(text)
    if number - number != 0.0 or Decimal(text) != Decimal(repr(number)):
        raise _InexactError("a double cannot hold the number")
    return number


def _constant(text: str) -> float:
    raise _InexactError(f"{text} is no JSON")


def read_arguments(call: Target, source: Source, *, written_as_text: bool = False) -> None:
    """Set the arguments of a call, from a JSON object or from its text.

    Arguments that are not an object, or that an object cannot hold exactly, are kept as text.

    Args:
        call: The call.
        source: The arguments.
        written_as_text: Whether the export writes text, also for an object.
    """
    if isinstance(source.value, str):
        value = exact_object(source.value)
        if value is None:
            call.put("raw", source.value, source)
        else:
            call.put("map", value, source, reason=_TEXT)
    elif isinstance(source.value, dict) and is_exact(source.value):
        outcome = Outcome.CONVERTED if written_as_text else None
        call.put("map", source.value, source, reason=_OBJECT, outcome=outcome)
    else:
        text = json.dumps(source.value, ensure_ascii=False)
        call.put("raw", text, source, reason="an object cannot hold the arguments exactly")


def write_arguments_text(call: Source, target: Target, key: str) -> None:
    """Write the arguments of a call as JSON text.

    A call without arguments gets an empty object, because the services require one.
    """
    found = call.get("map", dict)
    if found is not None:
        text = json.dumps(found.value, ensure_ascii=False)
        target.put(key, text, found, reason=_TEXT)
        return
    raw = call.get("raw", str)
    if raw is not None:
        target.put(key, raw.value, raw)
    elif not _is_stand_in(call):
        target.value[key] = "{}"


def _is_stand_in(call: Source) -> bool:
    """Return whether the import filled in the arguments."""
    return "map" in call.value


def can_be_call(name: object) -> bool:
    """Return whether a value can be the name of a tool.

    >>> can_be_call("search"), can_be_call("")
    (True, False)
    """
    return isinstance(name, str) and 0 < len(name.encode("utf-8", "replace")) <= MAX_NAME_BYTES
