from crucible_ir.exchange.v1 import violation_pb2 as _violation_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LintSeverity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LINT_SEVERITY_UNSPECIFIED: _ClassVar[LintSeverity]
    LINT_SEVERITY_INFO: _ClassVar[LintSeverity]
    LINT_SEVERITY_WARNING: _ClassVar[LintSeverity]

class Form(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FORM_UNSPECIFIED: _ClassVar[Form]
    FORM_BINARY: _ClassVar[Form]
    FORM_JSON: _ClassVar[Form]
    FORM_CRUCIBLE_JSON: _ClassVar[Form]
    FORM_YAML: _ClassVar[Form]
    FORM_TEXT: _ClassVar[Form]
LINT_SEVERITY_UNSPECIFIED: LintSeverity
LINT_SEVERITY_INFO: LintSeverity
LINT_SEVERITY_WARNING: LintSeverity
FORM_UNSPECIFIED: Form
FORM_BINARY: Form
FORM_JSON: Form
FORM_CRUCIBLE_JSON: Form
FORM_YAML: Form
FORM_TEXT: Form

class ValidateRequest(_message.Message):
    __slots__ = ("content", "type", "form", "skip_lints")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    SKIP_LINTS_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    type: str
    form: Form
    skip_lints: bool
    def __init__(self, content: _Optional[bytes] = ..., type: _Optional[str] = ..., form: _Optional[_Union[Form, str]] = ..., skip_lints: bool = ...) -> None: ...

class ValidateResponse(_message.Message):
    __slots__ = ("valid", "failure", "violations", "lints", "omitted_violations", "omitted_lints")
    VALID_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    LINTS_FIELD_NUMBER: _ClassVar[int]
    OMITTED_VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    OMITTED_LINTS_FIELD_NUMBER: _ClassVar[int]
    valid: bool
    failure: ReadFailure
    violations: _containers.RepeatedCompositeFieldContainer[_violation_pb2.Violation]
    lints: _containers.RepeatedCompositeFieldContainer[Lint]
    omitted_violations: int
    omitted_lints: int
    def __init__(self, valid: bool = ..., failure: _Optional[_Union[ReadFailure, _Mapping]] = ..., violations: _Optional[_Iterable[_Union[_violation_pb2.Violation, _Mapping]]] = ..., lints: _Optional[_Iterable[_Union[Lint, _Mapping]]] = ..., omitted_violations: _Optional[int] = ..., omitted_lints: _Optional[int] = ...) -> None: ...

class ReadFailure(_message.Message):
    __slots__ = ("message", "path", "line", "column")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    message: str
    path: str
    line: int
    column: int
    def __init__(self, message: _Optional[str] = ..., path: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ...) -> None: ...

class Lint(_message.Message):
    __slots__ = ("lint_id", "severity", "path", "message", "fix")
    LINT_ID_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FIX_FIELD_NUMBER: _ClassVar[int]
    lint_id: str
    severity: LintSeverity
    path: str
    message: str
    fix: str
    def __init__(self, lint_id: _Optional[str] = ..., severity: _Optional[_Union[LintSeverity, str]] = ..., path: _Optional[str] = ..., message: _Optional[str] = ..., fix: _Optional[str] = ...) -> None: ...

class ConvertRequest(_message.Message):
    __slots__ = ("content", "type", "source_form", "target_form", "allow_invalid")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FORM_FIELD_NUMBER: _ClassVar[int]
    TARGET_FORM_FIELD_NUMBER: _ClassVar[int]
    ALLOW_INVALID_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    type: str
    source_form: Form
    target_form: Form
    allow_invalid: bool
    def __init__(self, content: _Optional[bytes] = ..., type: _Optional[str] = ..., source_form: _Optional[_Union[Form, str]] = ..., target_form: _Optional[_Union[Form, str]] = ..., allow_invalid: bool = ...) -> None: ...

class ConvertResponse(_message.Message):
    __slots__ = ("content",)
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    def __init__(self, content: _Optional[bytes] = ...) -> None: ...
