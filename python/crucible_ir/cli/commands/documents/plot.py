"""``crucible-ir plot``: draw training curves, feedback and evaluations."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click

from crucible_ir.cli.commands.exchange.connection import Server, server_options
from crucible_ir.cli.files.inputs import STANDARD, ReadOptions
from crucible_ir.cli.files.outputs import check_overwriting, write_output
from crucible_ir.cli.options import DURATION, FiniteRange, add_read_options, force_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session, reason_of
from crucible_ir.errors import plural, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crucible_ir.plotting import Figure
    from crucible_ir.plotting.standalone import LegendEntry

_EXAMPLES = (
    (
        "crucible-ir plot examples/fine_tuning_run.yaml -o run.html",
        "All metrics of a run, as one page.",
    ),
    (
        "crucible-ir plot examples/*run*.* --metric loss --smoothing 0.9 -o loss.svg",
        "One metric of several runs, as one picture.",
    ),
    ("crucible-ir plot examples/evaluation.yaml -o results.svg", "The results of an evaluation."),
    (
        "crucible-ir plot examples/feedback_events.crucible.jsonl --bucket 1m -o charts/",
        "Feedback by model version, an SVG file for each chart.",
    ),
    (
        "crucible-ir plot run_007 run_008 --server 127.0.0.1:7551 -o runs.html",
        "Runs of an exchange.",
    ),
    (
        "crucible-ir plot DeploymentConfig/deploy_prod --server 127.0.0.1:7551 -o feedback.html",
        "The feedback on a deployment.",
    ),
)

_PAGES: Final = (".html", ".htm")
_PICTURES: Final = (".svg",)
#: The most sources that an error names.
_SHOWN: Final = 8


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("sources", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--output",
    "-o",
    default=STANDARD,
    metavar="PATH",
    help="FILE.svg, FILE.html, or a folder for an SVG file of each chart; by default one SVG on"
    " standard output.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Only the metric of this name, of runs and evaluations; repeatable.",
)
@click.option(
    "--x",
    "over",
    type=click.Choice(["auto", "step", "epoch", "time", "snapshot"]),
    default="auto",
    show_default=True,
    help="The horizontal axis of runs; by default what all of them state.",
)
@click.option(
    "--scale",
    type=click.Choice(["auto", "linear", "log"]),
    default="auto",
    show_default=True,
    help="The vertical axis of runs; by default logarithmic from two decades on.",
)
@click.option(
    "--smoothing",
    type=FiniteRange(0, 0.99),
    default=0.0,
    show_default=True,
    metavar="WEIGHT",
    help="Draw a centred mean of runs' values too, from 0 (none) to 0.99.",
)
@click.option(
    "--max-points",
    type=click.IntRange(5, 10_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="At most N points of each curve, with the least and greatest values.",
)
@click.option(
    "--baseline",
    metavar="ID",
    help="The evaluation that the others are compared with.",
)
@click.option(
    "--bucket",
    type=DURATION,
    metavar="DURATION",
    help="The length of feedback's time windows, such as 1h or 1d; by default by its time span.",
)
@click.option(
    "--title",
    metavar="TEXT",
    help="The title. Default: the names or the number of the documents drawn.",
)
@click.option(
    "--theme",
    type=click.Choice(["auto", "light", "dark"]),
    default="auto",
    show_default=True,
    help="The colours; by default those that the reader's system prefers.",
)
@force_option()
@add_read_options
@server_options
@click.pass_obj
def command(
    session: Session,
    sources: tuple[str, ...],
    output: str,
    metrics: tuple[str, ...],
    over: str,
    scale: str,
    smoothing: float,
    max_points: int,
    baseline: str | None,
    bucket: timedelta | None,
    title: str | None,
    theme: str,
    force: bool,
    read_options: ReadOptions,
    server: Server,
) -> int:
    """Draw training curves, feedback and evaluations as SVG or HTML.

    RUN is a file in any format of this package, a folder, `-` for standard input, or else the id of
    a training run in an exchange, or TYPE/ID of another document there. Training runs become a
    chart of each metric, evaluation results a chart of each metric of each task, and feedback
    events, also those of a DeploymentConfig in an exchange, charts of their thumbs, latencies and
    numbers by model version.

    The SVG and HTML files need nothing else, and have no scripts. The exit status is 1 if a record
    is bad or a document has nothing to draw; the others are drawn.
    """
    from crucible_ir.cli.commands.documents.plot_sources import Drawing, Plotted
    from crucible_ir.plotting.standalone import html_page, svg_file

    writing = _output_kind(output)
    if writing != "folder":
        check_overwriting([output], force=force)
    plotted = Plotted(session, read_options, server, bucket, max_points)
    plotted.read(sources)
    drawing = Drawing(metrics, over, scale, smoothing, max_points, baseline)
    curves, others, legend = drawing.draw(plotted)
    figures = [*curves, *others]
    if not figures:
        if plotted.status == GOOD:
            session.print_error(f"nothing to draw in {', '.join(sources[:_SHOWN])}")
        return max(plotted.status, INVALID)
    if writing == "folder":
        files = _write_folder(output, curves, others, legend, theme, force)
    else:
        to_text = html_page if writing == "page" else svg_file
        text = to_text(title or plotted.title(), figures, legend=legend, theme=theme)
        write_output(output, text.encode(), force=force)
    if output != STANDARD and not server.quiet:
        where = printable(output)
        words = f"{where}: {plural(len(figures), 'chart')}"
        if writing == "folder":
            words += f", {plural(files, 'file')}"
        session.out().print(words, style="good" if plotted.status == GOOD else "warn")
    return plotted.status


def _output_kind(output: str) -> str:
    """Return what to write: a picture, a page or a folder."""
    if output.endswith(("/", os.sep)) or os.path.isdir(output):
        return "folder"
    lower = output.lower()
    if output == STANDARD or lower.endswith(_PICTURES):
        return "picture"
    if lower.endswith(_PAGES):
        return "page"
    raise click.UsageError(
        f'--output "{output}": expected a file that ends in .svg or .html, or a folder, which ends'
        f" in {os.sep}"
    )


def _write_folder(
    output: str,
    curves: Sequence[Figure],
    others: Sequence[Figure],
    legend: Sequence[LegendEntry],
    theme: str,
    force: bool,
) -> int:
    """Write a file for each figure and return the number of files."""
    from crucible_ir.plotting.standalone import file_names, svg_file

    figures = [*curves, *others]
    names = [os.path.join(output, name) for name in file_names(figures)]
    check_overwriting(names, force=force)
    try:
        os.makedirs(output, exist_ok=True)
    except OSError as error:
        raise CannotRunError(f"{output}: cannot be created: {reason_of(error)}") from None
    for index, (name, figure) in enumerate(zip(names, figures, strict=True)):
        keys = legend if index < len(curves) else ()
        write_output(name, svg_file("", [figure], legend=keys, theme=theme).encode(), force=force)
    return len(names)
