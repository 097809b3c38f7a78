"""The document service over a real channel: publish, get, list, delete and trace."""

from __future__ import annotations

import asyncio
import base64
import hmac
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import (
    Loopback,
    broken_rules,
    collected,
    details,
    document,
    items,
    publish_request,
    serving,
)

import crucible_ir as ir
from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import AsyncExchangeClient, ExchangeClient, v1
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.records import Scope
from crucible_ir.exchange.store.statements.lists import pages
from crucible_ir.schema.types import document_members

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def version(id_: str = "m1", **fields: Any) -> ir_v1.ModelVersion:
    return ir.new("ModelVersion", id=id_, model_id="gpt2", version="1.0.0", **fields)


async def ids(server: Loopback, **fields: Any) -> list[str]:
    response = await server.exchange.List(v1.ListRequest(type="ModelVersion", **fields))
    return [entry.record.id for entry in response.entries]


async def test_published_document_is_returned_with_its_digest(address: str) -> None:
    async with serving(await open_store(address), caller=Caller("ann")) as server:
        content = version()
        published = await server.exchange.Publish(publish_request(content))
        fetched = await server.exchange.Get(v1.GetRequest(type="ModelVersion", id="m1"))
        assert published.created
        assert fetched.record == published.record
        assert fetched.document == document(content)
        assert fetched.record.digest == ir.digest(content)
        assert (fetched.record.revision, fetched.record.sequence) == (1, 1)
        assert fetched.record.publisher == "ann"
        assert fetched.record.create_time.ToSeconds() > 1_700_000_000


@pytest.mark.parametrize("name", sorted(document_members()))
async def test_every_document_type_can_be_published(tmp_path: Path, name: str) -> None:
    smallest: dict[str, dict[str, Any]] = {
        "Experiment": {"backend": {"id": "b"}, "pipeline": [{"name": "s"}]},
        "ModelVersion": {"model_id": "m", "version": "1.0.0"},
        "TrainingConfig": {"model_ref": {"id": "m"}, "dataset_ref": {"name": "d"}},
        "TrainingRun": {
            "config": {"id": "c", "model_ref": {"id": "m"}, "dataset_ref": {"name": "d"}}
        },
        "DeploymentConfig": {"model_version_id": "m"},
        "DeploymentStatus": {"deployment_id": "d"},
        "Capabilities": {"provider": "p"},
        "EvaluationResult": {"task": "t"},
    }
    type_ = ir.MESSAGE_TYPES[name]
    fields = set(type_.DESCRIPTOR.fields_by_name)
    identity = next((f for f in ("id", "name", "backend_id", "request_id") if f in fields), None)
    content = type_(**smallest.get(name, {}))
    if identity is not None:
        setattr(content, identity, "x")
    async with serving(await open_store(tmp_path / "x.db")) as server:
        published = await server.exchange.Publish(publish_request(content, id="x"))
        fetched = await server.exchange.Get(v1.GetRequest(type=name, id="x"))
        assert published.record.type == name
        assert fetched.document == document(content)


