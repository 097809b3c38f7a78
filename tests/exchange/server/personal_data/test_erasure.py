"""Erasure of feedback: by which conditions, also where ids are hashed, and from all files."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import psycopg
import pytest
from exchange.loopback import Loopback, broken_rules, items, serving
from exchange.store.test_migrations import engine_of
from sqlalchemy import text

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.store import open_store, sql_store
from crucible_ir.exchange.store.audit_records import AuditAction, AuditQuery
from crucible_ir.exchange.store.engine import database, sqlite
from crucible_ir.exchange.store.engine.sqlite import SqliteDriver
from crucible_ir.exchange.store.records import Scope


def feedback(id_: str, user: str = "", seconds: int = 0, **fields: Any) -> ir_v1.FeedbackEvent:
    event = ir_v1.FeedbackEvent(id=id_, user_id=user or None, **fields)
    event.timestamp.seconds = seconds
    return event


async def ingest(server: Loopback, events: Iterable[ir_v1.FeedbackEvent]) -> None:
    requests = [v1.IngestRequest(events=events)]
    [response] = [each async for each in server.feedback.Ingest(items(requests))]
    assert not response.rejected


async def stored(server: Loopback) -> set[str]:
    stream = server.feedback.Export(v1.ExportRequest())
    return {event.id async for response in stream for event in response.events}


async def erase(server: Loopback, **fields: Any) -> tuple[int, bool]:
    """Erase until the end, and return the number of events and whether it is pending."""
    request = v1.EraseFeedbackRequest(**fields)
    events = 0
    while True:
        response = await server.feedback.EraseFeedback(request)
        events += response.events
        if not response.cursor:
            return events, response.pending
        request.cursor = response.cursor


@pytest.mark.parametrize(
    ("conditions", "erased"),
    [
        ({"user_id": "ann"}, "abe"),
        ({"user_id": "ann", "session_id": "s1"}, "a"),
        ({"session_id": "s1"}, "ac"),
        ({"deployment_id": "d"}, "bd"),
        ({"deployment_id": "unknown"}, ""),
        ({"start_time": {"seconds": 3}}, "cdef"),
        ({"end_time": {"seconds": 3}}, "ab"),
        ({"user_id": "ann", "start_time": {"seconds": 2}, "end_time": {"seconds": 5}}, "b"),
        ({"user_id": "an"}, ""),
        ({"user_id": "comment"}, ""),
    ],
)
async def test_events_are_erased_by_all_conditions(
    address: str, conditions: dict[str, Any], erased: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_store, "ERASE_EXAMINED", 2)
    monkeypatch.setattr(sql_store, "ERASE_DELETED", 1)
    async with serving(await open_store(address)) as server:
        await ingest(
            server,
            [
                feedback("a", "ann", 1, session_id="s1"),
                feedback("b", "ann", 2, deployment_id="d"),
                feedback("c", "bob", 3, session_id="s1", comment="of ann"),
                feedback("d", "anna", 4, deployment_id="d"),
                feedback("e", "ann", 5),
                feedback("f", "", 6, comment="comment"),
            ],
        )
        assert await erase(server, **conditions, validate_only=True) == (len(erased), False)
        assert await stored(server) == set("abcdef")
        assert await erase(server, **conditions) == (len(erased), False)
        assert await stored(server) == set("abcdef") - set(erased)
        assert await erase(server, **conditions) == (0, False)


async def test_redacted_events_are_found_by_the_original_ids_and_the_hashes(address: str) -> None:
    async with serving(await open_store(address)) as server:
        await ingest(server, [feedback("plain", "ann", session_id="s")])
        config = ir_v1.FeedbackConfig(anonymize_pii=True)
        await server.feedback.SetFeedbackConfig(v1.SetFeedbackConfigRequest(config=config))
        await ingest(server, [feedback("a", "ann"), feedback("b", "bob", session_id="s")])
        [hashed] = [
            event.user_id
            async for response in server.feedback.Export(v1.ExportRequest())
            for event in response.events
            if event.id == "b"
        ]
        assert await erase(server, user_id="ann") == (2, False)
        assert await erase(server, session_id="s", user_id=hashed) == (1, False)
        assert await stored(server) == set()


async def test_summaries_do_not_count_erased_events(address: str) -> None:
    async with serving(await open_store(address)) as server:
        events = [feedback(f"{n}", "ann" if n % 2 else "bob", latency_ms=n) for n in range(6)]
        await ingest(server, events)
        await server.feedback.Summarize(v1.SummarizeRequest())
        await erase(server, user_id="ann")
        [summary] = (await server.feedback.Summarize(v1.SummarizeRequest())).summaries
        assert (summary.count, summary.latency.count, summary.latency.max_ms) == (3, 3, 4)


async def test_an_erasure_in_several_calls_continues_after_the_last(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_store, "ERASE_EXAMINED", 10)
    store = await open_store(address)
    limited = store.erase_events

    async def in_short_parts(*arguments: Any, **named: Any) -> Any:
        return await limited(*arguments, **{**named, "seconds": 1e-9})

    async with serving(store) as server:
        await ingest(server, [feedback(f"{n}", "ann" if n % 3 else "bob") for n in range(95)])
        request = v1.EraseFeedbackRequest(user_id="ann")
        response = await server.feedback.EraseFeedback(request)
        assert (response.events, response.cursor) == (63, "")
        await ingest(server, [feedback(f"again{n}", "ann") for n in range(40)])
        monkeypatch.setattr(store, "erase_events", in_short_parts)
        request.cursor = "forged"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.feedback.EraseFeedback(request)
        assert broken_rules(caught.value) == {("cursor", "cursor.known")}


async def test_at_least_one_condition_is_required(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        for request in (v1.EraseFeedbackRequest(), v1.EraseFeedbackRequest(validate_only=True)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await server.feedback.EraseFeedback(request)
            assert broken_rules(caught.value) == {("", "erase_feedback.condition_required")}


async def test_a_time_range_that_ends_before_its_start_is_rejected(tmp_path: Path) -> None:
    request = v1.EraseFeedbackRequest(validate_only=True)
    request.start_time.FromSeconds(2)
    request.end_time.FromSeconds(1)
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.feedback.EraseFeedback(request)
        assert broken_rules(caught.value) == {("end_time", "erase_feedback.time_order")}


async def test_callers_with_a_scope_cannot_erase(tmp_path: Path) -> None:
    caller = Caller("ann", Scope(id_prefixes=("a",)))
    async with serving(await open_store(tmp_path / "x.db"), caller=caller) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.feedback.EraseFeedback(v1.EraseFeedbackRequest(user_id="ann"))
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_the_audit_log_has_the_erasure_without_the_ids(address: str) -> None:
    store = await open_store(address)
    async with serving(store, caller=Caller("admin")) as server:
        await ingest(server, [feedback(f"{n}", "the-user-ann") for n in range(3)])
        await erase(server, user_id="the-user-ann", validate_only=True)
        await erase(server, user_id="the-user-ann", end_time={"seconds": 9})
        config = v1.SetFeedbackConfigRequest(deployment_id="d", config=ir_v1.FeedbackConfig())
        await server.feedback.SetFeedbackConfig(config)
        page = await store.list_audit(AuditQuery())
        [configured, erased] = page.entries
        assert (erased.action, erased.actor.name) == (AuditAction.ERASED, "admin")
        assert (erased.counts, erased.details) == (
            {"events": 3},
            {"by": "user_ids, end_time"},
        )
        assert (configured.action, configured.id) == (AuditAction.CONFIGURED, "d")
        assert "the-user-ann" not in repr(page)


#: The code of an authorizer for ATTACH, with which every VACUUM begins.
VACUUMS = sqlite3.SQLITE_ATTACH

#: Texts of an event to erase, of many sizes, so that some have pages of their own.
SIZES = (10, 200, 1500, 9000)


def secret_events(count: int) -> list[ir_v1.FeedbackEvent]:
    """Return events whose ids come in no order, so that the pages of indexes are split often."""
    return [
        feedback(
            f"{'secret-id' if number % 3 else 'other'}-{uuid.uuid4().hex}",
            "secret-user" if number % 3 else "bob",
            session_id="secret-session" if number % 3 else "s",
            request_id=f"secret-request-{number}" if number % 3 else None,
            comment=("secret-text " if number % 3 else "text ") * (SIZES[number % 4] // 10),
        )
        for number in range(count)
    ]


def traces(files: Iterable[Path]) -> int:
    return sum(file.read_bytes().count(b"secret-") for file in files)


async def test_nothing_of_erased_events_is_left_in_sqlites_files(tmp_path: Path) -> None:
    path = tmp_path / "exchange.db"
    store = await open_store(path)
    async with serving(store) as server:
        for _ in range(6):
            await ingest(server, secret_events(500))
        await server.feedback.Summarize(v1.SummarizeRequest())
        assert traces(tmp_path.iterdir()) > 2000
        assert await erase(server, user_id="secret-user") == (6 * 333, False)
        assert traces(tmp_path.iterdir()) == 0
        assert len(await stored(server)) == 6 * 167
    assert traces(tmp_path.iterdir()) == 0
    # The store opens again: nothing is missing from its log.
    store = await open_store(path)
    await store.close()


async def test_an_erasure_is_pending_while_a_reader_uses_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SCRUB_SECONDS", 0.05)
    path = tmp_path / "exchange.db"
    async with serving(await open_store(path)) as server:
        await ingest(server, secret_events(50))
        with sqlite3.connect(path, isolation_level=None) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM feedback_events").fetchone()
            assert await erase(server, user_id="secret-user") == (33, True)
            # Ingestion goes on.
            await ingest(server, [feedback("later", "bob")])
            assert await erase(server, user_id="secret-user") == (0, True)
            assert traces(tmp_path.iterdir()) > 0
            reader.execute("COMMIT")
        reader.close()
        # The server removes the rest by itself.
        async with asyncio.timeout(20):
            while traces(tmp_path.iterdir()):
                await asyncio.sleep(0.02)
        assert await erase(server, user_id="secret-user") == (0, False)


@pytest.fixture
def rewrites(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Count the rewrites of databases."""
    begun: list[float] = []
    rewrite = SqliteDriver.rewrite

    def counted(driver: SqliteDriver) -> None:
        begun.append(time.monotonic())
        rewrite(driver)

    monkeypatch.setattr(SqliteDriver, "rewrite", counted)
    return begun


