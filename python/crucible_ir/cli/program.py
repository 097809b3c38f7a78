"""The program: its commands, their common options, and the exit status of errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from crucible_ir import native
from crucible_ir.cli.session import (
    COULD_NOT_RUN,
    DEBUG_VARIABLE,
    INVALID,
    CannotDecodeError,
    Session,
    debug_is_set,
    reason_of,
)
from crucible_ir.errors import DecodeError, EncodeError, Error, ValidationError, near_miss
from crucible_ir.version import VERSION

#: The exit statuses of a process that a signal ended: by convention 128 plus the signal's number.
_INTERRUPTED = 130
_PIPE_CLOSED = 141

#: The groups of the help: the folder of the modules, and the commands with their summaries.
GROUPS = {
    "Documents": (
        "documents",
        {
            "validate": "Check documents against the rules of the schema.",
            "lint": "Find values that the rules allow but that look like mistakes.",
            "convert": "Convert documents, streams and tables to another format.",
            "show": "Draw a document as a tree.",
            "plot": "Draw training curves, feedback and evaluations as SVG or HTML.",
            "digest": "Print the digests of documents, or check them against a list.",
            "diff": "Compare two documents, or merge two changed copies of a third.",
            "new": "Write a commented document to start from.",
        },
    ),
    "Streams": (
        "exchange",
        {
            "ingest": "Send feedback events to an exchange.",
            "export": "Write feedback events from an exchange to a file.",
            "summarize": "Summarize the feedback events of an exchange, or of files.",
            "watch": "Print changes in an exchange as they happen.",
        },
    ),
    "Schema": (
        "schema",
        {
            "schema": "List messages, export the schema, or compare two versions of it.",
            "explain": "Explain a rule or a lint.",
            "openapi": "Write the OpenAPI document of an exchange's HTTP API.",
        },
    ),
    "Exchange": (
        "exchange",
        {
            "serve": "Run an exchange: a gRPC server that stores documents and feedback.",
            "console": "Show an exchange in a browser, and offer its HTTP API.",
            "publish": "Store documents in an exchange.",
            "fetch": "Get a document from an exchange.",
            "list": "List the documents of an exchange.",
            "trace": "Trace a document's lineage upstream or downstream.",
            "metrics": "Show the metrics of a training run.",
            "compact": "Drop old revisions from an exchange, and keep the latest ones.",
            "purge": "Remove a deleted document from an exchange for ever, with all its revisions.",
            "audit": "List who changed or exported what in an exchange, and when.",
            "erase-feedback": "Erase feedback events of a user, a session, a deployment or a time.",
            "feedback-config": "Set how an exchange redacts feedback, and how long it keeps it.",
            "backup": "Copy a store into a file, while its server runs.",
            "restore": "Restore a store from a backup.",
            "tokens": "Create, list and revoke the tokens that a server requires.",
        },
    ),
    "Interchange": (
        "interchange",
        {
            "import-from": "Import what other programs wrote, and report every change.",
            "export-to": "Write documents in the formats of other programs.",
            "bundle": "Put documents and what they refer to into one file.",
        },
    ),
    "Tools": (
        "tools",
        {
            "demo": "Show the console with example data.",
            "conformance": "Certify an implementation of the IR in any language.",
            "completion": "Print the completion script for a shell, or install it.",
        },
    ),
}

#: The commands with their summaries, in the order of the help.
COMMANDS = {name: text for _, commands in GROUPS.values() for name, text in commands.items()}


class LimitOption(click.Option):
    """An option for a limit on the input, which the help of a command lists after the examples."""

    def get_help_record(self, context: click.Context) -> None:
        """Return nothing: the option is not among the others in the help."""

    def limit_record(self, context: click.Context) -> tuple[str, str]:
        """Return the option and its help, for the section on limits."""
        record = super().get_help_record(context)
        assert record is not None, "a limit is not hidden"
        return record


def add_common_options(command: click.Command) -> None:
    """Add the options that the program and all of its commands take."""

    def set_color(context: click.Context, _: click.Parameter, value: str | None) -> None:
        if value is not None:
            context.ensure_object(Session).color = value

    def set_debug(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            context.ensure_object(Session).debug = True

    command.params += [
        click.Option(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            expose_value=False,
            callback=set_color,
            help="Use colour; by default on a terminal, unless NO_COLOR is set.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=set_debug,
            help=f"Show the traceback of an unexpected error (or set {DEBUG_VARIABLE}=1).",
        ),
    ]


class Command(click.Command):
    """A command with the common options, and examples in its help."""

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **extra: Any) -> None:
        extra["context_settings"] = {"help_option_names": ["-h", "--help"]}
        super().__init__(*args, **extra)
        self.examples = tuple(examples)
        add_common_options(self)

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each with its description below, and the limits on the input."""
        if self.examples:
            with formatter.section("Examples"):
                for line, meaning in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")
                    formatter.indent()
                    formatter.write_text(meaning)
                    formatter.dedent()
        limits = [
            parameter.limit_record(context)
            for parameter in self.params
            if isinstance(parameter, LimitOption)
        ]
        if limits:
            with formatter.section("Limits on the input"):
                formatter.write_dl(limits)


