"""Which engine is used, and why. The module of the native engine need not be installed."""

from __future__ import annotations

import io
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.struct_pb2 import Struct

import crucible_ir as ir
from crucible_ir import native, v1
from crucible_ir.validation.check import guard_of

CARGO = Path(__file__).parents[2] / "native" / "Cargo.toml"
STAGE = ir.to_binary(v1.StageDef(name="embed"))

Decode = Callable[[bytes], Any]


class FakeType:
    """The functions of a message type, which are certain about one message only, `STAGE`.

    Its text is one that Python neither writes nor reads.
    """

    def check(self, data: bytes, parsed: bool) -> bool:
        return data == STAGE

    def decoder(self, parse: Decode, fallback: Decode) -> Decode:
        return lambda data: ("certain", parse(data)) if data == STAGE else fallback(data)

    def write(self, data: bytes, original_names: bool = False) -> str | None:
        return "certain" if data == STAGE else None

    def from_binary(self, data: bytes) -> v1.StageDef | None:
        return v1.StageDef.FromString(data) if data == STAGE else None

    def read(self, text: object, validate: bool) -> v1.StageDef | None:
        is_certain = type(text) in (str, bytes) and text in ("certain", b"certain")
        return v1.StageDef.FromString(STAGE) if is_certain else None

    def transcode(self, data: object, source: str, target: str, validate: bool) -> bytes | None:
        return b"certain" if data == STAGE else None

    to_json = to_crucible_json = digest = write
    from_json = from_crucible_json = read


class FakeCore:
    """A core that has one message type, and rejects tables that begin with a zero byte."""

    def __init__(self, tables: bytes, large_number: bytes = b"") -> None:
        if tables.startswith(b"\0"):
            raise ValueError("not tables")

    def message(self, name: str, parse: Decode) -> FakeType | None:
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
    guard_of.cache_clear()


def test_the_module_is_used_if_it_is_installed(module: SimpleNamespace) -> None:
    assert native.status() == ("native", "", "9.8.7", 5)
    assert str(native.status()) == "native 9.8.7"
    assert ir.decoder(v1.StageDef)(STAGE) == ("certain", v1.StageDef(name="embed"))
    # It does not know this one.
    assert ir.decoder(v1.BackendRef)(b"\x0a\x01a") == v1.BackendRef(id="a")


def test_python_answers_where_the_engine_is_not_certain(module: SimpleNamespace) -> None:
    sure, other = v1.StageDef(name="embed"), v1.StageDef(name="score")
    assert (ir.to_json(sure), ir.to_json(other)) == ("certain", '{"name":"score"}')
    assert ir.to_json(sure, indent=1) == '{\n "name": "embed"\n}'
    assert ir.to_crucible_json(sure) == "certain"
    assert ir.to_crucible_json(other).startswith('{"name":"score",')
    assert ir.digest(sure) == "certain"
    assert ir.digest(other).startswith("sha256:")
    for text in ("certain", b"certain", bytearray(b"certain"), memoryview(b"certain")):
        assert ir.from_json(text, "StageDef") == sure  # type: ignore[arg-type]
    assert ir.from_json('{"name": "score"}', v1.StageDef) == other
    assert ir.from_crucible_json(b"certain", v1.StageDef) == sure
    assert ir.from_crucible_json('{"name": "score", "enabled": null}', v1.StageDef) == other
    with pytest.raises(ir.LimitError, match="max_string_bytes"):
        ir.from_json("certain", v1.StageDef, limits=ir.Limits(max_string_bytes=2))
    with pytest.raises(ir.LimitError, match="max_string_bytes"):
        ir.from_crucible_json("certain", v1.StageDef, limits=ir.Limits(max_string_bytes=2))
    assert ir.from_binary(STAGE, v1.StageDef) == sure
    for limits in (None, ir.Limits()):
        to_json = partial(ir.transcode, type="StageDef", from_="binary", to="json", limits=limits)
        assert to_json(STAGE) == b"certain"
        assert to_json(ir.to_binary(other)) == b'{"name":"score"}'
    assert ir.from_binary(ir.to_binary(other), v1.StageDef) == other
    with pytest.raises(ir.ValidationError, match="name: must not be empty"):
        ir.decoder(v1.StageDef)(b"")


