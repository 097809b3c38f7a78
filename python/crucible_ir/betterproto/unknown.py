"""Unknown fields, which betterproto2 keeps as long as it does not take them for known ones."""

from __future__ import annotations

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.unknown_fields import holders_of_unknown_fields
from crucible_ir.serialization.conversion_error import ConversionError

#: The wire type with which a group begins.
_START_GROUP = 3


def refuse_misread_unknown_fields(message: Message) -> None:
    """Raise if betterproto2 would take an unknown field inside a message for something else.

    Raises:
        ConversionError: The field is a group, whose content betterproto2 reads as fields of the
            message around it, or it has the number of a known field in another wire type.
    """
    for path, holder in holders_of_unknown_fields(message):
        known = descriptor_of(holder).fields_by_number
        unknown = UnknownFieldSet(holder)
        for index in range(len(unknown)):
            field = unknown[index]
            if field.field_number in known:
                name = known[field.field_number].name
                raise ConversionError(
                    f"betterproto2 would misread what is in the place of {name}, in wire type"
                    f" {field.wire_type}, which is not that of {name}",
                    *path,
                )
            if field.wire_type == _START_GROUP:
                raise ConversionError(
                    f"betterproto2 cannot keep the unknown field {field.field_number}, a group",
                    *path,
                )
