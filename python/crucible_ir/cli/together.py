"""Documents that are read together, since they are to be of one type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crucible_ir.cli.inputs import content_of, form_for, read_document, sources, type_for
from crucible_ir.cli.session import CannotRunError
from crucible_ir.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

    from crucible_ir.cli.inputs import Reading
    from crucible_ir.serialization.formats import Format


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
class _Opened:
    """A document whose bytes are known, and its type if it tells it, or else why it does not."""

    name: str
    form: Format
    content: bytes
    type_: type[Message] | None
    doubt: str = ""


def read_together(names: Iterable[str], reading: Reading) -> list[Document]:
    """Read documents; one that does not tell its type, as binary does not, has that of another.

    Args:
        names: The names of the files, or ``-``.
        reading: How they are to be read.

    Raises:
        CannotRunError: One of them cannot be read or decoded, or none tells its type.
    """
    opened = [_open(name, reading) for name in names]
    known = next((each.type_ for each in opened if each.type_ is not None), None)
    if known is None:
        raise CannotRunError(opened[0].doubt)
    return [_read(each, each.type_ or known, reading) for each in opened]


def _open(name: str, reading: Reading) -> _Opened:
    found = list(sources([name], reading))
    if len(found) != 1:
        raise CannotRunError(f"{name} stands for {len(found)} files, and one is expected")
    try:
        content = content_of(found[0], reading)
        form = form_for(found[0], reading)
    except CannotRunError as error:
        raise CannotRunError(f"{name}: {error}") from None
    try:
        return _Opened(name, form, content, type_for(content, form, reading))
    except CannotRunError as error:
        return _Opened(name, form, content, None, f"{name}: {error}")
    except DecodeError as error:
        raise _undecodable(name, error) from None


def _read(opened: _Opened, type_: type[Message], reading: Reading) -> Document:
    try:
        message = read_document(opened.content, opened.form, type_, reading, validate=False)
    except DecodeError as error:
        raise _undecodable(opened.name, error) from None
    return Document(opened.name, opened.form, message)


def _undecodable(name: str, error: DecodeError) -> CannotRunError:
    return CannotRunError(f"{name}:{'' if error.position else ' '}{error}")
