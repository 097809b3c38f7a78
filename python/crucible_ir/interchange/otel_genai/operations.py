"""The import of one call of a model: a prompt and a completion."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.interchange.chat.tools import are_tools, read_function
from crucible_ir.interchange.mapping.converters import (
    NoConversionError,
    read_rules,
    write_time,
)
from crucible_ir.interchange.mapping.converters import names as names_of
from crucible_ir.interchange.mapping.report import Outcome
from crucible_ir.interchange.mapping.target import Target
from crucible_ir.interchange.mapping.values import same
from crucible_ir.interchange.otel_genai import conventions as names
from crucible_ir.interchange.otel_genai.messages import (
    FORMAT_NAME,
    read_message,
    read_old_message,
    read_parts,
)
from crucible_ir.interchange.otel_genai.tables import (
    FINISH_REASONS,
    REQUEST_RULES,
    RESPONSE_RULES,
    USAGE_RULES,
    WRITTEN_REASONS,
)

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.importing import Import
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.otel_genai.items import Item, Operation

#: The mark of a message that is the value of `gen_ai.system_instructions`.
INSTRUCTIONS_MARK: Final = "system_instructions"

#: What stands for the finish reason of a choice without one, before others.
NO_REASON: Final = "unknown"

#: The first time, in nanoseconds since 1970, that is taken for one: before, a span has no times,
#: and may only have a duration.
FIRST_TIME: Final = 10**16

_NO_REASON: Final = "no reason is known"
_AS_SPAN: Final = "what the event says is in attributes of the span"
_HAS_ALREADY: Final = "the span says it already"
_TIME_OF_EVENT: Final = "the event is a part of the span"

#: What is not the number 3 for the kind of a span.
_CLIENT_KINDS: Final = ("SPAN_KIND_CLIENT", "SpanKind.CLIENT")

_MAX_MILLISECONDS: Final = 2**31
_MILLISECOND: Final = 1_000_000
_NANOSECONDS: Final = "nanoseconds since 1970"

_PROVIDER: Final = names_of(
    names.PROVIDERS, "the provider's name in the pinned version", others="keep"
)

#: The fields of an event that only place it.
_PLACE_OF_EVENT: Final = (
    *("timeUnixNano", "observedTimeUnixNano", "flags", "severityNumber", "severityText"),
    "droppedAttributesCount",
)


def kept_of(document: Target) -> Target:
    """Return the object that has what the format keeps of a document's source."""
    return document.child("metadata").child(FORMAT_NAME)


def put_id(target: Target, key: str, source: Source, digits: int) -> None:
    """Set the id of a trace or a span; text that is no such id becomes one."""
    text = source.value
    if re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", text):
        target.put(key, text, source)
        return
    value = text.removeprefix("0x")
    if not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
        value = hex_of(text, digits)
    target.put(key, value, source, reason="OTLP's ids are hexadecimal and of one length")


