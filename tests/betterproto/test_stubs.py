"""The async stubs take documents and feedback through our server, and lose nothing on the way."""

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

#: The longest that a test waits for an answer.
PATIENCE = 60

Scene = Callable[[Channel], Coroutine[Any, Any, None]]


def play(exchange: Served, scene: Scene) -> None:
    """Run a coroutine with a channel to the server."""

    async def run() -> None:
        channel = Channel(
            "127.0.0.1",
            exchange.port,
            codec=LosslessCodec(),
            status_details_codec=ProtoStatusDetailsCodec(),
        )
        try:
            async with asyncio.timeout(PATIENCE):
                await scene(channel)
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


def test_a_document_is_published_watched_and_fetched_and_our_own_client_sees_the_same(
    exchange: Served,
) -> None:
    name = str(uuid.uuid4())
    document = version(name)

    async def scene(channel: Channel) -> None:
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
        async for told in watch:
            if told.change is not None:
                break
        await watch.aclose()  # type: ignore[attr-defined]  # typed as an iterator
        assert told.change is not None
        assert told.change.document is not None
        assert told.change.document.model_version == document
        fetched = await stub.get(exchange_v1.GetRequest(type="ModelVersion", id=name))
        assert fetched.document is not None
        assert fetched.document.model_version == document

    play(exchange, scene)
    with ExchangeClient(exchange.address) as client:
        stored = client.get(ir.v1.ModelVersion, name)
    assert stored.content == from_betterproto(document)


def test_heartbeats_of_a_quiet_watch_are_read(exchange: Served) -> None:
    async def scene(channel: Channel) -> None:
        stub = exchange_v1.ExchangeServiceStub(channel)
        request = exchange_v1.WatchRequest(id_prefix=str(uuid.uuid4()), heartbeat_interval_ms=100)
        watch = stub.watch(request)
        told = await anext(aiter(watch))
        await watch.aclose()  # type: ignore[attr-defined]  # typed as an iterator
        assert told.heartbeat is not None
        assert told.heartbeat.time is not None
        assert abs(datetime.now(UTC) - told.heartbeat.time) < timedelta(hours=1)

    play(exchange, scene)


def test_feedback_is_ingested_in_batches_exported_and_summarized(exchange: Served) -> None:
    deployment = str(uuid.uuid4())
    events = [
        v1.FeedbackEvent(id=f"{deployment}-{number}", deployment_id=deployment, latency_ms=number)
        for number in range(5)
    ]

    async def batches() -> AsyncIterator[exchange_v1.IngestRequest]:
        yield exchange_v1.IngestRequest(batch_id=1, events=events[:3])
        yield exchange_v1.IngestRequest(batch_id=2, events=[*events[3:], events[0]])

    async def scene(channel: Channel) -> None:
        stub = exchange_v1.FeedbackServiceStub(channel)
        answers = [answer async for answer in stub.ingest(batches())]
        assert [(answer.batch_id, answer.accepted) for answer in answers] == [(1, 3), (2, 2)]
        assert answers[1].duplicates == [2]
        request = exchange_v1.ExportRequest(deployment_id=deployment)
        exported = [event async for part in stub.export(request) for event in part.events]
        assert exported == events
        summary = await stub.summarize(exchange_v1.SummarizeRequest(deployment_id=deployment))
        assert sum(part.count for part in summary.summaries) == len(events)

    play(exchange, scene)


def test_the_rules_that_a_document_breaks_come_back_typed(exchange: Served) -> None:
    document = v1.Document(ir_version="1", model_ref=v1.ModelRef(id="x" * 513))

    async def scene(channel: Channel) -> None:
        stub = exchange_v1.ExchangeServiceStub(channel)
        with pytest.raises(grpclib.GRPCError) as refused:
            await stub.publish(exchange_v1.PublishRequest(document=document))
        assert refused.value.status is grpclib.const.Status.INVALID_ARGUMENT
        [bad] = [d for d in refused.value.details if isinstance(d, error_details_pb2.BadRequest)]
        assert [(v.field, v.reason) for v in bad.field_violations] == [
            ("document.model_ref.id", "string.max_bytes")
        ]
        with pytest.raises(grpclib.GRPCError) as missing:
            await stub.get(exchange_v1.GetRequest(type="ModelRef", id=str(uuid.uuid4())))
        assert missing.value.status is grpclib.const.Status.NOT_FOUND

    play(exchange, scene)


