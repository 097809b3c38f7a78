from crucible_ir.v1 import backend_pb2 as _backend_pb2
from crucible_ir.v1 import completion_pb2 as _completion_pb2
from crucible_ir.v1 import dataset_pb2 as _dataset_pb2
from crucible_ir.v1 import deployment_pb2 as _deployment_pb2
from crucible_ir.v1 import evaluation_pb2 as _evaluation_pb2
from crucible_ir.v1 import experiment_pb2 as _experiment_pb2
from crucible_ir.v1 import feedback_pb2 as _feedback_pb2
from crucible_ir.v1 import model_pb2 as _model_pb2
from crucible_ir.v1 import options_pb2 as _options_pb2
from crucible_ir.v1 import output_pb2 as _output_pb2
from crucible_ir.v1 import prompt_pb2 as _prompt_pb2
from crucible_ir.v1 import reliability_pb2 as _reliability_pb2
from crucible_ir.v1 import training_pb2 as _training_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Document(_message.Message):
    __slots__ = ("ir_version", "producer_name", "producer_version", "experiment", "backend_ref", "stage_def", "dataset_ref", "output_spec", "reliability_config", "ensemble", "hedging", "stats", "fairness", "guardrail", "model_ref", "model_version", "training_config", "training_run", "deployment_config", "deployment_status", "feedback_event", "feedback_config", "prompt", "generation_options", "completion", "capabilities", "evaluation_result")
    IR_VERSION_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_NAME_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPERIMENT_FIELD_NUMBER: _ClassVar[int]
    BACKEND_REF_FIELD_NUMBER: _ClassVar[int]
    STAGE_DEF_FIELD_NUMBER: _ClassVar[int]
    DATASET_REF_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SPEC_FIELD_NUMBER: _ClassVar[int]
    RELIABILITY_CONFIG_FIELD_NUMBER: _ClassVar[int]
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    HEDGING_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_FIELD_NUMBER: _ClassVar[int]
    GUARDRAIL_FIELD_NUMBER: _ClassVar[int]
    MODEL_REF_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRAINING_CONFIG_FIELD_NUMBER: _ClassVar[int]
    TRAINING_RUN_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_CONFIG_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_STATUS_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_EVENT_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_CONFIG_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    GENERATION_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_RESULT_FIELD_NUMBER: _ClassVar[int]
    ir_version: str
    producer_name: str
    producer_version: str
    experiment: _experiment_pb2.Experiment
    backend_ref: _backend_pb2.BackendRef
    stage_def: _experiment_pb2.StageDef
    dataset_ref: _dataset_pb2.DatasetRef
    output_spec: _output_pb2.OutputSpec
    reliability_config: _reliability_pb2.ReliabilityConfig
    ensemble: _reliability_pb2.Ensemble
    hedging: _reliability_pb2.Hedging
    stats: _reliability_pb2.Stats
    fairness: _reliability_pb2.Fairness
    guardrail: _reliability_pb2.Guardrail
    model_ref: _model_pb2.ModelRef
    model_version: _model_pb2.ModelVersion
    training_config: _training_pb2.TrainingConfig
    training_run: _training_pb2.TrainingRun
    deployment_config: _deployment_pb2.DeploymentConfig
    deployment_status: _deployment_pb2.DeploymentStatus
    feedback_event: _feedback_pb2.FeedbackEvent
    feedback_config: _feedback_pb2.FeedbackConfig
    prompt: _prompt_pb2.Prompt
    generation_options: _prompt_pb2.GenerationOptions
    completion: _completion_pb2.Completion
    capabilities: _backend_pb2.Capabilities
    evaluation_result: _evaluation_pb2.EvaluationResult
    def __init__(self, ir_version: _Optional[str] = ..., producer_name: _Optional[str] = ..., producer_version: _Optional[str] = ..., experiment: _Optional[_Union[_experiment_pb2.Experiment, _Mapping]] = ..., backend_ref: _Optional[_Union[_backend_pb2.BackendRef, _Mapping]] = ..., stage_def: _Optional[_Union[_experiment_pb2.StageDef, _Mapping]] = ..., dataset_ref: _Optional[_Union[_dataset_pb2.DatasetRef, _Mapping]] = ..., output_spec: _Optional[_Union[_output_pb2.OutputSpec, _Mapping]] = ..., reliability_config: _Optional[_Union[_reliability_pb2.ReliabilityConfig, _Mapping]] = ..., ensemble: _Optional[_Union[_reliability_pb2.Ensemble, _Mapping]] = ..., hedging: _Optional[_Union[_reliability_pb2.Hedging, _Mapping]] = ..., stats: _Optional[_Union[_reliability_pb2.Stats, _Mapping]] = ..., fairness: _Optional[_Union[_reliability_pb2.Fairness, _Mapping]] = ..., guardrail: _Optional[_Union[_reliability_pb2.Guardrail, _Mapping]] = ..., model_ref: _Optional[_Union[_model_pb2.ModelRef, _Mapping]] = ..., model_version: _Optional[_Union[_model_pb2.ModelVersion, _Mapping]] = ..., training_config: _Optional[_Union[_training_pb2.TrainingConfig, _Mapping]] = ..., training_run: _Optional[_Union[_training_pb2.TrainingRun, _Mapping]] = ..., deployment_config: _Optional[_Union[_deployment_pb2.DeploymentConfig, _Mapping]] = ..., deployment_status: _Optional[_Union[_deployment_pb2.DeploymentStatus, _Mapping]] = ..., feedback_event: _Optional[_Union[_feedback_pb2.FeedbackEvent, _Mapping]] = ..., feedback_config: _Optional[_Union[_feedback_pb2.FeedbackConfig, _Mapping]] = ..., prompt: _Optional[_Union[_prompt_pb2.Prompt, _Mapping]] = ..., generation_options: _Optional[_Union[_prompt_pb2.GenerationOptions, _Mapping]] = ..., completion: _Optional[_Union[_completion_pb2.Completion, _Mapping]] = ..., capabilities: _Optional[_Union[_backend_pb2.Capabilities, _Mapping]] = ..., evaluation_result: _Optional[_Union[_evaluation_pb2.EvaluationResult, _Mapping]] = ...) -> None: ...
