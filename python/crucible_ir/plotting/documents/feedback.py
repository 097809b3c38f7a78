"""Feedback by model version as charts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from crucible_ir.building.thumbs import thumb_of
from crucible_ir.plotting.charts.bars import BarChart, draw_bars
from crucible_ir.plotting.charts.curves import COLOURS, Mark, draw_curves, slot_of
from crucible_ir.plotting.charts.percentiles import Percentile, percentile_chart
from crucible_ir.plotting.charts.rates import Rate, RateChart, RateSeries, draw_rates
from crucible_ir.plotting.figure import Figure
from crucible_ir.plotting.geometry.scales import AxisKind, position_scale, value_scale
from crucible_ir.plotting.geometry.times import duration_text
from crucible_ir.schema import vocabulary
from crucible_ir.v1 import FeedbackType

if TYPE_CHECKING:
    from crucible_ir.v1 import FeedbackEvent

_HOUR: Final = 3600
_DAY: Final = 24 * _HOUR
#: The most spans that one chart shows.
MOST_SPANS: Final = 2000
_PERCENTILES: Final = (50, 90, 99)
#: The name of events without a version or a type.
NO_NAME: Final = "none"
_OTHERS: Final = "other"
_TYPES: Final = vocabulary.names(FeedbackType.DESCRIPTOR)
_THUMBS: Final = _TYPES[FeedbackType.FEEDBACK_TYPE_THUMBS]


@dataclass(slots=True)
class FeedbackCounts:
    """The feedback on one version in one span of time.

    Attributes:
        start: The start of the span, in seconds since 1970.
        version: The model version. None: not stated.
        up: The number of thumbs up.
        down: The number of thumbs down.
        types: The number of events of each type.
        percentiles: The percentiles of the latency, by rank.
    """

    start: float
    version: str | None
    up: int = 0
    down: int = 0
    types: Counter[str] = field(default_factory=Counter)
    percentiles: dict[int, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Span:
    up: int = 0
    down: int = 0
    types: Counter[str] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)


class FeedbackTally:
    """Counts feedback events by version and time, in memory that depends on the time only.

    Args:
        step: The length of spans, in seconds. None: an hour, a day or a week, by the time between
            the first and the last event.
    """

    def __init__(self, step: int | None = None) -> None:
        self._given = step
        self._fine = step or _HOUR
        self._spans: dict[tuple[int, str | None], _Span] = {}
        #: The number of events without a timestamp, which are not counted.
        self.without_time = 0
        #: The number of events.
        self.count = 0

    def add(self, event: FeedbackEvent) -> None:
        """Count an event."""
        self.count += 1
        if not event.HasField("timestamp"):
            self.without_time += 1
            return
        version = event.model_version if event.HasField("model_version") else None
        key = event.timestamp.seconds // self._fine, version
        span = self._spans.setdefault(key, _Span())
        type_ = _type_of(event)
        span.types[type_ or NO_NAME] += 1
        if type_ in (None, _THUMBS) and (thumb := thumb_of(event.feedback_value)):
            span.up += thumb > 0
            span.down += thumb < 0
        if event.HasField("latency_ms"):
            span.latencies[event.latency_ms] += 1

    def counts(self) -> tuple[int, list[FeedbackCounts]]:
        """Return the length of spans, and the counts of each span and version."""
        step = self._given or self._usual_step()
        merged: dict[tuple[int, str | None], _Span] = {}
        for (index, version), span in self._spans.items():
            whole = merged.setdefault((index * self._fine // step, version), _Span())
            whole.up += span.up
            whole.down += span.down
            whole.types += span.types
            whole.latencies += span.latencies
        return step, [
            FeedbackCounts(
                float(index * step),
                version,
                span.up,
                span.down,
                span.types,
                {rank: percentile(span.latencies, rank) for rank in _PERCENTILES}
                if span.latencies
                else {},
            )
            for (index, version), span in merged.items()
        ]

    def _usual_step(self) -> int:
        indices = [index for index, _ in self._spans]
        return usual_step((max(indices) - min(indices)) * _HOUR if indices else 0)


def usual_step(span: float) -> int:
    """Return the length of the parts into which a span of seconds is cut.

    >>> usual_step(86400), usual_step(30 * 86400), usual_step(365 * 86400)
    (3600, 86400, 604800)
    """
    if span <= 3 * _DAY:
        return _HOUR
    if span <= 120 * _DAY:
        return _DAY
    return 7 * _DAY * math.ceil(span / (7 * _DAY * MOST_SPANS))


def percentile(counts: Counter[int], rank: int) -> float:
    """Return a percentile of counted numbers, by nearest rank.

    >>> percentile(Counter({15: 1, 20: 1, 35: 1, 40: 1, 50: 1}), 40)
    20.0
    """
    need = math.ceil(counts.total() * rank / 100)
    for number in sorted(counts):
        need -= counts[number]
        if need <= 0:
            return float(number)
    raise ValueError("there are no numbers")


def _type_of(event: FeedbackEvent) -> str | None:
    if event.HasField("custom_feedback_type"):
        return event.custom_feedback_type
    return _TYPES.get(event.feedback_type)


def feedback_figures(
    counts: Sequence[FeedbackCounts],
    step: int,
    marks: Sequence[Mark] = (),
    latency_type: str | None = None,
) -> list[Figure]:
    """Draw the share of thumbs up and the latencies by version, and the events by type.

    Args:
        counts: The counts of spans and versions.
        step: The length of spans, in seconds.
        marks: Vertical lines, such as deployments.
        latency_type: The type of the events whose latencies these are. None: all.
    """
    sizes: Counter[str | None] = Counter()
    for count in counts:
        sizes[count.version] += count.types.total()
    versions = sorted(sizes, key=lambda version: (-sizes[version], version or ""))
    spans = sorted({count.start for count in counts})
    by_place = {(count.version, count.start): count for count in counts}
    figures = []
    if any(count.up + count.down for count in counts):
        series = [
            RateSeries(
                version or NO_NAME,
                [
                    Rate(start, found.up, found.up + found.down)
                    for start in spans
                    if (found := by_place.get((version, start))) is not None
                ],
                slot_of(index),
            )
            for index, version in enumerate(versions)
        ]
        windows = f"by version, windows of {duration_text(step)}"
        figures.append(
            draw_rates(RateChart("Thumbs up", series, [windows], step, marks, x_label="UTC"))
        )
    unit = "ms" if latency_type is None else f"ms, of {latency_type}"
    figures += _latencies(versions, by_place, spans, step, marks, unit)
    if counts:
        figures.append(draw_bars(_bars(counts, step)))
    return figures


def _latencies(
    versions: Sequence[str | None],
    by_place: dict[tuple[str | None, float], FeedbackCounts],
    spans: Sequence[float],
    step: int,
    marks: Sequence[Mark],
    unit: str,
) -> Iterable[Figure]:
    """Draw the latencies of each version, all on one scale."""
    values = [value for count in by_place.values() for value in count.percentiles.values()]
    scale = value_scale(values)
    x_scale = position_scale([*spans, *(mark.x for mark in marks)], AxisKind.TIME)
    for index, version in enumerate(versions[:COLOURS]):
        percentiles = []
        for rank in _PERCENTILES:
            xs: list[float] = []
            ys: list[float] = []
            for start in spans:
                count = by_place.get((version, start))
                value = None if count is None else count.percentiles.get(rank)
                if value is None:
                    continue
                if xs and start - xs[-1] > step:
                    # The line has a gap.
                    xs.append(xs[-1] + step)
                    ys.append(math.nan)
                xs.append(start)
                ys.append(value)
            percentiles.append(Percentile(f"p{rank}", xs, ys))
        if any(p.ys for p in percentiles):
            yield draw_curves(
                percentile_chart(
                    f"Latency of {version or NO_NAME}",
                    percentiles,
                    slot=slot_of(index),
                    unit=unit,
                    marks=marks,
                    y_scale=scale,
                    x_scale=x_scale,
                    x_label="UTC",
                )
            )


def _bars(counts: Sequence[FeedbackCounts], step: int) -> BarChart:
    totals: Counter[str] = Counter()
    per_span: dict[float, Counter[str]] = {}
    for count in counts:
        totals += count.types
        per_span.setdefault(count.start, Counter()).update(count.types)
    ranked = [name for name, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))]
    names = ranked if len(ranked) <= COLOURS else ranked[: COLOURS - 1]
    first, last = min(per_span), max(per_span)
    starts = [first + index * step for index in range(round((last - first) / step) + 1)]
    stacks = [(name, [per_span.get(start, Counter())[name] for start in starts]) for name in names]
    if len(names) < len(ranked):
        rest = [
            sum(per_span.get(start, Counter()).values())
            - sum(values[place] for _, values in stacks)
            for place, start in enumerate(starts)
        ]
        stacks.append((_OTHERS, rest))
    return BarChart(
        f"Events by type, each {duration_text(step)}",
        starts,
        step,
        stacks,
        x_label="UTC",
    )
