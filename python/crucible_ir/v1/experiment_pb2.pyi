import datetime

from crucible_ir.v1 import backend_pb2 as _backend_pb2
from crucible_ir.v1 import dataset_pb2 as _dataset_pb2
from crucible_ir.v1 import model_pb2 as _model_pb2
from crucible_ir.v1 import options_pb2 as _options_pb2
from crucible_ir.v1 import output_pb2 as _output_pb2
from crucible_ir.v1 import reliability_pb2 as _reliability_pb2
from crucible_ir.v1 import training_pb2 as _training_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExperimentType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPERIMENT_TYPE_UNSPECIFIED: _ClassVar[ExperimentType]
    EXPERIMENT_TYPE_EVALUATION: _ClassVar[ExperimentType]
    EXPERIMENT_TYPE_TRAINING: _ClassVar[ExperimentType]
    EXPERIMENT_TYPE_COMPARISON: _ClassVar[ExperimentType]
    EXPERIMENT_TYPE_ABLATION: _ClassVar[ExperimentType]
EXPERIMENT_TYPE_UNSPECIFIED: ExperimentType
EXPERIMENT_TYPE_EVALUATION: ExperimentType
EXPERIMENT_TYPE_TRAINING: ExperimentType
EXPERIMENT_TYPE_COMPARISON: ExperimentType
EXPERIMENT_TYPE_ABLATION: ExperimentType

class Experiment(_message.Message):
    __slots__ = ("id", "backend", "pipeline", "description", "owner", "tags", "metadata", "dataset", "reliability", "outputs", "created_at", "updated_at", "experiment_type", "custom_experiment_type", "model_version", "training_config", "baseline")
    ID_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    RELIABILITY_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_EXPERIMENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRAINING_CONFIG_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    id: str
    backend: _backend_pb2.BackendRef
    pipeline: _containers.RepeatedCompositeFieldContainer[StageDef]
    description: str
    owner: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    metadata: _struct_pb2.Struct
    dataset: _dataset_pb2.DatasetRef
    reliability: _reliability_pb2.ReliabilityConfig
    outputs: _containers.RepeatedCompositeFieldContainer[_output_pb2.OutputSpec]
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    experiment_type: ExperimentType
    custom_experiment_type: str
    model_version: _model_pb2.ModelVersion
    training_config: _training_pb2.TrainingConfig
    baseline: _model_pb2.ModelRef
    def __init__(self, id: _Optional[str] = ..., backend: _Optional[_Union[_backend_pb2.BackendRef, _Mapping]] = ..., pipeline: _Optional[_Iterable[_Union[StageDef, _Mapping]]] = ..., description: _Optional[str] = ..., owner: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., dataset: _Optional[_Union[_dataset_pb2.DatasetRef, _Mapping]] = ..., reliability: _Optional[_Union[_reliability_pb2.ReliabilityConfig, _Mapping]] = ..., outputs: _Optional[_Iterable[_Union[_output_pb2.OutputSpec, _Mapping]]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., experiment_type: _Optional[_Union[ExperimentType, str]] = ..., custom_experiment_type: _Optional[str] = ..., model_version: _Optional[_Union[_model_pb2.ModelVersion, _Mapping]] = ..., training_config: _Optional[_Union[_training_pb2.TrainingConfig, _Mapping]] = ..., baseline: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ...) -> None: ...

class StageDef(_message.Message):
    __slots__ = ("name", "module", "options", "enabled")
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODULE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    name: str
    module: str
    options: _struct_pb2.Struct
    enabled: bool
    def __init__(self, name: _Optional[str] = ..., module: _Optional[str] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., enabled: bool = ...) -> None: ...
