"""Calls that validate or convert wait for memory, by an estimate that is close to the real cost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import serving

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.rpc.errors import RpcError
from crucible_ir.exchange.server.services import validation_service
from crucible_ir.exchange.server.services.memory_cost import memory_cost
from crucible_ir.exchange.server.services.workers import LIGHT_COST, MemoryBudget, Workers
from crucible_ir.exchange.store import open_store
from crucible_ir.serialization.formats import FORMATS

Format = v1.Form
MIB = 1024 * 1024


async def test_budget_gives_memory_in_order() -> None:
    budget = MemoryBudget(10)
    await budget.take(6)
    order: list[int] = []

    async def take(size: int) -> None:
        await budget.take(size)
        order.append(size)

    # The second would fit, and waits for the first nevertheless.
    tasks = [asyncio.create_task(take(size)) for size in (8, 4, 2)]
    await asyncio.sleep(0)
    assert order == []
    budget.release(6)
    await asyncio.sleep(0)
    assert order == [8]
    budget.release(8)
    await asyncio.gather(*tasks)
    assert order == [8, 4, 2]


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_cancelled_wait_takes_nothing(cancelled: int) -> None:
    budget = MemoryBudget(10)
    await budget.take(10)
    tasks = [asyncio.create_task(budget.take(10)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[cancelled].cancel()
    # The memory is released before the cancelled task runs.
    budget.release(10)
    await asyncio.sleep(0)
    budget.release(10)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [task.cancelled() for task in tasks] == [index == cancelled for index in range(3)]


async def test_wait_that_is_cancelled_after_its_turn_returns_the_memory() -> None:
    budget = MemoryBudget(10)
    await budget.take(10)
    task = asyncio.create_task(budget.take(10))
    await asyncio.sleep(0)
    budget.release(10)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(1):
        await budget.take(10)


async def test_heavy_work_waits_for_memory_and_light_work_does_not() -> None:
    workers = Workers(100 * MIB)
    go = threading.Event()
    begun: list[str] = []

    def work(name: str) -> str:
        begun.append(name)
        go.wait(10)
        return name

    heavy = [asyncio.create_task(workers.run(work, f"heavy {n}", 60 * MIB)) for n in range(3)]
    await asyncio.sleep(0.05)
    light = asyncio.create_task(workers.run(work, "light", LIGHT_COST))
    await asyncio.sleep(0.05)
    assert begun == ["heavy 0", "light"]
    go.set()
    assert await asyncio.gather(*heavy, light) == ["heavy 0", "heavy 1", "heavy 2", "light"]
    workers.close()


async def test_work_that_would_never_fit_is_rejected_at_once() -> None:
    workers = Workers(100 * MIB)
    go = threading.Event()
    all_of_it = asyncio.create_task(workers.run(go.wait, 10.0, 100 * MIB))
    await asyncio.sleep(0)
    with pytest.raises(RpcError, match=r"about 101 MiB .* the server allows 100 MiB") as caught:
        await workers.run(go.wait, 10.0, 100 * MIB + 1)
    assert caught.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    go.set()
    assert await all_of_it
    workers.close()


async def test_cancelled_call_returns_its_memory_when_its_thread_ends() -> None:
    workers = Workers(100 * MIB)
    go = threading.Event()

    def work(_: None) -> bool:
        return go.wait(10)

    first = asyncio.create_task(workers.run(work, None, 100 * MIB))
    await asyncio.sleep(0.05)
    first.cancel()
    second = asyncio.create_task(workers.run(work, None, 100 * MIB))
    await asyncio.sleep(0.1)
    assert first.cancelled()
    assert not second.done()
    go.set()
    async with asyncio.timeout(5):
        assert await second
    workers.close()


def json_of(values: object) -> bytes:
    document = {"id": "m", "options": {"a": values}}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


#: JSON documents of one type that take as much memory as they can, each in its own way.
SHAPES: dict[str, bytes] = {
    "lists": json_of([[]] * 50_000),
    "numbers": json_of([1] * 60_000),
    "empty strings": json_of([""] * 50_000),
    "members": json_of({f"{n:x}": 0 for n in range(25_000)}),
    "nested": b'{"options":{"a":[' + b",".join([b"[" * 40 + b"]" * 40] * 1_500) + b"]}}",
    "string": json_of("x" * 2_500_000),
    "beyond the BMP": json_of("\U0001f600" + "x" * 2_500_000),
}
FORMS = {
    name.removeprefix("FORM_").lower().replace("_", "-"): form for name, form in v1.Form.items()
}

#: Contents of formats that are not written like this: the format, and the content.
OTHERS: dict[str, tuple[str, bytes]] = {
    **{f"flow {each}": ("yaml", SHAPES[each]) for each in ("lists", "numbers", "nested")},
    "crucible numbers": ("crucible-json", SHAPES["numbers"]),
    "aliases": ("yaml", b"options:\n  a: &a [" + b"1," * 900 + b"]\n  b: [" + b"*a," * 100 + b"]"),
    "spaces": ("text", b" " * 1_000_000),
    "mixed spaces": ("text", "\t\v \u3000".encode() * 200_000),
    "octal escapes": ("text", b'id: "' + rb"\101" * 100_000 + b'"'),
    "line breaks": ("text", b'id: "' + rb"\n" * 300_000 + b'"'),
    "literals": ("text", b"id: " + b"''" * 500_000),
    "comments": ("text", b"#\n" * 500_000),
}


#: An invalid document of many messages, and a small one.
INVALID = b'{"pipeline":[' + b",".join([b"{}"] * 50_000) + b"]}"
SMALL_INVALID = b'{"pipeline":[' + b",".join([b"{}"] * 3_000) + b"]}"


def content_of(shape: str, name: str) -> tuple[bytes, bytes]:
    """Return a content and a small one of the same kind in a format."""
    if name.endswith("json"):
        return SHAPES[shape], json_of([1])
    read, write = FORMATS["json"].read, FORMATS[name].write
    content, small = (
        write(read(each, ir_v1.ModelRef, False), None) for each in (SHAPES[shape], json_of([1]))
    )
    return content, small


#: Measures the peak of a process from now on. Its `ru_maxrss` would include that of its parent.
PEAK = """
import pathlib
def reset():
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return peak()
def peak():
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])
"""

#: Validates a file in a process of its own, and prints the memory that it took, in bytes.
MEASURE = (
    PEAK
    + """
