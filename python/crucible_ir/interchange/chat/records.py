"""The records of chat services: requests, responses, pairs, lines of batches, and errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.interchange.chat.parts import use_mark

if TYPE_CHECKING:
    from crucible_ir.interchange.mapping.converters import Rule
    from crucible_ir.interchange.mapping.exporting import Export
    from crucible_ir.interchange.mapping.importing import Import
    from crucible_ir.interchange.mapping.source import Source
    from crucible_ir.interchange.mapping.target import Target

#: Where the envelope of a line of a batch is kept.
BATCH: Final = "batch"


@dataclass(frozen=True, slots=True)
class Chat:
    """How to recognize and read the requests and responses of a service.

    Attributes:
        is_request: Returns whether an object is a request.
        is_response: Returns whether an object is a response.
        read_request: Fills a prompt from a request.
        read_response: Fills a completion from a response.
        expected: What a record can be, for errors.
    """

    is_request: Callable[[dict[str, Any]], bool]
    is_response: Callable[[dict[str, Any]], bool]
    read_request: Callable[[Import, Source, Target], None]
    read_response: Callable[[Import, Source, Target], None]
    expected: str


def read_record(conversion: Import, chat: Chat) -> None:
    """Import a request, a response, a pair of both, or a line of a batch."""
    source = conversion.source
    value = source.value
    if chat.is_request(value):
        prompt = _read_prompt(conversion, source, chat)
        conversion.derive_id(prompt, "request_id")
    elif chat.is_response(value):
        _read_completion(conversion, source, chat)
    elif _is(value, "request", chat.is_request) and isinstance(value.get("response"), dict):
        _read_pair(conversion, chat)
    elif isinstance(value.get("custom_id"), str) and "url" in value and _is(value, "body", dict):
        _read_batch_request(conversion, chat)
    elif isinstance(value.get("custom_id"), str) and ("response" in value or "error" in value):
        _read_batch_response(conversion, chat)
    else:
        raise error_of(source) or source.fail(f"expected {chat.expected}")


def _is(value: dict[str, Any], key: str, test: Callable[[dict[str, Any]], object]) -> bool:
    found = value.get(key)
    return isinstance(found, dict) and (test is dict or bool(test(found)))


def _read_prompt(conversion: Import, source: Source, chat: Chat) -> Target:
    prompt = conversion.document("Prompt")
    prompt.keep_rest(source)
    chat.read_request(conversion, source, prompt)
    return prompt


def _read_completion(conversion: Import, source: Source, chat: Chat) -> Target:
    completion = conversion.document("Completion")
    completion.keep_rest(source)
    _read_answer(conversion, source, completion, chat)
    return completion


def _read_answer(conversion: Import, source: Source, completion: Target, chat: Chat) -> None:
    chat.read_response(conversion, source, completion)
    if not completion.has("response_id"):
        conversion.derive_id(completion, "response_id")


def _read_pair(conversion: Import, chat: Chat) -> None:
    request = conversion.source.get("request", dict)
    response = conversion.source.get("response", dict)
    assert request is not None
    assert response is not None
    prompt = _read_prompt(conversion, request, chat)
    if chat.is_response(response.value):
        completion = _read_completion(conversion, response, chat)
        conversion.derive_id(prompt, "request_id", (completion, "request_id"))
        return
    conversion.derive_id(prompt, "request_id")
    error = error_of(response) or response.fail("expected a response")
    conversion.report_error(response, error.reason)


def _read_batch_request(conversion: Import, chat: Chat) -> None:
    source = conversion.source
    body = source.get("body", dict)
    assert body is not None
    if not chat.is_request(body.value):
        raise body.fail(f"expected {chat.expected}")
    prompt = conversion.document("Prompt")
    prompt.keep_rest(source, BATCH)
    prompt.keep_rest(body)
    custom_id = source.get("custom_id", str)
    if custom_id is not None:
        prompt.put("request_id", custom_id.value, custom_id)
    chat.read_request(conversion, body, prompt)


def _read_batch_response(conversion: Import, chat: Chat) -> None:
    source = conversion.source
    answer = source.get("response", dict)
    error = error_of(source)
    body = answer.get("body", dict) if answer is not None else None
    if error is None and body is not None and not chat.is_response(body.value):
        error = error_of(body) or body.fail(f"expected {chat.expected}")
    if error is not None or body is None:
        raise error or source.fail("the line has no body of a response")
    completion = conversion.document("Completion")
    completion.keep_rest(source, BATCH)
    completion.keep_rest(body)
    completion.mark(BATCH)
    custom_id = source.get("custom_id", str)
    if custom_id is not None:
        completion.put("request_id", custom_id.value, custom_id)
    _read_answer(conversion, body, completion, chat)


def error_of(source: Source) -> Any:
    """Return the error that a service gave instead of an answer, to raise; ``None`` if none."""
    for key in ("error", "errors"):
        error = source.get(key)
        if error is None or error.value in ("", [], {}):
            continue
        return error.fail(f"the service answered with an error: {describe_error(error.value)}")
    return None


def describe_error(error: Any) -> str:
    """Return the code and the message of a service's error.

    >>> describe_error({"code": "context_length", "message": "too long", "type": "invalid"})
    'context_length: too long'
    """
    if isinstance(error, list) and error:
        error = error[0]
    if not isinstance(error, dict):
        return str(error)
    codes = (error.get("code"), error.get("status"), error.get("type"))
    code = next((str(each) for each in codes if each not in (None, "")), "")
    message = error.get("message")
    text = message if isinstance(message, str) else ""
    return ": ".join(part for part in (code, text) if part) or "without code or message"


def body_target(conversion: Export, *path: str) -> Target:
    """Return where the exported request or response goes: into a line of a batch if it was in one.

    Args:
        conversion: The export.
        path: The keys of the body in the line.
    """
    rest = conversion.source.rest()
    batch = rest.get(BATCH, dict) if rest is not None else None
    target = conversion.target
    if batch is None:
        return target
    use_mark(batch)
    target.restore(batch)
    request_id = conversion.source.get("request_id", str)
    if request_id is not None:
        target.put("custom_id", request_id.value, request_id)
    for key in path:
        target = target.child(key)
        assert target.value is not None
    return target


def fill_usage(usage: Target, rules: tuple[Rule, Rule, Rule]) -> None:
    """Fill in the counts of tokens that a service always gives.

    Args:
        usage: The foreign object.
        rules: The counts of the prompt and of the answer, and their sum.
    """
    prompt, answer, total = (rule.theirs for rule in rules)
    for key in (prompt, answer):
        if not usage.has(key):
            usage.default(key, 0, "the service always gives it")
    if not usage.has(total):
        usage.default(total, usage.value[prompt] + usage.value[answer], "their sum")
