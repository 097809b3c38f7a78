"""One deployment: its traffic and states over time, and the changes of its configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Final

from crucible_ir.plotting import AxisKind, Curve, CurveChart, Scale, Size, draw_curves
from crucible_ir.v1 import DeploymentConfig
from crucible_ir.web.console.errors import Problem, ProblemError
from crucible_ir.web.console.measurements.differences import Difference, differences
from crucible_ir.web.console.measurements.serving import History, Observation, history_of, shares_of
from crucible_ir.web.console.measurements.words import word_of
from crucible_ir.web.console.page import Link, Live, Page, View, Visit
from crucible_ir.web.console.pages.deployments import Observed, observed_of

if TYPE_CHECKING:
    from crucible_ir.exchange import Record
    from crucible_ir.plotting import Figure

#: The most metrics that have a chart, and the least number of observations for one.
_MOST_METRICS: Final = 6
_LEAST_OBSERVATIONS: Final = 2


@dataclass(frozen=True, slots=True)
class ObservationRow:
    """A revision of a status.

    Attributes:
        revision: The revision.
        status: The id of the status.
        url: The page of the status.
        publisher: Who published it.
        observed: What it says.
        metrics: The measured values.
    """

    revision: int
    status: str
    url: str
    publisher: str | None
    observed: Observed
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A revision of the configuration.

    Attributes:
        revision: The revision.
        time: When it was published.
        publisher: Who published it.
        changes: The fields that it changed; empty for the first revision.
    """

    revision: int
    time: datetime
    publisher: str | None
    changes: Sequence[Difference]


@dataclass(frozen=True, slots=True)
class Deployment:
    """The page.

    Attributes:
        id: The id of the deployment.
        now: What was observed last; ``None`` if nothing was.
        version: The model version that it should serve.
        environment: The environment.
        strategy: How a new version replaces an old one.
        replicas: The number of replicas that should run.
        endpoint: The address.
        checked: When the health was last checked.
        feedback: The page of its feedback.
        document: The page of its configuration; empty if it has none.
        observations: What was observed, the latest first.
        plans: The revisions of the configuration, the latest first.
        is_complete: Whether there are no more revisions.
        traffic: The traffic over time as a picture.
        metrics: The measured values over time as pictures.
    """

    id: str
    now: Observed | None
    version: str
    environment: str
    strategy: str
    replicas: int | None
    endpoint: str
    checked: datetime | None
    feedback: str
    document: str
    observations: Sequence[ObservationRow]
    plans: Sequence[PlanRow]
    is_complete: bool
    traffic: Figure | None = field(default=None, metadata={"json": False})
    metrics: Sequence[Figure] = field(default=(), metadata={"json": False})


async def show(visit: Visit) -> View:
    """Show a deployment."""
    id_ = visit.param("id")
    history = await history_of(visit.client, id_)
    if not history.plans and not history.observations:
        reason = f'there is no deployment "{id_}", and no status of one'
        advice = "It may have been deleted, or not be visible to you. Choose another one."
        raise ProblemError(Problem(404, "No such deployment", reason, advice))
    config = history.plans[0].config if history.plans else DeploymentConfig()
    latest = history.observations[0] if history.observations else None
    data = Deployment(
        id_,
        observed_of(latest.record, latest.status, config) if latest is not None else None,
        config.model_version_id,
        word_of(config, "environment"),
        word_of(config, "strategy"),
        config.replicas if config.HasField("replicas") else None,
        latest.status.endpoint_url if latest is not None else "",
        _checked(latest),
        visit.url("feedback", deployment=id_),
        visit.document_url("DeploymentConfig", id_) if history.plans else "",
        [_observation(visit, each) for each in history.observations],
        _plans(history),
        history.is_complete,
        _draw_traffic(history.observations),
        _draw_metrics(history.observations),
    )
    trail = (
        Link("deployments", visit.url("deployments")),
        Link(id_, visit.url("deployments", id_)),
    )
    return View(id_, data, trail, Live(("DeploymentConfig", "DeploymentStatus")))


def _checked(latest: Observation | None) -> datetime | None:
    from datetime import UTC

    if latest is None or not latest.status.HasField("last_health_check"):
        return None
    return latest.status.last_health_check.ToDatetime(tzinfo=UTC)


def _observation(visit: Visit, observation: Observation) -> ObservationRow:
    record: Record = observation.record
    return ObservationRow(
        record.revision,
        record.id,
        visit.document_url(record.type, record.id, revision=record.revision),
        record.publisher,
        observed_of(record, observation.status),
        dict(sorted(observation.status.metrics.items())),
    )


def _plans(history: History) -> list[PlanRow]:
    rows = []
    for index, plan in enumerate(history.plans):
        before = history.plans[index + 1 :][:1]
        changes = differences([before[0].config, plan.config]).different if before else []
        record = plan.record
        rows.append(PlanRow(record.revision, record.update_time, record.publisher, changes))
    return rows


def _draw_traffic(observations: Sequence[Observation]) -> Figure | None:
    """Draw the share of each version as a line of steps, up to the last observation."""
    ordered = [each for each in reversed(observations) if shares_of(each.status)]
    if len(ordered) < _LEAST_OBSERVATIONS:
        return None
    versions = dict.fromkeys(chain.from_iterable(shares_of(each.status) for each in ordered))
    curves = []
    for version in versions:
        xs: list[float] = []
        ys: list[float] = []
        for each in ordered:
            share = shares_of(each.status).get(version, 0.0) / 100
            if ys and share != ys[-1]:
                xs.append(each.time.timestamp())
                ys.append(ys[-1])
            xs.append(each.time.timestamp())
            ys.append(share)
        curves.append(Curve(version, xs, ys))
    chart = CurveChart(
        "Traffic",
        curves,
        notes=["share by version, as observed"],
        x_kind=AxisKind.TIME,
        x_label="UTC",
        y_scale=Scale(AxisKind.PERCENT, 0.0, 1.0),
        size=Size.SMALL,
    )
    return draw_curves(chart)


def _draw_metrics(observations: Sequence[Observation]) -> list[Figure]:
    found: dict[str, tuple[list[float], list[float]]] = {}
    for each in reversed(observations):
        for name, value in each.status.metrics.items():
            xs, ys = found.setdefault(name, ([], []))
            xs.append(each.time.timestamp())
            ys.append(value)
    return [
        draw_curves(
            CurveChart(
                name, [Curve(name, xs, ys)], x_kind=AxisKind.TIME, x_label="UTC", size=Size.SMALL
            )
        )
        for name, (xs, ys) in sorted(found.items())[:_MOST_METRICS]
        if len(xs) >= _LEAST_OBSERVATIONS and any(map(math.isfinite, ys))
    ]


PAGES = (Page("/deployments/{id}", show, "deployment.html"),)
ACTIONS = ()
