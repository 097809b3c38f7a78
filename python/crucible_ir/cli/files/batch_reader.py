"""Documents that are read together, since they are to be of one type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crucible_ir.cli.files.inputs import content_of, format_for, input_files, message_of, type_for
from crucible_ir.cli.session import CannotRunError
from crucible_ir.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

    from crucible_ir.cli.files.inputs import ReadOptions
    from crucible_ir.serialization.formats import Format
    from crucible_ir.serialization.parsed_document import ParsedDocument


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read.

    Attributes:
        name: What reports call it.
        form: The form that it is in.
        message: What it holds; it need not be valid.
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


def read_batch(names: Iterable[str], read_options: ReadOptions) -> list[Document]:
    """Read documents; one whose type is not detected, such as binary, has the type of another.

    Args:
        names: The names of the files, or ``-``.
        read_options: How they are to be read.

    Raises:
        CannotRunError: One of them cannot be read or decoded, or no type is detected.
    """
    parsed = [_parse(name, read_options) for name in names]
    known = next((each.type_ for each in parsed if each.type_ is not None), None)
    if known is None:
        raise CannotRunError(parsed[0].reason)
    return [_read(each, each.type_ or known, read_options) for each in parsed]


def _parse(name: str, read_options: ReadOptions) -> _Parsed:
    found = list(input_files([name], read_options))
    if len(found) != 1:
        raise CannotRunError(f"{name} stands for {len(found)} files, and one is expected")
    try:
        content = content_of(found[0], read_options)
        format_ = format_for(found[0], read_options)
        document = format_.parse(content)
    except CannotRunError as error:
        raise CannotRunError(f"{name}: {error}") from None
    except DecodeError as error:
        raise _undecodable(name, error) from None
    try:
        return _Parsed(name, format_, document, type_for(document, format_, read_options))
    except CannotRunError as error:
        return _Parsed(name, format_, document, None, f"{name}: {error}")
    except DecodeError as error:
        raise _undecodable(name, error) from None


def _read(parsed: _Parsed, type_: type[Message], read_options: ReadOptions) -> Document:
    try:
        message = message_of(parsed.document, type_, read_options, validate=False)
    except DecodeError as error:
        raise _undecodable(parsed.name, error) from None
    return Document(parsed.name, parsed.format_, message)


def _undecodable(name: str, error: DecodeError) -> CannotRunError:
    return CannotRunError(f"{name}:{'' if error.position else ' '}{error}")
