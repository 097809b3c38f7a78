"""The parts of a document that the exchange uses: its identity, references and indexed fields."""

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
    """A reference in a document, or in a message embedded in it.

    Attributes:
        holder_type: The short name of the message type with the field.
        holder_id: The id of that message: of the document, or of an embedded message.
        field: The name of the field.
        target_type: The short name of the target's message type.
        target_id: The id of the target.
        embedded: Whether the field contains a copy of the target and not only its id.
    """

    holder_type: str
    holder_id: str
    field: str
    target_type: str
    target_id: str
    embedded: bool


#: The fields that identify a message: the first that its type has.
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
    """Return the id of a message; ``None`` if it has none.

    >>> from crucible_ir import v1
    >>> identity_of(v1.ModelRef(id="gpt2", name="GPT-2"))
    'gpt2'
    >>> identity_of(v1.Hedging()) is None
    True
    """
    name = identity_field(descriptor_of(message))
    return (getattr(message, name) or None) if name is not None else None


#: The fields of each message type that refer to a document, and its type: by id, or by a copy.
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
    """Yield the references of a message, including those of embedded copies.

    Args:
        message: The content of a document.
        id_: The document's id.

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


#: The longest indexed value, in bytes of UTF-8: the same as for a required string.
MAX_VALUE_BYTES = 512

_INDEXED_KINDS = (Kind.STRING, Kind.ENUM, Kind.BOOL)


@cache
def indexed_fields(descriptor: Descriptor) -> dict[str, tuple[Field, ...]]:
    """Return the indexed fields of a type, with the members that contain each field's values.

    Strings, lists of strings, flags and enums are indexed. An open vocabulary is one field.

    >>> from crucible_ir import v1
    >>> [member.name for member in indexed_fields(v1.ModelVersion.DESCRIPTOR)["stage"]]
    ['stage', 'custom_stage']
    """
    fields = fields_of(descriptor)
    return {
        name: (field,) if field.custom is None else (field, fields[field.custom])
        for name, field in fields.items()
        if field.kind in _INDEXED_KINDS and not field.is_map and field.custom_of is None
    }


def field_values(message: Message) -> Iterator[FieldValue]:
    """Yield the indexed fields of a message that are set, with each of their values.

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
    """Return the distinct values of a field that count as set."""
    value = getattr(message, field.name)
    if field.is_list:
        return list(dict.fromkeys(value))
    if field.has_presence:
        return [value] if message.HasField(field.name) else []
    return [value] if value else []


def value_text(field: Field, value: Any) -> str | None:
    """Return the indexed text of a value; ``None`` for a value that counts as unset."""
    if field.enum is not None:
        return vocabulary.names(field.enum).get(value, str(value)) if value else None
    if field.kind is Kind.BOOL:
        return "true" if value else "false"
    return str(value)
