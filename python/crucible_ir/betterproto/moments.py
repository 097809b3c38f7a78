"""Timestamps and durations, which betterproto2 keeps as Python's own and not always whole."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from crucible_ir.betterproto.generated.google.protobuf import Duration, Timestamp
from crucible_ir.paths import MapKey
from crucible_ir.schema.types import descriptor_of, is_map, message_of
from crucible_ir.serialization.conversion_error import ConversionError

#: What betterproto2 has in place of the messages of these types, as it reads and writes them.
MOMENTS: dict[str, type[Timestamp] | type[Duration]] = {
    "google.protobuf.Timestamp": Timestamp,
    "google.protobuf.Duration": Duration,
}

#: A field that leads to a moment, and whether its values are moments themselves.
_Step: TypeAlias = tuple[FieldDescriptor, bool]


def refuse_lost_moments(message: Message) -> None:
    """Raise if betterproto2 would not give back a timestamp or duration inside a message.

    Raises:
        ConversionError: It would not; the path is that of the first.
    """
    for field, is_moment in _steps(descriptor_of(message)):
        check = refuse_lost_moment if is_moment else refuse_lost_moments
        if is_map(field) or field.is_repeated:
            held = getattr(message, field.name)
            keys: Any = map(MapKey, sorted(held)) if is_map(field) else range(len(held))
            for key in keys:
                try:
                    check(held[key])
                except ConversionError as error:
                    raise error.under(key).under(field.name) from None
        elif message.HasField(field.name):
            try:
                check(getattr(message, field.name))
            except ConversionError as error:
                raise error.under(field.name) from None


def refuse_lost_moment(moment: Any) -> None:
    """Raise if betterproto2 would not give back one timestamp or duration.

    Args:
        moment: A message of one of the types of `MOMENTS`.

    Raises:
        ConversionError: It would not.
    """
    class_ = MOMENTS[moment.DESCRIPTOR.full_name]
    what = class_.__name__
    shown = f"{moment.seconds} s and {moment.nanos} ns"
    if len(UnknownFieldSet(moment)):
        raise ConversionError(f"betterproto2 would lose the unknown fields of this {what}")
    try:
        wrapped = class_(moment.seconds, moment.nanos).to_wrapped()
        back = class_.from_wrapped(wrapped)  # type: ignore[arg-type]  # of the same class
    except (OverflowError, ValueError) as error:
        raise ConversionError(f"betterproto2 cannot hold a {what} of {shown}: {error}") from None
    if (back.seconds, back.nanos) != (moment.seconds, moment.nanos):
        raise ConversionError(
            f"betterproto2 would make {back.seconds} s and {back.nanos} ns of this {what} of"
            f" {shown}: it keeps microseconds"
        )


@cache
def _steps(descriptor: Descriptor) -> tuple[_Step, ...]:
    found: list[_Step] = []
    for field in descriptor.fields:
        inner = message_of(field)
        if inner is not None and _leads_to_moments(inner):
            found.append((field, inner.full_name in MOMENTS))
    return tuple(found)


@cache
def _leads_to_moments(descriptor: Descriptor) -> bool:
    seen: set[str] = set()
    waiting = [descriptor]
    while waiting:
        current = waiting.pop()
        if current.full_name in MOMENTS:
            return True
        if current.full_name not in seen:
            seen.add(current.full_name)
            waiting += [inner for field in current.fields if (inner := message_of(field))]
    return False
