import datetime

from crucible_ir.exchange.v1 import record_pb2 as _record_pb2
from crucible_ir.exchange.v1 import violation_pb2 as _violation_pb2
from crucible_ir.v1 import document_pb2 as _document_pb2
from crucible_ir.v1 import training_pb2 as _training_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIST_ORDER_UNSPECIFIED: _ClassVar[ListOrder]
    LIST_ORDER_NEWEST: _ClassVar[ListOrder]
    LIST_ORDER_ID: _ClassVar[ListOrder]

class GapReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_REASON_UNSPECIFIED: _ClassVar[GapReason]
    GAP_REASON_COMPACTED: _ClassVar[GapReason]
    GAP_REASON_RESTORED: _ClassVar[GapReason]
    GAP_REASON_DAMAGED: _ClassVar[GapReason]
    GAP_REASON_UNKNOWN_EPOCH: _ClassVar[GapReason]
    GAP_REASON_PURGED: _ClassVar[GapReason]

class LineageDirection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LINEAGE_DIRECTION_UNSPECIFIED: _ClassVar[LineageDirection]
    LINEAGE_DIRECTION_UPSTREAM: _ClassVar[LineageDirection]
    LINEAGE_DIRECTION_DOWNSTREAM: _ClassVar[LineageDirection]
    LINEAGE_DIRECTION_BOTH: _ClassVar[LineageDirection]

class LineageNodeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LINEAGE_NODE_STATE_UNSPECIFIED: _ClassVar[LineageNodeState]
    LINEAGE_NODE_STATE_STORED: _ClassVar[LineageNodeState]
    LINEAGE_NODE_STATE_EMBEDDED: _ClassVar[LineageNodeState]
    LINEAGE_NODE_STATE_FEEDBACK: _ClassVar[LineageNodeState]
    LINEAGE_NODE_STATE_DELETED: _ClassVar[LineageNodeState]
    LINEAGE_NODE_STATE_MISSING: _ClassVar[LineageNodeState]
    LINEAGE_NODE_STATE_AMBIGUOUS: _ClassVar[LineageNodeState]
LIST_ORDER_UNSPECIFIED: ListOrder
LIST_ORDER_NEWEST: ListOrder
LIST_ORDER_ID: ListOrder
GAP_REASON_UNSPECIFIED: GapReason
GAP_REASON_COMPACTED: GapReason
GAP_REASON_RESTORED: GapReason
GAP_REASON_DAMAGED: GapReason
GAP_REASON_UNKNOWN_EPOCH: GapReason
GAP_REASON_PURGED: GapReason
LINEAGE_DIRECTION_UNSPECIFIED: LineageDirection
LINEAGE_DIRECTION_UPSTREAM: LineageDirection
LINEAGE_DIRECTION_DOWNSTREAM: LineageDirection
LINEAGE_DIRECTION_BOTH: LineageDirection
LINEAGE_NODE_STATE_UNSPECIFIED: LineageNodeState
LINEAGE_NODE_STATE_STORED: LineageNodeState
LINEAGE_NODE_STATE_EMBEDDED: LineageNodeState
LINEAGE_NODE_STATE_FEEDBACK: LineageNodeState
LINEAGE_NODE_STATE_DELETED: LineageNodeState
LINEAGE_NODE_STATE_MISSING: LineageNodeState
LINEAGE_NODE_STATE_AMBIGUOUS: LineageNodeState

