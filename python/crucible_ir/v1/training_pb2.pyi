import datetime

from crucible_ir.v1 import dataset_pb2 as _dataset_pb2
from crucible_ir.v1 import model_pb2 as _model_pb2
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

class Optimizer(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPTIMIZER_UNSPECIFIED: _ClassVar[Optimizer]
    OPTIMIZER_ADAM: _ClassVar[Optimizer]
    OPTIMIZER_SGD: _ClassVar[Optimizer]
    OPTIMIZER_ADAMW: _ClassVar[Optimizer]
    OPTIMIZER_RMSPROP: _ClassVar[Optimizer]

class LossFunction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOSS_FUNCTION_UNSPECIFIED: _ClassVar[LossFunction]
    LOSS_FUNCTION_CROSS_ENTROPY: _ClassVar[LossFunction]
    LOSS_FUNCTION_MSE: _ClassVar[LossFunction]
    LOSS_FUNCTION_MAE: _ClassVar[LossFunction]
    LOSS_FUNCTION_BCE: _ClassVar[LossFunction]

class Device(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEVICE_UNSPECIFIED: _ClassVar[Device]
    DEVICE_CPU: _ClassVar[Device]
    DEVICE_CUDA: _ClassVar[Device]
    DEVICE_MPS: _ClassVar[Device]
    DEVICE_TPU: _ClassVar[Device]

class TrainingStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRAINING_STATUS_UNSPECIFIED: _ClassVar[TrainingStatus]
    TRAINING_STATUS_PENDING: _ClassVar[TrainingStatus]
    TRAINING_STATUS_RUNNING: _ClassVar[TrainingStatus]
    TRAINING_STATUS_COMPLETED: _ClassVar[TrainingStatus]
    TRAINING_STATUS_FAILED: _ClassVar[TrainingStatus]
    TRAINING_STATUS_CANCELLED: _ClassVar[TrainingStatus]
    TRAINING_STATUS_PAUSED: _ClassVar[TrainingStatus]
    TRAINING_STATUS_PREEMPTED: _ClassVar[TrainingStatus]

class LearningRateSchedule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEARNING_RATE_SCHEDULE_UNSPECIFIED: _ClassVar[LearningRateSchedule]
    LEARNING_RATE_SCHEDULE_CONSTANT: _ClassVar[LearningRateSchedule]
    LEARNING_RATE_SCHEDULE_LINEAR: _ClassVar[LearningRateSchedule]
    LEARNING_RATE_SCHEDULE_COSINE: _ClassVar[LearningRateSchedule]
    LEARNING_RATE_SCHEDULE_POLYNOMIAL: _ClassVar[LearningRateSchedule]
OPTIMIZER_UNSPECIFIED: Optimizer
OPTIMIZER_ADAM: Optimizer
OPTIMIZER_SGD: Optimizer
OPTIMIZER_ADAMW: Optimizer
OPTIMIZER_RMSPROP: Optimizer
LOSS_FUNCTION_UNSPECIFIED: LossFunction
LOSS_FUNCTION_CROSS_ENTROPY: LossFunction
LOSS_FUNCTION_MSE: LossFunction
LOSS_FUNCTION_MAE: LossFunction
LOSS_FUNCTION_BCE: LossFunction
DEVICE_UNSPECIFIED: Device
DEVICE_CPU: Device
DEVICE_CUDA: Device
DEVICE_MPS: Device
DEVICE_TPU: Device
TRAINING_STATUS_UNSPECIFIED: TrainingStatus
TRAINING_STATUS_PENDING: TrainingStatus
TRAINING_STATUS_RUNNING: TrainingStatus
TRAINING_STATUS_COMPLETED: TrainingStatus
TRAINING_STATUS_FAILED: TrainingStatus
TRAINING_STATUS_CANCELLED: TrainingStatus
TRAINING_STATUS_PAUSED: TrainingStatus
TRAINING_STATUS_PREEMPTED: TrainingStatus
LEARNING_RATE_SCHEDULE_UNSPECIFIED: LearningRateSchedule
LEARNING_RATE_SCHEDULE_CONSTANT: LearningRateSchedule
LEARNING_RATE_SCHEDULE_LINEAR: LearningRateSchedule
LEARNING_RATE_SCHEDULE_COSINE: LearningRateSchedule
LEARNING_RATE_SCHEDULE_POLYNOMIAL: LearningRateSchedule

class TrainingConfig(_message.Message):
    __slots__ = ("id", "model_ref", "dataset_ref", "epochs", "batch_size", "learning_rate", "optimizer", "custom_optimizer", "loss_function", "custom_loss_function", "metrics", "validation_split", "device", "custom_device", "seed", "mixed_precision", "gradient_clipping", "early_stopping", "checkpoint_every", "options", "max_steps", "checkpoint_every_steps", "weight_decay", "warmup_steps", "gradient_accumulation_steps", "learning_rate_schedule", "custom_learning_rate_schedule")
    ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_REF_FIELD_NUMBER: _ClassVar[int]
    DATASET_REF_FIELD_NUMBER: _ClassVar[int]
    EPOCHS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    LOSS_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_LOSS_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    VALIDATION_SPLIT_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_DEVICE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MIXED_PRECISION_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_CLIPPING_FIELD_NUMBER: _ClassVar[int]
    EARLY_STOPPING_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_EVERY_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_STEPS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_EVERY_STEPS_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_DECAY_FIELD_NUMBER: _ClassVar[int]
    WARMUP_STEPS_FIELD_NUMBER: _ClassVar[int]
    GRADIENT_ACCUMULATION_STEPS_FIELD_NUMBER: _ClassVar[int]
    LEARNING_RATE_SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_LEARNING_RATE_SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    id: str
    model_ref: _model_pb2.ModelRef
    dataset_ref: _dataset_pb2.DatasetRef
    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: Optimizer
    custom_optimizer: str
    loss_function: LossFunction
    custom_loss_function: str
    metrics: _containers.RepeatedScalarFieldContainer[str]
    validation_split: float
    device: Device
    custom_device: str
    seed: int
    mixed_precision: bool
    gradient_clipping: float
    early_stopping: _struct_pb2.Struct
    checkpoint_every: int
    options: _struct_pb2.Struct
    max_steps: int
    checkpoint_every_steps: int
    weight_decay: float
    warmup_steps: int
    gradient_accumulation_steps: int
    learning_rate_schedule: LearningRateSchedule
    custom_learning_rate_schedule: str
    def __init__(self, id: _Optional[str] = ..., model_ref: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., dataset_ref: _Optional[_Union[_dataset_pb2.DatasetRef, _Mapping]] = ..., epochs: _Optional[int] = ..., batch_size: _Optional[int] = ..., learning_rate: _Optional[float] = ..., optimizer: _Optional[_Union[Optimizer, str]] = ..., custom_optimizer: _Optional[str] = ..., loss_function: _Optional[_Union[LossFunction, str]] = ..., custom_loss_function: _Optional[str] = ..., metrics: _Optional[_Iterable[str]] = ..., validation_split: _Optional[float] = ..., device: _Optional[_Union[Device, str]] = ..., custom_device: _Optional[str] = ..., seed: _Optional[int] = ..., mixed_precision: bool = ..., gradient_clipping: _Optional[float] = ..., early_stopping: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., checkpoint_every: _Optional[int] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., max_steps: _Optional[int] = ..., checkpoint_every_steps: _Optional[int] = ..., weight_decay: _Optional[float] = ..., warmup_steps: _Optional[int] = ..., gradient_accumulation_steps: _Optional[int] = ..., learning_rate_schedule: _Optional[_Union[LearningRateSchedule, str]] = ..., custom_learning_rate_schedule: _Optional[str] = ...) -> None: ...

class TrainingRun(_message.Message):
    __slots__ = ("id", "config", "status", "current_epoch", "metrics_history", "best_metrics", "checkpoint_uris", "final_model_version", "started_at", "completed_at", "error_message", "options", "tags", "current_step", "best_checkpoint_uri", "experiment_id")
    class BestMetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_EPOCH_FIELD_NUMBER: _ClassVar[int]
    METRICS_HISTORY_FIELD_NUMBER: _ClassVar[int]
    BEST_METRICS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_URIS_FIELD_NUMBER: _ClassVar[int]
    FINAL_MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    STARTED_AT_FIELD_NUMBER: _ClassVar[int]
    COMPLETED_AT_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    CURRENT_STEP_FIELD_NUMBER: _ClassVar[int]
    BEST_CHECKPOINT_URI_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    config: TrainingConfig
    status: TrainingStatus
    current_epoch: int
    metrics_history: _containers.RepeatedCompositeFieldContainer[MetricsSnapshot]
    best_metrics: _containers.ScalarMap[str, float]
    checkpoint_uris: _containers.RepeatedScalarFieldContainer[str]
    final_model_version: str
    started_at: _timestamp_pb2.Timestamp
    completed_at: _timestamp_pb2.Timestamp
    error_message: str
    options: _struct_pb2.Struct
    tags: _containers.RepeatedScalarFieldContainer[str]
    current_step: int
    best_checkpoint_uri: str
    experiment_id: str
    def __init__(self, id: _Optional[str] = ..., config: _Optional[_Union[TrainingConfig, _Mapping]] = ..., status: _Optional[_Union[TrainingStatus, str]] = ..., current_epoch: _Optional[int] = ..., metrics_history: _Optional[_Iterable[_Union[MetricsSnapshot, _Mapping]]] = ..., best_metrics: _Optional[_Mapping[str, float]] = ..., checkpoint_uris: _Optional[_Iterable[str]] = ..., final_model_version: _Optional[str] = ..., started_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., completed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., error_message: _Optional[str] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., tags: _Optional[_Iterable[str]] = ..., current_step: _Optional[int] = ..., best_checkpoint_uri: _Optional[str] = ..., experiment_id: _Optional[str] = ...) -> None: ...

class MetricsSnapshot(_message.Message):
    __slots__ = ("values", "step", "epoch", "time", "other_values")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    OTHER_VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.ScalarMap[str, float]
    step: int
    epoch: float
    time: _timestamp_pb2.Timestamp
    other_values: _struct_pb2.Struct
    def __init__(self, values: _Optional[_Mapping[str, float]] = ..., step: _Optional[int] = ..., epoch: _Optional[float] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., other_values: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
