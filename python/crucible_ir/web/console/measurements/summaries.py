"""Summaries of feedback as the pages show them: by version, by type, and over time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.client.requests import EventFilter
from crucible_ir.plotting import (
    BarChart,
    Figure,
    Mark,
    Percentile,
    Rate,
    RateChart,
    RateSeries,
    Scale,
    Size,
    draw_bars,
    draw_curves,
    draw_rates,
    percentile_chart,
    value_scale,
)
from crucible_ir.plotting.geometry.names import short_names
from crucible_ir.web.console.measurements.findings import Share

if TYPE_CHECKING:
    from crucible_ir.exchange import AsyncExchangeClient, Summary
    from crucible_ir.exchange.client.results import Latency

#: The name of events without a version or a type.
NOT_STATED: Final = "not stated"


@dataclass(frozen=True, slots=True)
class Span:
    """A range of time that ends now.

    Attributes:
        name: Its name in the address.
        length: Its length.
        bucket: The length of its buckets: whole hours, which are summarized in advance.
        recent: The length of its last part, which is compared with what is before.
    """

    name: str
    length: timedelta
    bucket: timedelta
    recent: timedelta

    def start(self, now: datetime) -> datetime:
        """Return where the range starts: at the start of a bucket."""
        seconds = self.bucket.total_seconds()
        start = (now - self.length).timestamp() // seconds * seconds
        return datetime.fromtimestamp(start, UTC)

    def cut(self, now: datetime) -> datetime:
        """Return where its last part starts: at a whole hour."""
        return (now - self.recent).replace(minute=0, second=0, microsecond=0)


_HOUR: Final = timedelta(hours=1)
SPANS: Final = {
    span.name: span
    for span in (
        Span("24h", 24 * _HOUR, _HOUR, 6 * _HOUR),
        Span("7d", 7 * 24 * _HOUR, 6 * _HOUR, 24 * _HOUR),
        Span("14d", 14 * 24 * _HOUR, 12 * _HOUR, 24 * _HOUR),
        Span("90d", 90 * 24 * _HOUR, 24 * _HOUR, 7 * 24 * _HOUR),
    )
}


@dataclass(frozen=True, slots=True)
class Summaries:
    """The summaries of one range of time.

    Attributes:
        by_deployment: By deployment, of all deployments.
        by_time: By bucket and version.
        by_version: By version.
        by_type: By type.
        recent: By version, of the last part of the range.
        before: By version, of the rest.
    """

    by_deployment: Sequence[Summary]
    by_time: Sequence[Summary]
    by_version: Sequence[Summary]
    by_type: Sequence[Summary]
    recent: Sequence[Summary]
    before: Sequence[Summary]


async def read(
    client: AsyncExchangeClient, deployment: str, span: Span, now: datetime
) -> Summaries:
    """Summarize the feedback on a deployment, or on all if none is named.

    Raises:
        ExchangeError: A call failed.
    """
    start, cut = span.start(now), span.cut(now)
    only = deployment or None
    events = EventFilter(deployment_id=only, start_time=start)
    return Summaries(
        *await asyncio.gather(
            client.summarize(EventFilter(start_time=start), group_by=["deployment"]),
            client.summarize(events, bucket=span.bucket, group_by=["model_version"]),
            client.summarize(events, group_by=["model_version"]),
            client.summarize(events),
            client.summarize(
                EventFilter(deployment_id=only, start_time=cut), group_by=["model_version"]
            ),
            client.summarize(
                EventFilter(deployment_id=only, start_time=start, end_time=cut),
                group_by=["model_version"],
            ),
        )
    )


def counts_by(summaries: Iterable[Summary], attribute: str) -> dict[str, int]:
    """Return the number of events by an attribute, the greatest first."""
    counts: dict[str, int] = {}
    for summary in summaries:
        name = getattr(summary, attribute) or ""
        counts[name] = counts.get(name, 0) + summary.count
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def shares_by_version(summaries: Iterable[Summary]) -> dict[str, Share]:
    """Return the share of thumbs up by version."""
    up: dict[str, int] = {}
    all_: dict[str, int] = {}
    for summary in summaries:
        if summary.thumbs is not None:
            name = version_of(summary)
            up[name] = up.get(name, 0) + summary.thumbs.up
            all_[name] = all_.get(name, 0) + summary.thumbs.up + summary.thumbs.down
    shares = {name: Share.of(up[name], all_[name]) for name in all_}
    return {name: share for name, share in shares.items() if share is not None}


def latencies_by_version(
    summaries: Iterable[Summary], feedback_type: str | None
) -> dict[str, Latency]:
    """Return the latencies of one type by version: those of several cannot be added up."""
    return {
        version_of(summary): summary.latency
        for summary in summaries
        if summary.latency is not None and summary.feedback_type == feedback_type
    }


def version_of(summary: Summary) -> str:
    """Return the version of a summary."""
    return summary.model_version or NOT_STATED


def draw_shares(
    summaries: Sequence[Summary], versions: Sequence[str], span: Span, marks: Sequence[Mark]
) -> Figure | None:
    """Draw the share of thumbs up by version over time."""
    found: dict[str, dict[float, tuple[int, int]]] = {}
    for summary in summaries:
        if summary.thumbs is None or summary.start_time is None:
            continue
        rates = found.setdefault(version_of(summary), {})
        x = _middle(summary, span)
        up, count = rates.get(x, (0, 0))
        thumbs = summary.thumbs
        rates[x] = (up + thumbs.up, count + thumbs.up + thumbs.down)
    series = [
        RateSeries(version, [Rate(x, *counts) for x, counts in sorted(found[version].items())])
        for version in versions
        if version in found
    ]
    if not series:
        return None
    chart = RateChart(
        "Thumbs up",
        series,
        notes=[f"share by version, windows of {span.bucket // _HOUR} h"],
        step=span.bucket.total_seconds(),
        marks=marks,
        x_label="UTC",
    )
    return draw_rates(chart)


def draw_latencies(
    summaries: Sequence[Summary],
    versions: Sequence[str],
    feedback_type: str | None,
    span: Span,
) -> list[Figure]:
    """Draw the percentiles of latency over time, a chart for each version, on one scale."""
    found: dict[str, list[tuple[float, Latency]]] = {}
    for summary in summaries:
        latency = summary.latency
        if latency is not None and summary.feedback_type == feedback_type:
            found.setdefault(version_of(summary), []).append((_middle(summary, span), latency))
    values = [
        float(value)
        for version in versions
        for _, each in found.get(version, [])
        for value in (each.p50_ms, each.p99_ms)
    ]
    scale = value_scale(values)
    return [
        _draw_latency(name, found[version], slot, scale)
        for slot, (version, name) in enumerate(zip(versions, short_names(versions), strict=True), 1)
        if version in found
    ]


def _draw_latency(
    name: str, points: Sequence[tuple[float, Latency]], slot: int, scale: Scale
) -> Figure:
    xs = [x for x, _ in points]
    percentiles = [
        Percentile("p50", xs, [float(each.p50_ms) for _, each in points]),
        Percentile("p90", xs, [float(each.p90_ms) for _, each in points]),
        Percentile("p99", xs, [float(each.p99_ms) for _, each in points]),
    ]
    return draw_curves(
        percentile_chart(f"Latency of {name}", percentiles, slot=slot, y_scale=scale)
    )


def draw_counts(
    summaries: Sequence[Summary], types: Sequence[str], span: Span, start: datetime
) -> Figure:
    """Draw the number of events by type over time."""
    step = span.bucket.total_seconds()
    first = start.timestamp()
    counts: Mapping[str, dict[float, int]] = {name: {} for name in types}
    last = first
    for summary in summaries:
        if summary.start_time is None:
            continue
        x = summary.start_time.timestamp()
        last = max(last, x)
        of_type = counts.get(summary.feedback_type or "")
        if of_type is not None:
            of_type[x] = of_type.get(x, 0) + summary.count
    starts = [first + index * step for index in range(round((last - first) / step) + 1)]
    stacks = [(name or NOT_STATED, [counts[name].get(x, 0) for x in starts]) for name in types]
    hours = span.bucket // _HOUR
    title = {1: "Events an hour", 24: "Events a day"}.get(hours, f"Events in {hours} h")
    return draw_bars(BarChart(title, starts, step, stacks, size=Size.SMALL))


def _middle(summary: Summary, span: Span) -> float:
    """Return the middle of the bucket of a summary."""
    assert summary.start_time is not None
    return summary.start_time.timestamp() + span.bucket.total_seconds() / 2
