"""OTLP's encoding of JSON values: attributes as lists of keys with typed values.

The names of OTLP's own fields may be written in either of ProtoJSON's ways, and 64-bit integers as
numbers or text. Attributes may also be an object, as programs other than OTLP's write them.
"""

from __future__ import annotations

import math
from typing import Any, Final

from crucible_ir.errors import DecodeError
from crucible_ir.interchange.mapping.decoded import Beside, Decoded
from crucible_ir.interchange.mapping.patterns import Path
from crucible_ir.interchange.mapping.reading import parse_foreign_json
from crucible_ir.interchange.mapping.values import same
from crucible_ir.interchange.otel_genai.conventions import (
    DOUBLES,
    OLD_BODY,
    RENAMED,
    STRUCTURED,
)
from crucible_ir.serialization.json.opaque import MAX_EXACT_INTEGER

#: The fields of OTLP around attributes, and the type of what is in them.
_FIELDS: Final = {
    "resourceSpans": list,
    "resourceLogs": list,
    "scopeSpans": list,
    "scopeLogs": list,
    "spans": list,
    "logRecords": list,
    "events": list,
    "links": list,
    "resource": dict,
    "scope": dict,
    "status": dict,
}

#: The other fields of OTLP whose ProtoJSON name differs from the one in the .proto files.
_NAMES: Final = (
    *("traceId", "spanId", "parentSpanId", "traceState", "startTimeUnixNano", "endTimeUnixNano"),
    *("timeUnixNano", "observedTimeUnixNano", "eventName", "schemaUrl", "severityNumber"),
    *("severityText", "droppedAttributesCount", "droppedEventsCount", "droppedLinksCount"),
)

#: The members of OTLP's AnyValue.
_VALUES: Final = (
    *("stringValue", "boolValue", "intValue", "doubleValue"),
    *("arrayValue", "kvlistValue", "bytesValue"),
)


def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)


_SNAKE_NAMES: Final = {
    _snake(name): name for name in (*_FIELDS, *_NAMES, *_VALUES) if _snake(name) != name
}

_NUMBERS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

#: The most levels of values in an attribute.
_MAX_LEVELS: Final = 100

_OTHER_ENCODING = "OTLP's usual encoding is another one"


class _NotAValueError(ValueError):
    """A value is not one of OTLP's AnyValue."""


def decode(record: Any) -> Decoded:
    """Decode the attributes and bodies in a record, or in records joined by their numbers."""
    result = Decoded()
    if record and all(isinstance(key, int) for key in record):
        result.value = {
            key: _object(result, item, (key,), (key,)) if isinstance(item, dict) else item
            for key, item in record.items()
        }
    else:
        result.value = _object(result, record, (), ())
    return result


def _object(result: Decoded, value: dict[str, Any], path: Path, place: Path) -> dict[str, Any]:
    """Decode an object of OTLP; only values that have another path are given a place."""
    decoded: dict[str, Any] = {}
    for key, item in value.items():
        name = _SNAKE_NAMES.get(key, key)
        if name in value or name in decoded:
            name = key
        at, at_place = (*path, name), (*place, key)
        if at != at_place:
            result.places[at] = at_place
        if name == "attributes" and isinstance(item, (list, dict)):
            decoded[name] = _attributes(result, item, at, at_place)
        elif name == "body" and isinstance(item, dict):
            decoded[name] = _value(result, item, at, at_place, name)
        elif name in _FIELDS and isinstance(item, _FIELDS[name]):
            decoded[name] = _field(result, item, at, at_place)
        else:
            decoded[name] = item
    return decoded


def _field(result: Decoded, value: Any, path: Path, place: Path) -> Any:
    if isinstance(value, dict):
        return _object(result, value, path, place)
    return [
        _object(result, item, (*path, index), (*place, index)) if isinstance(item, dict) else item
        for index, item in enumerate(value)
    ]