async def test_a_database_is_rewritten_once_after_an_erasure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rewrites: list[float]
) -> None:
    monkeypatch.setattr(sql_store, "ERASE_DELETED", 10)
    for _ in range(2):
        async with serving(await open_store(tmp_path / "exchange.db")) as server:
            await ingest(server, secret_events(50))
            assert not rewrites
            assert await erase(server, user_id="nobody") == (0, False)
            # An erasure by an earlier process may not have ended.
            assert len(rewrites) == 1
            assert await erase(server, user_id="secret-user") == (33, False)
            assert len(rewrites) == 2
            assert await erase(server, user_id="secret-user") == (0, False)
            await ingest(server, [feedback("later", "bob")])
            assert await erase(server, user_id="nobody") == (0, False)
            assert len(rewrites) == 2
            assert await erase(server, user_id="bob") == (18, False)
        rewrites.clear()
        assert traces(tmp_path.iterdir()) == 0


async def test_an_erasure_is_pending_without_space_to_rewrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "SCRUB_SECONDS", 0.02)
    path = tmp_path / "exchange.db"
    async with serving(await open_store(path)) as server:
        await ingest(server, secret_events(50))
        with monkeypatch.context() as full:
            full.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
            assert await erase(server, user_id="secret-user") == (33, True)
            await ingest(server, [feedback("later", "bob")])
            await asyncio.sleep(0.1)
            assert await erase(server, user_id="secret-user") == (0, True)
            [warning] = [each for each in caplog.messages if "copies of deleted rows" in each]
            assert "bytes of free space" in warning
        async with asyncio.timeout(20):
            while (await erase(server, user_id="secret-user"))[1]:
                await asyncio.sleep(0.02)
        assert traces(tmp_path.iterdir()) == 0
        assert len(await stored(server)) == 18


