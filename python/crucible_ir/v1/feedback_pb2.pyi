import datetime

from crucible_ir.v1 import options_pb2 as _options_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FeedbackType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEEDBACK_TYPE_UNSPECIFIED: _ClassVar[FeedbackType]
    FEEDBACK_TYPE_THUMBS: _ClassVar[FeedbackType]
    FEEDBACK_TYPE_RATING: _ClassVar[FeedbackType]
    FEEDBACK_TYPE_CORRECTION: _ClassVar[FeedbackType]
    FEEDBACK_TYPE_LABEL: _ClassVar[FeedbackType]
    FEEDBACK_TYPE_FLAG: _ClassVar[FeedbackType]

class FeedbackStorage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEEDBACK_STORAGE_UNSPECIFIED: _ClassVar[FeedbackStorage]
    FEEDBACK_STORAGE_POSTGRES: _ClassVar[FeedbackStorage]
    FEEDBACK_STORAGE_S3: _ClassVar[FeedbackStorage]
    FEEDBACK_STORAGE_BIGQUERY: _ClassVar[FeedbackStorage]
    FEEDBACK_STORAGE_LOCAL: _ClassVar[FeedbackStorage]

class FeedbackSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEEDBACK_SOURCE_UNSPECIFIED: _ClassVar[FeedbackSource]
    FEEDBACK_SOURCE_HUMAN: _ClassVar[FeedbackSource]
    FEEDBACK_SOURCE_MODEL: _ClassVar[FeedbackSource]
    FEEDBACK_SOURCE_CODE: _ClassVar[FeedbackSource]
FEEDBACK_TYPE_UNSPECIFIED: FeedbackType
FEEDBACK_TYPE_THUMBS: FeedbackType
FEEDBACK_TYPE_RATING: FeedbackType
FEEDBACK_TYPE_CORRECTION: FeedbackType
FEEDBACK_TYPE_LABEL: FeedbackType
FEEDBACK_TYPE_FLAG: FeedbackType
FEEDBACK_STORAGE_UNSPECIFIED: FeedbackStorage
FEEDBACK_STORAGE_POSTGRES: FeedbackStorage
FEEDBACK_STORAGE_S3: FeedbackStorage
FEEDBACK_STORAGE_BIGQUERY: FeedbackStorage
FEEDBACK_STORAGE_LOCAL: FeedbackStorage
FEEDBACK_SOURCE_UNSPECIFIED: FeedbackSource
FEEDBACK_SOURCE_HUMAN: FeedbackSource
FEEDBACK_SOURCE_MODEL: FeedbackSource
FEEDBACK_SOURCE_CODE: FeedbackSource

class FeedbackEvent(_message.Message):
    __slots__ = ("id", "deployment_id", "model_version", "input", "output", "feedback_type", "custom_feedback_type", "feedback_value", "user_id", "session_id", "latency_ms", "timestamp", "metadata", "name", "comment", "source", "custom_source", "source_id", "trace_id", "request_id", "response_id", "choice_index", "supersedes")
    ID_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    INPUT_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_TYPE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FEEDBACK_TYPE_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_VALUE_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    COMMENT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_ID_FIELD_NUMBER: _ClassVar[int]
    CHOICE_INDEX_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDES_FIELD_NUMBER: _ClassVar[int]
    id: str
    deployment_id: str
    model_version: str
    input: _struct_pb2.Struct
    output: _struct_pb2.Struct
    feedback_type: FeedbackType
    custom_feedback_type: str
    feedback_value: _struct_pb2.Value
    user_id: str
    session_id: str
    latency_ms: int
    timestamp: _timestamp_pb2.Timestamp
    metadata: _struct_pb2.Struct
    name: str
    comment: str
    source: FeedbackSource
    custom_source: str
    source_id: str
    trace_id: str
    request_id: str
    response_id: str
    choice_index: int
    supersedes: str
    def __init__(self, id: _Optional[str] = ..., deployment_id: _Optional[str] = ..., model_version: _Optional[str] = ..., input: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., output: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., feedback_type: _Optional[_Union[FeedbackType, str]] = ..., custom_feedback_type: _Optional[str] = ..., feedback_value: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ..., user_id: _Optional[str] = ..., session_id: _Optional[str] = ..., latency_ms: _Optional[int] = ..., timestamp: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., name: _Optional[str] = ..., comment: _Optional[str] = ..., source: _Optional[_Union[FeedbackSource, str]] = ..., custom_source: _Optional[str] = ..., source_id: _Optional[str] = ..., trace_id: _Optional[str] = ..., request_id: _Optional[str] = ..., response_id: _Optional[str] = ..., choice_index: _Optional[int] = ..., supersedes: _Optional[str] = ...) -> None: ...

class FeedbackConfig(_message.Message):
    __slots__ = ("enabled", "sampling_rate", "feedback_types", "custom_feedback_types", "storage", "custom_storage", "retention_days", "anonymize_pii", "drift_detection", "retraining_trigger", "options")
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_RATE_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_TYPES_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FEEDBACK_TYPES_FIELD_NUMBER: _ClassVar[int]
    STORAGE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_STORAGE_FIELD_NUMBER: _ClassVar[int]
    RETENTION_DAYS_FIELD_NUMBER: _ClassVar[int]
    ANONYMIZE_PII_FIELD_NUMBER: _ClassVar[int]
    DRIFT_DETECTION_FIELD_NUMBER: _ClassVar[int]
    RETRAINING_TRIGGER_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    sampling_rate: float
    feedback_types: _containers.RepeatedScalarFieldContainer[FeedbackType]
    custom_feedback_types: _containers.RepeatedScalarFieldContainer[str]
    storage: FeedbackStorage
    custom_storage: str
    retention_days: int
    anonymize_pii: bool
    drift_detection: _struct_pb2.Struct
    retraining_trigger: _struct_pb2.Struct
    options: _struct_pb2.Struct
    def __init__(self, enabled: bool = ..., sampling_rate: _Optional[float] = ..., feedback_types: _Optional[_Iterable[_Union[FeedbackType, str]]] = ..., custom_feedback_types: _Optional[_Iterable[str]] = ..., storage: _Optional[_Union[FeedbackStorage, str]] = ..., custom_storage: _Optional[str] = ..., retention_days: _Optional[int] = ..., anonymize_pii: bool = ..., drift_detection: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., retraining_trigger: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
