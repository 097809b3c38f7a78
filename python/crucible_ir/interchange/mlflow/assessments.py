"""Assessments of traces, and feedback events."""

from __future__ import annotations

import json
from typing import Any, Final

from crucible_ir.interchange.mapping.conversion import DEFAULTED
from crucible_ir.interchange.mapping.converters import (
    TIME_TEXT,
    Rule,
    names,
    read_rules,
    write_rules,
)
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import same
from crucible_ir.interchange.mlflow.pairs import (
    NAME,
    OURS,
    id_of_content,
    kept_in,
    read_json,
    reason_against,
    reserve,
)
from crucible_ir.paths import MapKey

_RULES: Final = (
    Rule("assessment_name", "name", types=(str,)),
    Rule("trace_id", "trace_id", types=(str,)),
    Rule("create_time", "timestamp", TIME_TEXT, (str,)),
    Rule("rationale", "comment", types=(str,)),
    Rule("overrides", "supersedes", types=(str,)),
)
_SOURCES: Final = {"HUMAN": "human", "LLM_JUDGE": "model", "AI_JUDGE": "model", "CODE": "code"}
_SOURCE_TYPE: Final = Rule(
    "source_type", "source", names(_SOURCES, "names of sources differ"), (str,)
)
_SOURCE_RULES: Final = (_SOURCE_TYPE, Rule("source_id", "source_id", types=(str,)))

#: The keys of a trace.
_TRACE_KEYS: Final = frozenset({"trace_info", "spans", "info", "data"})

#: The fields for which an assessment has a place of its own.
_NATIVE: Final = {rule.field for rule in (*_RULES, *_SOURCE_RULES)} | {"feedback_value", "metadata"}


def read_trace(conversion: Import, trace: Source) -> None:
    """Import the assessments of a trace; the rest of the trace is kept with the first one."""
    info = trace.get("trace_info", dict) or trace.get("info", dict) or trace
    trace_id = info.member("trace_id")
    if trace_id is not None and not isinstance(trace_id.value, str):
        trace_id.drop("not text")
    events = [
        read_assessment(conversion, assessment, info) for assessment in info.items("assessments")
    ]
    if events:
        keep_trace(trace, events[0])
        return
    for key in list(trace.value):
        found = trace.member(key)
        if found is not None:
            found.drop("a trace without assessments has no document")


def keep_trace(trace: Source, event: Target) -> None:
    """Keep the rest of a trace with an event."""
    for key in set(trace.value) - _TRACE_KEYS:
        found = trace.member(key)
        if found is not None:
            found.drop(f'MLflow has no "{key}" here')
    event.keep_rest(trace)


def read_assessment(conversion: Import, assessment: Source, info: Source | None = None) -> Target:
    """Import an assessment as a feedback event."""
    if not isinstance(assessment.value, dict):
        raise assessment.fail("expected an object")
    event = conversion.document("FeedbackEvent")
    reserve(assessment, *sorted(_TRACE_KEYS))
    event.keep_rest(assessment)
    _read_fields(assessment, event)
    found = assessment.get("assessment_id", str)
    if not event.has("id") and found is not None and found.value:
        event.put("id", found.value, found)
    if not event.has("id"):
        reason = "the assessment has no id: one of its content"
        event.default("id", id_of_content(assessment.value), reason)
    read_rules(conversion, assessment, event, _RULES)
    if "trace_id" not in assessment.value and info is not None and info.text("trace_id"):
        event.value["trace_id"] = info.value["trace_id"]
    source = assessment.get("source", dict)
    if source is not None:
        read_rules(conversion, source, event, _SOURCE_RULES)
    _read_value(conversion, assessment, event)
    return event


def _read_fields(assessment: Source, event: Target) -> None:
    """Import the metadata that hold fields without a counterpart in MLflow."""
    for name, found in assessment.entries("metadata"):
        field = name.removeprefix(OURS)
        is_native = field in _NATIVE and field != _SOURCE_TYPE.field
        if name == field or is_native or not isinstance(found.value, str):
            continue
        value = read_json(found.value)
        key = field.removeprefix("metadata.")
        if key not in (field, NAME) and not reason_against(
            "FeedbackEvent", "metadata", {key: value}
        ):
            reason = "a key of metadata in JSON text"
            event.child("metadata").put(MapKey(key), value, found, reason=reason)
            continue
        if value in (None, []) or reason_against("FeedbackEvent", field, value):
            continue
        event.put(field, value, found, reason="a field in the JSON text of metadata")


