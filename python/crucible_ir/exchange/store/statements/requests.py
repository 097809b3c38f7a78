"""The results of requests with an id, stored so that a repeated request changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from crucible_ir.exchange.store.errors import RequestIdReusedError
from crucible_ir.exchange.store.records import PublishResult, StoredRecord
from crucible_ir.exchange.store.statements.tables import requests

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from crucible_ir.exchange.store.records import Microseconds, RequestKey


def find(
    connection: Connection, publisher: str | None, request: RequestKey | None
) -> PublishResult | None:
    """Return the result of an earlier request with the same id.

    Raises:
        RequestIdReusedError: The earlier request was another one.
    """
    if request is None:
        return None
    found = connection.execute(
        select(requests).where(
            requests.c.publisher == (publisher or "").encode(),
            requests.c.request_id == request.request_id.encode(),
        )
    ).one_or_none()
    if found is None:
        return None
    if bytes(found.fingerprint) != request.fingerprint:
        raise RequestIdReusedError(request.request_id)
    record = StoredRecord(
        found.type,
        bytes(found.id).decode(),
        found.revision,
        found.sequence,
        found.etag,
        found.digest,
        found.create_time,
        found.update_time,
        None if found.record_publisher is None else bytes(found.record_publisher).decode(),
        found.deleted,
    )
    return PublishResult(record, found.created, found.unchanged)


def add(
    connection: Connection,
    publisher: str | None,
    request: RequestKey | None,
    result: PublishResult,
    now: Microseconds,
) -> None:
    """Store the result of a request, if it has an id."""
    if request is None:
        return
    record = result.record
    connection.execute(
        insert(requests).values(
            publisher=(publisher or "").encode(),
            request_id=request.request_id.encode(),
            fingerprint=request.fingerprint,
            time=now,
            type=record.type,
            id=record.id.encode(),
            revision=record.revision,
            sequence=record.sequence,
            etag=record.etag,
            digest=record.digest,
            create_time=record.create_time,
            update_time=record.update_time,
            record_publisher=None if record.publisher is None else record.publisher.encode(),
            deleted=record.deleted,
            created=result.created,
            unchanged=result.unchanged,
        )
    )


def remove_before(connection: Connection, time: Microseconds) -> None:
    """Remove the results of requests that were made before a time."""
    connection.execute(delete(requests).where(requests.c.time < time))