def _attributes(result: Decoded, value: Any, path: Path, place: Path) -> dict[str, Any]:
    """Decode attributes to an object with the pinned names."""
    decoded: dict[str, Any] = {}
    for key, item, item_place, key_place in _pairs(result, value, place):
        name = RENAMED.get(key, key)
        if name in decoded or (name != key and any(each[0] == name for each in _keys(value))):
            name = key
        at = (*path, name)
        if name != key:
            result.rewritten[at] = f"the attribute's name is {name} now"
        if key_place is None:
            decoded[name] = item
            if at != item_place:
                result.places[at] = item_place
        else:
            if key_place != item_place:
                result.beside[at] = [Beside(key_place, key, result.rewritten.get(at, ""))]
            decoded[name] = _value(result, item, at, item_place, name)
        decoded[name] = _parse_text(result, decoded[name], at, name)
    return decoded


def _keys(value: Any) -> list[tuple[Any]]:
    if isinstance(value, dict):
        return [(key,) for key in value]
    return [(item.get("key"),) for item in value if isinstance(item, dict)]


def _pairs(result: Decoded, value: Any, place: Path) -> list[tuple[str, Any, Path, Path | None]]:
    """Return the keys and values of attributes, with their places."""
    if isinstance(value, dict):
        return [(key, item, (*place, key), None) for key, item in value.items()]
    pairs: list[tuple[str, Any, Path, Path | None]] = []
    seen: set[str] = set()
    for index, item in enumerate(value):
        at = (*place, index)
        is_pair = isinstance(item, dict) and isinstance(item.get("key"), str)
        if not is_pair or not item.keys() <= {"key", "value"} or item["key"] in seen:
            reason = "the key is there twice" if is_pair else "not an attribute"
            result.unread.append(Beside(at, item, reason))
            continue
        seen.add(item["key"])
        value_place = (*at, "value") if "value" in item else (*at, "key")
        pairs.append((item["key"], item.get("value"), value_place, (*at, "key")))
    return pairs


def _value(result: Decoded, value: Any, path: Path, place: Path, name: str) -> Any:
    """Decode an AnyValue."""
    part = Decoded()
    try:
        decoded = _any_value(part, value, path, place, 0)
    except _NotAValueError as error:
        result.places[path] = place
        result.rewritten[path] = str(error)
        return value
    result.places.update(part.places)
    result.beside.update(part.beside)
    result.unread += part.unread
    if not _same_encoding(encode_value(decoded, is_double=name in DOUBLES), value):
        result.rewritten.setdefault(path, _OTHER_ENCODING)
    return decoded


def _any_value(result: Decoded, value: Any, path: Path, place: Path, level: int) -> Any:
    if value is None or value == {}:
        result.places[path] = place
        return None
    if not isinstance(value, dict) or len(value) != 1 or level > _MAX_LEVELS:
        raise _NotAValueError("not a value of OTLP")
    [(key, item)] = value.items()
    at = (*place, key)
    result.places[path] = at
    kind = _SNAKE_NAMES.get(key, key)
    if kind in ("stringValue", "bytesValue") and isinstance(item, str):
        return item
    if kind == "boolValue" and isinstance(item, bool):
        return item
    if kind == "intValue":
        return _integer(item)
    if kind == "doubleValue":
        return _double(item)
    if kind == "arrayValue" and isinstance(item, dict) and item.keys() <= {"values"}:
        return _array(result, item, path, at, level)
    if kind == "kvlistValue" and isinstance(item, dict) and item.keys() <= {"values"}:
        return _object_value(result, item, path, at, level)
    raise _NotAValueError("not a value of OTLP")


def _array(result: Decoded, value: dict[str, Any], path: Path, place: Path, level: int) -> Any:
    items = value.get("values", [])
    if not isinstance(items, list):
        raise _NotAValueError("not a list of OTLP")
    if not items:
        result.places[path] = (*place, *value)
        return []
    decoded = []
    for index, item in enumerate(items):
        at = (*place, "values", index)
        decoded.append(_any_value(result, item, (*path, index), at, level + 1))
    return decoded


def _object_value(
    result: Decoded, value: dict[str, Any], path: Path, place: Path, level: int
) -> Any:
    items = value.get("values", [])
    if not isinstance(items, list):
        raise _NotAValueError("not an object of OTLP")
    if not items:
        result.places[path] = (*place, *value)
        return {}
    decoded: dict[str, Any] = {}
    for key, item, item_place, key_place in _pairs(result, items, (*place, "values")):
        at = (*path, key)
        if key_place is not None and key_place != item_place:
            result.beside[at] = [Beside(key_place, key)]
        decoded[key] = _any_value(result, item, at, item_place, level + 1)
    return decoded


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise _NotAValueError("not an integer of OTLP")
    try:
        number = int(value)
    except ValueError:
        raise _NotAValueError("not an integer of OTLP") from None
    if not -(2**63) <= number < 2**63:
        raise _NotAValueError("not a 64-bit integer")
    return number


