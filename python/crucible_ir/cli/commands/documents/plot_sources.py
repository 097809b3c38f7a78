"""Collects what `crucible-ir plot` draws, from files and an exchange, and draws it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from crucible_ir.cli.commands.exchange.connection import Server
from crucible_ir.cli.files.inputs import InputFile, ReadOptions, input_files, names_files
from crucible_ir.cli.files.stream_reader import print_file_error, read_messages
from crucible_ir.cli.options import DOCUMENT_KEY
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import DecodeError, EncodeError, near_miss, plural
from crucible_ir.plotting import AxisKind, Figure, Mark, Size, draw_curves, draw_results, slot_of
from crucible_ir.plotting.documents.evaluations import result_charts
from crucible_ir.plotting.documents.feedback import (
    MOST_SPANS,
    NO_NAME,
    FeedbackCounts,
    FeedbackTally,
    feedback_figures,
    usual_step,
)
from crucible_ir.plotting.documents.runs import Over, RunHistory, metric_chart, metric_names
from crucible_ir.plotting.standalone import LegendEntry
from crucible_ir.schema.references import DocumentKey
from crucible_ir.schema.types import content_of
from crucible_ir.v1 import (
    DeploymentConfig,
    Document,
    EvaluationResult,
    FeedbackEvent,
    MetricsSnapshot,
    TrainingRun,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange.client.blocking_client import ExchangeClient
    from crucible_ir.exchange.client.results import Summary

_RUN: Final = TrainingRun.DESCRIPTOR.name
_EVALUATION: Final = EvaluationResult.DESCRIPTOR.name
_DEPLOYMENT: Final = DeploymentConfig.DESCRIPTOR.name
_EVENT: Final = FeedbackEvent.DESCRIPTOR.name
_DRAWN: Final = f"expected {_RUN}, {_EVALUATION} or {_EVENT}"
#: The most revisions of a deployment that are looked at for its versions.
_REVISIONS: Final = 200
_DAY: Final = 86_400
#: The runs from which charts are larger.
_MANY: Final = 9


@dataclass(slots=True)
class _Feedback:
    """The feedback of one source: an exchange's deployment, or all files."""

    title: str
    step: int
    counts: list[FeedbackCounts]
    marks: list[Mark] = field(default_factory=list)
    #: The type of the events whose latencies these are. None: all.
    latency_type: str | None = None


