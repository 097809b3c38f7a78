"""``crucible-ir metrics``: show the metrics of a training run, or write those of many."""

from __future__ import annotations

import csv
import math
import sys
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from crucible_ir.cli.commands.exchange.connection import (
    Server,
    json_text,
    record_json,
    server_options,
)
from crucible_ir.cli.commands.exchange.metrics_table import EXTENSIONS, MetricsTable
from crucible_ir.cli.files.inputs import names_files
from crucible_ir.cli.options import add_read_options, force_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crucible_ir.cli.console import Console
    from crucible_ir.cli.files.inputs import ReadOptions
    from crucible_ir.exchange import MetricsPoint, RunMetrics

_EXAMPLES = (
    ("crucible-ir metrics run_007", "A line for each metric: its last, least and greatest value."),
    (
        "crucible-ir metrics run_007 --keys loss --format csv > loss.csv",
        "All values of one metric, for a spreadsheet.",
    ),
    ("crucible-ir metrics run_007 --max-points 500 --format json", "What a plot needs."),
    (
        "crucible-ir metrics runs.jsonl run_007 -o metrics.parquet",
        "All values of the runs in a file and of one in the exchange, as a table.",
    ),
)

#: The points of each metric that the text needs; more would look the same.
_DRAWN: Final = 242

#: The most characters of a trend, and those from the least value to the greatest.
_WIDTH: Final = 40
_BARS: Final = "▁▂▃▄▅▆▇█"
_NOT_A_NUMBER: Final = "!"


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("sources", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Write all values of all runs to FILE.parquet, FILE.arrow or FILE.csv, a row for each.",
)
@click.option(
    "--keys",
    "keys",
    multiple=True,
    metavar="NAME",
    help="Only the metric of this name; repeatable.",
)
@click.option(
    "--max-points",
    type=click.IntRange(5, 10_000),
    metavar="N",
    help="At most N points of each metric, with the least and greatest values; all by default.",
)
@click.option(
    "--first",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Begin with the snapshot at this position, counted from 0.",
)
@click.option(
    "--revision",
    type=click.IntRange(min=1),
    metavar="N",
    help="The revision; by default the latest.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="A table (tab-separated in a pipe), one JSON object, or a table for spreadsheets.",
)
@force_option()
@add_read_options
@server_options
@click.pass_context
def command(
    context: click.Context,
    sources: tuple[str, ...],
    output: str | None,
    keys: tuple[str, ...],
    max_points: int | None,
    first: int,
    revision: int | None,
    output_format: str,
    force: bool,
    read_options: ReadOptions,
    server: Server,
) -> int:
    """Show the metrics of a training run.

    The text has a line for each metric: its number of points, its last, least and greatest value,
    and its trend. The number of points counts all snapshots only with --format json or csv, or if
    the run is short. The exit status is 1 if the exchange does not have the run, or none of its
    metrics.

    With --output, RUN may also be a file of runs in any format of this package, a folder or `-`,
    and there may be several. The columns of the table are run, position (of the snapshot, from 0),
    step, epoch, time, name and value. The exit status is 1 if a record is bad; those before it are
    written.
    """
    session: Session = context.obj
    if output is not None:
        _reject_options(context, ("max_points", "first", "output_format"))
        table = MetricsTable(session, read_options, server, keys, revision)
        return table.write(sources, output, force=force)
    id_, *others = sources
    if others or names_files(id_, read_options):
        raise click.UsageError(
            "the metrics of files or of several runs are written to a table: give --output"
            f" with a name that ends in {' or '.join(EXTENSIONS)}"
        )
    return _show(session, id_, keys, max_points, first, revision, output_format, server)


def _reject_options(context: click.Context, names: Sequence[str]) -> None:
    """Reject options that a table cannot follow."""
    for name in names:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            [option] = [each for each in context.command.params if each.name == name]
            raise click.UsageError(f"{option.opts[0]} does not go together with --output")


def _show(
    session: Session,
    id_: str,
    keys: tuple[str, ...],
    max_points: int | None,
    first: int,
    revision: int | None,
    output_format: str,
    server: Server,
) -> int:
    """Print the metrics of a run in the exchange."""
    from crucible_ir.exchange import NotFoundError

    if output_format == "text" and max_points is None:
        max_points = _DRAWN
    try:
        with server.connect() as client:
            metrics = client.read_metrics(
                id_, keys=keys, max_points=max_points, first=first, revision=revision
            )
    except NotFoundError as error:
        session.print_error(str(error))
        return INVALID
    if output_format == "json":
        print(json_text(_json(metrics)))
    elif output_format == "csv":
        _write_csv(metrics.points)
    else:
        _print(session.out(), metrics)
        if not server.quiet:
            _print_summary(session, metrics)
    if metrics.points:
        return GOOD
    session.print_error(_nothing(id_, keys, first))
    return INVALID


