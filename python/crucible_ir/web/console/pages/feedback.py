"""The feedback on deployments: rates and latencies by version, counts, and examples."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from crucible_ir.errors import EncodeError, shorten
from crucible_ir.exchange import EventFilter
from crucible_ir.plotting import line_class, slot_of
from crucible_ir.plotting.geometry.names import short_names
from crucible_ir.serialization.json.crucible import to_crucible_json
from crucible_ir.web.console.errors import Problem, ProblemError
from crucible_ir.web.console.looks import Choice, with_query
from crucible_ir.web.console.measurements import findings, summaries
from crucible_ir.web.console.measurements.findings import DifferenceOfShares, Finding, Share
from crucible_ir.web.console.measurements.serving import marks_of
from crucible_ir.web.console.measurements.summaries import SPANS, Span, Summaries
from crucible_ir.web.console.page import Link, Live, Page, View, Visit, now

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange import Summary
    from crucible_ir.exchange.client.results import Latency
    from crucible_ir.plotting import Figure, Mark
    from crucible_ir.v1 import FeedbackEvent

_DEFAULT_SPAN: Final = "14d"
#: The most versions, deployments and types that are shown.
_MOST_VERSIONS: Final = 6
_MOST_DEPLOYMENTS: Final = 20
_MOST_TYPES: Final = 8
#: The most labels of a type.
_MOST_LABELS: Final = 8
#: The number of examples, and the most events that are read to find them.
_EXAMPLES: Final = 20
_MOST_READ: Final = 2_000
#: The most characters of a value of an example.
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class VersionFigures:
    """The feedback on one version.

    Attributes:
        version: The version.
        name: Its name without what the names of all begin with.
        look: The class of its line.
        events: The number of events.
        thumbs: The share of thumbs up.
        latency: The latencies of the events of the chosen type.
    """

    version: str
    name: str
    look: str
    events: int
    thumbs: Share | None
    latency: Latency | None


@dataclass(frozen=True, slots=True)
class TypeFigures:
    """The events of one type.

    Attributes:
        name: The type.
        url: The page with examples.
        is_chosen: Whether its latencies and examples are shown.
        slot: The colour of its bars.
        events: The number of events.
        thumbs: The share of thumbs up.
        mean: The mean of values that are numbers.
        deviation: Their standard deviation.
        labels: The most frequent labels with their counts.
        other_labels: The number of events with other labels.
    """

    name: str
    url: str
    is_chosen: bool
    slot: int
    events: int
    thumbs: Share | None
    mean: float | None
    deviation: float | None
    labels: Mapping[str, int]
    other_labels: int


@dataclass(frozen=True, slots=True)
class Example:
    """An event.

    Attributes:
        id: Its id.
        time: When the feedback was given.
        version: The model version that answered.
        input: The input, shortened.
        output: The output, shortened.
        value: The feedback.
        comment: The reason.
        latency: How long the answer took, in milliseconds.
    """

    id: str
    time: datetime | None
    version: str
    input: str
    output: str
    value: str
    comment: str
    latency: int | None


@dataclass(frozen=True, slots=True)
class Feedback:
    """The page.

    Attributes:
        deployment: The deployment; empty for all.
        deployments: The deployments with feedback in the range, and the number of events of each.
        spans: The ranges of time to choose from.
        start: The start of the range.
        events: The number of events in it.
        versions: The figures by version, the most events first.
        difference: The difference of the thumbs of two versions; ``None`` unless there are two.
        compared: The names of these versions: the second is subtracted from the first.
        findings: What crosses a threshold.
        thresholds: From when on findings are shown.
        types: The figures by type.
        type: The type whose latencies are shown.
        examples: The latest events of the type; ``None`` if they were not asked for.
        with_examples: The page with examples.
        charts: Shares, latencies and numbers of events over time as pictures; first the shares, if
            there are thumbs.
    """

    deployment: str
    deployments: Sequence[tuple[Choice, int]]
    spans: Sequence[Choice]
    start: datetime
    events: int
    versions: Sequence[VersionFigures]
    difference: DifferenceOfShares | None
    compared: Sequence[str]
    findings: Sequence[Finding]
    thresholds: Sequence[str]
    types: Sequence[TypeFigures]
    type: str
    examples: Sequence[Example] | None
    with_examples: str
    charts: Sequence[Figure] = field(default=(), metadata={"json": False})


async def show(visit: Visit) -> View:
    """Show the feedback on a deployment, or on all."""
    deployment = visit.query("deployment")
    name = visit.query("range") or _DEFAULT_SPAN
    span = SPANS.get(name)
    if span is None:
        reason = f"range must be one of {', '.join(SPANS)}, got {shorten(name)}"
        raise ProblemError(Problem.bad_request(reason))
    time = now()
    found, marks = await asyncio.gather(
        summaries.read(visit.client, deployment, span, time), _marks(visit, deployment, span, time)
    )
    types = list(summaries.counts_by(found.by_type, "feedback_type"))[:_MOST_TYPES]
    chosen = visit.query("type") or (types[0] if types else "")
    versions = [
        version or summaries.NOT_STATED
        for version in summaries.counts_by(found.by_version, "model_version")
    ][:_MOST_VERSIONS]
    shares = summaries.shares_by_version(found.by_version)
    start = span.start(time)
    names = dict(zip(versions, short_names(versions), strict=True))
    pictures = await asyncio.to_thread(
        summaries.draw, found.by_time, names, chosen or None, span, marks
    )
    examples = None
    if visit.query("examples"):
        examples = await _examples(visit, deployment, chosen, found)
    figures = _versions(found, versions, shares, chosen)
    difference, compared = _difference(figures)
    crossed = [
        *findings.of_shares(shares),
        *findings.of_latencies(
            summaries.latencies_by_version(found.recent, chosen or None),
            summaries.latencies_by_version(found.before, chosen or None),
            span_text(span.recent),
        ),
    ]
    data = Feedback(
        deployment,
        _deployments(visit, found, deployment),
        [
            Choice(
                each,
                with_query(visit, "range", "" if each == _DEFAULT_SPAN else each),
                each == name,
            )
            for each in SPANS
        ],
        start,
        sum(summary.count for summary in found.by_type),
        figures,
        difference,
        compared,
        crossed,
        findings.thresholds(crossed),
        [_type(visit, found.by_type, each, slot, chosen) for slot, each in enumerate(types)],
        chosen or summaries.NOT_STATED,
        examples,
        with_query(visit, "examples", "yes"),
        pictures,
    )
    trail = [Link("feedback", visit.url("feedback"))]
    if deployment:
        trail.append(Link(deployment, visit.url("feedback", deployment=deployment)))
    title = f"Feedback on {deployment}" if deployment else "Feedback"
    return View(title, data, tuple(trail), Live(("DeploymentStatus", "DeploymentConfig")))


async def _marks(visit: Visit, deployment: str, span: Span, time: datetime) -> list[Mark]:
    return await marks_of(visit.client, deployment, span.start(time)) if deployment else []


def span_text(length: timedelta) -> str:
    """Return a length of time in words.

    >>> span_text(timedelta(hours=24)), span_text(timedelta(days=7))
    ('24 hours', '7 days')
    """
    hours = length // timedelta(hours=1)
    return f"{hours} hours" if hours <= 24 else f"{hours // 24} days"


def _deployments(visit: Visit, found: Summaries, chosen: str) -> list[tuple[Choice, int]]:
    counts = summaries.counts_by(found.by_deployment, "deployment_id")
    # Events without a deployment are a part of all.
    named = [name for name in counts if name][:_MOST_DEPLOYMENTS]
    if chosen and chosen not in named:
        named.append(chosen)
    everything = Choice("all", visit.url("feedback", range=visit.query("range")), not chosen)
    return [
        (everything, sum(counts.values())),
        *(
            (
                Choice(
                    name,
                    visit.url("feedback", deployment=name, range=visit.query("range")),
                    name == chosen,
                ),
                counts.get(name, 0),
            )
            for name in named
        ),
    ]


def _versions(
    found: Summaries, versions: Sequence[str], shares: Mapping[str, Share], chosen: str
) -> list[VersionFigures]:
    counts = summaries.counts_by(found.by_version, "model_version")
    latencies = summaries.latencies_by_version(found.by_version, chosen or None)
    return [
        VersionFigures(
            version,
            name,
            line_class(slot_of(index)),
            counts["" if version == summaries.NOT_STATED else version],
            shares.get(version),
            latencies.get(version),
        )
        for index, (version, name) in enumerate(zip(versions, short_names(versions), strict=True))
    ]


def _difference(
    versions: Sequence[VersionFigures],
) -> tuple[DifferenceOfShares | None, list[str]]:
    """Return the difference of two versions, of the better one less the other."""
    both = [(each.thumbs, each.name) for each in versions if each.thumbs is not None]
    if len(both) != 2:
        return None, []
    (one, name), (other, other_name) = sorted(both, key=lambda pair: -pair[0].share)
    return findings.difference_of(one, other), [name, other_name]


def _type(
    visit: Visit, by_type: Sequence[Summary], name: str, slot: int, chosen: str
) -> TypeFigures:
    [summary] = [each for each in by_type if (each.feedback_type or "") == name]
    thumbs, numbers = summary.thumbs, summary.numbers
    return TypeFigures(
        name or summaries.NOT_STATED,
        with_query(visit, "type", name),
        name == chosen,
        slot_of(slot),
        summary.count,
        Share.of(thumbs.up, thumbs.up + thumbs.down) if thumbs is not None else None,
        numbers.mean if numbers is not None else None,
        numbers.standard_deviation if numbers is not None else None,
        dict(list(summary.labels.items())[:_MOST_LABELS]),
        summary.other_labels + sum(list(summary.labels.values())[_MOST_LABELS:]),
    )


async def _examples(visit: Visit, deployment: str, chosen: str, found: Summaries) -> list[Example]:
    """Return the latest events of a type, from the last hours that have enough."""
    times = [
        summary.start_time
        for summary in found.by_time
        if summary.start_time is not None and (summary.feedback_type or "") == chosen
    ]
    if not times:
        return []
    events = EventFilter(
        deployment_id=deployment or None,
        feedback_types=[chosen] if chosen else (),
        start_time=max(times),
    )
    hours = await visit.client.summarize(events, bucket=timedelta(hours=1))
    start, count = max(times), 0
    for hour in sorted(hours, key=lambda each: each.start_time or start, reverse=True):
        start = hour.start_time or start
        count += hour.count
        if count >= _EXAMPLES:
            break
    latest: deque[FeedbackEvent] = deque(maxlen=_EXAMPLES)
    number = 0
    async for event in visit.client.export(replace(events, start_time=start)):
        latest.append(event)
        number += 1
        if number == _MOST_READ:
            break
    examples = [_example(event) for event in latest]
    return sorted(examples, key=lambda each: each.time or start, reverse=True)


def _example(event: FeedbackEvent) -> Example:
    has_time = event.HasField("timestamp")
    return Example(
        event.id,
        event.timestamp.ToDatetime(tzinfo=UTC) if has_time else None,
        event.model_version,
        _text(event.input) if event.HasField("input") else "",
        _text(event.output) if event.HasField("output") else "",
        _text(event.feedback_value) if event.HasField("feedback_value") else "",
        event.comment,
        event.latency_ms if event.HasField("latency_ms") else None,
    )


def _text(message: Message) -> str:
    """Return opaque JSON as one line of text, shortened."""
    try:
        value = json.loads(to_crucible_json(message))
    except EncodeError as error:
        return str(error)
    if isinstance(value, dict):
        text = "; ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    else:
        text = _plain(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


PAGES = (Page("/feedback", show, "feedback.html", label="Feedback", key="f"),)
ACTIONS = ()
