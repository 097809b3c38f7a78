"""Publications, events and references for tests of stores."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from crucible_ir.exchange.content import FieldValue, NumberValue
from crucible_ir.exchange.store.records import (
    EventRow,
    PublishCommand,
    RequestKey,
)
from crucible_ir.schema.references import FieldReference
from crucible_ir.v1 import FeedbackEvent


def publication(
    id_: str = "m1",
    body: str = "one",
    *,
    type_: str = "ModelVersion",
    etag: str | None = None,
    request_id: str | None = None,
    publisher: str | None = None,
    fields: Sequence[tuple[str, str]] = (),
    references: Sequence[FieldReference] = (),
    requires: str | None = None,
    numbers: Sequence[tuple[str, float]] = (),
) -> PublishCommand:
    """Return a publication whose document is arbitrary bytes, which a store does not parse."""
    request = None
    if request_id is not None:
        request = RequestKey(request_id, hashlib.sha256(f"{type_}/{id_}/{body}".encode()).digest())
    return PublishCommand(
        type=type_,
        id=id_,
        document=body.encode(),
        content_hash=hashlib.sha256(body.encode()).digest(),
        digest=None,
        publisher=publisher,
        etag=etag,
        request=request,
        fields=tuple(FieldValue(*pair) for pair in fields),
        references=tuple(references),
        requires=requires,
        numbers=tuple(NumberValue(*pair) for pair in numbers),
    )


def reference(holder: str, field: str, target: str, *, embedded: bool = False) -> FieldReference:
    """Return a reference between documents given as ``Type/id``."""
    holder_type, _, holder_id = holder.partition("/")
    target_type, _, target_id = target.partition("/")
    return FieldReference(holder_type, holder_id, field, target_type, target_id, embedded)


def event(
    id_: str,
    *,
    deployment: str | None = None,
    type_: str | None = "thumbs",
    version: str | None = None,
    time: int | None = 0,
    latency: int | None = None,
    publisher: str | None = None,
) -> EventRow:
    """Return an event whose content has only its id."""
    names = (deployment, type_, version, publisher)
    encoded = [None if text is None else text.encode() for text in names]
    return EventRow(
        id_.encode(),
        encoded[0],
        encoded[1],
        encoded[2],
        time,
        latency,
        FeedbackEvent(id=id_).SerializeToString(),
        publisher=encoded[3],
    )
