"""Checks of protobuf messages for fields that betterproto2 would lose or change."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir.betterproto.generated.google.protobuf import Duration, Timestamp
from crucible_ir.schema.types import descriptor_of
from crucible_ir.schema.unknown_fields import messages_with_unknown_fields
from crucible_ir.schema.walk import walk
from crucible_ir.serialization.conversion_error import ConversionError

#: The classes that betterproto2 uses to read and write the messages of these types.
_TIME_CLASSES: dict[str, type[Timestamp] | type[Duration]] = {
    "google.protobuf.Timestamp": Timestamp,
    "google.protobuf.Duration": Duration,
}

#: The wire type of the start of a group.
_START_GROUP = 3


def reject_lossy_fields(message: Message) -> None:
    """Raise if betterproto2 would lose or change a field of a message.

    Raises:
        ConversionError: It would lose a part of a timestamp or duration, or misread an unknown
            field; the path is that of the first.
    """
    for path, inner in walk(message):
        class_ = _TIME_CLASSES.get(descriptor_of(inner).full_name)
        reason = _lossy_time(inner, class_) if class_ is not None else None
        if reason is not None:
            raise ConversionError(reason, *path)
    for path, holder in messages_with_unknown_fields(message):
        reason = _misread_unknown_field(holder)
        if reason is not None:
            raise ConversionError(reason, *path)


def _lossy_time(time: Any, class_: type[Timestamp] | type[Duration]) -> str | None:
    """Return why a timestamp or duration does not survive betterproto2; ``None`` if it does."""
    name = class_.__name__
    shown = f"{time.seconds} s and {time.nanos} ns"
    if len(UnknownFieldSet(time)):
        return f"betterproto2 would lose the unknown fields of this {name}"
    try:
        converted = class_(time.seconds, time.nanos).to_wrapped()
        back = class_.from_wrapped(converted)  # type: ignore[arg-type]  # of the same class
    except (OverflowError, ValueError) as error:
        return f"betterproto2 cannot represent a {name} of {shown}: {error}"
    if (back.seconds, back.nanos) != (time.seconds, time.nanos):
        return (
            f"betterproto2 would change this {name} of {shown} to {back.seconds} s and"
            f" {back.nanos} ns: it keeps only microseconds"
        )
    return None


def _misread_unknown_field(message: Message) -> str | None:
    """Return why betterproto2 would misread an unknown field; ``None`` if it would keep all.

    It reads the content of a group as fields of the message, and a field with the number of a known
    field as that field, whatever its wire type.
    """
    known = descriptor_of(message).fields_by_number
    unknown = UnknownFieldSet(message)
    for index in range(len(unknown)):
        field = unknown[index]
        if field.field_number in known:
            name = known[field.field_number].name
            return (
                f"betterproto2 would misread a field with the number of {name} and the wrong wire"
                f" type {field.wire_type}"
            )
        if field.wire_type == _START_GROUP:
            return f"betterproto2 cannot preserve the unknown field {field.field_number}, a group"
    return None
