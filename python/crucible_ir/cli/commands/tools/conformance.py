"""``crucible-ir conformance``: certify an implementation of the IR in any language."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import write_output
from crucible_ir.cli.program import Command, CommandGroup
from crucible_ir.cli.progress import with_progress
from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID, Session
from crucible_ir.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crucible_ir.conformance.reports import Line
    from crucible_ir.conformance.runner import DescribeError

_EXECUTOR = "python -m crucible_ir.conformance.executor"

_EXAMPLES = (
    ("crucible-ir conformance list", "The topics, with the number of cases in each."),
    (f"crucible-ir conformance run -- {_EXECUTOR}", "Certify this package itself."),
)

_RUN_EXAMPLES = (
    (f"crucible-ir conformance run -- {_EXECUTOR}", "Certify this package itself."),
    (
        "crucible-ir conformance run --suite 'time*' --verbose -- ./executor",
        "Some topics, with every case and every value whole.",
    ),
    (
        "crucible-ir conformance run --expected-failures known.txt --format junit"
        " --output report.xml -- ./executor",
        "In continuous integration: what is known to fail must go on failing.",
    ),
    (
        f"crucible-ir conformance run --save-binaries python.binpbs -- {_EXECUTOR}",
        "Keep what it writes …",
    ),
    (
        "crucible-ir conformance run --payloads python.binpbs -- ./executor",
        "… and let another implementation read it.",
    ),
)

_CROSS_EXAMPLES = (
    (f"crucible-ir conformance cross '{_EXECUTOR}' './executor'", "Two implementations."),
    (
        f"crucible-ir conformance cross --suite wire '{_EXECUTOR}'",
        "One that reads what it writes itself.",
    ),
)


def _complete_topics(context: Any, parameter: Any, incomplete: str) -> list[CompletionItem]:
    from crucible_ir.conformance.suites import TEXT_EXTENSION, suite_folder

    found = sorted(path.stem for path in suite_folder().glob(f"*{TEXT_EXTENSION}"))
    return [CompletionItem(topic) for topic in found if topic.startswith(incomplete)]


def _selecting_options(decorated: Any) -> Any:
    """Give a command the options that select cases."""
    suite = click.option(
        "--suite",
        "topics",
        multiple=True,
        metavar="PATTERN",
        shell_complete=_complete_topics,
        help="Only the topics that match; may be given again for more.",
    )
    case = click.option(
        "--case",
        "cases",
        multiple=True,
        metavar="PATTERN",
        help="Only the cases whose name, with or without the topic, matches; may be given again.",
    )
    vectors = click.option(
        "--vectors",
        type=click.Path(path_type=Path),
        metavar="PATH",
        help="A folder of cases or a file of them, instead of the published ones.",
    )
    return suite(case(vectors(decorated)))


_timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long an executor may take over one response; over its first, a minute at least.",
)


class _RunCommand(Command):
    """A command of which all that follows the first argument is that argument's own."""

    allow_interspersed_args = False


@click.command(cls=CommandGroup, examples=_EXAMPLES)
def command() -> None:
    """Certify an implementation of the IR in any language.

    The published cases say what every implementation must make of a payload: whether it can be
    read, which rules it breaks, its ProtoJSON and its digest. An executor, a small program in the
    implementation's language, is asked about each over standard input and output;
    docs/conformance.md says how to write one.
    """


@command.command(cls=Command, name="list")
@_selecting_options
@click.option("--verbose", is_flag=True, help="Every case, with why it exists.")
@click.pass_obj
def list_(
    session: Session,
    topics: tuple[str, ...],
    cases: tuple[str, ...],
    vectors: Path | None,
    verbose: bool,
) -> int:
    """List the topics of the published cases, or with --verbose the cases."""
    from collections import Counter

    from crucible_ir.conformance.suites import select_cases, suite_folder

    selected = select_cases(vectors or suite_folder(), topics, cases)
    console = session.out()
    if verbose:
        for named in selected:
            reason = f"  {named.case.reason}" if named.case.reason else ""
            console.print(printable(f"{named.name}{reason}"), soft_wrap=True)
        return GOOD
    counts = Counter(named.topic for named in selected)
    for topic, count in counts.items():
        console.print(f"{count:6,}  {printable(topic)}", soft_wrap=True)
    console.print(f"{len(selected):6,}  cases in {len(counts)} topics", style="name")
    return GOOD


