"""Gemini's generateContent: requests, answers, streams and batches.

A request becomes a Prompt and an answer a Completion, also one whose prompt was blocked. Keys are
read in camelCase and in snake_case, and written in camelCase. The chunks of a stream that follow
each other in a list are one answer. Calls without ids get `call_<message>_<number>`, and results
without ids answer the oldest call of their function that is still open. The result of a tool is
text: that of `output` or `error` if there is nothing else, or else the object as JSON.

Schemas of Gemini's own kind become JSON Schema, and come back as they were if nobody changed
them. Parts that no part of a message stands for, such as code and video, are kept whole. Export
leaves out the signatures, files and tools of other services.
"""

from __future__ import annotations

from typing import Any, Final

from crucible_ir.interchange.chat.parts import use_mark
from crucible_ir.interchange.chat.records import BATCH, Chat, error_of, read_record
from crucible_ir.interchange.gemini.naming import decode
from crucible_ir.interchange.gemini.requests import read_request, write_request
from crucible_ir.interchange.gemini.responses import read_response, write_response
from crucible_ir.interchange.gemini.stream import assemble, gather
from crucible_ir.interchange.mapping.conversion import DEFAULTED
from crucible_ir.interchange.mapping.exporting import Export
from crucible_ir.interchange.mapping.format import Format
from crucible_ir.interchange.mapping.importing import Import
from crucible_ir.interchange.mapping.source import Source
from crucible_ir.interchange.mapping.target import Target

_EXPECTED = (
    'a request with "contents", an answer with "candidates", "promptFeedback", "usageMetadata", '
    '"responseId" or "modelVersion", or a line of a batch of them'
)


#: The keys that only answers have, with the type of their values.
_ANSWER_KEYS: Final[dict[str, type]] = {
    "candidates": list,
    "promptFeedback": dict,
    "usageMetadata": dict,
    "responseId": str,
    "modelVersion": str,
}


def _is_request(value: dict[str, Any]) -> bool:
    return isinstance(value.get("contents"), list)


def _is_response(value: dict[str, Any]) -> bool:
    if "error" in value:
        return False
    return any(isinstance(value.get(key), type_) for key, type_ in _ANSWER_KEYS.items())


_CHAT = Chat(_is_request, _is_response, read_request, read_response, _EXPECTED)


def _import_record(conversion: Import) -> None:
    for path in conversion.rewritten:
        conversion.split(path[:-1])
    source = conversion.source
    request = source.get("request", dict)
    response = source.get("response", dict)
    is_line = (request is not None or response is not None) and source.value.keys() - {
        "request",
        "response",
    }
    if (
        _is_request(source.value)
        or _is_response(source.value)
        or not (is_line or not request)
        or (response is None and request is None)
    ):
        read_record(conversion, _CHAT)
    else:
        _read_line(conversion, request, response)


def _read_line(conversion: Import, request: Source | None, response: Source | None) -> None:
    """Import a line of a batch: a request, an answer, or both."""
    source = conversion.source
    error = error_of(source)
    if error is not None:
        raise error
    key = source.get("key", str)
    prompt = completion = None
    if request is not None:
        prompt = _begin(conversion, "Prompt", request, _is_request(request.value))
        if response is None:
            _envelop(prompt, source)
        read_request(conversion, request, prompt)
    if response is not None:
        completion = _begin(conversion, "Completion", response, _is_response(response.value))
        _envelop(completion, source)
        read_response(conversion, response, completion)
        if not completion.has("response_id"):
            conversion.derive_id(completion, "response_id")
    if key is not None:
        for document in (completion, prompt):
            if document is not None:
                document.put("request_id", key.value, key)
    elif prompt is not None and completion is not None:
        conversion.derive_id(prompt, "request_id", (completion, "request_id"))
    elif prompt is not None:
        conversion.derive_id(prompt, "request_id")


def _begin(conversion: Import, type_name: str, body: Source, is_right: bool) -> Target:
    if not is_right:
        raise error_of(body) or body.fail(f"expected {_EXPECTED}")
    document = conversion.document(type_name)
    document.keep_rest(body)
    return document


def _envelop(document: Target, line: Source) -> None:
    """Note that a document is in a line of a batch, whose other keys are kept."""
    document.keep_rest(line, BATCH)
    document.mark(BATCH)


def _body(conversion: Export, key: str) -> Target:
    """Return where the exported request or answer goes: into a line of a batch if it was in one."""
    rest = conversion.source.rest()
    line = rest.get(BATCH, dict) if rest is not None else None
    target = conversion.target
    if line is None:
        return target
    use_mark(line)
    target.restore(line)
    request_id = conversion.source.get("request_id", str)
    derived = rest.get(DEFAULTED, list) if rest is not None else None
    if request_id is not None and (derived is None or "request_id" not in derived.value):
        target.put("key", request_id.value, request_id)
    body = target.child(key)
    assert body.value is not None
    return body


def _export_prompt(conversion: Export) -> None:
    target = _body(conversion, "request")
    rest = conversion.source.rest()
    write_request(conversion, target, rest)
    target.restore(rest)


def _export_completion(conversion: Export) -> None:
    target = _body(conversion, "response")
    rest = conversion.source.rest()
    write_response(conversion, target, rest)
    target.restore(rest)


FORMAT = Format(
    "gemini",
    "Gemini generateContent",
    "Requests, answers, streams, lines of batches and pairs of a request and its answer.",
    _import_record,
    {"Prompt": _export_prompt, "Completion": _export_completion},
    assemble=assemble,
    decode=decode,
    gather=gather,
)
import_ = FORMAT.import_
export = FORMAT.export
