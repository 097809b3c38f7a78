"""The table of stream forms: what each is called, which files hold it, and how its records look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from crucible_ir.errors import near_miss
from crucible_ir.serialization import formats
from crucible_ir.serialization.formats import FORMATS, Format, UnknownFormatError
from crucible_ir.serialization.streams.compression import without_compression
from crucible_ir.serialization.streams.records import (
    Batch,
    Reading,
    binary_reading,
    delimited_record,
    json_reading,
    json_record,
    split_delimited,
    split_lines,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.streams.compression import Source


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """One way to keep many messages in a file.

    Attributes:
        name: What ``--from`` and ``--to`` call it.
        extensions: Its file extensions; the first is the one to write. That of a compression may
            follow.
        summary: What it is, in a few words.
        record: The form of one record's message.
        split: Splits a stream into records, none of them larger than so many bytes.
        encode: Writes a message as a record.
        reading: Says how the message of a record is read, by its class and by whether the schema's
            rules must hold.
    """

    name: str
    extensions: tuple[str, ...]
    summary: str
    record: Format
    split: Callable[[Source, int], Iterator[Batch]]
    encode: Callable[[Message], bytes]
    reading: Callable[[type[Message], bool], Reading]


def _binary_reading(type_: type[Message], validate: bool) -> Reading:
    return binary_reading(type_, validate=validate)


def _json_reading(type_: type[Message], validate: bool) -> Reading:
    return json_reading(type_, validate=validate)


_TABLE = (
    StreamFormat(
        "delimited",
        (".binpbs",),
        "binary messages, each after its size",
        FORMATS["binary"],
        split_delimited,
        delimited_record,
        _binary_reading,
    ),
    StreamFormat(
        "jsonl",
        (".jsonl", ".ndjson"),
        "ProtoJSON, a message a line",
        FORMATS["json"],
        split_lines,
        json_record,
        _json_reading,
    ),
)

#: Every stream form by its name.
STREAM_FORMATS = {form.name: form for form in _TABLE}

#: Every ending of a stream and its form, without compression.
STREAM_EXTENSIONS = {ending: form for form in _TABLE for ending in form.extensions}

#: The names of all forms, those of documents first.
FORMAT_NAMES = (*FORMATS, *STREAM_FORMATS)


def format_of(filename: str) -> Format | StreamFormat:
    """Return the form of a file, of a document or a stream, told from its ending in any case.

    Raises:
        UnknownFormatError: No form has this ending.

    >>> format_of("events.binpbs.gz").name
    'delimited'
    """
    name = PurePath(filename).name.lower()
    plain = without_compression(name)
    for ending, stream in STREAM_EXTENSIONS.items():
        if plain.endswith(ending):
            return stream
    if plain != name:
        raise UnknownFormatError(
            f"only streams ({', '.join(STREAM_EXTENSIONS)}) are read and written compressed, not"
            f' "{PurePath(plain).suffix}"'
        )
    try:
        return formats.format_of(filename)
    except UnknownFormatError:
        shown = PurePath(name).suffix
        got = f'the ending "{shown}" is' if shown else "a name without an ending is"
        known = sorted([*formats.EXTENSIONS, *STREAM_EXTENSIONS])
        raise UnknownFormatError(
            f"{got} not that of a form ({', '.join(known)}){near_miss(shown, known)}"
        ) from None


def format_named(name: str) -> Format | StreamFormat:
    """Return the form of a name, of a document or a stream.

    Raises:
        UnknownFormatError: No form has this name; the error names the nearest one.
    """
    form = FORMATS.get(name) or STREAM_FORMATS.get(name)
    if form is None:
        raise UnknownFormatError(
            f'unknown form "{name}"; expected one of {", ".join(FORMAT_NAMES)}'
            f"{near_miss(name, FORMAT_NAMES)}"
        )
    return form


def stem_of(filename: str) -> str:
    """Return a file's name without its folder and without the ending of its form.

    >>> stem_of("logs/events.JSONL.gz")
    'events'
    """
    base = PurePath(filename).name
    plain = without_compression(base)
    endings = [*STREAM_EXTENSIONS] if plain != base else [*formats.EXTENSIONS, *STREAM_EXTENSIONS]
    for ending in endings:
        if plain.lower().endswith(ending):
            return plain[: -len(ending)]
    return base
