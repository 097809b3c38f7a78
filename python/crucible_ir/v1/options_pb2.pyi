from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ReferenceResolution(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFERENCE_RESOLUTION_UNSPECIFIED: _ClassVar[ReferenceResolution]
    REFERENCE_RESOLUTION_BY_ID: _ClassVar[ReferenceResolution]
    REFERENCE_RESOLUTION_BY_VERSION_OF_MODEL: _ClassVar[ReferenceResolution]
    REFERENCE_RESOLUTION_BY_VERSION_OF_DEPLOYMENT: _ClassVar[ReferenceResolution]
REFERENCE_RESOLUTION_UNSPECIFIED: ReferenceResolution
REFERENCE_RESOLUTION_BY_ID: ReferenceResolution
REFERENCE_RESOLUTION_BY_VERSION_OF_MODEL: ReferenceResolution
REFERENCE_RESOLUTION_BY_VERSION_OF_DEPLOYMENT: ReferenceResolution
DEFAULT_FIELD_NUMBER: _ClassVar[int]
default: _descriptor.FieldDescriptor
REFERENCE_FIELD_NUMBER: _ClassVar[int]
reference: _descriptor.FieldDescriptor
RESOLUTION_FIELD_NUMBER: _ClassVar[int]
resolution: _descriptor.FieldDescriptor
IDENTITY_FIELD_NUMBER: _ClassVar[int]
identity: _descriptor.FieldDescriptor
IMMUTABLE_FIELD_NUMBER: _ClassVar[int]
immutable: _descriptor.FieldDescriptor
SINCE_FIELD_NUMBER: _ClassVar[int]
since: _descriptor.FieldDescriptor
MESSAGE_SINCE_FIELD_NUMBER: _ClassVar[int]
message_since: _descriptor.FieldDescriptor
VALUE_SINCE_FIELD_NUMBER: _ClassVar[int]
value_since: _descriptor.FieldDescriptor
