"""``crucible-ir bundle open``: list the documents of a bundle, or write them to files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click

from crucible_ir.cli.files.bundles import (
    UnreadableBundleError,
    add_bundle_limits,
    open_bundle,
    print_findings,
)
from crucible_ir.cli.files.inputs import STANDARD
from crucible_ir.cli.files.outputs import (
    check_overwriting,
    check_terminal,
    open_output,
    write_output,
)
from crucible_ir.cli.options import force_option, format_option
from crucible_ir.cli.program import Command
from crucible_ir.cli.session import GOOD, CannotRunError, Session
from crucible_ir.cli.views.json_documents import JsonDocuments
from crucible_ir.errors import printable
from crucible_ir.interchange.bundle import BundleError
from crucible_ir.serialization.formats import FORMATS, Format, UnknownFormatError
from crucible_ir.serialization.streams.compression import compressed
from crucible_ir.serialization.streams.formats import STREAM_FORMATS, StreamFormat, format_of

if TYPE_CHECKING:
    from crucible_ir.interchange.bundle import Bundle, BundleEntry
    from crucible_ir.interchange.bundle.limits import BundleLimits

_EXAMPLES = (
    ("crucible-ir bundle open llama.crucible.zip", "List the documents."),
    ("crucible-ir bundle open llama.crucible.zip -o llama", "Write each to a file in a folder."),
    (
        "crucible-ir bundle open llama.crucible.zip -o llama.jsonl",
        "Write all to one stream of documents.",
    ),
)

#: The formats of the files in a folder, and those of streams of documents.
_FILES: Final = {name: FORMATS[name] for name in ("json", "yaml")}
_STREAMS: Final = {name: STREAM_FORMATS[name] for name in ("jsonl", "delimited")}


@click.command(cls=Command, name="open", examples=_EXAMPLES)
@click.argument("name", metavar="BUNDLE")
@click.option(
    "--output",
    "-o",
    metavar="DIR|FILE",
    help="Write each document to a file TYPE/NAME.json in this folder, or all of them to this"
    " stream (.jsonl or .binpbs, also compressed); `-` is standard output.",
)
@click.option(
    "--to",
    "to_format",
    type=click.Choice([*_FILES, *_STREAMS]),
    help="Format of the files in the folder, or of the stream.",
)
@force_option()
@format_option("The list as text (tab-separated in a pipe), or one JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="Print no summary.")
@add_bundle_limits()
@click.pass_obj
def command(
    session: Session,
    name: str,
    output: str | None,
    to_format: str | None,
    force: bool,
    output_format: str,
    quiet: bool,
    limits: BundleLimits,
) -> int:
    """List the documents of a bundle, or write them to files.

    Every digest is verified first; then the documents are written. Files are named after the ids,
    with other characters as %XX; each is a Document, which contains its type, so that `crucible-ir
    publish DIR` stores them in an exchange. The exit status is 1, and nothing is written, if the
    file is not a bundle or differs from its manifest, and 2 if it cannot be read or written.
    """
    format_ = _format(output, to_format)
    target = STANDARD if output is None else output
    if isinstance(format_, StreamFormat):
        check_terminal(target, format_)
        check_overwriting([target], force=force)
    try:
        with open_bundle(name, limits) as bundle:
            total = len(bundle.entries)
            # Nothing is printed or written before all of it is verified.
            bundle.verify()
            if format_ is None:
                _list(session, bundle.entries, as_json=output_format == "json")
            elif isinstance(format_, StreamFormat):
                _write_stream(bundle, target, format_, force=force)
            else:
                _write_folder(bundle, target, format_, force=force)
    except UnreadableBundleError as error:
        raise CannotRunError(f"{name}: {error}") from None
    except BundleError as error:
        return print_findings(session, name, error.findings)
    if output is not None and output != STANDARD and not quiet:
        number = f"{total} document{'' if total == 1 else 's'}"
        session.out().print(f"{printable(output)}: {number}", style="good")
    return GOOD


def _format(output: str | None, to_format: str | None) -> Format | StreamFormat | None:
    """Return the format of the output: of files in a folder, or of a stream; ``None`` to list."""
    if to_format in _STREAMS:
        return _STREAMS[to_format]
    if to_format is not None:
        if output in (None, STANDARD):
            raise click.UsageError(f"--to {to_format} requires -o and a folder")
        return _FILES[to_format]
    if output is None:
        return None
    if output == STANDARD:
        raise click.UsageError(f"standard output takes a stream: give --to {'|'.join(_STREAMS)}")
    try:
        found: Format | StreamFormat = format_of(output)
    except UnknownFormatError:
        if not output.lower().endswith(".zip"):
            return FORMATS["json"]
        raise click.UsageError(f"{output}: a folder or a stream is needed") from None
    if found.name not in _STREAMS:
        raise click.UsageError(f"{output}: a folder or a stream is needed")
    return _STREAMS[found.name]


def _list(session: Session, entries: list[BundleEntry], *, as_json: bool) -> None:
    if as_json:
        with JsonDocuments("bundle open") as printed:
            for entry in entries:
                printed.add(
                    {
                        "type": entry.type,
                        "id": entry.id,
                        "digest": entry.digest,
                        "path": entry.path,
                    }
                )
        return
    from crucible_ir.cli.views.table import Column, Row, print_table

    columns = (
        Column("type"),
        Column("id", least=24),
        Column("digest", least=20, is_optional=True),
    )
    rows = [Row([entry.type, entry.id or "", entry.digest]) for entry in entries]
    print_table(session.out(), columns, rows)


def _write_stream(bundle: Bundle, target: str, format_: StreamFormat, *, force: bool) -> None:
    with open_output(target, force=force) as raw, compressed(raw, target) as output:
        for _, document in bundle.documents():
            output.write(format_.encode(document))


def _write_folder(bundle: Bundle, folder: str, format_: Format, *, force: bool) -> None:
    extension = format_.extensions[0]
    targets = {
        entry.path: os.path.join(folder, entry.path.removesuffix(".json") + extension)
        for entry in bundle.entries
    }
    root = os.path.realpath(folder)
    for target in targets.values():
        # A link in the folder may lead elsewhere.
        if os.path.commonpath([root, os.path.realpath(target)]) != root:
            raise CannotRunError(f"{target}: a symbolic link leads out of {folder}")
    check_overwriting(targets.values(), force=force)
    os.makedirs(folder, exist_ok=True)
    for entry, document in bundle.documents():
        target = targets[entry.path]
        os.makedirs(os.path.dirname(target), exist_ok=True)
        write_output(target, format_.write(document, 2), force=force)
