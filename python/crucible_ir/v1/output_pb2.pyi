from crucible_ir.v1 import options_pb2 as _options_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OutputFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTPUT_FORMAT_UNSPECIFIED: _ClassVar[OutputFormat]
    OUTPUT_FORMAT_MARKDOWN: _ClassVar[OutputFormat]
    OUTPUT_FORMAT_JSON: _ClassVar[OutputFormat]
    OUTPUT_FORMAT_HTML: _ClassVar[OutputFormat]
    OUTPUT_FORMAT_LATEX: _ClassVar[OutputFormat]
    OUTPUT_FORMAT_CSV: _ClassVar[OutputFormat]

class OutputSink(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTPUT_SINK_UNSPECIFIED: _ClassVar[OutputSink]
    OUTPUT_SINK_FILE: _ClassVar[OutputSink]
    OUTPUT_SINK_STDOUT: _ClassVar[OutputSink]
    OUTPUT_SINK_S3: _ClassVar[OutputSink]
    OUTPUT_SINK_POSTGRES: _ClassVar[OutputSink]
OUTPUT_FORMAT_UNSPECIFIED: OutputFormat
OUTPUT_FORMAT_MARKDOWN: OutputFormat
OUTPUT_FORMAT_JSON: OutputFormat
OUTPUT_FORMAT_HTML: OutputFormat
OUTPUT_FORMAT_LATEX: OutputFormat
OUTPUT_FORMAT_CSV: OutputFormat
OUTPUT_SINK_UNSPECIFIED: OutputSink
OUTPUT_SINK_FILE: OutputSink
OUTPUT_SINK_STDOUT: OutputSink
OUTPUT_SINK_S3: OutputSink
OUTPUT_SINK_POSTGRES: OutputSink

class OutputSpec(_message.Message):
    __slots__ = ("name", "formats", "custom_formats", "sink", "custom_sink", "options")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_FORMATS_FIELD_NUMBER: _ClassVar[int]
    SINK_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_SINK_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    formats: _containers.RepeatedScalarFieldContainer[OutputFormat]
    custom_formats: _containers.RepeatedScalarFieldContainer[str]
    sink: OutputSink
    custom_sink: str
    options: _struct_pb2.Struct
    def __init__(self, name: _Optional[str] = ..., formats: _Optional[_Iterable[_Union[OutputFormat, str]]] = ..., custom_formats: _Optional[_Iterable[str]] = ..., sink: _Optional[_Union[OutputSink, str]] = ..., custom_sink: _Optional[str] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
