from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Aspect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ASPECT_UNSPECIFIED: _ClassVar[Aspect]
    ASPECT_BINARY: _ClassVar[Aspect]
    ASPECT_JSON: _ClassVar[Aspect]
    ASPECT_VIOLATIONS: _ClassVar[Aspect]
    ASPECT_DIGEST: _ClassVar[Aspect]
ASPECT_UNSPECIFIED: Aspect
ASPECT_BINARY: Aspect
ASPECT_JSON: Aspect
ASPECT_VIOLATIONS: Aspect
ASPECT_DIGEST: Aspect

class Request(_message.Message):
    __slots__ = ("describe", "evaluate")
    DESCRIBE_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_FIELD_NUMBER: _ClassVar[int]
    describe: DescribeRequest
    evaluate: EvaluateRequest
    def __init__(self, describe: _Optional[_Union[DescribeRequest, _Mapping]] = ..., evaluate: _Optional[_Union[EvaluateRequest, _Mapping]] = ...) -> None: ...

class Response(_message.Message):
    __slots__ = ("describe", "evaluate", "executor_error")
    DESCRIBE_FIELD_NUMBER: _ClassVar[int]
    EVALUATE_FIELD_NUMBER: _ClassVar[int]
    EXECUTOR_ERROR_FIELD_NUMBER: _ClassVar[int]
    describe: DescribeResponse
    evaluate: EvaluateResponse
    executor_error: str
    def __init__(self, describe: _Optional[_Union[DescribeResponse, _Mapping]] = ..., evaluate: _Optional[_Union[EvaluateResponse, _Mapping]] = ..., executor_error: _Optional[str] = ...) -> None: ...

class DescribeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DescribeResponse(_message.Message):
    __slots__ = ("implementation", "aspects")
    IMPLEMENTATION_FIELD_NUMBER: _ClassVar[int]
    ASPECTS_FIELD_NUMBER: _ClassVar[int]
    implementation: str
    aspects: _containers.RepeatedScalarFieldContainer[Aspect]
    def __init__(self, implementation: _Optional[str] = ..., aspects: _Optional[_Iterable[_Union[Aspect, str]]] = ...) -> None: ...

class EvaluateRequest(_message.Message):
    __slots__ = ("message_type", "binary", "json")
    MESSAGE_TYPE_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    message_type: str
    binary: bytes
    json: bytes
    def __init__(self, message_type: _Optional[str] = ..., binary: _Optional[bytes] = ..., json: _Optional[bytes] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("decode_error", "evaluation")
    DECODE_ERROR_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_FIELD_NUMBER: _ClassVar[int]
    decode_error: str
    evaluation: Evaluation
    def __init__(self, decode_error: _Optional[str] = ..., evaluation: _Optional[_Union[Evaluation, _Mapping]] = ...) -> None: ...

class Evaluation(_message.Message):
    __slots__ = ("binary", "json", "json_error", "broken_rules", "rules_error", "digest", "digest_error")
    BINARY_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    JSON_ERROR_FIELD_NUMBER: _ClassVar[int]
    BROKEN_RULES_FIELD_NUMBER: _ClassVar[int]
    RULES_ERROR_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    DIGEST_ERROR_FIELD_NUMBER: _ClassVar[int]
    binary: bytes
    json: str
    json_error: str
    broken_rules: BrokenRules
    rules_error: str
    digest: str
    digest_error: str
    def __init__(self, binary: _Optional[bytes] = ..., json: _Optional[str] = ..., json_error: _Optional[str] = ..., broken_rules: _Optional[_Union[BrokenRules, _Mapping]] = ..., rules_error: _Optional[str] = ..., digest: _Optional[str] = ..., digest_error: _Optional[str] = ...) -> None: ...

class BrokenRules(_message.Message):
    __slots__ = ("rules",)
    RULES_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[BrokenRule]
    def __init__(self, rules: _Optional[_Iterable[_Union[BrokenRule, _Mapping]]] = ...) -> None: ...

class BrokenRule(_message.Message):
    __slots__ = ("path", "rule_id")
    PATH_FIELD_NUMBER: _ClassVar[int]
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    path: str
    rule_id: str
    def __init__(self, path: _Optional[str] = ..., rule_id: _Optional[str] = ...) -> None: ...

class Suite(_message.Message):
    __slots__ = ("topic", "cases")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    CASES_FIELD_NUMBER: _ClassVar[int]
    topic: str
    cases: _containers.RepeatedCompositeFieldContainer[Case]
    def __init__(self, topic: _Optional[str] = ..., cases: _Optional[_Iterable[_Union[Case, _Mapping]]] = ...) -> None: ...

class Case(_message.Message):
    __slots__ = ("name", "reason", "request", "expected")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    name: str
    reason: str
    request: EvaluateRequest
    expected: EvaluateResponse
    def __init__(self, name: _Optional[str] = ..., reason: _Optional[str] = ..., request: _Optional[_Union[EvaluateRequest, _Mapping]] = ..., expected: _Optional[_Union[EvaluateResponse, _Mapping]] = ...) -> None: ...
