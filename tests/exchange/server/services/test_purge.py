"""A purge removes a deleted document with its history from everything but the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import Loopback, collected, details, publish_request, serving
from exchange.server.services.test_append_metrics import run_of
from exchange.store.test_migrations import engine_of
from sqlalchemy import MetaData, select

import crucible_ir as ir
from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.server.services import streaming, watch
from crucible_ir.exchange.store import open_store
from crucible_ir.exchange.store.audit_records import UNKNOWN_ACTOR, AuditAction, AuditQuery
from crucible_ir.exchange.store.records import GapReason, Scope

#: What every text of a document to purge contains.
SECRET = b"sesame"

ID = "sesame-id"


def prompt(text: str = "sesame", id_: str = ID) -> ir_v1.Prompt:
    message = ir_v1.Message(role="MESSAGE_ROLE_USER", text=text)
    return ir_v1.Prompt(request_id=id_, messages=[message], system=text, trace_id=text[:99])


def other(id_: str, name: str = "") -> ir_v1.ModelRef:
    return ir.new("ModelRef", id=id_, name=name)


def request(**fields: Any) -> v1.PurgeRequest:
    return v1.PurgeRequest(**{"type": "Prompt", "id": ID, **fields})


async def failure(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def delete(server: Loopback, type_: str = "Prompt", id_: str = ID) -> None:
    await server.exchange.Delete(v1.DeleteRequest(type=type_, id=id_, request_id=f"delete-{id_}"))


async def publish_and_delete(server: Loopback, id_: str = ID, revisions: int = 2) -> None:
    for number in range(revisions):
        await server.exchange.Publish(publish_request(prompt(f"sesame {number}", id_)))
    await delete(server, id_=id_)


def rows_with(address: str, part: bytes) -> set[str]:
    """Return the tables with a value that contains some bytes, by reflection of all tables."""
    engine = engine_of(address)
    found = set()
    metadata = MetaData()
    metadata.reflect(engine)
    assert {"revisions", "requests", "run_chunks", "purged_changes"} <= set(metadata.tables)
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                for value in row:
                    is_text = isinstance(value, str)
                    content = value.encode() if is_text else value
                    if isinstance(content, (bytes, memoryview)) and part in bytes(content):
                        found.add(table.name)
    engine.dispose()
    return found


async def test_nothing_of_the_document_is_left_in_any_table(address: str) -> None:
    async with serving(await open_store(address), caller=Caller("ann")) as server:
        await server.exchange.Publish(publish_request(other("kept")))
        published = publish_request(prompt(), request_id="sesame-request")
        await server.exchange.Publish(published)
        run = run_of(ID, error_message="sesame")
        await server.exchange.Publish(publish_request(run))
        snapshot = ir_v1.MetricsSnapshot(step=1, values={"sesame": 1.5})
        append = v1.AppendMetricsRequest(id=ID, snapshots=[snapshot], request_id="sesame-append")
        await server.exchange.AppendMetrics(append)
        run.tags.append("sesame")
        etag = (await server.exchange.Get(v1.GetRequest(type="TrainingRun", id=ID))).record.etag
        await server.exchange.Publish(publish_request(run, etag=etag))
        metric = ir_v1.MetricResult(name="sesame", value=0.5)
        scores = ir_v1.EvaluationResult(
            id=ID, task="sesame", metrics=[metric], model_version_id="sesame-version"
        )
        await server.exchange.Publish(publish_request(scores))
        assert rows_with(address, SECRET) >= {
            *("documents", "revisions", "requests", "run_chunks", "field_values", "number_values"),
            *("audit_entries",),
        }
        for type_, revisions in (("Prompt", 2), ("TrainingRun", 3), ("EvaluationResult", 2)):
            await delete(server, type_, ID)
            purge = request(type=type_, validate_only=True)
            assert await server.exchange.Purge(purge) == v1.PurgeResponse(revisions=revisions)
            purge.validate_only = False
            assert await server.exchange.Purge(purge) == v1.PurgeResponse(revisions=revisions)
        assert rows_with(address, SECRET) == {"audit_entries"}
        kept = await server.exchange.Get(v1.GetRequest(type="ModelRef", id="kept"))
        assert kept.record.revision == 1
    if "://" not in address:
        # The log is emptied, and what was deleted is overwritten: only the audit log has the id.
        files = [path.read_bytes() for path in Path(address).parent.iterdir()]
        assert all(b"sesame 0" not in file and b"sesame-request" not in file for file in files)


async def test_nothing_is_left_in_sqlites_files(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "exchange.db")) as server:
        for number in range(40):
            text = "open-text " * 10 ** (number % 3 + 1)
            published = prompt(text, id_=f"p{number % 20}")
            await server.exchange.Publish(publish_request(published, request_id=f"open-{number}"))

        def traces() -> int:
            return sum(path.read_bytes().count(b"open-") for path in tmp_path.iterdir())

        assert traces() > 10_000
        for number in range(20):
            await delete(server, id_=f"p{number}")
            answer = await server.exchange.Purge(request(id=f"p{number}"))
            assert (answer.revisions, answer.pending) == (3, False)
        assert traces() == 0


async def test_a_document_must_be_deleted_and_exist(address: str) -> None:
    async with serving(await open_store(address)) as server:
        error = await failure(server.exchange.Purge(request()))
        assert error.code() == grpc.StatusCode.NOT_FOUND
        assert details(error)["ResourceInfo"].resource_name
        await server.exchange.Publish(publish_request(prompt()))
        for validate_only in (True, False):
            error = await failure(server.exchange.Purge(request(validate_only=validate_only)))
            assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
            assert details(error)["ErrorInfo"].reason == "NOT_DELETED"
            assert "delete it first" in (error.details() or "")
        await delete(server)
        assert (await server.exchange.Purge(request(validate_only=True))).revisions == 2
        assert (await server.exchange.Purge(request())).revisions == 2
        for validate_only in (True, False):
            error = await failure(server.exchange.Purge(request(validate_only=validate_only)))
            assert error.code() == grpc.StatusCode.NOT_FOUND
        error = await failure(server.exchange.Purge(request(type="Unknown")))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_later_publication_is_the_first_one(address: str) -> None:
    async with serving(await open_store(address)) as server:
        first = await server.exchange.Publish(publish_request(prompt(), request_id="r"))
        await delete(server)
        await server.exchange.Purge(request())
        for revision in (1, 2, None):
            get = v1.GetRequest(type="Prompt", id=ID, revision=revision)
            assert (await failure(server.exchange.Get(get))).code() == grpc.StatusCode.NOT_FOUND
        list_revisions = v1.ListRevisionsRequest(type="Prompt", id=ID)
        error = await failure(server.exchange.ListRevisions(list_revisions))
        assert error.code() == grpc.StatusCode.NOT_FOUND
        listed = await server.exchange.List(v1.ListRequest(type="Prompt", include_deleted=True))
        assert not listed.entries
        stale = publish_request(prompt(), etag=first.record.etag)
        error = await failure(server.exchange.Publish(stale))
        assert details(error)["ErrorInfo"].reason == "ETAG_MISMATCH"
        # The request id means nothing any more: also with another content.
        again = await server.exchange.Publish(publish_request(prompt("new"), request_id="r"))
        assert (again.record.revision, again.created, again.unchanged) == (1, True, False)
        assert again.record.etag != first.record.etag
        assert again.record.sequence > first.record.sequence
        same = await server.exchange.Publish(publish_request(prompt("sesame")))
        assert same.record.etag != first.record.etag
        await failure(server.exchange.Publish(stale))
        assert (await server.exchange.Get(v1.GetRequest(type="Prompt", id=ID))).record.revision == 2


async def test_immutable_fields_of_a_purged_document_do_not_bind(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "exchange.db")) as server:
        version = ir.new("ModelVersion", id="v", model_id="one", version="1.0.0")
        await server.exchange.Publish(publish_request(version))
        await delete(server, "ModelVersion", "v")
        version.model_id = "two"
        error = await failure(server.exchange.Publish(publish_request(version)))
        assert details(error)["ErrorInfo"].reason == "IMMUTABLE"
        await server.exchange.Purge(request(type="ModelVersion", id="v"))
        assert (await server.exchange.Publish(publish_request(version))).created


Seen = list[int | tuple[int, int, str]]


def seen(responses: list[Any]) -> Seen:
    """Return the sequence numbers of changes and the ranges of gaps in the answers of a watch."""
    return [
        response.change.record.sequence
        if response.HasField("change")
        else (
            response.gap.after_sequence,
            response.gap.through_sequence,
            v1.GapReason.Name(response.gap.reason).removeprefix("GAP_REASON_"),
        )
        for response in responses
    ]


async def watched(server: Loopback, after: int, count: int) -> Seen:
    async with asyncio.timeout(10):
        return seen(
            await collected(server.exchange.Watch(v1.WatchRequest(after_sequence=after)), count)
        )


async def test_a_watch_gets_gaps_in_place_of_the_changes(address: str) -> None:
    async with serving(await open_store(address)) as server:
        await server.exchange.Publish(publish_request(other("a")))  # 1
        await publish_and_delete(server)  # 2, 3, 4
        await server.exchange.Publish(publish_request(other("b")))  # 5
        await publish_and_delete(server, "sesame-2", revisions=1)  # 6, 7
        await server.exchange.Purge(request())  # 8
        await server.exchange.Publish(publish_request(other("c")))  # 9
        assert await watched(server, 0, 6) == [1, (1, 4, "PURGED"), 5, 6, 7, 9]
        # The range merges with that of the neighbours, and the purges themselves are no changes.
        await server.exchange.Purge(request(id="sesame-2"))  # 10
        await server.exchange.Publish(publish_request(other("d")))  # 11
        expected: Seen = [1, (1, 4, "PURGED"), 5, (5, 7, "PURGED"), 9, 11]
        assert await watched(server, 0, 6) == expected
        assert await watched(server, 1, 5) == expected[1:]
        assert await watched(server, 3, 5) == [(3, 4, "PURGED"), *expected[2:]]
        assert await watched(server, 4, 4) == expected[2:]
        assert await watched(server, 7, 2) == [9, 11]
    # Another server has nothing in memory.
    async with serving(await open_store(address)) as server:
        assert await watched(server, 0, 6) == expected
        await delete(server, "ModelRef", "b")  # 12
        await server.exchange.Purge(request(type="ModelRef", id="b"))  # 13
        assert await watched(server, 0, 4) == [1, (1, 7, "PURGED"), 9, 11]
        await server.exchange.Compact(v1.CompactRequest(after_sequence=6))
        await server.exchange.Publish(publish_request(other("e")))  # 14
        assert await watched(server, 0, 4) == [(0, 7, "COMPACTED"), 9, 11, (11, 12, "PURGED")]
        await server.exchange.Compact(v1.CompactRequest(after_sequence=13))
        assert await watched(server, 0, 2) == [(0, 13, "COMPACTED"), 14]
    assert table_rows(address, "purged_changes") == []


def table_rows(address: str, name: str) -> list[Any]:
    engine = engine_of(address)
    metadata = MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        rows = list(connection.execute(select(metadata.tables[name])))
    engine.dispose()
    return rows


async def test_gaps_of_purges_and_of_lost_changes_are_told_apart(address: str) -> None:
    store = await open_store(address)
    async with serving(store) as server:
        await publish_and_delete(server)  # 1, 2, 3
        epoch = await store.begin_epoch(GapReason.RESTORED)
        lost = epoch.lost_through
        await publish_and_delete(server, "sesame-2", revisions=1)
        await server.exchange.Purge(request())
        await server.exchange.Publish(publish_request(other("a")))
        assert await watched(server, 0, 4) == [(0, lost, "RESTORED"), lost + 1, lost + 2, lost + 4]
        await server.exchange.Purge(request(id="sesame-2"))
        assert await watched(server, 0, 2) == [(0, lost + 2, "RESTORED"), lost + 4]
        # A client of the lost epoch learns that it has changes that the exchange lost.
        assert await watched(server, 7, 2) == [(3, lost + 2, "RESTORED"), lost + 4]


async def test_a_live_watch_gets_no_gap_for_what_it_has(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "exchange.db")) as server:
        stream = aiter(server.exchange.Watch(v1.WatchRequest(after_sequence=0)))
        await publish_and_delete(server)
        assert seen([await anext(stream) for _ in range(3)]) == [1, 2, 3]
        await server.exchange.Purge(request())
        await server.exchange.Publish(publish_request(other("a")))
        assert seen([await anext(stream)]) == [5]


async def test_the_rest_of_a_page_is_read_again_after_a_purge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await open_store(tmp_path / "exchange.db")
    async with serving(store) as server:
        await server.exchange.Publish(publish_request(other("a")))
        await publish_and_delete(server)
        await server.exchange.Publish(publish_request(other("b")))
        send = streaming.send
        is_first = True

        async def purging(*arguments: Any, **named: Any) -> None:
            nonlocal is_first
            if is_first:
                is_first = False
                await store.purge("Prompt", ID, UNKNOWN_ACTOR)
                server.services._broadcaster.forget()
            await send(*arguments, **named)

        monkeypatch.setattr(watch, "send", purging)
        assert await watched(server, 0, 3) == [1, (1, 4, "PURGED"), 5]


@asynccontextmanager
async def two_servers(address: str) -> AsyncIterator[tuple[Loopback, Loopback]]:
    async with (
        serving(await open_store(address)) as one,
        serving(await open_store(address)) as two,
    ):
        yield one, two


def texts_in_memory(server: Loopback) -> str:
    """Return what the caches of a server contain."""
    broadcaster = server.services._broadcaster
    actions: list[Any] = list(broadcaster._forgetting)
    store, responses = (action.__self__ for action in actions)
    return repr((broadcaster._entries, store._cache._entries, responses._responses))


async def test_caches_of_every_server_are_emptied(address: str) -> None:
    async with two_servers(address) as (one, two):
        await one.exchange.Publish(publish_request(prompt()))
        get = v1.GetRequest(type="Prompt", id=ID)
        await until(lambda: all("sesame" in texts_in_memory(server) for server in (one, two)))
        for server in (one, two):
            for revision in (None, 1):
                get.ClearField("revision")
                if revision is not None:
                    get.revision = revision
                assert (await server.exchange.Get(get)).document.prompt.system == "sesame"
        await delete(one)
        await until(lambda: two.services._broadcaster._through == 2)
        await one.exchange.Purge(request())
        assert "sesame" not in texts_in_memory(one)
        # Without any other call to the other server.
        await until(lambda: "sesame" not in texts_in_memory(two))
        for server in (one, two):
            for asked in (get, v1.GetRequest(type="Prompt", id=ID)):
                error = await failure(server.exchange.Get(asked))
                assert error.code() == grpc.StatusCode.NOT_FOUND
            assert await watched(server, 0, 1) == [(0, 2, "PURGED")]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_scope_limits_what_may_be_purged(tmp_path: Path) -> None:
    address = tmp_path / "exchange.db"
    async with serving(await open_store(address)) as server:
        await publish_and_delete(server)
        await publish_and_delete(server, "open")
    caller = Caller("ann", Scope(id_prefixes=("open",)))
    async with serving(await open_store(address), caller=caller) as server:
        error = await failure(server.exchange.Purge(request()))
        assert error.code() == grpc.StatusCode.PERMISSION_DENIED
        assert (await server.exchange.Purge(request(id="open"))).revisions == 3


async def test_the_audit_log_has_the_purge_without_content(address: str) -> None:
    store = await open_store(address)
    async with serving(store, caller=Caller("admin")) as server:
        await publish_and_delete(server)
        await server.exchange.Purge(request(validate_only=True))
        await server.exchange.Purge(request())
        await failure(server.exchange.Purge(request()))
        page = await store.list_audit(AuditQuery(actions=(AuditAction.PURGED,)))
        [entry] = page.entries
        assert (entry.type, entry.id, entry.revision) == ("Prompt", ID, None)
        assert (entry.actor.name, entry.counts, entry.details) == ("admin", {"revisions": 3}, {})


async def test_a_purge_is_pending_while_a_reader_sees_the_document(address: str) -> None:
    async with serving(await open_store(address)) as server:
        await publish_and_delete(server)
        engine = engine_of(address)
        with engine.connect() as reader:
            if "://" in address:
                reader = reader.execution_options(isolation_level="REPEATABLE READ")
            else:
                reader.exec_driver_sql("BEGIN")
            reader.exec_driver_sql("SELECT count(*) FROM revisions").all()
            assert await server.exchange.Purge(request()) == v1.PurgeResponse(
                revisions=3, pending=True
            )
        engine.dispose()
        # The server removes the rest by itself.
        if "://" not in address:
            log = Path(f"{address}-wal")
            await until(lambda: log.stat().st_size == 0)