def _read_value(conversion: Import, assessment: Source, event: Target) -> None:
    """Import the value of feedback or of an expectation, and the type that it implies."""
    kind = "expectation" if assessment.get("expectation", dict) is not None else "feedback"
    owner = assessment.get(kind, dict)
    value = owner.get("value") if owner is not None else None
    serialized = owner.get("serialized_value", dict) if owner is not None else None
    text = serialized.get("value", str) if serialized is not None else None
    if value is not None:
        event.put_opaque("feedback_value", value)
    elif text is not None and read_json(text.value) is not ...:
        found = read_json(text.value)
        if not reason_against("FeedbackEvent", "feedback_value", found):
            event.put("feedback_value", found, text, reason="the JSON text of a value")
            conversion.keep_original(text, "the JSON text of a value")
    if not event.has("feedback_type"):
        type_ = _type_of(kind, event.value.get("feedback_value"))
        if type_:
            event.value["feedback_type"] = type_
    if kind != _kind_of(event.value.get("feedback_type")):
        kept_in(event).value["kind"] = kind


def _type_of(kind: str, value: Any) -> str:
    if kind == "expectation":
        return "correction"
    if isinstance(value, (bool, str)):
        return "label"
    return "rating" if isinstance(value, (int, float)) else ""


def _kind_of(feedback_type: object) -> str:
    return "expectation" if feedback_type == "correction" else "feedback"


def write_assessment(conversion: Export) -> None:
    """Export a feedback event as an assessment."""
    source = conversion.source
    rest = source.rest()
    target = conversion.target.child("assessment")
    found = source.get("id", str)
    if found is not None and (rest is None or "assessment_id" not in rest.value):
        target.put("assessment_id", found.value, found)
    elif found is not None:
        _put_field(target, source, "id")
    write_rules(source, target, _RULES)
    if source.value.get("source", "human") in _SOURCES.values():
        write_rules(source, target.child("source"), _SOURCE_RULES)
    else:
        _put_field(target, source, "source")
        write_rules(source, target.child("source"), _SOURCE_RULES[1:])
    kind = _write_value(source, rest, target)
    implied = {*_NATIVE, "id"}
    type_ = source.get("feedback_type", str)
    value = source.value.get("feedback_value")
    if type_ is not None and type_.value == _type_of(kind, value):
        type_.implied_by((*target.path, kind))
        implied.add("feedback_type")
    for field in source.value:
        if field not in implied:
            _put_field(target, source, field)
    metadata = source.get("metadata", dict)
    for key in metadata.value if metadata is not None else ():
        item = metadata.member(key) if metadata is not None and key != NAME else None
        if item is not None:
            name = f"{OURS}metadata.{key}"
            reason = "MLflow's metadata are texts"
            target.child("metadata").put(
                MapKey(name), json.dumps(item.value, ensure_ascii=False), item, reason=reason
            )
    if rest is None:
        return
    own = _TRACE_KEYS & set(rest.value)
    if own:
        conversion.target.child("trace").restore(rest, without=set(rest.value) - own)
    target.restore(rest, without={*own, "kind", DEFAULTED})


def _put_field(target: Target, source: Source, field: str) -> None:
    found = source.get(field)
    if found is not None:
        text = json.dumps(found.value, ensure_ascii=False)
        reason = "an assessment has no place for the field"
        target.child("metadata").put(MapKey(f"{OURS}{field}"), text, found, reason=reason)


def _write_value(source: Source, rest: Source | None, target: Target) -> str:
    """Write the value; return whether it is feedback or an expectation."""
    marked = rest.get("kind", str) if rest is not None else None
    kind = _kind_of(source.value.get("feedback_type"))
    if marked is not None and marked.value in ("feedback", "expectation"):
        marked.use(Outcome.CONVERTED, reason="the kind of assessment")
        kind = str(marked.value)
    found = source.get("feedback_value")
    if found is None:
        return kind
    owner = target.child(kind)
    kept = rest.get(kind, dict) if rest is not None else None
    serialized = kept.get("serialized_value", dict) if kept is not None else None
    text = serialized.get("value", str) if serialized is not None else None
    if text is not None and same(read_json(text.value), found.value):
        place = owner.child("serialized_value")
        place.put("value", text.value, found, reason="the JSON text of a value")
        text.use(Outcome.OPAQUE, (*place.path, "value"))
    else:
        owner.put_opaque("value", found)
    return kind
