"""Langfuse: scores of traces, observations and sessions.

A record is one score, as the versions 1, 2 and 3 of the API return it or as it is sent to the API;
a page of scores (``{"data": [...], "meta": {...}}``) has a record for each. Numbers become ratings,
booleans, categories and texts become labels, corrections stay corrections. Scores of annotators are
those of people, scores of evaluators those of models, and scores that were sent to the API those of
programs. A score that was not imported is written as the API takes it: a boolean as 1 or 0, a text
under ``value``.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from crucible_ir.interchange.mapping.converters import (
    TIME_TEXT,
    Rule,
    double,
    is_id,
    names,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import same, unicode_text

_SOURCES: Final = {"ANNOTATION": "human", "EVAL": "model", "API": "code"}

_RULES: Final = (
    Rule("name", types=(str,)),
    Rule("traceId", "trace_id", types=(str,)),
    Rule("sessionId", "session_id", types=(str,)),
    Rule("timestamp", converter=TIME_TEXT, types=(str,)),
    Rule("comment", types=(str,)),
    Rule("source", converter=names(_SOURCES, "names of sources differ"), types=(str,)),
    Rule("authorUserId", "source_id", types=(str,)),
)

#: What the subject of a score of version 3 says, by its kind.
_SUBJECTS: Final = {
    "trace": Rule("id", "trace_id", types=(str,)),
    "session": Rule("id", "session_id", types=(str,)),
    "observation": Rule("traceId", "trace_id", types=(str,)),
}

_TYPES: Final = {
    "NUMERIC": "rating",
    "BOOLEAN": "label",
    "CATEGORICAL": "label",
    "TEXT": "label",
    "CORRECTION": "correction",
}

#: The keys that have the value of a score.
_VALUE_KEYS: Final = ("dataType", "value", "stringValue")


class _Value(NamedTuple):
    """The value of a score as feedback, and its key in the score."""

    type: str
    value: Any = None
    key: str = ""

    def is_same(self, other: _Value) -> bool:
        return self.type == other.type and same(self.value, other.value)


def _read_value(score: dict[str, Any]) -> _Value:
    """Return the value of a score; versions 1 and 2 have texts under a key of their own."""
    kind, value, text = (score.get(key) for key in _VALUE_KEYS)
    type_ = _TYPES.get(kind, "") if isinstance(kind, str) else ""
    number = double(value)
    is_finite = number is not None and abs(number) < float("inf")
    if kind == "NUMERIC":
        return _Value(type_, value, "value") if is_finite else _Value(type_)
    if kind == "BOOLEAN":
        if isinstance(value, bool) or number in (0.0, 1.0):
            return _Value(type_, bool(value), "value")
        is_spelled = text in ("True", "False")
        return _Value(type_, text == "True", "stringValue") if is_spelled else _Value(type_)
    if isinstance(text, str):
        return _Value(type_ or "label", text, "stringValue")
    if isinstance(value, str) or (isinstance(value, bool) and not type_):
        return _Value(type_ or "label", value, "value")
    # The API infers the type of a score that was sent without one.
    return _Value("rating", value, "value") if is_finite and not type_ else _Value(type_)


def _write_value(type_: object, value: object) -> dict[str, Any]:
    """Return the keys of a score for the value of feedback; none if a score cannot have it."""
    if isinstance(value, bool):
        return {"dataType": "BOOLEAN", "value": int(value)}
    if isinstance(value, str):
        kind = "CORRECTION" if type_ == "correction" else "CATEGORICAL"
        return {"dataType": kind, "value": value}
    number = double(value)
    is_finite = number is not None and abs(number) < float("inf")
    return {"dataType": "NUMERIC", "value": value} if is_finite else {}


def _import(conversion: Import) -> None:
    source = conversion.source
    if not any(key in source.value for key in _VALUE_KEYS):
        message = source.text("message")
        found = f', got the message "{message:.200}"' if message else ""
        keys = ", ".join(_VALUE_KEYS)
        raise source.fail(f"expected a score, with some of the keys {keys}{found}")
    # The name beside the value is that of a criterion, and never that of a secret.
    source.without(("value",)).drop_secrets()
    event = conversion.document("FeedbackEvent")
    event.keep_rest(source)
    name = source.get("id", str)
    if name is not None and is_id(name.value):
        event.put("id", name.value, name)
    else:
        conversion.derive_id(event, "id")
    subject = source.get("subject", dict)
    rule = _SUBJECTS.get(subject.text("kind") or "") if subject is not None else None
    if subject is not None and rule is not None:
        read_rules(conversion, subject, event, (rule,))
        place = subject.get(rule.theirs, str)
        if place is not None:
            conversion.keep_original(place, "the subject of the score")
    read_rules(conversion, source, event, _RULES)
    _import_value(conversion, source, event)
    for key, value in source.entries("metadata"):
        if key != conversion.format and unicode_text(key) is key and not value.is_used:
            # Without the secrets inside.
            event.child("metadata").put_rest(key, value, Outcome.RENAMED)


def _import_value(conversion: Import, source: Source, event: Target) -> None:
    found = _read_value(source.value)
    kind = source.get("dataType", str)
    if kind is not None and kind.value in _TYPES:
        event.put("feedback_type", found.type, kind, reason="names of types differ")
    elif found.type:
        event.value["feedback_type"] = found.type
    value = source.get(found.key) if found.key else None
    if value is not None:
        event.put("feedback_value", found.value, value, reason="a boolean as a number or text")
    written = _write_value(found.type, found.value)
    if not same(written, {key: source.value[key] for key in _VALUE_KEYS if key in source.value}):
        for key in _VALUE_KEYS:
            original = source.get(key)
            if original is not None and original.is_used:
                conversion.keep_original(original, "the score has its value in another way")


def _export(conversion: Export) -> None:
    source, target, rest = conversion.source, conversion.target, conversion.source.rest()
    write_rules(source, target, (Rule("id"),))
    skipped = set() if source.value.get("source") in _SOURCES.values() else {"source"}
    subject = rest.get("subject", dict) if rest is not None else None
    rule = _SUBJECTS.get(subject.text("kind") or "") if subject is not None else None
    place = subject.get(rule.theirs, str) if subject is not None and rule is not None else None
    if place is not None and rule is not None:
        write_rules(source, target.child("subject"), (rule,))
        skipped.add(rule.field)
        if source.get(rule.field) is None:
            place.drop("the event does not have the id any more")
            target.child("subject").restore(subject)
    write_rules(source, target, [each for each in _RULES if each.field not in skipped])
    _export_value(source, target, rest)
    metadata = source.get("metadata", dict)
    for key, value in metadata.fields() if metadata is not None else ():
        if key != conversion.format:
            target.child("metadata").put(key, value.value, value)
    target.restore(rest)


def _export_value(source: Source, target: Target, rest: Source | None) -> None:
    """Write the value as the score had it, unless it has changed since."""
    event = _Value(source.value.get("feedback_type") or "", source.value.get("feedback_value"))
    kept = {key: rest.value[key] for key in _VALUE_KEYS if rest is not None and key in rest.value}
    written = kept
    if not kept or not _read_value(kept).is_same(event):
        written = _write_value(event.type, event.value)
        for key in kept:
            original = rest.member(key) if rest is not None else None
            if original is not None:
                original.drop("the value has changed since")
    found = _read_value(written)
    value, type_ = source.get("feedback_value"), source.get("feedback_type", str)
    if value is not None and found.key:
        target.put(found.key, written[found.key], value, reason="a boolean as a number or text")
    if type_ is not None and type_.value == found.type:
        place = "dataType" if "dataType" in written else found.key
        type_.implied_by((place,))
        if "dataType" in written:
            target.value["dataType"] = written["dataType"]
    elif "dataType" in written:
        target.derive("dataType", written["dataType"], "the type of the value")


def _unfold(value: Any) -> list[Any] | None:
    """Return the scores of a page."""
    found = value.get("data") if isinstance(value, dict) else None
    return found if isinstance(found, list) else None


FORMAT = Format(
    "langfuse",
    "Langfuse",
    "Scores of traces, observations and sessions, as FeedbackEvents.",
    _import,
    {"FeedbackEvent": _export},
    unfold=_unfold,
)
import_ = FORMAT.import_
export = FORMAT.export
