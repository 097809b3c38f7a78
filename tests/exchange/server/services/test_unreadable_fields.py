"""What other implementations cannot read is rejected before it is stored, as INVALID_ARGUMENT.

protobuf's Python library accepts the field number 0 inside an unknown group; Go, TypeScript and
protovalidate reject it, and could not read a page of a list or a watch that contains it.
"""

from __future__ import annotations

from pathlib import Path

import grpc
import grpc.aio
import pytest
from exchange import servers
from exchange.loopback import broken_rules, collected, items, publish_request, serving

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.client.batches import INGEST
from crucible_ir.exchange.store import open_store
from crucible_ir.serialization.wire import encode_varint

#: An unknown group that contains a field with the number 0.
UNREADABLE = bytes.fromhex("eb030000ec03")

#: The same in a group inside an unknown group.
NESTED = bytes.fromhex("eb03f3030000f403ec03")

#: A group that every implementation reads: the field 1 inside the group 61.
READABLE = bytes.fromhex("eb030800ec03")

VERSION = ir_v1.ModelVersion(id="m", model_id="gpt2", version="1.0.0").SerializeToString()


def version(extra: bytes) -> ir_v1.ModelVersion:
    return ir_v1.ModelVersion.FromString(VERSION + extra)


def event(id_: str, extra: bytes, *, inside: bool = False) -> bytes:
    """Return an event in binary, with further bytes in it or in its input."""
    if not inside:
        return ir_v1.FeedbackEvent(id=id_).SerializeToString() + extra
    # The field 4 is a Struct.
    return ir_v1.FeedbackEvent(id=id_).SerializeToString() + b"\x22" + sized(extra)


def sized(content: bytes) -> bytes:
    return encode_varint(len(content)) + content


def batch(*events: bytes) -> bytes:
    return b"\x08\x01" + b"".join(b"\x12" + sized(each) for each in events)


@pytest.mark.parametrize("extra", [UNREADABLE, NESTED])
async def test_unreadable_document_is_not_published(tmp_path: Path, extra: bytes) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Publish(publish_request(version(extra)))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert broken_rules(caught.value) == {("document.model_version", "readable")}
        assert "invalid field number 0" in (caught.value.details() or "")
        listed = await server.exchange.List(v1.ListRequest(type="ModelVersion"))
        assert list(listed.entries) == []


async def test_document_of_a_newer_schema_is_published_whole(tmp_path: Path) -> None:
    request = publish_request(version(READABLE))
    async with serving(await open_store(tmp_path / "x.db")) as server:
        await server.exchange.Publish(request)
        stored = await server.exchange.Get(v1.GetRequest(type="ModelVersion", id="m"))
    assert stored.document.model_version.SerializeToString() == VERSION + READABLE


async def test_unreadable_item_does_not_end_a_batch(tmp_path: Path) -> None:
    contents = (version(UNREADABLE), version(b""))
    requests = [
        v1.BatchPublishRequest(index=index, publish=publish_request(content))
        for index, content in enumerate(contents)
    ]
    async with serving(await open_store(tmp_path / "x.db")) as server:
        answers = await collected(server.exchange.BatchPublish(items(requests)), 2)
    assert [answer.WhichOneof("result") for answer in answers] == ["error", "published"]
    error = answers[0].error
    assert error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert [(each.path, each.rule_id) for each in error.violations] == [
        ("publish.document.model_version", "readable")
    ]


@pytest.mark.parametrize("inside", [False, True])
async def test_unreadable_event_does_not_end_a_stream(tmp_path: Path, inside: bool) -> None:
    data = batch(
        event("a", b""),
        event("b", UNREADABLE, inside=inside),
        event("c", READABLE, inside=inside),
    )
    request = v1.IngestRequest.FromString(data)
    assert request.SerializeToString() == data
    async with serving(await open_store(tmp_path / "x.db")) as server:
        [answer] = await collected(server.feedback.Ingest(items([request])), 1)
        [exported] = [page async for page in server.feedback.Export(v1.ExportRequest())]
    assert (answer.accepted, [item.index for item in answer.rejected]) == (2, [1])
    error = answer.rejected[0].error
    assert error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert [(each.path, each.rule_id) for each in error.violations] == [
        ("input" if inside else "", "readable")
    ]
    assert [each.SerializeToString() for each in exported.events] == [
        event("a", b""),
        event("c", READABLE, inside=inside),
    ]


async def test_message_that_protovalidate_cannot_read_is_no_internal_error(tmp_path: Path) -> None:
    options = ir_v1.GenerationOptions(max_tokens=-1).SerializeToString() + bytes.fromhex("53000054")
    prompt = ir_v1.Prompt()
    prompt.options.MergeFromString(options)
    convert = v1.ConvertRequest(
        type="GenerationOptions",
        source_form=v1.Form.FORM_BINARY,
        target_form=v1.Form.FORM_JSON,
        content=options,
    )
    validate = v1.ValidateRequest(
        type="GenerationOptions", form=v1.Form.FORM_BINARY, content=options
    )
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Publish(publish_request(prompt, id="p"))
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.validation.Convert(convert)
        assert broken_rules(caught.value) == {("content", "content.readable")}
        verdict = await server.validation.Validate(validate)
    assert not verdict.valid
    assert "invalid field number 0" in verdict.failure.message


@pytest.mark.parametrize("service", ["exchange", "feedback"])
async def test_request_with_an_unreadable_field_of_its_own_is_invalid(
    tmp_path: Path, service: str
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            if service == "exchange":
                get = v1.GetRequest(type="ModelRef", id="m")
                get.MergeFromString(UNREADABLE)
                await server.exchange.Get(get)
            else:
                summarize = v1.SummarizeRequest()
                summarize.MergeFromString(UNREADABLE)
                await server.feedback.Summarize(summarize)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_batch_with_an_unreadable_field_of_its_own_is_invalid(tmp_path: Path) -> None:
    async with servers.serving(tmp_path) as server, servers.channel_to(server) as channel:
        ingest = channel.stream_stream(INGEST)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in ingest(items([batch(event("a", b"")) + UNREADABLE])):
                pass
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert servers.reason_of(caught.value) == "UNREADABLE"
