"""Configurations of feedback: which one applies, since when, on which servers."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from exchange.loopback import Loopback, broken_rules, items, serving

from crucible_ir import v1 as ir_v1
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.personal_data import expiry
from crucible_ir.exchange.server.personal_data.expiry import EventExpiry
from crucible_ir.exchange.server.personal_data.policies import KnownPolicies
from crucible_ir.exchange.server.rpc.call_context import Caller
from crucible_ir.exchange.server.trusted_clock import Clock
from crucible_ir.exchange.store import Store, open_store
from crucible_ir.exchange.store.audit_records import AuditAction, AuditQuery
from crucible_ir.exchange.store.errors import FeedbackConfigsChangedError
from crucible_ir.exchange.store.records import EventQuery, Scope

DAY = 86_400


def feedback(id_: str, deployment: str | None = None, **fields: Any) -> ir_v1.FeedbackEvent:
    return ir_v1.FeedbackEvent(
        id=id_, deployment_id=deployment, user_id="ann", comment="to ann@example.com", **fields
    )


async def ingest(server: Loopback, *events: ir_v1.FeedbackEvent) -> v1.IngestResponse:
    requests = [v1.IngestRequest(events=events)]
    [response] = [each async for each in server.feedback.Ingest(items(requests))]
    return response


async def exported(server: Loopback) -> dict[str, tuple[str, str, bool]]:
    found = {}
    async for response in server.feedback.Export(v1.ExportRequest(batch_size=2)):
        for index, event in enumerate(response.events):
            redacted = index in response.redacted
            found[event.id] = (event.user_id, event.comment, redacted)
    return found


async def set_config(
    server: Loopback, config: ir_v1.FeedbackConfig | None, deployment: str | None = None
) -> bool:
    request = v1.SetFeedbackConfigRequest(deployment_id=deployment, config=config)
    return (await server.feedback.SetFeedbackConfig(request)).changed


PLAIN = ("ann", "to ann@example.com", False)


async def test_events_are_stored_as_they_are_until_a_configuration_is_set(address: str) -> None:
    async with serving(await open_store(address)) as server:
        policy = await server.feedback.GetFeedbackConfig(v1.GetFeedbackConfigRequest())
        assert policy == v1.GetFeedbackConfigResponse()
        await ingest(server, feedback("before"))
        # The default of the schema is to redact.
        assert await set_config(server, ir_v1.FeedbackConfig())
        await ingest(server, feedback("under"))
        assert await set_config(server, None)
        await ingest(server, feedback("after"))
        found = await exported(server)
        assert found["before"] == found["after"] == PLAIN
        user, comment, redacted = found["under"]
        assert user.startswith("redacted-")
        assert (comment, redacted) == ("to [email]", True)


async def test_the_more_specific_configuration_applies_alone(address: str) -> None:
    async with serving(await open_store(address)) as server:
        await set_config(server, ir_v1.FeedbackConfig(retention_days=30))
        await set_config(server, ir_v1.FeedbackConfig(anonymize_pii=False), "open")
        await ingest(server, feedback("a"), feedback("b", "open"), feedback("c", "closed"))
        found = await exported(server)
        assert {id_: redacted for id_, (_, _, redacted) in found.items()} == {
            "a": True,
            "b": False,
            "c": True,
        }
        assert found["b"] == PLAIN
        for deployment, redacts, days, of in [
            (None, True, 30, ""),
            ("closed", True, 30, ""),
            ("open", False, 0, "open"),
        ]:
            request = v1.GetFeedbackConfigRequest(deployment_id=deployment)
            policy = await server.feedback.GetFeedbackConfig(request)
            assert (policy.redacts, policy.retention_days) == (redacts, days)
            assert policy.HasField("retention_days") == bool(days)
            assert policy.entry.deployment_id == of


async def test_columns_follow_the_redacted_event(address: str) -> None:
    async with serving(await open_store(address)) as server:
        await set_config(server, ir_v1.FeedbackConfig())
        event = ir_v1.FeedbackEvent(id="a", custom_feedback_type="by ann@example.com")
        await ingest(server, event)
        summary = await server.feedback.Summarize(v1.SummarizeRequest())
        assert [each.feedback_type for each in summary.summaries] == ["by [email]"]


async def test_an_event_that_is_sent_again_stays_a_duplicate(address: str) -> None:
    async with serving(await open_store(address)) as server:
        await ingest(server, feedback("plain"))
        await set_config(server, ir_v1.FeedbackConfig())
        both = [feedback("plain"), feedback("masked")]
        assert (await ingest(server, *both)).accepted == 1
        await set_config(server, None)
        again = await ingest(server, *both)
        assert (again.accepted, list(again.duplicates)) == (0, [0, 1])
        found = await exported(server)
        assert found["plain"] == PLAIN
        assert found["masked"][2]


async def test_setting_the_same_configuration_changes_nothing(address: str) -> None:
    async with serving(await open_store(address)) as server:
        config = ir_v1.FeedbackConfig(retention_days=7)
        config.options["a"] = 1
        changes = [await set_config(server, config, "d"), await set_config(server, config, "d")]
        assert changes == [True, False]
        assert [await set_config(server, None, "d"), await set_config(server, None, "d")] == changes


async def test_configurations_are_listed_in_pages(address: str) -> None:
    async with serving(await open_store(address)) as server:
        deployments = [None, "a", "b", "c\0", "ü"]
        for days, deployment in enumerate(deployments, start=1):
            await set_config(server, ir_v1.FeedbackConfig(retention_days=days), deployment)
        listed: list[v1.FeedbackConfigEntry] = []
        request = v1.ListFeedbackConfigsRequest(page_size=2)
        while True:
            page = await server.feedback.ListFeedbackConfigs(request)
            listed += page.entries
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        names = [
            entry.deployment_id if entry.HasField("deployment_id") else None for entry in listed
        ]
        assert names == deployments
        assert [entry.config.retention_days for entry in listed] == [1, 2, 3, 4, 5]
        assert all(abs(entry.update_time.seconds - time.time()) < 60 for entry in listed)


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (v1.SetFeedbackConfigRequest(deployment_id=""), ("deployment_id", "string.min_len")),
        (
            v1.SetFeedbackConfigRequest(config=ir_v1.FeedbackConfig(retention_days=0)),
            ("config.retention_days", "int32.gt"),
        ),
    ],
)
async def test_invalid_configurations_are_rejected(
    tmp_path: Path, request_: v1.SetFeedbackConfigRequest, rule: tuple[str, str]
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.feedback.SetFeedbackConfig(request_)
        assert broken_rules(caught.value) == {rule}


async def test_callers_with_a_scope_cannot_see_or_set_configurations(tmp_path: Path) -> None:
    caller = Caller("ann", Scope(id_prefixes=("a",)))
    async with serving(await open_store(tmp_path / "x.db"), caller=caller) as server:
        calls: list[Callable[[], Any]] = [
            lambda: server.feedback.SetFeedbackConfig(v1.SetFeedbackConfigRequest()),
            lambda: server.feedback.GetFeedbackConfig(v1.GetFeedbackConfigRequest()),
            lambda: server.feedback.ListFeedbackConfigs(v1.ListFeedbackConfigsRequest()),
        ]
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call()
            assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_a_configuration_applies_at_once_on_every_server(address: str) -> None:
    async with (
        serving(await open_store(address)) as one,
        serving(await open_store(address)) as other,
    ):
        await ingest(one, feedback("1"))
        await ingest(other, feedback("2"))
        await set_config(one, ir_v1.FeedbackConfig())
        # The hash of a user is the same on both.
        await ingest(other, feedback("3"))
        await ingest(one, feedback("4"))
        found = await exported(one)
        assert (found["1"], found["2"]) == (PLAIN, PLAIN)
        assert found["3"] == found["4"]
        assert found["3"][2]


async def test_events_under_an_old_configuration_are_not_stored(address: str) -> None:
    store = await open_store(address)
    version = (await store.feedback_configs()).version
    await store.set_feedback_config("d", b"")
    with pytest.raises(FeedbackConfigsChangedError):
        await store.ingest([], configs_version=version)
    await store.close()


async def test_batches_during_changes_are_stored_under_one_of_the_configurations(
    tmp_path: Path,
) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        done = asyncio.Event()

        async def change() -> None:
            for number in range(20):
                await set_config(server, None if number % 2 else ir_v1.FeedbackConfig())
            done.set()

        async def send(sender: int) -> None:
            number = 0
            while not done.is_set():
                events = [feedback(f"{sender}-{number}-{index}") for index in range(50)]
                assert (await ingest(server, *events)).accepted == 50
                number += 1

        await asyncio.gather(change(), *(send(sender) for sender in range(3)))
        batches: dict[str, set[bool]] = {}
        for id_, (user, comment, redacted) in (await exported(server)).items():
            assert (user == "ann") == (comment == "to ann@example.com") == (not redacted)
            batches.setdefault(id_.rpartition("-")[0], set()).add(redacted)
        assert all(len(kinds) == 1 for kinds in batches.values())


async def test_callers_get_the_configurations_in_the_order_of_their_calls(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "exchange.db")
    policies = KnownPolicies(store)
    order = []

    async def call(number: int) -> None:
        await policies.current()
        order.append(number)

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(policies.read())
        # One more in each turn of the event loop, until after the configurations were read.
        for number in itertools.count():
            tasks.create_task(call(number))
            await asyncio.sleep(0)
            if reading.done() and order:
                break
    assert order == list(range(number + 1))
    await store.close()


@pytest.mark.parametrize("redacts", [False, True])
async def test_batches_of_one_stream_are_stored_in_their_order(
    redacts: bool, tmp_path: Path
) -> None:
    # Large and small ones in turn: a small one takes less time to check and to redact.
    sizes = [401, 1, 1, 601, 2, 1, 401, 1]
    batches, ids = [], []
    for number, size in enumerate(sizes):
        sent = [feedback(f"{number}-{index}") for index in range(size)]
        batches.append(v1.IngestRequest(batch_id=number, events=sent))
        ids += [event.id for event in sent]
    async with serving(await open_store(tmp_path / "exchange.db")) as server:
        if redacts:
            await set_config(server, ir_v1.FeedbackConfig())
        answered = [each.batch_id async for each in server.feedback.Ingest(items(batches))]
        assert answered == list(range(len(sizes)))
        found = await exported(server)
    assert list(found) == ids
    assert {redacted for _, _, redacted in found.values()} == {redacts}


async def test_large_events_are_redacted_beside_other_calls(tmp_path: Path) -> None:
    async with serving(await open_store(tmp_path / "x.db")) as server:
        await set_config(server, ir_v1.FeedbackConfig())
        text = "to ann@example.com or 192.0.2.7 " * 50_000
        event = ir_v1.FeedbackEvent(id="large", comment=text)
        ingesting = asyncio.create_task(ingest(server, event))
        longest = 0.0
        while not ingesting.done():
            begun = time.monotonic()
            await server.feedback.GetFeedbackConfig(v1.GetFeedbackConfigRequest())
            longest = max(longest, time.monotonic() - begun)
        assert (await ingesting).accepted == 1
        assert (await exported(server))["large"][1] == "to [email] or [ip] " * 50_000
        assert longest < 2


async def test_the_operators_patterns_apply(tmp_path: Path) -> None:
    settings = Settings(redact_patterns=(r"ACC-\d+",))
    async with serving(await open_store(tmp_path / "x.db"), settings) as server:
        await set_config(server, ir_v1.FeedbackConfig())
        await ingest(server, ir_v1.FeedbackEvent(id="a", comment="my ACC-77"))
        assert (await exported(server))["a"][1] == "my [redacted]"


def aged(id_: str, days: float, deployment: str | None = None) -> ir_v1.FeedbackEvent:
    event = ir_v1.FeedbackEvent(id=id_, deployment_id=deployment)
    event.timestamp.seconds = int(time.time() - days * DAY)
    return event


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_expired_events_are_deleted_at_once_when_a_configuration_says_so(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "EXAMINED", 3)
    monkeypatch.setattr(expiry, "DELETED", 2)
    store = await open_store(address)
    async with serving(store) as server:
        old = [aged(f"old{number}", 10 + number) for number in range(8)]
        others = [aged("young", 5), aged("kept", 400, "keep"), aged("short", 2, "short")]
        await ingest(server, *old, *others, ir_v1.FeedbackEvent(id="now"))
        await set_config(server, ir_v1.FeedbackConfig(), "keep")
        assert len(await exported(server)) == 12
        await set_config(server, ir_v1.FeedbackConfig(retention_days=7))

        async def remaining() -> set[str]:
            return set(await exported(server))

        async def old_ones_are_gone() -> bool:
            return await remaining() == {"young", "kept", "short", "now"}

        await until(old_ones_are_gone)
        await set_config(server, ir_v1.FeedbackConfig(retention_days=1), "short")

        async def short_one_is_gone() -> bool:
            return await remaining() == {"young", "kept", "now"}

        await until(short_one_is_gone)
        query = AuditQuery(actions=(AuditAction.EXPIRED,))

        async def both_are_recorded() -> bool:
            entries = (await store.list_audit(query)).entries
            return [entry.counts for entry in entries] == [{"events": 1}, {"events": 8}]

        await until(both_are_recorded)
        # The id of a deleted event may be used again.
        assert (await ingest(server, aged("old0", 0))).accepted == 1


@asynccontextmanager
async def expiring(store: Store, clock: Clock) -> AsyncIterator[EventExpiry]:
    expiring_ = EventExpiry(store, KnownPolicies(store), lambda latest: clock)
    expiring_.start()
    try:
        yield expiring_
    finally:
        await expiring_.close()


async def test_nothing_expires_after_the_clock_has_jumped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = ir_v1.FeedbackConfig(retention_days=7).SerializeToString()
    store = await open_store(tmp_path / "x.db")
    async with serving(store) as server:
        await ingest(server, aged("a", 1), aged("b", 0))
        await store.set_feedback_config(None, config)
        jump = [0]
        clock = Clock(None, now=lambda: time.time_ns() // 1000 + jump[0])
        jump[0] = 365 * DAY * 1_000_000
        async with expiring(store, clock):

            async def warned() -> bool:
                return "the clock has jumped" in caplog.text

            await until(warned)
        assert set(await exported(server)) == {"a", "b"}


async def test_a_clock_that_is_ahead_at_the_start_deletes_nothing_recent(tmp_path: Path) -> None:
    """The time is that of the latest event, from which on it passes."""
    day = DAY * 1_000_000
    store = await open_store(tmp_path / "x.db")
    async with serving(store) as server:
        await ingest(server, aged("old", 10), aged("recent", 1), aged("now", 0))
    real = time.time_ns() // 1000
    ahead = await open_store(tmp_path / "x.db", clock=lambda: real + 365 * day)
    latest = await ahead.latest_time()
    assert latest is not None
    assert abs(latest - real) < day / 24
    config = ir_v1.FeedbackConfig(retention_days=7).SerializeToString()
    await ahead.set_feedback_config(None, config)
    clock = Clock(latest, now=lambda: real + 365 * day)
    async with expiring(ahead, clock):

        async def left() -> set[str]:
            page = await ahead.export(EventQuery(), after=0, through=10, limit=10)
            return {ir_v1.FeedbackEvent.FromString(event.event).id for event in page.events}

        async def old_is_gone() -> bool:
            return await left() == {"recent", "now"}

        await until(old_is_gone)
    await ahead.close()
