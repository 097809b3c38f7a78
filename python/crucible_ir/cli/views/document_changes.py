"""Changes and conflicts between documents, as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from crucible_ir.diffing import ABSENT, Change, ChangeKind, Conflict
from crucible_ir.diffing.wording import change_counts, change_words, shown, shown_path
from crucible_ir.errors import plural, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crucible_ir.cli.console import Line

#: The style of each kind of change.
_STYLES: Final = {
    ChangeKind.ADDED: "good",
    ChangeKind.REMOVED: "bad",
    ChangeKind.CHANGED: "warn",
    ChangeKind.MOVED: "note",
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
        head, values = change_words(change, full=full)
        yield (head, _STYLES[change.kind]), values
    yield ((f"{plural(len(changes), 'change')}: {change_counts(changes)}", "aside"),)


def conflict_lines(conflicts: list[Conflict], *, full: bool) -> Iterator[Line]:
    """Yield each conflict with the values of the base and of both sides, and a line with the count.

    Args:
        conflicts: The conflicts; at least one.
        full: Whether to show all of long values.
    """
    for conflict in conflicts:
        yield ((f"! {shown_path(conflict.path)}", "bad"),)
        for side in ("base", "ours", "theirs"):
            value = getattr(conflict, side)
            text = "unset" if value is ABSENT else shown(value, full=full)
            yield (f"  {side + ':':8}", "aside"), text
    yield ((plural(len(conflicts), "conflict"), "aside"),)


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
