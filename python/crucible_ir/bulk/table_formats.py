"""The formats of files with tables; this module does not need pyarrow."""

from __future__ import annotations

from os.path import splitext
from typing import Final

#: The formats of tables by name, with their file extensions.
TABLE_EXTENSIONS: Final = {"parquet": ".parquet", "arrow": ".arrow"}


def table_format_of(filename: str) -> str | None:
    """Return the format of a table from its file extension, in any case; ``None`` for others.

    >>> table_format_of("events.parquet")
    'parquet'
    >>> table_format_of("events.jsonl")
    """
    extension = splitext(filename)[1].lower()
    return next((name for name, each in TABLE_EXTENSIONS.items() if each == extension), None)


def arrow_reason(error: Exception) -> str:
    """Return the reason of an error of pyarrow on one line, without a traceback in it.

    >>> arrow_reason(OSError("IOError: Unexpected end. Detail: Python exception: Traceback"))
    'Unexpected end'
    """
    text, _, _ = " ".join(str(error).split()).partition(". Detail: Python exception:")
    return f"{text.removeprefix('IOError: '):.200}"
