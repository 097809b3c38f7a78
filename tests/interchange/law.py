"""The law of interchange: the fidelity report is complete and true."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from crucible_ir.interchange.mapping.dialect import json_values
from crucible_ir.interchange.mapping.report import Outcome, Report
from crucible_ir.interchange.mapping.values import same

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.interchange.mapping.format import Format, Imported
    from crucible_ir.interchange.mapping.patterns import Path

#: The outcomes whose values export writes again as they were.
_EXACT = (Outcome.KEPT, Outcome.RENAMED, Outcome.OPAQUE)


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the values that are not objects or lists, and empty ones, with their paths."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    elif path:
        yield path, value


def check_complete(value: Any, report: Report) -> None:
    """Check that every value matches exactly one entry of a report."""
    for path, item in leaves(value):
        found = [entry for entry in report.entries if entry.matches(path)]
        assert len(found) == 1, (path, item, [entry.path for entry in found])


def check_exact(before: Any, after: Any, report: Report) -> None:
    """Check that each value which is reported as kept is equal in the exported object."""
    for path, item in leaves(before):
        entry = report.entry_of(path)
        if entry is not None and entry.outcome in _EXACT:
            assert same(value_at(after, path), item), (path, item, value_at(after, path), entry)


def value_at(value: Any, path: Path) -> Any:
    """Return the value at a path; an error names the path."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            raise AssertionError(f"nothing at {path}: stopped at {step!r}") from None
    return value


def check_law(
    format_: Format,
    obj: Any,
    *,
    rejoin: Callable[[list[Any]], Any] | None = None,
) -> Imported:
    """Check the law for one record that can be imported, and return the import.

    Args:
        format_: The foreign format.
        obj: The record.
        rejoin: Makes one record of the exported objects of all documents of a record; needed if
            there is more than one and the format has no `join`.
    """
    imported = format_.import_(obj)
    assert not imported.report.errors, imported.report.errors
    check_complete(obj, imported.report)
    assert format_.import_(obj).documents == imported.documents

    exported = [format_.export(document) for document in imported.documents]
    for document, result in zip(imported.documents, exported, strict=True):
        assert not result.report.errors, result.report.errors
        check_complete(json_values(document), result.report)
    objects = [result.obj for result in exported]
    join = rejoin or (format_.join if len(objects) > 1 else None)
    again = join(objects) if join is not None else objects[0]
    check_exact(obj, again, imported.report)
    assert _as_set(format_.import_(again).documents) == _as_set(imported.documents)
    return imported


def _as_set(documents: list[Message]) -> list[bytes]:
    return [document.SerializeToString(deterministic=True) for document in documents]
