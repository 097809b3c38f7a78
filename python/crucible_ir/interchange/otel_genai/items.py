"""Spans and events, with what is around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from crucible_ir.interchange.otel_genai import conventions as names

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.source import Source


class Item(NamedTuple):
    """A span or an event, and what is around it.

    Attributes:
        source: The span or the event.
        is_event: Whether it is an event.
        resource: The resource.
        resource_schema: The version of the conventions in the resource.
        scope: The scope of the instrumentation.
        schema: The version of the conventions in the attributes.
        span: The span that has the event.
    """

    source: Source
    is_event: bool
    resource: Source | None = None
    resource_schema: Source | None = None
    scope: Source | None = None
    schema: Source | None = None
    span: Source | None = None

    @property
    def attributes(self) -> dict[str, Any]:
        """The values of its attributes."""
        found = self.source.value.get("attributes")
        return found if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """The name of an event."""
        if self.span is not None:
            return self.source.text("name") or ""
        found = self.source.text("eventName") or self.attributes.get(names.OLD_EVENT_NAME)
        return found if isinstance(found, str) else ""

    def id_of(self, key: str) -> Source | None:
        """Return the id of the trace or the span."""
        for owner in (self.source, self.span):
            found = owner.get(key, str) if owner is not None else None
            if found is not None and found.value.strip("0"):
                return found
        return None

    @property
    def key(self) -> tuple[str, str] | None:
        """The ids of the trace and the span."""
        trace, span = self.id_of("traceId"), self.id_of("spanId")
        if trace is None or span is None:
            return None
        return str(trace.value), str(span.value)


@dataclass
class Operation:
    """A call of a model: its span, and its events.

    Attributes:
        span: The span.
        events: The events, in their order.
    """

    span: Item | None = None
    events: list[Item] = field(default_factory=list)

    @property
    def first(self) -> Item:
        """The span, or else the first event."""
        return self.span or self.events[0]
