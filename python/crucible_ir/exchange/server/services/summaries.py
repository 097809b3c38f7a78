"""Summaries of feedback events as messages, from the counts of the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from crucible_ir.exchange import v1
from crucible_ir.exchange.store.records import EventTally, Grouping
from crucible_ir.exchange.summaries import Group, summary_message
from crucible_ir.exchange.tally import Tally, bucket_latency

_GROUPINGS: Final = {
    v1.SummaryGrouping.SUMMARY_GROUPING_DEPLOYMENT: Grouping.DEPLOYMENT,
    v1.SummaryGrouping.SUMMARY_GROUPING_MODEL_VERSION: Grouping.MODEL_VERSION,
    v1.SummaryGrouping.SUMMARY_GROUPING_NAME: Grouping.NAME,
}


def groupings(request: v1.SummarizeRequest) -> frozenset[Grouping]:
    """Return what a valid request groups by."""
    return frozenset(_GROUPINGS[number] for number in request.group_by)


def summaries_of(tallies: Iterable[EventTally]) -> v1.SummarizeResponse:
    """Return the summaries of groups, in order."""
    ordered = sorted(
        tallies,
        key=lambda group: (
            group.bucket or 0,
            *("" if name is None else name for name in group[1:5]),
        ),
    )
    return v1.SummarizeResponse(
        summaries=(
            summary_message(Group(*group[:5]), group.tally, latency_summary(group.tally))
            for group in ordered
        )
    )


def latency_summary(tally: Tally) -> v1.LatencySummary | None:
    """Summarize the latencies; ``None`` if no event has one."""
    counts = sorted(tally.latencies.items())
    total = sum(count for _, count in counts)
    if not total:
        return None
    return v1.LatencySummary(
        count=total,
        mean_ms=tally.latency_sum / total,
        min_ms=bucket_latency(counts[0][0]),
        p50_ms=_percentile(counts, total, 50),
        p90_ms=_percentile(counts, total, 90),
        p95_ms=_percentile(counts, total, 95),
        p99_ms=_percentile(counts, total, 99),
        max_ms=bucket_latency(counts[-1][0]),
    )


def _percentile(counts: list[tuple[int, int]], total: int, percent: int) -> int:
    """Return the percentile by nearest rank: the least value with that share at or below it."""
    rank = -(-total * percent // 100)
    seen = 0
    for bucket, count in counts:
        seen += count
        if seen >= rank:
            return bucket_latency(bucket)
    return bucket_latency(counts[-1][0])