def test_types_that_do_not_exist_are_errors_of_python(module: SimpleNamespace) -> None:
    types: tuple[Any, ...] = ("Nope", "__doc__", "", None, [], int, ir)
    for type_ in types:
        for read, data in (
            (ir.from_binary, STAGE),
            (ir.decoder, type_),
            (ir.from_json, '{"name": "embed"}'),
            (ir.from_crucible_json, '{"name": "embed"}'),
            (partial(ir.transcode, from_="json", to="binary"), '{"name": "embed"}'),
        ):
            arguments: tuple[Any, ...] = (data,) if read is ir.decoder else (data, type_)
            with pytest.raises(ir.UnknownTypeError):
                read(*arguments)
    for message in (None, 5, "text", v1.StageDef, ir):
        assert native.to_json(message, False) is None  # type: ignore[arg-type]


def test_streams_use_it_for_the_records_that_it_is_certain_of(module: SimpleNamespace) -> None:
    errors: list[ir.StreamError] = []
    lines = io.BytesIO(b'certain\n{"name":"score"}\n{"name":""}\ncertain\n')
    dialects: list[Literal["protojson", "crucible"]] = ["protojson", "crucible"]
    for dialect in dialects:
        lines.seek(0)
        read = ir.read_jsonl(lines, v1.StageDef, on_bad=errors.append, dialect=dialect)
        assert [stage.name for stage in read] == ["embed", "score", "embed"]
        assert str(errors.pop()) == "record 2 at line 3: name: must not be empty [required]"
        assert not errors
    delimited = io.BytesIO()
    ir.write_delimited(delimited, [v1.StageDef(name=name) for name in ("embed", "", "score")])
    delimited.seek(0)
    count = ir.StreamCount()
    found = list(ir.read_delimited(delimited, v1.StageDef, on_bad=errors.append, count=count))
    assert found == [("certain", v1.StageDef(name="embed")), v1.StageDef(name="score")]
    assert (count.records, count.skipped, errors[0].record) == (2, 1, 1)


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
            f"crucible_ir_native 1.0 has the interface 0, and this package needs {native.ABI}",
        ),
        (
            SimpleNamespace(ABI=native.ABI, VERSION="1.0", Core=lambda *_: FakeCore(b"\0")),
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
        assert str(caught.value) == (
            f"the native engine cannot be used, which CRUCIBLE_IR_NATIVE requires: {reason}"
        )


def test_a_module_that_lacks_another_module_is_not_called_absent(
    module: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(native.VARIABLE, raising=False)
    monkeypatch.delitem(sys.modules, native.MODULE)
    (tmp_path / f"{native.MODULE}.py").write_text("import no_such_module")
    monkeypatch.syspath_prepend(tmp_path)
    reason = "crucible_ir_native cannot be imported: No module named 'no_such_module'"
    assert native.status()[:2] == ("python", reason)


def test_another_setting_is_an_error(
    module: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.VARIABLE, "yes")
    reason = 'CRUCIBLE_IR_NATIVE is \'yes\'; expected "0", "1" or "auto"'
    assert native.status() == ("python", reason, None, 0)
    with pytest.raises(native.NativeEngineError, match="CRUCIBLE_IR_NATIVE is 'yes'"):
        ir.from_binary(STAGE, v1.StageDef)
    with pytest.raises(native.NativeEngineError):
        ir.is_valid(v1.Experiment(id="e"))


def test_a_class_of_another_pool_with_the_same_name_is_not_of_the_schema(
    module: SimpleNamespace,
) -> None:
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="other.proto", package="crucible_ir.v1")
    file.message_type.add(name="StageDef")
    pool.Add(file)
    class_ = message_factory.GetMessageClass(pool.FindMessageTypeByName("crucible_ir.v1.StageDef"))
    assert native.from_binary(STAGE, v1.StageDef) == v1.StageDef(name="embed")
    assert native.from_binary(STAGE, class_) is None
    assert ir.decoder(class_, validate=False)(b"") == class_()


class OddBytes(bytes):
    """Bytes whose conversion to bytes gives other ones."""

    def __bytes__(self) -> bytes:
        return b'{"name":"other"}'


class OddText(str):
    """A subclass of str."""


def transcoded(data: Any, type_: Any, **options: Any) -> object:
    """Return what the function for the documents of a type returns."""
    return ir.transcoder(type_, **options)(data)


def odd_calls() -> Iterator[Callable[[], object]]:
    """Yield calls of the functions that the engine serves, with arguments that few programs give.

    Where the engine is installed, as in `make test-native`, it is the real one.
    """
    text = '{"name":"embed"}'
    raw = text.encode()
    texts: list[Any] = [
        text,
        OddText(text),
        raw,
        OddBytes(raw),
        bytearray(raw),
        memoryview(raw),
        None,
        5,
        [],
    ]
    texts += [
        memoryview(bytes(40))[::2],
        "\ufeff" + text,
        '{"name":"\ud800"}',
        text.encode("utf-16"),
    ]
    texts += [b'{"name":"\xff"}', "", b"", text + " x", '{"name":"a","name":"b"}', "[" * 200, STAGE]
    binaries: list[Any] = [
        STAGE,
        OddBytes(STAGE),
        bytearray(STAGE),
        memoryview(STAGE),
        "x",
        None,
        5,
        b"",
        b"\xff",
    ]
    # The field number 0 in an unknown group.
    binaries += [STAGE + bytes.fromhex("a306 0001 a406"), memoryview(bytes(40))[::2]]
    types: list[Any] = [v1.StageDef, "StageDef", "crucible_ir.v1.StageDef", "Nope", None, [], int]
    truths: list[Any] = [True, False, 1, None]
    for type_, validate in product(types, truths):
        for data in texts:
            yield partial(ir.from_json, data, type_, validate=validate)
            yield partial(ir.from_crucible_json, data, type_, validate=validate)
        for data in binaries:
            yield partial(ir.from_binary, data, type_, validate=validate)
            yield partial(decoded, data, type_, validate=validate)
    formats: list[Any] = ["binary", "json", "crucible-json", "yaml", None]
    for data, from_, to in product([*texts, *binaries], formats, formats):
        yield partial(ir.transcode, data, "StageDef", from_=from_, to=to)
        yield partial(transcoded, data, "StageDef", from_=from_, to=to)
    yield partial(ir.transcode, text, "StageDef", from_="json", to="binary", validate=truths[2])
    for type_, validate in product(types, truths):
        yield partial(transcoded, text, type_, from_="json", to="binary", validate=validate)
    deep = v1.StageDef(name="deep")
    value = deep.options.fields["a"]
    for _ in range(98):
        value = value.list_value.values.add()
    numbers = {"a": float("nan"), "b": float("inf"), "c": 1e16, "d": -0.0, "e": 1e-7}
    messages: list[Any] = [
        deep,
        v1.StageDef(),
        v1.Experiment(id="e"),
        Struct(),
        None,
        5,
        v1.StageDef,
    ]
    for message in [*messages, v1.ModelVersion(id="m", metrics=numbers)]:
        functions: tuple[Any, ...] = (
            ir.to_json,
            ir.to_crucible_json,
            ir.digest,
            ir.is_valid,
            ir.violations,
        )
        for function in functions:
            yield partial(function, message)
        yield partial(ir.to_json, message, original_names=True)


def decoded(data: Any, type_: Any, *, validate: bool) -> object:
    decode: Any = ir.decoder(type_, validate=validate)
    return decode(data)


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


def test_odd_arguments_give_the_same_with_the_engine_and_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = list(odd_calls())
    found = [outcome(call) for call in calls]
    monkeypatch.setenv(native.VARIABLE, "0")
    forget()
    for call, wanted in zip(calls, found, strict=True):
        assert outcome(call) == wanted, call
    monkeypatch.undo()
    forget()


def test_the_module_has_the_version_of_the_package() -> None:
    workspace = tomllib.loads(CARGO.read_text())["workspace"]
    assert workspace["package"]["version"] == ir.__version__
