"""Message types by name, compared with the compiled schema."""

from __future__ import annotations

from importlib import resources

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

import crucible_ir as ir
from crucible_ir import v1
from crucible_ir.schema import types

IMAGE = FileDescriptorSet.FromString(
    resources.files("crucible_ir.schema").joinpath("descriptors.binpb").read_bytes()
)
MESSAGES = {
    message.name: message
    for file in IMAGE.file
    if file.package == "crucible_ir.v1"
    for message in file.message_type
}


def test_the_message_types_are_those_of_the_descriptor_set_that_is_shipped() -> None:
    assert set(types.message_types()) == set(MESSAGES)
    for name, cls in types.message_types().items():
        assert cls.DESCRIPTOR.full_name == f"crucible_ir.v1.{name}"


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_a_message_type_is_found_by_short_name_by_full_name_and_by_class(name: str) -> None:
    cls = getattr(v1, name)
    assert types.message_type(name) is cls
    assert types.message_type(f"crucible_ir.v1.{name}") is cls
    assert types.message_type(cls) is cls


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Experimnt", "unknown message type 'Experimnt'; did you mean \"Experiment\"?"),
        ("experiment", "unknown message type 'experiment'; did you mean \"Experiment\"?"),
        ("crucible_ir.v2.Experiment", "unknown message type 'crucible_ir.v2.Experiment'"),
        ("ModelProvider", "unknown message type 'ModelProvider'"),
        ("a\nb", "unknown message type 'a\\nb'"),
    ],
)
def test_the_error_of_an_unknown_name_suggests_the_nearest_one(name: str, expected: str) -> None:
    with pytest.raises(ir.UnknownTypeError) as caught:
        types.message_type(name)
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


def test_a_document_has_a_member_for_every_standalone_message() -> None:
    (document,) = (message for name, message in MESSAGES.items() if name == "Document")
    (content,) = (i for i, oneof in enumerate(document.oneof_decl) if oneof.name == "content")
    declared = {
        member.type_name.rpartition(".")[2]: member.name
        for member in document.field
        if member.HasField("oneof_index") and member.oneof_index == content
    }
    assert types.document_members() == declared
    assert len(declared) == 24
    assert declared["FeedbackConfig"] == "feedback_config"
    assert "MetricsSnapshot" not in declared
