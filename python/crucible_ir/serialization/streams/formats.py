"""The stream formats: their names, their file extensions, and how to read and write records."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crucible_ir.errors import near_miss
from crucible_ir.serialization import formats
from crucible_ir.serialization.formats import (
    FORMATS,
    Format,
    UnknownFormatError,
    by_extension,
    unknown_extension,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.limits import Limits
    from crucible_ir.serialization.streams.compression import Source
    from crucible_ir.serialization.streams.records import Batch, RecordReader


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """A format of streams of messages.

    Attributes:
        name: The name for ``--from`` and ``--to``.
        extensions: The file extensions, which the extension of a compression may follow; files are
            written with the first.
        summary: A description in a few words.
        record: The format of the messages.
        split: Splits a stream into records, within limits.
        encode: Writes a message as a record.
        reading: Returns the reader of records, given the class of the messages and whether they
            must satisfy the rules of the schema.
    """

    name: str
    extensions: tuple[str, ...]
    summary: str
    record: Format
    split: Callable[[Source, Limits], Iterator[Batch]]
    encode: Callable[[Message], bytes]
    reading: Callable[[type[Message], bool], RecordReader]


# The modules of streams are imported when they are first used: documents do not need them.


def _split_delimited(source: Source, limits: Limits) -> Iterator[Batch]:
    from crucible_ir.serialization.streams.delimited import split_delimited

    return split_delimited(source, limits)


def _delimited_record(message: Message) -> bytes:
    from crucible_ir.serialization.streams.delimited import delimited_record

    return delimited_record(message)


def _binary_reader(type_: type[Message], validate: bool) -> RecordReader:
    from crucible_ir.serialization.streams.delimited import binary_reader

    return binary_reader(type_, validate=validate)


def _split_lines(source: Source, limits: Limits) -> Iterator[Batch]:
    from crucible_ir.serialization.streams.lines import split_lines

    return split_lines(source, limits)


def _json_record(message: Message) -> bytes:
    from crucible_ir.serialization.streams.lines import json_record

    return json_record(message)


def _json_reader(type_: type[Message], validate: bool) -> RecordReader:
    from crucible_ir.serialization.streams.lines import json_reader

    return json_reader(type_, validate)


def _crucible_record(message: Message) -> bytes:
    from crucible_ir.serialization.streams.lines import crucible_record

    return crucible_record(message)


def _crucible_reader(type_: type[Message], validate: bool) -> RecordReader:
    from crucible_ir.serialization.streams.lines import crucible_reader

    return crucible_reader(type_, validate)


_TABLE = (
    StreamFormat(
        "delimited",
        (".binpbs",),
        "binary messages, each after its size",
        FORMATS["binary"],
        _split_delimited,
        _delimited_record,
        _binary_reader,
    ),
    StreamFormat(
        "jsonl",
        (".jsonl", ".ndjson"),
        "ProtoJSON, a message on each line",
        FORMATS["json"],
        _split_lines,
        _json_record,
        _json_reader,
    ),
    StreamFormat(
        "crucible-jsonl",
        (".crucible.jsonl",),
        "Crucible JSON, a message on each line",
        FORMATS["crucible-json"],
        _split_lines,
        _crucible_record,
        _crucible_reader,
    ),
)

#: The stream formats by name.
STREAM_FORMATS = {each.name: each for each in _TABLE}

#: The stream formats by file extension, without compression, the longest first.
STREAM_EXTENSIONS = by_extension(_TABLE)

#: The file extensions of compressions, which follow the extension of the format.
_COMPRESSIONS = (".gz", ".zst")

#: The names of all formats, those of documents first.
FORMAT_NAMES = (*FORMATS, *STREAM_FORMATS)


def format_of(filename: str) -> Format | StreamFormat:
    """Return the format of a document or a stream from its file extension, in any case.

    Raises:
        UnknownFormatError: No format has this file extension.

    >>> format_of("events.binpbs.gz").name
    'delimited'
    """
    name = os.path.basename(filename).lower()
    uncompressed = _without_compression(name)
    for extension, stream in STREAM_EXTENSIONS.items():
        if uncompressed.endswith(extension):
            return stream
    if uncompressed != name:
        raise UnknownFormatError(
            f"only streams ({', '.join(STREAM_EXTENSIONS)}) can be compressed, not"
            f' "{os.path.splitext(uncompressed)[1]}"'
        )
    try:
        return formats.document_format_of(filename)
    except UnknownFormatError:
        known = [*formats.EXTENSIONS, *STREAM_EXTENSIONS]
        raise unknown_extension(name, known) from None


def format_named(name: str) -> Format | StreamFormat:
    """Return a format of documents or streams by its name.

    Raises:
        UnknownFormatError: No format has this name; the error suggests the most similar one.
    """
    found = FORMATS.get(name) or STREAM_FORMATS.get(name)
    if found is None:
        raise UnknownFormatError(
            f'unknown format "{name}"; expected one of {", ".join(FORMAT_NAMES)}'
            f"{near_miss(name, FORMAT_NAMES)}"
        )
    return found


def is_compressed(filename: str) -> bool:
    """Return whether a file is compressed, from its extension.

    >>> is_compressed("events.jsonl.gz")
    True
    """
    return _without_compression(filename) != filename


def _without_compression(name: str) -> str:
    stem, extension = os.path.splitext(name)
    return stem if extension.lower() in _COMPRESSIONS else name


def stem_of(filename: str) -> str:
    """Return the name of a file without its folder and without the extension of its format.

    >>> stem_of("logs/events.JSONL.gz")
    'events'
    """
    base = os.path.basename(filename)
    uncompressed = _without_compression(base)
    extensions = [*STREAM_EXTENSIONS]
    if uncompressed == base:
        extensions = [*formats.EXTENSIONS, *STREAM_EXTENSIONS]
    for extension in extensions:
        if uncompressed.lower().endswith(extension):
            return uncompressed[: -len(extension)]
    return base