class Plotted:
    """The documents to draw.

    Attributes:
        runs: The training runs, each once.
        evaluations: The results of evaluations.
        feedback: The feedback.
        status: The exit status that reading leads to.
    """

    def __init__(
        self,
        session: Session,
        read_options: ReadOptions,
        server: Server,
        bucket: timedelta | None,
        max_points: int,
    ) -> None:
        self.runs: dict[str, RunHistory] = {}
        self.evaluations: list[EvaluationResult] = []
        self.feedback: list[_Feedback] = []
        self.status = GOOD
        self._session = session
        self._read_options = read_options
        self._server = server
        self._step = None if bucket is None else int(bucket.total_seconds())
        self._max_points = max_points
        self._tally = FeedbackTally(self._step)
        #: The first document of the exchange, until it has answered.
        self._unanswered: str | None = None
        self._histories: dict[str, list[MetricsSnapshot]] = {}

    def read(self, sources: Iterable[str]) -> None:
        """Read files and documents of an exchange, in the order given.

        Raises:
            CannotRunError: A file or the exchange cannot be read.
        """
        try:
            with ExitStack() as stack:
                client: ExchangeClient | None = None
                for source in sources:
                    if names_files(source, self._read_options):
                        self._read_files(source)
                        continue
                    if client is None:
                        self._unanswered = source
                        client = stack.enter_context(self._server.connect())
                    self._fetch(client, _key_of(source))
                    self._unanswered = None
        except CannotRunError as error:
            if self._unanswered is None:
                raise
            # The name of a file may be wrong.
            raise CannotRunError(f'there is no file "{self._unanswered}", and {error}') from None
        for id_, snapshots in self._histories.items():
            self.runs[id_] = RunHistory(id_, snapshots)
        for run in self.runs.values():
            if not any(snapshot.values for snapshot in run.snapshots):
                self._problem(f'{_RUN} "{run.id}" has no metrics that are numbers')
        if self._tally.count:
            step, counts = self._tally.counts()
            self._check_spans(counts, step)
            self.feedback.append(_Feedback("feedback", step, counts))
            if self._tally.without_time:
                self._problem(
                    f"{plural(self._tally.without_time, 'event')} without a timestamp"
                    f" {'is' if self._tally.without_time == 1 else 'are'} not drawn"
                )

    def title(self) -> str:
        """Describe the documents drawn."""
        parts = []
        if self.runs:
            only = next(iter(self.runs))
            parts.append(only if len(self.runs) == 1 else f"{len(self.runs)} training runs")
        if self.evaluations:
            parts.append(plural(len(self.evaluations), "evaluation"))
        parts += [feedback.title for feedback in self.feedback]
        return ", ".join(parts)

    def _problem(self, words: str) -> None:
        self.status = max(self.status, INVALID)
        self._session.print_error(words)

    def _read_files(self, argument: str) -> None:
        for source in input_files([argument], self._read_options):
            try:
                self._read_file(source)
            except (CannotRunError, DecodeError, EncodeError) as error:
                # What came before a bad record is drawn.
                status = print_file_error(self._session, source.name, error)
                self.status = max(self.status, status)

    def _read_file(self, source: InputFile) -> None:
        others: Counter[str] = Counter()
        for _, message in read_messages(source, self._read_options):
            if not self._add(message):
                others[message.DESCRIPTOR.name] += 1
        for name, count in others.items():
            words = name if count == 1 else f"{count} {name} records"
            self._problem(f"{source.name}: nothing to draw in {words}: {_DRAWN}")

    def _add(self, message: Message) -> bool:
        """Take a message; return whether it can be drawn."""
        if isinstance(message, Document):
            content = content_of(message)
            return content is not None and self._add(content)
        if isinstance(message, TrainingRun):
            self._add_run(message)
        elif isinstance(message, EvaluationResult):
            self.evaluations.append(message)
        elif isinstance(message, FeedbackEvent):
            self._tally.add(message)
        else:
            return False
        return True

    def _add_run(self, run: TrainingRun) -> None:
        """Take a run, or the next part of one: a tracker's file has a record for each part."""
        history = self._histories.setdefault(run.id, [])
        new = run.metrics_history
        # The run again, with what it has now.
        if history and len(new) >= len(history) and new[0] == history[0]:
            history.clear()
        history += new

    def _fetch(self, client: ExchangeClient, key: DocumentKey) -> None:
        from crucible_ir.exchange import NotFoundError

        try:
            if key.type == _RUN:
                metrics = client.read_metrics(key.id, max_points=self._max_points)
                snapshots = [point.snapshot for point in metrics.points]
                self.runs[key.id] = RunHistory(key.id, snapshots, metrics.count)
            elif key.type == _EVALUATION:
                content = client.get(key.type, key.id).content
                if content is not None:
                    self._add(content)
            elif key.type == _DEPLOYMENT:
                self.feedback.append(self._deployment(client, key.id))
            else:
                raise click.UsageError(
                    f"nothing to draw in {key.type}: expected {_RUN}, {_EVALUATION} or"
                    f" {_DEPLOYMENT}"
                )
        except NotFoundError as error:
            self._problem(str(error))

    def _deployment(self, client: ExchangeClient, id_: str) -> _Feedback:
        """Return the feedback on a deployment, with marks where its version changed."""
        from crucible_ir.exchange import EventFilter

        events = EventFilter(id_)
        step = self._step or _DAY
        summaries = self._summaries(client, events, step)
        if self._step is None and summaries:
            starts = [_seconds(summary) for summary in summaries]
            usual = usual_step(max(starts) - min(starts) + _DAY)
            if usual != step:
                step = usual
                summaries = self._summaries(client, events, step)
        latency_type = _latency_type(summaries)
        counts = _counts(summaries, latency_type)
        self._check_spans(counts, step)
        revisions = []
        for place, stored in enumerate(
            client.list_revisions(_DEPLOYMENT, id_, include_documents=True)
        ):
            if place == _REVISIONS:
                break
            revisions.append(stored)
        marks = []
        version = None
        first = min((count.start for count in counts), default=0.0)
        for stored in reversed(revisions):
            content = stored.content
            if isinstance(content, DeploymentConfig) and content.model_version_id != version:
                version = content.model_version_id
                time = stored.record.update_time.timestamp()
                if time >= first:
                    marks.append(Mark(time, version))
        return _Feedback(f"feedback on {id_}", step, counts, marks, latency_type)

    def _summaries(self, client: ExchangeClient, events: Any, step: int) -> list[Summary]:
        from crucible_ir.exchange import InvalidDocumentError

        try:
            return client.summarize(
                events, bucket=timedelta(seconds=step), group_by=["model_version"]
            )
        except InvalidDocumentError as error:
            raise click.UsageError(str(error)) from None

    def _check_spans(self, counts: Sequence[FeedbackCounts], step: int) -> None:
        starts = [count.start for count in counts]
        if starts and (max(starts) - min(starts)) / step > MOST_SPANS:
            raise click.UsageError(
                f"--bucket: the events span more than {MOST_SPANS:,} windows; give longer ones"
            )


