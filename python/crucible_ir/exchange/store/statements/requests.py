"""The results of requests with an id, stored so that a repeated request changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, insert, select

from crucible_ir.exchange.store.errors import RequestIdReusedError
from crucible_ir.exchange.store.records import PublishResult
from crucible_ir.exchange.store.statements import deferred
from crucible_ir.exchange.store.statements.rows import (
    RECORD_COLUMNS,
    Lookup,
    record,
    record_values,
)
from crucible_ir.exchange.store.statements.tables import requests

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from crucible_ir.exchange.store.records import Microseconds, RequestKey

#: The columns for `rows.record`.
_RECORD_COLUMNS: Final = tuple(
    requests.c["record_publisher" if column.name == "publisher" else column.name]
    for column in RECORD_COLUMNS
)

# Making a statement takes longer than executing it.
_FIND: Final = select(
    *_RECORD_COLUMNS, requests.c.fingerprint, requests.c.created, requests.c.unchanged
).where(
    requests.c.publisher == bindparam("publisher"),
    requests.c.request_id == bindparam("request_id"),
)
_ADD: Final = insert(requests)


def find(
    connection: Connection, publisher: str | None, request: RequestKey | None
) -> PublishResult | None:
    """Return the result of an earlier request with the same id.

    Raises:
        RequestIdReusedError: The earlier request was another one.
    """
    if request is None:
        return None
    wanted = lookup(publisher, request)
    found = deferred.find(connection, wanted, wanted.key)
    if found is None:
        return None
    fingerprint, created, unchanged = found[len(_RECORD_COLUMNS) :]
    if bytes(fingerprint) != request.fingerprint:
        raise RequestIdReusedError(request.request_id)
    return PublishResult(record(found), bool(created), bool(unchanged))


def lookup(publisher: str | None, request: RequestKey) -> Lookup:
    """Return the lookup that `find` needs."""
    parameters = {
        "publisher": (publisher or "").encode(),
        "request_id": request.request_id.encode(),
    }
    return Lookup(_FIND, parameters)


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
    values = record_values(result.record)
    values["record_publisher"] = values["publisher"]
    values["publisher"] = (publisher or "").encode()
    values |= {
        "request_id": request.request_id.encode(),
        "fingerprint": request.fingerprint,
        "time": now,
        "created": result.created,
        "unchanged": result.unchanged,
    }
    deferred.change(connection, _ADD, [values], lookup(publisher, request).key)


def remove_before(connection: Connection, time: Microseconds) -> None:
    """Remove the results of requests that were made before a time."""
    connection.execute(delete(requests).where(requests.c.time < time))
