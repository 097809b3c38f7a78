"""Reading of documents that must all have the same type."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crucible_ir.cli.files.inputs import (
    ReadOptions,
    content_of,
    format_for,
    input_files,
    parse_content,
    type_for,
)
from crucible_ir.cli.session import CannotDecodeError, CannotRunError
from crucible_ir.errors import DecodeError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.formats import Format, ParsedDocument


@dataclass(frozen=True, slots=True)
class InputDocument:
    """A document that was read.

    Attributes:
        name: The name in reports.
        format_: The format of its file.
        message: The message; it need not be valid.
    """

    name: str
    format_: Format
    message: Message


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A parsed document; its type is ``None`` if it was not detected, for the reason given."""

    name: str
    format_: Format
    document: ParsedDocument
    type_: type[Message] | None
    reason: str = ""


def read_batch(names: Iterable[str], read_options: ReadOptions) -> list[InputDocument]:
    """Read documents; one whose type is not detected, such as binary, has the type of the others.

    Args:
        names: The names of the files, or ``-``.
        read_options: How to read them.

    Raises:
        CannotRunError: A document cannot be read or decoded, or no type is detected.
    """
    parsed = [_parse(name, read_options) for name in names]
    known = next((each.type_ for each in parsed if each.type_ is not None), None)
    if known is None:
        raise CannotRunError(parsed[0].reason)
    return [_read(each, each.type_ or known, read_options) for each in parsed]


def _parse(name: str, read_options: ReadOptions) -> _Parsed:
    found = list(input_files([name], read_options))
    if len(found) != 1:
        raise CannotRunError(f"{name} matches {len(found)} files; expected one")
    try:
        content = content_of(found[0], read_options)
        format_ = format_for(found[0], read_options)
        document = parse_content(found[0], content, format_, read_options)
    except CannotRunError as error:
        raise CannotRunError(f"{name}: {error}") from None
    except DecodeError as error:
        raise CannotDecodeError(name, error) from None
    try:
        return _Parsed(name, format_, document, type_for(document, format_, read_options))
    except CannotRunError as error:
        return _Parsed(name, format_, document, None, f"{name}: {error}")
    except DecodeError as error:
        raise CannotDecodeError(name, error) from None


def _read(parsed: _Parsed, type_: type[Message], read_options: ReadOptions) -> InputDocument:
    try:
        message = parsed.document.read(type_, validate=False, limits=read_options.limits)
    except DecodeError as error:
        raise CannotDecodeError(parsed.name, error) from None
    return InputDocument(parsed.name, parsed.format_, message)
