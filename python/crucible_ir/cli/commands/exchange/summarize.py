"""``crucible-ir summarize``: summarize the feedback events of an exchange."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from crucible_ir.cli.commands.exchange.connection import Server, json_text, server_options
from crucible_ir.cli.commands.exchange.event_filter import event_filter_options
from crucible_ir.cli.options import DURATION, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, Session

if TYPE_CHECKING:
    from crucible_ir.exchange import EventFilter
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
)

#: The most labels in a table.
_LABELS_SHOWN = 3


@click.command(cls=Command, examples=_EXAMPLES)
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
@click.pass_obj
def command(
    session: Session,
    bucket: timedelta | None,
    group_by: tuple[str, ...],
    events: Callable[[], EventFilter],
    output_format: str,
    server: Server,
) -> int:
    """Summarize the feedback events of an exchange.

    Events are grouped by their type: their number, the median and 95th percentile of their
    latencies, the share of thumbs up, the mean and standard deviation of numbers such as ratings,
    and the most frequent labels. Buckets of whole hours are fast with any number of events; shorter
    ones need --since and --until.
    """
    from crucible_ir.exchange import InvalidDocumentError

    with server.connect() as client:
        try:
            summaries = client.summarize(events(), bucket=bucket, group_by=group_by)
        except InvalidDocumentError as error:
            raise click.UsageError(str(error)) from None
    if output_format == "json":
        for summary in summaries:
            print(json_text(_json(summary), indent=None))
    else:
        _print_table(session, summaries, group_by, has_buckets=bucket is not None)
    return GOOD


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
