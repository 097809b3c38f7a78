"""The types of generated services are those of their methods."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from crucible_ir.exchange.v1 import exchange_service_pb2_grpc
from service_stubs import service_stubs


def file_with_methods() -> FileDescriptorProto:
    file = FileDescriptorProto(name="a/v1/b_service.proto", package="a.v1")
    service = file.service.add(name="BService")
    for name, sends, gets in [
        ("One", False, False),
        ("Many", False, True),
        ("Up", True, False),
        ("Both", True, True),
    ]:
        file.message_type.add(name=f"{name}Request")
        file.message_type.add(name=f"{name}Response")
        service.method.add(
            name=name,
            input_type=f".a.v1.{name}Request",
            output_type=f".a.v1.{name}Response",
            client_streaming=sends,
            server_streaming=gets,
        )
    return file


def test_a_call_has_the_shape_and_the_messages_of_its_method() -> None:
    text = service_stubs(file_with_methods())
    module = "a.v1.b_service_pb2"
    for shape, name in [
        ("UnaryUnary", "One"),
        ("UnaryStream", "Many"),
        ("StreamUnary", "Up"),
        ("StreamStream", "Both"),
    ]:
        messages = f"[{module}.{name}Request, {module}.{name}Response]"
        assert f"    {name}: grpc.{shape}MultiCallable{messages}\n" in text
        assert f"    {name}: grpc.aio.{shape}MultiCallable{messages}\n" in text


def test_a_method_with_a_message_of_another_file_is_rejected() -> None:
    file = file_with_methods()
    file.service[0].method[0].input_type = ".a.v1.Elsewhere"
    with pytest.raises(ValueError, match=r"Elsewhere is declared in another file"):
        service_stubs(file)


def test_the_stubs_have_the_names_of_the_generated_module() -> None:
    assert exchange_service_pb2_grpc.__file__ is not None
    stub_file = Path(exchange_service_pb2_grpc.__file__).with_suffix(".pyi")
    names = {
        node.name
        for node in ast.parse(stub_file.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    missing = {name for name in names if not hasattr(exchange_service_pb2_grpc, name)}
    assert missing == {"ExchangeServiceAsyncStub"}
