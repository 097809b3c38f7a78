"""Documents that are read together, since they are to be of one type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crucible_ir.cli.inputs import content_of, form_for, message_of, sources, type_for
from crucible_ir.cli.session import CannotRunError
from crucible_ir.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

    from crucible_ir.cli.inputs import Reading
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
    form: Format
    message: Message


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A parsed document; its type is ``None`` if it was not detected, for the reason given."""

    name: str
    form: Format
    document: ParsedDocument
    type_: type[Message] | None
    reason: str = ""


def read_together(names: Iterable[str], reading: Reading) -> list[Document]:
    """Read documents; one whose type is not detected, such as binary, has the type of another.

    Args:
        names: The names of the files, or ``-``.
        reading: How they are to be read.

    Raises:
        CannotRunError: One of them cannot be read or decoded, or no type is detected.
    """
    parsed = [_parse(name, reading) for name in names]
    known = next((each.type_ for each in parsed if each.type_ is not None), None)
    if known is None:
        raise CannotRunError(parsed[0].reason)
    return [_read(each, each.type_ or known, reading) for each in parsed]


def _parse(name: str, reading: Reading) -> _Parsed:
    found = list(sources([name], reading))
    if len(found) != 1:
        raise CannotRunError(f"{name} stands for {len(found)} files, and one is expected")
    try:
        content = content_of(found[0], reading)
        form = form_for(found[0], reading)
        document = form.parse(content)
    except CannotRunError as error:
        raise CannotRunError(f"{name}: {error}") from None
    except DecodeError as error:
        raise _undecodable(name, error) from None
    try:
        return _Parsed(name, form, document, type_for(document, form, reading))
    except CannotRunError as error:
        return _Parsed(name, form, document, None, f"{name}: {error}")
    except DecodeError as error:
        raise _undecodable(name, error) from None


def _read(parsed: _Parsed, type_: type[Message], reading: Reading) -> Document:
    try:
        message = message_of(parsed.document, type_, reading, validate=False)
    except DecodeError as error:
        raise _undecodable(parsed.name, error) from None
    return Document(parsed.name, parsed.form, message)


def _undecodable(name: str, error: DecodeError) -> CannotRunError:
    return CannotRunError(f"{name}:{'' if error.position else ' '}{error}")
