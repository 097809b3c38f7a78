"""The OpenAPI document of the HTTP API, generated from the descriptors of the schema.

It needs no package of the extra ``web``, so that a program can export it without them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.security.authentication import INGEST_METHODS, METHOD_ROLES
from crucible_ir.schema.comments import comment, summary
from crucible_ir.schema.json_schema import Schema, message_schemas
from crucible_ir.schema.types import descriptor_of
from crucible_ir.v1 import FeedbackEvent
from crucible_ir.version import VERSION
from crucible_ir.web.api.feedback_report import REPORT_SCHEMAS
from crucible_ir.web.api.media_types import CRUCIBLE_JSON, FEEDBACK_FORMATS, JSON, PROTO

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor

#: The path of the document.
OPENAPI_PATH: Final = "/openapi.json"

#: The path for the feedback of web backends.
FEEDBACK_PATH: Final = "/v1/feedback"

#: The method that stores feedback.
INGEST: Final = "/crucible_ir.exchange.v1.FeedbackService/Ingest"

_SCHEMAS: Final = "#/components/schemas/"

#: The number of NO_SIDE_EFFECTS in ``MethodOptions.IdempotencyLevel``.
_NO_SIDE_EFFECTS: Final = 1

_DESCRIPTION: Final = """\
The exchange of Crucible IR over HTTP. Every method of its services is a path of the
[Connect protocol](https://connectrpc.com/docs/protocol): POST the request and get the response.
Methods without side effects can be called with GET too. The messages of streams are in envelopes,
whose content OpenAPI cannot describe.

The schemas accept what the readers accept: both names of a field, `null` for an unset field,
numbers in quotes and enum values by number. A reader rejects more than JSON Schema can express:
`$comment` has the rules that it cannot.

A media type of `crucible-json` has Crucible JSON, the dialect of the Elixir services, which has no
JSON Schema."""

#: The codes of errors, as Connect names them.
_CODES: Final = (
    "canceled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
)

_ERROR: Final[Schema] = {
    "type": "object",
    "description": "An error of the Connect protocol.",
    "properties": {
        "code": {"description": "The code.", "enum": list(_CODES)},
        "message": {"description": "The message for people.", "type": "string"},
        "details": {
            "description": "Typed details, such as google.rpc.BadRequest with each broken rule.",
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"description": "The full name of its message.", "type": "string"},
                    "value": {"description": "Its bytes in base64.", "type": "string"},
                    "debug": {"description": "Its ProtoJSON."},
                },
                "required": ["type", "value"],
            },
        },
    },
    "required": ["code"],
}

#: The names and descriptions of the responses with an error, by status.
_ERRORS: Final = {
    "400": ("Invalid", "The request is invalid, or the state of the exchange does not permit it."),
    "401": ("Unauthenticated", "A token is required, and there is none or it is not valid."),
    "403": ("Forbidden", "The token does not permit the request."),
    "404": ("NotFound", "The document does not exist."),
    "429": ("LimitExceeded", "A limit is exceeded. `Retry-After` has the seconds to wait."),
    "503": ("Unavailable", "The exchange is unavailable: try again later."),
    "default": ("OtherError", "Another error."),
}

#: The same, for what only `FEEDBACK_PATH` has.
_FEEDBACK_ERRORS: Final = {
    "413": ("TooLarge", "The request has too many bytes or events."),
    "415": ("UnsupportedMediaType", "The format or the compression is not supported."),
}

#: The parameters of every GET, by the names of their components.
_QUERY: Final[dict[str, Schema]] = {
    "Connect": {
        "name": "connect",
        "in": "query",
        "description": "The version of the Connect protocol.",
        "schema": {"const": "v1"},
    },
    "Encoding": {
        "name": "encoding",
        "in": "query",
        "required": True,
        "description": "The format of the message.",
        "schema": {"enum": ["json"]},
    },
}


def openapi(*, url: str = "/", requires_token: bool = True) -> Schema:
    """Return the OpenAPI 3.1 document of the HTTP API.

    Args:
        url: The address of the API, or the path that its paths begin with.
        requires_token: Whether callers must send a token.

    >>> made = openapi(url="https://ir.example.com")
    >>> made["openapi"], made["servers"]
    ('3.1.0', [{'url': 'https://ir.example.com'}])
    >>> list(made["paths"]["/crucible_ir.exchange.v1.ExchangeService/Get"])
    ['get', 'post']
    """
    services = _services()
    methods = [method for service in services for method in service.methods]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Crucible IR exchange",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": url}],
        "security": [{"bearer": []}] if requires_token else [],
        "tags": [
            *({"name": service.name, "description": comment(service)} for service in services),
            {"name": "HTTP", "description": "What only the HTTP API has."},
        ],
        "paths": {
            **{method_path(method): _path_item(method) for method in methods},
            FEEDBACK_PATH: {"post": _feedback()},
            OPENAPI_PATH: {"get": _own()},
        },
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "parameters": _QUERY,
            "responses": {
                name: {"description": text, **_content({JSON: _ref("Error")})}
                for name, text in (*_ERRORS.values(), *_FEEDBACK_ERRORS.values())
            },
            "schemas": {**_message_schemas(methods), **REPORT_SCHEMAS, "Error": _ERROR},
        },
    }


def method_path(method: MethodDescriptor) -> str:
    """Return the path of a method in the Connect protocol, as gRPC has it."""
    return f"/{method.containing_service.full_name}/{method.name}"


def _services() -> list[ServiceDescriptor]:
    files = {getattr(v1, name).DESCRIPTOR.file for name in v1.__all__}
    services = [service for file in files for service in file.services_by_name.values()]
    return sorted(services, key=lambda service: service.full_name)


def _message_schemas(methods: Iterable[MethodDescriptor]) -> Schema:
    roots: list[Descriptor] = [descriptor_of(FeedbackEvent)]
    for method in methods:
        roots += [method.input_type, method.output_type]
    return message_schemas(roots, _SCHEMAS)


def _path_item(method: MethodDescriptor) -> Schema:
    name = f"{method.containing_service.name}_{method.name}"
    is_stream = method.client_streaming or method.server_streaming
    contents = _streamed if is_stream else _unary
    described = {
        "summary": summary(method),
        "description": f"{comment(method)}\n{_role(method_path(method))}",
        "tags": [method.containing_service.name],
    }
    response = {
        "description": comment(method.output_type),
        **_content(contents(method.output_type)),
    }
    responses = {
        "200": response,
        "415": {"description": "The format is not supported. There is no body."},
        **_error_responses(_ERRORS),
    }
    post = {
        "operationId": name,
        **described,
        "requestBody": {"required": True, **_content(contents(method.input_type))},
        "responses": responses,
    }
    if is_stream or method.GetOptions().idempotency_level != _NO_SIDE_EFFECTS:
        return {"post": post}
    message = {
        "name": "message",
        "in": "query",
        "required": True,
        "description": "The request.",
        **_content({JSON: _ref(method.input_type.name)}),
    }
    get = {
        "operationId": f"{name}_get",
        **described,
        "parameters": [
            *({"$ref": f"#/components/parameters/{each}"} for each in _QUERY),
            message,
        ],
        "responses": responses,
    }
    return {"get": get, "post": post}


def _role(method: str) -> str:
    """Return a sentence about the role that a method requires."""
    ingest = "ingest, or at least " if method in INGEST_METHODS else ""
    return f"Required role: {ingest}{METHOD_ROLES[method]}."


def _unary(message: Descriptor) -> dict[str, Schema]:
    """Return the media types of a message that is not streamed, with their schemas."""
    return {JSON: _ref(message.name), CRUCIBLE_JSON: {}, PROTO: {}}


def _streamed(message: Descriptor) -> dict[str, Schema]:
    """Return the media types of messages in the envelopes of the Connect protocol."""
    schema = {"description": f"Envelopes, each with a {message.name}."}
    return {f"application/connect+{name}": schema for name in ("json", "crucible-json", "proto")}


def _feedback() -> Schema:
    event = descriptor_of(FeedbackEvent)
    lines = {"description": f"A {event.name} on each line.", "type": "string"}
    schemas: dict[str, Schema] = {
        media_type: lines if each.has_lines else _ref(event.name) if media_type == JSON else {}
        for media_type, each in FEEDBACK_FORMATS.items()
    }
    report = _content({JSON: _ref("FeedbackReport")})
    errors = {**_ERRORS, **_FEEDBACK_ERRORS}
    del errors["404"]
    return {
        "operationId": "send_feedback",
        "summary": "Stores feedback events.",
        "description": "Stores one event, or an event on each line; blank lines are skipped. The"
        " answer comes when they are durable. An event is stored once, by its id, so that a request"
        " can be repeated. The body may be compressed with gzip."
        f"\n{_role(INGEST)}",
        "tags": ["HTTP"],
        "requestBody": {"required": True, **_content(schemas)},
        "responses": {
            "200": {"description": "At least one event is stored, now or earlier.", **report},
            "422": {"description": "No event can be stored.", **report},
            **_error_responses(errors),
        },
    }


def _own() -> Schema:
    return {
        "operationId": "get_openapi",
        "summary": "Returns this document.",
        "tags": ["HTTP"],
        "security": [],
        "responses": {
            "200": {"description": "This document.", **_content({JSON: {"type": "object"}})}
        },
    }


def _error_responses(errors: Iterable[str]) -> Schema:
    named = {**_ERRORS, **_FEEDBACK_ERRORS}
    return {status: {"$ref": f"#/components/responses/{named[status][0]}"} for status in errors}


def _content(schemas: dict[str, Schema]) -> Schema:
    return {"content": {media_type: {"schema": each} for media_type, each in schemas.items()}}


def _ref(name: str) -> Schema:
    return {"$ref": _SCHEMAS + name}
