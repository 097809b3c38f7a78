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
