"""``crucible-ir bundle create``: write documents, and what they refer to, to a bundle."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import click
from click.core import ParameterSource

from crucible_ir.cli.checking.bad_records import SimilarErrors
from crucible_ir.cli.commands.exchange.connection import Server, server_options
from crucible_ir.cli.files.bundles import add_bundle_limits, open_bundle, print_findings
from crucible_ir.cli.files.inputs import (
    STANDARD,
    InputFile,
    ReadOptions,
    any_format_for,
    input_files,
    read_document,
)
from crucible_ir.cli.files.outputs import check_overwriting, open_output
from crucible_ir.cli.files.stream_reader import open_records, print_file_error
from crucible_ir.cli.options import DOCUMENT_KEY, add_read_options, force_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.progress import with_progress
from crucible_ir.cli.session import GOOD, INVALID, CannotRunError, Session
from crucible_ir.errors import (
    DecodeError,
    EncodeError,
    FieldError,
    ValidationError,
    printable,
)
from crucible_ir.interchange.bundle.limits import BundleLimits
from crucible_ir.interchange.bundle.names import EXTENSION, is_bundle_name
from crucible_ir.serialization.streams.formats import StreamFormat, stem_of

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.interchange.bundle import BundleFinding, DocumentSet
    from crucible_ir.schema.references import DocumentKey

_EXAMPLES = (
    (
        "crucible-ir bundle create 'examples/model*' 'examples/training*' -o llama.crucible.zip",
        "Some documents.",
    ),
    (
        "crucible-ir bundle create registry --closure ModelVersion/llama_mmlu_3 -o v3.crucible.zip",
        "From a folder, one document and everything in the folder that it refers to.",
    ),
    (
        "crucible-ir bundle create --closure ModelVersion/llama_mmlu_3 -o v3.crucible.zip",
        "The same from an exchange.",
    ),
    (
        "crucible-ir bundle create old.crucible.zip more.jsonl -o new.crucible.zip",
        "The documents of a bundle and of a stream.",
    ),
)


@click.command(cls=Command, name="create", examples=_EXAMPLES)
@click.argument("documents", nargs=-1, metavar="[FILE|DIR...]")
@click.option(
    "--output",
    "-o",
    required=True,
    metavar="BUNDLE",
    help=f"Write to this file, which ends in {EXTENSION}; `-` is standard output.",
)
@click.option(
    "--closure",
    type=DOCUMENT_KEY,
    multiple=True,
    metavar="TYPE/ID",
    help="Only this document and everything that it refers to; repeatable.",
)
@click.option(
    "--id-from-name",
    is_flag=True,
    help="Use the file name without its extension as the id, if the content has none.",
)
@click.option(
    "--keep-last",
    is_flag=True,
    help="Of documents with one type and id that differ, keep the last instead of failing.",
)
@force_option()
@server_options
@add_read_options
@add_bundle_limits(beside_read_options=True)
@click.pass_context
def command(
    context: click.Context,
    documents: tuple[str, ...],
    output: str,
    closure: tuple[DocumentKey, ...],
    id_from_name: bool,
    keep_last: bool,
    force: bool,
    server: Server,
    read_options: ReadOptions,
    limits: BundleLimits,
) -> int:
    """Write documents, and what they refer to, to a bundle.

    FILE is a document, a stream of documents or a bundle; a folder stands for all files in it.
    Without a FILE, the documents of --closure come from an exchange. Documents that are equal are
    written once. References to what is not in the bundle are listed as warnings.

    The exit status is 1, and nothing is written, if a document is invalid or if two documents with
    one type and id differ, and 2 if a file cannot be read or the exchange cannot be reached.
    """
    session: Session = context.obj
    if output != STANDARD and not is_bundle_name(output):
        raise click.UsageError(f"the name of a bundle ends in {EXTENSION}, unlike {output}")
    if output == STANDARD and sys.stdout.isatty():
        raise click.UsageError("a bundle would garble the terminal: give a file, or redirect")
    is_named = context.get_parameter_source("target") is ParameterSource.COMMANDLINE
    if documents and is_named:
        raise click.UsageError("give either files or --server")
    if not documents and not closure:
        raise click.UsageError("give files, or --closure for documents of an exchange")
    check_overwriting([output], force=force)
    if documents:
        inputs = _Inputs(session, read_options, limits, id_from_name, keep_last)
        found, status = inputs.read(documents)
        if found is None:
            session.print_error(f"{output}: not written")
            return status
        chosen, findings = _chosen(found, closure)
    else:
        chosen, findings = _from_exchange(server, closure)
    _write(output, chosen, force=force)
    for line in [*_warnings(findings), *_over_limits(chosen)]:
        session.print_error(f"{output}: warning: {line}")
    if output != STANDARD and not server.quiet:
        number = f"{len(chosen)} document{'' if len(chosen) == 1 else 's'}"
        style = "warn" if findings else "good"
        session.out().print(f"{printable(output)}: {number}", style=style)
    return GOOD


def _warnings(findings: list[BundleFinding]) -> list[str]:
    """Return the problems between the documents, similar ones in one line."""
    similar = SimilarErrors()
    for each in findings:
        path = f": {each.path}" if each.path else ""
        similar.add(f"{each.document}{path}", f"{each.message} [{each.rule}]")
    return similar.lines()


def _over_limits(documents: DocumentSet) -> Iterator[str]:
    """Yield the default limits that readers of the bundle have to raise."""
    limits = BundleLimits()
    if len(documents) > limits.max_documents:
        yield f"it is read only with a greater limit: --max-documents {len(documents)}"
    if documents.total_bytes > limits.max_total_bytes:
        yield f"it is read only with a greater limit: --max-total-bytes {documents.total_bytes}"


def _chosen(
    found: DocumentSet, closure: tuple[DocumentKey, ...]
) -> tuple[DocumentSet, list[BundleFinding]]:
    from crucible_ir.interchange.bundle.consistency import inconsistencies

    if closure:
        try:
            found = found.closure(closure)
        except FieldError as error:
            raise _InvalidInputError(str(error)) from None
    return found, inconsistencies(found.graph)


def _from_exchange(
    server: Server, closure: tuple[DocumentKey, ...]
) -> tuple[DocumentSet, list[BundleFinding]]:
    from crucible_ir.exchange import NotFoundError
    from crucible_ir.interchange.bundle.consistency import inconsistencies
    from crucible_ir.interchange.bundle.exchange import closure_from_exchange
    from crucible_ir.interchange.bundle.findings import AMBIGUOUS, DANGLING

    try:
        with server.connect() as client:
            documents, findings = closure_from_exchange(client, closure)
    except (NotFoundError, FieldError) as error:
        raise _InvalidInputError(str(error)) from None
    # The exchange knows more about the references than the bundle does.
    others = inconsistencies(documents.graph)
    return documents, findings + [each for each in others if each.rule not in (AMBIGUOUS, DANGLING)]


class _InvalidInputError(click.ClickException):
    """The documents do not make a bundle."""

    exit_code = INVALID

    def show(self, file: IO[str] | None = None) -> None:
        """Print the error as one line."""
        Session().print_error(self.message)


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Reads the documents of files; errors about files are printed."""

    session: Session
    read_options: ReadOptions
    limits: BundleLimits
    id_from_name: bool
    keep_last: bool

    def read(self, names: tuple[str, ...]) -> tuple[DocumentSet | None, int]:
        """Return the documents, or ``None`` and an exit status after an error."""
        from crucible_ir.interchange.bundle import BundleError, DocumentSet

        documents = DocumentSet()
        status = GOOD
        found = list(input_files(names, self.read_options))
        for source in with_progress(found, len(found)):
            try:
                for origin, message, id_ in self._messages(source):
                    status = max(status, self._add(documents, origin, message, id_))
            except ValidationError as error:
                status = max(status, INVALID)
                for violation in error.violations:
                    at = f":{violation.position}" if violation.position else ""
                    self.session.print_error(f"{source.name}{at}: {violation}")
            except BundleError as error:
                status = max(status, print_findings(self.session, source.name, error.findings))
            except FieldError as error:
                status = max(status, INVALID)
                self.session.print_error(f"{source.name}: {error}")
            except (CannotRunError, DecodeError, EncodeError) as error:
                status = max(status, print_file_error(self.session, source.name, error))
        return (documents if status == GOOD else None), status

    def _add(self, documents: DocumentSet, origin: str, message: Message, id_: str | None) -> int:
        """Add a document, and return the exit status for it."""
        from crucible_ir.interchange.bundle import BundleError

        try:
            documents.add(message, id=id_, origin=origin, keep_last=self.keep_last)
        except BundleError as error:
            for finding in error.findings:
                self.session.print_error(f"{finding}; --keep-last keeps the last")
            return INVALID
        return GOOD

    def _messages(self, source: InputFile) -> Iterator[tuple[str, Message, str | None]]:
        """Yield the valid messages of a file, each with its name in errors and its id, if given."""
        if is_bundle_name(source.name):
            with open_bundle(source.name, self.limits) as bundle:
                for entry, document in bundle.documents():
                    yield f"{source.name}:{entry.name}", document, entry.id
            return
        format_ = any_format_for(source, self.read_options)
        if not isinstance(format_, StreamFormat):
            message = read_document(source, format_, self.read_options, validate=True)
            id_ = _id_of(message, source.name) if self.id_from_name else None
            yield source.name, message, id_
            return
        with open_records(source, format_, self.read_options) as records:
            for number, message in enumerate(records.messages(validate=True, on_bad=None)):
                yield f"{source.name}:record {number}", message, None


def _id_of(message: Message, name: str) -> str | None:
    """Return the name of a file as an id, unless the content has one."""
    from crucible_ir.interchange.bundle.documents import as_document, content_of
    from crucible_ir.schema.references import identity_of

    has_identity = identity_of(content_of(as_document(message))) is not None
    return None if has_identity else stem_of(name)


def _write(output: str, documents: DocumentSet, *, force: bool) -> None:
    from crucible_ir.interchange.bundle import write_bundle

    # Positions cannot be set in a pipe, where zipfile would write other bytes.
    with tempfile.TemporaryFile() as file:
        write_bundle(file, documents)
        file.seek(0)
        with open_output(output, force=force) as target:
            shutil.copyfileobj(file, target)
