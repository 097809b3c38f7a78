"""The descriptor model: one description of each field of a message type, computed once.

Codecs, constructors, the diff, JSON Schema, lints and the exchange use this description. Only this
package reads ``cpp_type`` and ``map_entry`` of descriptors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from google.protobuf.descriptor import FieldDescriptor

from crucible_ir.schema import vocabulary
from crucible_ir.v1 import options_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, EnumValueDescriptor

#: The message types of opaque JSON.
OPAQUE_MESSAGES = frozenset(f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue"))

#: What the name of the string field of an open vocabulary begins with.
_CUSTOM_PREFIX = "custom_"


class Kind(Enum):
    """The type of a field's values; ``sint32`` and ``sfixed32`` are ``int32``, and so on."""

    BOOL = "bool"
    INT32 = "int32"
    INT64 = "int64"
    UINT32 = "uint32"
    UINT64 = "uint64"
    FLOAT = "float"
    DOUBLE = "double"
    STRING = "string"
    BYTES = "bytes"
    ENUM = "enum"
    MESSAGE = "message"


class Resolution(Enum):
    """A way to find the message that a reference names: ``ReferenceResolution`` of the schema."""

    BY_ID = options_pb2.REFERENCE_RESOLUTION_BY_ID
    BY_VERSION_OF_MODEL = options_pb2.REFERENCE_RESOLUTION_BY_VERSION_OF_MODEL
    BY_VERSION_OF_DEPLOYMENT = options_pb2.REFERENCE_RESOLUTION_BY_VERSION_OF_DEPLOYMENT


class Cardinality(Enum):
    """The number of values of a field."""

    SINGULAR = "singular"
    LIST = "list"
    MAP = "map"


#: The smallest and the largest value of each integer type.
INTEGER_RANGES: Mapping[Kind, tuple[int, int]] = MappingProxyType(
    {
        Kind.INT32: (-(2**31), 2**31 - 1),
        Kind.INT64: (-(2**63), 2**63 - 1),
        Kind.UINT32: (0, 2**32 - 1),
        Kind.UINT64: (0, 2**64 - 1),
    }
)

_KIND_OF_CPP_TYPE = {
    getattr(FieldDescriptor, f"CPPTYPE_{kind.name}"): kind for kind in Kind if kind != Kind.BYTES
}


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field of a message type.

    Attributes:
        descriptor: The descriptor of the field.
        name: The name in the schema, such as ``model_ref``.
        json_name: The name in ProtoJSON, such as ``modelRef``.
        cardinality: Whether it has one value, a list or a map.
        kind: The type of its value, of the items of its list, or of the values of its map.
        key: The type of the keys of its map; ``None`` unless it is a map.
        message: The message type of its values; ``None`` for other kinds.
        enum: The enum type of its values; ``None`` for other kinds.
        has_presence: Whether unset differs from the zero value.
        oneof: The name of the oneof that it shares with other fields, if any.
        custom: For the enum field of an open vocabulary, the name of the field for custom names.
        custom_of: For the field for custom names of an open vocabulary, the name of the enum field.
        default: The default in the schema, as ProtoJSON text; ``None`` for none.
        reference: The message type that it refers to, without the package; ``None`` for none. A
            message field contains the message, any other field its identity.
        resolutions: The ways to find the message that it refers to, in their order.
        identity: Whether it identifies the message among those of its type.
        immutable: Whether it keeps its value once the document is stored.
        since: The release in which it, or its message, first appeared; ``None`` for 0.2.0.
    """

    descriptor: FieldDescriptor
    name: str
    json_name: str
    cardinality: Cardinality
    kind: Kind
    key: Kind | None
    message: Descriptor | None
    enum: EnumDescriptor | None
    has_presence: bool
    oneof: str | None
    custom: str | None
    custom_of: str | None
    default: str | None
    reference: str | None
    resolutions: tuple[Resolution, ...]
    identity: bool
    immutable: bool
    since: str | None

    @property
    def is_list(self) -> bool:
        """Whether the field is repeated and not a map."""
        return self.cardinality is Cardinality.LIST

    @property
    def is_map(self) -> bool:
        """Whether the field is a map."""
        return self.cardinality is Cardinality.MAP

    @property
    def is_opaque(self) -> bool:
        """Whether the field contains opaque JSON, whose content the schema does not describe."""
        return self.message is not None and self.message.full_name in OPAQUE_MESSAGES

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the fields of its oneof, itself included; empty outside a oneof."""
        shared = self.descriptor.containing_oneof if self.oneof is not None else None
        return tuple(field.name for field in shared.fields) if shared is not None else ()

    @property
    def short_names(self) -> Mapping[str, int]:
        """The numbers of its enum by short name, without ``unspecified``."""
        return vocabulary.numbers(self.enum) if self.enum is not None else {}


