"""``crucible-ir digest``: print the digests of documents, or check them against a list."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from crucible_ir.cli.files.inputs import (
    InputFile,
    ReadOptions,
    any_format_for,
    content_of,
    input_files,
    read_document,
)
from crucible_ir.cli.files.stream_reader import error_lines, open_records
from crucible_ir.cli.options import add_read_options
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import (
    COULD_NOT_RUN,
    GOOD,
    INVALID,
    CannotRunError,
    Session,
)
from crucible_ir.errors import DecodeError, EncodeError, printable
from crucible_ir.serialization.streams.formats import StreamFormat
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    #: Yields the digest of a document, or those of a stream's records, with the name of each.
    Digest = Callable[[InputFile], Iterator[tuple[str, str]]]

_EXAMPLES = (
    ("crucible-ir digest examples/*.yaml > digests.txt", "A line for each document."),
    ("crucible-ir digest --type Prompt prompt.binpb", "Binary does not tell its type."),
)

#: The end of the name of a stream's record.
_RECORD: Final = re.compile(r"\.[a-z.]+:record [0-9]+$")
_LINE: Final = re.compile(r"(sha256:[0-9a-f]{64})  (.+)")


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, metavar="FILE...")
@click.option(
    "--check", "list_name", metavar="LIST", help="Check the documents that a list of digests names."
)
@click.option(
    "--allow-unknown-fields",
    is_flag=True,
    help="Leave out fields that only a newer schema knows, rather than refuse them.",
)
@add_read_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    list_name: str | None,
    allow_unknown_fields: bool,
    read_options: ReadOptions,
) -> int:
    """Print the digests of documents, or check them against a list.

    A digest is that of what a document says, not of how it is written: it is the same in YAML, in
    JSON and in binary, and in any language. Each line has a digest, two spaces and the name of the
    file; a stream has a line for each of its records. With --check, LIST is a file of such lines or
    `-`; the exit status is then 1 if a document has another digest or none, and 2 if one cannot be
    read.
    """
    if bool(documents) == (list_name is not None):
        raise click.UsageError("give documents, or a list of digests with --check")

    def digest_of(source: InputFile) -> Iterator[tuple[str, str]]:
        return _digests(source, read_options, allow_unknown_fields=allow_unknown_fields)

    if list_name is None:
        return _print_digests(session, input_files(documents, read_options), digest_of)
    return _check(session, list(_listed(list_name, read_options)), digest_of)


def _digests(
    source: InputFile, read_options: ReadOptions, *, allow_unknown_fields: bool
) -> Iterator[tuple[str, str]]:
    from crucible_ir.serialization.json.canonical import digest

    format_ = any_format_for(source, read_options)
    if isinstance(format_, StreamFormat):
        with open_records(source, format_, read_options) as records:
            for number, message in enumerate(records.messages(validate=False, on_bad=None)):
                records.progress.clear()
                name = f"{source.name}:record {number}"
                yield digest(message, allow_unknown_fields=allow_unknown_fields), name
        return
    message = read_document(source, format_, read_options, validate=False)
    yield digest(message, allow_unknown_fields=allow_unknown_fields), source.name


def _print_digests(session: Session, documents: Iterable[InputFile], digest_of: Digest) -> int:
    status = GOOD
    for source in documents:
        try:
            for digest, name in digest_of(source):
                print(f"{digest}  {printable(name)}")
        except CannotRunError as error:
            session.print_error(f"{source.name}: {error}")
            status = COULD_NOT_RUN
        except StreamError as error:
            for reason in error_lines(source.name, error):
                session.print_error(reason)
            status = max(status, INVALID)
        except (DecodeError, EncodeError) as error:
            session.print_document_error(source.name, error)
            status = max(status, INVALID)
    return status


def _listed(list_name: str, read_options: ReadOptions) -> Iterator[tuple[InputFile, str]]:
    """Yield the documents of a list and the digests that they should have.

    Raises:
        CannotRunError: The list cannot be read, is empty, or has a line that is not one of a list.
    """
    for listed in input_files([list_name], replace(read_options, format_name=None)):
        try:
            text = content_of(listed, read_options).decode("utf-8", errors="surrogateescape")
        except CannotRunError as error:
            raise CannotRunError(f"{list_name}: {error}") from None
        lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
        if not lines:
            raise CannotRunError(f"{list_name}: it lists no digest")
        for number, line in enumerate(lines, start=1):
            match = _LINE.fullmatch(line)
            if match is None:
                raise CannotRunError(
                    f"{list_name}:{number}: expected a digest, two spaces and a name"
                )
            yield InputFile(match[2]), match[1]


def _only_digest(digest_of: Digest, source: InputFile) -> str:
    if _RECORD.search(source.name):
        raise CannotRunError("a record of a stream cannot be checked by itself")
    found = [digest for digest, _ in digest_of(source)]
    if len(found) != 1:
        raise CannotRunError(f"a stream of {len(found)} records has no digest of its own")
    return found[0]


def _check(session: Session, listed: list[tuple[InputFile, str]], digest_of: Digest) -> int:
    console = session.out()
    status = GOOD
    for source, expected in listed:
        verdict, style, own = "ok", "good", GOOD
        try:
            if _only_digest(digest_of, source) != expected:
                verdict, style, own = "differs", "bad", INVALID
        except CannotRunError as error:
            session.print_error(f"{source.name}: {error}")
            verdict, style, own = "unreadable", "bad", COULD_NOT_RUN
        except (DecodeError, EncodeError) as error:
            session.print_document_error(source.name, error)
            verdict, style, own = "has no digest", "bad", INVALID
        console.print(f"{printable(source.name)}: {verdict}", style=style, soft_wrap=True)
        status = max(status, own)
    return status
