from crucible_ir.v1 import feedback_pb2 as _feedback_pb2
from crucible_ir.v1 import options_pb2 as _options_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EnsembleStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENSEMBLE_STRATEGY_UNSPECIFIED: _ClassVar[EnsembleStrategy]
    ENSEMBLE_STRATEGY_NONE: _ClassVar[EnsembleStrategy]
    ENSEMBLE_STRATEGY_MAJORITY: _ClassVar[EnsembleStrategy]
    ENSEMBLE_STRATEGY_WEIGHTED: _ClassVar[EnsembleStrategy]
    ENSEMBLE_STRATEGY_BEST_CONFIDENCE: _ClassVar[EnsembleStrategy]
    ENSEMBLE_STRATEGY_UNANIMOUS: _ClassVar[EnsembleStrategy]
    ENSEMBLE_STRATEGY_SEMANTIC_SIMILARITY: _ClassVar[EnsembleStrategy]
    ENSEMBLE_STRATEGY_RANKED_CHOICE: _ClassVar[EnsembleStrategy]

class EnsembleExecutionMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENSEMBLE_EXECUTION_MODE_UNSPECIFIED: _ClassVar[EnsembleExecutionMode]
    ENSEMBLE_EXECUTION_MODE_PARALLEL: _ClassVar[EnsembleExecutionMode]
    ENSEMBLE_EXECUTION_MODE_SEQUENTIAL: _ClassVar[EnsembleExecutionMode]
    ENSEMBLE_EXECUTION_MODE_HEDGED: _ClassVar[EnsembleExecutionMode]
    ENSEMBLE_EXECUTION_MODE_CASCADE: _ClassVar[EnsembleExecutionMode]

class HedgingStrategy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    HEDGING_STRATEGY_UNSPECIFIED: _ClassVar[HedgingStrategy]
    HEDGING_STRATEGY_OFF: _ClassVar[HedgingStrategy]
    HEDGING_STRATEGY_FIXED: _ClassVar[HedgingStrategy]
    HEDGING_STRATEGY_PERCENTILE: _ClassVar[HedgingStrategy]
    HEDGING_STRATEGY_ADAPTIVE: _ClassVar[HedgingStrategy]
    HEDGING_STRATEGY_WORKLOAD_AWARE: _ClassVar[HedgingStrategy]
    HEDGING_STRATEGY_EXPONENTIAL_BACKOFF: _ClassVar[HedgingStrategy]

