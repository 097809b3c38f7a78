"""The records of MLflow: files, folders of a file store, and tracking servers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from crucible_ir.interchange.mapping.http import is_address
from crucible_ir.interchange.mapping.reading import EXTENSIONS, Record, read_records
from crucible_ir.interchange.mlflow.server import read_server
from crucible_ir.interchange.mlflow.store import is_store, read_store

#: The answers to searches, and what each item is.
_LISTS: Final = {
    "runs": "run",
    "registered_models": "registered_model",
    "model_versions": "model_version",
    "models": "model",
    "traces": "trace",
    "assessments": "assessment",
}


def unfold(value: Any) -> list[Any] | None:
    """Return the records in the answer to a search; ``None`` for the value of one record.

    >>> unfold({"runs": [{"info": {}}], "next_page_token": "p"})
    [{'run': {'info': {}}}]
    """
    for key, kind in _LISTS.items():
        items = value.get(key) if isinstance(value, dict) else None
        if isinstance(items, list):
            return [{kind: _trace(item) if kind == "trace" else item} for item in items]
    return None


def _trace(item: Any) -> Any:
    """Return a trace; a search has only what describes it."""
    if isinstance(item, dict) and "trace_info" not in item and "info" not in item:
        return {"trace_info": item}
    return item


def read(source: str, since: datetime | None = None) -> Iterator[Record]:
    """Yield the records of a file, a folder of a file store, or a tracking server.

    Args:
        source: The path of the file or folder, or the address of the server.
        since: Leave out what ended or changed before this time.
    """
    if is_address(source):
        return read_server(source, since)
    if source != "-" and Path(source).is_dir() and is_store(Path(source)):
        return read_store(Path(source), since)
    return read_records(source, since=since, extensions=(*EXTENSIONS, "mlmodel"))
