"""The merge of a reader's text with the revision that another publisher was faster with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crucible_ir.diffing import ABSENT, ComparisonError, merge
from crucible_ir.errors import EncodeError
from crucible_ir.exchange.client.errors import NotFoundError
from crucible_ir.schema.types import descriptor_of
from crucible_ir.web.console.values import CELL, field_at, shown

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from crucible_ir.diffing import Conflict
    from crucible_ir.exchange import AsyncExchangeClient, Record


@dataclass(frozen=True, slots=True)
class ConflictRow:
    """A value that both sides changed: in the common revision, in mine and in theirs."""

    path: str
    base: str
    mine: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Conflicted:
    """A change of another publisher while the reader edited.

    Attributes:
        publisher: The other one; ``None`` if the exchange does not know its callers.
        revision: The revision of the other one.
        base: The revision that the reader edited.
        rows: The values that both changed.
        is_theirs: Whether the text has the values of the other one for these.
        mine: The text of the reader, before the merge.
        problem: Why the text is not merged; empty if it is.
    """

    publisher: str | None
    revision: int
    base: int
    rows: Sequence[ConflictRow]
    is_theirs: bool
    mine: str
    problem: str


async def merge_with_latest(
    client: AsyncExchangeClient,
    latest: Record,
    base: int,
    mine: Message,
    text: str,
    *,
    is_theirs: bool,
) -> tuple[Message | None, Conflicted]:
    """Merge a message with the latest revision.

    Args:
        client: The client of the reader.
        latest: The record of the latest revision.
        base: The number of the revision that the reader edited.
        mine: The message of the reader.
        text: Its text.
        is_theirs: Whether the merged message has their values for what both changed.

    Returns:
        The merged message, or ``None`` if there is none, and what both changed.

    Raises:
        ExchangeError: A call failed.
    """
    rows: list[ConflictRow] = []
    problem = ""
    merged = None
    try:
        common = (await client.get(latest.type, latest.id, revision=base or None)).content
        theirs = (await client.get(latest.type, latest.id)).content
        if common is None or theirs is None:
            raise NotFoundError("a deletion has no content")
        sides = (theirs, mine) if is_theirs else (mine, theirs)
        result = merge(common, *sides, allow_unknown_fields=True)
        merged = result.message
        rows = [_row(mine, each, swapped=is_theirs) for each in result.conflicts]
    except NotFoundError:
        problem = "A revision is deleted or no longer kept: compare the texts yourself."
    except (ComparisonError, EncodeError) as error:
        problem = f"The revisions cannot be merged: {error}"
    publisher, revision = latest.publisher, latest.revision
    return merged, Conflicted(publisher, revision, base, rows, is_theirs, text, problem)


def _row(message: Message, conflict: Conflict, *, swapped: bool) -> ConflictRow:
    field = field_at(descriptor_of(message), conflict.path)

    def text(value: object) -> str:
        return "not set" if value is ABSENT else shown(value, field, CELL, quoted=True)

    ours, theirs = text(conflict.ours), text(conflict.theirs)
    mine, other = (theirs, ours) if swapped else (ours, theirs)
    return ConflictRow(conflict.path, text(conflict.base), mine, other)
