"""Work in the background ends when it is closed, and never silently."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from crucible_ir.exchange import background
from crucible_ir.exchange.background import BackgroundTask
from crucible_ir.exchange.server.options import Settings
from crucible_ir.exchange.server.personal_data.expiry import EventExpiry
from crucible_ir.exchange.server.personal_data.policies import KnownPolicies
from crucible_ir.exchange.server.services import retention
from crucible_ir.exchange.store import Store, open_store


async def test_work_runs_once_until_it_is_closed() -> None:
    log: list[str] = []

    async def work() -> None:
        log.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            log.append("ended")

    task = BackgroundTask(work)
    await task.close()
    task.start()
    task.start()
    await asyncio.sleep(0)
    assert log == ["begun"]
    await task.close()
    assert log == ["begun", "ended"]


async def test_work_that_failed_is_logged_and_starts_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "RESTART_SECONDS", 0.01)
    starts = 0
    works = asyncio.Event()

    async def work() -> None:
        nonlocal starts
        starts += 1
        if starts < 3:
            raise ValueError("broken")
        works.set()
        await asyncio.Event().wait()

    task = BackgroundTask(work)
    task.start()
    async with asyncio.timeout(10):
        await works.wait()
    await task.close()
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "broken" in caplog.text


async def test_work_that_is_done_can_start_again() -> None:
    starts = 0

    async def work() -> None:
        nonlocal starts
        starts += 1

    task = BackgroundTask(work)
    for _ in range(2):
        task.start()
        await asyncio.sleep(0.01)
    await task.close()
    assert starts == 2


@pytest.mark.parametrize("kind", ["retention", "expiry"])
async def test_removals_go_on_after_an_unexpected_error(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = await open_store(tmp_path / "exchange.db")
    tries = 0

    async def fail(*_: Any) -> None:
        nonlocal tries
        tries += 1
        raise ValueError("unexpected")

    monkeypatch.setattr(retention, "REMOVAL_SECONDS", 0.01)
    monkeypatch.setattr(Store, "forget_requests", fail)
    monkeypatch.setattr(KnownPolicies, "read", fail)
    removing: Any
    if kind == "retention":
        removing = retention.Retention(store, Settings())
    else:
        removing = EventExpiry(store, KnownPolicies(store))
    removing.start()
    async with asyncio.timeout(10):
        while tries < 2:
            if kind == "expiry":
                removing.wake()
            await asyncio.sleep(0.01)
    await removing.close()
    assert "retrying later: unexpected" in caplog.text
    await store.close()
