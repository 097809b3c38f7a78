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

class DeploymentEnvironment(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPLOYMENT_ENVIRONMENT_UNSPECIFIED: _ClassVar[DeploymentEnvironment]
    DEPLOYMENT_ENVIRONMENT_DEVELOPMENT: _ClassVar[DeploymentEnvironment]
    DEPLOYMENT_ENVIRONMENT_STAGING: _ClassVar[DeploymentEnvironment]
    DEPLOYMENT_ENVIRONMENT_PRODUCTION: _ClassVar[DeploymentEnvironment]

class DeploymentStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPLOYMENT_STRATEGY_UNSPECIFIED: _ClassVar[DeploymentStrategy]
    DEPLOYMENT_STRATEGY_ROLLING: _ClassVar[DeploymentStrategy]
    DEPLOYMENT_STRATEGY_BLUE_GREEN: _ClassVar[DeploymentStrategy]
    DEPLOYMENT_STRATEGY_CANARY: _ClassVar[DeploymentStrategy]
    DEPLOYMENT_STRATEGY_RECREATE: _ClassVar[DeploymentStrategy]

class DeploymentState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPLOYMENT_STATE_UNSPECIFIED: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_PENDING: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_DEPLOYING: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_ACTIVE: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_DEGRADED: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_FAILED: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_TERMINATED: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_CANARY: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_PROMOTING: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_ROLLING_BACK: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_UPDATING: _ClassVar[DeploymentState]
    DEPLOYMENT_STATE_STOPPED: _ClassVar[DeploymentState]

class DeploymentHealth(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEPLOYMENT_HEALTH_UNSPECIFIED: _ClassVar[DeploymentHealth]
    DEPLOYMENT_HEALTH_UNKNOWN: _ClassVar[DeploymentHealth]
    DEPLOYMENT_HEALTH_HEALTHY: _ClassVar[DeploymentHealth]
    DEPLOYMENT_HEALTH_UNHEALTHY: _ClassVar[DeploymentHealth]
    DEPLOYMENT_HEALTH_DEGRADED: _ClassVar[DeploymentHealth]
DEPLOYMENT_ENVIRONMENT_UNSPECIFIED: DeploymentEnvironment
DEPLOYMENT_ENVIRONMENT_DEVELOPMENT: DeploymentEnvironment
DEPLOYMENT_ENVIRONMENT_STAGING: DeploymentEnvironment
DEPLOYMENT_ENVIRONMENT_PRODUCTION: DeploymentEnvironment
DEPLOYMENT_STRATEGY_UNSPECIFIED: DeploymentStrategy
DEPLOYMENT_STRATEGY_ROLLING: DeploymentStrategy
DEPLOYMENT_STRATEGY_BLUE_GREEN: DeploymentStrategy
DEPLOYMENT_STRATEGY_CANARY: DeploymentStrategy
DEPLOYMENT_STRATEGY_RECREATE: DeploymentStrategy
DEPLOYMENT_STATE_UNSPECIFIED: DeploymentState
DEPLOYMENT_STATE_PENDING: DeploymentState
DEPLOYMENT_STATE_DEPLOYING: DeploymentState
DEPLOYMENT_STATE_ACTIVE: DeploymentState
DEPLOYMENT_STATE_DEGRADED: DeploymentState
DEPLOYMENT_STATE_FAILED: DeploymentState
DEPLOYMENT_STATE_TERMINATED: DeploymentState
DEPLOYMENT_STATE_CANARY: DeploymentState
DEPLOYMENT_STATE_PROMOTING: DeploymentState
DEPLOYMENT_STATE_ROLLING_BACK: DeploymentState
DEPLOYMENT_STATE_UPDATING: DeploymentState
DEPLOYMENT_STATE_STOPPED: DeploymentState
DEPLOYMENT_HEALTH_UNSPECIFIED: DeploymentHealth
DEPLOYMENT_HEALTH_UNKNOWN: DeploymentHealth
DEPLOYMENT_HEALTH_HEALTHY: DeploymentHealth
DEPLOYMENT_HEALTH_UNHEALTHY: DeploymentHealth
DEPLOYMENT_HEALTH_DEGRADED: DeploymentHealth

class DeploymentConfig(_message.Message):
    __slots__ = ("id", "model_version_id", "target", "replicas", "resources", "scaling", "environment", "custom_environment", "strategy", "custom_strategy", "health_check", "endpoint", "metadata", "options", "traffic")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REPLICAS_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    SCALING_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_STRATEGY_FIELD_NUMBER: _ClassVar[int]
    HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    TRAFFIC_FIELD_NUMBER: _ClassVar[int]
    id: str
    model_version_id: str
    target: _struct_pb2.Struct
    replicas: int
    resources: _struct_pb2.Struct
    scaling: _struct_pb2.Struct
    environment: DeploymentEnvironment
    custom_environment: str
    strategy: DeploymentStrategy
    custom_strategy: str
    health_check: _struct_pb2.Struct
    endpoint: _struct_pb2.Struct
    metadata: _struct_pb2.Struct
    options: _struct_pb2.Struct
    traffic: _containers.RepeatedCompositeFieldContainer[TrafficShare]
    def __init__(self, id: _Optional[str] = ..., model_version_id: _Optional[str] = ..., target: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., replicas: _Optional[int] = ..., resources: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., scaling: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., environment: _Optional[_Union[DeploymentEnvironment, str]] = ..., custom_environment: _Optional[str] = ..., strategy: _Optional[_Union[DeploymentStrategy, str]] = ..., custom_strategy: _Optional[str] = ..., health_check: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., endpoint: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., traffic: _Optional[_Iterable[_Union[TrafficShare, _Mapping]]] = ...) -> None: ...

class DeploymentStatus(_message.Message):
    __slots__ = ("id", "deployment_id", "state", "ready_replicas", "total_replicas", "endpoint_url", "traffic_percent", "health", "custom_health", "last_health_check", "error_message", "created_at", "updated_at", "traffic", "metrics", "metadata")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    READY_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_URL_FIELD_NUMBER: _ClassVar[int]
    TRAFFIC_PERCENT_FIELD_NUMBER: _ClassVar[int]
    HEALTH_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_HEALTH_FIELD_NUMBER: _ClassVar[int]
    LAST_HEALTH_CHECK_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    TRAFFIC_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    deployment_id: str
    state: DeploymentState
    ready_replicas: int
    total_replicas: int
    endpoint_url: str
    traffic_percent: float
    health: DeploymentHealth
    custom_health: str
    last_health_check: _timestamp_pb2.Timestamp
    error_message: str
    created_at: _timestamp_pb2.Timestamp
    updated_at: _timestamp_pb2.Timestamp
    traffic: _containers.RepeatedCompositeFieldContainer[TrafficShare]
    metrics: _containers.ScalarMap[str, float]
    metadata: _struct_pb2.Struct
    def __init__(self, id: _Optional[str] = ..., deployment_id: _Optional[str] = ..., state: _Optional[_Union[DeploymentState, str]] = ..., ready_replicas: _Optional[int] = ..., total_replicas: _Optional[int] = ..., endpoint_url: _Optional[str] = ..., traffic_percent: _Optional[float] = ..., health: _Optional[_Union[DeploymentHealth, str]] = ..., custom_health: _Optional[str] = ..., last_health_check: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error_message: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., traffic: _Optional[_Iterable[_Union[TrafficShare, _Mapping]]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., metadata: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class TrafficShare(_message.Message):
    __slots__ = ("model_version_id", "percent", "ready_replicas", "url")
    MODEL_VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    READY_REPLICAS_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    model_version_id: str
    percent: float
    ready_replicas: int
    url: str
    def __init__(self, model_version_id: _Optional[str] = ..., percent: _Optional[float] = ..., ready_replicas: _Optional[int] = ..., url: _Optional[str] = ...) -> None: ...