def _key_of(source: str) -> DocumentKey:
    """Return the document that an argument names: TYPE/ID, or the id of a run."""
    from crucible_ir.schema.types import document_members

    type_name, slash, id_ = source.partition("/")
    if slash and id_ and type_name in document_members():
        return DOCUMENT_KEY.convert(source, None, None)
    return DocumentKey(_RUN, source)


def _seconds(summary: Summary) -> float:
    assert summary.start_time is not None
    return summary.start_time.timestamp()


def _latency_type(summaries: Iterable[Summary]) -> str | None:
    """Return the type of most latencies, if several have some.

    Percentiles of several types cannot be added up.
    """
    latencies: Counter[str] = Counter()
    for summary in summaries:
        if summary.latency is not None:
            latencies[summary.feedback_type or NO_NAME] += summary.latency.count
    return latencies.most_common(1)[0][0] if len(latencies) > 1 else None


def _counts(summaries: Iterable[Summary], latency_type: str | None) -> list[FeedbackCounts]:
    """Return the counts of each time and version, from the summaries of each type."""
    counts: dict[tuple[float, str | None], FeedbackCounts] = {}
    for summary in summaries:
        key = _seconds(summary), summary.model_version
        count = counts.setdefault(key, FeedbackCounts(*key))
        type_ = summary.feedback_type or NO_NAME
        count.types[type_] += summary.count
        if summary.thumbs is not None:
            count.up += summary.thumbs.up
            count.down += summary.thumbs.down
        latency = summary.latency
        if latency is not None and latency_type in (None, type_):
            count.percentiles = {50: latency.p50_ms, 90: latency.p90_ms, 99: latency.p99_ms}
    return list(counts.values())


@dataclass(frozen=True, slots=True)
class Drawing:
    """How to draw, as the options of the command say."""

    metrics: tuple[str, ...]
    over: str
    scale: str
    smoothing: float
    max_points: int
    baseline: str | None

    def draw(self, plotted: Plotted) -> tuple[list[Figure], list[Figure], list[LegendEntry]]:
        """Return the figures of runs, the others, and the names of the runs with their colours.

        Raises:
            UsageError: There is no metric or evaluation of a name.
        """
        self._check(plotted)
        results = result_charts(plotted.evaluations, self.metrics, self.baseline)
        others = [*map(draw_results, results)]
        for feedback in plotted.feedback:
            others += feedback_figures(
                feedback.counts, feedback.step, feedback.marks, feedback.latency_type
            )
        legend = [LegendEntry(id_, slot_of(index)) for index, id_ in enumerate(plotted.runs)]
        curves = [*self._runs(list(plotted.runs.values()))]
        return curves, others, legend[:_MANY] if len(legend) > 1 else []

    def _runs(self, runs: Sequence[RunHistory]) -> Iterator[Figure]:
        names = [name for name in metric_names(runs) if not self.metrics or name in self.metrics]
        for name in names:
            yield draw_curves(
                metric_chart(
                    name,
                    runs,
                    over=None if self.over == "auto" else Over[self.over.upper()],
                    scale=None if self.scale == "auto" else AxisKind[self.scale.upper()],
                    smoothing=self.smoothing,
                    max_points=self.max_points,
                    size=Size.LARGE if len(names) == 1 else Size.MEDIUM,
                )
            )

    def _check(self, plotted: Plotted) -> None:
        """Check that what the options name exists."""
        known = dict.fromkeys(metric_names(plotted.runs.values()))
        known |= dict.fromkeys(m.name for e in plotted.evaluations for m in e.metrics)
        for name in self.metrics:
            if name not in known:
                there = f"; there are {', '.join(list(known)[:10])}" if known else ""
                raise click.UsageError(f'no metric "{name}"{near_miss(name, known) or there}')
        ids = [result.id for result in plotted.evaluations]
        if self.baseline is not None and self.baseline not in ids:
            raise click.UsageError(
                f'--baseline: no evaluation "{self.baseline}"{near_miss(self.baseline, ids)}'
            )