async def test_id_is_required_without_a_content_id_and_must_equal_it_otherwise(
    tmp_path: Path,
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            await server.exchange.Publish(publish_request(ir_v1.Hedging()))
        with pytest.raises(grpc.aio.AioRpcError) as other:
            await server.exchange.Publish(publish_request(version("m1"), id="m2"))
        assert missing.value.code() == other.value.code() == INVALID
        assert broken_rules(missing.value) == {("id", "required")}
        assert broken_rules(other.value) == {("id", "publish.id_equal")}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (ir_v1.Hedging(), "the Hedging has no id of its own"),
        (
            ir_v1.Prompt(messages=[ir.new_message(role="user", text="hi")]),
            "the Prompt has no id of its own; or set its request_id",
        ),
        (
            ir_v1.Completion(),
            "the Completion has no id of its own; or set its response_id or request_id",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_the_error_for_a_missing_id_names_the_fields_that_give_one(
    content: Any, words: str, tmp_path: Path
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            await server.exchange.Publish(publish_request(content))
        [violation] = details(missing.value)["BadRequest"].field_violations
        assert violation.description == f"must be set: {words}"


async def test_content_that_json_cannot_represent_is_stored_without_a_digest(
    tmp_path: Path,
) -> None:
    newer = ir_v1.ModelRef.FromString(ir_v1.ModelRef(id="m").SerializeToString() + b"\xf8\x07\x01")
    nan = ir_v1.ModelRef(id="n")
    nan.options.update({"loss": float("nan")})
    async with serving(await open_store(tmp_path / "x.db")) as server:
        for content in (newer, nan):
            published = await server.exchange.Publish(publish_request(content))
            again = await server.exchange.Publish(publish_request(content))
            fetched = await server.exchange.Get(v1.GetRequest(type="ModelRef", id=content.id))
            assert not published.record.HasField("digest")
            assert again.unchanged
            assert fetched.document.model_ref.SerializeToString() == content.SerializeToString()


async def test_invalid_document_is_rejected_with_its_violations(
    tmp_path: Path,
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Publish(
                publish_request(ir_v1.ModelVersion(id="m", model_id="g", version="one"))
            )
        assert caught.value.code() == INVALID
        assert broken_rules(caught.value) == {("document.model_version.version", "string.pattern")}


async def test_stale_etag_is_rejected_with_the_current_one(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        first = await server.exchange.Publish(publish_request(version(), etag=""))
        second = await server.exchange.Publish(
            publish_request(version(description="2"), etag=first.record.etag)
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Publish(
                publish_request(version(description="3"), etag=first.record.etag)
            )
        assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        found = details(caught.value)
        [violation] = found["PreconditionFailure"].violations
        assert (violation.type, violation.subject) == ("ETAG", "ModelVersion/m1")
        assert found["ErrorInfo"].reason == "ETAG_MISMATCH"
        assert found["ErrorInfo"].metadata["latest"] == second.record.etag


async def test_one_of_several_writers_with_one_etag_succeeds(address: str) -> None:
    async with serving(await open_store(address)) as server:
        start = await server.exchange.Publish(publish_request(version()))

        async def write(n: int) -> grpc.StatusCode:
            request = publish_request(version(description=str(n)), etag=start.record.etag)
            try:
                await server.exchange.Publish(request)
            except grpc.aio.AioRpcError as error:
                return error.code()
            return grpc.StatusCode.OK

        codes = await asyncio.gather(*(write(n) for n in range(10)))
        assert sorted(code.name for code in codes) == ["FAILED_PRECONDITION"] * 9 + ["OK"]


async def test_request_id_makes_a_repetition_safe(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        request = publish_request(version(), etag="", request_id="r1")
        first = await server.exchange.Publish(request)
        assert await server.exchange.Publish(request) == first
        other = publish_request(version(description="2"), etag="", request_id="r1")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Publish(other)
        assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert details(caught.value)["PreconditionFailure"].violations[0].type == "REQUEST_ID"


async def test_validate_only_stores_nothing(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        answer = await server.exchange.Publish(publish_request(version(), validate_only=True))
        assert answer.created
        assert (answer.record.sequence, answer.record.etag) == (0, "")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Get(v1.GetRequest(type="ModelVersion", id="m1"))
        resource = details(caught.value)["ResourceInfo"]
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        assert (resource.resource_type, resource.resource_name) == ("ModelVersion", "m1")


async def test_batch_has_a_result_for_each_item_in_order(address: str) -> None:
    requests = [
        v1.BatchPublishRequest(index=7, publish=publish_request(version("m1"))),
        v1.BatchPublishRequest(index=8, publish=publish_request(ir_v1.ModelVersion(id="bad"))),
        v1.BatchPublishRequest(index=9),
        v1.BatchPublishRequest(index=7, publish=publish_request(version("m1"), etag="")),
        v1.BatchPublishRequest(index=3, publish=publish_request(version("m2"))),
    ]
    async with serving(await open_store(address)) as server:
        results = [r async for r in server.exchange.BatchPublish(items(requests))]
    assert [result.index for result in results] == [7, 8, 9, 7, 3]
    assert [r.WhichOneof("result") for r in results] == [
        "published",
        "error",
        "error",
        "error",
        "published",
    ]
    assert [r.error.code for r in results] == [0, 3, 3, 9, 0]
    assert {v.path for v in results[1].error.violations} == {
        "publish.document.model_version.model_id",
        "publish.document.model_version.version",
    }
    assert results[4].published.record.sequence == 2


async def test_batch_keeps_the_order_of_changes_to_a_document(tmp_path: Path) -> None:
    requests = [
        v1.BatchPublishRequest(index=n, publish=publish_request(version(description=str(n))))
        for n in range(100)
    ]
    async with serving(await open_store(tmp_path / "x.db")) as server:
        results = [r async for r in server.exchange.BatchPublish(items(requests))]
        latest = await server.exchange.Get(v1.GetRequest(type="ModelVersion", id="m1"))
    assert [r.published.record.revision for r in results] == list(range(1, 101))
    assert latest.document.model_version.description == "99"


async def test_lists_are_filtered_by_short_names_flags_and_lists(address: str) -> None:
    async with serving(await open_store(address)) as server:
        for content in (
            version("a", stage="production"),
            version("b", stage="shadow"),
            version("c"),
        ):
            await server.exchange.Publish(publish_request(content))
        capable = ir.new("Capabilities", backend_id="x", provider="p", models=["m-1", "m-2"])
        await server.exchange.Publish(publish_request(capable))
        assert await ids(server, filters=[v1.Filter(field="stage", equals="production")]) == ["a"]
        assert await ids(server, filters=[v1.Filter(field="stage", prefix="sha")]) == ["b"]
        # Elixir services store documented names in other spellings.
        await server.exchange.Publish(publish_request(version("d", custom_stage="Production")))
        for field in ("stage", "custom_stage"):
            found = await ids(server, filters=[v1.Filter(field=field, equals="Production")])
            assert found == ["d"]
        for field, value, count in [
            ("models", "m-2", 1),
            ("supports_tools", "true", 1),
            ("supports_vision", "true", 0),
        ]:
            request = v1.ListRequest(
                type="Capabilities", filters=[v1.Filter(field=field, equals=value)]
            )
            assert len((await server.exchange.List(request)).entries) == count


async def test_filter_on_an_unknown_field_suggests_a_similar_one(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ids(server, filters=[v1.Filter(field="stag", equals="x")])
        assert broken_rules(caught.value) == {("filters[0].field", "filter.field_known")}
        assert '"stage"' in (caught.value.details() or "")


@pytest.mark.parametrize("order", [v1.ListOrder.LIST_ORDER_NEWEST, v1.ListOrder.LIST_ORDER_ID])
async def test_pages_list_each_document_once_during_publishing(
    address: str, order: v1.ListOrder
) -> None:
    async with serving(await open_store(address)) as server:
        steady = {f"s{n:02}" for n in range(20)}
        for id_ in sorted(steady):
            await server.exchange.Publish(publish_request(version(id_)))
        seen: list[str] = []
        token = ""
        for step in range(100):
            response = await server.exchange.List(
                v1.ListRequest(
                    type="ModelVersion",
                    order=order,
                    page_size=3,
                    page_token=token,
                    include_documents=True,
                )
            )
            seen += [entry.document.model_version.id for entry in response.entries]
            await server.exchange.Publish(publish_request(version(f"s{step:02}-new")))
            token = response.next_page_token
            if not token:
                break
        assert len(seen) == len(set(seen))
        assert steady <= set(seen)


async def test_clients_read_on_after_pages_without_entries(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "EXAMINED", 4)
    monkeypatch.setattr(pages, "FEW", 0)
    async with serving(await open_store(address)) as server:
        for n in range(30):
            stage = "MODEL_STAGE_PRODUCTION" if n in (3, 17) else "MODEL_STAGE_STAGING"
            await server.exchange.Publish(publish_request(version(f"m{n:02}", stage=stage)))
        filters = [v1.Filter(field="stage", prefix="prod")]
        page = await server.exchange.List(v1.ListRequest(type="ModelVersion", filters=filters))
        assert not page.entries
        assert page.next_page_token
        where = {"stage": "prod"}
        name = f"127.0.0.1:{server.port}"
        async with AsyncExchangeClient(name) as client:
            listed = client.list_documents("ModelVersion", where_prefix=where)
            assert [entry.record.id async for entry in listed] == ["m17", "m03"]

        def listed_by_id() -> list[str]:
            with ExchangeClient(name) as client:
                found = client.list_documents("ModelVersion", where_prefix=where, order="id")
                return [entry.record.id for entry in found]

        assert await asyncio.to_thread(listed_by_id) == ["m03", "m17"]


def prompt(role: ir_v1.MessageRole) -> ir_v1.Prompt:
    return ir_v1.Prompt(messages=[ir_v1.Message(role=role, text="a")])


async def test_list_can_have_only_the_documents_that_a_release_reads(address: str) -> None:
    roles = ir_v1.MessageRole
    async with serving(await open_store(address)) as server:
        for number in range(6):
            role = roles.MESSAGE_ROLE_DEVELOPER if number % 2 else roles.MESSAGE_ROLE_USER
            request = publish_request(prompt(role), id=f"p{number}")
            published = await server.exchange.Publish(request)
            assert published.record.requires == ("0.3.0" if number % 2 else "0.2.0")
        await server.exchange.Publish(publish_request(version(tags=["a"])))
        # Readers of binary keep a field that they do not know.
        assert await ids(server, readable_by="0.2.0") == ["m1"]
        seen: list[tuple[str, str]] = []
        query: dict[str, Any] = {"type": "Prompt", "readable_by": "0.2.0", "page_size": 1}
        token = ""
        for _ in range(3):
            page = await server.exchange.List(v1.ListRequest(**query, page_token=token))
            seen += [(entry.record.id, entry.record.requires) for entry in page.entries]
            token = page.next_page_token
            if token:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    other = {**query, "readable_by": "0.3.0", "page_token": token}
                    await server.exchange.List(v1.ListRequest(**other))
                assert broken_rules(caught.value) == {("page_token", "page_token.same_query")}
        assert seen == [("p4", "0.2.0"), ("p2", "0.2.0"), ("p0", "0.2.0")]
        assert not token
        everything = v1.ListRequest(type="Prompt", readable_by="0.10.0")
        assert len((await server.exchange.List(everything)).entries) == 6
        for wrong in ("", "0.3", "v0.3.0", "0.03.0", "0.3.0\n", "0.1000.0", "0.3.0-rc.1"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ids(server, readable_by=wrong)
            assert broken_rules(caught.value) == {("readable_by", "string.pattern")}


async def test_page_token_of_another_query_or_invalid_is_rejected(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        for n in range(3):
            await server.exchange.Publish(publish_request(version(f"m{n}")))
        first = await server.exchange.List(v1.ListRequest(type="ModelVersion", page_size=1))
        token = first.next_page_token
        assert await ids(server, page_size=5, page_token=token) == ["m1", "m0"]
        wrongs: list[tuple[dict[str, Any], str]] = [
            ({"page_token": token, "include_deleted": True}, "page_token.same_query"),
            ({"page_token": token, "order": v1.ListOrder.LIST_ORDER_ID}, "page_token.same_query"),
            ({"page_token": "made up"}, "page_token.known"),
            ({"page_token": "AAAA"}, "page_token.known"),
            ({"page_token": token[:-4] + "===="}, "page_token.known"),
        ]
        for wrong, rule in wrongs:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ids(server, **wrong)
            assert broken_rules(caught.value) == {("page_token", rule)}


async def test_forged_page_tokens_are_rejected(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        for n in range(3):
            await server.exchange.Publish(publish_request(version(f"m{n}")))
        first = await server.exchange.List(v1.ListRequest(type="ModelVersion", page_size=1))
        signed = base64.urlsafe_b64decode(first.next_page_token)
        content = signed[16:28]
        forged = [
            # What a server without signatures wrote, with numbers that no database takes.
            content + b"n" + b"9" * 400,
            content + b"n" + str(2**63).encode(),
            content + b"n-1",
            signed[:16] + content + b"n" + b"9" * 30,
            signed[:28] + b"n1",
            hmac.digest(b"", content + b"n1", "sha256")[:16] + content + b"n1",
            signed + b"0",
            signed[1:],
        ]
        for token in forged:
            encoded = base64.urlsafe_b64encode(token).decode()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ids(server, page_size=1, page_token=encoded)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert broken_rules(caught.value) == {("page_token", "page_token.known")}


async def test_the_servers_of_a_store_know_each_others_page_tokens(address: str) -> None:
    async with serving(await open_store(address)) as one, serving(await open_store(address)) as two:
        for n in range(3):
            await one.exchange.Publish(publish_request(version(f"m{n}")))
        first = await one.exchange.List(v1.ListRequest(type="ModelVersion", page_size=1))
        assert await ids(two, page_size=5, page_token=first.next_page_token) == ["m1", "m0"]


async def test_revisions_stay_readable_after_a_deletion(address: str) -> None:
    async with serving(await open_store(address)) as server:
        for n in range(3):
            await server.exchange.Publish(publish_request(version(description=str(n))))
        key: dict[str, Any] = {"type": "ModelVersion", "id": "m1"}
        deleted = await server.exchange.Delete(v1.DeleteRequest(**key))
        assert (deleted.record.revision, deleted.record.deleted) == (4, True)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Get(v1.GetRequest(**key))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
        second = await server.exchange.Get(v1.GetRequest(**key, revision=2))
        assert second.document.model_version.description == "1"
        tombstone = await server.exchange.Get(v1.GetRequest(**key, revision=4))
        assert not tombstone.HasField("document")
        first = await server.exchange.ListRevisions(v1.ListRevisionsRequest(**key, page_size=3))
        rest = await server.exchange.ListRevisions(
            v1.ListRevisionsRequest(**key, page_token=first.next_page_token)
        )
        listed = [e.record.revision for page in (first, rest) for e in page.entries]
        assert listed == [4, 3, 2, 1]
        assert await ids(server) == []
        assert await ids(server, include_deleted=True) == ["m1"]


async def test_lineage_leads_from_an_event_to_its_dataset(address: str) -> None:
    config = ir.new("TrainingConfig", id="c", model_ref={"id": "g"}, dataset_ref={"name": "data"})
    run = ir.new("TrainingRun", id="r", config=config)
    deployment = ir.new("DeploymentConfig", id="d", model_version_id="m1")
    event = ir_v1.FeedbackEvent(id="e1", deployment_id="d")
    async with serving(await open_store(address)) as server:
        for content in (run, version(training_run_id="r", parent_version="m0"), deployment):
            await server.exchange.Publish(publish_request(content))
        batch = v1.IngestRequest(batch_id=1, events=[event])
        assert [r.accepted async for r in server.feedback.Ingest(items([batch]))] == [1]
        traced = await server.exchange.TraceLineage(
            v1.TraceLineageRequest(type="FeedbackEvent", id="e1")
        )
    nodes = {(n.reference.type, n.reference.id): (n.state, n.depth) for n in traced.nodes}
    assert nodes == {
        ("FeedbackEvent", "e1"): (v1.LineageNodeState.LINEAGE_NODE_STATE_FEEDBACK, 0),
        ("DeploymentConfig", "d"): (v1.LineageNodeState.LINEAGE_NODE_STATE_STORED, 1),
        ("ModelVersion", "m1"): (v1.LineageNodeState.LINEAGE_NODE_STATE_STORED, 2),
        ("ModelVersion", "m0"): (v1.LineageNodeState.LINEAGE_NODE_STATE_MISSING, 3),
        ("ModelRef", "gpt2"): (v1.LineageNodeState.LINEAGE_NODE_STATE_MISSING, 3),
        ("TrainingRun", "r"): (v1.LineageNodeState.LINEAGE_NODE_STATE_STORED, 3),
        ("TrainingConfig", "c"): (v1.LineageNodeState.LINEAGE_NODE_STATE_EMBEDDED, 4),
        ("DatasetRef", "data"): (v1.LineageNodeState.LINEAGE_NODE_STATE_EMBEDDED, 5),
        ("ModelRef", "g"): (v1.LineageNodeState.LINEAGE_NODE_STATE_EMBEDDED, 5),
    }
    assert {(m.type, m.id) for m in traced.missing} == {
        ("ModelVersion", "m0"),
        ("ModelRef", "gpt2"),
    }
    assert ("m1", "training_run_id", "r") in {
        (e.source.id, e.field, e.target.id) for e in traced.edges
    }


async def test_trace_can_start_from_an_earlier_revision(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        await server.exchange.Publish(publish_request(version(training_run_id="old")))
        changed = publish_request(version(training_run_id="new"), override_immutable=True)
        await server.exchange.Publish(changed)
        targets = []
        for revision in (1, 2):
            traced = await server.exchange.TraceLineage(
                v1.TraceLineageRequest(type="ModelVersion", id="m1", revision=revision)
            )
            assert traced.nodes[0].record.revision == revision
            targets.append({n.reference.id for n in traced.nodes if n.depth == 1})
        assert targets == [{"gpt2", "old"}, {"gpt2", "new"}]


async def test_scope_restricts_reads_and_changes(address: str) -> None:
    store = await open_store(address)
    scope = Scope(frozenset({"ModelVersion", "FeedbackEvent"}), ("team/",))
    async with serving(store, caller=Caller("ann", scope)) as server:
        await server.exchange.Publish(publish_request(version("team/1")))
        denied = grpc.StatusCode.PERMISSION_DENIED
        for call in (
            server.exchange.Publish(publish_request(version("team"))),
            server.exchange.Publish(publish_request(ir_v1.ModelRef(id="team/1"))),
            server.exchange.Get(v1.GetRequest(type="ModelVersion", id="tea")),
            server.exchange.Delete(v1.DeleteRequest(type="ModelRef", id="team/1")),
            server.exchange.ListRevisions(v1.ListRevisionsRequest(type="ModelVersion", id="x")),
            server.exchange.TraceLineage(v1.TraceLineageRequest(type="ModelRef", id="team/1")),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() == denied
        assert await ids(server) == ["team/1"]
        events = [ir_v1.FeedbackEvent(id="team/e"), ir_v1.FeedbackEvent(id="e")]
        batch = v1.IngestRequest(batch_id=1, events=events)
        [ack] = [r async for r in server.feedback.Ingest(items([batch]))]
        assert (ack.accepted, [r.index for r in ack.rejected]) == (1, [1])
        assert ack.rejected[0].error.code == denied.value[0]
        watch = server.exchange.Watch(v1.WatchRequest(after_sequence=0))
        [first] = await collected(watch, 1)
        assert first.change.record.id == "team/1"


@pytest.mark.parametrize("type_", ["Modelversion", "MetricsSnapshot", "Document", "Nothing"])
async def test_type_that_cannot_be_a_document_is_rejected(tmp_path: Path, type_: str) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.exchange.Get(v1.GetRequest(type=type_, id="x"))
        assert broken_rules(caught.value) == {("type", "type.known")}


async def test_cancelled_calls_do_not_affect_the_server(address: str) -> None:
    async with serving(await open_store(address)) as server:
        calls = [server.exchange.Publish(publish_request(version(f"m{n}"))) for n in range(30)]
        watch = server.exchange.Watch(v1.WatchRequest(after_sequence=0))
        await asyncio.sleep(0)
        for call in [*calls[::2], watch]:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        done = {r.record.id for r in results if isinstance(r, v1.PublishResponse)}
        assert {f"m{n}" for n in range(1, 30, 2)} <= done
        listed = await ids(server, page_size=100)
        assert done <= set(listed)
        position = len(listed)
        changes = await collected(
            server.exchange.Watch(v1.WatchRequest(after_sequence=0)), position
        )
        assert [c.change.record.sequence for c in changes] == list(range(1, position + 1))
