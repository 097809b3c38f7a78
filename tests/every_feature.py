"""A schema with every feature of proto3 and with closed enums, for tests of generic codecs.

It is builder here and not compiled, so that the tests do not need protoc. `EveryFeature` is proto3.
`NullValues` has the lists and maps of null that google's reader rejects. `Legacy` is proto2 and has
closed enums, which proto3 does not have.
"""

from __future__ import annotations

from google.protobuf import (
    any_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    message_factory,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.message import Message

PACKAGE = "every_feature"

_INTEGERS = [
    "int32",
    "int64",
    "uint32",
    "uint64",
    "sint32",
    "sint64",
    "fixed32",
    "fixed64",
    "sfixed32",
    "sfixed64",
]
SCALARS = [*_INTEGERS, "double", "float", "bool", "string", "bytes"]
MAP_KEYS = [*_INTEGERS, "bool", "string"]

_WELL_KNOWN_FILES = [
    any_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
]
WELL_KNOWN = [
    "Any",
    "Duration",
    "Empty",
    "FieldMask",
    "ListValue",
    "Struct",
    "Timestamp",
    "Value",
    "DoubleValue",
    "FloatValue",
    "Int64Value",
    "UInt64Value",
    "Int32Value",
    "UInt32Value",
    "BoolValue",
    "StringValue",
    "BytesValue",
]

#: Names whose lowerCamelCase is not obvious, and a name with a JSON name in the schema.
ODD_NAMES = ["_leading", "trailing_", "double__under", "UPPER_CASE", "with_1_digit", "mixedCase"]
RENAMED, RENAMED_JSON = "renamed", "@renamed.field"


class _MessageBuilder:
    """Adds fields to the descriptor of a message and numbers them."""

    def __init__(self, name: str) -> None:
        self.proto = DescriptorProto(name=name)

    def add(
        self,
        name: str,
        kind: str,
        *,
        label: FieldDescriptorProto.Label.ValueType = FieldDescriptorProto.LABEL_OPTIONAL,
        oneof: int | None = None,
    ) -> FieldDescriptorProto:
        field = self.proto.field.add(name=name, number=len(self.proto.field) + 1, label=label)
        _set_type(field, kind)
        if oneof is not None:
            field.oneof_index = oneof
        return field

    def add_list(self, name: str, kind: str) -> None:
        self.add(name, kind, label=FieldDescriptorProto.LABEL_REPEATED)

    def add_optional(self, name: str, kind: str) -> None:
        """Add a field marked ``optional``, which proto3 represents by a oneof with one member."""
        self.add(name, kind, oneof=len(self.proto.oneof_decl)).proto3_optional = True
        self.proto.oneof_decl.add(name=f"_{name}")

    def add_map(self, name: str, key: str, value: str) -> None:
        entry_name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
        entry = _MessageBuilder(entry_name)
        entry.add("key", key)
        entry.add("value", value)
        entry.proto.options.map_entry = True
        self.proto.nested_type.add().CopyFrom(entry.proto)
        self.add_list(name, f".{PACKAGE}.{self.proto.name}.{entry_name}")


def _set_type(field: FieldDescriptorProto, kind: str) -> None:
    if kind in SCALARS:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
        return
    is_enum = kind.endswith((".NullValue", ".Colour", ".Shade"))
    field.type = FieldDescriptorProto.TYPE_ENUM if is_enum else FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = kind


def _enum(name: str, values: dict[str, int], *, aliases: bool = False) -> EnumDescriptorProto:
    proto = EnumDescriptorProto(name=name)
    for value, number in values.items():
        proto.value.add(name=value, number=number)
    if aliases:
        proto.options.allow_alias = True
    return proto


def _every_feature() -> DescriptorProto:
    builder = _MessageBuilder("EveryFeature")
    colour, itself = f".{PACKAGE}.Colour", f".{PACKAGE}.EveryFeature"
    null_value = ".google.protobuf.NullValue"
    kinds = {kind: kind for kind in SCALARS}
    kinds |= {"colour": colour, "null_value": null_value, "itself": itself}
    kinds |= {name: f".google.protobuf.{name}" for name in WELL_KNOWN}
    builder.proto.oneof_decl.add(name="choice")
    for name, kind in kinds.items():
        name = name.lower()
        builder.add(f"one_{name}", kind)
        builder.add(f"choice_{name}", kind, oneof=0)
        if kind != null_value:
            builder.add_list(f"list_of_{name}", kind)
            builder.add_map(f"map_to_{name}", "string", kind)
    for kind in [*SCALARS, colour]:
        builder.add_optional(f"optional_{kind.rpartition('.')[2].lower()}", kind)
    for key in MAP_KEYS:
        builder.add_map(f"map_from_{key}", key, "int32")
    for name in ODD_NAMES:
        builder.add(name, "string")
    builder.add(RENAMED, "string").json_name = RENAMED_JSON
    return builder.proto


def _legacy() -> DescriptorProto:
    builder = _MessageBuilder("Legacy")
    shade = f".{PACKAGE}.Shade"
    builder.add("shade", shade)
    builder.add_list("shades", shade)
    builder.add_map("shade_of", "int32", shade)
    builder.add("count", "int32").default_value = "7"
    # proto2 does not check that strings are UTF-8.
    builder.add("note", "string")
    builder.add("modern", f".{PACKAGE}.EveryFeature")
    return builder.proto


def _null_values() -> DescriptorProto:
    builder = _MessageBuilder("NullValues")
    builder.add_list("null_list", ".google.protobuf.NullValue")
    builder.add_map("null_map", "string", ".google.protobuf.NullValue")
    return builder.proto


def _register() -> list[type[Message]]:
    modern = FileDescriptorProto(
        name=f"{PACKAGE}/every_feature.proto", package=PACKAGE, syntax="proto3"
    )
    modern.dependency.extend(file.DESCRIPTOR.name for file in _WELL_KNOWN_FILES)
    colours = {"COLOUR_UNSPECIFIED": 0, "RED": 1, "CRIMSON": 1, "blue": 2, "NEGATIVE": -1}
    modern.enum_type.append(_enum("Colour", colours, aliases=True))
    modern.message_type.extend([_every_feature(), _null_values()])
    legacy = FileDescriptorProto(name=f"{PACKAGE}/legacy.proto", package=PACKAGE, syntax="proto2")
    legacy.dependency.append(modern.name)
    legacy.enum_type.append(_enum("Shade", {"LIGHT": 0, "DARK": 5}))
    legacy.message_type.append(_legacy())

    pool = descriptor_pool.Default()
    for file in (modern, legacy):
        pool.AddSerializedFile(file.SerializeToString())
    return [
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in ("EveryFeature", "NullValues", "Legacy")
    ]


EveryFeature, NullValues, Legacy = _register()
