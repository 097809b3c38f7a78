"""The document formats: their names, their file extensions, and how to read and write them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from crucible_ir.errors import Error, near_miss

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.binary import ParsedBinary
    from crucible_ir.serialization.json.document import ParsedValues
    from crucible_ir.serialization.text import ParsedText

    #: A parsed document, before its message type is known.
    ParsedDocument: TypeAlias = ParsedValues | ParsedText | ParsedBinary

    #: Parses the bytes of a file.
    Parse = Callable[[bytes], ParsedDocument]
    #: Writes a message as the bytes of a file, with a number of spaces for each level of JSON.
    Write = Callable[[Message, int | None], bytes]


class UnknownFormatError(Error, LookupError):
    """No format has this name or file extension."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format of documents.

    Attributes:
        name: The name for ``--from`` and ``--to``.
        extensions: The file extensions; files are written with the first.
        summary: A description in a few words.
        is_text: Whether it is UTF-8 text with the names of fields.
        parse: Parses a document, before its message type is known.
        write: Writes a message.
    """

    name: str
    extensions: tuple[str, ...]
    summary: str
    is_text: bool
    parse: Parse
    write: Write

    def read(self, data: bytes, type_: type[Message], validate: bool) -> Message:
        """Read a message.

        Args:
            data: The content of a file.
            type_: The class of the message.
            validate: Whether the message must satisfy the rules of the schema.

        Raises:
            DecodeError: The data does not describe such a message in this format.
            ValidationError: The message breaks rules of the schema.
        """
        return self.parse(data).read(type_, validate=validate)


# Codecs are imported when they are first used: reading JSON does not import yaml.


def _parse_json(data: bytes) -> ParsedDocument:
    from crucible_ir.serialization.json.protojson import parse_json

    return parse_json(data)


def _write_json(message: Message, indent: int | None) -> bytes:
    from crucible_ir.serialization.json.protojson import to_json

    return _text(to_json(message, indent=indent))


def _parse_crucible_json(data: bytes) -> ParsedDocument:
    from crucible_ir.serialization.json.crucible import parse_crucible_json

    return parse_crucible_json(data)


def _write_crucible_json(message: Message, indent: int | None) -> bytes:
    from crucible_ir.serialization.json.crucible import to_crucible_json

    return _text(to_crucible_json(message, indent=indent))


def _parse_yaml(data: bytes) -> ParsedDocument:
    from crucible_ir.serialization.yaml import parse_yaml

    return parse_yaml(data)


def _write_yaml(message: Message, indent: int | None) -> bytes:
    from crucible_ir.serialization.yaml import to_yaml

    return _text(to_yaml(message))


def _write_yaml_with_proto_names(message: Message, indent: int | None) -> bytes:
    from crucible_ir.serialization.yaml import to_yaml

    return _text(to_yaml(message, names="proto"))


def _parse_text(data: bytes) -> ParsedDocument:
    from crucible_ir.serialization.json import parsing
    from crucible_ir.serialization.text import ParsedText

    return ParsedText(parsing.decode_utf8(data))


def _write_text(message: Message, indent: int | None) -> bytes:
    from crucible_ir.serialization.text import to_text

    return _text(to_text(message))


def _parse_binary(data: bytes) -> ParsedDocument:
    from crucible_ir.serialization.binary import ParsedBinary

    return ParsedBinary(data)


def _write_binary(message: Message, indent: int | None) -> bytes:
    from crucible_ir.serialization.binary import to_binary

    return to_binary(message)


def _text(text: str) -> bytes:
    """Return the content of a text file, which ends with a line break unless it is empty."""
    return (text + "\n" if text and not text.endswith("\n") else text).encode()


_TABLE = (
    Format("json", (".json",), "ProtoJSON", True, _parse_json, _write_json),
    Format(
        "crucible-json",
        (".crucible.json",),
        "the JSON of the Elixir services",
        True,
        _parse_crucible_json,
        _write_crucible_json,
    ),
    Format("yaml", (".yaml", ".yml"), "YAML as people write it", True, _parse_yaml, _write_yaml),
    Format(
        "text", (".txtpb", ".textproto"), "protobuf's text format", True, _parse_text, _write_text
    ),
    Format(
        "binary", (".binpb", ".pb"), "protobuf's wire format", False, _parse_binary, _write_binary
    ),
)

#: The formats by name.
FORMATS = {each.name: each for each in _TABLE}

#: The release from which on readers of YAML read short names.
SHORT_NAMES_SINCE = "0.3.0"

#: YAML that is written with the names of ProtoJSON.
YAML_WITH_PROTO_NAMES = replace(FORMATS["yaml"], write=_write_yaml_with_proto_names)


class _HasExtensions(Protocol):
    @property
    def extensions(self) -> tuple[str, ...]: ...


_FormatT = TypeVar("_FormatT", bound=_HasExtensions)


def by_extension(formats: Iterable[_FormatT]) -> dict[str, _FormatT]:
    """Return formats by file extension, the longest first: ``.crucible.json`` ends in ``.json``."""
    pairs = ((extension, each) for each in formats for extension in each.extensions)
    return dict(sorted(pairs, key=lambda pair: -len(pair[0])))


#: The formats by file extension.
EXTENSIONS = by_extension(_TABLE)


def document_format_of(filename: str) -> Format:
    """Return the format of a document from its file extension, in any case.

    Raises:
        UnknownFormatError: No format has this file extension.

    >>> document_format_of("runs/exp.crucible.json").name
    'crucible-json'
    """
    name = os.path.basename(filename).lower()
    for extension, found in EXTENSIONS.items():
        if name.endswith(extension):
            return found
    raise unknown_extension(name, EXTENSIONS)


def unknown_extension(filename: str, known: Iterable[str]) -> UnknownFormatError:
    """Return the error for a file name without a known extension."""
    known = sorted(known)
    extension = os.path.splitext(filename)[1]
    reason = f'unknown file extension "{extension}"' if extension else "no file extension"
    return UnknownFormatError(
        f"{reason}; expected one of {', '.join(known)}{near_miss(extension, known)}"
    )