async def test_writers_of_two_servers_go_on_beside_rewrites(
    tmp_path: Path, rewrites: list[float]
) -> None:
    path = tmp_path / "exchange.db"
    async with (
        serving(await open_store(path)) as first,
        serving(await open_store(path)) as second,
    ):
        writing = True

        async def write(server: Loopback, name: str) -> int:
            count = 0
            while writing:
                await ingest(server, [feedback(f"{name}{count}", "bob")])
                count += 1
            return count

        writers = [asyncio.create_task(write(first, "a")), asyncio.create_task(write(second, "b"))]
        for erasing in (first, second, first):
            await ingest(erasing, secret_events(50))
            await erase(erasing, user_id="secret-user")
        writing = False
        counts = await asyncio.gather(*writers)
        assert len(await stored(second)) == sum(counts) + 3 * 17
    assert len(rewrites) >= 3
    assert traces(tmp_path.iterdir()) == 0
    # The mark agrees with the database.
    store = await open_store(path)
    await store.close()


async def test_closing_interrupts_a_rewrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "SCRUB_PATIENCE", 0.1)
    prepare = sqlite._prepare

    def slowly(connection: Any, *, is_writer: bool) -> None:
        prepare(connection, is_writer=is_writer)
        # Each step of a rewrite takes so long that it would not end.
        connection.set_authorizer(lambda action, *_: slow() if action == VACUUMS else 0)

        def slow() -> int:
            connection.set_progress_handler(lambda: time.sleep(0.02), 1)
            return 0

    monkeypatch.setattr(sqlite, "_prepare", slowly)
    path = tmp_path / "exchange.db"
    async with serving(await open_store(path)) as server:
        await ingest(server, secret_events(50))
        assert await erase(server, user_id="secret-user") == (33, True)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    assert any("the store is closing" in each for each in caplog.messages)
    monkeypatch.undo()
    async with serving(await open_store(path)) as server:
        assert await erase(server, user_id="secret-user") == (0, False)
    assert traces(tmp_path.iterdir()) == 0


