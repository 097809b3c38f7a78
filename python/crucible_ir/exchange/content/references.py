"""The references between documents that the IR already carries, and how to read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from crucible_ir.exchange.content.identity import identity_of
from crucible_ir.exchange.store.records import FieldReference
from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

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
        field = descriptor.fields_by_name[name]
        embedded = field.message_type is not None
        if embedded and not message.HasField(name):
            continue
        value = getattr(message, name)
        target_id = identity_of(value) if embedded else value
        if not target_id:
            continue
        yield FieldReference(descriptor.name, id_, name, target_type, target_id, embedded)
        if embedded:
            yield from references_of(value, target_id)
