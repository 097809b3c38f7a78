"""``crucible-ir summarize``: summarize the feedback events of an exchange, or of files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from crucible_ir.bulk.table_formats import table_format_of
from crucible_ir.cli.commands.exchange.connection import Server, json_text, server_options
from crucible_ir.cli.commands.exchange.event_filter import event_filter_options
from crucible_ir.cli.commands.exchange.event_reader import EventReader, event_files
from crucible_ir.cli.options import DURATION, format_option, read_options_for
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID, Session
from crucible_ir.errors import DecodeError

if TYPE_CHECKING:
    from crucible_ir.cli.files.inputs import ReadOptions
    from crucible_ir.exchange import EventFilter, v1
    from crucible_ir.exchange.client.results import Summary

_EXAMPLES = (
    ("crucible-ir summarize", "All events, by type."),
    (
        "crucible-ir summarize --type thumbs --bucket 1d --by model_version",
        "The share of thumbs up for each day and model version.",
    ),
    (
        "crucible-ir summarize --deployment deploy_prod --since 2025-12-01 --format json",
        "With percentiles, histograms and labels, as JSON.",
    ),
    (
        "crucible-ir summarize --bucket 1d events/ late.jsonl.gz",
        "The events of a folder of Parquet files and of a stream, without an exchange.",
    ),
)

#: The most labels in a table.
_LABELS_SHOWN = 3


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--bucket",
    type=DURATION,
    metavar="DURATION",
    help="The length of time buckets, such as 15m, 1h or 1d; by default one for all time.",
)
@click.option(
    "--by",
    "group_by",
    type=click.Choice(["deployment", "model_version", "name"]),
    multiple=True,
    help="Group by this too; repeatable.",
)
@event_filter_options
@format_option("A table (tab-separated in a pipe), or a line of JSON for each summary.")
@server_options
@read_options_for("FeedbackEvent")
@click.pass_obj
def command(
    session: Session,
    files: tuple[str, ...],
    bucket: timedelta | None,
    group_by: tuple[str, ...],
    events: Callable[[], EventFilter],
    output_format: str,
    server: Server,
    read_options: ReadOptions,
) -> int:
    """Summarize the feedback events of an exchange, or of files.

    Events are grouped by their type: their number, the median and 95th percentile of their
    latencies, the share of thumbs up, the mean and standard deviation of numbers such as ratings,
    and the most frequent labels. Buckets of whole hours are fast with any number of events; shorter
    ones need --since and --until.

    FILE is a stream of events, a single event, a Parquet or Arrow file, or a folder of these. The
    summaries are those of an exchange that has ingested the files in their order: an id counts
    once, and events that another one supersedes do not count. Files need the extra
    crucible-ir[duckdb]. The exit status is 1 if a record is bad, and 2 if a file cannot be read.
    """
    if files:
        _reject_options_of_calls()
        status, summaries = _of_files(
            session, files, read_options, events().summarize(bucket, group_by)
        )
    else:
        status, summaries = GOOD, _of_exchange(server, events(), bucket, group_by)
    if summaries is None:
        return status
    if output_format == "json":
        for summary in summaries:
            print(json_text(_json(summary), indent=None))
    else:
        _print_table(session, summaries, group_by, has_buckets=bucket is not None)
    return status


def _of_exchange(
    server: Server, events: EventFilter, bucket: timedelta | None, group_by: Sequence[str]
) -> list[Summary]:
    from crucible_ir.exchange import InvalidDocumentError

    with server.connect() as client:
        try:
            return client.summarize(events, bucket=bucket, group_by=group_by)
        except InvalidDocumentError as error:
            raise click.UsageError(str(error)) from None


def _of_files(
    session: Session,
    files: Sequence[str],
    read_options: ReadOptions,
    request: v1.SummarizeRequest,
) -> tuple[int, list[Summary] | None]:
    """Return the exit status, and the summaries unless a file cannot be read."""
    from crucible_ir.bulk.event_summaries import EventSummaries
    from crucible_ir.bulk.event_tables import open_event_table
    from crucible_ir.validation.check import violations

    if broken := violations(request):
        raise click.UsageError("; ".join(map(str, broken)))
    reader = EventReader(session, read_options, validate=True)
    with open_event_table() as table:
        for source in event_files(files, read_options):
            tables = {"parquet": table.add_parquet, "arrow": table.add_arrow}
            add = tables.get(table_format_of(source.name) or "")
            if add is None:
                table.add_events(reader.events([source]))
            else:
                reader.add_table(source, add)
            if reader.status == COULD_NOT_RUN:
                return reader.status, None
        try:
            counted = EventSummaries(table)
            summaries = list(counted.summarize(request))
        except DecodeError as error:
            session.print_error(str(error))
            return INVALID, None
        if without := counted.count_without_time(request):
            noun = "event has" if without == 1 else "events have"
            session.print_error(f"{without} {noun} no timestamp, and so no place in time: left out")
    return reader.status, summaries


#: The parameters of `server_options` that only calls use.
_OF_CALLS: Final = {
    "target": "--server",
    "token_file": "--token-file",
    "ca": "--ca",
    "certificate": "--certificate",
    "key": "--key",
    "timeout": "--timeout",
}


def _reject_options_of_calls() -> None:
    """Reject the options of calls beside files; variables that have their effect are ignored."""
    context = click.get_current_context()
    for parameter, option in _OF_CALLS.items():
        if context.get_parameter_source(parameter) == ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{option} is for the events of an exchange, without files")


def _json(summary: Summary) -> dict[str, object]:
    from dataclasses import asdict

    values = asdict(summary)
    if summary.start_time is not None:
        values["start_time"] = f"{summary.start_time:%Y-%m-%dT%H:%M:%SZ}"
    if summary.numbers is not None:
        values["numbers"]["histogram"] = [
            {"value": value, "count": count} for value, count in summary.numbers.histogram.items()
        ]
    values["labels"] = [{"label": label, "count": count} for label, count in summary.labels.items()]
    return values


def _print_table(
    session: Session, summaries: Sequence[Summary], group_by: Sequence[str], *, has_buckets: bool
) -> None:
    from crucible_ir.cli.views.table import Column, Row, print_table

    attributes = {"deployment": "deployment_id"}
    groups = [name for name in ("deployment", "model_version", "name") if name in group_by]
    columns = [
        *([Column("time")] if has_buckets else []),
        Column("type"),
        *(Column(name.replace("_", " "), least=12) for name in groups),
        Column("events", is_number=True),
        Column("p50 ms", is_number=True),
        Column("p95 ms", is_number=True),
        Column("up", is_number=True),
        Column("mean", is_number=True),
        Column("deviation", is_number=True, is_optional=True),
        Column("labels", least=12, is_optional=True),
    ]
    rows = []
    for each in summaries:
        start = [] if each.start_time is None else [f"{each.start_time:%Y-%m-%d %H:%M:%S}Z"]
        latency, thumbs, numbers = each.latency, each.thumbs, each.numbers
        labels = list(each.labels.items())[:_LABELS_SHOWN]
        rows.append(
            Row(
                [
                    *start,
                    each.feedback_type or "",
                    *(getattr(each, attributes.get(name, name)) or "" for name in groups),
                    str(each.count),
                    "" if latency is None else str(latency.p50_ms),
                    "" if latency is None else str(latency.p95_ms),
                    "" if thumbs is None else f"{thumbs.share_up:.1%}",
                    "" if numbers is None else f"{numbers.mean:.4g}",
                    "" if numbers is None else f"{numbers.standard_deviation:.4g}",
                    ", ".join(f"{label} {count}" for label, count in labels),
                ]
            )
        )
    print_table(session.out(), columns, rows)
