"""Percentiles of latencies from how often each occurs."""

from __future__ import annotations

from collections.abc import Mapping

from crucible_ir.exchange import v1


def latency_summary(counts: Mapping[int | None, int]) -> v1.LatencySummary | None:
    """Sum latencies up.

    Args:
        counts: How many events have each latency, in milliseconds; ``None`` stands for none.

    Returns:
        The summary, or ``None`` when no event has a latency.
    """
    known = sorted((latency, count) for latency, count in counts.items() if latency is not None)
    total = sum(count for _, count in known)
    if not total:
        return None
    return v1.LatencySummary(
        count=total,
        mean_ms=sum(latency * count for latency, count in known) / total,
        min_ms=known[0][0],
        p50_ms=_percentile(known, total, 50),
        p90_ms=_percentile(known, total, 90),
        p95_ms=_percentile(known, total, 95),
        p99_ms=_percentile(known, total, 99),
        max_ms=known[-1][0],
    )


def _percentile(counts: list[tuple[int, int]], total: int, percent: int) -> int:
    """Return the percentile by nearest rank: the least value that so many percent do not exceed."""
    rank = -(-total * percent // 100)
    seen = 0
    for latency, count in counts:
        seen += count
        if seen >= rank:
            return latency
    return counts[-1][0]
