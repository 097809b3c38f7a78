"""Between the plain values of the store and the messages of the services."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from crucible_ir import v1 as ir_v1
from crucible_ir.errors import Violation
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.errors import RpcError
from crucible_ir.exchange.store.records import Entry, Microseconds, Record, Reference

_MICROSECONDS = 1_000_000

#: The status codes with which the same request may succeed later.
_RETRYABLE = frozenset({8, 10, 14})


def timestamp(moment: Microseconds) -> Timestamp:
    """Return a moment as a message."""
    seconds, rest = divmod(moment, _MICROSECONDS)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def microseconds(moment: Timestamp) -> Microseconds:
    """Return a message's moment; what is less than a microsecond is cut off."""
    return moment.seconds * _MICROSECONDS + moment.nanos // 1000


def record_message(record: Record) -> v1.Record:
    """Return a record as a message."""
    return v1.Record(
        type=record.type,
        id=record.id,
        revision=record.revision,
        sequence=record.sequence,
        etag=record.etag,
        digest=record.digest,
        create_time=timestamp(record.create_time),
        update_time=timestamp(record.update_time),
        publisher=record.publisher,
        deleted=record.deleted,
    )


def document_message(document: bytes | None) -> ir_v1.Document | None:
    """Return a stored document as a message."""
    return None if document is None else ir_v1.Document.FromString(document)


def entry_message(entry: Entry) -> v1.Entry:
    """Return a record and its document as a message."""
    return v1.Entry(record=record_message(entry.record), document=document_message(entry.document))


def reference_message(reference: Reference) -> v1.Reference:
    """Return a reference as a message."""
    return v1.Reference(type=reference.type, id=reference.id)


def violation_messages(violations: Iterable[Violation]) -> list[v1.Violation]:
    """Return violations as messages."""
    return [
        v1.Violation(
            path=violation.path,
            rule_id=violation.rule_id,
            message=violation.message,
            line=violation.position.line if violation.position else None,
            column=violation.position.column if violation.position else None,
        )
        for violation in violations
    ]


def item_error(error: RpcError, violations: Iterable[Violation] = ()) -> v1.ItemError:
    """Return an error as the result for one item of a stream."""
    code = error.code.value[0]
    return v1.ItemError(
        code=code,
        message=error.message,
        violations=violation_messages(violations),
        retryable=code in _RETRYABLE,
    )