def _double(value: Any) -> float:
    if isinstance(value, str) and value in _NUMBERS:
        return _NUMBERS[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _NotAValueError("not a double of OTLP")
    return float(value)


def _parse_text(result: Decoded, value: Any, path: Path, name: str) -> Any:
    """Parse the JSON text of an attribute that is JSON."""
    if name not in STRUCTURED or not isinstance(value, str):
        return value
    try:
        parsed = parse_foreign_json(value)
    except DecodeError:
        return value
    if not parsed or not _is_structured(parsed, name):
        return value
    reason = "JSON text, whose values are read"
    result.beside.setdefault(path, []).append(Beside(result.place(path), value, reason))
    return parsed


def _is_structured(value: Any, name: str) -> bool:
    """Return whether a value is a list of objects, or the object of an event's body."""
    if name == OLD_BODY:
        return isinstance(value, dict)
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _same_encoding(ours: Any, theirs: Any) -> bool:
    """Return whether two encoded values are equal; the order of keys has no meaning."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(
            _same_encoding(ours[key], theirs[key]) for key in ours
        )
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        if all(isinstance(item, dict) and "key" in item for item in (*ours, *theirs)):
            ours = sorted(ours, key=lambda item: str(item["key"]))
            theirs = sorted(theirs, key=lambda item: str(item["key"]))
        return all(map(_same_encoding, ours, theirs))
    return same(ours, theirs) and _sign(ours) == _sign(theirs)


def _sign(value: Any) -> float:
    return math.copysign(1.0, value) if isinstance(value, float) else 1.0


def encode(value: Any) -> Any:
    """Encode the attributes and bodies of an object of OTLP.

    >>> encode({"spans": [{"attributes": {"gen_ai.request.seed": 7}}]})
    {'spans': [{'attributes': [{'key': 'gen_ai.request.seed', 'value': {'intValue': '7'}}]}]}
    """
    if isinstance(value, list):
        return [encode(item) for item in value]
    if not isinstance(value, dict):
        return value
    encoded: dict[str, Any] = {}
    for key, item in value.items():
        if key == "attributes" and isinstance(item, dict):
            encoded[key] = [
                {"key": name, "value": encode_value(each, is_double=name in DOUBLES)}
                for name, each in item.items()
            ]
        elif key == "body":
            encoded[key] = encode_value(item)
        elif key in _FIELDS:
            encoded[key] = encode(item)
        else:
            encoded[key] = item
    return encoded


def encode_value(value: Any, *, is_double: bool = False) -> dict[str, Any]:
    """Encode a value as an AnyValue of OTLP.

    Args:
        value: The value.
        is_double: Whether numbers are doubles, whole ones too.

    >>> encode_value({"a": [1, 2.5]})["kvlistValue"]["values"][0]["value"]
    {'arrayValue': {'values': [{'intValue': '1'}, {'doubleValue': 2.5}]}}
    """
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, (int, float)):
        return _encode_number(value, is_double)
    if isinstance(value, list):
        items = [encode_value(item) for item in value]
        return {"arrayValue": {"values": items} if items else {}}
    pairs = [{"key": key, "value": encode_value(item)} for key, item in value.items()]
    return {"kvlistValue": {"values": pairs} if pairs else {}}


def _encode_number(value: float, is_double: bool) -> dict[str, Any]:
    if isinstance(value, int) and not is_double and -(2**63) <= value < 2**63:
        return {"intValue": str(value)}
    number = float(value)
    if not math.isfinite(number):
        return {"doubleValue": str(number).replace("inf", "Infinity").replace("nan", "NaN")}
    if is_double or not number.is_integer() or abs(number) > MAX_EXACT_INTEGER:
        return {"doubleValue": number}
    if number == 0 and math.copysign(1.0, number) < 0:
        return {"doubleValue": number}
    return {"intValue": str(int(number))}
