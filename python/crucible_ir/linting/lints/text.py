"""Lints of strings: control characters and literals as names, malformed or unsafe URIs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from crucible_ir import v1
from crucible_ir.linting.findings import Problem, Severity
from crucible_ir.linting.registry import lint_for_all
from crucible_ir.schema.fields import Cardinality, Field, Kind, fields_of
from crucible_ir.schema.rules import rules_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from crucible_ir.paths import Part

#: The last word of the names of URI fields.
_URI_WORDS = frozenset({"uri", "uris", "url", "urls"})

#: The field with the address of a running service.
_ENDPOINT = "endpoint_url"

#: A URI by RFC 3986: a scheme, then only allowed characters and well-formed percent-encodings.
_URI = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):"
    r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
)

#: A host with a port, whose host a URI parser would take for a scheme.
_HOST_AND_PORT = re.compile(r"[A-Za-z0-9.-]+:\d+(?:/.*)?")

#: The characters of Unicode's category Cc.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

#: The strings that Elixir's atoms of the same names stand for.
_LITERALS = {"nil": "the null value", "true": "a boolean", "false": "a boolean"}

#: Schemes that require a host.
_NETWORK = frozenset({"http", "https", "ws", "wss", "grpc", "grpcs", "tcp", "ftp"})

#: Schemes without encryption.
_CLEAR = frozenset({"http", "ws", "grpc", "tcp", "ftp"})


@cache
def _single_strings(message: Descriptor) -> tuple[str, ...]:
    return tuple(
        name
        for name, field in fields_of(message).items()
        if field.kind is Kind.STRING and field.cardinality is Cardinality.SINGULAR
    )


@cache
def _names(message: Descriptor) -> tuple[str, ...]:
    """Return the fields with an id or a name."""
    return tuple(name for name in _single_strings(message) if name.split("_")[-1] in ("id", "name"))


@cache
def _required_fields(message: Descriptor) -> frozenset[str]:
    return frozenset(rule.field_path for rule in rules_of(message) if rule.rule_id == "required")


@cache
def _uri_fields(message: Descriptor) -> tuple[Field, ...]:
    return tuple(
        field
        for name, field in fields_of(message).items()
        if field.kind is Kind.STRING and name.split("_")[-1] in _URI_WORDS
    )


@lint_for_all(
    "text.control_character",
    Severity.WARNING,
    "A required string, such as an id, contains a control character, which corrupts logs and "
    "terminals.",
    applies=_single_strings,
    example_type=v1.StageDef,
    bad={"name": "infer\tence"},
    good={"name": "inference"},
)
def control_character(message: Message) -> Iterator[Problem]:
    """Report each required string with a character of Unicode's category Cc."""
    for name in _single_strings(message.DESCRIPTOR):
        found = _CONTROL.search(getattr(message, name))
        # The rules are read last because it is slow, and rarely necessary.
        if found and name in _required_fields(message.DESCRIPTOR):
            yield Problem(
                (name,),
                f"character {found.start() + 1} is the control character U+{ord(found[0]):04X}",
                "remove it",
            )


@lint_for_all(
    "text.elixir_literal",
    Severity.WARNING,
    "An id or a name is `nil`, `true` or `false`: the Elixir packages read it as the null value or "
    "a boolean and not as a name.",
    applies=_names,
    example_type=v1.StageDef,
    bad={"name": "nil"},
    good={"name": "inference"},
)
def elixir_literal(message: Message) -> Iterator[Problem]:
    """Report each id or name that is a literal of Elixir."""
    for name in _names(message.DESCRIPTOR):
        text = getattr(message, name)
        if text in _LITERALS:
            yield Problem(
                (name,),
                f'Elixir reads "{text}" as {_LITERALS[text]}',
                "choose another name, or leave the field unset if there is none",
            )


@lint_for_all(
    "uri.malformed",
    Severity.WARNING,
    "A URI or URL field contains something else, such as a bare host or path.",
    applies=_uri_fields,
    example_type=v1.BackendRef,
    bad={"id": "gpt4", "endpoint_url": "localhost:8080"},
    good={"id": "gpt4", "endpoint_url": "http://localhost:8080"},
)
def malformed_uri(message: Message) -> Iterator[Problem]:
    """Report each string in a URI field that is not a URI by RFC 3986."""
    for path, text in _uris(message):
        if _HOST_AND_PORT.fullmatch(text):
            host = text.partition(":")[0]
            scheme = "http" if _is_loopback(host) else "https"
            yield Problem(path, "this is a host and a port, not a URI", f"write {scheme}://{text}")
        elif _split(text) is None:
            yield Problem(
                path,
                "expected a URI, got an empty string" if not text else "this is not a URI",
                "write it in full, with a scheme such as https:// or file://",
            )


@lint_for_all(
    "uri.insecure_endpoint",
    Severity.WARNING,
    "A remote endpoint is used without encryption.",
    applies=_uri_fields,
    example_type=v1.BackendRef,
    bad={"id": "gpt4", "endpoint_url": "http://api.example.com/v1"},
    good={"id": "gpt4", "endpoint_url": "https://api.example.com/v1"},
)
def insecure_endpoint(message: Message) -> Iterator[Problem]:
    """Report each ``endpoint_url`` that is neither encrypted nor on a loopback address."""
    for path, text in _uris(message):
        split = _split(text)
        if path != (_ENDPOINT,) or split is None or split.scheme not in _CLEAR:
            continue
        if not _is_loopback(split.hostname or ""):
            yield Problem(
                path,
                f"{split.scheme}:// sends prompts, answers and keys without encryption",
                "use https://",
            )


@lint_for_all(
    "uri.password",
    Severity.WARNING,
    "A URI contains a password.",
    applies=_uri_fields,
    example_type=v1.ModelRef,
    bad={"id": "gpt2", "artifact_uri": "https://reader:hunter2@models.example.com/gpt2"},
    good={"id": "gpt2", "artifact_uri": "https://models.example.com/gpt2"},
)
def password_in_uri(message: Message) -> Iterator[Problem]:
    """Report each URI with a password."""
    for path, text in _uris(message):
        split = _split(text)
        if split and split.password:
            yield Problem(
                path,
                "this URI contains a password",
                "remove it, and change the password, which is no longer secret",
            )


def _uris(message: Message) -> Iterator[tuple[tuple[Part, ...], str]]:
    """Yield the value and path of each URI field."""
    for field in _uri_fields(message.DESCRIPTOR):
        value = getattr(message, field.name)
        if field.is_list:
            for index, text in enumerate(value):
                yield (field.name, index), text
        elif value or (field.has_presence and message.HasField(field.name)):
            yield (field.name,), value


def _split(text: str) -> SplitResult | None:
    """Return the parts of a URI; ``None`` if the text is not one."""
    found = _URI.fullmatch(text)
    # A scheme of one letter is a Windows drive.
    if found is None or len(found["scheme"]) == 1:
        return None
    try:
        split = urlsplit(text)
        named = split.port is None or split.hostname
    except ValueError:
        return None
    if not named or (split.scheme in _NETWORK and not split.hostname):
        return None
    return split


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
