"""The id under which the exchange keeps a message, where the message carries one."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

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
