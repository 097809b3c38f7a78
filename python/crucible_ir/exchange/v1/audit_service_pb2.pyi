import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AuditAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIT_ACTION_UNSPECIFIED: _ClassVar[AuditAction]
    AUDIT_ACTION_PUBLISHED: _ClassVar[AuditAction]
    AUDIT_ACTION_PROMOTED: _ClassVar[AuditAction]
    AUDIT_ACTION_DELETED: _ClassVar[AuditAction]
    AUDIT_ACTION_COMPACTED: _ClassVar[AuditAction]
    AUDIT_ACTION_ERASED: _ClassVar[AuditAction]
    AUDIT_ACTION_PURGED: _ClassVar[AuditAction]
    AUDIT_ACTION_EXPORTED: _ClassVar[AuditAction]
    AUDIT_ACTION_CONFIGURED: _ClassVar[AuditAction]
    AUDIT_ACTION_CREDENTIALS_CHANGED: _ClassVar[AuditAction]
    AUDIT_ACTION_OVERRIDDEN: _ClassVar[AuditAction]
    AUDIT_ACTION_EXPIRED: _ClassVar[AuditAction]
    AUDIT_ACTION_BACKED_UP: _ClassVar[AuditAction]
    AUDIT_ACTION_RESTORED: _ClassVar[AuditAction]

class AuditAuthentication(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIT_AUTHENTICATION_UNSPECIFIED: _ClassVar[AuditAuthentication]
    AUDIT_AUTHENTICATION_NONE: _ClassVar[AuditAuthentication]
    AUDIT_AUTHENTICATION_TOKEN: _ClassVar[AuditAuthentication]
    AUDIT_AUTHENTICATION_CERTIFICATE: _ClassVar[AuditAuthentication]
    AUDIT_AUTHENTICATION_JWT: _ClassVar[AuditAuthentication]
    AUDIT_AUTHENTICATION_SERVER: _ClassVar[AuditAuthentication]
AUDIT_ACTION_UNSPECIFIED: AuditAction
AUDIT_ACTION_PUBLISHED: AuditAction
AUDIT_ACTION_PROMOTED: AuditAction
AUDIT_ACTION_DELETED: AuditAction
AUDIT_ACTION_COMPACTED: AuditAction
AUDIT_ACTION_ERASED: AuditAction
AUDIT_ACTION_PURGED: AuditAction
AUDIT_ACTION_EXPORTED: AuditAction
AUDIT_ACTION_CONFIGURED: AuditAction
AUDIT_ACTION_CREDENTIALS_CHANGED: AuditAction
AUDIT_ACTION_OVERRIDDEN: AuditAction
AUDIT_ACTION_EXPIRED: AuditAction
AUDIT_ACTION_BACKED_UP: AuditAction
AUDIT_ACTION_RESTORED: AuditAction
AUDIT_AUTHENTICATION_UNSPECIFIED: AuditAuthentication
AUDIT_AUTHENTICATION_NONE: AuditAuthentication
AUDIT_AUTHENTICATION_TOKEN: AuditAuthentication
AUDIT_AUTHENTICATION_CERTIFICATE: AuditAuthentication
AUDIT_AUTHENTICATION_JWT: AuditAuthentication
AUDIT_AUTHENTICATION_SERVER: AuditAuthentication

class ListAuditEntriesRequest(_message.Message):
    __slots__ = ("start_time", "end_time", "caller", "actions", "type", "id", "page_size", "page_token")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    caller: str
    actions: _containers.RepeatedScalarFieldContainer[AuditAction]
    type: str
    id: str
    page_size: int
    page_token: str
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., caller: _Optional[str] = ..., actions: _Optional[_Iterable[_Union[AuditAction, str]]] = ..., type: _Optional[str] = ..., id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAuditEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[AuditEntry]
    next_page_token: str
    def __init__(self, entries: _Optional[_Iterable[_Union[AuditEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class AuditEntry(_message.Message):
    __slots__ = ("number", "time", "action", "caller", "authentication", "type", "id", "revision", "counts", "details", "request_id")
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    AUTHENTICATION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    number: int
    time: _timestamp_pb2.Timestamp
    action: AuditAction
    caller: str
    authentication: AuditAuthentication
    type: str
    id: str
    revision: int
    counts: _containers.ScalarMap[str, int]
    details: _containers.ScalarMap[str, str]
    request_id: str
    def __init__(self, number: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., action: _Optional[_Union[AuditAction, str]] = ..., caller: _Optional[str] = ..., authentication: _Optional[_Union[AuditAuthentication, str]] = ..., type: _Optional[str] = ..., id: _Optional[str] = ..., revision: _Optional[int] = ..., counts: _Optional[_Mapping[str, int]] = ..., details: _Optional[_Mapping[str, str]] = ..., request_id: _Optional[str] = ...) -> None: ...