@command.command(cls=_RunCommand, name="run", examples=_RUN_EXAMPLES)
@click.argument("executor", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@_selecting_options
@click.option(
    "--expected-failures",
    "expected_failures",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The failures that are known, a line each: `topic/case aspect  # reason`.",
)
@_timeout_option
@click.option(
    "--format",
    "report_format",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="The report: for people or for a machine.",
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Write the report here; the text for people then still goes to standard output.",
)
@click.option(
    "--save-binaries",
    "save_binaries",
    metavar="FILE",
    help="Write the bytes that the executor writes, for --payloads.",
)
@click.option(
    "--payloads",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Ask about the bytes that another executor wrote instead of the cases' own payloads.",
)
@click.option("--verbose", is_flag=True, help="Every case, and every value whole.")
@click.pass_obj
def run(
    session: Session,
    executor: tuple[str, ...],
    topics: tuple[str, ...],
    cases: tuple[str, ...],
    vectors: Path | None,
    expected_failures: Path | None,
    timeout: float,
    report_format: str,
    output: str | None,
    save_binaries: str | None,
    payloads: Path | None,
    verbose: bool,
) -> int:
    """Ask an executor about every case and compare its answers.

    COMMAND and its arguments come after `--`. An executor that crashes, hangs or writes something
    else fails the case at hand and is started anew. What it does not offer is reported and not
    counted as passed. The exit status is 1 where a case fails, or does not fail though it is
    expected to, and 2 where the executor cannot be run.
    """
    from crucible_ir.conformance.expected_failures import read_expected_failures
    from crucible_ir.conformance.reports import REPORTS, case_lines, summary_lines
    from crucible_ir.conformance.runner import DescribeError, Runner
    from crucible_ir.conformance.suites import SavedBinaries, select_cases, suite_folder

    if vectors is not None and payloads is not None:
        raise click.UsageError("--payloads brings its own cases: leave out --vectors")
    selected = select_cases(payloads or vectors or suite_folder(), topics, cases)
    saved = SavedBinaries()
    runner = Runner(
        executor,
        timeout=timeout,
        expected_failures=read_expected_failures(expected_failures) if expected_failures else (),
        is_partial=bool(topics or cases),
        is_substitute=payloads is not None,
        on_answer=saved.add if save_binaries else None,
    )
    for_people = report_format == "text" or output is not None
    try:
        for result in with_progress(runner.results(selected), len(selected)):
            if for_people:
                _print(session, case_lines(result, verbose=verbose))
    except DescribeError as error:
        return _cannot_ask(session, error)
    if for_people:
        _print(session, summary_lines(runner.run))
    if report_format != "text" or output is not None:
        report = f"{REPORTS[report_format](runner.run, verbose)}\n"
        write_output(output or STANDARD, report.encode())
    if save_binaries is not None:
        write_output(save_binaries, saved.content())
    return GOOD if runner.run.passed else INVALID


@command.command(cls=Command, name="cross", examples=_CROSS_EXAMPLES)
@click.argument("executors", nargs=-1, required=True, metavar="EXECUTOR...")
@_selecting_options
@_timeout_option
@click.pass_obj
def cross(
    session: Session,
    executors: tuple[str, ...],
    topics: tuple[str, ...],
    cases: tuple[str, ...],
    vectors: Path | None,
    timeout: float,
) -> int:
    """Let executors read what the others write, which all must read alike.

    EXECUTOR is a command with its arguments, quoted as one word. Each is asked about every case,
    and then about the bytes that each of them wrote: the same message, the same ProtoJSON, the same
    broken rules and the same digest must come out. What an executor gets wrong about a case's own
    payload is left to `run`. The exit status is 1 where two do not agree.
    """
    from crucible_ir.conformance.cross_testing import CrossTest
    from crucible_ir.conformance.reports import cross_test_lines
    from crucible_ir.conformance.runner import DescribeError
    from crucible_ir.conformance.suites import select_cases, suite_folder

    selected = select_cases(vectors or suite_folder(), topics, cases)
    test = CrossTest([_words(text) for text in executors], timeout=timeout)
    try:
        for _ in with_progress(test.results(selected), test.max_requests(selected)):
            pass
    except DescribeError as error:
        return _cannot_ask(session, error)
    _print(session, cross_test_lines(test))
    return GOOD if test.passed else INVALID


def _words(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise click.UsageError(f"{text!r} is no command: {str(error).lower()}") from None
    if not words:
        raise click.UsageError("an executor is a command, not an empty word")
    return words


def _cannot_ask(session: Session, error: DescribeError) -> int:
    for line in str(error).splitlines():
        session.print_error(line)
    return COULD_NOT_RUN


def _print(session: Session, lines: Iterable[Line]) -> None:
    console = session.out()
    for text, style in lines:
        for line in text.split("\n"):
            console.print(printable(line), style=style or None, soft_wrap=True)
