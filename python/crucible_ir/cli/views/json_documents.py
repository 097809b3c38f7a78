"""A JSON object with a list of documents, each printed as soon as it is available."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Self


class JsonDocuments:
    """Prints ``{"command": ..., "documents": [...]}``.

    It is a context manager that ends the object, also after an error.

    Args:
        command: The name of the command.
    """

    def __init__(self, command: str) -> None:
        self.command = command
        self._separator = "\n"

    def __enter__(self) -> Self:
        print(f'{{"command": {json.dumps(self.command)}, "documents": [', end="")
        return self

    def add(self, document: Mapping[str, object]) -> None:
        """Print one document on a line of its own."""
        # ASCII only: JSON can escape a file name that is not UTF-8, but not contain it.
        print(f"{self._separator}  {json.dumps(document)}", end="")
        self._separator = ",\n"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        print("\n]}")


def record_number(source: str, name: str) -> int | None:
    """Return the number of a stream's record from its name; ``None`` for a document.

    >>> record_number("events.jsonl", "events.jsonl:record 12")
    12
    """
    return int(name.rpartition(" ")[2]) if name != source else None
