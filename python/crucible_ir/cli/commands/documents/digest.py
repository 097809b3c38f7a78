"""``crucible-ir digest``: print the digests of documents, or check them against a list."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

import click

from crucible_ir.cli.files.inputs import InputFile, ReadOptions, content_of, input_files
from crucible_ir.cli.files.stream_reader import print_file_error, read_messages
from crucible_ir.cli.options import add_read_options, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import COULD_NOT_RUN, GOOD, INVALID, CannotRunError, Session
from crucible_ir.cli.views.json_documents import JsonDocuments, record_number
from crucible_ir.errors import DecodeError, EncodeError, printable

#: Yields the digest of a document, or those of a stream's records, each with its name in reports.
Digest = Callable[[InputFile], Iterator[tuple[str, str]]]

_EXAMPLES = (
    ("crucible-ir digest examples/*.yaml > digests.txt", "A line for each document."),
    (
        "crucible-ir digest --type Prompt prompt.binpb",
        "Binary, whose type cannot be detected.",
    ),
)

#: The end of the name of a stream's record.
_RECORD: Final = re.compile(r"\.[a-z.]+:record [0-9]+$")
_LINE: Final = re.compile(r"(sha256:[0-9a-f]{64})  (.+)")


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("documents", nargs=-1, metavar="FILE...")
@click.option(
    "--check", "list_name", metavar="LIST", help="Check the documents in a list of digests."
)
@click.option(
    "--allow-unknown-fields",
    is_flag=True,
    help="Leave out the fields of a newer schema instead of failing.",
)
@format_option("Lines of text, or one JSON object.")
@add_read_options
@click.pass_obj
def command(
    session: Session,
    documents: tuple[str, ...],
    list_name: str | None,
    allow_unknown_fields: bool,
    output_format: str,
    read_options: ReadOptions,
) -> int:
    """Print the digests of documents, or check them against a list.

    The digest of a document depends on its content and not on its format: it is the same in YAML,
    JSON and binary, and in every language. Each line has a digest, two spaces and the name of the
    file; a stream has a line for each record. With --check, LIST is a file of such lines, or `-`;
    the exit status is 1 if a digest differs or cannot be computed, and 2 if a file cannot be read.
    """
    if bool(documents) == (list_name is not None):
        raise click.UsageError("give documents, or --check and a list of digests")

    def digests(source: InputFile) -> Iterator[tuple[str, str]]:
        from crucible_ir import digest

        for name, message in read_messages(source, read_options):
            yield digest(message, allow_unknown_fields=allow_unknown_fields), name

    with ExitStack() as stack:
        as_json = output_format == "json"
        if list_name is not None:
            listed = list(_listed(list_name, read_options))
            printed = stack.enter_context(JsonDocuments("digest")) if as_json else None
            return _check(session, listed, digests, printed)
        printed = stack.enter_context(JsonDocuments("digest")) if as_json else None
        return _print_digests(session, input_files(documents, read_options), digests, printed)


def _print_digests(
    session: Session,
    documents: Iterable[InputFile],
    digests: Digest,
    printed: JsonDocuments | None,
) -> int:
    status = GOOD
    for source in documents:
        try:
            for digest, name in digests(source):
                if printed is None:
                    print(f"{digest}  {printable(name)}")
                else:
                    record = record_number(source.name, name)
                    printed.add({"file": source.name, "record": record, "digest": digest})
        except (CannotRunError, DecodeError, EncodeError) as error:
            status = max(status, print_file_error(session, source.name, error))
            if printed is not None:
                printed.add({"file": source.name, "record": None, "digest": None})
    return status


def _listed(list_name: str, read_options: ReadOptions) -> Iterator[tuple[InputFile, str]]:
    """Yield the documents of a list and their expected digests.

    Raises:
        CannotRunError: The list cannot be read, is empty, or has a line without a digest.
    """
    for listed in input_files([list_name], replace(read_options, format_name=None)):
        try:
            text = content_of(listed, read_options).decode("utf-8", errors="surrogateescape")
        except CannotRunError as error:
            raise CannotRunError(f"{list_name}: {error}") from None
        lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
        if not lines:
            raise CannotRunError(f"{list_name}: the list has no digests")
        for number, line in enumerate(lines, start=1):
            match = _LINE.fullmatch(line)
            if match is None:
                raise CannotRunError(
                    f"{list_name}:{number}: expected a digest, two spaces and a name"
                )
            yield InputFile(match[2]), match[1]


def _only_digest(digests: Digest, source: InputFile) -> str:
    if _RECORD.search(source.name):
        raise CannotRunError("a single record of a stream cannot be checked")
    found = [digest for digest, _ in digests(source)]
    if len(found) != 1:
        raise CannotRunError(f"a stream of {len(found)} records has no single digest")
    return found[0]


def _check(
    session: Session,
    listed: list[tuple[InputFile, str]],
    digests: Digest,
    printed: JsonDocuments | None,
) -> int:
    console = session.out()
    status = GOOD
    for source, expected in listed:
        verdict, style, own = "ok", "good", GOOD
        found = None
        try:
            found = _only_digest(digests, source)
            if found != expected:
                verdict, style, own = "differs", "bad", INVALID
        except (CannotRunError, DecodeError, EncodeError) as error:
            own = print_file_error(session, source.name, error)
            style = "bad"
            verdict = "unreadable" if own == COULD_NOT_RUN else "has no digest"
        if printed is None:
            console.print(f"{printable(source.name)}: {verdict}", style=style)
        else:
            printed.add(
                {"file": source.name, "verdict": verdict, "expected": expected, "digest": found}
            )
        status = max(status, own)
    return status
