"""The fields of a document by which the exchange finds it, and the hash that identifies it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from enum import Enum
from functools import cache
from itertools import islice
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
    from google.protobuf.timestamp_pb2 import Timestamp


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


class NumberValue(NamedTuple):
    """The value of a number by which documents can be found and ordered."""

    field: str
    value: float


#: The most numbers of a document by which it is found, and the longest name of one, in bytes.
MAX_NUMBERS = 64
MAX_NAME_BYTES = 512

_NUMBER_KINDS = frozenset(
    {Kind.INT32, Kind.INT64, Kind.UINT32, Kind.UINT64, Kind.FLOAT, Kind.DOUBLE}
)


class NumberForm(Enum):
    """A way in which a field contains numbers."""

    NUMBER = "number"
    TIME = "time"
    MAP = "map"
    NAMED = "named"


@cache
def number_fields(descriptor: Descriptor) -> dict[str, NumberForm]:
    """Return the fields of a type that contain indexed numbers.

    These are the numbers and timestamps at its root, maps of numbers, and lists of messages with a
    ``name`` and a ``value``.

    >>> from crucible_ir import v1
    >>> {name: form.value for name, form in number_fields(v1.ModelVersion.DESCRIPTOR).items()}
    {'metrics': 'map', 'created_at': 'time'}
    """
    found = {}
    for name, field in fields_of(descriptor).items():
        if field.kind in _NUMBER_KINDS and not field.is_list:
            found[name] = NumberForm.MAP if field.is_map else NumberForm.NUMBER
        elif field.kind is Kind.MESSAGE and not field.is_map and field.message is not None:
            if field.message.full_name == "google.protobuf.Timestamp" and not field.is_list:
                found[name] = NumberForm.TIME
            elif field.is_list and _has_named_values(field.message):
                found[name] = NumberForm.NAMED
    return found


def value_field(field: Field) -> Field:
    """Return the field ``value`` of the messages in a list."""
    assert field.message is not None
    return fields_of(field.message)["value"]


def _has_named_values(descriptor: Descriptor) -> bool:
    fields = fields_of(descriptor) if descriptor.full_name.startswith("crucible_ir.") else {}
    name, value = fields.get("name"), fields.get("value")
    return (
        name is not None
        and value is not None
        and name.kind is Kind.STRING
        and value.kind in _NUMBER_KINDS
    )


def number_values(message: Message) -> list[NumberValue]:
    """Return the numbers of a message by which it is found.

    They are those at its root, in the order of the schema, and then those with names, in the order
    of their names; `MAX_NUMBERS` at most. NaN counts as unset, as do names that are too long. Of
    several numbers with one name the first counts. Times are in microseconds.

    >>> from crucible_ir import v1
    >>> number_values(v1.ModelVersion(metrics={"accuracy": 0.5}))
    [NumberValue(field='metrics.accuracy', value=0.5)]
    """
    found: dict[str, float] = {}
    named: dict[str, float] = {}
    for name, form in number_fields(descriptor_of(message)).items():
        value = getattr(message, name)
        field = fields_of(descriptor_of(message))[name]
        if form is NumberForm.MAP:
            named.update((f"{name}.{key}", number) for key, number in value.items())
        elif form is NumberForm.NAMED:
            has_presence = value_field(field).has_presence
            for item in value:
                if not has_presence or item.HasField("value"):
                    named.setdefault(f"{name}.{item.name}", item.value)
        elif message.HasField(name) if field.has_presence else value:
            found[name] = microseconds(value) if form is NumberForm.TIME else value
    found |= {name: named[name] for name in sorted(named)}
    numbers = (
        NumberValue(name, float(value))
        for name, value in found.items()
        if not math.isnan(value) and len(name.encode()) <= MAX_NAME_BYTES
    )
    return list(islice(numbers, MAX_NUMBERS))


def microseconds(timestamp: Timestamp) -> int:
    """Return a time in microseconds since 1970, truncated."""
    return timestamp.seconds * 1_000_000 + timestamp.nanos // 1000


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