class StatisticalTest(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATISTICAL_TEST_UNSPECIFIED: _ClassVar[StatisticalTest]
    STATISTICAL_TEST_TTEST: _ClassVar[StatisticalTest]
    STATISTICAL_TEST_BOOTSTRAP: _ClassVar[StatisticalTest]
    STATISTICAL_TEST_ANOVA: _ClassVar[StatisticalTest]
    STATISTICAL_TEST_MANNWHITNEY: _ClassVar[StatisticalTest]
    STATISTICAL_TEST_WILCOXON: _ClassVar[StatisticalTest]
    STATISTICAL_TEST_KRUSKAL: _ClassVar[StatisticalTest]

class EffectSizeType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFECT_SIZE_TYPE_UNSPECIFIED: _ClassVar[EffectSizeType]
    EFFECT_SIZE_TYPE_COHENS_D: _ClassVar[EffectSizeType]
    EFFECT_SIZE_TYPE_ETA_SQUARED: _ClassVar[EffectSizeType]
    EFFECT_SIZE_TYPE_OMEGA_SQUARED: _ClassVar[EffectSizeType]

class MultipleTestingCorrection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MULTIPLE_TESTING_CORRECTION_UNSPECIFIED: _ClassVar[MultipleTestingCorrection]
    MULTIPLE_TESTING_CORRECTION_BONFERRONI: _ClassVar[MultipleTestingCorrection]
    MULTIPLE_TESTING_CORRECTION_HOLM: _ClassVar[MultipleTestingCorrection]
    MULTIPLE_TESTING_CORRECTION_FDR: _ClassVar[MultipleTestingCorrection]

class FairnessMetric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAIRNESS_METRIC_UNSPECIFIED: _ClassVar[FairnessMetric]
    FAIRNESS_METRIC_DEMOGRAPHIC_PARITY: _ClassVar[FairnessMetric]
    FAIRNESS_METRIC_EQUALIZED_ODDS: _ClassVar[FairnessMetric]
    FAIRNESS_METRIC_EQUAL_OPPORTUNITY: _ClassVar[FairnessMetric]
    FAIRNESS_METRIC_PREDICTIVE_PARITY: _ClassVar[FairnessMetric]

class GuardrailProfile(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GUARDRAIL_PROFILE_UNSPECIFIED: _ClassVar[GuardrailProfile]
    GUARDRAIL_PROFILE_DEFAULT: _ClassVar[GuardrailProfile]
    GUARDRAIL_PROFILE_STRICT: _ClassVar[GuardrailProfile]
    GUARDRAIL_PROFILE_MODERATE: _ClassVar[GuardrailProfile]
    GUARDRAIL_PROFILE_PERMISSIVE: _ClassVar[GuardrailProfile]
ENSEMBLE_STRATEGY_UNSPECIFIED: EnsembleStrategy
ENSEMBLE_STRATEGY_NONE: EnsembleStrategy
ENSEMBLE_STRATEGY_MAJORITY: EnsembleStrategy
ENSEMBLE_STRATEGY_WEIGHTED: EnsembleStrategy
ENSEMBLE_STRATEGY_BEST_CONFIDENCE: EnsembleStrategy
ENSEMBLE_STRATEGY_UNANIMOUS: EnsembleStrategy
ENSEMBLE_STRATEGY_SEMANTIC_SIMILARITY: EnsembleStrategy
ENSEMBLE_STRATEGY_RANKED_CHOICE: EnsembleStrategy
ENSEMBLE_EXECUTION_MODE_UNSPECIFIED: EnsembleExecutionMode
ENSEMBLE_EXECUTION_MODE_PARALLEL: EnsembleExecutionMode
ENSEMBLE_EXECUTION_MODE_SEQUENTIAL: EnsembleExecutionMode
ENSEMBLE_EXECUTION_MODE_HEDGED: EnsembleExecutionMode
ENSEMBLE_EXECUTION_MODE_CASCADE: EnsembleExecutionMode
HEDGING_STRATEGY_UNSPECIFIED: HedgingStrategy
HEDGING_STRATEGY_OFF: HedgingStrategy
HEDGING_STRATEGY_FIXED: HedgingStrategy
HEDGING_STRATEGY_PERCENTILE: HedgingStrategy
HEDGING_STRATEGY_ADAPTIVE: HedgingStrategy
HEDGING_STRATEGY_WORKLOAD_AWARE: HedgingStrategy
HEDGING_STRATEGY_EXPONENTIAL_BACKOFF: HedgingStrategy
STATISTICAL_TEST_UNSPECIFIED: StatisticalTest
STATISTICAL_TEST_TTEST: StatisticalTest
STATISTICAL_TEST_BOOTSTRAP: StatisticalTest
STATISTICAL_TEST_ANOVA: StatisticalTest
STATISTICAL_TEST_MANNWHITNEY: StatisticalTest
STATISTICAL_TEST_WILCOXON: StatisticalTest
STATISTICAL_TEST_KRUSKAL: StatisticalTest
EFFECT_SIZE_TYPE_UNSPECIFIED: EffectSizeType
EFFECT_SIZE_TYPE_COHENS_D: EffectSizeType
EFFECT_SIZE_TYPE_ETA_SQUARED: EffectSizeType
EFFECT_SIZE_TYPE_OMEGA_SQUARED: EffectSizeType
MULTIPLE_TESTING_CORRECTION_UNSPECIFIED: MultipleTestingCorrection
MULTIPLE_TESTING_CORRECTION_BONFERRONI: MultipleTestingCorrection
MULTIPLE_TESTING_CORRECTION_HOLM: MultipleTestingCorrection
MULTIPLE_TESTING_CORRECTION_FDR: MultipleTestingCorrection
FAIRNESS_METRIC_UNSPECIFIED: FairnessMetric
FAIRNESS_METRIC_DEMOGRAPHIC_PARITY: FairnessMetric
FAIRNESS_METRIC_EQUALIZED_ODDS: FairnessMetric
FAIRNESS_METRIC_EQUAL_OPPORTUNITY: FairnessMetric
FAIRNESS_METRIC_PREDICTIVE_PARITY: FairnessMetric
GUARDRAIL_PROFILE_UNSPECIFIED: GuardrailProfile
GUARDRAIL_PROFILE_DEFAULT: GuardrailProfile
GUARDRAIL_PROFILE_STRICT: GuardrailProfile
GUARDRAIL_PROFILE_MODERATE: GuardrailProfile
GUARDRAIL_PROFILE_PERMISSIVE: GuardrailProfile

class ReliabilityConfig(_message.Message):
    __slots__ = ("ensemble", "hedging", "guardrails", "stats", "fairness", "monitoring", "drift", "circuit_breaker", "feedback")
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    HEDGING_FIELD_NUMBER: _ClassVar[int]
    GUARDRAILS_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    FAIRNESS_FIELD_NUMBER: _ClassVar[int]
    MONITORING_FIELD_NUMBER: _ClassVar[int]
    DRIFT_FIELD_NUMBER: _ClassVar[int]
    CIRCUIT_BREAKER_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    ensemble: Ensemble
    hedging: Hedging
    guardrails: Guardrail
    stats: Stats
    fairness: Fairness
    monitoring: _struct_pb2.Struct
    drift: _struct_pb2.Struct
    circuit_breaker: _struct_pb2.Struct
    feedback: _feedback_pb2.FeedbackConfig
    def __init__(self, ensemble: _Optional[_Union[Ensemble, _Mapping]] = ..., hedging: _Optional[_Union[Hedging, _Mapping]] = ..., guardrails: _Optional[_Union[Guardrail, _Mapping]] = ..., stats: _Optional[_Union[Stats, _Mapping]] = ..., fairness: _Optional[_Union[Fairness, _Mapping]] = ..., monitoring: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., drift: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., circuit_breaker: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., feedback: _Optional[_Union[_feedback_pb2.FeedbackConfig, _Mapping]] = ...) -> None: ...

class Ensemble(_message.Message):
    __slots__ = ("strategy", "execution_mode", "models", "weights", "min_agreement", "timeout_ms", "options")
    class WeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    EXECUTION_MODE_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    MIN_AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    strategy: EnsembleStrategy
    execution_mode: EnsembleExecutionMode
    models: _containers.RepeatedScalarFieldContainer[str]
    weights: _containers.ScalarMap[str, float]
    min_agreement: float
    timeout_ms: int
    options: _struct_pb2.Struct
    def __init__(self, strategy: _Optional[_Union[EnsembleStrategy, str]] = ..., execution_mode: _Optional[_Union[EnsembleExecutionMode, str]] = ..., models: _Optional[_Iterable[str]] = ..., weights: _Optional[_Mapping[str, float]] = ..., min_agreement: _Optional[float] = ..., timeout_ms: _Optional[int] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Hedging(_message.Message):
    __slots__ = ("strategy", "delay_ms", "percentile", "max_hedges", "budget_percent", "options")
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    PERCENTILE_FIELD_NUMBER: _ClassVar[int]
    MAX_HEDGES_FIELD_NUMBER: _ClassVar[int]
    BUDGET_PERCENT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    strategy: HedgingStrategy
    delay_ms: int
    percentile: float
    max_hedges: int
    budget_percent: float
    options: _struct_pb2.Struct
    def __init__(self, strategy: _Optional[_Union[HedgingStrategy, str]] = ..., delay_ms: _Optional[int] = ..., percentile: _Optional[float] = ..., max_hedges: _Optional[int] = ..., budget_percent: _Optional[float] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Stats(_message.Message):
    __slots__ = ("tests", "custom_tests", "alpha", "confidence_level", "effect_size_type", "custom_effect_size_type", "multiple_testing_correction", "custom_multiple_testing_correction", "bootstrap_iterations", "options")
    TESTS_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_TESTS_FIELD_NUMBER: _ClassVar[int]
    ALPHA_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_LEVEL_FIELD_NUMBER: _ClassVar[int]
    EFFECT_SIZE_TYPE_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_EFFECT_SIZE_TYPE_FIELD_NUMBER: _ClassVar[int]
    MULTIPLE_TESTING_CORRECTION_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_MULTIPLE_TESTING_CORRECTION_FIELD_NUMBER: _ClassVar[int]
    BOOTSTRAP_ITERATIONS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    tests: _containers.RepeatedScalarFieldContainer[StatisticalTest]
    custom_tests: _containers.RepeatedScalarFieldContainer[str]
    alpha: float
    confidence_level: float
    effect_size_type: EffectSizeType
    custom_effect_size_type: str
    multiple_testing_correction: MultipleTestingCorrection
    custom_multiple_testing_correction: str
    bootstrap_iterations: int
    options: _struct_pb2.Struct
    def __init__(self, tests: _Optional[_Iterable[_Union[StatisticalTest, str]]] = ..., custom_tests: _Optional[_Iterable[str]] = ..., alpha: _Optional[float] = ..., confidence_level: _Optional[float] = ..., effect_size_type: _Optional[_Union[EffectSizeType, str]] = ..., custom_effect_size_type: _Optional[str] = ..., multiple_testing_correction: _Optional[_Union[MultipleTestingCorrection, str]] = ..., custom_multiple_testing_correction: _Optional[str] = ..., bootstrap_iterations: _Optional[int] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Fairness(_message.Message):
    __slots__ = ("enabled", "metrics", "custom_metrics", "group_by", "threshold", "fail_on_violation", "options")
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_METRICS_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    FAIL_ON_VIOLATION_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    enabled: bool
    metrics: _containers.RepeatedScalarFieldContainer[FairnessMetric]
    custom_metrics: _containers.RepeatedScalarFieldContainer[str]
    group_by: str
    threshold: float
    fail_on_violation: bool
    options: _struct_pb2.Struct
    def __init__(self, enabled: bool = ..., metrics: _Optional[_Iterable[_Union[FairnessMetric, str]]] = ..., custom_metrics: _Optional[_Iterable[str]] = ..., group_by: _Optional[str] = ..., threshold: _Optional[float] = ..., fail_on_violation: bool = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Guardrail(_message.Message):
    __slots__ = ("profiles", "custom_profiles", "prompt_injection_detection", "jailbreak_detection", "pii_detection", "pii_redaction", "content_moderation", "fail_on_detection", "options")
    PROFILES_FIELD_NUMBER: _ClassVar[int]
    CUSTOM_PROFILES_FIELD_NUMBER: _ClassVar[int]
    PROMPT_INJECTION_DETECTION_FIELD_NUMBER: _ClassVar[int]
    JAILBREAK_DETECTION_FIELD_NUMBER: _ClassVar[int]
    PII_DETECTION_FIELD_NUMBER: _ClassVar[int]
    PII_REDACTION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_MODERATION_FIELD_NUMBER: _ClassVar[int]
    FAIL_ON_DETECTION_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    profiles: _containers.RepeatedScalarFieldContainer[GuardrailProfile]
    custom_profiles: _containers.RepeatedScalarFieldContainer[str]
    prompt_injection_detection: bool
    jailbreak_detection: bool
    pii_detection: bool
    pii_redaction: bool
    content_moderation: bool
    fail_on_detection: bool
    options: _struct_pb2.Struct
    def __init__(self, profiles: _Optional[_Iterable[_Union[GuardrailProfile, str]]] = ..., custom_profiles: _Optional[_Iterable[str]] = ..., prompt_injection_detection: bool = ..., jailbreak_detection: bool = ..., pii_detection: bool = ..., pii_redaction: bool = ..., content_moderation: bool = ..., fail_on_detection: bool = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
