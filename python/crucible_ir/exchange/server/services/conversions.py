"""Conversions between the records of the store and the messages of the services."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from crucible_ir import v1 as ir_v1
from crucible_ir.errors import Violation
from crucible_ir.exchange import v1
from crucible_ir.exchange.server.rpc import trailers
from crucible_ir.exchange.server.rpc.errors import RpcError
from crucible_ir.exchange.store.records import DocumentKey, Microseconds, StoredEntry, StoredRecord

_MICROSECONDS = 1_000_000

#: The status codes after which the same request may succeed when it is retried.
_RETRYABLE = frozenset({8, 10, 14})


def timestamp_message(microseconds: Microseconds) -> Timestamp:
    """Return a time as a message."""
    message = Timestamp()
    _write_timestamp(microseconds, message)
    return message


def _write_timestamp(microseconds: Microseconds, message: Timestamp) -> None:
    message.seconds, rest = divmod(microseconds, _MICROSECONDS)
    message.nanos = rest * 1000


def microseconds_of(timestamp: Timestamp) -> Microseconds:
    """Return the time of a message, truncated to microseconds."""
    return timestamp.seconds * _MICROSECONDS + timestamp.nanos // 1000


def record_message(record: StoredRecord) -> v1.Record:
    """Return a record as a message."""
    message = v1.Record()
    write_record(record, message)
    return message


def write_record(record: StoredRecord, message: v1.Record) -> None:
    """Write a record into an empty message; inside another message that saves a copy."""
    message.type = record.type
    message.id = record.id
    message.revision = record.revision
    message.sequence = record.sequence
    message.etag = record.etag
    if record.digest is not None:
        message.digest = record.digest
    _write_timestamp(record.create_time, message.create_time)
    _write_timestamp(record.update_time, message.update_time)
    if record.publisher is not None:
        message.publisher = record.publisher
    message.deleted = record.deleted
    if record.requires is not None:
        message.requires = record.requires
    if record.snapshot_count is not None:
        message.snapshot_count = record.snapshot_count


def document_message(document: bytes | None) -> ir_v1.Document | None:
    """Return a stored document as a message."""
    return None if document is None else ir_v1.Document.FromString(document)


def entry_message(entry: StoredEntry) -> v1.Entry:
    """Return a record and its document as a message."""
    message = v1.Entry()
    write_entry(entry, message)
    return message


def write_entry(entry: StoredEntry, message: v1.Entry | v1.GetResponse) -> None:
    """Write a record and its document into an empty message."""
    write_record(entry.record, message.record)
    if entry.document is not None:
        message.document.ParseFromString(entry.document)


def reference_message(key: DocumentKey) -> v1.DocumentKey:
    """Return the key of a document as a message."""
    return v1.DocumentKey(type=key.type, id=key.id)


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


def item_error(error: RpcError) -> v1.ItemError:
    """Return an error as the result for one item of a stream, as large as a status may be."""
    code = error.code.value[0]
    violations = violation_messages(error.violations)
    infos = (each for each in error.details if isinstance(each, error_details_pb2.ErrorInfo))
    info = next(infos, None)
    return v1.ItemError(
        code=code,
        message=error.message,
        violations=trailers.fitting(violations, trailers.MAX_BYTES),
        retryable=code in _RETRYABLE,
        reason="" if info is None else info.reason,
        metadata={} if info is None else info.metadata,
    )
