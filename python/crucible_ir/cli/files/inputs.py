"""The files that a command reads: from names, patterns and folders to messages."""

from __future__ import annotations

import errno
import glob
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from crucible_ir.cli.session import CannotRunError, print_error, reason_of
from crucible_ir.errors import DecodeError
from crucible_ir.serialization.formats import Format, UnknownFormatError
from crucible_ir.serialization.limits import Limits
from crucible_ir.serialization.streams.formats import (
    FORMAT_NAMES,
    STREAM_FORMATS,
    StreamFormat,
    format_named,
    format_of,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.serialization.formats import ParsedDocument

#: The name of standard input and standard output.
STANDARD: Final = "-"
#: The kinds of files that are not read from a folder.
_KINDS: Final = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
#: White space, and a byte order mark.
_WHITE_SPACE: Final = b" \t\r\n\xef\xbb\xbf"
#: The formats in which a message without fields has no bytes.
_EMPTY_MESSAGES: Final = ("text", "binary")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The options for reading documents.

    Attributes:
        type_name: The name of the message type; ``None`` to detect the type of each document.
        format_name: The name of the format; ``None`` to infer it from each file's extension.
        limits: The limits on size and depth.
    """

    type_name: str | None = None
    format_name: str | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file that a command reads.

    Attributes:
        name: The name in reports: as given on the command line, or ``-``.
        content: What was read from standard input; ``None`` for a file, and for a stream.
    """

    name: str
    content: bytes | None = None


def input_files(arguments: Iterable[str], read_options: ReadOptions) -> Iterator[InputFile]:
    """Yield the files that a command line names, each once, in the order given.

    An argument is the name of a file; a folder, for all files in it at any depth that have the
    extension of a format, in alphabetical order and without hidden ones; or a pattern with ``*``,
    ``?`` or ``[``, in which ``**`` matches any folders. In a folder or by a pattern, only regular
    files are found: the others are skipped with a line on standard error, since a pipe or a device
    may never end. Links to folders are not followed, since they can form a loop.

    Raises:
        CannotRunError: A pattern matches nothing, or standard input cannot be read.
    """
    seen: set[str] = set()
    for argument in arguments:
        for name in _names(argument):
            if os.path.normpath(name) in seen:
                continue
            seen.add(os.path.normpath(name))
            if name == STANDARD and read_options.format_name not in STREAM_FORMATS:
                yield InputFile(name, _read_standard_input(read_options.limits.max_bytes))
            else:
                yield InputFile(name)


def names_files(argument: str, read_options: ReadOptions) -> bool:
    """Return whether an argument names files, and not a document of an exchange."""
    if argument == STANDARD or read_options.format_name is not None or os.path.lexists(argument):
        return True
    if any(character in argument for character in "*?["):
        return True
    try:
        format_of(argument)
    except UnknownFormatError:
        return argument.startswith((".", "/", "~"))
    return True


def input_documents(arguments: Iterable[str], read_options: ReadOptions) -> Iterator[InputFile]:
    """Yield the files of `input_files` for a command that takes no streams.

    Streams that are found in a folder or by a pattern are skipped with a line on standard error.
    """
    named = set(arguments)
    for source in input_files(arguments, read_options):
        if source.name not in named and _is_stream(source, read_options):
            print_error(f"{source.name}: skipped: a stream of records")
        else:
            yield source


def _is_stream(source: InputFile, read_options: ReadOptions) -> bool:
    try:
        return isinstance(any_format_for(source, read_options), StreamFormat)
    except CannotRunError:
        return False


def _names(argument: str) -> Iterable[str]:
    if os.path.isdir(argument):
        return _files_below(argument)
    if argument == STANDARD or os.path.lexists(argument) or not glob.has_magic(argument):
        return [argument]
    found = sorted(set(_matches(argument)))
    if not found:
        raise CannotRunError(f"no file matches {argument}")
    return [inner for name in found for inner in _files_of_match(name)]


def _matches(pattern: str) -> Iterator[str]:
    """Yield the names that match a pattern, as ``glob`` does but without following links."""
    parts = pattern.split("/")
    if "**" not in parts:
        yield from glob.iglob(pattern)
        return
    at = parts.index("**")
    above, below = "/".join(parts[:at]), "/".join(parts[at + 1 :])
    if not above:
        above = "/" if pattern.startswith("/") else os.curdir
    for folder in glob.iglob(above):
        for parent, _ in _walk(folder):
            prefix = "" if parent == os.curdir else glob.escape(os.path.join(parent, ""))
            yield from _matches(f"{prefix}{below or '*'}")


def _walk(folder: str) -> Iterator[tuple[str, list[str]]]:
    """Yield a folder and all folders in it with the names of their files, without hidden ones.

    Links to folders are not followed.
    """
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield os.path.normpath(parent), sorted(name for name in files if not name.startswith("."))


def _files_of_match(name: str) -> list[str]:
    """Return the files of a name that matched a pattern: those in it if it is a folder."""
    if os.path.isdir(name):
        return _files_below(name)
    return [name] if _is_readable_file(name) else []


def _files_below(folder: str) -> list[str]:
    """Return the files in a folder that have the extension of a format."""
    paths = (
        os.path.normpath(os.path.join(parent, name))
        for parent, names in _walk(folder)
        for name in names
        if _has_format(name)
    )
    return [path for path in paths if _is_readable_file(path)]


def _is_readable_file(name: str) -> bool:
    """Return whether a file that was found may be read; print a line about one that is skipped."""
    try:
        mode = os.stat(name).st_mode
    except OSError as error:
        # A link without a target is an error of the document that it stands for.
        if error.errno != errno.ELOOP:
            return True
        kind = "a loop of symbolic links"
    else:
        if stat.S_ISREG(mode):
            return True
        kind = _KINDS.get(stat.S_IFMT(mode), "not a regular file")
    print_error(f"{name}: skipped: {kind}")
    return False


def _has_format(name: str) -> bool:
    try:
        format_of(name)
    except UnknownFormatError:
        return False
    return True


def content_of(source: InputFile, read_options: ReadOptions) -> bytes:
    """Return the bytes of a document.

    Raises:
        CannotRunError: It cannot be read, or is too large.
    """
    if source.content is not None:
        return source.content
    try:
        with open(source.name, "rb") as file:
            max_bytes = read_options.limits.max_bytes
            return _limited(file.read(max_bytes + 1), max_bytes)
    except OSError as error:
        raise CannotRunError(unreadable(source.name, error)) from None


def unreadable(name: str, error: OSError) -> str:
    """Return the reason why a file cannot be read, with the nearest name if it does not exist."""
    guess = _nearest_file(name) if isinstance(error, FileNotFoundError) else ""
    return f"cannot be read: {reason_of(error)}{guess}"


def _nearest_file(name: str) -> str:
    """Return the file in the same folder with the most similar name, extensions aside."""
    import difflib

    folder, base = os.path.split(name)
    try:
        beside = {inner.split(".")[0]: inner for inner in sorted(os.listdir(folder or os.curdir))}
    except OSError:
        return ""
    close = difflib.get_close_matches(base.split(".")[0], beside, n=1)
    return f'; did you mean "{os.path.join(folder, beside[close[0]])}"?' if close else ""


def _read_standard_input(max_bytes: int) -> bytes:
    try:
        return _limited(sys.stdin.buffer.read(max_bytes + 1), max_bytes)
    except (OSError, CannotRunError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        raise CannotRunError(f"standard input: {reason}") from None


def _limited(content: bytes, max_bytes: int) -> bytes:
    if len(content) > max_bytes:
        raise CannotRunError(f"has more than {max_bytes} bytes; raise the limit with --max-bytes")
    return content


def format_for(source: InputFile, read_options: ReadOptions) -> Format:
    """Return the format of a document.

    Raises:
        CannotRunError: The format is not given and cannot be inferred, or it is a stream.
    """
    format_ = any_format_for(source, read_options)
    if isinstance(format_, StreamFormat):
        raise CannotRunError("is a stream of records; expected a single document")
    return format_


def any_format_for(source: InputFile, read_options: ReadOptions) -> Format | StreamFormat:
    """Return the format of a document or a stream.

    Raises:
        CannotRunError: The format is not given and cannot be inferred.
    """
    if read_options.format_name is not None:
        return format_named(read_options.format_name)
    names = "|".join(FORMAT_NAMES)
    if source.name == STANDARD:
        raise CannotRunError(f"the format of standard input is unknown; give --from {names}")
    try:
        return format_of(source.name)
    except UnknownFormatError as error:
        from crucible_ir.interchange.bundle.names import is_bundle_name

        if is_bundle_name(source.name):
            raise CannotRunError(
                "is a bundle: `crucible-ir bundle check` checks it, and `crucible-ir bundle open`"
                " writes its documents to files"
            ) from None
        raise CannotRunError(f"{error}; give --from {names}") from None


def read_document(
    source: InputFile, format_: Format, read_options: ReadOptions, *, validate: bool
) -> Message:
    """Read the message of a file.

    Raises:
        CannotRunError: The file cannot be read, or its type cannot be detected.
        DecodeError: The content does not have the format and type, or exceeds a limit.
        ValidationError: The message breaks rules of the schema, and ``validate`` is set.
    """
    content = content_of(source, read_options)
    document = parse_content(source, content, format_, read_options)
    type_ = type_for(document, format_, read_options)
    return document.read(type_, validate=validate, limits=read_options.limits)


def parse_content(
    source: InputFile, content: bytes, format_: Format, read_options: ReadOptions
) -> ParsedDocument:
    """Parse the content of a file.

    Raises:
        DecodeError: It does not have the format, or it is empty. In binary and in protobuf's text
            format, a message without fields is empty, but its type cannot be detected.
    """
    is_empty = not (content.strip(_WHITE_SPACE) if format_.is_text else content)
    if is_empty and (format_.name not in _EMPTY_MESSAGES or read_options.type_name is None):
        what = "standard input" if source.name == STANDARD else "the file"
        raise DecodeError(f"{what} is empty")
    return format_.parse(content)


def type_for(document: ParsedDocument, format_: Format, read_options: ReadOptions) -> type[Message]:
    """Return the message type of a document: that of ``--type``, or else the detected one.

    Raises:
        CannotRunError: There is no ``--type``, and the document fits several types.
        DecodeError: No type has the fields of the document.
    """
    from crucible_ir.schema.types import message_type
    from crucible_ir.serialization.type_detection import AmbiguousTypeError, detect_type

    if read_options.type_name is not None:
        return message_type(read_options.type_name)
    try:
        return detect_type(document, format_)
    except AmbiguousTypeError as error:
        raise CannotRunError(f"{error}; give --type") from None
