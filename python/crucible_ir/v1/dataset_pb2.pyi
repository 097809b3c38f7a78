from crucible_ir.v1 import options_pb2 as _options_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DatasetProvider(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATASET_PROVIDER_UNSPECIFIED: _ClassVar[DatasetProvider]
    DATASET_PROVIDER_CRUCIBLE_DATASETS: _ClassVar[DatasetProvider]
    DATASET_PROVIDER_HUGGINGFACE: _ClassVar[DatasetProvider]

class DatasetSplit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATASET_SPLIT_UNSPECIFIED: _ClassVar[DatasetSplit]
    DATASET_SPLIT_TRAIN: _ClassVar[DatasetSplit]
    DATASET_SPLIT_TEST: _ClassVar[DatasetSplit]
    DATASET_SPLIT_VALIDATION: _ClassVar[DatasetSplit]

class DatasetFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATASET_FORMAT_UNSPECIFIED: _ClassVar[DatasetFormat]
    DATASET_FORMAT_PARQUET: _ClassVar[DatasetFormat]
    DATASET_FORMAT_CSV: _ClassVar[DatasetFormat]
    DATASET_FORMAT_JSONL: _ClassVar[DatasetFormat]
    DATASET_FORMAT_ARROW: _ClassVar[DatasetFormat]
DATASET_PROVIDER_UNSPECIFIED: DatasetProvider
DATASET_PROVIDER_CRUCIBLE_DATASETS: DatasetProvider
DATASET_PROVIDER_HUGGINGFACE: DatasetProvider
DATASET_SPLIT_UNSPECIFIED: DatasetSplit
DATASET_SPLIT_TRAIN: DatasetSplit
DATASET_SPLIT_TEST: DatasetSplit
DATASET_SPLIT_VALIDATION: DatasetSplit
DATASET_FORMAT_UNSPECIFIED: DatasetFormat
DATASET_FORMAT_PARQUET: DatasetFormat
DATASET_FORMAT_CSV: DatasetFormat
DATASET_FORMAT_JSONL: DatasetFormat
DATASET_FORMAT_ARROW: DatasetFormat

class DatasetRef(_message.Message):
    __slots__ = ("name", "provider", "custom_provider", "split", "custom_split", "options", "version", "format", "custom_format", "schema", "subset", "uri", "digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_PROVIDER_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_SPLIT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    SUBSET_FIELD_NUMBER: _ClassVar[int]
    URI_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    provider: DatasetProvider
    custom_provider: str
    split: DatasetSplit
    custom_split: str
    options: _struct_pb2.Struct
    version: str
    format: DatasetFormat
    custom_format: str
    schema: _struct_pb2.Struct
    subset: str
    uri: str
    digest: str
    def __init__(self, name: _Optional[str] = ..., provider: _Optional[_Union[DatasetProvider, str]] = ..., custom_provider: _Optional[str] = ..., split: _Optional[_Union[DatasetSplit, str]] = ..., custom_split: _Optional[str] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., version: _Optional[str] = ..., format: _Optional[_Union[DatasetFormat, str]] = ..., custom_format: _Optional[str] = ..., schema: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., subset: _Optional[str] = ..., uri: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...