def test_the_validation_service_judges_what_betterproto2_wrote(exchange: Served) -> None:
    async def scene(channel: Channel) -> None:
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

    play(exchange, scene)


def test_a_document_that_betterproto2_would_change_is_refused_and_not_received_in_part(
    exchange: Served,
) -> None:
    name = str(uuid.uuid4())
    exact = ir.v1.ModelVersion(
        id=name, model_id="m", version="1.0.0", created_at=Timestamp(seconds=1, nanos=1)
    )
    with ExchangeClient(exchange.address) as client:
        client.publish(exact)

    async def scene(channel: Channel) -> None:
        stub = exchange_v1.ExchangeServiceStub(channel)
        with pytest.raises(ir.EncodeError, match="keeps microseconds") as refused:
            await stub.get(exchange_v1.GetRequest(type="ModelVersion", id=name))
        assert refused.value.path == "document.model_version.created_at"

    play(exchange, scene)


def test_a_request_with_a_value_of_another_type_is_not_sent(exchange: Served) -> None:
    async def scene(channel: Channel) -> None:
        stub = exchange_v1.ExchangeServiceStub(channel)
        request = exchange_v1.GetRequest(type="ModelVersion", revision=2**40)
        with pytest.raises(ir.DecodeError) as refused:
            await stub.get(request)
        assert refused.value.path == "revision"

    play(exchange, scene)


def test_a_message_of_another_type_does_not_get_into_a_stream(exchange: Served) -> None:
    async def scene(channel: Channel) -> None:
        stub = exchange_v1.FeedbackServiceStub(channel)
        events: list[Any] = [v1.FeedbackEvent(id="e")]
        with pytest.raises(ir.UnknownTypeError, match="expected IngestRequest, got FeedbackEvent"):
            [answer async for answer in stub.ingest(events)]

    play(exchange, scene)


def test_what_goes_wrong_while_sending_is_raised_and_what_was_sent_before_is_answered(
    exchange: Served,
) -> None:
    async def batches() -> AsyncIterator[exchange_v1.IngestRequest]:
        yield exchange_v1.IngestRequest(batch_id=1, events=[v1.FeedbackEvent(id="before")])
        raise OSError("the disk is gone")

    async def scene(channel: Channel) -> None:
        answered = []
        with pytest.raises(OSError, match="the disk is gone"):
            async for answer in exchange_v1.FeedbackServiceStub(channel).ingest(batches()):
                answered.append(answer.batch_id)
        assert answered in ([], [1])

    play(exchange, scene)


def test_a_request_that_the_server_refuses_ends_the_stream_with_its_status(
    exchange: Served,
) -> None:
    async def batches() -> AsyncIterator[exchange_v1.IngestRequest]:
        yield exchange_v1.IngestRequest(batch_id=-1)
        await asyncio.sleep(PATIENCE)

    async def scene(channel: Channel) -> None:
        with pytest.raises(grpclib.GRPCError) as refused:
            [answer async for answer in exchange_v1.FeedbackServiceStub(channel).ingest(batches())]
        assert refused.value.status is grpclib.const.Status.INVALID_ARGUMENT

    play(exchange, scene)


def test_a_stream_that_is_left_early_is_closed(exchange: Served) -> None:
    name = str(uuid.uuid4())

    async def batches() -> AsyncIterator[exchange_v1.IngestRequest]:
        yield exchange_v1.IngestRequest(batch_id=1, events=[v1.FeedbackEvent(id=name)])
        await asyncio.sleep(PATIENCE)

    async def scene(channel: Channel) -> None:
        stream = exchange_v1.FeedbackServiceStub(channel).ingest(batches())
        assert (await anext(aiter(stream))).accepted == 1
        await stream.aclose()  # type: ignore[attr-defined]  # typed as an iterator
        # The generated method leaves what it iterates over to the event loop to close.
        while any("_send_messages" in repr(task) for task in asyncio.all_tasks()):
            await asyncio.sleep(0.01)

    play(exchange, scene)
