"""The table of stream forms: what each is called, which files hold it, and how its records look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from crucible_ir.errors import near_miss
from crucible_ir.serialization import forms
from crucible_ir.serialization.compression import without_compression
from crucible_ir.serialization.forms import FORMS, Form, UnknownFormError
from crucible_ir.serialization.streams import (
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

    from crucible_ir.serialization.compression import Source


@dataclass(frozen=True, slots=True)
class StreamForm:
    """One way to keep many messages in a file.

    Attributes:
        name: What ``--from`` and ``--to`` call it.
        endings: The endings of the files that hold it; the first is the one to write. The ending of
            a compression may follow.
        summary: What it is, in a few words.
        record: The form of one record's message.
        split: Splits a stream into records, none of them larger than so many bytes.
        encode: Writes a message as a record.
        reading: Says how the message of a record is read, by its class and by whether the schema's
            rules must hold.
    """

    name: str
    endings: tuple[str, ...]
    summary: str
    record: Form
    split: Callable[[Source, int], Iterator[Batch]]
    encode: Callable[[Message], bytes]
    reading: Callable[[type[Message], bool], Reading]


def _binary_reading(type_: type[Message], validate: bool) -> Reading:
    return binary_reading(type_, validate=validate)


def _json_reading(type_: type[Message], validate: bool) -> Reading:
    return json_reading(type_, validate=validate)


_TABLE = (
    StreamForm(
        "delimited",
        (".binpbs",),
        "binary messages, each after its size",
        FORMS["binary"],
        split_delimited,
        delimited_record,
        _binary_reading,
    ),
    StreamForm(
        "jsonl",
        (".jsonl", ".ndjson"),
        "ProtoJSON, a message a line",
        FORMS["json"],
        split_lines,
        json_record,
        _json_reading,
    ),
)

#: Every stream form by its name.
STREAM_FORMS = {form.name: form for form in _TABLE}

#: Every ending of a stream and its form, without compression.
STREAM_ENDINGS = {ending: form for form in _TABLE for ending in form.endings}

#: The names of all forms, those of documents first.
FORM_NAMES = (*FORMS, *STREAM_FORMS)


def form_of(filename: str) -> Form | StreamForm:
    """Return the form of a file, of a document or a stream, told from its ending in any case.

    Raises:
        UnknownFormError: No form has this ending.

    >>> form_of("events.binpbs.gz").name
    'delimited'
    """
    name = PurePath(filename).name.lower()
    plain = without_compression(name)
    for ending, stream in STREAM_ENDINGS.items():
        if plain.endswith(ending):
            return stream
    if plain != name:
        raise UnknownFormError(
            f"only streams ({', '.join(STREAM_ENDINGS)}) are read and written compressed, not"
            f' "{PurePath(plain).suffix}"'
        )
    try:
        return forms.form_of(filename)
    except UnknownFormError:
        shown = PurePath(name).suffix
        got = f'the ending "{shown}" is' if shown else "a name without an ending is"
        known = sorted([*forms.ENDINGS, *STREAM_ENDINGS])
        raise UnknownFormError(
            f"{got} not that of a form ({', '.join(known)}){near_miss(shown, known)}"
        ) from None


def form_named(name: str) -> Form | StreamForm:
    """Return the form of a name, of a document or a stream.

    Raises:
        UnknownFormError: No form has this name; the error names the nearest one.
    """
    form = FORMS.get(name) or STREAM_FORMS.get(name)
    if form is None:
        raise UnknownFormError(
            f'unknown form "{name}"; expected one of {", ".join(FORM_NAMES)}'
            f"{near_miss(name, FORM_NAMES)}"
        )
    return form


def stem_of(filename: str) -> str:
    """Return a file's name without its folder and without the ending of its form.

    >>> stem_of("logs/events.JSONL.gz")
    'events'
    """
    base = PurePath(filename).name
    plain = without_compression(base)
    endings = [*STREAM_ENDINGS] if plain != base else [*forms.ENDINGS, *STREAM_ENDINGS]
    for ending in endings:
        if plain.lower().endswith(ending):
            return plain[: -len(ending)]
    return base