async def test_postgresql_has_no_row_of_erased_events(request: pytest.FixtureRequest) -> None:
    address = request.getfixturevalue("cluster").create_database()
    async with serving(await open_store(address)) as server:
        await ingest(server, secret_events(300))
        with psycopg.connect(address) as reader:
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            reader.execute("SELECT count(*) FROM feedback_events").fetchone()
            assert await erase(server, user_id="secret-user") == (200, True)
        async with asyncio.timeout(20):
            while (await erase(server, user_id="secret-user"))[1]:
                await asyncio.sleep(0.05)
        engine = engine_of(address)
        with engine.connect() as connection:
            assert dead_rows(connection) == 0
        engine.dispose()


def dead_rows(connection: Any) -> int:
    """Return how many deleted rows are still in the pages of the table: none after a vacuum."""
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS pgstattuple"))
    found = connection.execute(text("SELECT dead_tuple_count FROM pgstattuple('feedback_events')"))
    return int(found.scalar_one())


async def test_erasing_many_events_does_not_stop_ingestion(address: str) -> None:
    async with serving(await open_store(address)) as server:
        for _ in range(2):
            await ingest(server, [feedback(uuid.uuid4().hex, "ann") for _ in range(2000)])
        erasing = asyncio.create_task(erase(server, user_id="ann"))
        longest = 0.0
        number = 0
        loop = asyncio.get_running_loop()
        while not erasing.done():
            begun = loop.time()
            await ingest(server, [feedback(f"new{number}", "bob")])
            longest = max(longest, loop.time() - begun)
            number += 1
        assert (await erasing)[0] == 4_000
        assert len(await stored(server)) == number
        assert longest < 3
