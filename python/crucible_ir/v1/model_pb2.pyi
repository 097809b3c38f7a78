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

class ModelProvider(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_PROVIDER_UNSPECIFIED: _ClassVar[ModelProvider]
    MODEL_PROVIDER_LOCAL: _ClassVar[ModelProvider]
    MODEL_PROVIDER_HUGGINGFACE: _ClassVar[ModelProvider]
    MODEL_PROVIDER_OPENAI: _ClassVar[ModelProvider]
    MODEL_PROVIDER_ANTHROPIC: _ClassVar[ModelProvider]
    MODEL_PROVIDER_S3: _ClassVar[ModelProvider]
    MODEL_PROVIDER_GCS: _ClassVar[ModelProvider]

class ModelFramework(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_FRAMEWORK_UNSPECIFIED: _ClassVar[ModelFramework]
    MODEL_FRAMEWORK_NX: _ClassVar[ModelFramework]
    MODEL_FRAMEWORK_PYTORCH: _ClassVar[ModelFramework]
    MODEL_FRAMEWORK_TENSORFLOW: _ClassVar[ModelFramework]
    MODEL_FRAMEWORK_ONNX: _ClassVar[ModelFramework]
    MODEL_FRAMEWORK_SAFETENSORS: _ClassVar[ModelFramework]

class ModelArchitecture(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_ARCHITECTURE_UNSPECIFIED: _ClassVar[ModelArchitecture]
    MODEL_ARCHITECTURE_TRANSFORMER: _ClassVar[ModelArchitecture]
    MODEL_ARCHITECTURE_LSTM: _ClassVar[ModelArchitecture]
    MODEL_ARCHITECTURE_CNN: _ClassVar[ModelArchitecture]
    MODEL_ARCHITECTURE_MLP: _ClassVar[ModelArchitecture]

class ModelTask(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_TASK_UNSPECIFIED: _ClassVar[ModelTask]
    MODEL_TASK_TEXT_CLASSIFICATION: _ClassVar[ModelTask]
    MODEL_TASK_TEXT_GENERATION: _ClassVar[ModelTask]
    MODEL_TASK_EMBEDDING: _ClassVar[ModelTask]
    MODEL_TASK_QA: _ClassVar[ModelTask]
    MODEL_TASK_SUMMARIZATION: _ClassVar[ModelTask]

class ModelStage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_STAGE_UNSPECIFIED: _ClassVar[ModelStage]
    MODEL_STAGE_DEVELOPMENT: _ClassVar[ModelStage]
    MODEL_STAGE_STAGING: _ClassVar[ModelStage]
    MODEL_STAGE_PRODUCTION: _ClassVar[ModelStage]
    MODEL_STAGE_ARCHIVED: _ClassVar[ModelStage]

class ModelRelation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_RELATION_UNSPECIFIED: _ClassVar[ModelRelation]
    MODEL_RELATION_FINE_TUNED: _ClassVar[ModelRelation]
    MODEL_RELATION_DISTILLED: _ClassVar[ModelRelation]
    MODEL_RELATION_QUANTIZED: _ClassVar[ModelRelation]
    MODEL_RELATION_MERGED: _ClassVar[ModelRelation]
    MODEL_RELATION_CONVERTED: _ClassVar[ModelRelation]
MODEL_PROVIDER_UNSPECIFIED: ModelProvider
MODEL_PROVIDER_LOCAL: ModelProvider
MODEL_PROVIDER_HUGGINGFACE: ModelProvider
MODEL_PROVIDER_OPENAI: ModelProvider
MODEL_PROVIDER_ANTHROPIC: ModelProvider
MODEL_PROVIDER_S3: ModelProvider
MODEL_PROVIDER_GCS: ModelProvider
MODEL_FRAMEWORK_UNSPECIFIED: ModelFramework
MODEL_FRAMEWORK_NX: ModelFramework
MODEL_FRAMEWORK_PYTORCH: ModelFramework
MODEL_FRAMEWORK_TENSORFLOW: ModelFramework
MODEL_FRAMEWORK_ONNX: ModelFramework
MODEL_FRAMEWORK_SAFETENSORS: ModelFramework
MODEL_ARCHITECTURE_UNSPECIFIED: ModelArchitecture
MODEL_ARCHITECTURE_TRANSFORMER: ModelArchitecture
MODEL_ARCHITECTURE_LSTM: ModelArchitecture
MODEL_ARCHITECTURE_CNN: ModelArchitecture
MODEL_ARCHITECTURE_MLP: ModelArchitecture
MODEL_TASK_UNSPECIFIED: ModelTask
MODEL_TASK_TEXT_CLASSIFICATION: ModelTask
MODEL_TASK_TEXT_GENERATION: ModelTask
MODEL_TASK_EMBEDDING: ModelTask
MODEL_TASK_QA: ModelTask
MODEL_TASK_SUMMARIZATION: ModelTask
MODEL_STAGE_UNSPECIFIED: ModelStage
MODEL_STAGE_DEVELOPMENT: ModelStage
MODEL_STAGE_STAGING: ModelStage
MODEL_STAGE_PRODUCTION: ModelStage
MODEL_STAGE_ARCHIVED: ModelStage
MODEL_RELATION_UNSPECIFIED: ModelRelation
MODEL_RELATION_FINE_TUNED: ModelRelation
MODEL_RELATION_DISTILLED: ModelRelation
MODEL_RELATION_QUANTIZED: ModelRelation
MODEL_RELATION_MERGED: ModelRelation
MODEL_RELATION_CONVERTED: ModelRelation

class ModelRef(_message.Message):
    __slots__ = ("id", "name", "version", "provider", "custom_provider", "framework", "custom_framework", "architecture", "custom_architecture", "task", "custom_task", "artifact_uri", "metadata", "options", "tags", "aliases")
    class AliasesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_PROVIDER_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_ARCHITECTURE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_TASK_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_URI_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    version: str
    provider: ModelProvider
    custom_provider: str
    framework: ModelFramework
    custom_framework: str
    architecture: ModelArchitecture
    custom_architecture: str
    task: ModelTask
    custom_task: str
    artifact_uri: str
    metadata: _struct_pb2.Struct
    options: _struct_pb2.Struct
    tags: _containers.RepeatedScalarFieldContainer[str]
    aliases: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., version: _Optional[str] = ..., provider: _Optional[_Union[ModelProvider, str]] = ..., custom_provider: _Optional[str] = ..., framework: _Optional[_Union[ModelFramework, str]] = ..., custom_framework: _Optional[str] = ..., architecture: _Optional[_Union[ModelArchitecture, str]] = ..., custom_architecture: _Optional[str] = ..., task: _Optional[_Union[ModelTask, str]] = ..., custom_task: _Optional[str] = ..., artifact_uri: _Optional[str] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., aliases: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("id", "model_id", "version", "stage", "custom_stage", "training_run_id", "metrics", "artifact_uri", "parent_version", "description", "created_at", "created_by", "options", "other_metrics", "tags", "artifacts", "sources")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_STAGE_FIELD_NUMBER: _ClassVar[int]
    TRAINING_RUN_ID_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACT_URI_FIELD_NUMBER: _ClassVar[int]
    PARENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    OTHER_METRICS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    id: str
    model_id: str
    version: str
    stage: ModelStage
    custom_stage: str
    training_run_id: str
    metrics: _containers.ScalarMap[str, float]
    artifact_uri: str
    parent_version: str
    description: str
    created_at: _timestamp_pb2.Timestamp
    created_by: str
    options: _struct_pb2.Struct
    other_metrics: _struct_pb2.Struct
    tags: _containers.RepeatedScalarFieldContainer[str]
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    sources: _containers.RepeatedCompositeFieldContainer[ModelSource]
    def __init__(self, id: _Optional[str] = ..., model_id: _Optional[str] = ..., version: _Optional[str] = ..., stage: _Optional[_Union[ModelStage, str]] = ..., custom_stage: _Optional[str] = ..., training_run_id: _Optional[str] = ..., metrics: _Optional[_Mapping[str, float]] = ..., artifact_uri: _Optional[str] = ..., parent_version: _Optional[str] = ..., description: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_by: _Optional[str] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., other_metrics: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ..., sources: _Optional[_Iterable[_Union[ModelSource, _Mapping]]] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("uri", "name", "digest", "size_bytes", "media_type")
    URI_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    uri: str
    name: str
    digest: str
    size_bytes: int
    media_type: str
    def __init__(self, uri: _Optional[str] = ..., name: _Optional[str] = ..., digest: _Optional[str] = ..., size_bytes: _Optional[int] = ..., media_type: _Optional[str] = ...) -> None: ...

class ModelSource(_message.Message):
    __slots__ = ("model_version_id", "relation", "custom_relation")
    MODEL_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    RELATION_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_RELATION_FIELD_NUMBER: _ClassVar[int]
    model_version_id: str
    relation: ModelRelation
    custom_relation: str
    def __init__(self, model_version_id: _Optional[str] = ..., relation: _Optional[_Union[ModelRelation, str]] = ..., custom_relation: _Optional[str] = ...) -> None: ...
