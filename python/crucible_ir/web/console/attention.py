"""What needs a look, and what runs now; each sentence with its query and its threshold.

| sentence | query | threshold |
| --- | --- | --- |
| Training failed | runs with ``status = failed`` | changed in the last 7 days |
| Not healthy | states of deployments whose health or state says so | none |
| p99 latency doubled | summaries of feedback of two days | factor 2, 100 events each |
| Serving | states of deployments that are neither terminated nor stopped | none |
| Training now | runs with ``status = running`` | none |
| Evaluations | the newest results | none |
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from crucible_ir import v1
from crucible_ir.exchange import EventFilter
from crucible_ir.exchange.client.errors import (
    InvalidDocumentError,
    NotFoundError,
    PermissionDeniedError,
)
from crucible_ir.schema import vocabulary
from crucible_ir.web.console.page import now
from crucible_ir.web.console.reading import read_content
from crucible_ir.web.console.values import cut

if TYPE_CHECKING:
    from crucible_ir.exchange import Stored, Summary
    from crucible_ir.web.console.page import Visit

T = TypeVar("T")

_FAILED_DAYS: Final = 7
_SPAN: Final = timedelta(days=1)
_FACTOR: Final = 2.0
_MIN_EVENTS: Final = 100
_MOST: Final = 5


@dataclass(frozen=True, slots=True)
class Note:
    """Something that needs a look.

    Attributes:
        kind: ``bad`` or ``warn``.
        headline: What it is.
        id: The id of the document that it is about.
        url: The page of the document.
        text: More about it.
    """

    kind: str
    headline: str
    id: str
    url: str
    text: str


@dataclass(frozen=True, slots=True)
class Share:
    """A model version that serves, and its percentage of the traffic."""

    version: str
    percent: float | None


@dataclass(frozen=True, slots=True)
class Serving:
    """A deployment that serves: its id, its page, its state and the shares of the traffic."""

    id: str
    url: str
    state: str
    shares: Sequence[Share]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A result of an evaluation: its id, its page, the subject, and its first metric."""

    id: str
    url: str
    subject: str
    metric: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Running:
    """A run that trains now.

    Attributes:
        id: Its id.
        url: Its page.
        epoch: The epoch; ``None`` if the run does not say so.
        epochs: The number of epochs that are planned; ``None`` likewise.
        step: The step.
        steps: The number of steps that are planned.
        percent: How much of the plan is done; ``None`` if that is not known.
    """

    id: str
    url: str
    epoch: int | None
    epochs: int | None
    step: int | None
    steps: int | None
    percent: float | None


@dataclass(frozen=True, slots=True)
class Attention:
    """What needs a look, what serves, the newest evaluations, and what trains now."""

    notes: Sequence[Note]
    serving: Sequence[Serving]
    evaluations: Sequence[Evaluation]
    running: Sequence[Running]


async def attention(visit: Visit) -> Attention:
    """Return what needs a look, as far as the reader may see it."""
    failed, unhealthy, slow, serving, evaluations, running = await asyncio.gather(
        _or_nothing(_failed_runs(visit)),
        _or_nothing(_unhealthy(visit)),
        _or_nothing(_slow(visit)),
        _or_nothing(_serving(visit)),
        _or_nothing(_evaluations(visit)),
        _or_nothing(_running(visit)),
    )
    return Attention([*failed, *unhealthy, *slow], serving, evaluations, running)


async def _or_nothing(work: Awaitable[list[T]]) -> list[T]:
    """Return a list; an empty one if the reader may not see it, or the exchange is too old."""
    try:
        return await work
    except (PermissionDeniedError, InvalidDocumentError):
        return []


async def _found(
    visit: Visit, type_: str, condition: str, *, documents: bool = False
) -> list[Stored]:
    page = await visit.client.list_page(
        type_, filter=condition, page_size=_MOST, include_documents=documents
    )
    return page.entries


async def _failed_runs(visit: Visit) -> list[Note]:
    made = []
    for entry in await _found(visit, "TrainingRun", "status = failed"):
        record = entry.record
        if now() - record.update_time > timedelta(days=_FAILED_DAYS):
            continue
        try:
            run = await read_content(visit.client, record.type, record.id)
        except NotFoundError:
            continue
        assert isinstance(run, v1.TrainingRun)
        text = cut(run.error_message, 160)
        url = visit.document_url(record.type, record.id)
        made.append(Note("bad", "Training failed", record.id, url, text))
    return made