def _nothing(id_: str, keys: Sequence[str], first: int) -> str:
    """Say why there are no points, and what would show which there are."""
    where = f" from position {first} on" if first else ""
    if not keys:
        return f"TrainingRun {id_!r} has no snapshots{where}"
    names = ", ".join(f'"{key}"' for key in keys)
    return f"TrainingRun {id_!r} has no metric {names}{where}; without --keys, all are shown"


def _json(metrics: RunMetrics) -> dict[str, object]:
    from crucible_ir import to_dict

    return {
        "record": record_json(metrics.record),
        "run": to_dict(metrics.run),
        "count": metrics.count,
        "points": [
            {"position": point.position, "snapshot": to_dict(point.snapshot)}
            for point in metrics.points
        ],
    }


def _names(points: Sequence[MetricsPoint]) -> list[str]:
    """Return the names of the metrics, in the order of their first points."""
    return list(dict.fromkeys(key for point in points for key in sorted(point.snapshot.values)))


def _write_csv(points: Sequence[MetricsPoint]) -> None:
    names = _names(points)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["position", "step", "epoch", "time", *names])
    for point in points:
        snapshot = point.snapshot
        values = snapshot.values
        row: list[Any] = [
            point.position,
            snapshot.step if snapshot.HasField("step") else "",
            snapshot.epoch if snapshot.HasField("epoch") else "",
            snapshot.time.ToJsonString() if snapshot.HasField("time") else "",
            *(values.get(name, "") for name in names),
        ]
        writer.writerow(row)


def _print(console: Console, metrics: RunMetrics) -> None:
    from crucible_ir.cli.views.table import Column, Row, print_table

    columns = (
        Column("metric", least=12),
        Column("points", is_number=True, is_optional=True),
        Column("last", is_number=True),
        Column("least", is_number=True),
        Column("greatest", is_number=True),
        Column("trend", is_optional=True),
    )
    rows = []
    for name in _names(metrics.points):
        values = [
            point.snapshot.values[name] for point in metrics.points if name in point.snapshot.values
        ]
        numbers = [value for value in values if not math.isnan(value)]
        ends = (values[-1], min(numbers, default=math.nan), max(numbers, default=math.nan))
        rows.append(
            Row(
                [name, str(len(values)), *(f"{value:.6g}" for value in ends), trend(values)],
                "" if math.isfinite(values[-1]) else "bad",
            )
        )
    print_table(console, columns, rows)


def _print_summary(session: Session, metrics: RunMetrics) -> None:
    from crucible_ir.schema import vocabulary
    from crucible_ir.v1 import TrainingStatus

    run = metrics.run
    status = vocabulary.names(TrainingStatus.DESCRIPTOR).get(run.status, "") if run.status else ""
    parts = [f"{metrics.count:,} snapshots"]
    if run.HasField("current_step"):
        parts.append(f"step {run.current_step}")
    if status:
        parts.append(status)
    print(f"{metrics.record.id}: {', '.join(parts)}", file=sys.stderr)


def trend(values: Sequence[float], width: int = _WIDTH) -> str:
    """Return a line of characters that are as high as the values.

    >>> trend([0, 1, 2, 3, float("nan"), 7])
    '▁▂▃▄!█'
    """
    finite = [value for value in values if math.isfinite(value)]
    least, greatest = min(finite, default=0.0), max(finite, default=0.0)
    parts = min(width, len(values))
    line = []
    for number in range(parts):
        part = values[number * len(values) // parts : (number + 1) * len(values) // parts]
        kept = [value for value in part if math.isfinite(value)]
        if len(kept) < len(part):
            line.append(_NOT_A_NUMBER)
            continue
        # Half of each, as the difference of two doubles may be infinite.
        spread = greatest / 2 - least / 2
        share = (sum(value / len(kept) for value in kept) / 2 - least / 2) / spread if spread else 0
        line.append(_BARS[min(len(_BARS) - 1, max(0, int(share * len(_BARS))))])
    return "".join(line)
