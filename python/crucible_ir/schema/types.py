"""The message types of the IR, by name and by class."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, overload

from crucible_ir import v1
from crucible_ir.errors import Error, FieldError, near_miss, shorten
from crucible_ir.schema.fields import fields_of
from crucible_ir.version import VERSION

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    MessageT = TypeVar("MessageT", bound=Message)

#: The package that the IR's messages live in.
PACKAGE = "crucible_ir.v1"

#: The producer that documents of this package name.
_PRODUCER = "crucible-ir"


class UnknownTypeError(Error, LookupError):
    """The IR has no message type of the given name.

    >>> try:
    ...     _ = message_type("StageDeff")
    ... except UnknownTypeError as error:
    ...     print(error)
    unknown message type 'StageDeff'; did you mean "StageDef"?
    """


@cache
def message_types() -> dict[str, type[Message]]:
    """Return every top-level message class of ``crucible_ir.v1`` by its short name."""
    exported = ((name, getattr(v1, name)) for name in v1.__all__)
    return {name: cls for name, cls in exported if hasattr(cls, "FromString")}


@overload
def message_type(type_: type[MessageT]) -> type[MessageT]: ...
@overload
def message_type(type_: str) -> type[Message]: ...
def message_type(type_: str | type[Message]) -> type[Message]:
    """Return a message class, given itself or its short or full name.

    Raises:
        UnknownTypeError: The IR has no message of this name; the error suggests the nearest one.

    >>> message_type("StageDef") is v1.StageDef is message_type("crucible_ir.v1.StageDef")
    True
    """
    if not isinstance(type_, str):
        if not (isinstance(type_, type) and hasattr(type_, "FromString")):
            shown = shorten(type_)
            raise UnknownTypeError(f"{shown} is neither a message class nor the name of one")
        return type_
    types = message_types()
    found = types.get(type_.removeprefix(f"{PACKAGE}."))
    if found is None:
        guess = near_miss(type_, types)
        raise UnknownTypeError(f"unknown message type {shorten(type_)}{guess}")
    return found


@cache
def document_members() -> dict[str, str]:
    """Return the member of ``Document.content`` for each standalone message."""
    fields = fields_of(descriptor_of(v1.Document)).values()
    return {
        field.message.name: field.name
        for field in fields
        if field.message is not None and field.oneof == "content"
    }


def document_of(message: Message) -> v1.Document:
    """Return a document with a message as its content; a ``Document`` is returned as it is.

    Raises:
        FieldError: The message cannot be the content of a document.

    >>> document_of(v1.ModelRef(id="bert")).model_ref.id
    'bert'
    """
    if isinstance(message, v1.Document):
        return message
    name = descriptor_of(message).name
    members = document_members()
    if name not in members:
        raise FieldError(f"a document cannot contain a {name}{near_miss(name, members)}")
    document = v1.Document(ir_version=VERSION, producer_name=_PRODUCER, producer_version=VERSION)
    getattr(document, members[name]).CopyFrom(message)
    return document


def content_of(document: v1.Document) -> Message | None:
    """Return the content of a document; ``None`` if it is empty or of a newer schema.

    >>> content_of(v1.Document()) is None
    True
    """
    member = document.WhichOneof("content")
    if member is None:
        return None
    content: Message = getattr(document, member)
    return content


def descriptor_of(message: Message | type[Message]) -> Descriptor:
    """Return the descriptor of a message or of its class."""
    # This is called for each message that is read or written, and a cast takes time.
    descriptor: Any = message.DESCRIPTOR
    return descriptor  # type: ignore[no-any-return]  # protobuf's stubs lack it
