"""Summaries of feedback events: their messages, made of counts, and what clients return."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir.exchange import v1

if TYPE_CHECKING:
    from crucible_ir.exchange.tally import Tally

#: The most labels of a summary.
MAX_LABELS: Final = 100

_MICROSECONDS: Final = 1_000_000


class Group(NamedTuple):
    """What the events of a summary have in common.

    Attributes:
        start: The start of the bucket in microseconds since 1970; ``None`` if there is one bucket
            for all time.
        feedback_type: The name of the type; ``None`` for events without one.
        deployment_id: The deployment; ``None`` for events without one, or if not grouped by it.
        model_version: The model version; ``None`` likewise.
        name: The criterion; ``None`` likewise.
    """

    start: int | None
    feedback_type: str | None
    deployment_id: str | None
    model_version: str | None
    name: str | None


def summary_message(
    group: Group, tally: Tally, latency: v1.LatencySummary | None
) -> v1.FeedbackSummary:
    """Return the summary of the events of a group, given their counts and latencies."""
    labels = sorted(tally.labels.items(), key=lambda item: (-item[1], item[0]))
    return v1.FeedbackSummary(
        feedback_type=group.feedback_type,
        start_time=None if group.start is None else _timestamp(group.start),
        count=tally.events,
        latency=latency,
        deployment_id=group.deployment_id,
        model_version=group.model_version,
        name=group.name,
        thumbs=_thumbs_message(tally),
        numbers=_numbers_message(tally),
        labels=(v1.LabelCount(label=label, count=count) for label, count in labels[:MAX_LABELS]),
        other_labels=tally.other_labels + sum(count for _, count in labels[MAX_LABELS:]),
    )


def _timestamp(microseconds: int) -> Timestamp:
    seconds, rest = divmod(microseconds, _MICROSECONDS)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def _thumbs_message(tally: Tally) -> v1.ThumbsSummary | None:
    total = tally.up + tally.down
    if not total:
        return None
    return v1.ThumbsSummary(up=tally.up, down=tally.down, share_up=tally.up / total)


def _numbers_message(tally: Tally) -> v1.NumberSummary | None:
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


@dataclass(frozen=True, slots=True)
class Latency:
    """A summary of latencies in milliseconds, as the message ``LatencySummary``.

    >>> Latency(2, 15.0, 10, 10, 20, 20, 20, 20).mean_ms
    15.0
    """

    count: int
    mean_ms: float
    min_ms: int
    p50_ms: int
    p90_ms: int
    p95_ms: int
    p99_ms: int
    max_ms: int


@dataclass(frozen=True, slots=True)
class Thumbs:
    """How many events are thumbs up or down, and the share of up, as the message ThumbsSummary.

    >>> Thumbs(up=3, down=1, share_up=0.75).up
    3
    """

    up: int
    down: int
    share_up: float


@dataclass(frozen=True, slots=True)
class Numbers:
    """The values of events that are numbers, as the message ``NumberSummary``.

    Attributes:
        count: The number of values.
        mean: The mean.
        standard_deviation: The standard deviation, of the values as the whole population.
        histogram: The number of values by value, rounded to two significant digits; ascending.
        other: The number of values that the histogram leaves out.

    >>> Numbers(2, 4.5, 0.5, {4.0: 1, 5.0: 1}, 0).mean
    4.5
    """

    count: int
    mean: float
    standard_deviation: float
    histogram: dict[float, int]
    other: int


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary of the feedback events of one type in one time bucket.

    Attributes:
        feedback_type: The type's name; ``None`` for events without one.
        start_time: The start of the bucket; ``None`` if there is one bucket for all time.
        count: The number of events.
        latency: The latencies of the answers; ``None`` if no event has one.
        deployment_id: The deployment that answered; ``None`` for events without one, and if the
            summary is not grouped by it.
        model_version: The model version that answered; ``None`` likewise.
        name: The criterion of the feedback; ``None`` likewise.
        thumbs: The thumbs; ``None`` if no event has one.
        numbers: The values that are numbers, such as ratings; ``None`` if no event has one.
        labels: The number of events by label, the most frequent first.
        other_labels: The number of events with other labels.

    >>> Summary("label", None, 3, None, labels={"rude": 2}, other_labels=1).labels
    {'rude': 2}
    """

    feedback_type: str | None
    start_time: datetime | None
    count: int
    latency: Latency | None
    deployment_id: str | None = None
    model_version: str | None = None
    name: str | None = None
    thumbs: Thumbs | None = None
    numbers: Numbers | None = None
    labels: dict[str, int] = field(default_factory=dict)
    other_labels: int = 0

    @classmethod
    def of(cls, summary: v1.FeedbackSummary) -> Summary:
        """Convert the message.

        >>> Summary.of(v1.FeedbackSummary(feedback_type="thumbs", count=2)).count
        2
        """
        latency = summary.latency
        return cls(
            summary.feedback_type if summary.HasField("feedback_type") else None,
            summary.start_time.ToDatetime(UTC) if summary.HasField("start_time") else None,
            summary.count,
            Latency(
                latency.count,
                latency.mean_ms,
                latency.min_ms,
                latency.p50_ms,
                latency.p90_ms,
                latency.p95_ms,
                latency.p99_ms,
                latency.max_ms,
            )
            if summary.HasField("latency")
            else None,
            deployment_id=summary.deployment_id if summary.HasField("deployment_id") else None,
            model_version=summary.model_version if summary.HasField("model_version") else None,
            name=summary.name if summary.HasField("name") else None,
            thumbs=_thumbs(summary.thumbs) if summary.HasField("thumbs") else None,
            numbers=_numbers(summary.numbers) if summary.HasField("numbers") else None,
            labels={each.label: each.count for each in summary.labels},
            other_labels=summary.other_labels,
        )


def _thumbs(thumbs: v1.ThumbsSummary) -> Thumbs:
    return Thumbs(thumbs.up, thumbs.down, thumbs.share_up)


def _numbers(numbers: v1.NumberSummary) -> Numbers:
    histogram = {each.value: each.count for each in numbers.histogram}
    return Numbers(
        numbers.count, numbers.mean, numbers.standard_deviation, histogram, numbers.other
    )
