"""Deployments as the exchange has them: what should run, and what was observed since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.client.errors import ExchangeError, NotFoundError
from crucible_ir.plotting import Mark
from crucible_ir.plotting.geometry.names import short_names
from crucible_ir.v1 import DeploymentConfig, DeploymentStatus

if TYPE_CHECKING:
    from crucible_ir.exchange import AsyncExchangeClient, Record

#: The most revisions of one document that are read.
MOST_REVISIONS: Final = 200
#: The most statuses of one deployment that are read.
MOST_STATUSES: Final = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """A revision of a configuration."""

    record: Record
    config: DeploymentConfig


@dataclass(frozen=True, slots=True)
class Observation:
    """A revision of a status.

    Attributes:
        record: Its record.
        status: The status.
        time: When it was observed.
    """

    record: Record
    status: DeploymentStatus
    time: datetime


@dataclass(frozen=True, slots=True)
class History:
    """A deployment over time.

    Attributes:
        plans: The revisions of its configuration, the latest first.
        observations: The revisions of its statuses, the latest first.
        is_complete: Whether these are all.
    """

    plans: Sequence[Plan]
    observations: Sequence[Observation]
    is_complete: bool


async def history_of(client: AsyncExchangeClient, id_: str) -> History:
    """Return the history of a deployment, which may have no configuration or no status.

    Raises:
        ExchangeError: A call failed.
    """
    plans: list[Plan] = []
    is_complete = True
    try:
        async for stored in client.list_revisions(
            DeploymentConfig, id_, include_documents=True, page_size=MOST_REVISIONS
        ):
            if isinstance(stored.content, DeploymentConfig):
                plans.append(Plan(stored.record, stored.content))
            if len(plans) == MOST_REVISIONS:
                is_complete = False
                break
    except NotFoundError:
        pass
    observations: list[Observation] = []
    count = 0
    async for found in client.list_documents(DeploymentStatus, where={"deployment_id": id_}):
        if count == MOST_STATUSES:
            is_complete = False
            break
        count += 1
        async for stored in client.list_revisions(
            DeploymentStatus, found.record.id, include_documents=True, page_size=MOST_REVISIONS
        ):
            status = stored.content
            if isinstance(status, DeploymentStatus):
                observations.append(
                    Observation(stored.record, status, time_of(stored.record, status))
                )
            if stored.record.revision <= found.record.revision - MOST_REVISIONS:
                is_complete = False
                break
    observations.sort(key=lambda each: (each.time, each.record.sequence), reverse=True)
    return History(plans, observations, is_complete)


async def marks_of(client: AsyncExchangeClient, id_: str, since: datetime) -> list[Mark]:
    """Return when the versions that a deployment serves changed, as marks of a chart.

    A reader who may not see deployments has none.
    """
    try:
        history = await history_of(client, id_)
    except ExchangeError:
        return []
    by_status: dict[str, list[Observation]] = {}
    for observation in reversed(history.observations):
        by_status.setdefault(observation.record.id, []).append(observation)
    changes = [
        (later.time.timestamp(), *change)
        for observations in by_status.values()
        for earlier, later in pairwise(observations)
        if later.time >= since and (change := _gain(history, earlier, later)) is not None
    ]
    versions = sorted({name for each in history.observations for name in shares_of(each.status)})
    names = dict(zip(versions, short_names(versions), strict=True))
    return [Mark(time, f"{names[version]} at {share:g} %") for time, version, share in changes]


def _gain(history: History, earlier: Observation, later: Observation) -> tuple[str, float] | None:
    """Return the version whose share of traffic grew most, and its share now."""
    before, now = shares_of(earlier.status), shares_of(later.status)
    if not before:
        # All traffic went to the version that was planned.
        plans = (plan for plan in history.plans if plan.record.update_time <= later.time)
        planned = next(plans, None)
        before = {} if planned is None else {planned.config.model_version_id: 100.0}
    gains = {version: share - before.get(version, 0.0) for version, share in now.items()}
    version = max(gains, key=lambda name: gains[name], default="")
    return (version, now[version]) if version and gains[version] > 0 else None


def shares_of(message: DeploymentStatus | DeploymentConfig) -> dict[str, float]:
    """Return the share of traffic of each version, in percent."""
    return {
        share.model_version_id: share.percent
        for share in message.traffic
        if share.HasField("percent")
    }


def time_of(record: Record, status: DeploymentStatus) -> datetime:
    """Return when a status was observed, or else published."""
    if status.HasField("updated_at"):
        return status.updated_at.ToDatetime(tzinfo=UTC)
    return record.update_time
