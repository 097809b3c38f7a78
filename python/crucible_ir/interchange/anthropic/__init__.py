"""Anthropic's Messages API: requests, answers, streams and batches.

A request becomes a Prompt and an answer a Completion; an answer to a request for the number of
tokens is a Completion with nothing but its usage. A system text is `system`; blocks with marks,
such as those of the cache, are a first message. Blocks that no part stands for, such as the calls
of server tools, are kept whole as parts of another kind. Errors, also those in streams and
batches, are errors of the report.

Export fills in what the API requires: the model, 4,096 as the limit on tokens, empty signatures.
It writes the results of tools as blocks of a user's message, and leaves out what the API does not
take, such as audio, and the signatures of other services.
"""

from __future__ import annotations

from typing import Any

from crucible_ir.interchange.anthropic.requests import read_request, write_request
from crucible_ir.interchange.anthropic.responses import read_response, write_response
from crucible_ir.interchange.anthropic.stream import assemble
from crucible_ir.interchange.chat.records import BATCH, Chat, body_target, error_of, read_record
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.source import RecordError, Source

_EXPECTED = (
    'a request with "messages", an answer of the type "message", or a line of a batch of them'
)


def _is_request(value: dict[str, Any]) -> bool:
    return isinstance(value.get("messages"), list)


def _is_response(value: dict[str, Any]) -> bool:
    if "error" in value:
        return False
    return isinstance(value.get("content"), list) or "input_tokens" in value


_CHAT = Chat(_is_request, _is_response, read_request, read_response, _EXPECTED)


def _import_record(conversion: Import) -> None:
    source = conversion.source
    if source.get("custom_id", str) is not None and source.get("params", dict) is not None:
        _read_line(conversion, "Prompt", "params")
    elif source.get("custom_id", str) is not None and source.get("result", dict) is not None:
        _read_line(conversion, "Completion", "result", "message")
    else:
        read_record(conversion, _CHAT)


def _read_line(conversion: Import, type_name: str, *path: str) -> None:
    """Import a line of a batch: the request or the answer at a path in it."""
    line = conversion.source
    body = line
    for key in path:
        inner = body.get(key, dict)
        if inner is None:
            raise _error_in(body) or body.fail(f'expected "{key}"')
        body = inner
    is_right, read = (
        (_is_request, read_request) if type_name == "Prompt" else (_is_response, read_response)
    )
    if not is_right(body.value):
        raise _error_in(body) or body.fail(f"expected {_EXPECTED}")
    document = conversion.document(type_name)
    document.keep_rest(line, BATCH)
    document.keep_rest(body)
    document.mark(BATCH)
    custom_id = line.get("custom_id", str)
    assert custom_id is not None
    document.put("request_id", custom_id.value, custom_id)
    read(conversion, body, document)


def _error_in(result: Source) -> RecordError | None:
    """Return the error of a result of a batch: the service's, or that it was not processed."""
    error = result.get("error", dict)
    nested = error.get("error", dict) if error is not None else None
    found: RecordError | None = error_of(error if error is not None and nested else result)
    if found is not None:
        return found
    kind = result.text("type")
    return result.fail(f"no answer: the request was {kind}") if kind is not None else None


def _export_prompt(conversion: Export) -> None:
    target = body_target(conversion, "params")
    rest = conversion.source.rest()
    write_request(conversion, target, rest)
    target.restore(rest)


def _export_completion(conversion: Export) -> None:
    target = body_target(conversion, "result", "message")
    rest = conversion.source.rest()
    write_response(conversion, target, rest)
    target.restore(rest)


FORMAT = Format(
    "anthropic",
    "Anthropic Messages",
    "Requests, answers, streams, lines of batches and pairs of a request and its answer.",
    _import_record,
    {"Prompt": _export_prompt, "Completion": _export_completion},
    assemble=assemble,
)
import_ = FORMAT.import_
export = FORMAT.export