async def _unhealthy(visit: Visit) -> list[Note]:
    condition = "health = unhealthy OR health = degraded OR state = failed OR state = degraded"
    made = []
    for entry in await _found(visit, "DeploymentStatus", condition, documents=True):
        status = entry.content
        if not isinstance(status, v1.DeploymentStatus):
            continue
        state = _short(status, "state")
        health = _short(status, "health")
        ready = ""
        if status.HasField("ready_replicas") and status.HasField("total_replicas"):
            ready = f", {status.ready_replicas} of {status.total_replicas} replicas ready"
        words = [
            f"{name} {value}" for name, value in (("state", state), ("health", health)) if value
        ]
        text = f"{', '.join(words)}{ready}"
        if status.error_message:
            text = f"{text}: {cut(status.error_message, 160)}"
        is_bad = "failed" in state or health == "unhealthy"
        url = visit.document_url(entry.record.type, entry.record.id)
        headline = "Deployment failed" if state == "failed" else "Not healthy"
        made.append(Note("bad" if is_bad else "warn", headline, entry.record.id, url, text))
    return made


async def _slow(visit: Visit) -> list[Note]:
    """Compare the latencies of two spans that begin at whole hours, which are fast to summarize."""
    end = now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    spans = (end - 2 * _SPAN, end - _SPAN), (end - _SPAN, end)
    before, after = await asyncio.gather(*(_latencies(visit, *span) for span in spans))
    made = []
    for (deployment, version), summary in after.items():
        old = before.get((deployment, version))
        if old is None or old.latency is None or summary.latency is None:
            continue
        if summary.latency.p99_ms >= _FACTOR * max(1, old.latency.p99_ms):
            text = f"{version}: {old.latency.p99_ms:,} ms to {summary.latency.p99_ms:,} ms in a day"
            url = visit.document_url("DeploymentConfig", deployment)
            made.append(Note("warn", "p99 latency doubled", deployment, url, text))
    return made


async def _latencies(
    visit: Visit, start: datetime, end: datetime
) -> dict[tuple[str, str], Summary]:
    """Return the summary with most latencies of each deployment and version."""
    events = EventFilter(start_time=start, end_time=end)
    found: dict[tuple[str, str], Summary] = {}
    summaries = await visit.client.summarize(events, group_by=("deployment", "model_version"))
    for summary in summaries:
        latency = summary.latency
        if latency is None or latency.count < _MIN_EVENTS or summary.deployment_id is None:
            continue
        key = summary.deployment_id, summary.model_version or ""
        known = found.get(key)
        if known is None or known.latency is None or known.latency.count < latency.count:
            found[key] = summary
    return found


async def _serving(visit: Visit) -> list[Serving]:
    made = []
    condition = "NOT state = terminated AND NOT state = stopped AND NOT state = failed"
    for entry in await _found(visit, "DeploymentStatus", condition, documents=True):
        status = entry.content
        if isinstance(status, v1.DeploymentStatus):
            shares = [
                Share(each.model_version_id, each.percent if each.HasField("percent") else None)
                for each in status.traffic
            ]
            url = visit.document_url(entry.record.type, entry.record.id)
            name = status.deployment_id or entry.record.id
            made.append(Serving(name, url, _short(status, "state"), shares))
    return made


async def _evaluations(visit: Visit) -> list[Evaluation]:
    made = []
    for entry in await _found(visit, "EvaluationResult", "", documents=True):
        result = entry.content
        if isinstance(result, v1.EvaluationResult):
            metric = result.metrics[0] if result.metrics else v1.MetricResult()
            value = metric.value if metric.HasField("value") else None
            url = visit.document_url(entry.record.type, entry.record.id)
            subject = result.model_version_id or result.model_ref.id
            made.append(Evaluation(result.task, url, subject, metric.name, value))
    return made


async def _running(visit: Visit) -> list[Running]:
    made = []
    for entry in await _found(visit, "TrainingRun", "status = running"):
        record = entry.record
        try:
            run = await read_content(visit.client, record.type, record.id)
        except NotFoundError:
            continue
        assert isinstance(run, v1.TrainingRun)
        epoch = run.current_epoch if run.HasField("current_epoch") else None
        step = run.current_step if run.HasField("current_step") else None
        epochs = run.config.epochs if run.config.HasField("epochs") else None
        steps = run.config.max_steps if run.config.HasField("max_steps") else None
        share = None
        if step is not None and steps:
            share = min(100.0, 100 * step / steps)
        elif epoch is not None and epochs:
            share = min(100.0, 100 * epoch / epochs)
        url = visit.document_url(record.type, record.id)
        made.append(Running(record.id, url, epoch, epochs, step, steps, share))
    return made


def _short(status: v1.DeploymentStatus, name: str) -> str:
    """Return the short name of an enum; empty if it is unset."""
    enum = status.DESCRIPTOR.fields_by_name[name].enum_type
    custom = getattr(status, f"custom_{name}", "")
    return str(custom) or vocabulary.names(enum).get(getattr(status, name), "")
