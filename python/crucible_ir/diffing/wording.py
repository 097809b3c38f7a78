"""Changes and values as text for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Final

from crucible_ir.diffing.comparing import Change, ChangeKind
from crucible_ir.errors import printable

#: The most characters of a value that are shown, unless all of them are asked for.
_MAX_CHARACTERS: Final = 200

#: The mark at the start of the line of a change.
_MARKS: Final = {
    ChangeKind.ADDED: "+",
    ChangeKind.REMOVED: "-",
    ChangeKind.CHANGED: "~",
    ChangeKind.MOVED: ">",
}


def change_words(change: Change, *, full: bool = False) -> tuple[str, str]:
    """Return the line of a change in two parts: the mark with the path, and the values.

    Args:
        change: The change.
        full: Whether to show all of long values.

    >>> change_words(Change("backend.id", ChangeKind.CHANGED, "gpt2", "llama"))
    ('~ backend.id: ', '"gpt2" → "llama"')
    """
    old, new = shown(change.old, full=full), shown(change.new, full=full)
    match change.kind:
        case ChangeKind.MOVED:
            values = f"moved from {old} to {new}"
        case ChangeKind.CHANGED:
            values = f"{old} → {new}"
        case ChangeKind.ADDED:
            values = new
        case ChangeKind.REMOVED:
            values = old
    return f"{_MARKS[change.kind]} {shown_path(change.path)}: ", values


def change_counts(changes: Iterable[Change]) -> str:
    """Return how many changes there are of each kind.

    >>> change_counts([Change("tags[0]", ChangeKind.ADDED, new="a")])
    '1 added'
    """
    kinds = Counter(change.kind for change in changes)
    return ", ".join(f"{kinds[kind]} {kind}" for kind in ChangeKind if kinds[kind])


def shown_path(path: str) -> str:
    """Return a path as it is shown; that of the root has words."""
    return printable(path) or "the message"


def shown(value: object, *, full: bool = False) -> str:
    """Return a JSON value as it is shown, on one line and without control characters.

    >>> shown("a" * 300)[-20:]
    'aa… (302 characters)'
    """
    text = printable(json.dumps(value, ensure_ascii=False))
    if full or len(text) <= _MAX_CHARACTERS:
        return text
    return f"{text[:_MAX_CHARACTERS]}… ({len(text)} characters)"
