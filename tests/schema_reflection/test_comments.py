"""Comments from the .proto files for every kind of declaration."""

from __future__ import annotations

import re
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema.comments import comment, descriptor_set, summary
from crucible_ir.schema.proto_files import proto_files
from crucible_ir.schema.types import descriptor_of

PROTO = Path(__file__).parents[2] / "proto"


def test_every_declaration_has_the_comment_above_it() -> None:
    message = descriptor_of(v1.TrainingConfig)
    assert comment(message).startswith("How a model is trained: model, data and hyperparameters.")
    assert comment(message.fields_by_name["epochs"]) == (
        "The number of passes over the data. Range: greater than 0. Unset: the trainer"
        " chooses. Default: 1."
    )
    assert comment(message.oneofs_by_name["device_kind"]).startswith("The kind of device")
    enum = message.fields_by_name["optimizer"].enum_type
    assert enum is not None
    assert comment(enum).startswith("Gradient-descent optimizers.")
    assert comment(enum.values_by_name["OPTIMIZER_SGD"]) == "Stochastic gradient descent."


def test_every_declaration_of_the_schema_has_a_comment() -> None:
    for cls in ir.MESSAGE_TYPES.values():
        message = descriptor_of(cls)
        enums = [field.enum_type for field in message.fields if field.enum_type is not None]
        assert comment(message)
        assert all(comment(field) for field in message.fields)
        assert all(comment(enum) for enum in enums)
        assert all(comment(value) for enum in enums for value in enum.values)


def test_the_summary_is_the_first_sentence() -> None:
    assert summary(descriptor_of(v1.StageDef)) == "One stage of an experiment's pipeline."
    assert summary(descriptor_of(v1.TrainingConfig)) == (
        "How a model is trained: model, data and hyperparameters."
    )


def test_the_descriptor_set_contains_the_schemas_files() -> None:
    files = {file.name for file in FileDescriptorSet.FromString(descriptor_set()).file}
    assert {name for name in files if name.startswith("crucible_ir/v1/")} == {
        path.relative_to(PROTO).as_posix() for path in PROTO.glob("crucible_ir/v1/*.proto")
    }


def test_the_proto_files_are_found_by_the_names_that_imports_use() -> None:
    files = proto_files()
    assert (
        files["crucible_ir/v1/model.proto"] == (PROTO / "crucible_ir/v1/model.proto").read_bytes()
    )
    imports = re.findall(
        rb'^import "(crucible_ir/[^"]+)"', b"\n".join(files.values()), re.MULTILINE
    )
    assert {name.decode() for name in imports} <= files.keys()
