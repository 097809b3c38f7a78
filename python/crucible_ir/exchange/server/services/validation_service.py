"""The service that validates and converts messages, for programs without a library for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from crucible_ir.errors import DecodeError, EncodeError, Violation
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.rpc import trailers
from crucible_ir.exchange.server.rpc.errors import RpcError, field_violation, invalid_argument
from crucible_ir.exchange.server.services.conversions import violation_messages
from crucible_ir.exchange.server.services.memory_cost import MAX_TEXT_LENGTH, memory_cost
from crucible_ir.exchange.server.services.workers import Workers
from crucible_ir.exchange.v1.validation_service_pb2_grpc import ValidationServiceServicer
from crucible_ir.linting import LintFinding
from crucible_ir.linting.linter import findings
from crucible_ir.paths import parse_path
from crucible_ir.schema import vocabulary
from crucible_ir.schema.types import UnknownTypeError, message_type
from crucible_ir.serialization.formats import FORMATS, Format
from crucible_ir.serialization.text import to_text
from crucible_ir.validation.first_violations import first_violations

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange.server.rpc.call_hooks import Context

    MessageT = TypeVar("MessageT", bound=Message)

#: The format of each value of the enum.
_FORMATS = {
    number: FORMATS[name.replace("_", "-")]
    for number, name in vocabulary.names(v1.Form.DESCRIPTOR).items()
}

#: The most violations, and the most lint findings, of a response, and the most bytes of each.
MAX_LISTED: Final = 1000
_LISTED_BYTES: Final = 1024 * 1024

#: The size of contents from which estimating their memory would delay other calls.
_LARGE_BYTES: Final = 64 * 1024


class ValidationService(ValidationServiceServicer):
    """Implements ``crucible_ir.exchange.v1.ValidationService``, which needs no store.

    Args:
        workers: The threads for its work.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def Validate(self, request: v1.ValidateRequest, context: Context) -> v1.ValidateResponse:
        """Check whether bytes are a valid message, and lint it."""
        cost = await _cost(request.content, request.form)
        return await self._workers.run(_validate, request, cost)

    async def Convert(self, request: v1.ConvertRequest, context: Context) -> v1.ConvertResponse:
        """Convert a message to another format."""
        cost = await _cost(request.content, request.source_form, request.target_form)
        return await self._workers.run(_convert, request, cost)


async def _cost(content: bytes, form: v1.Form, target: v1.Form | None = None) -> int:
    if len(content) < _LARGE_BYTES:
        return memory_cost(content, form, target)
    return await asyncio.to_thread(memory_cost, content, form, target)


def _validate(request: v1.ValidateRequest) -> v1.ValidateResponse:
    _check_type(request.type)
    format_, type_ = _FORMATS[request.form], message_type(request.type)
    try:
        document = format_.parse(request.content)
        message = document.read(type_, validate=False)
    except DecodeError as error:
        return v1.ValidateResponse(failure=_failure(error))
    broken, omitted = first_violations(message, MAX_LISTED)
    find = document.field_finder(type_)
    if find is not None:
        broken = [each._replace(position=find(parse_path(each.path))) for each in broken]
    response = v1.ValidateResponse(valid=not broken)
    response.violations.extend(_listed(violation_messages(broken)))
    response.omitted_violations = len(broken) - len(response.violations) + omitted
    if not request.skip_lints:
        found = findings(message)
        first = list(islice(found, MAX_LISTED))
        response.lints.extend(_listed(map(_lint_message, first)))
        response.omitted_lints = len(first) - len(response.lints) + sum(1 for _ in found)
    return response


def _listed(details: Iterable[MessageT]) -> Iterator[MessageT]:
    """Yield the first of some violations or findings, as many as have room in a response."""
    room = _LISTED_BYTES
    for detail in details:
        room -= detail.ByteSize() + trailers.ITEM_OVERHEAD
        if room < 0:
            return
        yield detail


def _convert(request: v1.ConvertRequest) -> v1.ConvertResponse:
    _check_type(request.type)
    source: Format = _FORMATS[request.source_form]
    target: Format = _FORMATS[request.target_form]
    try:
        message = source.read(request.content, message_type(request.type), False)
    except DecodeError as error:
        raise _invalid_content("content.readable", error.errors) from error
    if not request.allow_invalid:
        broken, omitted = first_violations(message, MAX_LISTED)
        if broken:
            raise invalid_argument("invalid request", broken, omitted)
    try:
        if target is FORMATS["text"]:
            content = to_text(message, max_length=MAX_TEXT_LENGTH).encode()
        else:
            content = target.write(message, None)
    except EncodeError as error:
        raise _invalid_content("content.writable", [error]) from error
    return v1.ConvertResponse(content=content)


def _check_type(name: str) -> None:
    try:
        message_type(name)
    except UnknownTypeError as error:
        raise field_violation("type", "type.known", str(error)) from error


def _invalid_content(rule_id: str, errors: Iterable[DecodeError | EncodeError]) -> RpcError:
    violations = [Violation("content", rule_id, _description(error)) for error in errors]
    return invalid_argument("invalid request", violations)


def _description(error: DecodeError | EncodeError) -> str:
    """Return the position, path and reason of an error; a long path is cut, and not the reason."""
    path = trailers.cut(error.path, trailers.MAX_MESSAGE_BYTES // 2)
    parts = [str(error.position or ""), path, error.reason]
    return ": ".join(part for part in parts if part)


def _failure(error: DecodeError) -> v1.ReadFailure:
    position = error.position
    return v1.ReadFailure(
        message=error.reason,
        path=error.path,
        line=position.line if position else None,
        column=position.column if position else None,
    )


def _lint_message(finding: LintFinding) -> v1.Lint:
    return v1.Lint(
        lint_id=finding.id,
        severity=f"LINT_SEVERITY_{finding.severity.name}",
        path=finding.path,
        message=finding.message,
        fix=finding.fix or None,
    )
