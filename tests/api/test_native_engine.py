"""Which engine is used, and why. The module of the native engine need not be installed."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import crucible_ir as ir
from crucible_ir import native, v1

CARGO = Path(__file__).parents[2] / "native" / "Cargo.toml"
STAGE = ir.to_binary(v1.StageDef(name="embed"))


class FakeType:
    """A message type that is certain that every message is valid."""

    def check(self, data: bytes, parsed: bool) -> bool:
        return True

    def decoder(self, parse: Any, fallback: Any) -> Callable[[bytes], Any]:
        return lambda data: ("certain", parse(data))


class FakeCore:
    """A core that has one message type, and rejects tables that begin with a zero byte."""

    def __init__(self, tables: bytes) -> None:
        if tables.startswith(b"\0"):
            raise ValueError("not tables")

    def message(self, name: str) -> FakeType | None:
        return FakeType() if name == "crucible_ir.v1.StageDef" else None


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Install a fake module, which is found as if nothing had looked for it before."""
    fake = SimpleNamespace(ABI=native.ABI, VERSION="9.8.7", Core=FakeCore, panics=lambda: 5)
    monkeypatch.setitem(sys.modules, native.MODULE, fake)
    monkeypatch.delenv(native.VARIABLE, raising=False)
    forget()
    yield fake
    monkeypatch.undo()
    forget()


def forget() -> None:
    vars(native)["_engine"].cache_clear()
    vars(native)["_TYPES"].clear()


def test_the_module_is_used_if_it_is_installed(module: SimpleNamespace) -> None:
    assert native.status() == ("native", "", "9.8.7", 5)
    assert str(native.status()) == "native 9.8.7"
    assert ir.decoder(v1.StageDef)(STAGE) == ("certain", v1.StageDef(name="embed"))
    # It does not know this one.
    assert ir.decoder(v1.BackendRef)(b"\x0a\x01a") == v1.BackendRef(id="a")


def test_the_variable_turns_it_off(
    module: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.VARIABLE, "0")
    assert str(native.status()) == "python (CRUCIBLE_IR_NATIVE is 0)"
    assert ir.decoder(v1.StageDef)(STAGE) == v1.StageDef(name="embed")


@pytest.mark.parametrize("setting", ["", "auto", "1"])
def test_without_a_module_that_fits_python_answers_or_an_error_says_why(
    module: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv(native.VARIABLE, setting)
    broken: list[tuple[Any, str]] = [
        (None, "crucible_ir_native is not installed"),
        (
            SimpleNamespace(ABI=0, VERSION="1.0"),
            "crucible_ir_native 1.0 has the interface 0, and this package needs 1",
        ),
        (
            SimpleNamespace(ABI=native.ABI, VERSION="1.0", Core=lambda _: FakeCore(b"\0")),
            "crucible_ir_native 1.0 cannot read the tables of the schema: not tables",
        ),
    ]
    for fake, reason in broken:
        monkeypatch.setitem(sys.modules, native.MODULE, fake)
        forget()
        assert native.status()[:2] == ("python", reason)
        if setting != "1":
            assert ir.decoder(v1.StageDef)(STAGE) == v1.StageDef(name="embed")
            continue
        with pytest.raises(native.NativeEngineError) as caught:
            ir.decoder(v1.StageDef)
        assert str(caught.value) == f"the native engine cannot be used: {reason}"


def test_another_setting_is_an_error(
    module: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.VARIABLE, "yes")
    reason = 'CRUCIBLE_IR_NATIVE is \'yes\'; expected "0", "1" or "auto"'
    assert native.status() == ("python", reason, None, 0)
    with pytest.raises(native.NativeEngineError, match="CRUCIBLE_IR_NATIVE is 'yes'"):
        ir.from_binary(STAGE, v1.StageDef)


def test_a_class_of_another_pool_with_the_same_name_is_not_of_the_schema(
    module: SimpleNamespace,
) -> None:
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="other.proto", package="crucible_ir.v1")
    file.message_type.add(name="StageDef")
    pool.Add(file)
    class_ = message_factory.GetMessageClass(pool.FindMessageTypeByName("crucible_ir.v1.StageDef"))
    assert native.from_binary(b"", v1.StageDef) == v1.StageDef()
    assert native.from_binary(b"", class_) is None
    assert ir.decoder(class_, validate=False)(b"") == class_()


def test_the_module_has_the_version_of_the_package() -> None:
    workspace = tomllib.loads(CARGO.read_text())["workspace"]
    assert workspace["package"]["version"] == ir.__version__
