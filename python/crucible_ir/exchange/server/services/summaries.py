"""Summaries of feedback events as messages, from the counts of the store."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from crucible_ir.exchange import v1
from crucible_ir.exchange.server.services.conversions import timestamp_message
from crucible_ir.exchange.store.records import EventTally, Grouping
from crucible_ir.exchange.store.summaries.tally import Tally, bucket_latency

#: The most labels of a summary.
MAX_LABELS: Final = 100

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
    return v1.SummarizeResponse(summaries=map(_summary, ordered))


def _summary(group: EventTally) -> v1.FeedbackSummary:
    tally = group.tally
    labels = sorted(tally.labels.items(), key=lambda item: (-item[1], item[0]))
    return v1.FeedbackSummary(
        feedback_type=group.feedback_type,
        start_time=None if group.bucket is None else timestamp_message(group.bucket),
        count=tally.events,
        latency=latency_summary(tally),
        deployment_id=group.deployment_id,
        model_version=group.model_version,
        name=group.name,
        thumbs=_thumbs(tally),
        numbers=_numbers(tally),
        labels=(v1.LabelCount(label=label, count=count) for label, count in labels[:MAX_LABELS]),
        other_labels=tally.other_labels + sum(count for _, count in labels[MAX_LABELS:]),
    )


def _thumbs(tally: Tally) -> v1.ThumbsSummary | None:
    total = tally.up + tally.down
    if not total:
        return None
    return v1.ThumbsSummary(up=tally.up, down=tally.down, share_up=tally.up / total)


def _numbers(tally: Tally) -> v1.NumberSummary | None:
    if not tally.numbers:
        return None
    counts = sorted((float(text), count) for text, count in tally.number_counts.items())
    return v1.NumberSummary(
        count=tally.numbers,
        mean=tally.mean,
        standard_deviation=tally.deviation,
        histogram=(v1.NumberCount(value=value, count=count) for value, count in counts),
        other=tally.other_numbers,
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
