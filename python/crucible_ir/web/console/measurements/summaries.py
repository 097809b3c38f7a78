"""Summaries of feedback as the pages show them: by version, by type, and over time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from crucible_ir.exchange.client.requests import EventFilter
from crucible_ir.plotting.documents.feedback import FeedbackCounts, feedback_figures
from crucible_ir.web.console.measurements.findings import Share

if TYPE_CHECKING:
    from crucible_ir.exchange import AsyncExchangeClient, Summary
    from crucible_ir.exchange.client.results import Latency
    from crucible_ir.plotting import Figure, Mark

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


def draw(
    summaries: Iterable[Summary],
    names: Mapping[str, str],
    latency_type: str | None,
    span: Span,
    marks: Sequence[Mark],
) -> list[Figure]:
    """Draw the share of thumbs up and the latencies by version, and the events by type, over time.

    Args:
        summaries: The summaries, by bucket and version.
        names: The names of versions in the pictures.
        latency_type: The type whose latencies are drawn; ``None`` for events without one.
        span: The range of time.
        marks: When the traffic changed.
    """
    found: dict[tuple[float, str], FeedbackCounts] = {}
    for summary in summaries:
        if summary.start_time is None:
            continue
        start, version = summary.start_time.timestamp(), version_of(summary)
        key = (start, names.get(version, version))
        counts = found.setdefault(key, FeedbackCounts(*key))
        counts.types[summary.feedback_type or NOT_STATED] += summary.count
        if summary.thumbs is not None:
            counts.up += summary.thumbs.up
            counts.down += summary.thumbs.down
        if summary.latency is not None and summary.feedback_type == latency_type:
            latency = summary.latency
            counts.percentiles = {50: latency.p50_ms, 90: latency.p90_ms, 99: latency.p99_ms}
    ordered = [found[key] for key in sorted(found)]
    step = round(span.bucket.total_seconds())
    return feedback_figures(ordered, step, marks, latency_type or NOT_STATED)