import sys
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.services.validation_service import _convert, _validate
def run(name):
    content = pathlib.Path(name).read_bytes()
    source, target, type_ = int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    if target:
        _convert(v1.ConvertRequest(
            content=content, type=type_, source_form=source, target_form=target
        ))
    else:
        answer = _validate(v1.ValidateRequest(content=content, type=type_, form=source))
        assert not answer.HasField("failure"), answer
run(sys.argv[1] + ".small")
before = reset()
run(sys.argv[1])
print(peak() - before)
"""
)


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="measures by /proc")


def assert_estimate_bounds_memory(
    folder: Path,
    content: bytes,
    small: bytes,
    form: Any,
    target: Any = None,
    type_: str = "ModelRef",
) -> None:
    (folder / "content").write_bytes(content)
    (folder / "content.small").write_bytes(small)
    arguments = [str(folder / "content"), str(form), str(target or 0), type_]
    command = [sys.executable, "-c", MEASURE, *arguments]
    taken = int(subprocess.check_output(command, text=True))
    estimated = memory_cost(content, form, target)
    print(f"{taken / MIB:.1f} MiB taken, {estimated / MIB:.1f} MiB estimated")
    # A process takes memory in steps.
    assert taken <= estimated + 4 * MIB


@ON_LINUX
@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["binary", "json", "yaml"])
def test_estimate_bounds_the_memory_of_a_validation(tmp_path: Path, shape: str, name: str) -> None:
    content, small = content_of(shape, name)
    assert_estimate_bounds_memory(tmp_path, content, small, FORMS[name])


@ON_LINUX
@pytest.mark.slow
@pytest.mark.parametrize("name", ["binary", "json", "yaml", "text"])
def test_estimate_bounds_the_memory_of_violations(tmp_path: Path, name: str) -> None:
    content, small = (
        FORMATS[name].write(FORMATS["json"].read(each, ir_v1.Experiment, False), None)
        for each in (INVALID, SMALL_INVALID)
    )
    if name == "json":
        content, small = INVALID, SMALL_INVALID
    assert_estimate_bounds_memory(tmp_path, content, small, FORMS[name], type_="Experiment")


@ON_LINUX
@pytest.mark.slow
@pytest.mark.parametrize("shape", OTHERS)
def test_estimate_bounds_the_memory_of_what_a_parser_needs(tmp_path: Path, shape: str) -> None:
    name, content = OTHERS[shape]
    small = b"" if name == "text" else json_of([1])
    assert_estimate_bounds_memory(tmp_path, content, small, FORMS[name])


@ON_LINUX
@pytest.mark.slow
@pytest.mark.parametrize("shape", ["lists", "members", "string"])
def test_estimate_bounds_the_memory_of_the_text_format(tmp_path: Path, shape: str) -> None:
    content, small = content_of(shape, "text")
    if shape == "lists":
        # Opaque lists are 20 times as long in the text format.
        content = FORMATS["text"].write(
            FORMATS["json"].read(json_of([[]] * 10_000), ir_v1.ModelRef, False), None
        )
    assert_estimate_bounds_memory(tmp_path, content, small, FORMS["text"])


@ON_LINUX
@pytest.mark.slow
@pytest.mark.parametrize("shape", ["lists", "members"])
@pytest.mark.parametrize(
    ("source", "target"),
    [("json", "yaml"), ("json", "text"), ("binary", "json"), ("yaml", "crucible-json")],
)
def test_estimate_bounds_the_memory_of_a_conversion(
    tmp_path: Path, shape: str, source: str, target: str
) -> None:
    content, small = content_of(shape, source)
    assert_estimate_bounds_memory(tmp_path, content, small, FORMS[source], FORMS[target])


async def test_conversion_to_a_much_longer_text_is_rejected(tmp_path: Path) -> None:
    content = json_of([json.loads("[" * 45 + "]" * 45)] * 700)
    request = v1.ConvertRequest(
        content=content,
        type="ModelRef",
        source_form=v1.Form.FORM_JSON,
        target_form=v1.Form.FORM_TEXT,
    )
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError, match="more than 8,388,608 char") as caught:
            await server.validation.Convert(request)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_calls_beyond_the_memory_run_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = 0
    most = 0
    lock = threading.Lock()
    validate = validation_service._validate

    def counted(request: v1.ValidateRequest) -> v1.ValidateResponse:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        answer = validate(request)
        with lock:
            running -= 1
        return answer

    monkeypatch.setattr(validation_service, "_validate", counted)
    content = json_of([[]] * 20_000)
    request = v1.ValidateRequest(content=content, type="ModelRef", form=Format.FORM_JSON)
    cost = memory_cost(content, Format.FORM_JSON)
    settings = Settings(validation_bytes=2 * cost + 1)
    async with serving(await open_store(tmp_path / "x.db"), settings) as server:
        answers = await asyncio.gather(*(server.validation.Validate(request) for _ in range(6)))
    assert all(answer.valid for answer in answers)
    assert most == 2


async def test_calls_that_wait_end_at_their_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    begun = 0

    def waits(request: v1.ValidateRequest) -> v1.ValidateResponse:
        nonlocal begun
        begun += 1
        go.wait(10)
        return v1.ValidateResponse(valid=True)

    monkeypatch.setattr(validation_service, "_validate", waits)
    content = json_of([[]] * 20_000)
    request = v1.ValidateRequest(content=content, type="ModelRef", form=Format.FORM_JSON)
    settings = Settings(validation_bytes=memory_cost(content, Format.FORM_JSON))
    async with serving(await open_store(tmp_path / "x.db"), settings) as server:
        first = asyncio.ensure_future(server.validation.Validate(request))
        while not begun:
            await asyncio.sleep(0.01)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.validation.Validate(request, timeout=0.1)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        go.set()
        assert (await first).valid
        assert (await server.validation.Validate(request)).valid


async def test_content_that_would_never_fit_is_rejected(tmp_path: Path) -> None:
    content = json_of([[]] * 20_000)
    request = v1.ValidateRequest(content=content, type="ModelRef", form=Format.FORM_JSON)
    settings = Settings(validation_bytes=memory_cost(content, Format.FORM_JSON) - 1)
    async with serving(await open_store(tmp_path / "x.db"), settings) as server:
        with pytest.raises(grpc.aio.AioRpcError, match="too many values") as caught:
            await server.validation.Validate(request)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


#: Serves, validates a file several times at once, and prints the memory that it took, in bytes.
SIX_CALLS = (
    PEAK
    + """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
