import datetime

from crucible_ir.exchange.v1 import violation_pb2 as _violation_pb2
from crucible_ir.v1 import feedback_pb2 as _feedback_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SummaryGrouping(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUMMARY_GROUPING_UNSPECIFIED: _ClassVar[SummaryGrouping]
    SUMMARY_GROUPING_DEPLOYMENT: _ClassVar[SummaryGrouping]
    SUMMARY_GROUPING_MODEL_VERSION: _ClassVar[SummaryGrouping]
    SUMMARY_GROUPING_NAME: _ClassVar[SummaryGrouping]
SUMMARY_GROUPING_UNSPECIFIED: SummaryGrouping
SUMMARY_GROUPING_DEPLOYMENT: SummaryGrouping
SUMMARY_GROUPING_MODEL_VERSION: SummaryGrouping
SUMMARY_GROUPING_NAME: SummaryGrouping

class IngestRequest(_message.Message):
    __slots__ = ("batch_id", "events")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    events: _containers.RepeatedCompositeFieldContainer[_feedback_pb2.FeedbackEvent]
    def __init__(self, batch_id: _Optional[int] = ..., events: _Optional[_Iterable[_Union[_feedback_pb2.FeedbackEvent, _Mapping]]] = ...) -> None: ...

class IngestResponse(_message.Message):
    __slots__ = ("batch_id", "accepted", "duplicates", "rejected")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    accepted: int
    duplicates: _containers.RepeatedScalarFieldContainer[int]
    rejected: _containers.RepeatedCompositeFieldContainer[RejectedEvent]
    def __init__(self, batch_id: _Optional[int] = ..., accepted: _Optional[int] = ..., duplicates: _Optional[_Iterable[int]] = ..., rejected: _Optional[_Iterable[_Union[RejectedEvent, _Mapping]]] = ...) -> None: ...

class RejectedEvent(_message.Message):
    __slots__ = ("index", "error")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    index: int
    error: _violation_pb2.ItemError
    def __init__(self, index: _Optional[int] = ..., error: _Optional[_Union[_violation_pb2.ItemError, _Mapping]] = ...) -> None: ...

class ExportRequest(_message.Message):
    __slots__ = ("deployment_id", "feedback_types", "model_version", "start_time", "end_time", "batch_size", "cursor")
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_TYPES_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    deployment_id: str
    feedback_types: _containers.RepeatedScalarFieldContainer[str]
    model_version: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    batch_size: int
    cursor: str
    def __init__(self, deployment_id: _Optional[str] = ..., feedback_types: _Optional[_Iterable[str]] = ..., model_version: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., batch_size: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class ExportResponse(_message.Message):
    __slots__ = ("events", "cursor", "publishers", "redacted")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    PUBLISHERS_FIELD_NUMBER: _ClassVar[int]
    REDACTED_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[_feedback_pb2.FeedbackEvent]
    cursor: str
    publishers: _containers.RepeatedScalarFieldContainer[str]
    redacted: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, events: _Optional[_Iterable[_Union[_feedback_pb2.FeedbackEvent, _Mapping]]] = ..., cursor: _Optional[str] = ..., publishers: _Optional[_Iterable[str]] = ..., redacted: _Optional[_Iterable[int]] = ...) -> None: ...

class SummarizeRequest(_message.Message):
    __slots__ = ("deployment_id", "feedback_types", "model_version", "start_time", "end_time", "bucket", "group_by")
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_TYPES_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    BUCKET_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    deployment_id: str
    feedback_types: _containers.RepeatedScalarFieldContainer[str]
    model_version: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    bucket: _duration_pb2.Duration
    group_by: _containers.RepeatedScalarFieldContainer[SummaryGrouping]
    def __init__(self, deployment_id: _Optional[str] = ..., feedback_types: _Optional[_Iterable[str]] = ..., model_version: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., bucket: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., group_by: _Optional[_Iterable[_Union[SummaryGrouping, str]]] = ...) -> None: ...

class SummarizeResponse(_message.Message):
    __slots__ = ("summaries",)
    SUMMARIES_FIELD_NUMBER: _ClassVar[int]
    summaries: _containers.RepeatedCompositeFieldContainer[FeedbackSummary]
    def __init__(self, summaries: _Optional[_Iterable[_Union[FeedbackSummary, _Mapping]]] = ...) -> None: ...

class FeedbackSummary(_message.Message):
    __slots__ = ("feedback_type", "start_time", "count", "latency", "deployment_id", "model_version", "name", "thumbs", "numbers", "labels", "other_labels")
    FEEDBACK_TYPE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    LATENCY_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    THUMBS_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    OTHER_LABELS_FIELD_NUMBER: _ClassVar[int]
    feedback_type: str
    start_time: _timestamp_pb2.Timestamp
    count: int
    latency: LatencySummary
    deployment_id: str
    model_version: str
    name: str
    thumbs: ThumbsSummary
    numbers: NumberSummary
    labels: _containers.RepeatedCompositeFieldContainer[LabelCount]
    other_labels: int
    def __init__(self, feedback_type: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., count: _Optional[int] = ..., latency: _Optional[_Union[LatencySummary, _Mapping]] = ..., deployment_id: _Optional[str] = ..., model_version: _Optional[str] = ..., name: _Optional[str] = ..., thumbs: _Optional[_Union[ThumbsSummary, _Mapping]] = ..., numbers: _Optional[_Union[NumberSummary, _Mapping]] = ..., labels: _Optional[_Iterable[_Union[LabelCount, _Mapping]]] = ..., other_labels: _Optional[int] = ...) -> None: ...

class ThumbsSummary(_message.Message):
    __slots__ = ("up", "down", "share_up")
    UP_FIELD_NUMBER: _ClassVar[int]
    DOWN_FIELD_NUMBER: _ClassVar[int]
    SHARE_UP_FIELD_NUMBER: _ClassVar[int]
    up: int
    down: int
    share_up: float
    def __init__(self, up: _Optional[int] = ..., down: _Optional[int] = ..., share_up: _Optional[float] = ...) -> None: ...

class NumberSummary(_message.Message):
    __slots__ = ("count", "mean", "standard_deviation", "histogram", "other")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    STANDARD_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    HISTOGRAM_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    count: int
    mean: float
    standard_deviation: float
    histogram: _containers.RepeatedCompositeFieldContainer[NumberCount]
    other: int
    def __init__(self, count: _Optional[int] = ..., mean: _Optional[float] = ..., standard_deviation: _Optional[float] = ..., histogram: _Optional[_Iterable[_Union[NumberCount, _Mapping]]] = ..., other: _Optional[int] = ...) -> None: ...

class NumberCount(_message.Message):
    __slots__ = ("value", "count")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    value: float
    count: int
    def __init__(self, value: _Optional[float] = ..., count: _Optional[int] = ...) -> None: ...

class LabelCount(_message.Message):
    __slots__ = ("label", "count")
    LABEL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    label: str
    count: int
    def __init__(self, label: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class LatencySummary(_message.Message):
    __slots__ = ("count", "mean_ms", "min_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MEAN_MS_FIELD_NUMBER: _ClassVar[int]
    MIN_MS_FIELD_NUMBER: _ClassVar[int]
    P50_MS_FIELD_NUMBER: _ClassVar[int]
    P90_MS_FIELD_NUMBER: _ClassVar[int]
    P95_MS_FIELD_NUMBER: _ClassVar[int]
    P99_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_MS_FIELD_NUMBER: _ClassVar[int]
    count: int
    mean_ms: float
    min_ms: int
    p50_ms: int
    p90_ms: int
    p95_ms: int
    p99_ms: int
    max_ms: int
    def __init__(self, count: _Optional[int] = ..., mean_ms: _Optional[float] = ..., min_ms: _Optional[int] = ..., p50_ms: _Optional[int] = ..., p90_ms: _Optional[int] = ..., p95_ms: _Optional[int] = ..., p99_ms: _Optional[int] = ..., max_ms: _Optional[int] = ...) -> None: ...

class SetFeedbackConfigRequest(_message.Message):
    __slots__ = ("deployment_id", "config")
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    deployment_id: str
    config: _feedback_pb2.FeedbackConfig
    def __init__(self, deployment_id: _Optional[str] = ..., config: _Optional[_Union[_feedback_pb2.FeedbackConfig, _Mapping]] = ...) -> None: ...

class SetFeedbackConfigResponse(_message.Message):
    __slots__ = ("changed",)
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    changed: bool
    def __init__(self, changed: bool = ...) -> None: ...

class GetFeedbackConfigRequest(_message.Message):
    __slots__ = ("deployment_id",)
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    deployment_id: str
    def __init__(self, deployment_id: _Optional[str] = ...) -> None: ...

class GetFeedbackConfigResponse(_message.Message):
    __slots__ = ("entry", "redacts", "retention_days")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    REDACTS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_DAYS_FIELD_NUMBER: _ClassVar[int]
    entry: FeedbackConfigEntry
    redacts: bool
    retention_days: int
    def __init__(self, entry: _Optional[_Union[FeedbackConfigEntry, _Mapping]] = ..., redacts: bool = ..., retention_days: _Optional[int] = ...) -> None: ...

class FeedbackConfigEntry(_message.Message):
    __slots__ = ("deployment_id", "config", "update_time")
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    deployment_id: str
    config: _feedback_pb2.FeedbackConfig
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, deployment_id: _Optional[str] = ..., config: _Optional[_Union[_feedback_pb2.FeedbackConfig, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListFeedbackConfigsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListFeedbackConfigsResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[FeedbackConfigEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[FeedbackConfigEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class EraseFeedbackRequest(_message.Message):
    __slots__ = ("user_id", "session_id", "deployment_id", "start_time", "end_time", "validate_only", "cursor")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    session_id: str
    deployment_id: str
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    validate_only: bool
    cursor: str
    def __init__(self, user_id: _Optional[str] = ..., session_id: _Optional[str] = ..., deployment_id: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., validate_only: bool = ..., cursor: _Optional[str] = ...) -> None: ...

class EraseFeedbackResponse(_message.Message):
    __slots__ = ("events", "cursor", "pending")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    events: int
    cursor: str
    pending: bool
    def __init__(self, events: _Optional[int] = ..., cursor: _Optional[str] = ..., pending: bool = ...) -> None: ...
