"""OpenTelemetry's spans and events of generative AI, in the JSON of OTLP.

Import reads requests of OTLP in JSON (`resourceSpans` and `resourceLogs`), also one a line as the
collector writes them, and single spans and events with attributes as an object. It reads the
conventions of the pinned version, those of 1.37, and those before, whose messages are events. A
span of a call of a model becomes a Prompt and a Completion, and the event of an evaluation a
FeedbackEvent. A span with an error is an error of the report; spans of agents, tools and
embeddings, and those of other programs, are reported as dropped.

The events of older conventions belong to the span with their ids. They are joined where both are
in one source, not more than 10,000 records apart: a list, a file with a request a line, or a
folder. Where only the events are there, their messages become a prompt and a completion of their
own, whose ids derive from those of the span, so that they never replace the documents of the span
itself, which has the tokens and the times; the id of the span is kept as that of the parent. Where
only the span is there, its documents have no messages. Importing both files later, together, makes
the documents of the span complete.

Export writes the version of the conventions in `PINNED_VERSION`, a Prompt and a Completion as a
span each with the same ids. `join` makes one span of both.
"""

from __future__ import annotations

from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.otel_genai.conventions import PINNED_VERSION, SCHEMA_URL
from crucible_ir.interchange.otel_genai.exporting import (
    export_completion,
    export_feedback,
    export_prompt,
)
from crucible_ir.interchange.otel_genai.importing import import_record
from crucible_ir.interchange.otel_genai.joining import gather, join
from crucible_ir.interchange.otel_genai.messages import FORMAT_NAME
from crucible_ir.interchange.otel_genai.otlp import decode, encode

__all__ = ["FORMAT", "PINNED_VERSION", "SCHEMA_URL", "export", "import_", "join"]

FORMAT = Format(
    FORMAT_NAME,
    "OpenTelemetry GenAI",
    "Spans and events of OTLP in JSON: calls of models, and evaluations of their answers.",
    import_record,
    {
        "Prompt": export_prompt,
        "Completion": export_completion,
        "FeedbackEvent": export_feedback,
    },
    decode=decode,
    encode=encode,
    join=join,
    gather=gather,
)
import_ = FORMAT.import_
export = FORMAT.export
