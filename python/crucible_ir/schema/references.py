"""The identity of messages and the references between them, as the options of the schema say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from crucible_ir.schema.fields import Cardinality, Field, Kind, Resolution, fields_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.walk import Path, expand, reachable_types

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

#: The field beside a reference that says of which model it names a version.
CONTEXT_FIELDS: Final = {
    Resolution.BY_VERSION_OF_MODEL: "model_id",
    Resolution.BY_VERSION_OF_DEPLOYMENT: "deployment_id",
}


class DocumentKey(NamedTuple):
    """The type and the id of a document.

    >>> str(DocumentKey("ModelRef", "gpt2"))
    'ModelRef/gpt2'
    """

    type: str
    id: str

    def __str__(self) -> str:
        return f"{self.type}/{self.id}"


class FieldReference(NamedTuple):
    """A reference in a document, or in a message embedded in it.

    Attributes:
        holder_type: The short name of the message type with the field.
        holder_id: The id of that message: of the document, or of an embedded message.
        field: The field, from that message on: ``sources[].model_version_id``.
        target_type: The short name of the target's message type.
        target_id: The id of the target, or its version.
        embedded: Whether the field contains a copy of the target and not only its id.
        resolution: The other way to find the target if there is none with the id.
        context: The id of the model or deployment for that way; empty if the message has none.
    """

    holder_type: str
    holder_id: str
    field: str
    target_type: str
    target_id: str
    embedded: bool
    resolution: Resolution | None = None
    context: str = ""


@cache
def identity_fields(descriptor: Descriptor) -> tuple[str, ...]:
    """Return the fields that can identify the messages of a type, the first one first.

    >>> from crucible_ir import v1
    >>> identity_fields(v1.DatasetRef.DESCRIPTOR)
    ('name',)
    >>> identity_fields(v1.Completion.DESCRIPTOR)
    ('response_id', 'request_id')
    """
    return tuple(field.name for field in fields_of(descriptor).values() if field.identity)


def identity_field(message: Message) -> str | None:
    """Return the field that identifies a message: the first identity field that is not empty.

    >>> from crucible_ir import v1
    >>> identity_field(v1.Completion(request_id="r"))
    'request_id'
    """
    names = identity_fields(descriptor_of(message))
    return next((name for name in names if getattr(message, name)), None)


def identity_of(message: Message) -> str | None:
    """Return the id of a message; ``None`` if it has none.

    >>> from crucible_ir import v1
    >>> identity_of(v1.ModelRef(id="gpt2", name="GPT-2"))
    'gpt2'
    >>> identity_of(v1.Hedging()) is None
    True
    """
    name = identity_field(message)
    return None if name is None else getattr(message, name)


def reference_fields(descriptor: Descriptor) -> dict[str, Field]:
    """Return the references of a message type by field, also of the messages that are part of it.

    Messages that are references themselves are not followed.

    >>> from crucible_ir import v1
    >>> {path: field.reference for path, field in reference_fields(v1.ModelRef.DESCRIPTOR).items()}
    {'aliases[]': 'ModelVersion'}
    >>> list(reference_fields(v1.DeploymentConfig.DESCRIPTOR))
    ['model_version_id', 'traffic[].model_version_id']
    """
    found = {}
    waiting = [("", descriptor, frozenset({descriptor.full_name}))]
    while waiting:
        prefix, message, above = waiting.pop(0)
        for field in _leading_to_references(message):
            path = prefix + _step(field)
            if field.reference is not None:
                found[path] = field
            elif field.message is not None and field.message.full_name not in above:
                waiting.append((f"{path}.", field.message, above | {field.message.full_name}))
    return found


def references_of(message: Message, id_: str) -> Iterator[FieldReference]:
    """Yield the references of a message, including those of embedded copies.

    Args:
        message: The content of a document.
        id_: The document's id.

    >>> from crucible_ir import v1
    >>> [reference] = references_of(v1.DeploymentConfig(id="d", model_version_id="m"), "d")
    >>> reference.field, reference.target_type, reference.target_id
    ('model_version_id', 'ModelVersion', 'm')
    """
    for _, reference in located_references(message, id_):
        yield reference


def located_references(message: Message, id_: str) -> Iterator[tuple[Path, FieldReference]]:
    """Yield the references of a message as `references_of` does, each with its path.

    >>> from crucible_ir import v1
    >>> [(path, _)] = located_references(v1.ModelRef(id="m", aliases={"champion": "v2"}), "m")
    >>> path
    ('aliases', 'champion')
    """
    waiting: list[tuple[Message, str, str, str, Path]]
    waiting = [(message, descriptor_of(message).name, id_, "", ())]
    while waiting:
        here, holder_type, holder_id, prefix, above = waiting.pop()
        for field in _leading_to_references(descriptor_of(here)):
            name = prefix + _step(field)
            for step, value in _values(here, field):
                path = (*above, *step)
                if field.reference is None:
                    waiting.append((value, holder_type, holder_id, f"{name}.", path))
                    continue
                embedded = field.kind is Kind.MESSAGE
                target = identity_of(value) if embedded else value
                if not target:
                    continue
                resolution = resolution_by_version(field)
                context = "" if resolution is None else getattr(here, CONTEXT_FIELDS[resolution])
                reference = FieldReference(
                    holder_type,
                    holder_id,
                    name,
                    field.reference,
                    target,
                    embedded,
                    resolution,
                    context,
                )
                yield path, reference
                if embedded:
                    waiting.append((value, field.reference, target, "", path))


@cache
def _leading_to_references(descriptor: Descriptor) -> tuple[Field, ...]:
    """Return the fields that are references, and those whose messages contain some."""
    return tuple(
        field
        for field in fields_of(descriptor).values()
        if field.reference is not None
        or (field.message is not None and _contains_references(field.message))
    )


@cache
def _contains_references(descriptor: Descriptor) -> bool:
    return any(
        field.reference is not None
        for message in reachable_types(descriptor)
        for field in fields_of(message).values()
    )


def _step(field: Field) -> str:
    return field.name if field.cardinality is Cardinality.SINGULAR else f"{field.name}[]"


def _values(message: Message, field: Field) -> Iterator[tuple[Path, Any]]:
    """Yield the messages or texts of a field with the steps to them."""
    value = getattr(message, field.name)
    if field.cardinality is not Cardinality.SINGULAR:
        yield from expand((field.name,), field, value)
    elif field.kind is not Kind.MESSAGE or message.HasField(field.name):
        yield (field.name,), value


def resolution_by_version(field: Field) -> Resolution | None:
    """Return how to find the target of a reference that names a version; ``None`` if none does."""
    return next((way for way in field.resolutions if way is not Resolution.BY_ID), None)
