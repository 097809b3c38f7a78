"""The fields of a document by which the exchange finds it, and the hash that identifies it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from crucible_ir import v1
from crucible_ir.errors import EncodeError
from crucible_ir.schema import vocabulary
from crucible_ir.schema.fields import Field, Kind, fields_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.serialization.json.canonical import DIGEST_PREFIX, digest

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message


class FieldValue(NamedTuple):
    """The value of a field by which documents can be found."""

    field: str
    value: str


#: The longest indexed value, in bytes of UTF-8: the same as for a required string.
MAX_VALUE_BYTES = 512

#: The name of the index of model versions by model and version, beside the fields of the schema.
VERSION_OF_MODEL = "model_id+version"

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
    if isinstance(message, v1.ModelVersion) and message.model_id and message.version:
        yield FieldValue(VERSION_OF_MODEL, version_of_model(message.model_id, message.version))


def version_of_model(model_id: str, version: str) -> str:
    r"""Return the indexed value of a model version; a version contains no NUL.

    >>> version_of_model("gpt2", "1.0.0")
    '1.0.0\x00gpt2'
    """
    return f"{version}\0{model_id}"


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


def digest_of(content: Message) -> str | None:
    """Return the digest of a content; ``None`` if it has none."""
    try:
        return digest(content)
    except EncodeError:
        return None


def content_hash(content: Message, digest_: str | None) -> bytes:
    """Return a hash by which contents are compared.

    A content without a digest is compared by its serialized bytes: at worst, equal contents count
    as different.

    Args:
        content: The content.
        digest_: Its digest, if it has one.
    """
    if digest_ is not None:
        return bytes.fromhex(digest_.removeprefix(DIGEST_PREFIX))
    return hashlib.sha256(b"binary:" + content.SerializeToString(deterministic=True)).digest()
