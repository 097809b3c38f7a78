"""The export of prompts and completions as spans, and of feedback as events."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.interchange.chat.parts import part_sources, take_mark
from crucible_ir.interchange.chat.tools import kind_of, use_kind, write_function
from crucible_ir.interchange.mapping.converters import (
    NoConversionError,
    Rule,
    read_time,
    write_rules,
)
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.otel_genai import conventions as names
from crucible_ir.interchange.otel_genai.messages import write_message, write_part
from crucible_ir.interchange.otel_genai.operations import (
    INSTRUCTIONS_MARK,
    NO_REASON,
    canonical,
    hex_of,
    milliseconds,
    usual_name,
)
from crucible_ir.interchange.otel_genai.tables import (
    FEEDBACK_RULES,
    FINISH_REASONS,
    NANOSECONDS,
    RECORD_RULES,
    REQUEST_RULES,
    RESPONSE_RULES,
    USAGE_RULES,
    WRITTEN_REASONS,
)

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.exporting import Export
    from crucible_ir.interchange.mapping.patterns import Path
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

_NO_TIME: Final = "1"
_TIME_REASON: Final = "OTLP demands a time, and none is known"
_LATENCY: Final = "the time between start and end"
_REASONS: Final = "names of finish reasons differ"
_ID_REASON: Final = "OTLP's ids are hexadecimal"


class _Envelope:
    """The resource, the scope and the span or log record of an export."""

    def __init__(self, conversion: Export, kind: str) -> None:
        self.conversion = conversion
        self.source = conversion.source
        self.rest = conversion.source.rest()
        scopes, leaves = {
            "resourceSpans": ("scopeSpans", "spans"),
            "resourceLogs": ("scopeLogs", "logRecords"),
        }[kind]
        resource = conversion.target.append(kind)
        scope = resource.append(scopes)
        for key, owner in (("resource", resource), ("scope", scope)):
            found = self.kept(key, dict)
            if found is not None:
                owner.put(key, found.value, found)
        schema = self.kept("resourceSchemaUrl", str)
        if schema is not None:
            resource.put("schemaUrl", schema.value, schema)
        self.item = scope.append(leaves)
        scope.value["schemaUrl"] = names.SCHEMA_URL
        self.attributes = self.item.child("attributes")

    def kept(self, key: str, *types: type) -> Source | None:
        """Return what an import kept."""
        return self.rest.get(key, *types) if self.rest is not None else None

    def has_kept(self, key: str) -> bool:
        return self.rest is not None and key in self.rest.value

    def kept_attribute(self, key: str) -> Any:
        attributes = self.kept("attributes", dict)
        return attributes.value.get(key) if attributes is not None else None

    def has_kept_attribute(self, key: str) -> bool:
        attributes = self.kept("attributes", dict)
        return attributes is not None and key in attributes.value

    def write_ids(self) -> None:
        """Write the ids of the trace and the span, which OTLP demands."""
        trace = self.source.get("trace_id", str)
        identity = _identity(self.source)
        seed = str(identity.value) if identity is not None else ""
        if not seed:
            seed = canonical(self.source.value)
        if trace is not None and trace.value:
            write_trace(trace, self.item)
        else:
            reason = "OTLP demands an id of a trace"
            self.item.derive("traceId", hex_of(f"{seed} trace", 32), reason)
        span = self.kept("spanId", str)
        if span is not None and _is_hex(span.value, 16):
            self.item.put("spanId", span.value, span)
        elif not self.has_kept("spanId"):
            self.item.derive("spanId", hex_of(f"{seed} span", 16), "OTLP demands an id of a span")
        if identity is not None:
            identity.use(
                Outcome.DROPPED, reason="a span has no id of a request: its own id derives from it"
            )

    def write_name(self, model: str) -> None:
        """Write the name, the kind and the operation of a span."""
        operation = self.kept_attribute(names.OPERATION)
        if not self.has_kept_attribute(names.OPERATION):
            self.attributes.value[names.OPERATION] = names.USUAL_OPERATION
        if not self.has_kept("name"):
            text = operation if isinstance(operation, str) else ""
            self.item.value["name"] = usual_name(text, model)
        if not self.has_kept("kind"):
            self.item.value["kind"] = 3

    def finish(self) -> None:
        """Put back what an import kept."""
        if not self.attributes.value:
            del self.item.value["attributes"]
        self.item.restore(self.rest)


def _identity(source: Source) -> Source | None:
    """Return the id of a request, or else of a response; also one that the import derived."""
    return source.get("request_id", str)


def _is_hex(text: str, digits: int) -> bool:
    return re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", text) is not None and bool(text.strip("0"))


def write_trace(trace: Source, target: Target) -> None:
    """Write the id of a trace."""
    value = trace.value if _is_hex(trace.value, 32) else hex_of(trace.value, 32)
    target.put("traceId", value, trace, reason=_ID_REASON)


def export_prompt(conversion: Export) -> None:
    """Export a prompt as a span."""
    source = conversion.source
    envelope = _Envelope(conversion, "resourceSpans")
    options = source.get("options", dict)
    if options is not None:
        write_rules(options, envelope.attributes, REQUEST_RULES)
    model = options.text("model") if options is not None else None
    _write_instructions(source, envelope.attributes)
    messages = [each for each in source.items("messages") if not _is_instructions(each)]
    for message in messages:
        write_message(message, envelope.attributes.append(names.INPUT))
    for tool in source.items("tools"):
        _write_tool(tool, envelope.attributes.append(names.TOOLS))
    envelope.write_ids()
    envelope.write_name(model or "")
    if not envelope.has_kept("startTimeUnixNano") and not envelope.has_kept("endTimeUnixNano"):
        for key in ("startTimeUnixNano", "endTimeUnixNano"):
            envelope.item.default(key, _NO_TIME, _TIME_REASON)
    envelope.finish()


def _is_instructions(message: Source) -> bool:
    rest = message.rest()
    return rest is not None and INSTRUCTIONS_MARK in rest.value


def _write_instructions(source: Source, attributes: Target) -> None:
    system = source.get("system", str)
    if system is not None:
        part = attributes.append(names.INSTRUCTIONS)
        part.value["type"] = "text"
        part.put("content", system.value, system)
    for message in source.items("messages"):
        if not _is_instructions(message):
            continue
        role = message.get("role", str)
        if role is not None:
            role.implied_by((*attributes.path, names.INSTRUCTIONS))
        take_mark(message.rest(), INSTRUCTIONS_MARK)
        text = message.get("text", str)
        if text is not None:
            part = attributes.append(names.INSTRUCTIONS)
            part.value["type"] = "text"
            part.put("content", text.value, text)
        for content in part_sources(message):
            write_part(content, attributes.append(names.INSTRUCTIONS))


def _write_tool(tool: Source, target: Target) -> None:
    if tool.get("kind", str) is not None or tool.get("type", str) is not None:
        target.value["type"] = kind_of(tool)
        use_kind(tool, target)
    write_function(tool, target)
    target.restore(tool.rest())


def export_completion(conversion: Export) -> None:
    """Export a completion as a span."""
    source = conversion.source
    envelope = _Envelope(conversion, "resourceSpans")
    attributes = envelope.attributes
    write_rules(source, attributes, RESPONSE_RULES)
    usage = source.get("usage", dict)
    if usage is not None:
        write_rules(usage, attributes, USAGE_RULES)
    _write_choices(envelope)
    envelope.write_ids()
    model = envelope.kept_attribute(names.REQUEST_MODEL)
    envelope.write_name(model if isinstance(model, str) else "")
    _write_times(envelope)
    envelope.finish()


def _write_choices(envelope: _Envelope) -> None:
    choices = envelope.source.items("choices")
    attributes = envelope.attributes
    messages = [choice.get("message", dict) for choice in choices]
    while messages and messages[-1] is None:
        messages.pop()
    is_kept = envelope.has_kept_attribute(names.FINISH_REASONS)
    words = [
        _write_reason(choice, (*attributes.path, names.FINISH_REASONS, at))
        for at, choice in enumerate(choices)
    ]
    for choice, message, word in zip(choices, messages, words, strict=False):
        written = attributes.append(names.OUTPUT)
        thinking = choice.get("thinking", dict)
        text = thinking.get("content", str) if thinking is not None else None
        if message is None:
            written.value.update(role="assistant", parts=[])
        else:
            write_message(message, written, [text] if text is not None else [])
        rest = message.rest() if message is not None else None
        if not is_kept and (rest is None or "finish_reason" not in rest.value):
            written.value["finish_reason"] = word or NO_REASON
    for at, choice in enumerate(choices):
        index = choice.get("index", int)
        if index is not None and index.value == at:
            index.implied_by((*attributes.path, names.OUTPUT))
    while words and not words[-1]:
        words.pop()
    if words and not is_kept:
        attributes.value[names.FINISH_REASONS] = [word or NO_REASON for word in words]


def _write_reason(choice: Source, path: Path) -> str:
    """Return the finish reason of a choice; empty if it has none."""
    rest = choice.rest()
    word = rest.get("finish_reason", str) if rest is not None else None
    reason = choice.get("finish_reason", str)
    ours = reason.value if reason is not None else None
    if word is not None and FINISH_REASONS.get(word.value) == ours:
        word.use(Outcome.OPAQUE, path)
        if reason is not None:
            reason.use(Outcome.CONVERTED, path, reason=_REASONS, to=word.value)
        return str(word.value)
    if reason is None:
        return ""
    written = WRITTEN_REASONS.get(reason.value, reason.value)
    same_word = written == reason.value
    outcome = Outcome.RENAMED if same_word else Outcome.CONVERTED
    reason.use(outcome, path, reason="" if same_word else _REASONS, to=written)
    return str(written)


def _write_times(envelope: _Envelope) -> None:
    """Write the start and the end of the span."""
    source, item = envelope.source, envelope.item
    created, latency = source.get("created_at", str), source.get("latency_ms", int)
    elapsed = latency.value * 1_000_000 if latency is not None else 0
    end_time = _nanoseconds(created)
    if created is None or end_time is None:
        if not envelope.has_kept("startTimeUnixNano") and not envelope.has_kept("endTimeUnixNano"):
            item.default("startTimeUnixNano", _NO_TIME, _TIME_REASON)
            end = str(1 + elapsed)
            if latency is None:
                item.default("endTimeUnixNano", end, _TIME_REASON)
            else:
                item.put("endTimeUnixNano", end, latency, reason=_LATENCY)
        return
    item.put("endTimeUnixNano", str(end_time), created, reason="nanoseconds since 1970")
    if latency is None:
        if not envelope.has_kept("startTimeUnixNano"):
            item.default("startTimeUnixNano", _NO_TIME, _TIME_REASON)
        return
    start_time = str(max(end_time - elapsed, 1))
    item.put("startTimeUnixNano", start_time, latency, reason=_LATENCY)

    def has_latency(start: object) -> bool:
        text = str(start)
        return text.isdecimal() and milliseconds(end_time - int(text)) == latency.value

    item.prefer_original("startTimeUnixNano", has_latency)


def _nanoseconds(time: Source | None) -> int | None:
    """Return a time in nanoseconds since 1970, if OTLP can write it; else it is dropped."""
    if time is None:
        return None
    nanoseconds = read_time(time.value)
    if 0 < nanoseconds < 2**64:
        return nanoseconds
    time.drop("OTLP has the times from 1970 to 2554 only")
    return None


def export_feedback(conversion: Export) -> None:
    """Export feedback as the event of an evaluation."""
    source = conversion.source
    envelope = _Envelope(conversion, "resourceLogs")
    item, attributes = envelope.item, envelope.attributes
    item.value["eventName"] = names.EVALUATION
    if _nanoseconds(source.get("timestamp", str)) is not None:
        write_rules(source, item, [_time_rule(envelope)])
    trace = source.get("trace_id", str)
    if trace is not None and trace.value:
        write_trace(trace, item)
    write_rules(source, attributes, FEEDBACK_RULES)
    if source.get("name", str) is None and not envelope.has_kept_attribute(names.EVALUATION_NAME):
        type_ = source.text("feedback_type") or "feedback"
        if envelope.rest is None:
            attributes.default(names.EVALUATION_NAME, type_, "an evaluation must have a name")
    _write_score(source, attributes)
    envelope.finish()


def _time_rule(envelope: _Envelope) -> Rule:
    """Return the rule of the time that the timestamp came from."""
    own, observed = RECORD_RULES
    if not envelope.has_kept(own.theirs):
        return own
    kept, stamp = envelope.kept(own.theirs), envelope.source.get("timestamp", str)
    try:
        time = NANOSECONDS.read(kept.value) if kept is not None else None
    except NoConversionError:
        return observed
    return own if stamp is not None and time == stamp.value else observed


def _write_score(source: Source, attributes: Target) -> None:
    value, type_ = source.get("feedback_value"), source.get("feedback_type", str)
    if value is None:
        return
    written: Any
    if isinstance(value.value, bool):
        key, written = names.SCORE_LABEL, "true" if value.value else "false"
    elif isinstance(value.value, (int, float)):
        key, written = names.SCORE_VALUE, value.value
    elif isinstance(value.value, str):
        key, written = names.SCORE_LABEL, value.value
    else:
        value.drop("an evaluation has a number and a label only")
        return
    attributes.put(key, written, value, reason="a label is text")
    usual = "rating" if key == names.SCORE_VALUE else "label"
    if type_ is not None and type_.value == usual:
        type_.implied_by((*attributes.path, key))