from exchange.loopback import serving
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.store import open_store

async def main():
    content = pathlib.Path(sys.argv[1]).read_bytes()
    request = v1.ValidateRequest(content=content, type="ModelRef", form=v1.Form.FORM_JSON)
    settings = Settings(validation_bytes=128 * 1024 * 1024)
    async with serving(await open_store(sys.argv[1] + ".db"), settings) as server:
        await server.validation.Validate(
            v1.ValidateRequest(content=b"{}", type="ModelRef", form=v1.Form.FORM_JSON)
        )
        before = reset()
        answers = await asyncio.gather(
            *(server.validation.Validate(request) for _ in range(int(sys.argv[3])))
        )
    assert all(answer.valid for answer in answers)
    print(peak() - before)

asyncio.run(main())
"""
)


@ON_LINUX
@pytest.mark.slow
def test_six_large_calls_take_little_more_memory_than_one(tmp_path: Path) -> None:
    content = json_of([[]] * 150_000)
    # Two of them do not fit at a time.
    assert memory_cost(content, Format.FORM_JSON) > 64 * MIB
    (tmp_path / "content").write_bytes(content)
    tests = Path(__file__).resolve().parents[3]

    def peak(calls: int) -> int:
        command = [
            sys.executable,
            "-c",
            SIX_CALLS,
            str(tmp_path / "content"),
            str(tests),
            str(calls),
        ]
        return int(subprocess.check_output(command, text=True, timeout=120))

    one, six = peak(1), peak(6)
    print(f"{one / MIB:.0f} MiB for one call, {six / MIB:.0f} MiB for six")
    assert six < 2 * one