def hex_of(text: str, digits: int) -> str:
    """Return the hexadecimal id that stands for a text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:digits]


def keep_around(item: Item, documents: list[Target]) -> None:
    """Keep the resource and the scope of a span or an event in its documents."""
    for document in documents:
        kept = kept_of(document)
        for key, source in (("resource", item.resource), ("scope", item.scope)):
            if source is not None and source.value:
                kept.put_opaque(key, source)
        if item.resource_schema is not None:
            kept.put("resourceSchemaUrl", item.resource_schema.value, item.resource_schema)
    schema = item.schema
    if schema is not None:
        outcome = Outcome.RENAMED if schema.value == names.SCHEMA_URL else Outcome.CONVERTED
        reason = "" if outcome is Outcome.RENAMED else "the pinned version is written"
        schema.use(outcome, documents[0].path, reason=reason, to=names.SCHEMA_URL)


def read_operation(conversion: Import, operation: Operation) -> None:
    """Import a call of a model."""
    _Reader(conversion, operation).read()


class _Reader:
    def __init__(self, conversion: Import, operation: Operation) -> None:
        self.conversion = conversion
        self.operation = operation
        self.span = operation.span.source if operation.span is not None else None
        self.sources = list(self.attribute_sources())
        self.prompt = conversion.document("Prompt")
        self.completion = conversion.document("Completion") if self.has_answer() else None
        self.owner = self.completion or self.prompt
        self.documents = [self.prompt, *([self.completion] if self.completion else [])]

    def items(self) -> list[Source]:
        """Return the span and its events."""
        events = [event.source for event in self.operation.events]
        return [self.span, *events] if self.span is not None else events

    def attribute_sources(self) -> Iterator[Source]:
        """Yield the attributes of the span and, as far as it lacks them, of its events."""
        seen: set[str] = set()
        for item in self.items():
            found = item.get("attributes", dict)
            if found is not None:
                yield found.without(seen)
                seen.update(found.value)

    def find(self, key: str, *types: type) -> Source | None:
        """Return the first value of an attribute."""
        for source in self.sources:
            found = source.get(key, *types)
            if found is not None:
                return found
        return None

    def has(self, *keys: str) -> bool:
        return any(key in source.value for source in self.sources for key in keys)

    def has_answer(self) -> bool:
        """Return whether there is anything about an answer."""
        prefixes = ("gen_ai.response.", "gen_ai.usage.")
        return (
            self.has(names.OUTPUT, names.OLD_OUTPUT)
            or any(key.startswith(prefixes) for source in self.sources for key in source.value)
            or any(event.name == names.CHOICE for event in self.operation.events)
        )

    def read(self) -> None:
        """Fill the documents."""
        if self.span is not None:
            self.owner.keep_rest(self.span)
        for event in self.operation.events:
            event.source.rewritten(_AS_SPAN)
        for source in self.items():
            attributes = source.get("attributes", dict)
            if attributes is not None and not attributes.value:
                reason = "a span has attributes"
                attributes.use(Outcome.CONVERTED, self.owner.path, reason=reason)
        keep_around(self.operation.first, self.documents)
        self.read_ids()
        self.read_common()
        self.read_times()
        for source in self.sources:
            read_rules(self.conversion, source, self.prompt.child("options"), REQUEST_RULES)
        self.read_request()
        if self.completion is not None:
            for source in self.sources:
                read_rules(self.conversion, source, self.completion, RESPONSE_RULES)
                read_rules(self.conversion, source, self.completion.child("usage"), USAGE_RULES)
            self.read_response(self.completion)
        self.read_rest_of_events()

    def read_ids(self) -> None:
        first = self.operation.first
        trace, span = first.id_of("traceId"), first.id_of("spanId")
        content = canonical(first.source.value)
        for document in self.documents:
            if trace is not None:
                put_id(document, "trace_id", trace, 32)
            else:
                reason = "the span has no id of a trace: derived from its content"
                document.derive("trace_id", hex_of(content, 32), reason)
            kept = kept_of(document)
            if span is None:
                kept.derive("spanId", hex_of(f"{content} span", 16), "the span has no id")
            elif self.span is None:
                if document is self.owner:
                    put_id(kept, "parentSpanId", span, 16)
                kept.derive(
                    "spanId",
                    hex_of(f"{span.value} events", 16),
                    "the span itself is not in the source",
                )
            else:
                put_id(kept, "spanId", span, 16)
            request_id = f"{document.value['trace_id']}-{kept.value['spanId']}"
            document.default("request_id", request_id, "the ids of the trace and the span")
        for key in ("traceId", "spanId"):
            found = first.source.member(key)
            if found is not None and found.path not in (_path(trace), _path(span)):
                found.drop("not an id")

    def read_common(self) -> None:
        """Read what both documents need, so that each can be exported alone."""
        operation = self.any_of(names.OPERATION)
        if operation is not None and operation.value == names.USUAL_OPERATION:
            operation.implied_by(self.owner)
        elif operation is not None:
            for document in self.documents:
                kept_of(document).child("attributes").put_opaque(names.OPERATION, operation)
        model = self.find(names.REQUEST_MODEL, str)
        if model is not None and self.completion is not None:
            kept_of(self.completion).child("attributes").value[names.REQUEST_MODEL] = model.value
        provider = self.any_of(names.PROVIDER)
        if provider is not None and isinstance(provider.value, str) and provider.value:
            for document in self.documents:
                attributes = kept_of(document).child("attributes")
                value = _PROVIDER.read(provider.value)
                attributes.put(names.PROVIDER, value, provider, reason=_PROVIDER.reason)
        if self.span is None:
            return
        for key, usual in (("name", self.usual_name()), ("kind", 3)):
            found = self.span.member(key)
            if found is None:
                continue
            if found.value in _CLIENT_KINDS and key == "kind":
                found.use(Outcome.CONVERTED, self.owner.path, reason="OTLP has numbers", to=3)
            elif same(found.value, usual):
                found.implied_by(self.owner)
            else:
                for document in self.documents:
                    kept_of(document).put_opaque(key, found)

    def any_of(self, key: str) -> Source | None:
        """Return the first value of an attribute, also null."""
        found = (source.member(key) for source in self.sources)
        return next((each for each in found if each is not None), None)

    def usual_name(self) -> str:
        operation, model = self.find(names.OPERATION, str), self.find(names.REQUEST_MODEL, str)
        return usual_name(
            operation.value if operation is not None else "",
            model.value if model is not None else "",
        )

    def read_times(self) -> None:
        """Read when the answer was given and how long it took."""
        if self.span is None:
            return
        start, end = (self.span.get(key, str, int) for key in _TIMES)
        begin, finish = _nanoseconds(start), _nanoseconds(end)
        is_time = finish is not None and finish >= FIRST_TIME
        is_duration = begin == 1 and finish is not None and 1 < finish < FIRST_TIME
        if is_duration and finish is not None and (finish - 1) % _MILLISECOND:
            is_duration = False
        if self.completion is None or start is None or begin is None:
            pass
        elif is_duration and end is not None and finish is not None:
            self.put_latency(self.completion, finish - begin, end)
        elif is_time and finish is not None and FIRST_TIME <= begin <= finish:
            self.put_latency(self.completion, finish - begin, start)
        if self.completion is not None and is_time and end is not None and finish is not None:
            with suppress(NoConversionError):
                self.completion.put("created_at", write_time(finish), end, reason=_NANOSECONDS)
        has_answer = self.completion is not None and (is_time or is_duration)
        lacks_start, lacks_end = (key not in self.span.value for key in _TIMES)
        has_no_start = begin == 1 and (finish in (0, 1) or has_answer or lacks_end)
        has_no_end = finish == 1 and (begin in (0, 1) or lacks_start)
        for source, time, is_unknown in ((start, begin, has_no_start), (end, finish, has_no_end)):
            if source is not None and (is_unknown or time == 0):
                outcome = Outcome.RENAMED if source.value == "1" else Outcome.CONVERTED
                source.use(outcome, self.owner.path, reason="no time is known")

    def put_latency(self, completion: Target, elapsed: int, source: Source) -> None:
        latency = milliseconds(elapsed)
        if latency >= _MAX_MILLISECONDS:
            return
        reason = "milliseconds between start and end"
        completion.put("latency_ms", latency, source, reason=reason)
        if latency * _MILLISECOND != elapsed:
            self.conversion.keep_original(source, reason)

    def read_request(self) -> None:
        """Read the messages and the tools of the prompt."""
        instructions = self.find(names.INSTRUCTIONS, list)
        if instructions is not None and are_tools(instructions.members()):
            self.read_instructions(instructions.members())
        tools = self.find(names.TOOLS, list)
        if tools is not None and are_tools(tools.members()):
            for tool in tools.members():
                _read_tool(self.prompt.append("tools"), tool)
        found = self.any_of(names.INPUT)
        if found is not None:
            for at, message in enumerate(_objects(found)):
                target = self.prompt.append("messages")
                read_message(self.conversion, message, target, "user", f"call_{at}")
            return
        old = self.any_of(names.OLD_INPUT)
        if old is not None:
            self.read_old_input(old)
            return
        for event in self.operation.events:
            role = names.MESSAGE_ROLES.get(event.name)
            body = self.body_of(event)
            if role is not None and body is not None:
                target = self.prompt.append("messages")
                # Numbered by the messages, since events of answers may be among these.
                at = len(self.prompt.value["messages"]) - 1
                read_old_message(self.conversion, body, target, role, f"call_{at}")

    def read_instructions(self, parts: list[Source]) -> None:
        """Read instructions: one plain text, or parts, which become a first message."""
        if not parts:
            return
        value = parts[0].value
        content, type_ = parts[0].get("content", str), parts[0].get("type", str)
        is_plain = len(parts) == 1 and value.keys() == {"type", "content"}
        if is_plain and content is not None and type_ is not None and type_.value == "text":
            self.prompt.put("system", content.value, content)
            type_.implied_by((*self.prompt.path, "system"))
            return
        message = self.prompt.append("messages")
        message.value["role"] = "system"
        read_parts(self.conversion, parts, message)
        message.mark(INSTRUCTIONS_MARK)

    def read_old_input(self, source: Source) -> None:
        source.rewritten(_AS_SPAN)
        if isinstance(source.value, str):
            target = self.prompt.append("messages")
            target.value["role"] = "user"
            target.put("text", source.value, source)
        for at, message in enumerate(_objects(source)):
            target = self.prompt.append("messages")
            read_old_message(self.conversion, message, target, "user", f"call_{at}")

    def body_of(self, event: Item) -> Source | None:
        """Return the message in an event of older conventions."""
        body = event.source.get("body", dict)
        if body is not None:
            return body
        attributes = event.source.get("attributes", dict)
        if attributes is None:
            return None
        content = attributes.get(names.OLD_BODY, dict)
        return content if content is not None or event.span is None else attributes

    def read_response(self, completion: Target) -> None:
        """Read the choices of the completion."""
        found, old = self.any_of(names.OUTPUT), self.any_of(names.OLD_OUTPUT)
        reasons = self.find(names.FINISH_REASONS, list)
        if reasons is not None and not _are_texts(reasons):
            reasons = None
        choices: list[Target] = []

        def choice() -> Target:
            target = completion.append("choices")
            target.value["index"] = len(choices)
            choices.append(target)
            return target

        if found is not None:
            for at, message in enumerate(_objects(found)):
                target = choice()
                self.read_reason(message, target)
                inside = target.child("message")
                read_message(self.conversion, message, inside, "assistant", f"call_{at}")
        elif old is not None:
            old.rewritten(_AS_SPAN)
            if isinstance(old.value, str):
                inside = choice().child("message")
                inside.value["role"] = "assistant"
                inside.put("text", old.value, old)
            for at, message in enumerate(_objects(old)):
                target = choice()
                self.read_reason(message, target)
                inside = target.child("message")
                read_old_message(self.conversion, message, inside, "assistant", f"call_{at}")
        else:
            self.read_choice_events(choice)
        for at, reason in enumerate(reasons.members() if reasons is not None else []):
            _put_reason(reason, choices[at] if at < len(choices) else choice())

    def read_choice_events(self, choice: Callable[[], Target]) -> None:
        """Read the events that are an answer each, in the order of their indexes."""
        bodies = [
            body
            for event in self.operation.events
            if event.name == names.CHOICE and (body := self.body_of(event)) is not None
        ]
        for at, body in enumerate(sorted(bodies, key=_index)):
            target = choice()
            self.compare_reason(body, target, at)
            index = body.get("index", int)
            if index is not None:
                reason = "" if index.value == at else "the position counts"
                index.use(Outcome.CONVERTED, (*target.path, "index"), reason=reason, to=at)
            self.read_reason(body, target)
            message = body.get("message", dict)
            inside = target.child("message")
            if message is not None:
                read_old_message(self.conversion, message, inside, "assistant", f"call_{at}")
            else:
                read_old_message(self.conversion, body, inside, "assistant", f"call_{at}")

    def read_reason(self, source: Source, choice: Target) -> None:
        """Read the reason in a message; the span may have it too."""
        reason, reasons = source.get("finish_reason", str), self.any_of(names.FINISH_REASONS)
        if reason is None:
            return
        if reasons is None:
            _put_reason(reason, choice)
            return
        if not _are_texts(reasons):
            return
        at = int(choice.value["index"])
        in_span = reasons.value[at] if at < len(reasons.value) else NO_REASON
        if reason.value == in_span:
            is_written = in_span not in ("", NO_REASON)
            outcome = Outcome.RENAMED if is_written else Outcome.CONVERTED
            path = (*choice.path, "finish_reason")
            reason.use(outcome, path, reason="" if is_written else _NO_REASON)

    def compare_reason(self, body: Source, target: Target, at: int) -> None:
        """Account for the reason in an event, if the span has reasons."""
        reasons, reason = self.find(names.FINISH_REASONS, list), body.get("finish_reason", str)
        if reasons is None or reason is None:
            return
        if at < len(reasons.value) and reasons.value[at] == reason.value:
            path = (*target.path, "finish_reason")
            reason.use(Outcome.CONVERTED, path, reason=_HAS_ALREADY)
        else:
            reason.drop("the span has another reason")

    def read_rest_of_events(self) -> None:
        """Account for what places an event, and keep the attributes that the span lacks."""
        first = self.operation.first
        for event in self.operation.events:
            for around, mine in ((event.resource, first.resource), (event.scope, first.scope)):
                if around is not None and mine is not None and same(around.value, mine.value):
                    path = (*kept_of(self.owner).path, str(around.path[-1]))
                    around.use(Outcome.CONVERTED, path, reason=_HAS_ALREADY)
            if event.schema is not None:
                reason = "the pinned version is written"
                event.schema.use(Outcome.CONVERTED, self.owner.path, reason=reason)
            for key in ("traceId", "spanId", "eventName", "name"):
                found = event.source.get(key, str)
                if found is not None:
                    found.use(Outcome.CONVERTED, self.owner.path, reason=_AS_SPAN)
            for key in _PLACE_OF_EVENT:
                found = event.source.get(key)
                if found is not None:
                    found.drop(_TIME_OF_EVENT)
            attributes = event.source.get("attributes", dict)
            body = self.body_of(event)
            if attributes is None or not attributes.value:
                continue
            if body is not None and body.path == attributes.path:
                continue
            for key in sorted(attributes.value.keys() - {names.OLD_BODY}):
                found, used = attributes.member(key), self.any_of(key)
                if found is None or used is None or used.path == found.path:
                    continue
                if same(used.value, found.value):
                    path = (*kept_of(self.owner).path, "attributes", key)
                    found.use(Outcome.CONVERTED, path, reason=_HAS_ALREADY)
                else:
                    found.drop("the span has another value")
            self.owner.keep_rest(attributes, "attributes")
        self.keep_other_events()

    def keep_other_events(self) -> None:
        """Keep the events of the span that are not a part of it, if others are."""
        used = {event.source.path for event in self.operation.events}
        events = self.span.items("events") if self.span is not None else []
        evaluations = [event for event in events if event.text("name") == names.EVALUATION]
        used |= {event.path for event in evaluations}
        others = [event for event in events if event.path not in used]
        if len(others) == len(events):
            return
        for event in others:
            path = (*kept_of(self.owner).path, "events")
            event.rewritten("other events of the span are attributes now")
            value = self.conversion.opaque(event, path)
            kept_of(self.owner).value.setdefault("events", []).append(value)


def usual_name(operation: str, model: str) -> str:
    """Return the name that the conventions give a span.

    >>> usual_name("chat", "gpt-5"), usual_name("", "")
    ('chat gpt-5', 'chat')
    """
    return " ".join(part for part in (operation or names.USUAL_OPERATION, model) if part)


def milliseconds(nanoseconds: int) -> int:
    """Return a time in milliseconds, rounded.

    >>> milliseconds(1_499_999), milliseconds(1_500_000)
    (1, 2)
    """
    return (nanoseconds + 500_000) // 1_000_000


_TIMES: Final = ("startTimeUnixNano", "endTimeUnixNano")


def _nanoseconds(source: Source | None) -> int | None:
    if source is None or not re.fullmatch(r"[0-9]{1,20}", str(source.value)):
        return None
    return int(source.value)


def _path(source: Source | None) -> Any:
    return source.path if source is not None else None


def canonical(value: Any) -> str:
    """Return the JSON text of a value, which is the same whatever the order of keys."""
    return json.dumps(value, sort_keys=True, default=str)


def _objects(source: Source) -> list[Source]:
    """Return the items of a list of objects; none if it is not one."""
    items = source.members()
    return items if all(isinstance(item.value, dict) for item in items) else []


def _index(body: Source) -> int:
    index = body.get("index", int)
    return int(index.value) if index is not None else 0


def _are_texts(source: Source) -> bool:
    value = source.value
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _put_reason(source: Source, choice: Target) -> None:
    """Set the finish reason of a choice, and keep a word that is not the usual one."""
    if source.value in ("", NO_REASON):
        source.use(Outcome.CONVERTED, choice.path, reason=_NO_REASON)
        return
    ours = FINISH_REASONS.get(source.value)
    if ours is not None:
        choice.put("finish_reason", ours, source, reason="names of finish reasons differ")
    if ours is None or WRITTEN_REASONS[ours] != source.value:
        kept_of(choice).put("finish_reason", source.value, source)


def _read_tool(tool: Target, source: Source) -> None:
    """Import the definition of a tool, in the shape of the conventions or of OpenAI."""
    tool.keep_rest(source)
    kind = source.get("type", str)
    if kind is not None:
        tool.put("kind", kind.value, kind)
    function = source.get("function", dict)
    if function is not None and source.value.keys() <= {"type", "function"}:
        source.rewritten("the pinned version has the definition itself")
        read_function(tool, function)
    else:
        read_function(tool, source)
