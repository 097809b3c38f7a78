"""Calls that take too long are ended, whatever else happens to them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from exchange.servers import run

from crucible_ir.exchange.server.security.deadlines import Clock


async def late(context: Any) -> str:
    return "late"


def test_each_of_many_calls_has_its_own_end() -> None:
    async def work(seconds: float, _: Any) -> str:
        await asyncio.sleep(seconds)
        return "in time"

    async def all_of_them() -> tuple[list[Any], float]:
        limited = Clock(0.3).limit(work, late)
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


def test_a_call_that_is_cancelled_is_cancelled_and_not_late() -> None:
    async def work(_: Any, __: Any) -> None:
        await asyncio.sleep(60)

    async def cancel() -> None:
        task = asyncio.ensure_future(Clock(30).limit(work, late)(None, None))
        await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        run(cancel())


def test_a_call_that_is_cancelled_when_it_is_late_is_cancelled() -> None:
    async def work(task_of: list[asyncio.Task[Any]], _: Any) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            task_of[0].cancel()
            raise

    async def cancel() -> None:
        task_of: list[asyncio.Task[Any]] = []
        task_of.append(asyncio.ensure_future(Clock(0.05).limit(work, late)(task_of, None)))
        await task_of[0]

    with pytest.raises(asyncio.CancelledError):
        run(cancel())


def test_an_error_of_a_call_comes_out_and_the_clock_goes_on() -> None:
    async def work(seconds: float | None, _: Any) -> None:
        if seconds is None:
            raise ValueError("wrong")
        await asyncio.sleep(seconds)

    async def both() -> Any:
        limited = Clock(0.1).limit(work, late)
        with pytest.raises(ValueError, match="wrong"):
            await limited(None, None)
        return await limited(60, None)

    assert run(both()) == "late"
