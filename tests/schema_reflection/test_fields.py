"""The descriptor model, compared with the compiled schema and a schema of every feature."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from every_feature import EveryFeature
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from schema_reflection.test_types import MESSAGES

import crucible_ir
from crucible_ir import v1
from crucible_ir.schema.fields import Cardinality, Kind, fields_of
from crucible_ir.schema.types import descriptor_of, message_types

_PROTO_KINDS = {
    "sint32": "int32",
    "sfixed32": "int32",
    "fixed32": "uint32",
    "sint64": "int64",
    "sfixed64": "int64",
    "fixed64": "uint64",
}


def kind_of(field: FieldDescriptorProto) -> str:
    name = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    return _PROTO_KINDS.get(name, name)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_every_field_is_described_as_the_compiled_schema_declares_it(name: str) -> None:
    fields = fields_of(descriptor_of(message_types()[name]))
    assert list(fields) == [field.name for field in MESSAGES[name].field]
    entries = {entry.name: entry for entry in MESSAGES[name].nested_type}
    for declared in MESSAGES[name].field:
        field = fields[declared.name]
        assert field.json_name == declared.json_name
        entry = entries.get(declared.type_name.rpartition(".")[2])
        if entry is not None:
            assert field.cardinality is Cardinality.MAP
            assert field.key is Kind(kind_of(entry.field[0]))
            assert field.kind is Kind(kind_of(entry.field[1]))
        else:
            assert field.is_list == (declared.label == FieldDescriptorProto.LABEL_REPEATED)
            assert field.kind is Kind(kind_of(declared))
            assert field.key is None
        is_member = declared.HasField("oneof_index") and not declared.proto3_optional
        assert (field.oneof is not None) == is_member
        assert (field.name in field.members) == is_member
        is_message = declared.type == FieldDescriptorProto.TYPE_MESSAGE
        has_presence = is_member or declared.proto3_optional or (is_message and entry is None)
        assert field.has_presence == (has_presence and not field.is_list)


def test_numbers_of_every_encoding_are_described_by_their_type_and_sign() -> None:
    fields = fields_of(EveryFeature.DESCRIPTOR)
    for encoding in ("int32", "sint32", "sfixed32"):
        assert fields[f"one_{encoding}"].kind is Kind.INT32
    for encoding in ("uint64", "fixed64"):
        assert fields[f"list_of_{encoding}"].kind is Kind.UINT64
    assert fields["one_bytes"].kind is Kind.BYTES
    assert fields["one_string"].kind is Kind.STRING


@pytest.mark.parametrize(
    ("holder", "name", "expected"),
    [
        (v1.Experiment, "pipeline", "crucible_ir.v1.StageDef"),
        (v1.Experiment, "created_at", "google.protobuf.Timestamp"),
        (v1.Experiment, "id", None),
        (v1.Experiment, "experiment_type", None),
        (v1.Ensemble, "weights", None),
        (Struct, "fields", "google.protobuf.Value"),
    ],
)
def test_the_message_of_a_field_is_that_of_its_items_or_of_the_values_of_its_map(
    holder: type[Message], name: str, expected: str | None
) -> None:
    message = fields_of(descriptor_of(holder))[name].message
    assert (message.full_name if message is not None else None) == expected


def test_an_open_vocabulary_names_its_custom_field() -> None:
    fields = fields_of(v1.OutputSpec.DESCRIPTOR)
    assert fields["formats"].custom == "custom_formats"
    assert fields["custom_formats"].custom_of == "formats"
    assert fields["formats"].short_names["markdown"] == v1.OutputFormat.OUTPUT_FORMAT_MARKDOWN
    assert fields["name"].custom_of is None and fields["name"].custom is None


def test_opaque_json_is_marked() -> None:
    fields = fields_of(v1.FeedbackEvent.DESCRIPTOR)
    opaque = {name for name, field in fields.items() if field.is_opaque}
    assert opaque == {"input", "output", "feedback_value", "metadata"}


#: The parts of the package that may look at the types of descriptors: the model, and the comparison
#: of schemas, which reads files that no descriptor pool has linked.
ALLOWED = ("schema/", "schema_changes/")


def test_other_packages_read_field_types_from_the_model() -> None:
    package = Path(crucible_ir.__file__).parent
    found = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"cpp_type|CPPTYPE_|map_entry", path.read_text(encoding="utf-8"))
    ]
    assert [path for path in found if not path.startswith(ALLOWED)] == []
