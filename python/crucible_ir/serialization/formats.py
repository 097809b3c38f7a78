"""The table of forms: what each is called, which files hold it, and how it is read and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from crucible_ir.errors import Error, near_miss
from crucible_ir.schema.types import descriptor_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from crucible_ir.errors import Position
    from crucible_ir.paths import Part

    #: Reads a message of a class from the bytes of a file; the flag asks for the rules to hold.
    Read = Callable[[bytes, type[Message], bool], Message]
    #: Writes a message as the bytes of a file; with the number of spaces a level, if it has levels.
    Write = Callable[[Message, int | None], bytes]
    #: Tells where in the bytes of a file a path of fields stands.
    Find = Callable[[tuple[Part, ...]], Position]
    Places = Callable[[bytes, type[Message]], Find]


class UnknownFormatError(Error, LookupError):
    """A file's ending, or a name, does not say which form is meant."""


@dataclass(frozen=True, slots=True)
class Format:
    """One way to keep a message in a file.

    Attributes:
        name: What ``--from`` and ``--to`` call it.
        extensions: The file extensions of the files that hold it; the first is the one to write.
        summary: What it is, in a few words.
        is_text: Whether it is UTF-8 text, which has lines and names its fields.
        read: Reads a message.
        write: Writes a message.
        places: Tells where the fields of a message that was read stand; ``None`` where a form
            keeps no places.
    """

    name: str
    extensions: tuple[str, ...]
    summary: str
    is_text: bool
    read: Read
    write: Write
    places: Places | None = None


# The doors are imported when they are first used: a program that reads YAML needs no JSON.


def _read_json(data: bytes, type_: type[Message], validate: bool) -> Message:
    from crucible_ir.serialization.json.protojson import from_json

    return from_json(data, type_, validate=validate)


def _write_json(message: Message, indent: int | None) -> bytes:
    from crucible_ir.serialization.json.protojson import to_json

    return _text(to_json(message, indent=indent))


def _json_places(data: bytes, type_: type[Message]) -> Find:
    from crucible_ir.serialization.json import parsing
    from crucible_ir.serialization.reading import place_finder, spell_protojson

    text = parsing.decode_utf8(data)
    return place_finder(descriptor_of(type_), spell_protojson, lambda: parsing.locate(text))


def _read_crucible_json(data: bytes, type_: type[Message], validate: bool) -> Message:
    from crucible_ir.serialization.json.crucible import from_crucible_json

    return from_crucible_json(data, type_, validate=validate)


def _write_crucible_json(message: Message, indent: int | None) -> bytes:
    from crucible_ir.serialization.json.crucible import to_crucible_json

    return _text(to_crucible_json(message, indent=indent))


def _crucible_json_places(data: bytes, type_: type[Message]) -> Find:
    from crucible_ir.serialization.json import parsing
    from crucible_ir.serialization.json.crucible_codec import document_path
    from crucible_ir.serialization.reading import place_finder

    def spell(descriptor: Descriptor, path: tuple[Part, ...]) -> list[list[Part]]:
        return [[part] for part in document_path(descriptor, path)]

    text = parsing.decode_utf8(data)
    return place_finder(descriptor_of(type_), spell, lambda: parsing.locate(text))


def _read_yaml(data: bytes, type_: type[Message], validate: bool) -> Message:
    from crucible_ir.serialization.yaml import from_yaml

    return from_yaml(data, type_, validate=validate)


def _write_yaml(message: Message, indent: int | None) -> bytes:
    from crucible_ir.serialization.yaml import to_yaml

    return _text(to_yaml(message))


def _yaml_places(data: bytes, type_: type[Message]) -> Find:
    from crucible_ir.serialization import yaml_text
    from crucible_ir.serialization.json import parsing
    from crucible_ir.serialization.reading import place_finder, spell_protojson

    _, node = yaml_text.parse(parsing.decode_utf8(data))
    return place_finder(descriptor_of(type_), spell_protojson, lambda: node)


def _read_text(data: bytes, type_: type[Message], validate: bool) -> Message:
    from crucible_ir.serialization.text import from_text

    return from_text(data, type_, validate=validate)


def _write_text(message: Message, indent: int | None) -> bytes:
    from crucible_ir.serialization.text import to_text

    return _text(to_text(message))


def _read_binary(data: bytes, type_: type[Message], validate: bool) -> Message:
    from crucible_ir.serialization.binary import from_binary

    return from_binary(data, type_, validate=validate)


def _write_binary(message: Message, indent: int | None) -> bytes:
    from crucible_ir.serialization.binary import to_binary

    return to_binary(message)


def _text(text: str) -> bytes:
    """Return the content of a text file, which ends in a line break unless it is empty."""
    return (text + "\n" if text and not text.endswith("\n") else text).encode()


_TABLE = (
    Format("json", (".json",), "ProtoJSON", True, _read_json, _write_json, _json_places),
    Format(
        "crucible-json",
        (".crucible.json",),
        "the JSON of the Elixir services",
        True,
        _read_crucible_json,
        _write_crucible_json,
        _crucible_json_places,
    ),
    Format(
        "yaml",
        (".yaml", ".yml"),
        "ProtoJSON in YAML",
        True,
        _read_yaml,
        _write_yaml,
        _yaml_places,
    ),
    Format(
        "text", (".txtpb", ".textproto"), "protobuf's text format", True, _read_text, _write_text
    ),
    Format(
        "binary", (".binpb", ".pb"), "protobuf's wire format", False, _read_binary, _write_binary
    ),
)

#: Every form by its name.
FORMATS = {form.name: form for form in _TABLE}

#: Every ending and its form, the longest ending first, since ``.json`` ends ``.crucible.json``.
EXTENSIONS = dict(
    sorted(
        ((ending, form) for form in _TABLE for ending in form.extensions),
        key=lambda pair: -len(pair[0]),
    )
)


def format_of(filename: str) -> Format:
    """Return the form of a file, told from its ending in any case.

    Raises:
        UnknownFormatError: No form has this ending.

    >>> format_of("runs/exp.crucible.json").name
    'crucible-json'
    """
    name = PurePath(filename).name.lower()
    for ending, form in EXTENSIONS.items():
        if name.endswith(ending):
            return form
    shown = PurePath(name).suffix
    got = f'the ending "{shown}" is' if shown else "a name without an ending is"
    raise UnknownFormatError(
        f"{got} not that of a form ({', '.join(sorted(EXTENSIONS))}){near_miss(shown, EXTENSIONS)}"
    )


def format_named(name: str) -> Format:
    """Return the form of a name.

    Raises:
        UnknownFormatError: No form has this name; the error names the nearest one.
    """
    if name not in FORMATS:
        raise UnknownFormatError(
            f'unknown form "{name}"; expected one of {", ".join(FORMATS)}{near_miss(name, FORMATS)}'
        )
    return FORMATS[name]