class PublishRequest(_message.Message):
    __slots__ = ("document", "id", "etag", "request_id", "validate_only", "override_immutable")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    OVERRIDE_IMMUTABLE_FIELD_NUMBER: _ClassVar[int]
    document: _document_pb2.Document
    id: str
    etag: str
    request_id: str
    validate_only: bool
    override_immutable: bool
    def __init__(self, document: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: bool = ..., override_immutable: bool = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("record", "created", "unchanged", "epoch")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    record: _record_pb2.Record
    created: bool
    unchanged: bool
    epoch: str
    def __init__(self, record: _Optional[_Union[_record_pb2.Record, _Mapping]] = ..., created: bool = ..., unchanged: bool = ..., epoch: _Optional[str] = ...) -> None: ...

class BatchPublishRequest(_message.Message):
    __slots__ = ("index", "publish")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_FIELD_NUMBER: _ClassVar[int]
    index: int
    publish: PublishRequest
    def __init__(self, index: _Optional[int] = ..., publish: _Optional[_Union[PublishRequest, _Mapping]] = ...) -> None: ...

class BatchPublishResponse(_message.Message):
    __slots__ = ("index", "published", "error")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    index: int
    published: PublishResponse
    error: _violation_pb2.ItemError
    def __init__(self, index: _Optional[int] = ..., published: _Optional[_Union[PublishResponse, _Mapping]] = ..., error: _Optional[_Union[_violation_pb2.ItemError, _Mapping]] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("type", "id", "revision")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    type: str
    id: str
    revision: int
    def __init__(self, type: _Optional[str] = ..., id: _Optional[str] = ..., revision: _Optional[int] = ...) -> None: ...

class GetResponse(_message.Message):
    __slots__ = ("record", "document")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    record: _record_pb2.Record
    document: _document_pb2.Document
    def __init__(self, record: _Optional[_Union[_record_pb2.Record, _Mapping]] = ..., document: _Optional[_Union[_document_pb2.Document, _Mapping]] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("type", "filters", "order", "page_size", "page_token", "include_deleted", "include_documents", "readable_by", "filter", "order_by")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_DELETED_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    READABLE_BY_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    type: str
    filters: _containers.RepeatedCompositeFieldContainer[Filter]
    order: ListOrder
    page_size: int
    page_token: str
    include_deleted: bool
    include_documents: bool
    readable_by: str
    filter: str
    order_by: str
    def __init__(self, type: _Optional[str] = ..., filters: _Optional[_Iterable[_Union[Filter, _Mapping]]] = ..., order: _Optional[_Union[ListOrder, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., include_deleted: bool = ..., include_documents: bool = ..., readable_by: _Optional[str] = ..., filter: _Optional[str] = ..., order_by: _Optional[str] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ("field", "equals", "prefix")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    EQUALS_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    field: str
    equals: str
    prefix: str
    def __init__(self, field: _Optional[str] = ..., equals: _Optional[str] = ..., prefix: _Optional[str] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("entries", "next_page_token", "epoch", "filter_applied")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FILTER_APPLIED_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    next_page_token: str
    epoch: str
    filter_applied: bool
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., epoch: _Optional[str] = ..., filter_applied: bool = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("record", "document")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    record: _record_pb2.Record
    document: _document_pb2.Document
    def __init__(self, record: _Optional[_Union[_record_pb2.Record, _Mapping]] = ..., document: _Optional[_Union[_document_pb2.Document, _Mapping]] = ...) -> None: ...

class ListRevisionsRequest(_message.Message):
    __slots__ = ("type", "id", "page_size", "page_token", "include_documents")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    type: str
    id: str
    page_size: int
    page_token: str
    include_documents: bool
    def __init__(self, type: _Optional[str] = ..., id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., include_documents: bool = ...) -> None: ...

class ListRevisionsResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("type", "id", "etag", "request_id")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    type: str
    id: str
    etag: str
    request_id: str
    def __init__(self, type: _Optional[str] = ..., id: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteResponse(_message.Message):
    __slots__ = ("record",)
    RECORD_FIELD_NUMBER: _ClassVar[int]
    record: _record_pb2.Record
    def __init__(self, record: _Optional[_Union[_record_pb2.Record, _Mapping]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("after_sequence", "types", "id_prefix", "include_documents", "heartbeat_interval_ms", "epoch")
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    ID_PREFIX_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_MS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    after_sequence: int
    types: _containers.RepeatedScalarFieldContainer[str]
    id_prefix: str
    include_documents: bool
    heartbeat_interval_ms: int
    epoch: str
    def __init__(self, after_sequence: _Optional[int] = ..., types: _Optional[_Iterable[str]] = ..., id_prefix: _Optional[str] = ..., include_documents: bool = ..., heartbeat_interval_ms: _Optional[int] = ..., epoch: _Optional[str] = ...) -> None: ...

class WatchResponse(_message.Message):
    __slots__ = ("change", "heartbeat", "gap")
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    change: Change
    heartbeat: Heartbeat
    gap: Gap
    def __init__(self, change: _Optional[_Union[Change, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., gap: _Optional[_Union[Gap, _Mapping]] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("record", "document")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    record: _record_pb2.Record
    document: _document_pb2.Document
    def __init__(self, record: _Optional[_Union[_record_pb2.Record, _Mapping]] = ..., document: _Optional[_Union[_document_pb2.Document, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("sequence", "time", "epoch")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    time: _timestamp_pb2.Timestamp
    epoch: str
    def __init__(self, sequence: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., epoch: _Optional[str] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("after_sequence", "through_sequence", "reason", "epoch")
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    THROUGH_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    after_sequence: int
    through_sequence: int
    reason: GapReason
    epoch: str
    def __init__(self, after_sequence: _Optional[int] = ..., through_sequence: _Optional[int] = ..., reason: _Optional[_Union[GapReason, str]] = ..., epoch: _Optional[str] = ...) -> None: ...

class TraceLineageRequest(_message.Message):
    __slots__ = ("type", "id", "revision", "direction", "max_depth", "max_nodes")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    MAX_DEPTH_FIELD_NUMBER: _ClassVar[int]
    MAX_NODES_FIELD_NUMBER: _ClassVar[int]
    type: str
    id: str
    revision: int
    direction: LineageDirection
    max_depth: int
    max_nodes: int
    def __init__(self, type: _Optional[str] = ..., id: _Optional[str] = ..., revision: _Optional[int] = ..., direction: _Optional[_Union[LineageDirection, str]] = ..., max_depth: _Optional[int] = ..., max_nodes: _Optional[int] = ...) -> None: ...

class TraceLineageResponse(_message.Message):
    __slots__ = ("nodes", "edges", "missing", "truncated")
    NODES_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    nodes: _containers.RepeatedCompositeFieldContainer[LineageNode]
    edges: _containers.RepeatedCompositeFieldContainer[LineageEdge]
    missing: _containers.RepeatedCompositeFieldContainer[_record_pb2.DocumentKey]
    truncated: bool
    def __init__(self, nodes: _Optional[_Iterable[_Union[LineageNode, _Mapping]]] = ..., edges: _Optional[_Iterable[_Union[LineageEdge, _Mapping]]] = ..., missing: _Optional[_Iterable[_Union[_record_pb2.DocumentKey, _Mapping]]] = ..., truncated: bool = ...) -> None: ...

class LineageNode(_message.Message):
    __slots__ = ("reference", "state", "depth", "record", "candidates")
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    reference: _record_pb2.DocumentKey
    state: LineageNodeState
    depth: int
    record: _record_pb2.Record
    candidates: _containers.RepeatedCompositeFieldContainer[_record_pb2.DocumentKey]
    def __init__(self, reference: _Optional[_Union[_record_pb2.DocumentKey, _Mapping]] = ..., state: _Optional[_Union[LineageNodeState, str]] = ..., depth: _Optional[int] = ..., record: _Optional[_Union[_record_pb2.Record, _Mapping]] = ..., candidates: _Optional[_Iterable[_Union[_record_pb2.DocumentKey, _Mapping]]] = ...) -> None: ...

class LineageEdge(_message.Message):
    __slots__ = ("source", "target", "field")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    source: _record_pb2.DocumentKey
    target: _record_pb2.DocumentKey
    field: str
    def __init__(self, source: _Optional[_Union[_record_pb2.DocumentKey, _Mapping]] = ..., target: _Optional[_Union[_record_pb2.DocumentKey, _Mapping]] = ..., field: _Optional[str] = ...) -> None: ...

class CompactRequest(_message.Message):
    __slots__ = ("after_sequence", "within")
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    after_sequence: int
    within: _duration_pb2.Duration
    def __init__(self, after_sequence: _Optional[int] = ..., within: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CompactResponse(_message.Message):
    __slots__ = ("oldest_sequence",)
    OLDEST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    oldest_sequence: int
    def __init__(self, oldest_sequence: _Optional[int] = ...) -> None: ...

class PurgeRequest(_message.Message):
    __slots__ = ("type", "id", "validate_only")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    type: str
    id: str
    validate_only: bool
    def __init__(self, type: _Optional[str] = ..., id: _Optional[str] = ..., validate_only: bool = ...) -> None: ...

class PurgeResponse(_message.Message):
    __slots__ = ("revisions", "pending")
    REVISIONS_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    revisions: int
    pending: bool
    def __init__(self, revisions: _Optional[int] = ..., pending: bool = ...) -> None: ...

class AppendMetricsRequest(_message.Message):
    __slots__ = ("id", "snapshots", "checkpoint_uris", "status", "expected_count", "current_epoch", "current_step", "best_metrics", "best_checkpoint_uri", "final_model_version", "started_at", "completed_at", "error_message", "etag", "request_id", "validate_only")
    class BestMetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_URIS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENT_EPOCH_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STEP_FIELD_NUMBER: _ClassVar[int]
    BEST_METRICS_FIELD_NUMBER: _ClassVar[int]
    BEST_CHECKPOINT_URI_FIELD_NUMBER: _ClassVar[int]
    FINAL_MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    id: str
    snapshots: _containers.RepeatedCompositeFieldContainer[_training_pb2.MetricsSnapshot]
    checkpoint_uris: _containers.RepeatedScalarFieldContainer[str]
    status: _training_pb2.TrainingStatus
    expected_count: int
    current_epoch: int
    current_step: int
    best_metrics: _containers.ScalarMap[str, float]
    best_checkpoint_uri: str
    final_model_version: str
    started_at: _timestamp_pb2.Timestamp
    completed_at: _timestamp_pb2.Timestamp
    error_message: str
    etag: str
    request_id: str
    validate_only: bool
    def __init__(self, id: _Optional[str] = ..., snapshots: _Optional[_Iterable[_Union[_training_pb2.MetricsSnapshot, _Mapping]]] = ..., checkpoint_uris: _Optional[_Iterable[str]] = ..., status: _Optional[_Union[_training_pb2.TrainingStatus, str]] = ..., expected_count: _Optional[int] = ..., current_epoch: _Optional[int] = ..., current_step: _Optional[int] = ..., best_metrics: _Optional[_Mapping[str, float]] = ..., best_checkpoint_uri: _Optional[str] = ..., final_model_version: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., completed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error_message: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ..., validate_only: bool = ...) -> None: ...

class AppendMetricsResponse(_message.Message):
    __slots__ = ("record", "count", "unchanged")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    record: _record_pb2.Record
    count: int
    unchanged: bool
    def __init__(self, record: _Optional[_Union[_record_pb2.Record, _Mapping]] = ..., count: _Optional[int] = ..., unchanged: bool = ...) -> None: ...

class ReadMetricsRequest(_message.Message):
    __slots__ = ("id", "revision", "keys", "first", "max_points", "page_size", "page_token")
    ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    MAX_POINTS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    id: str
    revision: int
    keys: _containers.RepeatedScalarFieldContainer[str]
    first: int
    max_points: int
    page_size: int
    page_token: str
    def __init__(self, id: _Optional[str] = ..., revision: _Optional[int] = ..., keys: _Optional[_Iterable[str]] = ..., first: _Optional[int] = ..., max_points: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ReadMetricsResponse(_message.Message):
    __slots__ = ("record", "run", "count", "points", "next_page_token")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    record: _record_pb2.Record
    run: _training_pb2.TrainingRun
    count: int
    points: _containers.RepeatedCompositeFieldContainer[MetricsPoint]
    next_page_token: str
    def __init__(self, record: _Optional[_Union[_record_pb2.Record, _Mapping]] = ..., run: _Optional[_Union[_training_pb2.TrainingRun, _Mapping]] = ..., count: _Optional[int] = ..., points: _Optional[_Iterable[_Union[MetricsPoint, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class MetricsPoint(_message.Message):
    __slots__ = ("position", "snapshot")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    position: int
    snapshot: _training_pb2.MetricsSnapshot
    def __init__(self, position: _Optional[int] = ..., snapshot: _Optional[_Union[_training_pb2.MetricsSnapshot, _Mapping]] = ...) -> None: ...
