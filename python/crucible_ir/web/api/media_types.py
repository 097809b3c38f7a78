"""The media types of requests and responses."""

from __future__ import annotations

from typing import Final, NamedTuple

from crucible_ir.serialization.streams.lines import JsonDialect

#: ProtoJSON.
JSON: Final = "application/json"

#: The dialect of the Elixir services; in the Connect protocol, the codec ``crucible-json``.
CRUCIBLE_JSON: Final = "application/crucible-json"

#: Protobuf's binary format.
PROTO: Final = "application/proto"


class FeedbackFormat(NamedTuple):
    """The format of the feedback in a request.

    Attributes:
        dialect: The dialect of its JSON.
        has_lines: Whether there is an event on each line, or one event.
    """

    dialect: JsonDialect
    has_lines: bool


#: The formats of feedback, by media type.
FEEDBACK_FORMATS: Final = {
    JSON: FeedbackFormat("protojson", has_lines=False),
    "application/jsonl": FeedbackFormat("protojson", has_lines=True),
    "application/x-ndjson": FeedbackFormat("protojson", has_lines=True),
    CRUCIBLE_JSON: FeedbackFormat("crucible", has_lines=False),
    "application/crucible-jsonl": FeedbackFormat("crucible", has_lines=True),
}


def media_type(header: str) -> str:
    """Return the media type of a header ``Content-Type``, without its parameters.

    >>> media_type("Application/JSON; charset=utf-8")
    'application/json'
    """
    return header.partition(";")[0].strip().lower()
