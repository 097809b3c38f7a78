"""Changes and conflicts between documents, as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Final

from crucible_ir.diffing import ABSENT, Change, ChangeKind, Conflict
from crucible_ir.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crucible_ir.cli.console import Line

#: The most characters of a value that are shown without ``--full``.
_MAX_CHARACTERS: Final = 200

#: The mark at the start of a line for each kind of change, and its style.
_MARKS: Final = {
    ChangeKind.ADDED: ("+", "good"),
    ChangeKind.REMOVED: ("-", "bad"),
    ChangeKind.CHANGED: ("~", "warn"),
    ChangeKind.MOVED: (">", "note"),
}


def change_lines(changes: list[Change], names: list[str], *, full: bool) -> Iterator[Line]:
    """Yield a line for each of two documents, one for each change, and one with the counts.

    Args:
        changes: The changes; at least one.
        names: The names of the documents.
        full: Whether to show all of long values.
    """
    for mark, name in zip(("---", "+++"), names, strict=True):
        yield ((f"{mark} {printable(name)}", "name"),)
    for change in changes:
        mark, style = _MARKS[change.kind]
        yield (f"{mark} {_path(change.path)}: ", style), _description(change, full=full)
    kinds = Counter(change.kind for change in changes)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in ChangeKind if kinds[kind])
    yield ((f"{_count(changes, 'change')}: {counts}", "aside"),)


def _description(change: Change, *, full: bool) -> str:
    old, new = _shown(change.old, full=full), _shown(change.new, full=full)
    if change.kind is ChangeKind.MOVED:
        return f"moved from {old} to {new}"
    if change.kind is ChangeKind.CHANGED:
        return f"{old} → {new}"
    return new if change.kind is ChangeKind.ADDED else old


def conflict_lines(conflicts: list[Conflict], *, full: bool) -> Iterator[Line]:
    """Yield each conflict with the values of the base and of both sides, and a line with the count.

    Args:
        conflicts: The conflicts; at least one.
        full: Whether to show all of long values.
    """
    for conflict in conflicts:
        yield ((f"! {_path(conflict.path)}", "bad"),)
        for side in ("base", "ours", "theirs"):
            value = getattr(conflict, side)
            shown = "unset" if value is ABSENT else _shown(value, full=full)
            yield (f"  {side + ':':8}", "aside"), shown
    yield ((_count(conflicts, "conflict"), "aside"),)


def _path(path: str) -> str:
    return printable(path) or "the message"


def _shown(value: object, *, full: bool) -> str:
    text = printable(json.dumps(value, ensure_ascii=False))
    if full or len(text) <= _MAX_CHARACTERS:
        return text
    return f"{text[:_MAX_CHARACTERS]}… ({len(text)} characters)"


def _count(items: list[Change] | list[Conflict], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def changes_json(changes: list[Change], names: list[str]) -> str:
    """Return the changes between two documents as one JSON object."""
    content = {"command": "diff", **dict(zip(("a", "b"), names, strict=True))}
    # ASCII only: JSON can escape a file name that is not UTF-8, but not contain it.
    return json.dumps({**content, "changes": list(map(_change, changes))}, indent=2)


def _change(change: Change) -> dict[str, object]:
    content: dict[str, object] = {"path": change.path, "kind": change.kind.value}
    if change.kind is not ChangeKind.ADDED:
        content["old"] = change.old
    if change.kind is not ChangeKind.REMOVED:
        content["new"] = change.new
    if change.index is not None:
        content["index"] = change.index
    return content


def conflicts_json(conflicts: list[Conflict], names: list[str]) -> str:
    """Return the conflicts of a merge as one JSON object; a side without a value has no key."""
    content = {"command": "diff", **dict(zip(("base", "ours", "theirs"), names, strict=True))}
    return json.dumps({**content, "conflicts": list(map(_conflict, conflicts))}, indent=2)


def _conflict(conflict: Conflict) -> dict[str, object]:
    sides = {"base": conflict.base, "ours": conflict.ours, "theirs": conflict.theirs}
    present = {side: value for side, value in sides.items() if value is not ABSENT}
    return {"path": conflict.path, **present}
