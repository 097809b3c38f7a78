"""The metrics: the guide lists exactly those that exist, and they have the right values."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from exchange import publications as given
from exchange.publications import publication
from exchange.servers import (
    GET,
    LOOPBACK,
    TIMEOUT,
    channel_to,
    failure,
    model,
    run,
    serving,
    stub_on,
)
from prometheus_client.parser import text_string_to_metric_families

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server import store_monitor
from crucible_ir.exchange.server.listening import Address
from crucible_ir.exchange.server.observability.logs import log_to
from crucible_ir.exchange.server.observability.measures import connections_to
from crucible_ir.exchange.server.options import ServerOptions
from crucible_ir.exchange.server.services.registration import Services, service_names
from crucible_ir.exchange.server.services.workers import Workers
from crucible_ir.exchange.server.serving import ExchangeServer
from crucible_ir.exchange.store import Store, open_store

GUIDE = (Path(__file__).resolve().parents[4] / "docs" / "operations.md").read_text()

PREFIX = "crucible_ir_exchange_"


def families(port: int) -> dict[str, Any]:
    """Return what a server exposes, by the names in its text."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        text = response.read().decode()
    return {
        family.name + "_total" * (family.type == "counter"): family
        for family in text_string_to_metric_families(text)
    }


async def values(server: ExchangeServer) -> dict[str, float]:
    """Return the metrics without labels."""
    assert server.metrics_port is not None
    found = await asyncio.to_thread(families, server.metrics_port)
    return {
        name.removeprefix(PREFIX): family.samples[0].value
        for name, family in found.items()
        if family.samples and not family.samples[0].labels
    }


@asynccontextmanager
async def measured(
    address: str | Path,
) -> AsyncIterator[tuple[ExchangeServer, Store, Any]]:
    """Serve a store with metrics, and connect to the server."""
    store = await open_store(address)
    try:
        options = ServerOptions(address=LOOPBACK, metrics_port=0)
        async with (
            ExchangeServer(Services(store), service_names(), options) as server,
            channel_to(server) as channel,
        ):
            yield server, store, stub_on(channel)
    finally:
        await store.close()


async def until(server: ExchangeServer, test: Callable[[dict[str, float]], bool]) -> None:
    """Wait until the metrics are as expected."""
    while not test(await values(server)):
        await asyncio.sleep(0.05)


