"""Deadlines end calls that take too long, whatever else happens to them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from exchange.servers import run

from crucible_ir.exchange.server.security.deadlines import DeadlineTimer


async def late(context: Any) -> str:
    return "late"


def test_each_call_has_its_own_deadline() -> None:
    async def work(seconds: float, _: Any) -> str:
        await asyncio.sleep(seconds)
        return "in time"

    async def all_of_them() -> tuple[list[Any], float]:
        limited = DeadlineTimer(0.3).limit(work, late)
        begun = time.perf_counter()

        async def after(pause: float, seconds: float) -> Any:
            await asyncio.sleep(pause)
            return await limited(seconds, None)

        found = await asyncio.gather(
            after(0, 5), after(0.1, 0.01), after(0.15, 5), after(0.2, 0.15), after(0.25, 5)
        )
        return list(found), time.perf_counter() - begun

    found, seconds = run(all_of_them())
    assert found == ["late", "in time", "late", "in time", "late"]
    assert 0.5 < seconds < 2


def test_cancelled_call_is_not_reported_as_late() -> None:
    async def work(_: Any, __: Any) -> None:
        await asyncio.sleep(60)

    async def cancel() -> None:
        task = asyncio.ensure_future(DeadlineTimer(30).limit(work, late)(None, None))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        run(cancel())


def test_late_call_that_is_also_cancelled_is_cancelled() -> None:
    async def work(task_of: list[asyncio.Task[Any]], _: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            task_of[0].cancel()
            raise

    async def cancel() -> None:
        task_of: list[asyncio.Task[Any]] = []
        task_of.append(asyncio.ensure_future(DeadlineTimer(0.05).limit(work, late)(task_of, None)))
        await task_of[0]

    with pytest.raises(asyncio.CancelledError):
        run(cancel())


def test_error_of_a_call_propagates_and_the_timer_continues() -> None:
    async def work(seconds: float | None, _: Any) -> None:
        if seconds is None:
            raise ValueError("wrong")
        await asyncio.sleep(seconds)

    async def both() -> Any:
        limited = DeadlineTimer(0.1).limit(work, late)
        with pytest.raises(ValueError, match="wrong"):
            await limited(None, None)
        return await limited(60, None)

    assert run(both()) == "late"
