"""The differences of two messages as rows, with the words that changed in a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from crucible_ir.diffing import Change, ChangeKind, diff
from crucible_ir.paths import parse_path
from crucible_ir.schema.fields import Field, fields_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.web.console.tree import is_set
from crucible_ir.web.console.values import CELL, field_at, shown

if TYPE_CHECKING:
    from google.protobuf.message import Message

#: The most differences of a page, and the longest text whose words are compared.
MAX_ROWS: Final = 1000
_MAX_COMPARED: Final = 2000
#: The most characters of a page whose words are compared, since it takes the square of the time.
_MAX_CHARACTERS: Final = 40_000
#: From which share of equal words on the others are marked.
_SIMILAR: Final = 0.3
_WORDS: Final = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a value, and whether the other value has it not."""

    text: str
    is_changed: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference.

    Attributes:
        number: The number of the field at the root; ``None`` if the row before has it.
        path: The path of the value.
        kind: ``added``, ``removed``, ``changed`` or ``moved``.
        old: The parts of the old value; ``None`` if there was none.
        new: The parts of the new value; ``None`` if there is none.
        delta: The difference of two numbers; empty for other values.
    """

    number: int | None
    path: str
    kind: str
    old: Sequence[Part] | None
    new: Sequence[Part] | None
    delta: str


@dataclass(frozen=True, slots=True)
class Differences:
    """The differences of two messages.

    Attributes:
        rows: The differences, in the order of the schema.
        equal: The names of the fields at the root that are set and equal.
        counts: The number of differences of each kind that occurs.
        is_cut: Whether there are more than the rows.
    """

    rows: Sequence[Difference]
    equal: Sequence[str]
    counts: dict[str, int]
    is_cut: bool


def differences(old: Message, new: Message) -> Differences:
    """Return the differences of two messages of a type.

    Raises:
        ComparisonError: They are of different types.
        EncodeError: One cannot be written as JSON.
    """
    changes = diff(old, new, allow_unknown_fields=True)
    rows: list[Difference] = []
    last = None
    left = _MAX_CHARACTERS
    for change in changes[:MAX_ROWS]:
        root = _root(old, change.path)
        number = None if root is None or root is last else root.descriptor.number
        last = root
        row = _row(old, change, number, has_words=left > 0)
        left -= sum(len(part.text) for part in (*(row.old or ()), *(row.new or ())))
        rows.append(row)
    changed = {root.name for change in changes if (root := _root(old, change.path)) is not None}
    equal = [
        field.name
        for field in fields_of(descriptor_of(old)).values()
        if field.custom_of is None and field.name not in changed and is_set(new, field)
    ]
    kinds = [change.kind for change in changes]
    counts = {kind.value: kinds.count(kind) for kind in ChangeKind if kind in kinds}
    return Differences(rows, equal, counts, len(changes) > MAX_ROWS)


def _root(message: Message, path: str) -> Field | None:
    """Return the field at the root of a path; of the custom name of a field, the field."""
    parts = parse_path(path)
    fields = fields_of(descriptor_of(message))
    field = fields.get(str(parts[0])) if parts else None
    if field is not None and field.custom_of is not None:
        return fields[field.custom_of]
    return field


def _row(message: Message, change: Change, number: int | None, *, has_words: bool) -> Difference:
    field = field_at(descriptor_of(message), change.path)
    old, new = (shown(value, field, CELL, quoted=True) for value in (change.old, change.new))
    olds: list[Part] | None = [Part(old)]
    news: list[Part] | None = [Part(new)]
    if change.kind is ChangeKind.ADDED:
        olds = None
    elif change.kind is ChangeKind.REMOVED:
        news = None
    elif change.kind is ChangeKind.CHANGED and has_words:
        olds, news = words(old, new)
    return Difference(number, change.path, change.kind.value, olds, news, _delta(change))


def _delta(change: Change) -> str:
    """Return the difference of two numbers with a sign."""
    old, new = change.old, change.new
    if change.kind is not ChangeKind.CHANGED or not (_is_number(old) and _is_number(new)):
        return ""
    assert isinstance(old, int | float) and isinstance(new, int | float)
    return f"{new - old:+.4g}".replace("-", "\N{MINUS SIGN}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def words(old: str, new: str) -> tuple[list[Part], list[Part]]:
    """Return two texts in parts, the words that only one of them has as changed.

    If little is the same, no word is marked.

    >>> old, new = words("the second pass", "the third pass")
    >>> [part.text for part in old if part.is_changed], [part.text for part in new]
    (['second'], ['the ', 'third', ' pass'])
    """
    if len(old) > _MAX_COMPARED or len(new) > _MAX_COMPARED:
        return [Part(old)], [Part(new)]
    ours, theirs = _WORDS.findall(old), _WORDS.findall(new)
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    if matcher.ratio() < _SIMILAR:
        return [Part(old)], [Part(new)]
    olds, news = [], []
    for kind, i, j, k, m in matcher.get_opcodes():
        is_changed = kind != "equal"
        if i < j:
            olds.append(Part("".join(ours[i:j]), is_changed))
        if k < m:
            news.append(Part("".join(theirs[k:m]), is_changed))
    return olds, news
