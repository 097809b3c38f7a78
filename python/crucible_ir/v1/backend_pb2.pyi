from crucible_ir.v1 import options_pb2 as _options_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BackendRef(_message.Message):
    __slots__ = ("id", "profile", "options", "model_version", "endpoint_url", "deployment_id", "fallback")
    ID_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_URL_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_FIELD_NUMBER: _ClassVar[int]
    id: str
    profile: str
    options: _struct_pb2.Struct
    model_version: str
    endpoint_url: str
    deployment_id: str
    fallback: BackendRef
    def __init__(self, id: _Optional[str] = ..., profile: _Optional[str] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., model_version: _Optional[str] = ..., endpoint_url: _Optional[str] = ..., deployment_id: _Optional[str] = ..., fallback: _Optional[_Union[BackendRef, _Mapping]] = ...) -> None: ...

class Capabilities(_message.Message):
    __slots__ = ("backend_id", "provider", "models", "default_model", "supports_streaming", "supports_tools", "supports_vision", "supports_audio", "supports_json_mode", "supports_extended_thinking", "supports_caching", "max_tokens", "max_context_length", "max_images_per_request", "requests_per_minute", "tokens_per_minute", "cost_per_million_input", "cost_per_million_output", "metadata")
    BACKEND_ID_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_MODEL_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_STREAMING_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_TOOLS_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_VISION_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_AUDIO_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_JSON_MODE_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_EXTENDED_THINKING_FIELD_NUMBER: _ClassVar[int]
    SUPPORTS_CACHING_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGES_PER_REQUEST_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    TOKENS_PER_MINUTE_FIELD_NUMBER: _ClassVar[int]
    COST_PER_MILLION_INPUT_FIELD_NUMBER: _ClassVar[int]
    COST_PER_MILLION_OUTPUT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    backend_id: str
    provider: str
    models: _containers.RepeatedScalarFieldContainer[str]
    default_model: str
    supports_streaming: bool
    supports_tools: bool
    supports_vision: bool
    supports_audio: bool
    supports_json_mode: bool
    supports_extended_thinking: bool
    supports_caching: bool
    max_tokens: int
    max_context_length: int
    max_images_per_request: int
    requests_per_minute: int
    tokens_per_minute: int
    cost_per_million_input: float
    cost_per_million_output: float
    metadata: _struct_pb2.Struct
    def __init__(self, backend_id: _Optional[str] = ..., provider: _Optional[str] = ..., models: _Optional[_Iterable[str]] = ..., default_model: _Optional[str] = ..., supports_streaming: bool = ..., supports_tools: bool = ..., supports_vision: bool = ..., supports_audio: bool = ..., supports_json_mode: bool = ..., supports_extended_thinking: bool = ..., supports_caching: bool = ..., max_tokens: _Optional[int] = ..., max_context_length: _Optional[int] = ..., max_images_per_request: _Optional[int] = ..., requests_per_minute: _Optional[int] = ..., tokens_per_minute: _Optional[int] = ..., cost_per_million_input: _Optional[float] = ..., cost_per_million_output: _Optional[float] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
