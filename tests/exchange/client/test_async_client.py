"""The asyncio client works like the blocking one, with a real server."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from exchange.client.served import Served, Wire

from crucible_ir import v1
from crucible_ir.exchange import (
    AsyncExchangeClient,
    AsyncIngestion,
    AsyncWatch,
    Change,
    ClosedError,
    EtagMismatchError,
    EventFilter,
    ExchangeClient,
    Gap,
    Ingestion,
    NotFoundError,
    RetryPolicy,
    UnavailableError,
    Watch,
)

QUICK = RetryPolicy(first_delay=0.01, longest_delay=0.1)

#: The timeout of a test in seconds.
TIMEOUT = 30


def version(id_: str | None = None) -> v1.ModelVersion:
    return v1.ModelVersion(id=id_ or f"m-{uuid.uuid4()}", model_id="gpt2", version="1.0.0")


def surface(class_: type) -> dict[str, list[str]]:
    """Return the names of a class's public methods and of their parameters."""
    return {
        name: list(inspect.signature(method).parameters)
        for name, method in inspect.getmembers(class_, inspect.isfunction)
        if not name.startswith("_")
    }


def test_both_clients_have_the_same_methods() -> None:
    assert surface(AsyncExchangeClient) == surface(ExchangeClient)
    assert surface(AsyncIngestion) == surface(Ingestion)
    assert surface(AsyncWatch) == surface(Watch)


async def test_both_clients_raise_wrong_arguments_at_once(shared: Served) -> None:
    wrong: Any = 7
    client, client_ = AsyncExchangeClient(shared.address), ExchangeClient(shared.address)
    for publish_many in (client.publish_many, client_.publish_many):
        with pytest.raises(TypeError, match="not iterable"):
            publish_many(wrong)
    await client.close()
    client_.close()
    for watch in (client.watch, client_.watch):
        with pytest.raises(ClosedError, match="the client was closed"):
            watch(0)


async def test_events_of_a_sequence_are_added_together(shared: Served) -> None:
    name = str(uuid.uuid4())
    sent = [v1.FeedbackEvent(id=f"{name}/{number}") for number in range(250)]
    async with asyncio.timeout(TIMEOUT), AsyncExchangeClient(shared.address) as client:
        async with client.ingestion(max_events=7, max_seconds=3600) as ingestion:
            await ingestion.add_all(sent)
            while ingestion.report.accepted < 245:
                await asyncio.sleep(0.01)
        assert ingestion.report.accepted == 250


async def test_documents_round_trip(shared: Served) -> None:
    async with asyncio.timeout(TIMEOUT), AsyncExchangeClient(shared.address) as client:
        message = version()
        record = (await client.publish(message, etag="")).record
        stored = await client.get(v1.ModelVersion, message.id)
        assert (stored.content, stored.record) == (message, record)
        with pytest.raises(EtagMismatchError):
            await client.publish(version(message.id), etag="")
        await client.delete(v1.ModelVersion, message.id)
        with pytest.raises(NotFoundError):
            await client.get(v1.ModelVersion, message.id)
        revisions = client.list_revisions(v1.ModelVersion, message.id, page_size=1)
        assert [entry.record.revision async for entry in revisions] == [2, 1]
        trace = await client.trace(v1.ModelVersion, message.id)
        assert trace.nodes[0].state == "deleted"
        assert (await client.validate(message)).valid
        assert b"gpt2" in await client.convert(message, "yaml")


async def test_many_documents_can_come_from_either_kind_of_iterable(shared: Served) -> None:
    prefix = str(uuid.uuid4())
    ids = [f"{prefix}/{number}" for number in range(100)]

    async def asynchronously() -> AsyncIterator[v1.ModelVersion]:
        for id_ in ids:
            yield version(id_)

    async with asyncio.timeout(TIMEOUT), AsyncExchangeClient(shared.address) as client:
        plain = [each async for each in client.publish_many(version(id_) for id_ in ids)]
        again = [each async for each in client.publish_many(asynchronously())]
        listed = client.list_documents("ModelVersion", where_prefix={"id": prefix}, order="id")
        found = [entry.record.id async for entry in listed]
    assert [each.published is not None and each.published.created for each in plain] == [True] * 100
    assert [each.published is not None and each.published.unchanged for each in again] == [
        True
    ] * 100
    assert found == sorted(ids)


