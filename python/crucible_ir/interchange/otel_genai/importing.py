"""The import of records of OTLP: the spans and the events in them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from crucible_ir.interchange.mapping.converters import read_rules
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.otel_genai import conventions as names
from crucible_ir.interchange.otel_genai.items import Item, Operation
from crucible_ir.interchange.otel_genai.operations import (
    keep_around,
    kept_of,
    put_id,
    read_operation,
)
from crucible_ir.interchange.otel_genai.tables import FEEDBACK_RULES, RECORD_RULES

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.importing import Import
    from crucible_ir.interchange.mapping.patterns import Path
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

_NOT_OURS: Final = "not a span or an event of the conventions for generative AI"
_NOT_INFERENCE: Final = "not a call of a model: its span or event has no prompt and no answer"
_NO_IDS: Final = "the event of a message has no ids of a trace and a span"
_FAILED: Final = "the span of the event has an error"

#: The keys of attributes that only the span of a call of a model has.
_CALL_KEYS: Final = (
    *(names.REQUEST_MODEL, names.INPUT, names.OUTPUT, names.OLD_INPUT, names.OLD_OUTPUT),
    *("gen_ai.response.model", "gen_ai.response.id"),
)


def import_record(conversion: Import) -> None:
    """Import one record, or several that belong together."""
    source = conversion.source
    is_joined = bool(source.value) and all(isinstance(key, int) for key in source.value)
    records = [source.get(key, dict) for key in source.value] if is_joined else [source]
    items = [item for record in records if record is not None for item in _items(record)]
    failed: set[Path] = set()
    for operation in _operations(conversion, items, failed):
        read_operation(conversion, operation)
    for item in items:
        if item.is_event and item.name == names.EVALUATION:
            if item.span is None or item.span.path not in failed:
                _read_feedback(conversion, item)
        elif item.is_event and item.span is None and item.name not in names.SPAN_EVENTS:
            item.source.drop(_NOT_OURS)


def _items(record: Source) -> Iterator[Item]:
    """Yield the spans and events of a record."""
    found = False
    for kind, scopes, leaves in (
        ("resourceSpans", "scopeSpans", "spans"),
        ("resourceLogs", "scopeLogs", "logRecords"),
    ):
        if record.get(kind, list) is None:
            continue
        found = True
        for resource in record.items(kind):
            for scope in resource.items(scopes):
                for leaf in scope.items(leaves):
                    if isinstance(leaf.value, dict):
                        yield from _with_events(
                            Item(
                                leaf,
                                kind == "resourceLogs",
                                resource.get("resource", dict),
                                resource.get("schemaUrl", str),
                                scope.get("scope", dict),
                                scope.get("schemaUrl", str),
                            )
                        )
    if found:
        return
    single = Item(record, False, record.get("resource", dict))
    if single.name or record.get("body") is not None:
        yield single._replace(is_event=True)
    elif "attributes" in record.value:
        yield from _with_events(single)
    else:
        raise record.fail("expected resourceSpans, resourceLogs, a span or an event")


def _with_events(item: Item) -> Iterator[Item]:
    yield item
    if not item.is_event:
        for event in item.source.items("events"):
            if isinstance(event.value, dict):
                yield item._replace(source=event, is_event=True, span=item.source)


def _operations(conversion: Import, items: list[Item], failed: set[Path]) -> list[Operation]:
    """Return the calls of models, and leave out those that failed."""
    evaluated = {
        item.span.path for item in items if item.span is not None and item.name == names.EVALUATION
    }
    by_key: dict[tuple[str, str] | None, list[Item]] = {}
    for item in items:
        if item.is_event and item.name in names.SPAN_EVENTS:
            key = item.key
            if key is None and item.span is None:
                if item.name != names.DETAILS:
                    conversion.report_error(item.source, _NO_IDS)
                    continue
                key = ("", repr(item.source.path))
            by_key.setdefault(key if item.span is None else _own_key(item.span), []).append(item)
    operations: list[Operation] = []
    for item in items:
        if item.is_event:
            continue
        events = by_key.pop(item.key, []) if item.key is not None else []
        events += by_key.pop(_own_key(item.source), [])
        if not events and not _is_call(item):
            if item.source.path not in evaluated:
                item.source.drop(_NOT_INFERENCE if _is_ours(item) else _NOT_OURS)
        elif (error := _error(item)) is not None:
            failed.add(item.source.path)
            conversion.report_error(item.source, error)
            for event in events:
                event.source.drop(_FAILED)
        else:
            operations.append(Operation(item, _in_order(events)))
    for events in by_key.values():
        bad = next((event for event in events if _error(event) is not None), None)
        if bad is None:
            operations.append(Operation(None, _in_order(events)))
            continue
        conversion.report_error(bad.source, _error(bad) or "")
        for event in events:
            event.source.drop(_FAILED)
    return operations


def _own_key(span: Source) -> tuple[str, str]:
    return ("span", repr(span.path))


def _is_ours(item: Item) -> bool:
    return any(key.startswith("gen_ai.") for key in item.attributes)


def _is_call(item: Item) -> bool:
    found = item.attributes.get(names.OPERATION)
    operation = found if isinstance(found, str) else ""
    if operation in names.INFERENCE:
        return True
    if operation in names.OTHER_OPERATIONS:
        return False
    return any(key in item.attributes for key in _CALL_KEYS)


def _error(item: Item) -> str | None:
    """Return the type and the description of the error of an operation, if it has one."""
    status = item.source.value.get("status")
    code = status.get("code", status.get("status_code")) if isinstance(status, dict) else None
    type_ = item.attributes.get(names.ERROR_TYPE)
    if code not in (2, "2", "STATUS_CODE_ERROR", "ERROR") and not isinstance(type_, str):
        return None
    text = status.get("message", status.get("description")) if isinstance(status, dict) else None
    parts = [part for part in (type_, text) if isinstance(part, str) and part]
    return ": ".join(["the operation failed", *parts])


def _in_order(events: list[Item]) -> list[Item]:
    """Return the events of an operation by the time at which they happened."""
    return sorted(events, key=_time)


def _time(item: Item) -> int:
    for key in ("timeUnixNano", "observedTimeUnixNano"):
        value = item.source.value.get(key)
        if isinstance(value, (int, str)) and str(value).isdecimal() and int(value):
            return int(value)
    return 0


def _read_feedback(conversion: Import, item: Item) -> None:
    """Import the evaluation of an answer."""
    feedback = conversion.document("FeedbackEvent")
    feedback.keep_rest(item.source)
    feedback.mark()
    keep_around(item, [feedback])
    event_name = item.source.get("name" if item.span is not None else "eventName", str)
    if event_name is not None:
        event_name.implied_by(feedback)
    attributes = item.source.get("attributes", dict)
    if attributes is not None:
        old_name = attributes.get(names.OLD_EVENT_NAME, str)
        if old_name is not None and event_name is None:
            old_name.use(Outcome.CONVERTED, feedback.path, reason="the name is a field now")
        read_rules(conversion, attributes, feedback, FEEDBACK_RULES)
        _read_score(attributes, feedback)
    if item.span is None:
        read_rules(conversion, item.source, feedback, RECORD_RULES)
    else:
        item.source.rewritten("the event is a log record now")
        read_rules(conversion, item.source, feedback, RECORD_RULES[:1])
    trace, span = item.id_of("traceId"), item.id_of("spanId")
    if trace is not None:
        put_id(feedback, "trace_id", trace, 32)
    if span is not None:
        put_id(kept_of(feedback), "spanId", span, 16)
    if not feedback.has("id"):
        conversion.derive_id(feedback, "id")


def _read_score(attributes: Source, feedback: Target) -> None:
    """Import the value of an evaluation; a label beside it is kept as it is."""
    if attributes.get(names.ERROR_TYPE, str) is not None:
        return
    score = attributes.get(names.SCORE_VALUE, float)
    label = attributes.get(names.SCORE_LABEL, str)
    if score is not None and math.isfinite(score.value):
        feedback.put("feedback_value", score.value, score)
        feedback.value["feedback_type"] = "rating"
    elif score is None and label is not None:
        feedback.put("feedback_value", label.value, label)
        feedback.value["feedback_type"] = "label"
