"""What a change did, in a line: only what the two revisions say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir.diffing import Change, ChangeKind, ComparisonError, diff
from crucible_ir.errors import EncodeError
from crucible_ir.schema.fields import Kind, fields_of
from crucible_ir.schema.types import descriptor_of
from crucible_ir.web.console.columns import glyph_of, state_field, state_text
from crucible_ir.web.console.reading import Revision
from crucible_ir.web.console.values import cut, field_at, shown

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.exchange import Record

#: The most changes that a line names.
_NAMED: Final = 2
#: The most characters of the description of a new document.
_DESCRIPTION: Final = 120
#: The fields that say in words what a document is, the best first.
_WORDS: Final = ("description", "name", "task")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """The change of a field.

    Attributes:
        path: The path of the field.
        kind: ``added``, ``removed``, ``changed`` or ``moved``.
        old: The old value; ``None`` if there was none.
        new: The new value; ``None`` if there is none.
    """

    path: str
    kind: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a change did.

    Attributes:
        kind: ``new``, ``changed``, ``deleted``, ``appended`` or ``unknown``.
        changes: The changed fields, the first few.
        more: The number of further changes.
        words: What a new document is, in its own words; empty for none.
        snapshots: The number of metric snapshots of a run; ``None`` if none were appended.
    """

    kind: str
    changes: Sequence[FieldChange] = ()
    more: int = 0
    words: str = ""
    snapshots: int | None = None


def sentence_of(record: Record, contents: Mapping[Revision, Message]) -> Sentence:
    """Return what a change did.

    Args:
        record: The record of the change.
        contents: The contents of its revision and of the one before, as far as they are known.
    """
    if record.deleted:
        return Sentence("deleted")
    new = contents.get((record.type, record.id, record.revision))
    old = contents.get((record.type, record.id, record.revision - 1))
    snapshots = record.snapshot_count
    if old is None or new is None:
        kind = "new" if record.revision == 1 else "unknown"
        if snapshots is not None:
            kind = "appended"
        return Sentence(kind, words="" if new is None else _words(new), snapshots=snapshots)
    try:
        changes = diff(old, new, allow_unknown_fields=True)
    except (ComparisonError, EncodeError):
        return Sentence("unknown", snapshots=snapshots)
    changes.sort(key=lambda change: _rank(new, change))
    named = [field_change(new, change) for change in changes[:_NAMED]]
    return Sentence("changed", named, len(changes) - len(named), snapshots=snapshots)


def field_change(message: Message, change: Change) -> FieldChange:
    """Return a change of a message with values as texts."""
    field = field_at(descriptor_of(message), change.path)
    old = None if change.kind is ChangeKind.ADDED else shown(change.old, field)
    new = None if change.kind is ChangeKind.REMOVED else shown(change.new, field)
    return FieldChange(change.path, change.kind.value, old, new)


def _rank(message: Message, change: Change) -> int:
    """Return the place of a change: a stage, a status or a state first, times last."""
    field = field_at(descriptor_of(message), change.path)
    if field is None:
        return 1
    if field.kind is Kind.ENUM and field.name == change.path and not field.is_list:
        return 0
    return 2 if field.message is Timestamp.DESCRIPTOR else 1


def _words(message: Message) -> str:
    """Return what a document says of itself, or else its stage, status or state."""
    fields = fields_of(descriptor_of(message))
    for name in _WORDS:
        if name in fields and fields[name].kind is Kind.STRING and not fields[name].identity:
            text = " ".join(str(getattr(message, name)).split())
            if text:
                return cut(text, _DESCRIPTION)
    field = state_field(descriptor_of(message))
    state = "" if field is None else state_text(message, field)
    # Only a word that says how far something is: not which optimizer it has.
    return f"{field.name} {state}" if field is not None and glyph_of(state) else ""