def test_the_guide_lists_exactly_the_metrics_that_exist(tmp_path: Path) -> None:
    async def work() -> dict[str, Any]:
        async with measured(tmp_path / "exchange.db") as (server, _, stub):
            await failure(stub.Get(GET))
            await until(server, lambda found: "last_removal_timestamp_seconds" in found)
            assert server.metrics_port is not None
            return await asyncio.to_thread(families, server.metrics_port)

    rows = set()
    for name, family in run(work()).items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        if name.startswith(PREFIX) and not name.endswith("_created"):
            row = (name, family.type, ", ".join(f"`{label}`" for label in sorted(labels)))
            rows.add((*row, family.documentation.removesuffix(".")))
    # Without a call that did not begin, this one has no sample and no label.
    rows = {
        (name, kind, "`method`, `protocol`" if name.endswith("_not_begun_total") else labels, text)
        for name, kind, labels, text in rows
    }
    table = GUIDE.split("## Metrics and logs")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) ?\| (.+) \|$", table, re.MULTILINE)
    expected = "\n".join(f"| `{a}` | {b} | {c} | {d} |" for a, b, c, d in sorted(rows))
    assert set(listed) == rows, expected
    assert len(listed) == len(rows)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the store all the time."""
    monkeypatch.setattr(store_monitor, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(store_monitor, "MEASURE_SECONDS", 0)


@pytest.mark.usefixtures("often")
def test_metrics_follow_the_store(address: str) -> None:
    async def work() -> None:
        async with measured(address) as (server, store, _):
            for number in range(3):
                await store.publish(publication(body=f"{number}"))
            events = [given.event(f"{number}") for number in range(5)]
            await store.ingest(events)
            await store.ingest(events[:2])
            assert await store.compact(2) == 2
            await until(server, lambda found: found["store_compacted_sequence"] == 2)
            found = await values(server)
            assert found["store_up"] == 1
            assert found["store_sequence"] == 3
            assert found["store_event_position"] >= 5
            assert found["events_stored_total"] == 5
            assert found["events_repeated_total"] == 2
            assert found["compactions_total"] == 1
            assert found["compaction_seconds_total"] > 0
            assert 6 <= found["store_transactions_total"] <= 8
            assert 0 < found["store_transaction_seconds_total"] < TIMEOUT
            assert found["store_writes_waiting"] == 0
            if "://" in address:
                assert found["store_size_bytes"] > 1_000_000
                assert "store_wal_bytes" not in found
            else:
                path = Path(address)
                log = path.with_name(f"{path.name}-wal").stat().st_size
                assert found["store_size_bytes"] == path.stat().st_size
                assert found["store_wal_bytes"] == log > 10_000

    run(work())


@pytest.mark.usefixtures("often")
def test_sizes_are_absent_while_the_store_is_down(tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "exchange.db"
        async with measured(path) as (server, _, _):
            await until(server, lambda found: "store_size_bytes" in found)
            path.rename(tmp_path / "aside.db")
            await until(server, lambda found: found["store_up"] == 0)
            assert not {"store_size_bytes", "store_sequence"} & (await values(server)).keys()
            (tmp_path / "aside.db").rename(path)
            await until(server, lambda found: found["store_up"] == 1)
            await until(server, lambda found: "store_size_bytes" in found)

    run(work())


def test_lag_is_that_of_the_slowest_watch(tmp_path: Path) -> None:
    async def work() -> None:
        async with measured(tmp_path / "exchange.db") as (server, store, stub):
            assert (await values(server))["watches"] == 0
            body = ir_v1.Document(ir_version="1", model_ref=ir_v1.ModelRef(id="x" * 500))
            body.model_ref.metadata.update({"text": "x" * 1_000_000})
            large = body.SerializeToString()
            for number in range(4):
                command = publication(f"{number}")
                await store.publish(replace(command, document=large, type="ModelRef"))
            everything = v1.WatchRequest(after_sequence=0, include_documents=True)
            # A client that receives little before it reads.
            little = {"grpc.http2.bdp_probe": 0, "grpc.http2.lookahead_bytes": 65_536}
            async with channel_to(server, **little) as reluctant:
                slow = stub_on(reluctant).Watch(everything)
                quick = stub.Watch(v1.WatchRequest(after_sequence=4))
                await until(server, lambda found: found["watches"] == 2)
                assert (await values(server))["watch_lag_changes"] == 4
                for _ in range(4):
                    await slow.read()
                await until(server, lambda found: found["watch_lag_changes"] == 0)
                slow.cancel()
                quick.cancel()
            await until(server, lambda found: found["watches"] == 0)

    run(work())


def test_connections_are_counted(tmp_path: Path) -> None:
    async def work() -> None:
        async with serving(tmp_path) as server:
            assert connections_to(server.address) == 0
            async with channel_to(server) as one, channel_to(server) as other:
                await failure(stub_on(one).Get(GET))
                await failure(stub_on(other).Get(GET))
                assert connections_to(server.address) == 2
        assert connections_to(Address("unix:socket", None)) is None

    run(work())


async def test_memory_of_validations_is_counted() -> None:
    workers = Workers(16 * 1024 * 1024)
    blocked = threading.Event()

    def work(_: int) -> bool:
        return blocked.wait(TIMEOUT)

    calls = [asyncio.ensure_future(workers.run(work, 0, 9 * 1024 * 1024)) for _ in range(2)]
    while workers.waiting != 1:
        await asyncio.sleep(0)
    assert workers.memory_taken == 9 * 1024 * 1024
    blocked.set()
    assert await asyncio.gather(*calls) == [True, True]
    while workers.memory_taken:
        await asyncio.sleep(0.01)
    assert workers.waiting == 0
    workers.close()


def test_successful_checks_of_the_health_are_logged_for_debugging_only(tmp_path: Path) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    async def log(level: str) -> str:
        stream = io.StringIO()
        log_to(stream, level=level)
        options = ServerOptions(address=LOOPBACK, health=True)
        async with serving(tmp_path, options) as server, channel_to(server) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            await health.Check(health_pb2.HealthCheckRequest())
            await stub_on(channel).Publish(v1.PublishRequest(document=model("m")))
            await failure(stub_on(channel).Get(v1.GetRequest(type="ModelRef", id="x")))
        return stream.getvalue()

    logger = logging.getLogger("crucible_ir.exchange")
    before = logger.handlers[:], logger.level, logger.propagate
    try:
        texts = [run(log(level)) for level in ("debug", "info", "warning")]
    finally:
        logger.handlers[:], logger.level, logger.propagate = before
    for word, expected in (
        ("Health/Check", [True, False, False]),
        ("Publish", [True, True, False]),
        ("transaction of 1 writes", [True, False, False]),
        ("listening", [True, True, False]),
    ):
        assert [word in text for text in texts] == expected, word
