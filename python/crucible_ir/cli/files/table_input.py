"""Messages of tables: of a Parquet or Arrow file, or of a folder of parts."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from crucible_ir.bulk.table_formats import arrow_reason, table_format_of
from crucible_ir.cli.files.inputs import InputFile
from crucible_ir.cli.session import CannotRunError, reason_of
from crucible_ir.errors import DecodeError, ValidationError
from crucible_ir.extras import MissingExtraError, optional_module
from crucible_ir.schema.types import UnknownTypeError, message_type
from crucible_ir.serialization.streams.records import StreamError

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.cli.files.inputs import ReadOptions
    from crucible_ir.serialization.streams.records import StreamCount

#: The rows that are read at a time.
_BATCH_ROWS: Final = 4096
#: The key of the name of the message type in the metadata of a table.
_TYPE_KEY: Final = b"crucible_ir.type"
#: The names in a folder of parts that belong to a job which is not finished, and to a finished one.
_PROGRESS: Final = "_progress"
_MANIFEST: Final = "_manifest.json"


def table_files(argument: str) -> list[str]:
    """Return the table files that an argument names; none if it names other files.

    Raises:
        CannotRunError: The argument is a folder whose parts are not complete, or not as they were
            written.
    """
    if os.path.isdir(argument):
        names = sorted(os.listdir(argument))
        if _PROGRESS in names and _MANIFEST not in names:
            raise CannotRunError(
                f"{argument}: is not complete: run the command that writes it again"
            )
        if _MANIFEST in names:
            _check_parts(argument)
        visible = [name for name in names if not name.startswith(("_", "."))]
        found = [os.path.join(argument, name) for name in visible]
    elif glob.has_magic(argument) and not os.path.lexists(argument):
        found = sorted(glob.glob(argument))
    else:
        found = [argument]
    return [name for name in found if table_format_of(name) is not None]


def _check_parts(folder: str) -> None:
    """Check that a folder has the parts of its manifest, if it is that of a job.

    Raises:
        CannotRunError: A part is missing, or has another size.
    """
    try:
        with open(os.path.join(folder, _MANIFEST), "rb") as file:
            sizes = {str(each["name"]): each["bytes"] for each in json.load(file)["parts"]}
    except (KeyError, OSError, RecursionError, TypeError, ValueError):
        # Perhaps of another program: the parts are read as they are.
        return
    for name, size in sizes.items():
        path = os.path.join(folder, name)
        if not os.path.isfile(path) or os.path.getsize(path) != size:
            raise CannotRunError(
                f"{path}: is missing or has changed since it was written: write {folder} again"
                " with --force"
            )


@dataclass(frozen=True, slots=True)
class TableInput(InputFile):
    """Table files that a command reads as one input.

    Attributes:
        files: The names of the files.
    """

    files: tuple[str, ...] = ()


def table_messages(
    source: TableInput, read_options: ReadOptions, count: StreamCount, *, validate: bool
) -> Iterator[Message]:
    """Yield the messages of table files, one file after the other.

    Args:
        source: The files.
        read_options: Has the type of the messages, or none to use that of each table.
        count: Updated with each message.
        validate: Whether each message must satisfy the rules of the schema.

    Raises:
        CannotRunError: A file cannot be read, is not a table, or its type is not known.
        DecodeError: A row has no message; the path begins with the number of the row.
        StreamError: A message breaks rules of the schema.
    """
    for name in source.files:
        with _opened(name) as reader:
            type_ = message_type(read_options.type_name or _type_of(name, reader))
            try:
                for message in _from_arrow(reader, type_, validate=validate):
                    count.records += 1
                    yield message
            except ValidationError as error:
                raise StreamError(
                    error.args[0], record=count.records, offset=0, error=error
                ) from None
            except DecodeError as error:
                path = f"{os.path.basename(name)}{error.path}"
                raise DecodeError(error.reason, path=path) from None


def _from_arrow(reader: Any, type_: type[Message], *, validate: bool) -> Iterator[Message]:
    from crucible_ir.bulk.reading import from_arrow

    return from_arrow(reader, type_, validate=validate)


def _type_of(name: str, reader: Any) -> str:
    """Return the name of the message type in the metadata of a table."""
    metadata = reader.schema.metadata or {}
    try:
        type_name = metadata[_TYPE_KEY].decode()
        message_type(type_name)
    except (KeyError, UnicodeDecodeError, UnknownTypeError):
        raise CannotRunError(
            f"{name}: the table does not name its message type; give --type"
        ) from None
    return str(type_name)


@contextmanager
def _opened(name: str) -> Iterator[Any]:
    """Open a table file as a reader of record batches."""
    try:
        pa = optional_module("pyarrow", "arrow")
        parquet = optional_module("pyarrow.parquet", "arrow")
    except MissingExtraError as error:
        raise CannotRunError(str(error)) from None
    table_format = table_format_of(name)
    try:
        with open(name, "rb") as file:
            if table_format == "parquet":
                table = parquet.ParquetFile(file)
                batches = table.iter_batches(_BATCH_ROWS, use_threads=False)
                yield pa.RecordBatchReader.from_batches(table.schema_arrow, batches)
            else:
                table = pa.ipc.open_file(file)
                batches = map(table.get_batch, range(table.num_record_batches))
                yield pa.RecordBatchReader.from_batches(table.schema, batches)
    except pa.ArrowException as error:
        reason = arrow_reason(error)
        raise CannotRunError(f"{name}: not a readable {table_format} file: {reason}") from None
    except OSError as error:
        reason = reason_of(error) if error.strerror else arrow_reason(error)
        raise CannotRunError(f"{name}: cannot be read: {reason}") from None
