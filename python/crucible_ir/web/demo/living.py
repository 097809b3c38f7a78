"""Continues the story after its end: a run trains, feedback comes in, replicas come and go."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from crucible_ir import v1
from crucible_ir.exchange.client.async_client import AsyncExchangeClient
from crucible_ir.exchange.client.errors import ExchangeError
from crucible_ir.web.demo.opinions import routed_now
from crucible_ir.web.demo.serving import ROUTER, observe_again
from crucible_ir.web.demo.story import SEED
from crucible_ir.web.demo.training import LIVE_RUN, live_curve

_log: Final = logging.getLogger(__name__)

#: The seconds between two records of the run, and the least and the most between two observations
#: of the deployment.
RECORD_SECONDS: Final = 2.0
_OBSERVED_SECONDS: Final = (20.0, 40.0)

#: The most feedback events between two records.
_MOST_EVENTS: Final = 3


class Living:
    """What happens in an exchange with example data while somebody looks at it.

    It starts and stops with the server, as one of its listeners.

    Args:
        address: Returns the address of the exchange, which has started.
        tokens: The tokens of the callers; empty if the exchange requires none.
        record_seconds: The seconds between two records of the run.
    """

    def __init__(
        self,
        address: Callable[[], str],
        tokens: Mapping[str, str],
        record_seconds: float = RECORD_SECONDS,
    ) -> None:
        self._address = address
        self._tokens = tokens
        self._seconds = record_seconds
        self._chance = random.Random()
        self._events = 0
        self._task: asyncio.Task[None] | None = None

    def bind(self) -> None:
        """Do nothing: it has no address."""

    async def start(self) -> None:
        """Begin to continue the story."""
        self._task = asyncio.create_task(self._continue())

    def drain(self) -> None:
        """Stop to continue it."""
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        """Wait until nothing continues."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def reload(self) -> None:
        """Do nothing: there are no certificates."""

    async def _continue(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                trainer, app, rollout = [
                    await stack.enter_async_context(
                        AsyncExchangeClient(self._address(), token=self._tokens.get(name))
                    )
                    for name in ("trainer", "app-eu", "rollout")
                ]
                tasks = await stack.enter_async_context(asyncio.TaskGroup())
                tasks.create_task(self._train(trainer, app))
                tasks.create_task(self._observe(rollout))
        except* ExchangeError as errors:
            _log.warning("the example data does not continue: %s", errors.exceptions[0])

    async def _train(self, trainer: AsyncExchangeClient, app: AsyncExchangeClient) -> None:
        """Append to the run, and hand in feedback, until the run has all its records."""
        metrics = await trainer.read_metrics(LIVE_RUN, limit=1)
        count = metrics.count
        curve = live_curve(metrics.run.started_at.ToDatetime(UTC), SEED)
        while count < curve.count:
            await asyncio.sleep(self._seconds)
            await app.ingest(self._new_events())
            [snapshot] = curve.snapshots(count, count + 1)
            snapshot.time.FromDatetime(datetime.now(UTC))
            await trainer.append_metrics(
                LIVE_RUN, [snapshot], status="running", expected_count=count
            )
            count += 1
        completed = v1.TrainingRun()
        completed.completed_at.FromDatetime(datetime.now(UTC))
        await trainer.append_metrics(LIVE_RUN, status="completed", changes=completed)

    def _new_events(self) -> list[v1.FeedbackEvent]:
        now = datetime.now(UTC)
        events = []
        for _ in range(self._chance.randint(0, _MOST_EVENTS)):
            self._events += 1
            # Unique, also if the exchange is started again.
            number = int(now.timestamp()) * 1_000 + self._events % 1_000
            events.append(routed_now(number, now, self._chance))
        return events

    async def _observe(self, rollout: AsyncExchangeClient) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(*_OBSERVED_SECONDS))
            stored = await rollout.get(v1.DeploymentStatus, f"{ROUTER}/status")
            status = stored.content
            if not isinstance(status, v1.DeploymentStatus):
                return
            observe_again(
                status,
                datetime.now(UTC),
                ready=status.total_replicas - self._chance.choice((0, 0, 1)),
                slowest=round(self._chance.uniform(380, 450), 1),
            )
            await rollout.publish(status)
