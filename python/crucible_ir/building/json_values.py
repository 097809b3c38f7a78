"""Conversion of Python values to the JSON values that the codec of opaque JSON takes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from typing import Any

from crucible_ir.paths import MapKey
from crucible_ir.serialization.conversion_error import ConversionError, too_deep
from crucible_ir.serialization.limits import MAX_DEPTH


def unwrap_scalar(value: Any) -> Any:
    """Return the Python number, bool or string inside a numpy scalar; return others unchanged.

    Times and durations of numpy are among the others: their numbers would have lost their unit.

    Raises:
        ConversionError: The value is masked.
    """
    is_scalar = (
        hasattr(value, "dtype") and hasattr(value, "item") and getattr(value, "shape", None) == ()
    )
    if not is_scalar or _is_time_of_numpy(value):
        return value
    item = value.item()
    if not isinstance(item, (bool, int, float, str)):
        return value
    # The item of a masked value is the number under the mask, which is 0.0 in numpy.ma.masked.
    if getattr(value, "mask", False):
        raise ConversionError(
            "the value is masked, which numpy uses for missing data; leave it out, or give None"
        )
    return item


def _is_time_of_numpy(value: Any) -> bool:
    """Return whether a value is a datetime64 or a timedelta64."""
    return getattr(getattr(value, "dtype", None), "kind", None) in ("M", "m")


def json_value(value: object) -> object:
    """Return a value made of dict, list, str, int, float, bool and None only.

    It accepts mappings with string keys, lists, tuples and numpy scalars.

    Raises:
        ConversionError: The value contains a cycle, a key that is not a string, or an object that
            JSON cannot represent.
    """
    return _convert(value, [])


def _convert(value: object, above: list[int]) -> object:
    value = unwrap_scalar(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (Mapping, list, tuple)):
        if id(value) in above:
            raise ConversionError("the value contains itself")
        if len(above) > MAX_DEPTH:
            raise too_deep()
        above.append(id(value))
        try:
            return _mapping(value, above) if isinstance(value, Mapping) else _list(value, above)
        finally:
            above.pop()
    raise ConversionError(f"opaque JSON cannot represent {_kind(value)}{_hint(value)}")


def _mapping(value: Mapping[Any, object], above: list[int]) -> dict[str, object]:
    made: dict[str, object] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise ConversionError(f"a key of opaque JSON must be a string, got {key!r}")
        try:
            made[str.__str__(key)] = _convert(item, above)
        except ConversionError as error:
            raise error.under(MapKey(key)) from None
    return made


def _list(value: list[object] | tuple[object, ...], above: list[int]) -> list[object]:
    made: list[object] = []
    for index, item in enumerate(value):
        try:
            made.append(_convert(item, above))
        except ConversionError as error:
            raise error.under(index) from None
    return made


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def _hint(value: Any) -> str:
    if isinstance(value, (date, time)):
        # NaT, the missing time of pandas, does not equal itself.
        return "; use its isoformat()" if value == value else ""
    if _is_time_of_numpy(value):
        return "; use its str()"
    if hasattr(value, "tolist"):
        return "; use its tolist()"
    if isinstance(value, (set, frozenset)):
        return "; use a list"
    if isinstance(value, (bytes, bytearray)):
        return "; use base64 text"
    return ""
