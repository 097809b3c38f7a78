"""What the exchange reads from a document: its identity, its references and its indexed fields."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import Field, Kind, fields_of
from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message


class FieldValue(NamedTuple):
    """The value of a field by which documents can be found."""

    field: str
    value: str


class FieldReference(NamedTuple):
    """A reference that a document holds, in itself or in a message inside it.

    Attributes:
        holder_type: The short name of the message that holds the field.
        holder_id: The id of that message: the document's own, or that of a part of it.
        field: The field's name.
        target_type: The short name of the message that is referred to.
        target_id: Its id.
        embedded: Whether the field holds a copy of that message and not only its id.
    """

    holder_type: str
    holder_id: str
    field: str
    target_type: str
    target_id: str
    embedded: bool


#: The fields that identify a message, the first that its type has.
IDENTITY_FIELDS = ("id", "name", "backend_id", "request_id")


@cache
def identity_field(descriptor: Descriptor) -> str | None:
    """Return the field that identifies the messages of a type, if there is one.

    >>> from crucible_ir import v1
    >>> identity_field(v1.DatasetRef.DESCRIPTOR)
    'name'
    """
    return next((name for name in IDENTITY_FIELDS if name in descriptor.fields_by_name), None)


def identity_of(message: Message) -> str | None:
    """Return what identifies a message; ``None`` when it carries nothing that does.

    >>> from crucible_ir import v1
    >>> identity_of(v1.ModelRef(id="gpt2", name="GPT-2"))
    'gpt2'
    >>> identity_of(v1.Hedging()) is None
    True
    """
    name = identity_field(descriptor_of(message))
    return (getattr(message, name) or None) if name is not None else None


#: Which fields of a message refer to a document, and to which type: by its id, or by a copy of it.
REFERENCES: dict[str, dict[str, str]] = {
    "BackendRef": {"deployment_id": "DeploymentConfig", "fallback": "BackendRef"},
    "Capabilities": {"backend_id": "BackendRef"},
    "Completion": {"request_id": "Prompt"},
    "DeploymentConfig": {"model_version_id": "ModelVersion"},
    "DeploymentStatus": {"deployment_id": "DeploymentConfig"},
    "Experiment": {
        "backend": "BackendRef",
        "dataset": "DatasetRef",
        "model_version": "ModelVersion",
        "training_config": "TrainingConfig",
        "baseline": "ModelRef",
    },
    "FeedbackEvent": {"deployment_id": "DeploymentConfig", "model_version": "ModelVersion"},
    "ModelVersion": {
        "model_id": "ModelRef",
        "training_run_id": "TrainingRun",
        "parent_version": "ModelVersion",
    },
    "TrainingConfig": {"model_ref": "ModelRef", "dataset_ref": "DatasetRef"},
    "TrainingRun": {"config": "TrainingConfig", "final_model_version": "ModelVersion"},
}


def references_of(message: Message, id_: str) -> Iterator[FieldReference]:
    """Yield the references that a message holds, those of the copies inside it included.

    Args:
        message: The content of a document.
        id_: Its id.

    >>> from crucible_ir import v1
    >>> [reference] = references_of(v1.DeploymentConfig(id="d", model_version_id="m"), "d")
    >>> reference.field, reference.target_type, reference.target_id
    ('model_version_id', 'ModelVersion', 'm')
    """
    descriptor = descriptor_of(message)
    for name, target_type in REFERENCES.get(descriptor.name, {}).items():
        embedded = fields_of(descriptor)[name].kind is Kind.MESSAGE
        if embedded and not message.HasField(name):
            continue
        value = getattr(message, name)
        target_id = identity_of(value) if embedded else value
        if not target_id:
            continue
        yield FieldReference(descriptor.name, id_, name, target_type, target_id, embedded)
        if embedded:
            yield from references_of(value, target_id)


#: The longest value that is indexed, in bytes of UTF-8: as long as a required string may be.
MAX_VALUE_BYTES = 512

_INDEXED_KINDS = (Kind.STRING, Kind.ENUM, Kind.BOOL)


@cache
def indexed_fields(descriptor: Descriptor) -> dict[str, tuple[Field, ...]]:
    """Return the fields of a type that are indexed: the members that hold each one's values.

    They are the strings, lists of strings, flags and enums. An open vocabulary is one field.

    >>> from crucible_ir import v1
    >>> [member.name for member in indexed_fields(v1.ModelVersion.DESCRIPTOR)["stage"]]
    ['stage', 'custom_stage']
    """
    fields = fields_of(descriptor)
    return {
        name: (field,) if field.custom is None else (field, fields[field.custom])
        for name, field in fields.items()
        if field.kind in _INDEXED_KINDS and not field.is_map and not field.is_custom
    }


def field_values(message: Message) -> Iterator[FieldValue]:
    """Yield each indexed field of a message that is set, with each of its values.

    >>> from crucible_ir import v1
    >>> dict(field_values(v1.ModelVersion(id="m1", model_id="m", stage="MODEL_STAGE_PRODUCTION")))
    {'id': 'm1', 'model_id': 'm', 'stage': 'production'}
    """
    for name, members in indexed_fields(descriptor_of(message)).items():
        for member in members:
            for value in set_values(message, member):
                text = value_text(member, value)
                if text is not None and len(text.encode()) <= MAX_VALUE_BYTES:
                    yield FieldValue(name, text)


def set_values(message: Message, field: Field) -> list[Any]:
    """Return the values of a field that count as set, each once."""
    value = getattr(message, field.name)
    if field.is_list:
        return list(dict.fromkeys(value))
    if field.has_presence:
        return [value] if message.HasField(field.name) else []
    return [value] if value else []


def value_text(field: Field, value: Any) -> str | None:
    """Return the text under which a value is indexed; ``None`` for a value that counts as unset."""
    if field.enum is not None:
        return vocabulary.names(field.enum).get(value, str(value)) if value else None
    if field.kind is Kind.BOOL:
        return "true" if value else "false"
    return str(value)