async def test_feedback_round_trips(shared: Served) -> None:
    name = str(uuid.uuid4())
    sent = [v1.FeedbackEvent(id=f"{name}/{number}", deployment_id=name) for number in range(1200)]
    async with asyncio.timeout(TIMEOUT), AsyncExchangeClient(shared.address) as client:
        report = await client.ingest(sent)
        assert (report.accepted, report.batches) == (1200, 3)
        async with client.ingestion(max_seconds=0.01) as ingestion:
            await ingestion.add(v1.FeedbackEvent(id=f"{name}/bad", latency_ms=-1))
            while not ingestion.report.total:
                await asyncio.sleep(0.01)
            assert ingestion.report.refused[0].id == f"{name}/bad"
            await ingestion.add(sent[0])
            await ingestion.flush()
        assert ingestion.report.duplicates == 1
        wanted = EventFilter(deployment_id=name)
        assert [event async for event in client.export(wanted, batch_size=100)] == sent
        [summary] = await client.summarize(wanted)
        assert summary.count == 1200


async def test_a_watch_and_an_ingestion_resume_after_broken_connections(
    shared: Served, wire: Wire
) -> None:
    prefix = str(uuid.uuid4())
    async with (
        asyncio.timeout(TIMEOUT),
        AsyncExchangeClient(shared.address) as client,
        AsyncExchangeClient(wire.address, retry=QUICK) as cut_off,
        cut_off.watch(id_prefix=prefix) as watch,
        cut_off.ingestion(max_events=10) as ingestion,
    ):
        found = []
        for number in range(20):
            await client.publish(version(f"{prefix}/{number}"))
            await ingestion.add(v1.FeedbackEvent(id=f"{prefix}/{number}", deployment_id=prefix))
            if number % 8 == 3:
                await asyncio.to_thread(wire.cut)
            change = await anext(watch)
            assert isinstance(change, Change)
            found.append(change.record.id)
        await ingestion.flush()
        kept = [event.id async for event in client.export(EventFilter(deployment_id=prefix))]
    assert found == [f"{prefix}/{number}" for number in range(20)]
    assert kept == found
    assert wire.connections >= 3


async def test_cancelling_a_task_cancels_its_call(shared: Served) -> None:
    async with asyncio.timeout(TIMEOUT), AsyncExchangeClient(shared.address) as client:
        watch = client.watch(id_prefix=str(uuid.uuid4()))
        await watch.begin()
        waiting = asyncio.create_task(anext(watch))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await client.publish(version())).created


async def test_closing_a_watch_ends_its_iteration(shared: Served) -> None:
    async with asyncio.timeout(TIMEOUT), AsyncExchangeClient(shared.address) as client:
        watch = client.watch(id_prefix=str(uuid.uuid4()))
        await watch.begin()
        waiting = asyncio.create_task(_all(watch))
        await asyncio.sleep(0.05)
        await watch.close()
        assert await waiting == []


async def _all(watch: AsyncWatch) -> list[Change | Gap]:
    return [each async for each in watch]


async def test_an_unreachable_server_is_an_error(shared: Served) -> None:
    wire = Wire(shared.port)
    wire.close()
    async with AsyncExchangeClient(wire.address, timeout=0.3, retry=QUICK) as client:
        with pytest.raises(UnavailableError):
            await client.get("ModelRef", "m")
        with pytest.raises(UnavailableError):
            await client.ingest([v1.FeedbackEvent(id="e")])
        with pytest.raises(UnavailableError):
            await client.watch().begin()
