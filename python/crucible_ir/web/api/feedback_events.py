"""The events in a request of a web backend, and the errors of what is not an event."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from crucible_ir.errors import DecodeError, Error, ValidationError
from crucible_ir.exchange.v1 import IngestRequest
from crucible_ir.schema.rules import rules_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.json.crucible import from_crucible_json
from crucible_ir.serialization.json.protojson import from_json
from crucible_ir.serialization.limits import Limits
from crucible_ir.serialization.streams.lines import crucible_reader, json_reader, split_lines
from crucible_ir.serialization.streams.records import StreamError, decode_batches
from crucible_ir.v1 import FeedbackEvent
from crucible_ir.web.api.feedback_report import FeedbackReport, read_errors

if TYPE_CHECKING:
    from crucible_ir.web.api.media_types import FeedbackFormat

#: The size from which a batch takes no further event, in bytes.
_BATCH_BYTES: Final = 1024 * 1024


class TooManyEventsError(Error):
    """A request has more lines with events than the limit."""


@dataclass(slots=True)
class Feedback:
    """The valid events of a request, in order.

    Attributes:
        report: The report, with the errors of all else.
        events: The events.
        lines: The line of each.
    """

    report: FeedbackReport = field(default_factory=FeedbackReport)
    events: list[FeedbackEvent] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def add(self, event: FeedbackEvent, line: int) -> None:
        """Add a valid event."""
        self.events.append(event)
        self.lines.append(line)

    def reject(self, error: DecodeError | ValidationError, line: int | None = None) -> None:
        """Add the errors of an event that cannot be read or breaks rules.

        Args:
            error: The error.
            line: The line of the event, if there is one on each line.
        """
        self.report.reject(lambda: read_errors(error, line))

    def batches(self) -> Iterator[IngestRequest]:
        """Yield the events in requests to store them; the id of each is the index of its first."""
        batch, size = IngestRequest(), 0
        for index, event in enumerate(self.events):
            batch.events.append(event)
            size += event.ByteSize()
            if size >= _BATCH_BYTES:
                yield batch
                batch, size = IngestRequest(batch_id=index + 1), 0
        if batch.events:
            yield batch


@cache
def most_events() -> int:
    """Return the most events of a request: as many as a batch of the exchange has."""
    parameters = (
        rule.parameters
        for rule in rules_of(descriptor_of(IngestRequest))
        if rule.field_path == "events"
    )
    return next(int(cast("Any", each["max_items"])) for each in parameters if "max_items" in each)


def read_feedback(data: bytes, format_: FeedbackFormat) -> Feedback:
    """Read the events of a request.

    Args:
        data: The body, without compression, and not larger than the limit.
        format_: Its format.

    Raises:
        TooManyEventsError: There are more events than `most_events`.
    """
    feedback = Feedback()
    if format_.has_lines:
        _read_lines(data, format_, feedback)
        return feedback
    read = from_crucible_json if format_.dialect == "crucible" else from_json
    try:
        feedback.add(read(data, FeedbackEvent), 1)
    except (DecodeError, ValidationError) as error:
        feedback.reject(error)
    return feedback


def _read_lines(data: bytes, format_: FeedbackFormat, feedback: Feedback) -> None:
    reader_of = crucible_reader if format_.dialect == "crucible" else json_reader
    reader = reader_of(FeedbackEvent, True)
    bad: list[StreamError] = []
    # Blank lines are no more than the bytes of the request.
    limits = Limits(max_frame_bytes=len(data) + 1, max_empty_records=len(data))
    for count, batch in enumerate(split_lines(io.BytesIO(data), limits)):
        if count >= most_events():
            raise TooManyEventsError(
                f"more than {most_events()} events: send them in several requests"
            )
        for event in decode_batches([batch], reader, bad.append, None):
            feedback.add(cast("FeedbackEvent", event), batch.line)
        if bad:
            error = bad.pop().error
            assert isinstance(error, DecodeError | ValidationError), "no line exceeds the limit"
            feedback.reject(error, batch.line)