class CommandGroup(Command, click.Group):
    """A command with subcommands, and examples in its help."""

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the arguments, or report the nearest one."""
        known = self.list_commands(context)
        if args and args[0] not in known and not args[0].startswith("-"):
            context.fail(f'unknown command "{args[0]}"{near_miss(args[0], known)}')
        return super().resolve_command(context, args)


class _OutputClosedError(Exception):
    """The reader of the output closed the pipe."""


class Program(click.Group):
    """The group of all commands; it imports only the command that runs."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a command."""
        for folder, commands in GROUPS.values():
            if name in commands:
                module = import_module(
                    f"crucible_ir.cli.commands.{folder}.{name.replace('-', '_')}"
                )
                command: click.Command = module.command
                return command
        return None

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of the arguments, or report the nearest one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            context.fail(f'unknown command "{args[0]}"{near_miss(args[0], COMMANDS)}')
        return super().resolve_command(context, args)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands of each group without importing them."""
        width = max(map(len, COMMANDS))
        for title, (_, commands) in GROUPS.items():
            with formatter.section(title):
                # The summaries of all groups begin in one column.
                formatter.write_dl([(f"{name:{width}}", text) for name, text in commands.items()])

    def invoke(self, context: click.Context) -> Any:
        """Run a command; a closed pipe is raised as an error, since click would exit with 1."""
        try:
            return super().invoke(context)
        except BrokenPipeError:
            raise _OutputClosedError from None

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run the program and exit with its status; errors are printed without a traceback."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                # A character that the terminal's encoding lacks is escaped.
                stream.reconfigure(errors="backslashreplace")
        session = Session(debug=debug_is_set())
        extra["standalone_mode"] = False
        try:
            status = super().main(*args, obj=session, **extra)
            sys.stdout.flush()
        except Exception as error:
            status = _status_of(error, session)
        sys.exit(status or 0)


def _status_of(error: Exception, session: Session) -> int:
    """Print an error and return the exit status for it."""
    if isinstance(error, (_OutputClosedError, BrokenPipeError)):
        _discard_buffer(sys.stdout)
        return _PIPE_CLOSED
    if isinstance(error, click.Abort):
        return _INTERRUPTED
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, OSError):
        _discard_buffer(sys.stdout)
        where = f"{error.filename}: " if error.filename else ""
        session.print_error(f"{where}{reason_of(error)}")
        return COULD_NOT_RUN
    if isinstance(error, MemoryError):
        session.print_error("memory is short: free some, or give smaller inputs")
        return COULD_NOT_RUN
    if isinstance(error, CannotDecodeError):
        session.print_document_error(error.name, error.error)
        return COULD_NOT_RUN
    if isinstance(error, Error):
        session.print_error(str(error))
        is_verdict = isinstance(error, (DecodeError, EncodeError, ValidationError))
        return INVALID if is_verdict else COULD_NOT_RUN
    if session.debug:
        import traceback

        traceback.print_exception(error)
    session.print_error(f"this is a bug: {type(error).__name__}: {' '.join(str(error).split())}")
    if not session.debug:
        print(
            f"Run it again with --debug or {DEBUG_VARIABLE}=1 for a traceback, and report it.",
            file=sys.stderr,
        )
    return COULD_NOT_RUN


def _discard_buffer(stream: Any) -> None:
    """Discard buffered output, which Python would try to write again at exit."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):
        # Python does not flush a stream without a descriptor, as in tests, at exit.
        return


def _print_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"crucible-ir, version {VERSION}\nengine: {native.status()}")
        context.exit()


@click.command(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Formats are inferred from the file extension: .json (ProtoJSON), .crucible.json, .yaml,"
    " .txtpb and .binpb for documents, .binpbs, .jsonl and .crucible.jsonl for streams; `-` is"
    " standard input. Exit status: 0 success, 1 invalid input, 2 could not run."
    " `crucible-ir COMMAND --help` has examples.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    help="Show the version and the engine, and exit.",
    callback=_print_version,
)
def program() -> None:
    """Validate, convert, show and write Crucible IR documents.

    Crucible IR is a shared schema for machine learning experiments, models, training runs,
    deployments and feedback.
    """


add_common_options(program)
