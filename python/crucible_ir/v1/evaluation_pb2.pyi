import datetime

from crucible_ir.v1 import dataset_pb2 as _dataset_pb2
from crucible_ir.v1 import model_pb2 as _model_pb2
from crucible_ir.v1 import options_pb2 as _options_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EvaluationResult(_message.Message):
    __slots__ = ("id", "task", "task_version", "metrics", "model_version_id", "model_ref", "training_run_id", "experiment_id", "dataset_ref", "num_shots", "sample_count", "config", "started_at", "completed_at", "tags", "metadata")
    ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    TASK_VERSION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_REF_FIELD_NUMBER: _ClassVar[int]
    TRAINING_RUN_ID_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DATASET_REF_FIELD_NUMBER: _ClassVar[int]
    NUM_SHOTS_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    task: str
    task_version: str
    metrics: _containers.RepeatedCompositeFieldContainer[MetricResult]
    model_version_id: str
    model_ref: _model_pb2.ModelRef
    training_run_id: str
    experiment_id: str
    dataset_ref: _dataset_pb2.DatasetRef
    num_shots: int
    sample_count: int
    config: _struct_pb2.Struct
    started_at: _timestamp_pb2.Timestamp
    completed_at: _timestamp_pb2.Timestamp
    tags: _containers.RepeatedScalarFieldContainer[str]
    metadata: _struct_pb2.Struct
    def __init__(self, id: _Optional[str] = ..., task: _Optional[str] = ..., task_version: _Optional[str] = ..., metrics: _Optional[_Iterable[_Union[MetricResult, _Mapping]]] = ..., model_version_id: _Optional[str] = ..., model_ref: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., training_run_id: _Optional[str] = ..., experiment_id: _Optional[str] = ..., dataset_ref: _Optional[_Union[_dataset_pb2.DatasetRef, _Mapping]] = ..., num_shots: _Optional[int] = ..., sample_count: _Optional[int] = ..., config: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., completed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class MetricResult(_message.Message):
    __slots__ = ("name", "value", "stderr", "sample_count", "higher_is_better", "filter")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    HIGHER_IS_BETTER_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    stderr: float
    sample_count: int
    higher_is_better: bool
    filter: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., stderr: _Optional[float] = ..., sample_count: _Optional[int] = ..., higher_is_better: bool = ..., filter: _Optional[str] = ...) -> None: ...