@cache
def fields_of(message: Descriptor) -> Mapping[str, Field]:
    """Return the fields of a message type by name, in the order of the schema.

    >>> from crucible_ir import v1
    >>> provider = fields_of(v1.DatasetRef.DESCRIPTOR)["provider"]
    >>> provider.kind, provider.custom, provider.default
    (<Kind.ENUM: 'enum'>, 'custom_provider', '"DATASET_PROVIDER_CRUCIBLE_DATASETS"')
    """
    return MappingProxyType({field.name: describe_field(field) for field in message.fields})


@cache
def describe_field(field: FieldDescriptor) -> Field:
    """Return the description of a field or extension."""
    entry = field.message_type
    is_map = entry is not None and entry.has_options and bool(entry.GetOptions().map_entry)
    value, key = field, None
    if entry is not None and is_map:
        value, key = entry.fields_by_name["value"], _kind(entry.fields_by_name["key"])
    if is_map:
        cardinality = Cardinality.MAP
    else:
        cardinality = Cardinality.LIST if field.is_repeated else Cardinality.SINGULAR
    oneof = field.containing_oneof
    custom, custom_of = _open_vocabulary(field)
    return Field(
        descriptor=field,
        name=field.name,
        json_name=field.json_name,
        cardinality=cardinality,
        kind=_kind(value),
        key=key,
        message=value.message_type,
        enum=value.enum_type,
        has_presence=field.has_presence,
        # protoc generates a oneof with one member for each ``optional`` field.
        oneof=oneof.name if oneof is not None and len(oneof.fields) > 1 else None,
        custom=custom,
        custom_of=custom_of,
        default=_option(field, options_pb2.default),
        reference=_option(field, options_pb2.reference),
        resolutions=_resolutions(field),
        identity=bool(_option(field, options_pb2.identity)),
        immutable=bool(_option(field, options_pb2.immutable)),
        since=_option(field, options_pb2.since) or _message_since(field),
    )


def _option(declaration: FieldDescriptor | Descriptor | EnumValueDescriptor, extension: Any) -> Any:
    """Return the value of one of the schema's options; ``None`` if it is not set."""
    return _value(declaration.GetOptions(), extension) if declaration.has_options else None


def _value(options: Any, extension: Any) -> Any:
    return options.Extensions[extension] if options.HasExtension(extension) else None


def _resolutions(field: FieldDescriptor) -> tuple[Resolution, ...]:
    if _option(field, options_pb2.reference) is None:
        return ()
    options: Any = field.GetOptions()
    numbers = options.Extensions[options_pb2.resolution]
    return tuple(map(Resolution, numbers)) or (Resolution.BY_ID,)


def _message_since(field: FieldDescriptor) -> str | None:
    message = field.containing_type
    return None if message is None or field.is_extension else message_since(message)


def message_since(message: Descriptor) -> str | None:
    """Return the release in which a message first appeared; ``None`` for 0.2.0, the first one.

    >>> from crucible_ir import v1
    >>> message_since(v1.EvaluationResult.DESCRIPTOR)
    '0.3.0'
    """
    since: str | None = _option(message, options_pb2.message_since)
    return since


def value_since(value: EnumValueDescriptor) -> str | None:
    """Return the release in which a name of an enum first appeared; ``None``: that of the enum."""
    since: str | None = _option(value, options_pb2.value_since)
    return since


def _kind(field: FieldDescriptor) -> Kind:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return Kind.BYTES
    return _KIND_OF_CPP_TYPE[field.cpp_type]


def _open_vocabulary(field: FieldDescriptor) -> tuple[str | None, str | None]:
    """Return the custom member of an enum field, and the enum field of a custom member."""
    if field.is_extension:
        return None, None
    siblings = cast("Descriptor", field.containing_type).fields_by_name
    if field.enum_type is not None:
        custom = _CUSTOM_PREFIX + field.name
        return (custom if custom in siblings else None), None
    name = field.name.removeprefix(_CUSTOM_PREFIX)
    return None, name if name in siblings and siblings[name].enum_type is not None else None


def default_of(options: Any) -> str | None:
    """Return the default that the options of a field declare."""
    default: str | None = _value(options, options_pb2.default)
    return default
