"""The deployments: their configurations and last observed statuses."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from crucible_ir.v1 import DeploymentConfig, DeploymentHealth, DeploymentState, DeploymentStatus
from crucible_ir.web.console.measurements.serving import shares_of, time_of
from crucible_ir.web.console.measurements.words import word_of
from crucible_ir.web.console.page import Link, Live, Page, View, Visit

if TYPE_CHECKING:
    from crucible_ir.exchange import AsyncExchangeClient, Record

#: The most deployments on the page.
_PAGE: Final = 100

#: The glyphs of states; those that change have a half circle.
_STATES: Final = {
    DeploymentState.DEPLOYMENT_STATE_UNSPECIFIED: "none",
    DeploymentState.DEPLOYMENT_STATE_PENDING: "none",
    DeploymentState.DEPLOYMENT_STATE_ACTIVE: "full",
    DeploymentState.DEPLOYMENT_STATE_DEGRADED: "warn",
    DeploymentState.DEPLOYMENT_STATE_FAILED: "bad",
    DeploymentState.DEPLOYMENT_STATE_TERMINATED: "old",
    DeploymentState.DEPLOYMENT_STATE_STOPPED: "old",
}
#: The glyphs of health; healthy is silent.
_HEALTH: Final = {
    DeploymentHealth.DEPLOYMENT_HEALTH_DEGRADED: "warn",
    DeploymentHealth.DEPLOYMENT_HEALTH_UNHEALTHY: "bad",
}


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a vocabulary, with the glyph that goes with it; empty for none."""

    text: str
    glyph: str


@dataclass(frozen=True, slots=True)
class VersionShare:
    """A part of the traffic.

    Attributes:
        version: The model version.
        percent: Its share in percent; ``None`` if that is not known.
        planned: The share that it should have; ``None`` if that is not stated.
        ready: The number of its replicas that receive traffic.
    """

    version: str
    percent: float | None
    planned: float | None = None
    ready: int | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What was observed.

    Attributes:
        time: When.
        state: The state.
        health: The health.
        traffic: The traffic by version.
        ready: The number of replicas that receive traffic.
        total: The number of replicas that exist.
        error: The error; empty for none.
    """

    time: datetime
    state: Word
    health: Word
    traffic: Sequence[VersionShare]
    ready: int | None
    total: int | None
    error: str


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """A deployment in the list.

    Attributes:
        id: Its id.
        url: Its page.
        sequence: The sequence number of the change of its configuration.
        environment: The environment.
        version: The model version that it should serve.
        observed: What was observed last; ``None`` if nothing was.
        feedback: The page of its feedback.
    """

    id: str
    url: str
    sequence: int
    environment: str
    version: str
    observed: Observed | None
    feedback: str


@dataclass(frozen=True, slots=True)
class Deployments:
    """The page.

    Attributes:
        deployments: The deployments, those that need a look first.
        sentences: What needs a look.
        has_more: Whether there are more deployments than are shown.
    """

    deployments: Sequence[DeploymentRow]
    sentences: Sequence[str]
    has_more: bool


async def show(visit: Visit) -> View:
    """Show the deployments."""
    found: list[tuple[Record, DeploymentConfig]] = []
    listed = visit.client.list_documents(
        DeploymentConfig, include_documents=True, page_size=_PAGE + 1
    )
    async for stored in listed:
        if isinstance(stored.content, DeploymentConfig):
            found.append((stored.record, stored.content))
        if len(found) > _PAGE:
            break
    shown = found[:_PAGE]
    observed = await asyncio.gather(*(_latest(visit.client, record.id) for record, _ in shown))
    rows = [
        _row(visit, record, config, status)
        for (record, config), status in zip(shown, observed, strict=True)
    ]
    rows.sort(key=_order)
    data = Deployments(rows, list(_sentences(rows)), len(found) > _PAGE)
    live = Live(("DeploymentConfig", "DeploymentStatus"))
    return View("Deployments", data, (Link("deployments", visit.url("deployments")),), live)


async def _latest(client: AsyncExchangeClient, id_: str) -> Observed | None:
    """Return what was observed of a deployment last."""
    latest: Observed | None = None
    async for stored in client.list_documents(
        DeploymentStatus, where={"deployment_id": id_}, include_documents=True
    ):
        status = stored.content
        if isinstance(status, DeploymentStatus):
            observed = observed_of(stored.record, status)
            if latest is None or observed.time > latest.time:
                latest = observed
    return latest


def observed_of(
    record: Record, status: DeploymentStatus, config: DeploymentConfig | None = None
) -> Observed:
    """Return what a status says, beside what should be if the configuration is given."""
    planned = shares_of(config) if config is not None else {}
    traffic = [
        VersionShare(
            share.model_version_id,
            share.percent if share.HasField("percent") else None,
            planned.pop(share.model_version_id, None),
            share.ready_replicas if share.HasField("ready_replicas") else None,
        )
        for share in status.traffic
    ]
    traffic += [VersionShare(version, None, share) for version, share in planned.items()]
    return Observed(
        time_of(record, status),
        Word(word_of(status, "state") or "not known", _STATES.get(status.state, "half")),
        Word(word_of(status, "health"), _HEALTH.get(status.health, "")),
        traffic,
        status.ready_replicas if status.HasField("ready_replicas") else None,
        status.total_replicas if status.HasField("total_replicas") else None,
        status.error_message,
    )


def _row(
    visit: Visit, record: Record, config: DeploymentConfig, observed: Observed | None
) -> DeploymentRow:
    return DeploymentRow(
        record.id,
        visit.url("deployments", record.id),
        record.sequence,
        word_of(config, "environment"),
        config.model_version_id,
        observed,
        visit.url("feedback", deployment=record.id),
    )


def _order(row: DeploymentRow) -> tuple[int, str]:
    """Order what needs a look first, and what does not run last."""
    if row.observed is None:
        return 2, row.id
    glyphs = {row.observed.state.glyph, row.observed.health.glyph}
    if glyphs & {"bad", "warn"}:
        return 0, row.id
    return (3 if "old" in glyphs else 1), row.id


def _sentences(rows: Sequence[DeploymentRow]) -> list[str]:
    """Name the deployments that need a look, by the words of their status."""
    named = [
        f"{row.id} ({_news(row.observed)})"
        for row in rows
        if row.observed is not None and _order(row)[0] == 0
    ]
    return [f"To look at: {', '.join(named)}."] if named else []


def _news(observed: Observed) -> str:
    words = [observed.state.text]
    if observed.health.glyph and observed.health.text != observed.state.text:
        words.append(observed.health.text)
    return ", ".join(words)


PAGES = (Page("/deployments", show, "deployments.html", label="Deployments", key="p"),)
ACTIONS = ()
