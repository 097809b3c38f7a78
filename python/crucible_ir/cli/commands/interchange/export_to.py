"""``crucible-ir export-to``: write documents in the formats of other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from crucible_ir.cli.commands.interchange.fidelity import (
    FOREIGN_FORMAT,
    Fidelity,
    InterchangeCommand,
    fidelity_options,
)
from crucible_ir.cli.files.inputs import (
    STANDARD,
    ReadOptions,
    any_format_for,
    input_files,
    read_document,
)
from crucible_ir.cli.files.outputs import check_overwriting, write_output
from crucible_ir.cli.files.stream_reader import error_lines, open_records, print_file_error
from crucible_ir.cli.options import add_read_options, force_option
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import DecodeError, ValidationError
from crucible_ir.interchange.mapping.report import Recorder
from crucible_ir.schema.types import content_of
from crucible_ir.serialization.streams.formats import StreamFormat
from crucible_ir.serialization.streams.records import StreamError
from crucible_ir.v1 import Document

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.cli.files.inputs import InputFile
    from crucible_ir.interchange.mapping.format import Format

_EXAMPLES = (
    (
        "crucible-ir export-to anthropic completion.yaml -o message.json",
        "A document for another service than the one that it came from.",
    ),
    (
        "crucible-ir export-to wandb run.yaml -o wandb.json --report fidelity.json",
        "One document, with the fidelity report.",
    ),
    (
        "crucible-ir export-to wandb runs.jsonl -o wandb.jsonl",
        "A stream of documents, as JSON lines.",
    ),
)


@click.command(cls=InterchangeCommand, examples=_EXAMPLES)
@click.argument("format_name", type=FOREIGN_FORMAT, metavar="FORMAT")
@click.argument("documents", nargs=-1, required=True, metavar="DOCUMENT...")
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Write to this file; by default to standard output. Several results are one file if FORMAT"
    " has one for them, and else JSON lines.",
)
@click.option(
    "--to", "address", metavar="URL", help="Send to this service, where FORMAT has one, instead."
)
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
@fidelity_options
@force_option()
@add_read_options
@click.pass_obj
def command(
    session: Session,
    format_name: str,
    documents: tuple[str, ...],
    output: str | None,
    address: str | None,
    quiet: bool,
    fidelity: Fidelity,
    force: bool,
    read_options: ReadOptions,
) -> int:
    """Write documents in the formats of other programs.

    The fidelity report says what became of every value.

    DOCUMENT is a file in any format of this package, a folder, or `-` for standard input; a stream
    is exported record by record. What an import of the same format kept in opaque maps comes back.

    A document that the format has no counterpart for is reported and left out; then the exit status
    is 1. It is 2 if a document cannot be read.
    """
    from crucible_ir.interchange.mapping.format import format_named

    format_ = format_named(format_name)
    if address is not None and output is not None:
        raise click.UsageError("--to sends to a service and --output writes a file: give one")
    if address is not None and format_.send is None:
        raise click.UsageError(f"{format_.title} has no service to send to; use --output")
    fidelity.check()
    target = STANDARD if output is None else output
    check_overwriting([target], force=force)
    exporting = _Exporting(session, format_, fidelity, read_options)
    objects = exporting.objects(documents)
    count = 0
    if address is not None:
        for obj in objects:
            made = exporting.send(address, obj)
            count += made is not None
            if made is not None and not quiet:
                session.out().print(made, style="good")
    else:
        results = list(objects)
        count = len(results)
        if results:
            write_output(target, _content(format_, results, target), force=force)
    report = exporting.recorder.report()
    details = {"command": "export-to", "format": format_name, "results": count}
    fidelity.write(session, report, details, documents, quiet=quiet)
    return max(exporting.status, INVALID if report.errors else GOOD)


class _Exporting:
    """The export of all documents.

    Attributes:
        recorder: Collects the fidelity report.
        status: The exit status that reading leads to.
    """

    def __init__(
        self, session: Session, format_: Format, fidelity: Fidelity, read_options: ReadOptions
    ) -> None:
        self.recorder = Recorder()
        self.status = GOOD
        self._session = session
        self._format = format_
        self._reject = fidelity.fail_on
        self._read_options = read_options

    def send(self, address: str, obj: object) -> str | None:
        """Send a result to a service; one that the service rejects is reported."""
        from crucible_ir.interchange.mapping.http import HttpError, without_secrets

        assert self._format.send is not None
        try:
            return self._format.send(address, obj)
        except HttpError as error:
            name = without_secrets(address)
            if error.status is None:
                raise CannotRunError(f"{name}: {error}") from None
            self.recorder.fail((), error.reason, name)
            return None

    def objects(self, documents: tuple[str, ...]) -> Iterator[Any]:
        """Yield the result of each document; errors are reported."""
        files = list(input_files(documents, self._read_options))
        number = 0
        for source in files:
            for name, message, is_only in self._messages(source):
                prefix = () if is_only and len(files) == 1 else (number,)
                number += 1
                obj = self._format.export_one(
                    message, self.recorder, prefix=prefix, name=name, reject=self._reject
                )
                if obj is not None:
                    yield obj

    def _messages(self, source: InputFile) -> Iterator[tuple[str, Message, bool]]:
        """Yield the messages of a file with their names, and whether each is the only one."""
        try:
            format_ = any_format_for(source, self._read_options)
            if not isinstance(format_, StreamFormat):
                message = read_document(source, format_, self._read_options, validate=True)
                yield source.name, _content_of(message), True
                return
            skip = partial(self._skip, source.name)
            with open_records(source, format_, self._read_options) as records:
                for number, message in enumerate(records.messages(validate=True, on_bad=skip)):
                    yield f"{source.name}, record {number}", _content_of(message), False
        except StreamError as error:
            self._skip(source.name, error)
        except ValidationError as error:
            self.status = max(self.status, INVALID)
            for violation in error.violations:
                at = f"{violation.position}: " if violation.position else ""
                self._session.print_error(f"{source.name}: {at}{violation}")
        except (CannotRunError, DecodeError) as error:
            status = print_file_error(self._session, source.name, error)
            self.status = max(self.status, status)

    def _skip(self, name: str, bad: StreamError) -> None:
        self.status = max(self.status, INVALID)
        for line in error_lines(name, bad):
            self._session.print_error(line)


def _content_of(message: Message) -> Message:
    """Return the content of a document; another message is returned as it is."""
    if isinstance(message, Document):
        return content_of(message) or message
    return message


def _content(format_: Format, results: list[Any], target: str) -> bytes:
    """Return the content of a file with the results.

    Raises:
        CannotRunError: The format has no file for several results.
    """
    as_lines = target.lower().endswith((".jsonl", ".ndjson"))
    if format_.join is not None and len(results) > 1 and not as_lines:
        results = [format_.join(results)]
    if format_.write is not None and not as_lines:
        if len(results) > 1:
            raise CannotRunError(
                f"there are {len(results)} results, and a file of {format_.title} holds one: export"
                " them one at a time, or as lines with -o FILE.jsonl"
            )
        return format_.write(results[0])
    if as_lines or len(results) > 1:
        return "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in results).encode()
    return f"{json.dumps(results[0], indent=2, ensure_ascii=False)}\n".encode()
