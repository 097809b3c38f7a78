"""The async stubs exchange documents and feedback with the server without loss."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import grpclib
import pytest
from exchange.client.served import Served
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpclib.client import Channel
from grpclib.encoding.proto import ProtoStatusDetailsCodec

import crucible_ir as ir
from crucible_ir.betterproto import Struct, from_betterproto, v1
from crucible_ir.betterproto.exchange import LosslessCodec
from crucible_ir.betterproto.exchange import v1 as exchange_v1
from crucible_ir.exchange import ExchangeClient

pytestmark = pytest.mark.slow

#: The timeout of a test in seconds.
TIMEOUT = 60

Scenario = Callable[[Channel], Coroutine[Any, Any, None]]


def run_scenario(exchange: Served, scenario: Scenario) -> None:
    """Run a coroutine with a channel to the server."""

    async def run() -> None:
        channel = Channel(
            "127.0.0.1",
            exchange.port,
            codec=LosslessCodec(),
            status_details_codec=ProtoStatusDetailsCodec(),
        )
        try:
            async with asyncio.timeout(TIMEOUT):
                await scenario(channel)
        finally:
            channel.close()

    asyncio.run(run())


def version(name: str) -> v1.ModelVersion:
    return v1.ModelVersion(
        id=name,
        model_id="meta-llama/Llama-3.1-8B",
        version="1.2.0",
        stage=v1.ModelStage.STAGING,
        metrics={"loss": 0.21},
        created_at=datetime(2025, 12, 26, 18, 0, 0, 250, tzinfo=UTC),
        options=Struct.from_dict({"seeds": [1, 2], "note": None}),
    )


def test_a_document_is_published_watched_and_fetched(
    exchange: Served,
) -> None:
    name = str(uuid.uuid4())
    document = version(name)

    async def scenario(channel: Channel) -> None:
        stub = exchange_v1.ExchangeServiceStub(channel)
        published = await stub.publish(
            exchange_v1.PublishRequest(document=v1.Document(ir_version="1", model_version=document))
        )
        assert published.created
        assert published.record is not None
        watch = stub.watch(
            exchange_v1.WatchRequest(
                after_sequence=published.record.sequence - 1,
                id_prefix=name,
                include_documents=True,
            )
        )
        async for response in watch:
            if response.change is not None:
                break
        await watch.aclose()  # type: ignore[attr-defined]  # typed as an iterator
        assert response.change is not None
        assert response.change.document is not None
        assert response.change.document.model_version == document
        fetched = await stub.get(exchange_v1.GetRequest(type="ModelVersion", id=name))
        assert fetched.document is not None
        assert fetched.document.model_version == document

    run_scenario(exchange, scenario)
    with ExchangeClient(exchange.address) as client:
        stored = client.get(ir.v1.ModelVersion, name)
    assert stored.content == from_betterproto(document)


def test_heartbeats_of_an_idle_watch_are_received(exchange: Served) -> None:
    async def scenario(channel: Channel) -> None:
        stub = exchange_v1.ExchangeServiceStub(channel)
        request = exchange_v1.WatchRequest(id_prefix=str(uuid.uuid4()), heartbeat_interval_ms=100)
        watch = stub.watch(request)
        response = await anext(aiter(watch))
        await watch.aclose()  # type: ignore[attr-defined]  # typed as an iterator
        assert response.heartbeat is not None
        assert response.heartbeat.time is not None
        assert abs(datetime.now(UTC) - response.heartbeat.time) < timedelta(hours=1)

    run_scenario(exchange, scenario)


def test_feedback_is_ingested_in_batches_exported_and_summarized(exchange: Served) -> None:
    deployment = str(uuid.uuid4())
    events = [
        v1.FeedbackEvent(id=f"{deployment}-{number}", deployment_id=deployment, latency_ms=number)
        for number in range(5)
    ]

    async def batches() -> AsyncIterator[exchange_v1.IngestRequest]:
        yield exchange_v1.IngestRequest(batch_id=1, events=events[:3])
        yield exchange_v1.IngestRequest(batch_id=2, events=[*events[3:], events[0]])

    async def scenario(channel: Channel) -> None:
        stub = exchange_v1.FeedbackServiceStub(channel)
        answers = [answer async for answer in stub.ingest(batches())]
        assert [(answer.batch_id, answer.accepted) for answer in answers] == [(1, 3), (2, 2)]
        assert answers[1].duplicates == [2]
        request = exchange_v1.ExportRequest(deployment_id=deployment)
        exported = [event async for part in stub.export(request) for event in part.events]
        assert exported == events
        summary = await stub.summarize(exchange_v1.SummarizeRequest(deployment_id=deployment))
        assert sum(part.count for part in summary.summaries) == len(events)

    run_scenario(exchange, scenario)


def test_broken_rules_are_returned_as_typed_details(exchange: Served) -> None:
    document = v1.Document(ir_version="1", model_ref=v1.ModelRef(id="x" * 513))

    async def scenario(channel: Channel) -> None:
        stub = exchange_v1.ExchangeServiceStub(channel)
        with pytest.raises(grpclib.GRPCError) as caught:
            await stub.publish(exchange_v1.PublishRequest(document=document))
        assert caught.value.status is grpclib.const.Status.INVALID_ARGUMENT
        [bad] = [d for d in caught.value.details if isinstance(d, error_details_pb2.BadRequest)]
        assert [(v.field, v.reason) for v in bad.field_violations] == [
            ("document.model_ref.id", "string.max_bytes")
        ]
        with pytest.raises(grpclib.GRPCError) as missing:
            await stub.get(exchange_v1.GetRequest(type="ModelRef", id=str(uuid.uuid4())))
        assert missing.value.status is grpclib.const.Status.NOT_FOUND

    run_scenario(exchange, scenario)


def test_the_validation_service_validates_messages_of_betterproto2(exchange: Served) -> None:
    async def scenario(channel: Channel) -> None:
        stub = exchange_v1.ValidationServiceStub(channel)
        verdict = await stub.validate(
            exchange_v1.ValidateRequest(
                content=bytes(version("v")), type="ModelVersion", form=exchange_v1.Form.BINARY
            )
        )
        assert verdict.valid
        verdict = await stub.validate(
            exchange_v1.ValidateRequest(
                content=bytes(v1.StageDef()), type="StageDef", form=exchange_v1.Form.BINARY
            )
        )
        assert [(v.path, v.rule_id) for v in verdict.violations] == [("name", "required")]

    run_scenario(exchange, scenario)


def test_a_document_that_betterproto2_would_change_is_an_error(
    exchange: Served,
) -> None:
    name = str(uuid.uuid4())
    exact = ir.v1.ModelVersion(
        id=name, model_id="m", version="1.0.0", created_at=Timestamp(seconds=1, nanos=1)
    )
    with ExchangeClient(exchange.address) as client:
        client.publish(exact)

    async def scenario(channel: Channel) -> None:
        stub = exchange_v1.ExchangeServiceStub(channel)
        with pytest.raises(ir.EncodeError, match="keeps only microseconds") as caught:
            await stub.get(exchange_v1.GetRequest(type="ModelVersion", id=name))
        assert caught.value.path == "document.model_version.created_at"

    run_scenario(exchange, scenario)


def test_a_request_with_a_value_out_of_range_is_not_sent(exchange: Served) -> None:
    async def scenario(channel: Channel) -> None:
        stub = exchange_v1.ExchangeServiceStub(channel)
        request = exchange_v1.GetRequest(type="ModelVersion", revision=2**40)
        with pytest.raises(ir.DecodeError) as caught:
            await stub.get(request)
        assert caught.value.path == "revision"

    run_scenario(exchange, scenario)


def test_a_message_of_another_type_in_a_stream_is_an_error(exchange: Served) -> None:
    async def scenario(channel: Channel) -> None:
        stub = exchange_v1.FeedbackServiceStub(channel)
        events: list[Any] = [v1.FeedbackEvent(id="e")]
        with pytest.raises(ir.UnknownTypeError, match="expected IngestRequest, got FeedbackEvent"):
            [answer async for answer in stub.ingest(events)]

    run_scenario(exchange, scenario)


def test_an_error_while_sending_is_raised_after_the_responses_to_earlier_messages(
    exchange: Served,
) -> None:
    async def batches() -> AsyncIterator[exchange_v1.IngestRequest]:
        yield exchange_v1.IngestRequest(batch_id=1, events=[v1.FeedbackEvent(id="before")])
        raise OSError("the disk is gone")

    async def scenario(channel: Channel) -> None:
        answered = []
        with pytest.raises(OSError, match="the disk is gone"):
            async for answer in exchange_v1.FeedbackServiceStub(channel).ingest(batches()):
                answered.append(answer.batch_id)
        assert answered in ([], [1])

    run_scenario(exchange, scenario)


def test_a_request_that_the_server_rejects_ends_the_stream_with_its_status(
    exchange: Served,
) -> None:
    async def batches() -> AsyncIterator[exchange_v1.IngestRequest]:
        yield exchange_v1.IngestRequest(batch_id=-1)
        await asyncio.sleep(TIMEOUT)

    async def scenario(channel: Channel) -> None:
        with pytest.raises(grpclib.GRPCError) as caught:
            [answer async for answer in exchange_v1.FeedbackServiceStub(channel).ingest(batches())]
        assert caught.value.status is grpclib.const.Status.INVALID_ARGUMENT

    run_scenario(exchange, scenario)


def test_a_stream_that_is_abandoned_is_closed(exchange: Served) -> None:
    name = str(uuid.uuid4())

    async def batches() -> AsyncIterator[exchange_v1.IngestRequest]:
        yield exchange_v1.IngestRequest(batch_id=1, events=[v1.FeedbackEvent(id=name)])
        await asyncio.sleep(TIMEOUT)

    async def scenario(channel: Channel) -> None:
        stream = exchange_v1.FeedbackServiceStub(channel).ingest(batches())
        assert (await anext(aiter(stream))).accepted == 1
        await stream.aclose()  # type: ignore[attr-defined]  # typed as an iterator
        # The generated method leaves it to the event loop to close its iterator.
        while any("_send_messages" in repr(task) for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)

    run_scenario(exchange, scenario)
